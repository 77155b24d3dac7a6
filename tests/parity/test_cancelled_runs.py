"""Async runs that are cancelled from outside, wherever they are: as under LangGraph, or stricter.

A run is brought to a place where nothing moves any more, and then somebody cancels it: its task, a
timeout, a task group, a scope of anyio.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from cancelling import (
    CONFIG,
    DURABILITIES,
    INPUT,
    SAVERS,
    Build,
    Stage,
    compare_plays,
    outcome,
)
from langgraph.graph import END, START
from langgraph.types import Command, Send, interrupt
from parity import difference
from small import Lists, wire

METHODS = ("ainvoke", "astream")

Run = Callable[[], Awaitable[Any]]
"""Starts a run."""


# -- graphs ---------------------------------------------------------------------------------------


def chain(stage: Stage) -> Any:
    nodes = {name: stage.node(name) for name in "abc"}
    return wire(Lists, nodes, (START, "a"), ("a", "b"), ("b", "c"), ("c", END))


def fan(stage: Stage) -> Any:
    nodes = {"a": stage.node("a"), "b": stage.node("b", "b", "b again")}
    nodes |= {name: stage.node(name) for name in "cd"}
    starts = [(START, name) for name in "abc"]
    return wire(Lists, nodes, *starts, (["a", "b", "c"], "d"), ("d", END))


def loop(stage: Stage) -> Any:
    """A router that waits leads back."""

    async def more(state: Any) -> str:
        await stage.work("router")
        return "a" if len(state["x"]) < 2 else END

    return wire(Lists, {"a": stage.node("a")}, (START, "a"), ("a", more))


def sends(stage: Stage) -> Any:
    """Two tasks of one node, of which one cleans up when it is cancelled."""

    async def each(state: Any) -> Any:
        name = f"item {state['item']}"
        try:
            await stage.work(name)
        finally:
            if state["item"]:
                await stage.wait(f"{name}, cleaning up")
                stage.log.note(name, "cleaned up", None)
        return {"x": [name]}

    async def split(state: Any) -> list[Send]:
        return [Send("each", {"item": item}) for item in range(2)]

    nodes = {"a": stage.node("a"), "each": each, "end": stage.node("end")}
    return wire(Lists, nodes, (START, "a"), ("a", split), ("each", "end"), ("end", END))


def asks(stage: Stage) -> Any:
    """One task asks, and one goes on meanwhile."""

    async def ask(state: Any) -> Any:
        await stage.work("ask")
        return {"x": [interrupt("what?")]}

    nodes = {"ask": ask, "b": stage.node("b", "b", "c")}
    return wire(Lists, nodes, (START, "ask"), (START, "b"))


def fails(stage: Stage) -> Any:
    """One task fails, and its siblings are cancelled."""

    async def bad(state: Any) -> Any:
        await stage.work("bad", "bad", "bad again")
        raise ValueError("by itself")

    nodes = {"a": stage.node("a"), "bad": bad, "slow": stage.node("slow", "slow", "slow again")}
    return wire(Lists, nodes, *((START, name) for name in nodes))


GRAPHS = {graph.__name__: graph for graph in (chain, fan, loop, sends, asks, fails)}
if sys.version_info < (3, 11):
    # LangGraph's interrupt works in no coroutine of Python 3.10.
    del GRAPHS["asks"]


def starter(graph: Any, stage: Stage, method: str = "ainvoke", **options: Any) -> Run:
    """What starts a run; the chunks of a stream are noted."""

    async def consume() -> None:
        async for chunk in graph.astream(dict(INPUT), CONFIG, **options):
            stage.log.note("consumer", "chunk", chunk)

    if method == "astream":
        return consume
    return lambda: graph.ainvoke(dict(INPUT), CONFIG, **options)


def check_everywhere(
    build: Build,
    cancelled: Callable[[Any, Stage, int], Awaitable[Any]],
    pair: tuple[str, str] | None = None,
    folder: Any = None,
    but: tuple[str, ...] = (),
) -> list[dict[str, Any]]:
    """Interferes with a graph at every place, and wants no difference to LangGraph.

    Args:
        build: the graph.
        cancelled: runs it, and interferes at a place; its first result is what
            `Stage.direct` gave.
        pair, folder, but: as of `compare_plays`.

    Returns:
        What was seen under lgc, place by place.
    """
    seen = []
    for at in range(30):

        async def act(graph: Any, stage: Stage, at: int = at) -> Any:
            return await cancelled(graph, stage, at)

        seen.append(compare_plays(build, act, pair, folder, but))
        if "act" not in seen[-1]["shown"][0]:
            return seen
    raise AssertionError("the run does not end")


# -- its task -------------------------------------------------------------------------------------

CASES = [
    *((graph, pair, method) for graph in GRAPHS for pair in SAVERS[:2] for method in METHODS),
    # How far a consumer has come is chance where a saver has a thread.
    *((graph, pair, "ainvoke") for graph in ("chain", "sends") for pair in SAVERS[2:]),
]


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize(("graph", "pair", "method"), CASES)
def test_cancelled_task(
    graph: str, pair: tuple[str, str], method: str, durability: str, tmp_path: Path
) -> None:
    """What had finished is stored as under LangGraph, and goes on in the same way."""

    async def cancelled(graph: Any, stage: Stage, at: int) -> Any:
        run = asyncio.ensure_future(starter(graph, stage, method, durability=durability)())
        return await stage.direct(run, at, run.cancel), await outcome(run), run.cancelled()

    check_everywhere(GRAPHS[graph], cancelled, pair, tmp_path)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("graph", GRAPHS)
def test_cancelled_task_without_a_saver(graph: str, method: str) -> None:
    """Also where one node follows another on the fast path."""

    async def cancelled(graph: Any, stage: Stage, at: int) -> Any:
        run = asyncio.ensure_future(starter(graph, stage, method)())
        steps = await stage.direct(run, at, lambda: run.cancel("the reason"))
        return steps, await outcome(run), run.cancelled()

    check_everywhere(GRAPHS[graph], cancelled)


@pytest.mark.parametrize("graph", ["fan", "sends"])
def test_tasks_that_wait_for_a_place(graph: str) -> None:
    """With `max_concurrency`, what has not begun is cancelled, too."""

    async def cancelled(graph: Any, stage: Stage, at: int) -> Any:
        config = {**CONFIG, "max_concurrency": 1}
        run = asyncio.ensure_future(graph.ainvoke(dict(INPUT), config))
        return await stage.direct(run, at, run.cancel), await outcome(run)

    check_everywhere(GRAPHS[graph], cancelled, SAVERS[0])


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", [name for name in GRAPHS if name in ("chain", "fails", "asks")])
def test_cancelled_resume(graph: str, durability: str) -> None:
    """A run that is cancelled is resumed, and cancelled again at another place."""

    async def cancelled(graph: Any, stage: Stage, at: int) -> Any:
        first = asyncio.ensure_future(graph.ainvoke(dict(INPUT), CONFIG, durability=durability))
        before = await stage.direct(first, 1, first.cancel), await outcome(first)
        input = Command(resume="this") if graph == "asks" else None
        run = asyncio.ensure_future(graph.ainvoke(input, CONFIG, durability=durability))
        return await stage.direct(run, at, run.cancel), await outcome(run), before

    check_everywhere(GRAPHS[graph], cancelled, SAVERS[0])


# -- scopes around a run --------------------------------------------------------------------------


class Scopes:
    """What may stand around a run, or in a node, and end it.

    A scope awaits `part`, and is ended by what it puts into `end`.
    """

    @staticmethod
    async def timeout(part: Run, end: list[Any]) -> Any:
        def expire() -> None:
            # It may be over.
            with suppress(RuntimeError):
                scope.reschedule(0)

        async with asyncio.timeout(None) as scope:
            end.append(expire)
            return await part()

    @staticmethod
    async def wait_for(part: Run, end: list[Any]) -> Any:
        inner = asyncio.ensure_future(asyncio.wait_for(part(), 60))
        end.append(inner.cancel)
        return await inner

    @staticmethod
    async def gather(part: Run, end: list[Any]) -> Any:
        both = asyncio.gather(part(), asyncio.sleep(0), return_exceptions=True)
        end.append(both.cancel)
        return await both

    @staticmethod
    async def task_group(part: Run, end: list[Any]) -> Any:
        async def fail() -> None:
            await failing.wait()
            raise OSError("a sibling")

        failing = asyncio.Event()
        end.append(failing.set)
        async with asyncio.TaskGroup() as group:
            run = group.create_task(part())
            failer = group.create_task(fail())
            await run
            failer.cancel()
        return run.result()

    @staticmethod
    async def shield(part: Run, end: list[Any]) -> Any:
        """What is shielded goes on."""
        inner = asyncio.ensure_future(part())
        outer = asyncio.shield(inner)
        end.append(outer.cancel)
        try:
            return await outer
        except asyncio.CancelledError:
            return "went on", await inner

    @staticmethod
    async def cancel_scope(part: Run, end: list[Any]) -> Any:
        with anyio.CancelScope() as scope:
            end.append(scope.cancel)
            return await part()
        return "cancelled"

    @staticmethod
    async def shielded_scope(part: Run, end: list[Any]) -> Any:
        """Only what comes behind the inner scope is cancelled."""
        with anyio.CancelScope() as scope:
            end.append(scope.cancel)
            with anyio.CancelScope(shield=True):
                result = await part()
            await anyio.sleep(0)
            return result
        return "cancelled", result

    @staticmethod
    async def fail_after(part: Run, end: list[Any]) -> Any:
        with anyio.fail_after(60) as scope:
            end.append(lambda: setattr(scope, "deadline", anyio.current_time()))
            return await part()

    @staticmethod
    async def anyio_group(part: Run, end: list[Any]) -> Any:
        async with anyio.create_task_group() as group:
            end.append(group.cancel_scope.cancel)
            group.start_soon(anyio.sleep, 0)
            return await part()
        return "cancelled"


ANYIO = ("cancel_scope", "fail_after", "anyio_group")
"""They cancel again in each turn of the event loop, as long as the run has not ended.

LangGraph leaves nodes that run to themselves then, and does not store what had finished. Under lgc
it is as if the run's task had been cancelled once.
"""
SCOPES = [name for name in vars(Scopes) if not name.startswith("_")]
if sys.version_info < (3, 11):
    SCOPES = [name for name in SCOPES if name not in ("timeout", "task_group")]


@pytest.mark.parametrize("durability", ["sync", "exit"])
@pytest.mark.parametrize("graph", ["chain", "sends", "fails"])
@pytest.mark.parametrize("scope", SCOPES)
def test_scope_around_a_run(scope: str, graph: str, durability: str) -> None:
    def cancelling(scope: str) -> Any:
        async def cancelled(graph: Any, stage: Stage, at: int) -> Any:
            end: list[Any] = []
            part = starter(graph, stage, "astream", durability=durability)
            run = asyncio.ensure_future(getattr(Scopes, scope)(part, end))
            steps = await stage.direct(run, at, lambda: end[0]())
            result = await outcome(run)
            if scope in ANYIO and "error" in result:
                # Of how often it was cancelled, its chain tells.
                result = result["error"]["class"]
            if scope in ANYIO and "act" in steps:
                # LangGraph does not wait for nodes that clean up.
                del steps[steps.index("act") + 1 :]
            return steps, result, run.cancelled()

        return cancelled

    if scope not in ANYIO:
        check_everywhere(GRAPHS[graph], cancelling(scope), SAVERS[0])
        return
    names = ("log", "rows", "state", "resumed", "ran")
    plays = check_everywhere(GRAPHS[graph], cancelling(scope), SAVERS[0], but=names)
    usual = check_everywhere(GRAPHS[graph], cancelling("gather"), SAVERS[0])
    for pair in zip(usual, plays, strict=True):
        assert difference(*({name: seen[name] for name in names} for seen in pair)) is None


@pytest.mark.parametrize("scope", SCOPES)
def test_scope_in_a_node(scope: str) -> None:
    """It ends in the node, and the run goes on, or fails with what the scope raises."""

    def build(stage: Stage) -> Any:
        async def inner(state: Any) -> Any:
            result = await getattr(Scopes, scope)(lambda: stage.work("inner", "b", "b again"), ends)
            return {"x": [repr(result)]}

        ends: list[Any] = []
        stage.end = lambda: ends and ends.pop()()  # type: ignore[attr-defined]
        nodes = {"a": stage.node("a"), "inner": inner, "end": stage.node("end")}
        return wire(Lists, nodes, (START, "a"), (START, "inner"), (["a", "inner"], "end"))

    async def cancelled(graph: Any, stage: Any, at: int) -> Any:
        run = asyncio.ensure_future(graph.ainvoke(dict(INPUT), CONFIG))
        return await stage.direct(run, at, lambda: stage.end()), await outcome(run)

    check_everywhere(build, cancelled, SAVERS[0])


@pytest.mark.parametrize("scope", SCOPES)
def test_cancelled_in_a_scope_of_a_node(scope: str) -> None:
    """The run is cancelled while a node is in a scope that nobody ends."""

    def build(stage: Stage) -> Any:
        async def inner(state: Any) -> Any:
            await getattr(Scopes, scope)(lambda: stage.work("inner", "b", "b again"), [])
            return {"x": ["inner"]}

        nodes = {"a": stage.node("a"), "inner": inner, "end": stage.node("end")}
        return wire(Lists, nodes, (START, "a"), (START, "inner"), (["a", "inner"], "end"))

    async def cancelled(graph: Any, stage: Any, at: int) -> Any:
        run = asyncio.ensure_future(graph.ainvoke(dict(INPUT), CONFIG))
        return await stage.direct(run, at, run.cancel), await outcome(run), run.cancelled()

    check_everywhere(build, cancelled, SAVERS[0])


@pytest.mark.parametrize("pair", [None, SAVERS[0], SAVERS[1]])
@pytest.mark.parametrize("limit", ["timeout", "wait_for", "anyio"])
def test_no_time_at_all(limit: str, pair: tuple[str, str] | None) -> None:
    """A limit of 0 ends a run when it first waits, or before it begins."""
    if limit == "timeout" and sys.version_info < (3, 11):
        pytest.skip("no asyncio.timeout")

    async def act(graph: Any, stage: Stage) -> Any:
        async def limited() -> Any:
            run = starter(graph, stage)
            if limit == "timeout":
                async with asyncio.timeout(0):
                    return await run()
            if limit == "anyio":
                with anyio.fail_after(0):
                    return await run()
            return await asyncio.wait_for(run(), 0)

        run = asyncio.ensure_future(limited())
        steps = await stage.direct(run)
        error = (await outcome(run))["error"]
        return steps, error["class"], error["text"]

    # How far the run comes before it first waits, and with that what is stored, is not compared.
    seen = compare_plays(chain, act, pair, but=("log", "rows", "state", "ran"))
    assert seen["shown"][0] == []
