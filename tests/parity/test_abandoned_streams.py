"""Streams that somebody stops reading, at every chunk: as under LangGraph, or stricter."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest
from cancelling import CONFIG, DURABILITIES, INPUT, SAVERS, Stage, compare_plays
from langgraph.graph import END, START
from langgraph.types import interrupt
from parity import failure
from small import Lists, wire

# -- ways to stop ---------------------------------------------------------------------------------

Stop = Callable[[Any, "Reader"], Awaitable[Any]]
"""Reads a stream, and stops at a chunk."""


class Reader:
    """Notes the chunks of a stream, up to one.

    Args:
        log: where they are noted.
        at: the place of the chunk.
    """

    def __init__(self, log: Any, at: int) -> None:
        self.log = log
        self.left = at

    def is_last(self, chunk: Any) -> bool:
        """Whether a chunk, which is noted, is the one to stop at."""
        self.log.note("consumer", "chunk", chunk)
        self.left -= 1
        return self.left < 0


class Ways:
    """The ways to stop."""

    @staticmethod
    async def aclose(stream: Any, reader: Reader) -> None:
        async for chunk in stream:
            if reader.is_last(chunk):
                await stream.aclose()

    @staticmethod
    async def leave_block(stream: Any, reader: Reader) -> None:
        async with aclosing(stream):
            async for chunk in stream:
                if reader.is_last(chunk):
                    break

    @staticmethod
    async def fail(stream: Any, reader: Reader) -> None:
        async with aclosing(stream):
            async for chunk in stream:
                if reader.is_last(chunk):
                    raise OSError("of the consumer")

    @staticmethod
    async def throw(stream: Any, reader: Reader) -> None:
        async for chunk in stream:
            if reader.is_last(chunk):
                await stream.athrow(OSError("thrown"))

    @staticmethod
    async def throw_cancellation(stream: Any, reader: Reader) -> None:
        async for chunk in stream:
            if reader.is_last(chunk):
                await stream.athrow(asyncio.CancelledError("thrown"))

    @staticmethod
    async def throw_exit(stream: Any, reader: Reader) -> None:
        async for chunk in stream:
            if reader.is_last(chunk):
                await stream.athrow(GeneratorExit)

    @staticmethod
    async def cancel(stream: Any, reader: Reader) -> None:
        """While the consumer, not the run, waits; the stream is closed by who dropped it."""
        async with aclosing(stream):
            async for chunk in stream:
                if reader.is_last(chunk):
                    task = asyncio.current_task()
                    assert task is not None
                    task.cancel()
                    await asyncio.sleep(0)


class Dropped:
    """Ways to stop after which nobody holds the stream."""

    @staticmethod
    async def drop(stream: Any, reader: Reader) -> None:
        async for chunk in stream:
            if reader.is_last(chunk):
                return

    @staticmethod
    async def drop_in_a_circle(stream: Any, reader: Reader) -> None:
        """The garbage collector finds it."""
        circle = [stream]
        circle.append(circle)
        async for chunk in stream:
            if reader.is_last(chunk):
                return


WAYS = [name for name in vars(Ways) if not name.startswith("_")]
DROPPED = [name for name in vars(Dropped) if not name.startswith("_")]


# -- graphs ---------------------------------------------------------------------------------------


def chain(stage: Stage) -> Any:
    nodes = {name: stage.node(name) for name in "abc"}
    return wire(Lists, nodes, (START, "a"), ("a", "b"), ("b", "c"), ("c", END))


def fan(stage: Stage) -> Any:
    """Some still run when the chunks of others come out, and one of them cleans up."""

    async def slow(state: Any) -> Any:
        try:
            await stage.work("slow", "c", "d")
        finally:
            await stage.wait("slow, cleaning up")
            stage.log.note("slow", "cleaned up", None)

    nodes = {"a": stage.node("a"), "b": stage.node("b"), "slow": slow, "end": stage.node("end")}
    starts = ["a", "b", "slow"]
    return wire(Lists, nodes, *((START, name) for name in starts), (starts, "end"))


def asks(stage: Stage) -> Any:
    async def ask(state: Any) -> Any:
        await stage.work("ask")
        return {"x": [interrupt("what?")]}

    nodes = {"a": stage.node("a"), "ask": ask, "b": stage.node("b", "z")}
    return wire(Lists, nodes, (START, "a"), ("a", "ask"), ("a", "b"))


GRAPHS = {graph.__name__: graph for graph in (chain, fan, asks)}
if sys.version_info < (3, 11):
    # LangGraph's interrupt works in no coroutine of Python 3.10.
    del GRAPHS["asks"]

MODES = ("updates", "values", ["updates", "tasks", "checkpoints"])


def reading(way: Stop, at: int, **options: Any) -> Any:
    """What reads a stream until a chunk; an Act."""

    async def act(graph: Any, stage: Stage) -> Any:
        async def read() -> Any:
            before = asyncio.all_tasks()
            reader = Reader(stage.log, at)
            error = None
            try:
                await way(graph.astream(dict(INPUT), CONFIG, **options), reader)
            except BaseException as exc:
                error = failure(exc)
                # Its traceback holds the stream.
                del exc
            gc.collect()
            # A stream that was dropped is closed in a task of the event loop.
            while asyncio.all_tasks() != before:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
            return reader.left < 0, error

        run = asyncio.ensure_future(read())
        steps = await stage.direct(run)
        return await run, steps

    return act


def check_at_every_chunk(
    graph: str,
    way: Stop,
    pair: tuple[str, str] | None,
    folder: Any,
    but: tuple[str, ...] = (),
    **options: Any,
) -> None:
    """Stops reading at every chunk, and wants no difference to LangGraph."""
    for at in range(40):
        act = reading(way, at, **options)
        seen = compare_plays(GRAPHS[graph], act, pair, folder, but)
        if not seen["shown"][0][0]:
            return
    raise AssertionError("the stream does not end")


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("way", WAYS)
def test_stopped(way: str, graph: str, durability: str, mode: Any) -> None:
    options = {"durability": durability, "stream_mode": mode}
    check_at_every_chunk(graph, getattr(Ways, way), SAVERS[0], None, **options)


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("way", DROPPED)
def test_dropped(way: str, graph: str, durability: str, mode: Any) -> None:
    options = {"durability": durability, "stream_mode": mode}
    # LangGraph forgets what it cancels when the garbage collector has found the run.
    but = ("rows", "state") if way == "drop_in_a_circle" else ()
    check_at_every_chunk(graph, getattr(Dropped, way), SAVERS[0], None, but, **options)


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize(
    ("graph", "pair"),
    [
        *((graph, SAVERS[1]) for graph in GRAPHS),
        # When chunks come out beside nodes that run is chance where a saver has a thread.
        *(("chain", pair) for pair in SAVERS[2:]),
    ],
)
def test_savers(graph: str, pair: tuple[str, str], durability: str, tmp_path: Path) -> None:
    options = {"durability": durability, "stream_mode": "values"}
    check_at_every_chunk(graph, Ways.aclose, pair, tmp_path, **options)


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("way", [*WAYS, *DROPPED])
def test_without_a_saver(way: str, graph: str) -> None:
    stop = getattr(Ways, way, None) or getattr(Dropped, way)
    check_at_every_chunk(graph, stop, None, None)
