"""Which reducer is called first, everywhere: random orders of the schema, the writes and the reads.

Reducers note their calls and some raise, so the log of both engines, the error and its key are
equal only when the order is.
"""

from __future__ import annotations

import random
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.channels import BaseChannel, DeltaChannel, LastValue, Topic
from langgraph.graph import END, START, StateGraph
from langgraph.managed.base import ManagedValue
from langgraph.types import Command, Overwrite, Send
from parity import FULL_PATH, INVOKE, UPDATES, Log, compare
from threads import Script, Step, compare_scripts

PATHS = (INVOKE, FULL_PATH, UPDATES)
KINDS = ("reducer", "reducer", "reducer", "delta", "last", "topic", "custom", "custom")
ONE_BY_ONE = {"max_concurrency": 1}


class State(TypedDict, total=False):
    """Two keys, in their order."""

    x: int
    y: int


class Read(TypedDict, total=False):
    """The same in the other order."""

    y: int
    x: int


class Delta(TypedDict, total=False):
    """A key that is stored by its writes, and another."""

    d: Annotated[list, DeltaChannel(lambda old, new: [*old, *new])]
    other: int


class Refused(Exception):
    """What a reducer raises that is given a bad value."""


def reducer(log: Log, key: str) -> Any:
    """Appends, and notes each call."""

    def reduce(old: Any, new: Any) -> Any:
        log.note("reducers", key, [old, new])
        if new == "bad" or (isinstance(new, list) and "bad" in new):
            raise Refused(key)
        return [*old, new]

    return reduce


def recording(log: Log) -> type[BaseChannel[Any, Any, Any]]:
    """A channel class that notes what it is told."""

    class Recording(LastValue[Any]):
        def __init__(self, typ: Any, key: str = "") -> None:
            super().__init__(typ, key)

        def update(self, values: Any) -> bool:
            log.note("reducers", f"{self.key}.update", list(values))
            if "bad" in values:
                raise Refused(self.key)
            return super().update(values[-1:])

        def finish(self) -> bool:
            log.note("reducers", f"{self.key}.finish", None)
            return super().finish()

    return Recording


def managed(log: Log, key: str) -> type[ManagedValue[Any]]:
    """A managed value that notes when it is computed."""

    class Noted(ManagedValue[Any]):
        @staticmethod
        def get(scratchpad: Any) -> Any:
            log.note("reducers", f"{key}.get", scratchpad.step)
            return scratchpad.step

    return Noted


def annotation(log: Log, key: str, kind: str) -> Any:
    """The annotation of a key of that kind."""
    if kind == "reducer":
        return Annotated[list, reducer(log, key)]
    if kind == "delta":
        return Annotated[list, DeltaChannel(reducer(log, key))]
    if kind == "topic":
        return Annotated[list, Topic(Any, accumulate=True)]
    if kind == "custom":
        return Annotated[Any, recording(log)]
    if kind == "managed":
        return Annotated[Any, managed(log, key)]
    return Any


class Draw:
    """The random choices of one graph.

    Args:
        seed: fixes them.
        kinds: the kinds of keys there may be.
    """

    def __init__(self, seed: int, kinds: tuple[str, ...]) -> None:
        self.chance = random.Random(seed)
        names = ["x", "y", "z", "k", "a"]
        self.chance.shuffle(names)
        self.kinds = {name: self.chance.choice(kinds) for name in names}
        self.bad = self.chance.choice((0, 0, 0.05, 0.2))

    def keys(self) -> list[str]:
        """Some keys in some order."""
        return self.chance.sample(list(self.kinds), self.chance.randint(2, len(self.kinds)))

    def update(self) -> dict[str, Any]:
        """An update of some keys."""
        made: dict[str, Any] = {}
        for key in self.keys():
            value: Any = "bad" if self.chance.random() < self.bad else self.chance.randint(0, 9)
            if self.kinds[key] in ("reducer", "delta") and self.chance.random() < 0.1:
                value = Overwrite([value])
            made[key] = value
        return made

    def output(self) -> Any:
        """What a node returns."""
        form = self.chance.choice(("dict", "dict", "command", "commands"))
        if form == "dict":
            return self.update()
        commands = [Command(update=self.update()) for _ in range(self.chance.randint(1, 3))]
        return commands[0] if form == "command" else commands


def builds(seed: int, kinds: tuple[str, ...]) -> Any:
    """What makes the graph of a seed: two nodes side by side, routers, and a node after them."""

    def build(log: Log) -> Any:
        draw = Draw(seed, kinds)
        hints = {key: annotation(log, key, kind) for key, kind in draw.kinds.items()}
        if draw.chance.random() < 0.3:
            hints["m"] = annotation(log, "m", "managed")
            hints["q"] = annotation(log, "q", "managed")
        builder = StateGraph(TypedDict("State", hints, total=False))  # type: ignore[operator]

        def reads(name: str) -> Any:
            keys = draw.keys()
            if "m" in hints and draw.chance.random() < 0.5:
                keys += draw.chance.sample(["m", "q"], 2)
            return TypedDict(name, {key: hints[key] for key in keys}, total=False)  # type: ignore[operator]

        def node(name: str) -> Any:
            outputs = [draw.output() for _ in range(2)]

            def run(state: Any) -> Any:
                log.note("reducers", f"node {name}", sorted(state))
                return outputs[log.visits("reducers", f"node {name}") % 2]

            run.__annotations__["state"] = reads("Seen")
            return run

        def router(name: str, *targets: Any) -> Any:
            def route(state: Any) -> Any:
                log.note("reducers", f"router {name}", list(state.items()))
                return targets[log.visits("reducers", f"router {name}") % len(targets)]

            if draw.chance.random() < 0.7:
                route.__annotations__["state"] = reads("Routed")
            route.__name__ = name
            return route

        names = ["n", "o"] if draw.chance.random() < 0.5 else ["n"]
        for name in [*names, "p"]:
            builder.add_node(name, node(name))
        for name in names:
            builder.add_edge(START, name)
            for number in range(draw.chance.randint(0, 2)):
                send = Send("p", draw.update())
                builder.add_conditional_edges(name, router(f"{name}{number}", "p", END, send))
            if draw.chance.random() < 0.5:
                builder.add_edge(name, "p")
        if draw.chance.random() < 0.3:
            builder.add_conditional_edges(START, router("start", "p", END))
        return builder

    return build


FAST_PATH_KINDS = ("reducer", "reducer", "last")
"""Kinds that the fast path runs."""


@pytest.mark.parametrize("kinds", [FAST_PATH_KINDS, KINDS], ids=["fast path", "all"])
@pytest.mark.parametrize("seed", range(60))
def test_reducers_are_called_in_langgraphs_order(seed: int, kinds: tuple[str, ...]) -> None:
    """In the input, in fresh reads and at the end of a superstep."""
    draw = Draw(seed, kinds)
    compare(builds(seed, kinds), draw.update(), ONE_BY_ONE, *PATHS)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("durability", ["sync", "exit"])
def test_reducers_are_called_in_langgraphs_order_on_a_thread(seed: int, durability: str) -> None:
    """In the writes of a Command, in updates, in previews of a state, in replayed channels."""
    draw = Draw(seed, KINDS)
    options = (("durability", durability),)
    names = ["n", "p"]
    updates = [
        [(draw.output(), draw.chance.choice(names), None) for _ in range(draw.chance.randint(1, 3))]
        for _ in range(2)
    ]
    steps = (
        Step(input=draw.update(), options=(*options, ("interrupt_before", ["p"]))),
        Step("get_state"),
        Step("update_state", draw.update(), options=(("as_node", "n"),)),
        Step("bulk_update_state", updates),
        Step("get_state"),
        Step(input=Command(update=draw.update(), goto="n"), options=options),
        Step("get_state"),
        Step("get_state", at=1),
        Step(input=draw.update(), options=options),
        Step("get_state_history"),
    )
    savers = [("UpstreamMemorySaver", "MemorySaver")]
    compare_scripts(builds(seed, KINDS), Script(steps, ONE_BY_ONE), savers)


def test_a_fresh_read_fails_at_the_first_key_of_the_state() -> None:
    """Not at the first that the router reads, nor the first that was written."""

    def build(log: Log) -> Any:
        def node(state: State) -> Any:
            return [Command(update={"y": 0, "x": 0}), Command(update={"y": 0, "x": 0})]

        def route(state: Read) -> str:
            return END

        builder = StateGraph(State)
        builder.add_node("node", node)
        builder.add_edge(START, "node")
        builder.add_conditional_edges("node", route)
        return builder

    seen = compare(build, {"x": 1})
    assert seen[0]["error"]["text"].startswith("At key 'x'")


def test_a_router_cannot_change_a_delta_channel_it_did_not_write() -> None:
    """It is given a copy, as of a channel that was written."""

    def build(log: Log) -> Any:
        def route(state: Delta) -> str:
            state["d"].append("changed")
            return END

        builder = StateGraph(Delta)
        builder.add_node("node", lambda state: {"other": 1})
        builder.add_edge(START, "node")
        builder.add_conditional_edges("node", route)
        return builder

    seen = compare(build, {"d": "i"})
    assert seen[0]["result"] == {"d": ["i"], "other": 1}
