"""Nodes that do what few nodes do: lgc does what LangGraph does, on every path."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from awkward import (
    ALONE,
    AT_ONCE,
    SAVED,
    SYNC,
    Ended,
    Notes,
    Run,
    advance,
    check,
    fan,
    joined,
    loop,
    node,
    routed,
    sent,
    two_routers,
)
from awkward_acts import AT_ONCE_BY_THEMSELVES, NODES, Failing, Twice
from langgraph.channels import EphemeralValue
from langgraph.errors import GraphBubbleUp, GraphInterrupt
from langgraph.types import Command, Interrupt, Overwrite

FROM_TWO = Run({"log": ["in"], "count": 2})
SHORT = (Run({"count": 0, "log": []}, 6), Run({"count": 1}), Run({"count": 2, "log": []}, 3))


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("graph", ALONE)
def test_node_alone(graph: Any, name: str) -> None:
    """It is the only one in its superstep."""

    def build(notes: Notes) -> Any:
        return graph(notes, node(notes, "a", NODES[name]), False)

    runs = [FROM_TWO, *SHORT] if graph is loop else [FROM_TWO]
    check(build, runs, SYNC, name in AT_ONCE_BY_THEMSELVES)


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("graph", AT_ONCE)
def test_node_beside_others(graph: Any, name: str) -> None:
    """Others run in its superstep: by edges, before a join and a deferred node, by Sends."""

    def build(notes: Notes) -> Any:
        return graph(notes, node(notes, "a", NODES[name]), False)

    check(build, [FROM_TWO], SYNC, True)


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("graph", [loop, joined, sent])
def test_node_on_a_thread(graph: Any, name: str) -> None:
    """What the saver holds is compared, too."""

    def build(notes: Notes) -> Any:
        return graph(notes, node(notes, "a", NODES[name]), False)

    check(build, [FROM_TWO], SAVED, graph is not loop or name in AT_ONCE_BY_THEMSELVES)


def _last_of_generator(notes: Notes) -> Any:
    def a(state: Any) -> Any:
        notes.note("a", "state", state)
        yield {"log": ["lost"]}
        yield advance(state)

    return a


def _generator_of_nothing(notes: Notes) -> Any:
    def a(state: Any) -> Any:
        yield from ()

    return a


def _generator_of_numbers(notes: Notes) -> Any:
    def a(state: Any) -> Any:
        yield 1
        yield 2

    return a


def _generator_that_fails(notes: Notes) -> Any:
    def a(state: Any) -> Any:
        yield advance(state)
        raise ValueError("after a chunk")

    return a


def _generator_with_return(notes: Notes) -> Any:
    def a(state: Any) -> Any:
        yield advance(state)
        return {"log": ["returned"]}

    return a


_GENERATORS = (
    _last_of_generator,
    _generator_of_nothing,
    _generator_of_numbers,
    _generator_that_fails,
    _generator_with_return,
)


@pytest.mark.parametrize("make", _GENERATORS)
@pytest.mark.parametrize("graph", [loop, two_routers, fan])
def test_generator_function(graph: Any, make: Any) -> None:
    check(lambda notes: graph(notes, make(notes), False), [FROM_TWO], (*SYNC, *SAVED), graph is fan)


def _interrupt(text: str) -> GraphInterrupt:
    return GraphInterrupt((Interrupt(text),))


def _raising(number: int, error: Callable[[str], BaseException]) -> Any:
    def reducer_of(notes: Notes) -> Any:
        def reduce(old: Any, new: Any) -> Any:
            notes.note("reducer", "reduces", (old, new))
            if notes.visits("reducer", "reduces") == number:
                raise error(f"call {number}")
            return [*old, *new]

        return reduce

    return reducer_of


def _in_place(notes: Notes) -> Any:
    def reduce(old: Any, new: Any) -> Any:
        notes.note("reducer", "reduces", (old, new))
        return operator.iadd(old, new)

    return reduce


def _to_none(notes: Notes) -> Any:
    def reduce(old: Any, new: Any) -> Any:
        notes.note("reducer", "reduces", (old, new))
        return None if len(new) > 1 else [*(old or ()), *new]

    return reduce


_REDUCERS = {
    **{f"raises at call {number}": _raising(number, ValueError) for number in range(1, 8)},
    "raises StopIteration": _raising(4, StopIteration),
    "ends": _raising(4, Ended),
    **{f"interrupts at call {number}": _raising(number, _interrupt) for number in range(1, 8)},
    "bubbles up": _raising(3, GraphBubbleUp),
    "in place": _in_place,
    "returns None": _to_none,
}


@pytest.mark.parametrize("name", _REDUCERS)
@pytest.mark.parametrize("graph", [loop, routed, two_routers, fan])
def test_reducer(graph: Any, name: str) -> None:
    """It is called as often, in the same order, with the same values; and may raise."""

    def writes_all(state: Any, notes: Notes) -> Any:
        # In the state's order the new key comes first.
        return {"count": state["count"] + 1, "first": state["count"], "log": ["a"]}

    def build(notes: Notes) -> Any:
        keys = {"first": Any, "count": int, "log": Annotated[list, _REDUCERS[name](notes)]}
        notes.schema = TypedDict("State", keys)
        return graph(notes, node(notes, "a", writes_all), False)

    runs = [FROM_TWO, Run({"count": 3}), Run({"count": 2, "log": ["in"]}, 3)]
    check(build, runs, SYNC, graph is fan)
    check(build, [FROM_TWO], SAVED, graph is fan)


def test_reducer_that_interrupts_a_stream() -> None:
    """Its superstep's chunks come, as for an interrupt of a node."""

    def build(notes: Notes) -> Any:
        reducer = _REDUCERS["interrupts at call 2"](notes)
        notes.schema = TypedDict("State", {"count": int, "log": Annotated[list, reducer]})
        return loop(notes, node(notes, "a"), False)

    check(build, [FROM_TWO], SYNC[1:])


@pytest.mark.parametrize("graph", [loop, routed, two_routers])
def test_keys_that_last_a_superstep(graph: Any) -> None:
    """Written by the awkward node each time, they are gone after the next one."""

    def writes_all(state: Any, notes: Notes) -> Any:
        return {"once": state["count"], **advance(state)}

    def build(notes: Notes) -> Any:
        keys = {
            "once": Annotated[int, EphemeralValue],
            "count": int,
            "log": Annotated[list, operator.add],
        }
        notes.schema = TypedDict("State", keys)
        return graph(notes, node(notes, "a", writes_all), False)

    check(build, [FROM_TWO, Run({"count": 2, "once": 1})], (*SYNC, *SAVED))


class _OwnInput(dict[str, Any]):
    """An input that is no plain dict."""


_INPUTS = {
    "nothing": {},
    "None": None,
    "one key": {"log": ["in"]},
    "keys the other way": {"log": ["in"], "count": 3},
    "unknown keys": {"unknown": 1, "count": 3},
    "only unknown keys": {"unknown": 1},
    "int keys": {1: 2, "count": 3},
    "own class": _OwnInput(count=3, log=["own"]),
    "items twice": lambda: Twice(count=3, log=["own"]),
    "no items": lambda: Failing(count=3),
    "no list": {"count": 3, "log": 5},
    "None values": {"count": None, "log": None},
    "Overwrite": {"count": 3, "log": Overwrite(["over"])},
    "Overwrite as a dict": {"count": 3, "log": {"__overwrite__": ["over"]}},
    "a trigger": {"branch:to:b": 1, "count": 3},
    "a reserved key": {"__start__": 1, "count": 3},
    "an int": 5,
    "a list": [("count", 3)],
    "a text": "text",
    "a Command": Command(update={"count": 3, "log": ["command"]}, goto="b"),
    "a Command without a goto": Command(update=[("count", 3)]),
}


@pytest.mark.parametrize("name", _INPUTS)
@pytest.mark.parametrize("graph", [loop, routed, joined])
def test_input(graph: Any, name: str) -> None:
    check(
        lambda notes: graph(notes, node(notes, "a"), False),
        [Run(_INPUTS[name])],
        (*SYNC, *SAVED),
        graph is joined,
    )


@pytest.mark.parametrize("graph", [*ALONE, *AT_ONCE])
def test_recursion_limit(graph: Any) -> None:
    """Of every size around that of the run."""
    check(
        lambda notes: graph(notes, node(notes, "a"), False),
        [Run({"count": 0, "log": []}, limit) for limit in range(9)],
        (*SYNC, *SAVED),
        graph in AT_ONCE,
    )
