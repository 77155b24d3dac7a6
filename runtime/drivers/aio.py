"""The asynchronous driver: does what a loop says on an asyncio event loop (architecture §5.6).

It knows no channel, write or branch. This file stays interpreted: a coroutine of mypyc that is
dropped while suspended does not run its `finally`, and one driver of Python over native objects
was faster than compiled ones in every measurement. It is imported when an async method is first
called, because asyncio takes longer to import than all of the runtime.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from threading import get_ident
from time import monotonic
from typing import Any

from lgc.runtime.drivers.async_calls import AsyncCalls, SaverCalls, stopped
from lgc.runtime.engine.loop import (
    BACK,
    CANCEL,
    CHUNKS,
    FLUSH,
    KEEP,
    LOAD,
    LOOK_UP,
    OVER,
    RUN,
    STORE,
    Loop,
)
from lgc.runtime.engine.task import Task


class AsyncDriver:
    """Drives one run on the running event loop.

    Args:
        loop: the run. Each of its tasks is an asyncio task, in a copy of the context of who asks
            for chunks; saver calls are made in tasks that survive the cancellation of the run.
        calls: makes the calls that tasks want.
    """

    def __init__(self, loop: Loop, calls: AsyncCalls) -> None:
        self.loop = loop
        self._calls = calls
        # A dict, so that they are cancelled in the order in which they were started.
        self._running: dict[asyncio.Task[Any], None] = {}
        self._saver_calls = SaverCalls(calls)
        self._waiter: asyncio.Future[None] | None = None
        self._thread = get_ident()
        loop.run_call = self._run_call

    async def advance(self) -> list[Any] | None:
        """Runs until chunks are due; those, or None when the run is over or goes back.

        Raises:
            As `Loop.next`.
            asyncio.CancelledError: the caller was cancelled; only `close` is left to do.
        """
        loop = self.loop
        while True:
            try:
                what = loop.next()
            except StopIteration as exc:
                raise stopped(exc) from exc
            if what in (OVER, BACK):
                return None
            if what == CHUNKS:
                assert loop.sink is not None
                return loop.sink.take()
            await self._perform(what)

    async def close(self) -> None:
        """Cancels what runs, and stores what is left to the run's end.

        Raises:
            asyncio.CancelledError: the caller was cancelled meanwhile. It is raised when all is
                done; upstream raises it at once, and its task goes on behind its caller.
        """
        loop = self.loop
        loop.close()
        what = loop.next()
        while what == FLUSH and self._saver_calls.are_done():
            what = loop.next()
        calls = self._calls
        if what == OVER or calls.loop.is_closed():
            # On a closed event loop nothing can be awaited any more.
            self._detach()
            return
        # Not at once: a node that cancels the run has a turn before it is cancelled itself.
        ending = calls.start_next_turn(self._end(what), copy_context())
        cancellation: asyncio.CancelledError | None = None
        while not ending.done():
            try:
                await asyncio.wait((ending,))
            except asyncio.CancelledError as exc:
                # A scope may cancel at every turn; its caller is to find the thread stored.
                cancellation = exc
            if ending.cancelled():
                # By an event loop that shuts down, before it began.
                ending = calls.start_next_turn(self._end(what), copy_context())
        ending.result()
        if cancellation is not None:
            try:
                raise cancellation
            finally:
                # Its traceback holds this frame.
                del cancellation

    async def _end(self, what: int) -> None:
        """Does what a run that is closing says, and what comes first: `what`."""
        while what != OVER:
            try:
                await self._perform(what)
            except asyncio.CancelledError:
                # The event loop shuts down; what there is to store is stored all the same.
                self._cancel()
            else:
                what = self.loop.next()
        self._detach()

    def _detach(self) -> None:
        """Run, driver and what savers raised hold each other no longer, which would be a cycle."""
        self.loop.inbox.wake = None
        self.loop.run_call = None
        self._saver_calls.forget()

    async def _perform(self, what: int) -> None:
        loop = self.loop
        if what == RUN:
            await self._start()
        elif what in (STORE, FLUSH):
            try:
                await self._store(waits=what == FLUSH)
            except BaseException as exc:
                # A saver may raise CancelledError of its own.
                if not isinstance(exc, Exception) and exc is not self._saver_calls.error:
                    raise
                loop.store_failed(exc)
        elif what == LOAD:
            assert loop.loading is not None and loop.loading.request is not None
            name, args, kwargs = loop.loading.request
            try:
                call = getattr(loop.scope.saver, f"a{name}")(*args, **kwargs)
                result = await (anext(call, None) if name == "list" else call)
            except Exception as exc:
                loop.load_failed(exc)
            else:
                loop.loaded(result)
        elif what == LOOK_UP:
            try:
                found = await loop.scope.cache.aget(tuple(loop.cache_keys))
            except Exception as exc:
                loop.look_up_failed(exc)
            else:
                loop.found(found)
        elif what == KEEP:
            try:
                await loop.scope.cache.aset(loop.take_cached())
            except Exception as exc:
                loop.store_failed(exc)
        elif what == CANCEL:
            self._cancel()
        else:
            await self._wait()

    # -- tasks ------------------------------------------------------------------

    async def _start(self) -> None:
        """Starts the tasks that may; one that is alone has run when this returns."""
        superstep = self.loop.superstep
        if not superstep.is_inline:
            for task in superstep.take_tasks():
                self._start_task(task)
        elif superstep.can_start():
            alone = superstep.take_inline_task()
            await self._run(alone)
            self.loop.finished(alone)

    async def _run(self, task: Task) -> None:
        """Runs a task to its end; its failure is in `task.error`."""
        try:
            task.begin()
            if task.timeout is None:
                await self._calls.make_calls(task)
            else:
                # Imported when it is first used: few nodes have one.
                from lgc.runtime.drivers.timed_attempt import make_timed_calls

                await make_timed_calls(self._calls, task)
        except BaseException as exc:
            # Raised beside the task's own calls: by a failure of its failure.
            task.error = exc
            task.end()

    def _start_task(self, task: Task) -> None:
        running = self._calls.start(self._run(task), copy_context(), task.node.name)
        if running.done():
            self._note_over(task, running)
        else:
            self._running[running] = None
            running.add_done_callback(partial(self._note_over, task))

    def _note_over(self, task: Task, running: asyncio.Task[Any]) -> None:
        self._running.pop(running, None)
        if not task.is_over:
            # Cancelled before it has begun.
            task.cancelled(asyncio.CancelledError())
        self.loop.inbox.put(task)

    def _run_call(self, task: Task) -> None:
        """Runs a task that a node calls, which may be on another thread."""
        if get_ident() == self._thread:
            self._start_task(task)
        else:
            self._calls.loop.call_soon_threadsafe(self._start_task, task)

    def _cancel(self) -> None:
        for running in tuple(self._running):
            running.cancel()

    # -- waiting ----------------------------------------------------------------

    async def _wait(self) -> None:
        """Waits for something to come in, and takes over all that has."""
        loop = self.loop
        inbox = loop.inbox
        # Before the look into the inbox, so that nothing comes in between unnoticed.
        inbox.wake = self._wake
        if inbox.is_empty():
            deadline = loop.superstep.deadline
            await self._sleep(deadline)
            if inbox.is_empty():
                if deadline is not None and monotonic() >= deadline:
                    loop.timed_out(_timeout())
                return
        loop.receive_all()

    async def _sleep(self, deadline: float | None) -> None:
        """Waits until the inbox has something, at most until `deadline`."""
        aio = self._calls.loop
        self._waiter = waiter = aio.create_future()
        timer = None
        if deadline is not None:
            timer = aio.call_later(max(0, deadline - monotonic()), self._rouse)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        """Something is in the inbox; called on any thread."""
        if get_ident() == self._thread:
            self._rouse()
        else:
            # It may be closed: then nobody waits any more.
            with suppress(RuntimeError):
                self._calls.loop.call_soon_threadsafe(self._rouse)

    def _rouse(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- the saver --------------------------------------------------------------

    async def _store(self, *, waits: bool) -> None:
        """Makes the saver calls that are due, or starts them where the run need not wait.

        A run waits for its checkpoints only: the calls that store what its tasks wrote go on while
        others run, and a checkpoint waits for them.

        Args:
            waits: the run waits for all calls, those beside one that has failed, too.

        Raises:
            BaseException: what the saver raised.
        """
        writer = self.loop.writer
        assert writer is not None
        calls = writer.pop_calls()
        if not writer.is_async:
            for function, arguments, _ in calls:
                function(*arguments)
            return
        if calls:
            self._saver_calls.submit(calls)
        if waits or (not writer.is_background and any(call[2] is None for call in calls)):
            await self._saver_calls.wait()


def _timeout() -> asyncio.TimeoutError:
    """What `asyncio.wait_for` raises, with which upstream waits (_runner.py, atick)."""
    error = asyncio.TimeoutError()
    error.__cause__ = error.__context__ = asyncio.CancelledError()
    return error
