"""Event loops that end before the runs on them: what had finished is stored."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cancelling import (
    CONFIG,
    DURABILITIES,
    ENGINES,
    INPUT,
    Stage,
    outcome,
    reports,
    run_loop,
    saver_of,
)
from inprocess import compile_in_process
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START
from parity import Log, comparable, difference, failure, pinned
from small import Lists, wire
from threads import readable, stored

Main = Callable[[Any, Stage], Awaitable[Any]]
"""What the event loop runs."""


def chain(stage: Stage) -> Any:
    nodes = {name: stage.node(name) for name in "abc"}
    return wire(Lists, nodes, (START, "a"), ("a", "b"), ("b", "c"), ("c", END))


def fan(stage: Stage) -> Any:
    nodes = {name: stage.node(name) for name in "abcd"}
    starts = [(START, name) for name in "abc"]
    return wire(Lists, nodes, *starts, (["a", "b", "c"], "d"), ("d", END))


GRAPHS = {graph.__name__: graph for graph in (chain, fan)}


def ended(
    engine: Any, graph: str, main: Main, saver: Any, run: Any = asyncio.run
) -> dict[str, Any]:
    """What is seen of an event loop that ends, and of the thread afterwards."""
    gc.freeze()
    try:
        with reports() as said:
            seen = _ended(engine, graph, main, saver, run)
            gc.collect()
    finally:
        gc.unfreeze()
    seen["said"] += said
    return seen


def _ended(engine: Any, graph: str, main: Main, saver: Any, run: Any) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    log = Log()
    stage = Stage(log)
    compiled = engine(lambda log: GRAPHS[graph](stage), log, saver, {})
    with pinned():
        try:
            seen["result"] = comparable(run(main(compiled, stage)))
        except BaseException as exc:
            seen["error"] = failure(exc)
        gc.collect()
    seen["log"] = list(log)
    seen["rows"] = readable(stored(saver), saver)
    log.clear()
    stage.open()

    async def resume(said: list[str]) -> None:
        with pinned():
            state = await compiled.aget_state(CONFIG)
            seen["state"] = comparable([state.values, state.next])
            again = None if state.values else dict(INPUT)
            seen["resumed"] = await outcome(compiled.ainvoke(again, CONFIG))

    _, seen["said"] = run_loop(resume)
    seen["ran"] = [entry[0] for entry in log if entry[1] == "started"]
    return seen


def compare_ends(
    graph: str,
    main: Main,
    make: Any,
    but: tuple[str, ...] = (),
    run: Any = asyncio.run,
    ordered: bool = True,
) -> dict[str, Any]:
    """Ends an event loop under both engines, and wants no difference; what was seen under lgc.

    Args:
        graph: the name of the graph.
        main: what the loop runs.
        make: makes a saver.
        but: what may differ, by its name in `ended`.
        run: runs the loop.
        ordered: tasks end in a certain order; `asyncio.run` cancels them in any.
    """
    seen = [ended(engine, graph, main, make(), run) for engine in ENGINES]
    if not ordered:
        for each in seen:
            each["log"].sort(key=lambda entry: entry[0])
    but = (*but, "said")
    pair = [{k: v for k, v in each.items() if k not in but} for each in seen]
    diff = difference(*pair)
    assert diff is None, diff
    assert not seen[1]["said"], seen[1]["said"]
    return seen[1]


def starting(durability: str, streams: list[Any]) -> Any:
    """Reads the stream of a run, which is in `streams` then."""

    async def read(graph: Any, stage: Stage) -> None:
        streams.append(graph.astream(dict(INPUT), CONFIG, durability=durability))
        async for chunk in streams[0]:
            stage.log.note("consumer", "chunk", chunk)

    return read


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", GRAPHS)
def test_stream_that_is_half_read(graph: str, durability: str, at: int) -> None:
    """`asyncio.run` closes it at its end."""
    kept: list[Any] = []

    async def main(graph: Any, stage: Stage) -> str:
        stage.is_open = True
        stream = graph.astream(dict(INPUT), CONFIG, durability=durability)
        kept.append(stream)
        for _ in range(at):
            stage.log.note("consumer", "chunk", await anext(stream))
        return "done"

    compare_ends(graph, main, InMemorySaver)


@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", GRAPHS)
def test_run_that_goes_on(graph: str, durability: str, at: int) -> None:
    """`asyncio.run` cancels the run and its nodes at once."""

    async def main(graph: Any, stage: Stage) -> list[str]:
        leave = asyncio.get_running_loop().create_future()
        run = asyncio.ensure_future(starting(durability, [])(graph, stage))
        director = asyncio.ensure_future(stage.direct(run, at, lambda: leave.set_result(None)))
        await asyncio.wait([leave, run, director], return_when="FIRST_COMPLETED")
        return ["left"]

    compare_ends(graph, main, InMemorySaver, ordered=False)


@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", GRAPHS)
def test_loop_that_stops(graph: str, durability: str, at: int) -> None:
    """Nobody runs the loop any more: what was stored by then is stored."""

    async def main(graph: Any, stage: Stage) -> None:
        run = asyncio.ensure_future(starting(durability, [])(graph, stage))
        await stage.direct(run, at, asyncio.get_running_loop().stop)

    def run(main: Any) -> None:
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda loop, context: None)
        task = loop.create_task(main)
        task.add_done_callback(lambda task: loop.stop())
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    compare_ends(graph, main, InMemorySaver, run=run)


@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_exception_that_ends_the_loop(
    error: type[BaseException], graph: str, durability: str, at: int
) -> None:
    """It comes out of `asyncio.run`, which cancels what runs."""

    async def main(graph: Any, stage: Stage) -> None:
        def leave() -> None:
            raise error("now")

        run = asyncio.ensure_future(starting(durability, [])(graph, stage))
        await stage.direct(run, at, lambda: asyncio.get_running_loop().call_soon(leave))

    compare_ends(graph, main, InMemorySaver, ordered=False)


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph's nodes have no task of their own on Python 3.10"
)
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_exception_of_a_node_that_ends_the_loop(
    error: type[BaseException], graph: str, durability: str
) -> None:
    pause = 60 if graph == "fan" else 0

    async def main(graph: Any, stage: Stage) -> None:
        async def wait(name: str) -> None:
            if name == "b":
                raise error("now")
            # Its siblings are cancelled, in whatever turn it ends the loop.
            await asyncio.sleep(pause)

        stage.wait = wait  # type: ignore[method-assign]
        try:
            await starting(durability, [])(graph, stage)
        finally:
            del stage.wait

    compare_ends(graph, main, InMemorySaver, ordered=False)


@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("kind", ["their sqlite", "sqlite"])
def test_saver_that_is_closed_first(
    kind: str, graph: str, durability: str, at: int, tmp_path: Path
) -> None:
    """The event loop closes a stream whose saver is gone; what was stored by then is stored."""
    place = tmp_path / "store.db"
    kept: list[Any] = []
    stage = Stage(Log())
    stage.is_open = True
    builder = GRAPHS[graph](stage)
    count = len(builder.nodes)
    compiled = compile_in_process(builder)

    async def main(said: list[str]) -> list[Any]:
        async with saver_of(kind, place) as saver:
            graph = compiled.compile(checkpointer=saver)
            stream = graph.astream(dict(INPUT), CONFIG, durability=durability)
            kept.append(stream)
            names: list[Any] = []
            while len(names) < min(at, count):
                names += await anext(stream)
            return names

    async def resume(said: list[str]) -> Any:
        async with saver_of(kind, place) as saver:
            graph = compiled.compile(checkpointer=saver)
            state = await graph.aget_state(CONFIG)
            return state, await graph.ainvoke(None if state.values else dict(INPUT), CONFIG)

    names, said = run_loop(main)
    assert not said
    (state, result), said = run_loop(resume)
    assert not said
    assert sorted(result["x"]) == sorted(builder.nodes)
    if durability == "sync" and graph == "chain":
        # The checkpoint of a superstep is stored before the next one starts; what tasks beside
        # each other wrote may still be on its way.
        assert set(state.values.get("x", ())) >= set(names[:-1])
