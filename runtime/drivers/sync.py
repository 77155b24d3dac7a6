"""The synchronous driver: does what a loop says, on this thread and those of the pool."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from threading import Condition
from typing import Any

from lgc.runtime.drivers.call import run_task
from lgc.runtime.drivers.thread_pool import POOL
from lgc.runtime.engine.inbox import Inbox
from lgc.runtime.engine.loop import (
    BACK,
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


class SyncDriver:
    """Drives one run.

    Args:
        loop: the run. Its tasks run on this thread where they are alone, else each on a thread of
            the pool, in a copy of this thread's context; saver calls are made on this thread, or
            one after the other on another where the run does not wait for them.
    """

    def __init__(self, loop: Loop) -> None:
        self.loop: Loop = loop
        writer = loop.writer
        loop.run_call = partial(_submit, loop.inbox)
        self._background: Background | None = None
        if writer is not None and writer.is_background:
            self._background = Background()

    def advance(self) -> list[Any] | None:
        """Runs until chunks are due; those, or None when the run is over or goes back.

        The points at which chunks come out are upstream's (spec §5.3, granularity), so that a
        consumer who stops sees the same effects.

        Raises:
            As `Loop.next`.
        """
        loop = self.loop
        while True:
            what = loop.next()
            if what in (OVER, BACK):
                return None
            if what == CHUNKS:
                assert loop.sink is not None
                return loop.sink.take()
            self._perform(what)

    def run(self) -> None:
        """Runs a run without chunks to its end, or until it goes back.

        Raises:
            As `Loop.next`.
        """
        while self.advance() is not None:
            pass

    def close(self) -> None:
        """Waits for the tasks, and stores what they wrote, and what is left to the run's end."""
        loop = self.loop
        loop.close()
        # A run that is closing hands out no chunks.
        while (what := loop.next()) != OVER:
            self._perform(what)
        if self._background is not None:
            self._background.forget()

    def _perform(self, what: int) -> None:
        loop = self.loop
        if what == RUN:
            self._start()
        elif what == STORE:
            self._store()
        elif what == FLUSH:
            if self._background is not None:
                try:
                    self._background.wait()
                except Exception as exc:
                    loop.store_failed(exc)
        elif what == LOAD:
            assert loop.loading is not None and loop.loading.request is not None
            name, args, kwargs = loop.loading.request
            try:
                result = getattr(loop.scope.saver, name)(*args, **kwargs)
                if name == "list":
                    result = next(iter(result), None)
            except Exception as exc:
                loop.load_failed(exc)
            else:
                loop.loaded(result)
        elif what == LOOK_UP:
            try:
                found = loop.scope.cache.get(tuple(loop.cache_keys))
            except Exception as exc:
                loop.look_up_failed(exc)
            else:
                loop.found(found)
        elif what == KEEP:
            try:
                loop.scope.cache.set(loop.take_cached())
            except Exception as exc:
                loop.store_failed(exc)
        else:
            self._wait()

    def _store(self) -> bool:
        """Makes the saver calls that are due, up to the first that fails; whether none has."""
        writer = self.loop.writer
        assert writer is not None
        try:
            for function, arguments, _ in writer.pop_calls():
                if self._background is None:
                    # What it sets in its context is not seen by nodes and the caller.
                    copy_context().run(function, *arguments)
                else:
                    self._background.submit(function, arguments)
        except Exception as exc:
            self.loop.store_failed(exc)
            return False
        return True

    def _start(self) -> None:
        """Starts the tasks that may; one that is alone has run when this returns."""
        superstep = self.loop.superstep
        if not superstep.is_inline:
            for task in superstep.take_tasks():
                _submit(self.loop.inbox, task)
        elif superstep.can_start():
            alone = superstep.take_inline_task()
            try:
                run_task(alone)
            except BaseException as exc:
                # Raised beside the task's own calls: by a signal, or by a failure of its failure.
                alone.error = exc
                alone.end()
            self.loop.finished(alone)

    def _wait(self) -> None:
        """Waits for something to come in, and takes over all that has."""
        loop = self.loop
        inbox = loop.inbox
        item: Any = inbox.get_until(loop.superstep.deadline)
        if item is None:
            loop.timed_out(TimeoutError("Timed out"))
            return
        while True:
            loop.receive(item)
            if loop.writer is not None and loop.writer.has_calls() and not self._store():
                return
            if isinstance(item, Task):
                # A place is free.
                self._start()
            if inbox.is_empty():
                return
            item = inbox.get()


def _submit(inbox: Inbox, task: Task) -> None:
    """Runs a task on a thread of the pool, in a copy of this thread's context."""
    POOL.submit(partial(_work, task, copy_context(), inbox))


def _work(task: Task, context: Context, inbox: Inbox) -> None:
    """One task on a thread of the pool; its failure travels in `task.error`."""
    try:
        context.run(run_task, task)
    except BaseException as exc:
        task.error = exc
    inbox.put(task)


class Background:
    """Calls functions one after the other on another thread, up to the first that fails."""

    def __init__(self) -> None:
        self._calls: deque[tuple[Context, Callable[..., Any], tuple[Any, ...]]] = deque()
        self._changed: Condition = Condition()
        self._is_running: bool = False
        self._error: BaseException | None = None

    def submit(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Calls `function(*args)`, in a copy of this context, after all that was submitted before.

        Raises:
            BaseException: what one of those raised.
        """
        with self._changed:
            if self._error is not None:
                raise self._error
            self._calls.append((copy_context(), function, args))
            if self._is_running:
                return
            self._is_running = True
        POOL.submit(self._run)

    def wait(self) -> None:
        """Waits until all has been called; raises as `submit`."""
        with self._changed:
            while self._is_running:
                self._changed.wait()
            if self._error is not None:
                raise self._error

    def forget(self) -> None:
        """Drops the error, whose traceback holds who has waited."""
        self._error = None

    def _run(self) -> None:
        error: BaseException | None = None
        while True:
            with self._changed:
                if error is not None or not self._calls:
                    self._calls.clear()
                    self._error = error
                    # Its traceback holds this frame.
                    error = None
                    self._is_running = False
                    self._changed.notify_all()
                    return
                context, function, args = self._calls.popleft()
            try:
                context.run(function, *args)
            except BaseException as exc:
                error = exc
