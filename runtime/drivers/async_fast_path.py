"""The fast path on an asyncio event loop (architecture §5.5, §5.6).

This file stays interpreted, as `drivers/aio` does.
"""

from __future__ import annotations

import asyncio
from typing import Any

from lgc.runtime.checkpointing.recorder import Recorder
from lgc.runtime.checkpointing.thread_state import ThreadState
from lgc.runtime.drivers.aio import AsyncDriver
from lgc.runtime.drivers.async_calls import AsyncCalls, is_own, stopped
from lgc.runtime.drivers.fast_path import FastPath, can_start
from lgc.runtime.engine.loop import Loop
from lgc.runtime.engine.run import RunScope
from lgc.runtime.engine.task import Task
from lgc.runtime.streaming.chunks import ResultObserver


async def ainvoke(
    scope: RunScope,
    value: Any,
    thread: ThreadState | None,
    recorder: Recorder | None,
    is_fast: bool = True,
) -> Any:
    """Runs to the end on the running event loop; arguments, result, errors as `fast_path.invoke`.

    Raises:
        asyncio.CancelledError: the caller was cancelled.
    """
    result = ResultObserver(scope.values, scope.options.typed_result)
    calls = AsyncCalls()
    try:
        if is_fast and thread is None and can_start(scope):
            path = FastPath(scope, [result])
            task = path.start(value)
            while task is not None:
                try:
                    returned = await calls.call(task)
                except BaseException as exc:
                    if isinstance(exc, asyncio.CancelledError) and not is_own(exc):
                        raise
                    task = path.raised(task, exc)
                else:
                    task = path.returned(task, returned)
            loop = path.loop
            if loop is None:
                return result.result()
            if path.left is not None:
                await calls.make_calls(path.left)
                loop.finished(path.left)
        else:
            loop = Loop(scope, value, thread, recorder)
            loop.superstep.observers = [result]
        driver = AsyncDriver(loop, calls)
        try:
            while await driver.advance() is not None:
                pass
        finally:
            await driver.close()
    except (StopIteration, StopAsyncIteration) as exc:
        raise stopped(exc) from exc
    return result.result()


class AsyncFastStream:
    """`fast_path.FastStream` on the running event loop; arguments as there."""

    def __init__(self, path: FastPath, value: Any) -> None:
        self._path = path
        self._value: Any = value
        self._has_started = False
        self._task: Task | None = None
        self._calls = AsyncCalls()
        self._driver: AsyncDriver | None = None

    async def advance(self) -> list[Any] | None:
        """As `AsyncDriver.advance`."""
        if self._driver is not None:
            return await self._driver.advance()
        path, calls = self._path, self._calls
        sink = path.sink
        assert sink is not None
        try:
            if not self._has_started:
                self._has_started = True
                self._task = path.start(self._value)
            while (task := self._task) is not None:
                if sink.chunks:
                    return sink.take()
                try:
                    returned = await calls.call(task)
                except BaseException as exc:
                    if isinstance(exc, asyncio.CancelledError) and not is_own(exc):
                        raise
                    self._task = path.raised(task, exc)
                else:
                    self._task = path.returned(task, returned)
        except StopIteration as exc:
            raise stopped(exc) from exc
        loop = path.loop
        if loop is None:
            return sink.take() if sink.chunks else None
        self._driver = AsyncDriver(loop, calls)
        if path.left is not None:
            await calls.make_calls(path.left)
            loop.finished(path.left)
        return await self._driver.advance()

    async def close(self) -> None:
        """As `AsyncDriver.close`."""
        self._task = None
        if self._driver is not None:
            await self._driver.close()
