"""Who sees which context variables in a run: as under LangGraph.

Everything of the user's that a run calls notes what it sees, and then sets the variable.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from typing import Annotated, Any, TypedDict

import pytest
from cancelling import ENGINES
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START
from langgraph.types import Command, Send, interrupt
from parity import Log, difference, pinned
from small import wire

# Before, LangGraph runs a node that is alone in its caller's context (docs/differences.md).
_SINCE_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="no tasks with a context")

CONFIG: Any = {"configurable": {"thread_id": "t"}}

_SET: ContextVar[str] = ContextVar("set", default="nobody")


class Looks:
    """What everybody has seen, by name.

    Saver calls of LangGraph are made in the background, so only the order of what one sees counts.
    """

    def __init__(self) -> None:
        self.seen: dict[str, list[str]] = {}

    def look(self, name: str) -> None:
        """Notes what `name` sees, and has others see `name`."""
        self.seen.setdefault(name, []).append(_SET.get())
        _SET.set(name)

    # -- what looks --------------------------------------------------------------

    def node(self, name: str) -> Any:
        """An async node, which looks before and after it waits."""

        async def run(state: Any) -> Any:
            self.look(name)
            await asyncio.sleep(0)
            await asyncio.create_task(self._started(name))
            self.look(f"{name}, later")
            return {"x": [name]}

        return run

    async def _started(self, name: str) -> None:
        self.look(f"{name}'s task")

    def sync_node(self, name: str) -> Any:
        """One that runs on a thread."""

        def run(state: Any) -> Any:
            self.look(name)
            return {"x": [name]}

        return run

    def generator(self, name: str) -> Any:
        """A node that yields."""

        async def run(state: Any) -> Any:
            self.look(name)
            yield {"x": [name]}
            self.look(f"{name}, later")

        return run

    def router(self, name: str, goes: Any) -> Any:
        """An async router."""

        async def route(state: Any) -> Any:
            self.look(name)
            await asyncio.sleep(0)
            return goes

        return route

    def sync_router(self, name: str, goes: Any) -> Any:
        """One that runs where LangGraph has it run."""

        def route(state: Any) -> Any:
            self.look(name)
            return goes

        return route

    def state(self) -> Any:
        """A schema whose reducer looks."""

        def reduce(old: list[Any], new: list[Any]) -> list[Any]:
            self.look("reducer")
            return [*old, *new]

        return TypedDict("State", {"x": Annotated[list[Any], reduce]})  # type: ignore[misc]

    def saver(self) -> Any:
        """A saver whose async methods look."""
        look = self.look

        class Saver(InMemorySaver):
            async def aget_tuple(self, config: Any) -> Any:
                look("aget_tuple")
                await asyncio.sleep(0)
                return await super().aget_tuple(config)

            async def aput(self, config: Any, checkpoint: Any, metadata: Any, new: Any) -> Any:
                look(f"aput {metadata['step']}")
                await asyncio.sleep(0)
                return await super().aput(config, checkpoint, metadata, new)

            async def aput_writes(
                self, config: Any, writes: Any, task_id: str, task_path: str = ""
            ) -> Any:
                look(f"aput_writes {[value for _, value in writes]}")
                await super().aput_writes(config, writes, task_id, task_path)

        return Saver()


class SyncLooks(Looks):
    """The same with sync nodes, routers and savers."""

    def node(self, name: str) -> Any:
        return self.sync_node(name)

    def generator(self, name: str) -> Any:
        def run(state: Any) -> Any:
            self.look(name)
            yield {"x": [name]}
            self.look(f"{name}, later")

        return run

    def router(self, name: str, goes: Any) -> Any:
        return self.sync_router(name, goes)

    def saver(self) -> Any:
        look = self.look

        class Saver(InMemorySaver):
            def get_tuple(self, config: Any) -> Any:
                look("get_tuple")
                return super().get_tuple(config)

            def put(self, config: Any, checkpoint: Any, metadata: Any, new: Any) -> Any:
                look(f"put {metadata['step']}")
                return super().put(config, checkpoint, metadata, new)

            def put_writes(
                self, config: Any, writes: Any, task_id: str, task_path: str = ""
            ) -> None:
                look("put_writes")
                super().put_writes(config, writes, task_id, task_path)

        return Saver()


def chain(looks: Looks) -> Any:
    """Each kind of node and router, one after the other."""
    nodes = {
        "a": looks.node("a"),
        "b": looks.sync_node("b"),
        "c": looks.generator("c"),
        "d": looks.node("d"),
    }
    routers = (looks.router("route a", "b"), looks.sync_router("route b", "c"))
    edges = zip(("a", "b"), routers, strict=True)
    return wire(looks.state(), nodes, (START, "a"), *edges, ("c", "d"))


def fan(looks: Looks) -> Any:
    """Siblings, and two tasks of one node."""
    nodes = {
        "a": looks.node("a"),
        "b": looks.node("b"),
        "c": looks.sync_node("c"),
        "each": looks.node("each"),
        "end": looks.node("end"),
    }
    send = looks.router("send", [Send("each", {"x": []}), Send("each", {"x": []})])
    starts = [(START, name) for name in "abc"]
    return wire(looks.state(), nodes, *starts, ("a", send), (["b", "c"], "end"))


def asks(looks: Looks) -> Any:
    """A node that runs again with the answer."""

    async def ask(state: Any) -> Any:
        looks.look("ask")
        return {"x": [interrupt("what?")]}

    nodes = {"a": looks.node("a"), "ask": ask, "end": looks.sync_node("end")}
    return wire(looks.state(), nodes, (START, "a"), ("a", "ask"), ("ask", "end"))


GRAPHS = {graph.__name__: graph for graph in (chain, fan, asks)}

Use = Callable[[Any, Looks], Awaitable[None]]
"""Runs a graph."""


def check(build: Callable[[Looks], Any], use: Use, has_saver: bool) -> dict[str, list[str]]:
    """Uses a graph under both engines, and wants everybody to see the same.

    Returns:
        What they see, by name.
    """
    seen = []
    for engine in ENGINES:
        looks = Looks()
        saver = looks.saver() if has_saver else None

        async def main(engine: Any = engine, looks: Looks = looks, saver: Any = saver) -> None:
            _SET.set("caller")
            graph = engine(lambda log: build(looks), Log(), saver, {})
            with pinned():
                await use(graph, looks)
            # What is called where the caller is may change what it sees from then on.
            looks.look("caller")

        asyncio.run(main())
        seen.append(dict(sorted(looks.seen.items())))
    diff = difference(*seen)
    assert diff is None, diff
    return seen[1]


DURABILITIES = (None, "sync", "async", "exit")
"""None for a run without a saver."""


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("method", ["invoke", "stream"])
@pytest.mark.parametrize("graph", ["chain", "fan"])
def test_sync_runs(graph: str, method: str, durability: str | None) -> None:
    """Those that LangGraph stores a task's writes from see what is chance there."""
    seen = []
    for engine in ENGINES:
        looks = SyncLooks()
        copy_context().run(_used, engine, looks, graph, method, durability)
        stored = looks.seen.pop("put_writes", [])
        seen.append(dict(sorted(looks.seen.items())))
    diff = difference(*seen)
    assert diff is None, diff
    assert set(stored) <= {"get_tuple", "reducer", "consumer"}


def _used(engine: Any, looks: SyncLooks, name: str, method: str, durability: str | None) -> None:
    _SET.set("caller")
    saver = None if durability is None else looks.saver()
    options = {} if durability is None else {"durability": durability}
    graph = engine(lambda log: GRAPHS[name](looks), Log(), saver, {})
    with pinned():
        if method == "invoke":
            graph.invoke({"x": []}, CONFIG, **options)
        else:
            for _ in graph.stream({"x": []}, CONFIG, stream_mode="values", **options):
                looks.look("consumer")
    looks.look("caller")


@_SINCE_3_11
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", ["chain", "fan"])
def test_ainvoke(graph: str, durability: str | None) -> None:
    async def use(graph: Any, looks: Looks) -> None:
        options = {} if durability is None else {"durability": durability}
        await graph.ainvoke({"x": []}, CONFIG, **options)

    seen = check(GRAPHS[graph], use, durability is not None)
    # No node sees another, nor a router or a saver call.
    own = {each for name in ("a", "b", "c") for each in seen[name]}
    assert own <= {"reducer"}


@_SINCE_3_11
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", ["chain", "fan"])
def test_astream(graph: str, durability: str | None) -> None:
    """What the consumer sets between two chunks is seen by what is started after."""

    async def use(graph: Any, looks: Looks) -> None:
        options = {} if durability is None else {"durability": durability}
        async for _ in graph.astream({"x": []}, CONFIG, stream_mode="values", **options):
            looks.look("consumer")

    check(GRAPHS[graph], use, durability is not None)


@_SINCE_3_11
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_resume(durability: str) -> None:
    async def use(graph: Any, looks: Looks) -> None:
        await graph.ainvoke({"x": []}, CONFIG, durability=durability)
        looks.look("between")
        await graph.ainvoke(Command(resume="this"), CONFIG, durability=durability)

    check(asks, use, True)


@_SINCE_3_11
def test_state_methods() -> None:
    async def use(graph: Any, looks: Looks) -> None:
        await graph.ainvoke({"x": []}, CONFIG, durability="sync")
        looks.look("before aget_state")
        await graph.aget_state(CONFIG)
        looks.look("before aupdate_state")
        await graph.aupdate_state(CONFIG, {"x": ["by hand"]}, as_node="c")
        looks.look("before ainvoke")
        await graph.ainvoke(None, CONFIG, durability="sync")

    check(chain, use, True)


@_SINCE_3_11
def test_runs_side_by_side() -> None:
    """Each in a task, and with what that has set."""

    async def use(graph: Any, looks: Looks) -> None:
        async def one(number: int) -> None:
            _SET.set(f"caller {number}")
            await graph.ainvoke({"x": []}, CONFIG)
            looks.look(f"caller {number}")

        # Their turns are not the same under both engines; what each sees is.
        await asyncio.gather(*(one(number) for number in range(2)))
        for names in looks.seen.values():
            names.sort()

    check(fan, use, False)
