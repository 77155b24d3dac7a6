"""The fast path on an asyncio event loop (architecture §5.5, §5.6).

This file stays interpreted, as `drivers/aio` does.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
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
from lgc.runtime.streaming.observers import outer_observers


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
    outer = outer_observers(scope)
    calls = AsyncCalls()
    try:
        if is_fast and not outer and thread is None and can_start(scope):
            await _run_awaiting(FastPath(scope, value, [result]), calls)
        else:
            loop = Loop(scope, value, thread, recorder)
            loop.superstep.observers = [result, *outer]
            driver = AsyncDriver(loop, calls)
            try:
                while await driver.advance() is not None:
                    pass
            finally:
                await driver.close()
    except (StopIteration, StopAsyncIteration) as exc:
        raise stopped(exc) from exc
    return result.result()


async def _run_awaiting(path: FastPath, calls: AsyncCalls) -> None:
    """Runs superstep by superstep, as `supersteps` says, until the run is over."""
    driver: AsyncDriver | None = None
    running: asyncio.Future[Any] | None = None
    caller = asyncio.current_task()
    try:
        task = path.begin()
        while True:
            while task is not None:
                # As `calls.call`, which would be a coroutine more for every node.
                before = calls.cancellations(caller)
                context = copy_context()
                try:
                    running = calls.begin(task, context)
                    is_turn_due = calls.is_turn_due(caller, before)
                    if running.done() and not is_turn_due:
                        returned = running.result()
                        if type(returned) is not dict:
                            returned = await calls.end(task, context, running, False)
                    else:
                        returned = await calls.end(task, context, running, is_turn_due)
                except BaseException as exc:
                    if isinstance(exc, asyncio.CancelledError) and not is_own(exc):
                        raise
                    task = path.raised(task, exc)
                else:
                    task = path.returned(task, returned)
            loop = path.loop_to_go_on()
            if loop is None:
                return
            if driver is None:
                driver = AsyncDriver(loop, calls)
            while await driver.advance() is not None:
                pass
            due = path.come_back()
            if not due:
                return
            task = path.go_on(due)
    finally:
        # It holds what it raised, whose traceback holds this frame.
        del running, caller
        if driver is not None:
            await driver.close()


class AsyncFastStream:
    """`fast_path.FastStream` on the running event loop; arguments as there."""

    def __init__(self, path: FastPath) -> None:
        self._path = path
        self._has_started = False
        self._is_driving = False
        self._task: Task | None = None
        self._calls = AsyncCalls()
        self._driver: AsyncDriver | None = None

    async def advance(self) -> list[Any] | None:
        """As `AsyncDriver.advance`."""
        path, calls = self._path, self._calls
        sink = path.sink
        assert sink is not None
        while True:
            if not self._is_driving:
                try:
                    if not self._has_started:
                        self._has_started = True
                        self._task = path.begin()
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
                loop = path.loop_to_go_on()
                if loop is None:
                    return sink.take() if sink.chunks else None
                self._is_driving = True
                if self._driver is None:
                    self._driver = AsyncDriver(loop, calls)
            assert self._driver is not None
            chunks = await self._driver.advance()
            if chunks is not None:
                return chunks
            due = path.come_back()
            if not due:
                return None
            self._is_driving = False
            self._task = path.go_on(due)

    async def close(self) -> None:
        """As `AsyncDriver.close`."""
        self._task = None
        if self._driver is not None:
            await self._driver.close()
