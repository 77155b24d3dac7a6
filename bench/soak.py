"""`make soak`: many runs of all kinds, and what they leave behind.

    .venv/bin/python bench/soak.py [--runs 100000]

Runs are sync and async, streamed and not, on threads and without, and some fail, are interrupted
and answered, cancelled at a chance turn of the event loop, or abandoned in the middle. Threads are
deleted as they end, so what grows is lgc's. Memory is printed at ten points; the exit code is 1
when it has grown by more than GROWTH since the second, or a thread, an asyncio task or an open
file is left.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import operator
import os
import random
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

import lgc
from lgc.runtime.drivers.thread_pool import MAX_IDLE
from lgc.savers import MemorySaver

GROWTH = 4.0
"""Megabytes."""


class State(TypedDict):
    """What the nodes are to do, and a trail of what they did."""

    trail: Annotated[list[str], operator.add]
    kind: str


async def _first(state: State) -> Any:
    if state["kind"] == "suspends":
        await asyncio.sleep(0)
    return {"trail": ["first"]}


def _left(state: State) -> Any:
    return {"trail": ["left"]}


def _right(state: State) -> Any:
    if state["kind"] == "fails":
        raise ValueError("on purpose")
    if state["kind"] == "asks":
        return {"trail": [interrupt("what?")]}
    return {"trail": ["right"]}


def _graph(first: Any) -> Any:
    builder: Any = StateGraph(State)
    for name, node in (("first", first), ("left", _left), ("right", _right)):
        builder.add_node(name, node)
    builder.add_edge(START, "first")
    builder.add_edge("first", "left")
    builder.add_edge("first", "right")
    return lgc.compile_graph(builder)


def _sync(graph: Any, saver: Any, kind: str, streams: bool) -> None:
    config = {"configurable": {"thread_id": "t"}}
    compiled = graph.compile(checkpointer=saver)
    given: Any = {"trail": [], "kind": kind}
    try:
        if streams:
            for _ in compiled.stream(given, config):
                if kind == "abandoned":
                    break
        else:
            compiled.invoke(given, config)
        if kind == "asks":
            compiled.invoke(Command(resume="that"), config)
    except ValueError:
        pass
    if saver is not None:
        saver.delete_thread("t")


async def _async(graph: Any, saver: Any, kind: str, streams: bool, turn: int) -> None:
    config = {"configurable": {"thread_id": "t"}}
    compiled = graph.compile(checkpointer=saver)

    async def run() -> None:
        given: Any = {"trail": [], "kind": kind}
        if streams:
            async for _ in compiled.astream(given, config, stream_mode=["updates", "custom"]):
                if kind == "abandoned":
                    break
        else:
            await compiled.ainvoke(given, config)
        if kind == "asks":
            await compiled.ainvoke(Command(resume="that"), config)

    task = asyncio.ensure_future(run())
    if kind == "cancelled":
        for _ in range(turn):
            await asyncio.sleep(0)
        task.cancel()
    with suppress(ValueError, asyncio.CancelledError):
        await task
    if saver is not None:
        await saver.adelete_thread("t")


KINDS = ("ends", "suspends", "fails", "asks", "cancelled", "abandoned")


async def _soak(runs: int) -> bool:
    chance = random.Random(1)
    of_functions, of_coroutines = _graph(lambda state: {"trail": ["first"]}), _graph(_first)
    memory: list[float] = []
    files = 0
    for number in range(runs):
        kind = chance.choice(KINDS)
        saver = MemorySaver() if kind == "asks" or number % 2 else None
        streams = chance.random() < 0.5
        if number % 3:
            await _async(of_coroutines, saver, kind, streams, chance.randrange(12))
        else:
            _sync(of_functions, saver, kind, streams)
        if (number + 1) % (runs // 10) == 0:
            # Streams that were dropped are closed by the event loop.
            await asyncio.sleep(0.1)
            gc.collect()
            memory.append(_resident())
            files = files or len(os.listdir("/proc/self/fd"))
            print(f"{number + 1:9,} runs: {memory[-1]:7.1f} MB", flush=True)
    left = {
        "MB since the second point": round(memory[-1] - memory[1], 1),
        "asyncio tasks": len(asyncio.all_tasks()) - 1,
        "open files": len(os.listdir("/proc/self/fd")) - files,
        "threads": threading.active_count() - 1,
    }
    print(", ".join(f"{what}: {count}" for what, count in left.items()))
    # Threads of the pool and of the event loop's executor wait for the next run.
    most = MAX_IDLE + min(32, (os.cpu_count() or 1) + 4)
    return (
        memory[-1] - memory[1] <= GROWTH
        and left["asyncio tasks"] == left["open files"] == 0
        and left["threads"] <= most
    )


def _resident() -> float:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Runs, and says what is left."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000)
    sys.exit(not asyncio.run(_soak(parser.parse_args().runs)))


if __name__ == "__main__":
    main()
