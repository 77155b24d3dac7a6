"""What nodes and routers of async runs raise, alone, beside others and on threads."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from async_case import check_async_parity
from gates import Gate
from inprocess import compile_in_process
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphBubbleUp, GraphRecursionError, ParentCommand
from langgraph.graph import START, StateGraph
from langgraph.types import Command
from parity import Log, difference, failure, pinned, under_langgraph
from small import Lists, wire
from threads import readable, stored
from typing_extensions import TypedDict

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph makes no config ambient in async nodes then"
)

Built = StateGraph[Any, Any, Any, Any]


class Own(Exception):
    """Of the user's, with arguments that its text does not show."""

    def __init__(self, number: int, *, text: str) -> None:
        super().__init__(number, text)
        self.text = text

    def __str__(self) -> str:
        return self.text


class Base(BaseException):
    """No Exception."""


def _chained() -> Exception:
    error = ValueError("outer")
    error.__cause__ = KeyError("inner")
    error.add_note("a note")
    return error


_RAISED: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("no"),
    "own": lambda: Own(1, text="own"),
    "chained": _chained,
    "StopIteration": lambda: StopIteration("stop"),
    "StopAsyncIteration": lambda: StopAsyncIteration("stop"),
    "TimeoutError": lambda: asyncio.TimeoutError("late"),
    "CancelledError": lambda: asyncio.CancelledError("by itself"),
    "GraphRecursionError": lambda: GraphRecursionError("recursion"),
    "GraphBubbleUp": lambda: GraphBubbleUp("up"),
    "ParentCommand": lambda: ParentCommand(Command(graph="nowhere", update={"x": [1]})),
    "group": lambda: ExceptionGroup(  # noqa: F821
        "several", [ValueError(1), KeyError(2)]
    ),
    "InvalidStateError": lambda: asyncio.InvalidStateError("state"),
}
_ENDS: dict[str, Callable[[], BaseException]] = {
    "KeyboardInterrupt": lambda: KeyboardInterrupt("end"),
    "SystemExit": lambda: SystemExit("end"),
    "Base": lambda: Base("base"),
}


def _async_node(raise_: Callable[[], BaseException], gate: Gate) -> Any:
    async def fails(state: Any) -> Any:
        await gate.wait("fails")
        raise raise_()

    return fails


def _immediate(raise_: Callable[[], BaseException], gate: Gate) -> Any:
    async def fails(state: Any) -> Any:
        raise raise_()

    return fails


def _sync_node(raise_: Callable[[], BaseException], gate: Gate) -> Any:
    def fails(state: Any) -> Any:
        gate.block("fails")
        raise raise_()

    return fails


def _async_generator(raise_: Callable[[], BaseException], gate: Gate) -> Any:
    async def fails(state: Any) -> Any:
        yield {"x": ["before"]}
        await gate.wait("fails")
        raise raise_()

    return fails


def _generator(raise_: Callable[[], BaseException], gate: Gate) -> Any:
    def fails(state: Any) -> Any:
        yield {"x": ["before"]}
        raise raise_()

    return fails


def _runnable(raise_: Callable[[], BaseException], gate: Gate) -> Any:
    return RunnableLambda(_sync_node(raise_, gate), _async_node(raise_, gate))


def _in_task(raise_: Callable[[], BaseException], gate: Gate) -> Any:
    async def inner() -> None:
        await gate.wait("fails")
        raise raise_()

    async def fails(state: Any) -> Any:
        await asyncio.create_task(inner())

    return fails


_KINDS: dict[str, Callable[[Callable[[], BaseException], Gate], Any]] = {
    "async": _async_node,
    "immediate": _immediate,
    "sync": _sync_node,
    "async generator": _async_generator,
    "generator": _generator,
    "runnable": _runnable,
    "in a task": _in_task,
}


def _node(name: str, log: Log, gate: Gate) -> Any:
    async def run(state: Any) -> Any:
        await gate.wait(name)
        log.note(name, "ends", None)
        return {"x": [name]}

    return run


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("raised", _RAISED)
def test_nodes_that_raise(raised: str, kind: str) -> None:
    """After a node that has ended, and with another one that never begins."""

    def build(log: Log, gate: Gate) -> Built:
        fails = _KINDS[kind](_RAISED[raised], gate)
        nodes = {"a": _node("a", log, gate), "fails": fails, "b": _node("b", log, gate)}
        return wire(Lists, nodes, (START, "a"), ("a", "fails"), ("fails", "b"))

    check_async_parity(build, {"x": []})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "raised", ["ValueError", "StopIteration", "CancelledError", "GraphBubbleUp"]
)
@pytest.mark.parametrize("kind", ["async", "sync", "runnable"])
def test_nodes_that_raise_beside_others(kind: str, raised: str, seed: int) -> None:
    """Of which some have ended by then, and the others are cancelled."""

    def build(log: Log, gate: Gate) -> Built:
        fails = _KINDS[kind](_RAISED[raised], gate)
        nodes = {"fails": fails, **{name: _node(name, log, gate) for name in "abc"}}
        return wire(Lists, nodes, *((START, name) for name in nodes))

    check_async_parity(build, {"x": []}, seed=seed)


@pytest.mark.parametrize(
    ("kind", "source"),
    [("async", "a"), ("immediate", "a"), ("sync", "a"), ("runnable", "a"), ("async", START)],
)
@pytest.mark.parametrize("raised", _RAISED)
def test_routers_that_raise(raised: str, kind: str, source: str) -> None:
    """Of a node and of START."""

    def build(log: Log, gate: Gate) -> Built:
        fails = _KINDS[kind](_RAISED[raised], gate)
        if isinstance(fails, RunnableLambda):
            fails.name = "fails"
        nodes = {name: _node(name, log, gate) for name in "ab"}
        return wire(Lists, nodes, (START, "a"), (source, fails))

    check_async_parity(build, {"x": []})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("where", ["values", "reducer", "return"])
def test_failures_over_what_nodes_write(where: str, seed: int) -> None:
    """Two values for one key, a value that its reducer refuses, no state at all."""

    def build(log: Log, gate: Gate) -> Built:
        written: Any = {"values": {"last": 1}, "reducer": {"x": 5}, "return": 5}[where]

        def writes(name: str) -> Any:
            async def run(state: Any) -> Any:
                await gate.wait(name)
                return written if name == "a" or where == "values" else {"x": [name]}

            return run

        return wire(Lists, {n: writes(n) for n in "abc"}, *((START, n) for n in "abc"))

    check_async_parity(build, {"x": []}, seed=seed)


@pytest.mark.parametrize("raised", ["ValueError", "StopIteration", "StopAsyncIteration"])
@pytest.mark.parametrize("edges", [[("a", "b")], [(START, "b")]], ids=["chain", "beside"])
def test_reducers_that_raise(edges: Any, raised: str) -> None:
    """Of a superstep of one node, and of several."""

    def reduce(old: Any, new: Any) -> Any:
        if "b" in new:
            raise _RAISED[raised]()
        return old + new

    state = TypedDict("State", {"x": Annotated[list[str], reduce]})  # noqa: UP013

    def build(log: Log, gate: Gate) -> Built:
        nodes = {name: _node(name, log, gate) for name in "ab"}
        return wire(state, nodes, (START, "a"), *edges)

    check_async_parity(build, {"x": []})


def test_the_recursion_limit() -> None:
    """Of a loop of async nodes; the run goes on with the next."""

    def build(log: Log, gate: Gate) -> Built:
        nodes = {name: _node(name, log, gate) for name in "ab"}
        return wire(Lists, nodes, (START, "a"), ("a", "b"), ("b", "a"))

    check_async_parity(build, {"x": []}, {"recursion_limit": 5})


# -- what ends a program ----------------------------------------------------------------------


def _ending(graph: Any, saver: Any, method: str, durability: str, log: Log) -> dict[str, Any]:
    """What comes out of the event loop, and what is stored when that is closed."""
    log.clear()
    config = {"configurable": {"thread_id": "t"}}
    options = {"durability": durability} if saver is not None else {}

    async def run() -> Any:
        if method == "ainvoke":
            return await graph.ainvoke({"x": []}, config, **options)
        return [chunk async for chunk in graph.astream({"x": []}, config, **options)]

    raised: Any = None
    with pinned():
        try:
            asyncio.run(run())
        except BaseException as exc:
            raised = failure(exc)
            raised["context"] = raised["cause"] = None
    rows = {} if saver is None else readable(stored(saver), saver)
    return {"raised": raised, "log": sorted(log), "rows": rows}


@pytest.mark.parametrize("durability", [None, "sync", "async", "exit"])
@pytest.mark.parametrize("method", ["ainvoke", "astream"])
@pytest.mark.parametrize("kind", ["async", "immediate", "sync", "runnable", "in a task"])
@pytest.mark.parametrize("place", ["alone", "beside"])
@pytest.mark.parametrize("raised", _ENDS)
def test_what_ends_a_program(
    raised: str, place: str, kind: str, method: str, durability: str | None
) -> None:
    """It comes out of the event loop as it is, and who is beside it is told."""

    def build(log: Log) -> Built:
        async def before(state: Any) -> Any:
            await asyncio.sleep(0)
            return {"x": ["before"]}

        async def beside(state: Any) -> Any:
            try:
                await asyncio.sleep(30)
            except BaseException as exc:
                log.note("beside", "is ended by", type(exc).__name__)
                raise

        nodes = {"before": before, "fails": _KINDS[kind](_ENDS[raised], Gate())}
        edges = [(START, "before"), ("before", "fails")]
        if place == "beside":
            nodes["beside"] = beside
            edges.append(("before", "beside"))
        return wire(Lists, nodes, *edges)

    seen = []
    for ours in (False, True):
        log = Log()
        saver = InMemorySaver() if durability else None
        if ours:
            graph: Any = compile_in_process(build(log)).compile(checkpointer=saver)
        else:
            graph = under_langgraph(build, log, checkpointer=saver)
        ended = _ending(graph, saver, method, durability or "sync", log)
        if kind == "sync":
            # What a thread raises ends the loop before LangGraph's task of the node has it, which
            # is then cancelled as all others.
            ended["rows"] = {k: row for k, row in ended["rows"].items() if "__error__" not in row}
        seen.append(ended)
    assert difference(*seen) is None, difference(*seen)


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("method", ["ainvoke", "astream"])
def test_a_node_that_raises_what_closes_coroutines(method: str, durability: str) -> None:
    """Python closes the coroutines that wait for it, and refuses those that store something then.

    The supersteps that had ended are stored, which LangGraph does not do with "exit".
    """

    async def before(state: Any) -> Any:
        return {"x": ["before"]}

    async def fails(state: Any) -> Any:
        raise GeneratorExit("end")

    saver = InMemorySaver()
    builder = wire(Lists, {"a": before, "b": fails}, (START, "a"), ("a", "b"))
    graph = compile_in_process(builder).compile(checkpointer=saver)
    seen = _ending(graph, saver, method, durability, Log())
    assert seen["raised"]["text"] in ("end", "coroutine ignored GeneratorExit")
    assert graph.get_state({"configurable": {"thread_id": "t"}}).next == ("b",)
