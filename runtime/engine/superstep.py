"""The tasks of one superstep and what becomes of them (spec §4.7; pregel/_runner.py)."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from lgc.runtime.checkpointing.recorder import Recorder
from lgc.runtime.constants import ERROR, ERROR_SOURCE_NODE, INTERRUPT, RESUME
from lgc.runtime.engine.handler_task import HandlerTask
from lgc.runtime.engine.node_cache import CacheKey
from lgc.runtime.engine.observer import Observer
from lgc.runtime.engine.program import Node
from lgc.runtime.engine.run import RunScope
from lgc.runtime.engine.task import Task
from lgc.runtime.public.errors import is_invalid_resume
from lgc.runtime.public.messages import ensure_message_ids
from lgc.runtime.upstream import error_class, is_instance_of_error


class Superstep:
    """The superstep that a run is in; empty before the first.

    Args:
        scope: the run.
        recorder: records what the tasks write, or None.

    Attributes:
        observers: are told of the tasks.
        tasks: all of the superstep, in the order of preparation.
        is_inline: its only task runs on the driver's thread.
        running: how many tasks run.
        has_started: one has run.
        deadline: when the superstep has taken too long, in seconds of `time.monotonic`, or None.
        error: the failure that ends the run, once there is one.
        has_recorded: a task has writes that a saver, if there were one, would hold.
        has_handlers: an error handler is among the tasks.
        to_cache: what is to be kept of tasks that have finished: by key, their writes and for how
            many seconds.
        must_store: what is recorded has to be stored before another task starts.
    """

    def __init__(self, scope: RunScope, recorder: Recorder | None) -> None:
        self.scope: RunScope = scope
        self.recorder: Recorder | None = recorder
        self.observers: list[Observer] = []
        self.tasks: list[Task] = []
        self.is_inline: bool = False
        self.running: int = 0
        self.has_started: bool = False
        self.deadline: Any = None
        # The task that runs on the driver's thread.
        self._inline_task: Task | None = None
        self.error: BaseException | None = None
        self.has_recorded: bool = False
        # The tasks that have joined on other threads, and are not among `tasks` yet.
        self._joining: list[Task] = []
        # The tasks that wait for a place, the next one last, and how many places there are.
        self._unstarted: list[Task] = []
        self._places: int = 0
        # What does not stop a task's siblings, raised when all have finished: an exception that
        # is no failure, and the tasks that interrupted.
        self._deferred_error: BaseException | None = None
        self._interrupted_tasks: list[Task] = []
        # A failure has to be stored before its handler runs.
        self.must_store: bool = False
        self.to_cache: dict[CacheKey, tuple[Any, Any]] = {}
        self.has_handlers: bool = False

    # -- starting ---------------------------------------------------------------

    def start(self, due: list[Task]) -> None:
        """Has tasks run.

        Args:
            due: those of `tasks` that have not finished in an earlier run.
        """
        options = self.scope.options
        self._unstarted = due.copy()
        self.has_started = False
        self.has_handlers = len(self.tasks) > 0 and isinstance(self.tasks[-1], HandlerTask)
        if options.step_timeout is not None:
            self.deadline = (
                time.monotonic() + options.step_timeout if options.step_timeout else None
            )
        if len(due) == 1:
            self._places = 1
            self.is_inline = not options.streams_from_nodes and options.step_timeout is None
        else:
            self._unstarted.reverse()
            self._places = self._count_places(len(due))
            self.is_inline = False

    def adopt(self, task: Task) -> None:
        """Takes over a superstep whose only task has run; `finish` comes next."""
        self.tasks = [task]
        self._places = 1
        self.has_handlers = False
        self.is_inline = True
        self.running = 1
        self.has_started = True

    def _count_places(self, tasks: int) -> int:
        """How many of so many tasks may run at once."""
        most: Any = self.scope.config.get("max_concurrency")
        # Without a limit; 0 is none on an event loop, and refused by a thread pool.
        if not most:
            return tasks
        # A thread pool of 2.5 threads has 3: it compares, too.
        places = 1
        while places < tasks and places < most:
            places += 1
        return places

    def join(self, task: Task) -> None:
        """A task runs in this superstep that was not prepared for it; called on any thread."""
        self._joining.append(task)

    def admit(self) -> None:
        """Counts the tasks that have joined; called on the driver's thread."""
        while self._joining:
            self.tasks.append(self._joining.pop(0))
            self.running += 1

    def can_start(self) -> bool:
        """Whether a task waits that has a place."""
        return len(self._unstarted) > 0 and self.running < self._places and not self.must_store

    def take_tasks(self) -> list[Task]:
        """The tasks to start now."""
        tasks: list[Task] = []
        while self.can_start():
            tasks.append(self._unstarted.pop())
            self.running += 1
            self.has_started = True
        return tasks

    def take_inline_task(self) -> Task:
        """The task to run now on the driver's thread, where `is_inline`."""
        self.running += 1
        self.has_started = True
        task = self._unstarted.pop()
        self._inline_task = task
        return task

    def note_over(self, task: Task) -> None:
        """A task is over; `finish` or `settle` comes next."""
        self.running -= 1
        if task is self._inline_task:
            self._inline_task = None

    def abandon_inline_task(self) -> None:
        """The driver has left its own task: a signal came between two calls of it."""
        if self._inline_task is not None:
            self.running -= 1
            self._inline_task = None

    def forget_handled(self) -> None:
        """The superstep is applied: failures that were handled hold frames, which hold the run."""
        for task in self.tasks:
            if task.error is not None:
                task.forget_failure()
            elif isinstance(task, HandlerTask):
                task.forget_failure()
                task.failure = None

    def clear(self) -> None:
        """The run is over: its failures hold frames that hold the run, which would be a cycle."""
        for task in self.tasks:
            if task.error is not None:
                task.forget_failure()
        self.tasks = []
        self.observers = []
        self.error = None
        self._deferred_error = None
        self._interrupted_tasks = []

    def drop_unstarted(self) -> None:
        """The tasks that wait for a place do not run any more."""
        self._unstarted = []

    def cancel_unstarted(self) -> None:
        """The tasks that wait for a place do not run any more, and count as cancelled."""
        tasks = self._unstarted
        self._unstarted = []
        for task in tasks:
            task.cancelled(_cancellation())
            self.settle(task)

    # -- ending -----------------------------------------------------------------

    def finish(self, task: Task) -> None:
        """A task is over whose siblings have not failed (commit).

        Raises:
            Exception: a message among its writes cannot be made, or a saver that serialises at
                once cannot serialise them.
        """
        error = task.error
        if task.is_cancelled and not self.is_inline:
            # No failure of the superstep: who has cancelled it knows why (upstream's
            # _should_stop_others and _panic_or_proceed leave it out).
            self._record_error(task, _cancellation())
            return
        if error is None:
            try:
                task.complete(self.scope.program.delta_keys)
            except Exception as exc:
                if not self.is_inline:
                    raise
                self.error = exc
                self._record_error(task, exc)
                return
            self._record(task, task.writes, True)
            self._tell(task, task.writes)
            self._keep(task)
            return
        handler = self._handler_of(task, error)
        if handler is not None:
            self._record_error(task, error)
            self._add_handler(task, handler, error)
            return
        if self.is_inline:
            self.error = error
            if isinstance(error, Exception):
                try:
                    # What fails while the failure is recorded has it as its context, as upstream.
                    raise error
                except Exception:
                    self._record_error(task, error)
                finally:
                    # Its traceback holds this frame.
                    del error
            return
        self._record_error(task, error)
        if is_instance_of_error(error, "GraphInterrupt"):
            self._interrupted_tasks.append(task)
        elif is_instance_of_error(error, "GraphBubbleUp") or is_invalid_resume(error):
            self._deferred_error = error
        elif self.error is None:
            self.error = error

    def _keep(self, task: Task) -> None:
        """Has the writes of a task kept that has finished, where its node has a cache policy."""
        policy = task.node.cache
        if task.cache_key is None or policy is None:
            return
        if not any(name in (INTERRUPT, ERROR) for name, _ in task.writes):
            # A deque, as LangGraph stores it.
            self.to_cache[task.cache_key] = (deque(task.writes), policy.ttl)

    def cached(self, task: Task, writes: Any) -> None:
        """A task does not run, because what it would write is in the cache.

        Args:
            writes: `(channel, value)`, perhaps as lists.

        Raises:
            Exception: a saver that serialises at once cannot serialise them.
        """
        task.writes.extend((name, value) for name, value in writes)
        self.has_recorded = True
        if self.recorder is not None:
            self.recorder.put_task_writes(task, task.writes, is_last=False)
        for observer in self.observers:
            observer.on_cached(task)

    def _handler_of(self, task: Task, error: BaseException) -> Node | None:
        """The error handler that runs because a task has failed with `error`, or None."""
        name = task.node.error_handler
        if not name or not isinstance(error, Exception):
            return None
        if is_instance_of_error(error, "GraphBubbleUp"):
            return None
        return self.scope.program.by_name.get(name)

    def _add_handler(self, task: Task, handler: Node, failure: Any) -> None:
        """Has the error handler of a task run in this superstep."""
        added = HandlerTask(task, handler, failure)
        self.tasks.append(added)
        if self.recorder is not None:
            self.recorder.prepare_handler(added)
        if added.has_writes:
            return
        self.has_handlers = True
        self._unstarted.insert(0, added)
        # As upstream: what comes behind a failure does not run on the driver's thread.
        self.is_inline = False
        self.must_store = True

    def resume_handlers(self, failures: dict[Any, Any]) -> None:
        """Has the handlers of tasks run that have failed in an earlier run, instead of the tasks.

        Args:
            failures: what is kept of each failure, by the id of the task.
        """
        for task in self.tasks.copy():
            handler = self.scope.program.by_name.get(task.node.error_handler)
            if handler is not None and task.id in failures:
                task.writes.append((ERROR, failures[task.id]))
                added = HandlerTask(task, handler, failures[task.id])
                self.tasks.append(added)
                if self.recorder is not None:
                    self.recorder.prepare_handler(added)

    def settle(self, task: Task) -> None:
        """A task is over whose siblings have failed, or whose run nobody reads any more.

        Raises:
            As `finish`.
        """
        if self.recorder is None:
            return
        if task.error is None:
            task.complete(self.scope.program.delta_keys)
            self._record(task, task.writes, True)
        elif task.is_cancelled:
            # Durability "exit" has its last writes before tasks are cancelled, as upstream.
            if self.recorder.stores_at_once:
                self._record_error(task, _cancellation())
        else:
            self._record_error(task, task.error)

    def _record_error(self, task: Task, error: BaseException) -> None:
        """Records what a task wrote that raised `error`: its interrupts, or its failure."""
        writes = task.writes
        if is_instance_of_error(error, "GraphInterrupt"):
            if not error.args[0]:
                return
            resumes = [write for write in writes if write[0] == RESUME]
            writes = [(INTERRUPT, error.args[0]), *resumes]
        elif is_instance_of_error(error, "GraphBubbleUp"):
            return
        else:
            # What the task wrote before it failed is streamed when there is any: a router that
            # raises leaves its node's update.
            writes.append((ERROR, error))
            if self._handler_of(task, error) is not None:
                writes.append((ERROR_SOURCE_NODE, task.node.name))
        if self.scope.program.delta_keys:
            ensure_message_ids(writes, self.scope.program.delta_keys)
        self._record(task, writes, False)
        self._tell(task, writes)

    def _record(self, task: Task, writes: list[tuple[str, object]], is_done: bool) -> None:
        """Has the writes stored of a task that has finished (`is_done`), failed or asked."""
        self.has_recorded = True
        if self.recorder is not None:
            is_last = (
                is_done
                and not self.running
                and not self._unstarted
                and self.error is None
                and self._deferred_error is None
                and not self._interrupted_tasks
            )
            self.recorder.put_task_writes(task, writes, is_last=is_last)

    def _tell(self, task: Task, writes: list[tuple[str, object]]) -> None:
        """Tells the observers of a task that is over (pregel/_loop.py:output_writes)."""
        if task.node.is_start or not self.observers:
            return
        kind = writes[0][0]
        if kind == INTERRUPT:
            value: Any = writes[0][1]
            interrupts = tuple(value) if isinstance(value, (list, tuple)) else (value,)
            for observer in self.observers:
                observer.on_interrupt(task, interrupts)
        elif kind != ERROR:
            for observer in self.observers:
                observer.on_output(task)
        for observer in self.observers:
            observer.on_task_end(task, writes)

    def has_failed(self) -> bool:
        """Whether a task has failed, other than by an exception that ends the process."""
        return self.error is not None and isinstance(self.error, Exception)

    def outcome(self) -> BaseException | None:
        """What the run raises now that all tasks are over, or None."""
        if self.error is not None:
            return self.error
        if self._deferred_error is not None or not self._interrupted_tasks:
            return self._deferred_error
        interrupts: list[Any] = []
        for task in self.tasks:
            if task in self._interrupted_tasks:
                assert task.error is not None
                try:
                    # One by one: native code says something else than upstream of what is no list.
                    for interrupt in task.error.args[0]:
                        interrupts.append(interrupt)
                except Exception as exc:
                    # No list of interrupts: the run fails, after its finished tasks are shown.
                    return exc
        raised: BaseException = error_class("GraphInterrupt")(tuple(interrupts))
        return raised


def _cancellation() -> BaseException:
    """What is recorded of a cancelled task: asyncio's exception, without what a caller said."""
    from asyncio import CancelledError

    return CancelledError()
