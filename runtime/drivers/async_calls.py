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
from typing import Any, Final

from lgc.runtime.checkpointing.checkpoint_writer import Call
from lgc.runtime.drivers.call import (
    enter_on_thread,
    enter_runnable,
    enter_waiting,
    returned_runnable,
)
from lgc.runtime.engine.retry import NEVER
from lgc.runtime.engine.task import Task

_SINCE_3_11: Final = sys.version_info >= (3, 11)
_SINCE_3_12: Final = sys.version_info >= (3, 12)
# As Any, for the sake of type checkers that check for a Python without `eager_start`.
_TASK: Final[Any] = asyncio.Task
_START: Final[Any] = asyncio.Task.__init__
_LONGEST_TURN: Final = 0.005
"""Seconds after which an event loop gets a turn, however many nodes have not suspended."""


async def acontinue_task(task: Task) -> None:
    """Makes the calls that are left of a task; what they raise is in `error`."""
    await AsyncCalls().make_calls(task)


def is_own(exc: asyncio.CancelledError) -> bool:
    """Whether a node has raised a CancelledError of its own: nobody has cancelled who awaits it."""
    current = asyncio.current_task()
    return _SINCE_3_11 and current is not None and current.cancelling() == 0


def stopped(exc: BaseException) -> RuntimeError:
    """What upstream's async generator makes of a StopIteration that a reducer raised in it.

    A coroutine makes another error of one, so none may leave those of lgc.
    """
    return RuntimeError(f"async generator raised {type(exc).__name__}")


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
        caller: Any = asyncio.current_task()
        before = self.cancellations(caller)
        context = copy_context()
        running = self.begin(task, context)
        try:
            return await self.end(task, context, running, self.is_turn_due(caller, before))
        finally:
            # Both hold what they raise, whose traceback holds this frame.
            del running, caller

    def begin(self, task: Task, context: Context) -> asyncio.Future[Any]:
        """Begins the call that a task wants in `context`, a copy of the caller's; `end` is next."""
        if task.delay >= 0:
            return self._start_call(self._begin_later(task, context), context)
        coroutine = context.run(enter_waiting, task)
        if coroutine is None:
            return self.loop.run_in_executor(None, context.run, enter_on_thread, task)
        return self._start_call(coroutine, context)

    async def _begin_later(self, task: Task, context: Context) -> Any:
        """Makes the call of a task that runs again, once it is time."""
        delay, task.delay = task.delay, NEVER
        await asyncio.sleep(delay)
        running = self.begin(task, context.copy())
        try:
            return await running
        finally:
            # It holds what it raises, whose traceback holds this frame.
            del running

    def cancellations(self, caller: Any) -> int:
        """How often the asyncio task that awaits a call has been cancelled, for `is_turn_due`."""
        count: int = caller.cancelling() if _SINCE_3_12 else 0
        return count

    def is_turn_due(self, caller: Any, before: int) -> bool:
        """Whether the event loop is to have a turn behind a call that has not suspended.

        The node may have cancelled its caller, and others may wait for the loop.

        Args:
            caller: the asyncio task that awaits the call.
            before: how often it had been cancelled before the call.
        """
        is_cancelled = _SINCE_3_12 and caller.cancelling() != before
        return is_cancelled or monotonic() - self._last_turn > _LONGEST_TURN

    async def end(
        self, task: Task, context: Context, running: asyncio.Future[Any], is_turn_due: bool
    ) -> Any:
        """What a call returned; arguments as of `begin` and `is_turn_due`."""
        try:
            if not running.done():
                result = await running
                self._last_turn = monotonic()
            else:
                if is_turn_due:
                    await self._give_turn(running)
                result = running.result()
        finally:
            del running
        if type(result) is not dict and returned_runnable(task, result):
            result = await self._start_call(context.run(enter_runnable, task, result), context)
        return result

    async def _give_turn(self, running: asyncio.Future[Any]) -> None:
        """Gives the event loop a turn behind what has not suspended."""
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            # Nobody is to be told what it raised.
            if not running.cancelled():
                running.exception()
            raise
        self._last_turn = monotonic()

    def _start_call(
        self, coroutine: Coroutine[Any, Any, Any], context: Context
    ) -> asyncio.Future[Any]:
        """As `start`; what is to end the event loop ends it before anything else happens."""
        try:
            return self.start(coroutine, context)
        except (KeyboardInterrupt, SystemExit) as exc:
            return self._stop_loop(exc)

    def _stop_loop(self, exc: BaseException) -> asyncio.Future[Any]:
        """What a call comes to that has raised, at once, what is to end the event loop.

        As from a task that starts in a turn of its own: who waits for it learns of it when the loop
        runs again, unless it is cancelled by then, and no sibling begins before.
        """
        self._is_eager = False
        failed = self.loop.create_future()
        self.loop.call_soon(_raise, exc)
        self.loop.call_soon(_fail, failed, exc)
        return failed

    def start(
        self, coroutine: Coroutine[Any, Any, Any], context: Context, name: str | None = None
    ) -> asyncio.Task[Any]:
        """Starts an asyncio task in `context`; on Python 3.12, at once."""
        if self._is_eager:
            task: asyncio.Task[Any] = _TASK.__new__(_TASK)
            try:
                _START(
                    task, coroutine, loop=self.loop, name=name, context=context, eager_start=True
                )
            except BaseException:
                # A KeyboardInterrupt goes to the caller at once; the task has it, too, and asyncio
                # would report that nobody has retrieved it.
                if task.done():
                    task.exception()
                raise
            return task
        return self.start_next_turn(coroutine, context, name)

    def start_next_turn(
        self, coroutine: Coroutine[Any, Any, Any], context: Context, name: str | None = None
    ) -> asyncio.Task[Any]:
        """As `start`, but the event loop gets a turn before."""
        if _SINCE_3_11:
            return self.loop.create_task(coroutine, name=name, context=context)
        return context.run(partial(self.loop.create_task, coroutine, name=name))


def _raise(exc: BaseException) -> None:
    raise exc


def _fail(future: asyncio.Future[Any], exc: BaseException) -> None:
    if not future.done():
        future.set_exception(exc)


class SaverCalls:
    """Makes the saver calls of a run, up to the first that fails.

    The writes of tasks are stored side by side, those of one task in order. A checkpoint waits for
    all that was submitted before it, and what is submitted later waits for the checkpoint.

    Args:
        calls: starts the asyncio tasks that make them; a run's cancellation does not reach those.

    Attributes:
        error: what the first that failed raised, or None.
    """

    def __init__(self, calls: AsyncCalls) -> None:
        self._calls = calls
        self._waiting: deque[tuple[Call, Context]] = deque()
        # By the task whose writes are stored; None for a checkpoint.
        self._running: dict[str | None, asyncio.Task[BaseException | None]] = {}
        self._waiter: asyncio.Future[None] | None = None
        self.error: BaseException | None = None

    def are_done(self) -> bool:
        """Whether all calls have been made, and none has failed."""
        return not self._running and self.error is None

    def submit(self, calls: list[Call]) -> None:
        """Makes `calls`, as soon as those may be that were submitted before.

        Raises:
            BaseException: what one of those raised.
        """
        if self.error is not None:
            raise self.error
        # Of who submits: a call that waits for others does not see what those set, nor miss what
        # a consumer has set since.
        context = copy_context()
        self._waiting.extend((call, context) for call in calls)
        self._start_due()

    async def wait(self) -> None:
        """Waits until all calls are made; raises as `submit`."""
        while self._running:
            self._waiter = self._calls.loop.create_future()
            await self._waiter
        if self.error is not None:
            raise self.error

    def forget(self) -> None:
        """Drops the error, whose traceback holds who has waited."""
        self.error = None

    def _start_due(self) -> None:
        running, waiting = self._running, self._waiting
        while waiting:
            due = waiting[0]
            (function, args, task_id), context = due
            if running and (task_id is None or task_id in running or None in running):
                return
            waiting.popleft()
            try:
                making = self._calls.start(_outcome(function, args), context.copy())
            except BaseException as exc:
                # A KeyboardInterrupt of a call that was made at once.
                self._note(exc)
                raise
            if making.done():
                self._note(making.result())
            else:
                running[task_id] = making
                making.add_done_callback(partial(self._note_over, due))

    def _note_over(
        self, due: tuple[Call, Context], making: asyncio.Task[BaseException | None]
    ) -> None:
        del self._running[due[0][2]]
        if making.cancelled():
            # Before it began, by an event loop that shuts down.
            if self.error is None:
                self._waiting.appendleft(due)
        else:
            self._note(making.exception() or making.result())
        self._start_due()
        waiter = self._waiter
        if waiter is not None and not self._running and not waiter.done():
            waiter.set_result(None)

    def _note(self, error: BaseException | None) -> None:
        """A call was made, and raised `error`."""
        if error is not None:
            self._waiting.clear()
            if self.error is None:
                self.error = error


async def _outcome(function: Callable[..., Any], args: tuple[Any, ...]) -> BaseException | None:
    """Makes a saver call; what it raised, or None.

    Raises:
        KeyboardInterrupt, SystemExit: these end the event loop.
    """
    try:
        try:
            await function(*args)
        except asyncio.CancelledError:
            # By an event loop that shuts down, for a run's cancellation does not reach this task.
            # Savers replace what they have, so the call may be made again.
            await function(*args)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as exc:
        return exc
    return None
