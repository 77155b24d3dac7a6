"""A driver that does what a loop says in another order of time, drawn from a seed.

Tasks finish in a permuted order and some are reported late, saver calls wait until somebody has to
wait for them, chunks of nodes come in between, and tasks join a superstep whose node runs on the
driver's thread. It is a second reader of the contract between loop and drivers (architecture §5):
what it runs has to end as under the synchronous driver.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from lgc.runtime.drivers.call import run_task
from lgc.runtime.engine.loop import CHUNKS, FLUSH, LOAD, OVER, RUN, STORE, WAIT, Loop
from lgc.runtime.engine.task import Task


class ScriptedDriver:
    """Drives one run on this thread.

    Args:
        loop: the run.
        chance: decides what happens when.
        calls: makes, now and then, a task that joins the superstep of the task it is given.

    Attributes:
        chunks: by superstep, the chunks that came out in it.
    """

    def __init__(
        self, loop: Loop, chance: random.Random, calls: Callable[[Task], Task | None] | None = None
    ) -> None:
        self.loop = loop
        self.chance = chance
        self.calls = calls
        self.chunks: dict[int, list[Any]] = {}
        self._waiting: list[Task] = []
        self._over: list[Task] = []
        self._saver_calls: list[Any] = []
        loop.run_call = self._run_call

    def run(self) -> None:
        """Runs to the end, and closes the run.

        Raises:
            As `Loop.next`.
        """
        try:
            while self._step():
                pass
        finally:
            self.loop.close()
            while self._step():
                pass

    def _step(self) -> bool:
        loop = self.loop
        what = loop.next()
        if what == OVER:
            return False
        if what == RUN:
            self._start(loop.superstep.take_tasks())
        elif what == WAIT:
            self._wait()
        elif what == CHUNKS:
            assert loop.sink is not None
            self.chunks.setdefault(loop.scope.step, []).extend(loop.sink.take())
        elif what == LOAD:
            self._load()
        else:
            assert what in (STORE, FLUSH)
            self._store(at_once=what == FLUSH)
        return True

    def _start(self, tasks: list[Task]) -> None:
        loop = self.loop
        if not loop.superstep.is_inline:
            self._waiting += tasks
            return
        for task in tasks:
            if self.calls is not None:
                called = self.calls(task)
                if called is not None:
                    loop.accept_call(called)
            copy_context().run(run_task, task)
            loop.finished(task)

    def _run_call(self, task: Task) -> None:
        self._waiting.append(task)

    def _wait(self) -> None:
        """Runs some of the tasks that wait, and reports some of those that are over."""
        loop, chance = self.loop, self.chance
        self.chance.shuffle(self._waiting)
        for _ in range(chance.randint(0 if self._over else 1, len(self._waiting))):
            task = self._waiting.pop()
            copy_context().run(run_task, task)
            self._over.append(task)
        while not loop.inbox.is_empty():
            loop.receive(loop.inbox.get())
        chance.shuffle(self._over)
        for _ in range(chance.randint(1, len(self._over))):
            loop.finished(self._over.pop())
            if chance.random() < 0.5:
                self._start(loop.superstep.take_tasks())

    def _load(self) -> None:
        assert self.loop.loading is not None and self.loop.loading.request is not None
        name, args, kwargs = self.loop.loading.request
        try:
            result = getattr(self.loop.scope.saver, name)(*args, **kwargs)
        except Exception as exc:
            self.loop.load_failed(exc)
        else:
            self.loop.loaded(result)

    def _store(self, *, at_once: bool) -> None:
        """Makes the saver calls that are due, unless they can wait a little longer."""
        writer = self.loop.writer
        assert writer is not None
        self._saver_calls += writer.pop_calls()
        if writer.is_background and not at_once and self.chance.random() < 0.8:
            return
        calls, self._saver_calls = self._saver_calls, []
        try:
            for function, arguments, _ in calls:
                function(*arguments)
        except Exception as exc:
            self.loop.store_failed(exc)
