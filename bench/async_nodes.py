"""What the benchmarked async graphs do, and the same work written by hand.

Apart from `nodes`, whose imports are measured: asyncio is slow to import.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from queue import SimpleQueue
from typing import Any

from nodes import POOL, State

CHUNKS = 1000
"""The custom chunks that `talk_node` writes."""
BRIEF = 0.001
"""Seconds that the first node of `brief` takes."""

AsyncNode = Callable[[State], Awaitable[dict[str, Any]]]


async def async_step(state: State) -> dict[str, Any]:
    """Writes both keys, and does not suspend."""
    return {"count": state["count"] + 1, "log": ["step"]}


async def suspending_step(state: State) -> dict[str, Any]:
    """Writes both keys, and suspends once."""
    await asyncio.sleep(0)
    return {"count": state["count"] + 1, "log": ["step"]}


def talk_node(state: State, writer):  # type: ignore[no-untyped-def]
    """Writes custom chunks; a sync node. LangGraph goes by the name of `writer`."""
    for i in range(CHUNKS):
        writer(i)
    return {"count": CHUNKS}


async def brief_async_node(state: State) -> dict[str, Any]:
    """The first node of `async_brief`."""
    await asyncio.sleep(BRIEF)
    return {"count": 1}


def brief_node(state: State) -> dict[str, Any]:
    """The first node of `brief`."""
    time.sleep(BRIEF)
    return {"count": 1}


async def endless(state: State) -> dict[str, Any]:
    """What comes after it: a chunk that waits for this node comes too late."""
    await asyncio.sleep(60)
    return {"count": 2}


async def chain_by_hand(nodes: tuple[AsyncNode, ...], value: dict[str, Any]) -> dict[str, Any]:
    """A chain as one would write it without a framework; every node gets a dict of its own."""
    state: Any = {"count": value["count"], "log": [] + value["log"]}
    for node in nodes:
        update = await node(state.copy())
        state["count"] = update["count"]
        state["log"] = state["log"] + update["log"]
    return dict(state)


async def stream_by_hand(
    nodes: tuple[AsyncNode, ...], value: dict[str, Any]
) -> AsyncIterator[tuple[str, Any]]:
    """A chain as an async generator of the chunks of the modes values and updates."""
    state: Any = {"count": value["count"], "log": [] + value["log"]}
    yield "values", state.copy()
    for i, node in enumerate(nodes):
        update = await node(state.copy())
        yield "updates", {f"n{i}": update}
        state["count"] = update["count"]
        state["log"] = state["log"] + update["log"]
        yield "values", state.copy()


def chunks_by_hand() -> list[Any]:
    """The chunks of `talk_node` through a queue between two threads."""
    queue: SimpleQueue[int] = SimpleQueue()

    def produce() -> None:
        for i in range(CHUNKS):
            queue.put(i)

    running = POOL.submit(produce)
    chunks = [queue.get() for _ in range(CHUNKS)]
    running.result()
    return chunks


ASYNC_CHAIN10 = (async_step,) * 10
ASYNC_CHAIN100 = (async_step,) * 100
SUSPENDING_CHAIN10 = (suspending_step,) * 10
SUSPENDING_CHAIN100 = (suspending_step,) * 100

GRAPHS = (
    "async_chain10",
    "async_chain100",
    "suspending_chain10",
    "suspending_chain100",
    "talk",
    "brief",
    "async_brief",
)
"""What is compiled of `async_workloads`."""
