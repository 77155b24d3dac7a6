"""What a CheckpointWriter has called: the async methods of a saver store what the sync ones do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver as TheirAsyncSqliteSaver

from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.checkpointing.model import empty
from lgc.savers import AsyncSqliteSaver, MemorySaver, SqliteSaver

FIRST = {"configurable": {"thread_id": "1", "checkpoint_ns": ""}}


def _child(checkpoint_id: str) -> Any:
    return {"configurable": {**FIRST["configurable"], "checkpoint_id": checkpoint_id}}


@asynccontextmanager
async def _memory() -> AsyncIterator[Any]:
    yield MemorySaver()


@asynccontextmanager
async def _sqlite() -> AsyncIterator[Any]:
    with SqliteSaver.from_conn_string(":memory:") as saver:
        yield saver


@asynccontextmanager
async def _async_sqlite() -> AsyncIterator[Any]:
    async with AsyncSqliteSaver.from_conn_string(":memory:") as saver:
        yield saver


@asynccontextmanager
async def _their_memory() -> AsyncIterator[Any]:
    yield InMemorySaver()


@asynccontextmanager
async def _their_async_sqlite() -> AsyncIterator[Any]:
    async with TheirAsyncSqliteSaver.from_conn_string(":memory:") as saver:
        yield saver


async def _stored(saver: Any, *, background: bool, is_async: bool) -> list[Any]:
    """Has a short thread stored; its checkpoints. What changes after a call is due must not show.

    A writer in the background makes its calls at the end, any other at once.
    """
    writer = CheckpointWriter(saver, background, is_async)

    async def make_calls() -> None:
        for function, arguments, _ in writer.pop_calls():
            if writer.is_async:
                await function(*arguments)
            else:
                await asyncio.to_thread(function, *arguments)

    async def pause() -> None:
        if not writer.is_background:
            await make_calls()

    value = [1]
    for number in (1, 2):
        checkpoint = {**empty(str(number)), "channel_values": {"x": value}}
        checkpoint["channel_versions"] = {"x": str(number)}
        config = FIRST if number == 1 else _child("1")
        if number == 2:
            writer.hold_for_checkpoint(config, [("x", value)], "t1", "~1")
        writer.put(config, checkpoint, {"step": number}, {"x": str(number)})
        await pause()
        value.append(number)
    writer.put_writes(_child("2"), [("x", value)], "t2", "~2")
    await pause()
    value.append(3)
    writer.hold_for_checkpoint(_child("2"), [("x", value)], "t3", "~3")
    writer.release()
    await pause()
    value.append(4)
    await make_calls()
    assert not writer.has_calls()
    return [saved async for saved in saver.alist(FIRST)]


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(
    "make", [_memory, _sqlite, _async_sqlite, _their_memory, _their_async_sqlite]
)
def test_async_calls_store_the_same(make: Callable[[], Any], *, background: bool) -> None:
    async def run(*, is_async: bool) -> Any:
        async with make() as saver:
            return await _stored(saver, background=background, is_async=is_async)

    checkpoints = asyncio.run(run(is_async=True))
    for saved in checkpoints:
        saved.checkpoint.pop("ts")
    expected = asyncio.run(run(is_async=False))
    for saved in expected:
        saved.checkpoint.pop("ts")
    assert [tuple(saved) for saved in checkpoints] == [tuple(saved) for saved in expected]
    assert checkpoints[0].checkpoint["channel_values"] == {"x": [1, 1]}
    assert checkpoints[0].pending_writes == [("t2", "x", [1, 1, 2]), ("t3", "x", [1, 1, 2, 3])]
    assert checkpoints[1].pending_writes == [("t1", "x", [1, 1])]


def test_saver_without_task_path() -> None:
    """Whether a saver takes the path of a task is asked of the method that is called."""

    class Old(MemorySaver):
        async def aput_writes(self, config: Any, writes: Any, task_id: str) -> None:
            await super().aput_writes(config, writes, task_id)

    for is_async, arguments in ((False, 4), (True, 3)):
        writer = CheckpointWriter(Old(), False, is_async)
        writer.put_writes(_child("1"), [("x", 1)], "t", "~")
        ((_, given, _),) = writer.pop_calls()
        assert len(given) == arguments
