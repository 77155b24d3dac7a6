"""How what tasks and savers want called is called on an asyncio event loop (architecture §5.6).

This file stays interpreted, as `drivers/aio` does.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from time import monotonic
from types import CoroutineType
from typing import Any, Final

from lgc.runtime.drivers.call import (
    enter_on_thread,
    enter_runnable,
    enter_waiting,
    returned_runnable,
    waits,
)
from lgc.runtime.engine.task import Task

_SINCE_3_11: Final = sys.version_info >= (3, 11)
_SINCE_3_12: Final = sys.version_info >= (3, 12)
# As Any, for the sake of type checkers that check for a Python without `eager_start`.
_TASK: Final[Any] = asyncio.Task
_LONGEST_TURN: Final = 0.005
"""Seconds after which an event loop gets a turn, however many nodes have not suspended."""


async def acontinue_task(task: Task) -> None:
    """Makes the calls that are left of a task; what they raise is in `error`."""
    await AsyncCalls().make_calls(task)


def is_own(exc: asyncio.CancelledError) -> bool:
    """Whether a node has raised a CancelledError of its own: nobody has cancelled who awaits it."""
    current = asyncio.current_task()
    return _SINCE_3_11 and current is not None and current.cancelling() == 0


def _retrieve(running: asyncio.Task[Any]) -> None:
    """Keeps asyncio from reporting an exception that nobody is to be told of."""
    if not running.cancelled():
        running.exception()


async def _result(awaitable: Any) -> Any:
    return await awaitable


class AsyncCalls:
    """Makes the calls that tasks want, on the running event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        # A factory of the user's own makes all tasks.
        self._is_eager = _SINCE_3_12 and self.loop.get_task_factory() is None
        self._last_turn = monotonic()

    async def make_calls(self, task: Task) -> None:
        """Makes the calls that are left of a task; what they raise is in `error`."""
        while not task.is_over:
            try:
                result = await self.call(task)
            except asyncio.CancelledError as exc:
                if is_own(exc):
                    task.raised(exc)
                else:
                    task.cancelled(exc)
            except BaseException as exc:
                task.raised(exc)
            else:
                task.returned(result)

    async def call(self, task: Task) -> Any:
        """Makes the call that a task wants, in a context of its own; what that returned.

        A coroutine runs as an asyncio task, a function on a thread of the loop's executor.
        """
        context = copy_context()
        if waits(task):
            result = await self._await(context.run(enter_waiting, task), context)
        else:
            result = await self.loop.run_in_executor(None, context.run, enter_on_thread, task)
        if returned_runnable(task, result):
            result = await self._await(context.run(enter_runnable, task, result), context)
        return result

    async def _await(self, awaitable: Any, context: Context) -> Any:
        """Awaits what a node or router has returned, in an asyncio task of its own."""
        if not self._is_eager:
            return await self.start(awaitable, context)
        caller = asyncio.current_task()
        assert caller is not None
        before = caller.cancelling()
        running = self.start(awaitable, context)
        if running.done():
            now = monotonic()
            if caller.cancelling() > before or now - self._last_turn > _LONGEST_TURN:
                # The node has cancelled its caller, or others wait for the loop.
                self._last_turn = now
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError:
                    _retrieve(running)
                    raise
        else:
            self._last_turn = monotonic()
        return await running

    def start(self, awaitable: Any, context: Context, name: str | None = None) -> asyncio.Task[Any]:
        """Starts an asyncio task in `context`."""
        is_coroutine = type(awaitable) is CoroutineType or asyncio.iscoroutine(awaitable)
        coroutine: Coroutine[Any, Any, Any] = awaitable if is_coroutine else _result(awaitable)
        if self._is_eager:
            task: asyncio.Task[Any] = _TASK(
                coroutine, loop=self.loop, name=name, context=context, eager_start=True
            )
            return task
        if _SINCE_3_11:
            return self.loop.create_task(coroutine, name=name, context=context)
        return context.run(partial(self.loop.create_task, coroutine, name=name))


class SaverCalls:
    """Makes async calls one after the other, up to the first that fails.

    Args:
        calls: starts the asyncio task that makes them.
    """

    def __init__(self, calls: AsyncCalls) -> None:
        self._start = calls.start
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._running: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    def are_done(self) -> bool:
        """Whether all calls have been made, and none has failed."""
        return self._running is None and self._error is None

    def submit(self, calls: list[tuple[Callable[..., Any], tuple[Any, ...]]]) -> None:
        """Makes `calls` after all that were submitted before.

        Raises:
            BaseException: what one of those raised.
        """
        if self._error is not None:
            raise self._error
        self._waiting.extend(calls)
        if self._running is None:
            running = self._start(self._make(), copy_context())
            self._running = None if running.done() else running

    async def wait(self) -> None:
        """Waits until all calls are made; raises as `submit`."""
        while self._running is not None:
            if self._running.done():
                # Cancelled before it began.
                self._running = self._start(self._make(), copy_context())
            await asyncio.shield(self._running)
        if self._error is not None:
            raise self._error

    async def _make(self) -> None:
        try:
            while self._waiting:
                function, args = self._waiting.popleft()
                try:
                    await function(*args)
                except asyncio.CancelledError:
                    # By an event loop that shuts down, for a run's cancellation does not reach
                    # this task. Savers replace what they have, so the call may be made again.
                    await function(*args)
        except BaseException as exc:
            self._waiting.clear()
            self._error = exc
        finally:
            self._running = None
