"""The superstep loop (spec §4): decides what a run does next, and never waits.

`Loop.next` says what is to be done; a driver does it, on threads or on asyncio, and reports back.
The order of effects is upstream's (pregel/_loop.py, pregel/_algo.py, pregel/_runner.py), but that
a task's writes are stored before the checkpoint that follows them. Nothing is built that nobody
has asked for: ids, configs and chunks are made when they are read.
"""

from __future__ import annotations

from typing import Any, Final

from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.checkpointing.first_input import FirstInput
from lgc.runtime.checkpointing.recorder import Recorder
from lgc.runtime.checkpointing.thread_state import ThreadState, has_moved_past, latest_config
from lgc.runtime.constants import CONF, ERROR, INTERRUPT, RESUME, START
from lgc.runtime.engine.channel_values import ChannelValues
from lgc.runtime.engine.inbox import Inbox
from lgc.runtime.engine.observer import Observer
from lgc.runtime.engine.prepare import prepare_tasks, triggered
from lgc.runtime.engine.run import RunScope
from lgc.runtime.engine.task import Task
from lgc.runtime.public.errors import is_invalid_resume, with_code
from lgc.runtime.public.messages import ensure_message_ids
from lgc.runtime.upstream import error_class, is_instance_of_error

# What `Loop.next` says.
OVER: Final = 0
"""The run is over."""
LOAD: Final = 1
"""Call `request` and report with `loaded` or `load_failed`."""
RUN: Final = 2
"""Run the tasks of `take_tasks`, and report each with `receive`."""
WAIT: Final = 3
"""Nothing to do until something comes into the inbox: report it with `receive`."""
STORE: Final = 4
"""Make the calls of `writer.pop_calls`, in order, before anything else of the run is done; report
a failure with `store_failed`."""
FLUSH: Final = 5
"""Wait until all calls of STORE are done."""
CHUNKS: Final = 6
"""Hand out `take_chunks`, whose consumer may not come back."""

_NOTHING: Final = -1
_POINT: Final = -2

# Phases of a run, in the order of pregel/main.py:stream; what LOAD and closing need are between.
_START: Final = 0
_LOADING: Final = 1
_LOADING_LATEST: Final = 2
_REBUILDING: Final = 3
_FIRST_INPUT: Final = 4
_RECORDED: Final = 5
_ENTERED: Final = 6
_TICK: Final = 7
_EXECUTE: Final = 8
_RUNNING: Final = 9
_APPLIED: Final = 10
_FAILING: Final = 11
_INTERRUPTED: Final = 12
_LEAVING: Final = 13
_FLUSHED: Final = 14
_ENDED: Final = 15
_RAISING: Final = 16
_CLOSING: Final = 17
_CLOSED: Final = 18


class Loop:
    """One run of a program.

    `next` and the reports are called on the driver's thread, one at a time; the inbox takes tasks
    and chunks from any thread.

    Args:
        scope: what the tasks see of the run.
        value: the input; on a thread None and a Command go on from its checkpoint.
        thread: the thread's state, not loaded; None for a run that neither has a saver nor needs
            what comes with one: breakpoints, or a Command as input.
        recorder: records the run on the thread.

    Attributes:
        inbox: takes what comes from the tasks' threads.
        observers: are told what happens.
        chunks: where observers put chunks; None when nobody consumes them.
        tasks: those of the superstep.
        request: the saver call of LOAD: `(function, arguments, keywords)`.
    """

    def __init__(
        self, scope: RunScope, value: Any, thread: ThreadState | None, recorder: Recorder | None
    ) -> None:
        self.scope: RunScope = scope
        self.values: ChannelValues = scope.values
        self.thread: ThreadState | None = thread
        self.recorder: Recorder | None = recorder
        self.writer: CheckpointWriter | None = None if recorder is None else recorder.writer
        self.inbox: Inbox = Inbox()
        self.observers: list[Observer] = []
        self.chunks: list[Any] | None = None
        self.tasks: list[Task] = []
        self.request: tuple[Any, tuple[Any, ...], dict[str, Any]] | None = None
        self.is_inline: bool = False
        self._value: Any = value
        self._config: dict[str, Any] = scope.config
        self._saved: Any = None
        self._first_input: FirstInput | None = None
        self._phase: int = _START
        # The superstep's tasks that wait for a place, the next one last; how many places there
        # are, and how many tasks run.
        self._unstarted: list[Task] = []
        self._places: int = 0
        self._running: int = 0
        # Something came out of a task since chunks could last be handed out.
        self._has_news: bool = False
        # A task of the superstep has writes that a saver, if there were one, would hold.
        self._has_recorded: bool = False
        self._has_left: bool = False
        self._error: BaseException | None = None
        # What does not stop a task's siblings, raised when all have finished: an exception that
        # is no failure, and the tasks that interrupted.
        self._deferred_error: BaseException | None = None
        self._interrupted_tasks: list[Task] = []
        self._is_exhausted: bool = False
        self._is_drained: bool = False

    # -- what is to be done -----------------------------------------------------

    def next(self) -> int:
        """What is to be done: one of the constants above.

        Raises:
            EmptyInputError: there is neither an input nor anything to resume.
            GraphRecursionError: the recursion limit was reached.
            GraphDrained: the run was asked to stop before it was over.
            Exception: what a node, a reducer or the saver raised; only `close` is left to do.
        """
        while True:
            if self.writer is not None and self.writer.has_calls():
                return STORE
            try:
                what = self._proceed()
            except Exception as exc:
                if not self._suspend(exc):
                    self._fail(exc)
                    raise
                continue
            if what >= 0:
                return what
            if what == _POINT and self.chunks:
                return CHUNKS

    def _proceed(self) -> int:
        """Goes through one phase; what is to be done, or one of _NOTHING and _POINT."""
        phase = self._phase
        if phase == _TICK:
            if self._tick():
                self._phase = _EXECUTE
            else:
                self._leave()
            return _POINT
        if phase == _EXECUTE:
            self._phase = _RUNNING
            return RUN if self._unstarted else _NOTHING
        if phase == _RUNNING:
            return self._proceed_running()
        if phase == _APPLIED:
            self._phase = _TICK
            self._stop_after()
            return _NOTHING
        if phase == _FAILING:
            return self._await_siblings()
        if phase == _INTERRUPTED:
            self._apply_interrupted()
            return _NOTHING
        if phase == _LEAVING:
            self._phase = _FLUSHED
            return _NOTHING if self.writer is None else FLUSH
        if phase == _FLUSHED:
            self._phase = _ENDED
            return _POINT
        if phase == _ENDED:
            self._raise_unfinished()
            return OVER
        if phase == _CLOSING:
            return self._proceed_closing()
        if phase == _CLOSED:
            return OVER
        if phase == _RAISING:
            assert self._error is not None
            raise self._error
        return self._proceed_start(phase)

    def _fail(self, exc: BaseException) -> None:
        """The run is to raise `exc`, whatever its tasks do."""
        self._error = exc
        self._phase = _RAISING

    def take_chunks(self) -> list[Any]:
        """The chunks that are due, in order; they are handed out once."""
        assert self.chunks is not None
        chunks = self.chunks.copy()
        self.chunks.clear()
        return chunks

    def store_failed(self, exc: BaseException) -> None:
        """A saver call of STORE, or what FLUSH waits for, raised `exc`."""
        # A run that is closing has failed already; with what, its caller is about to see.
        if self._phase < _CLOSING:
            self._fail(exc)

    # -- the start --------------------------------------------------------------

    def _proceed_start(self, phase: int) -> int:
        """The phases before the first superstep (spec §4.1, §4.2)."""
        thread = self.thread
        if phase == _START:
            if thread is None:
                self._apply_input()
                self._phase = _TICK
                return _NOTHING
            self._config = _config_to_load(self.scope.config)
            thread.is_addressed = bool(self._config[CONF].get("checkpoint_id"))
            saver = self.scope.saver
            if saver is None:
                self._take_saved(None)
                return _NOTHING
            self._phase = _LOADING
            self.request = (saver.get_tuple, (self._config,), {})
        if phase <= _REBUILDING:
            return LOAD
        assert thread is not None and self.recorder is not None
        if phase == _FIRST_INPUT:
            self._first_input = FirstInput(thread, self.recorder, self._value)
            self._value = None
            self._first_input.record()
            self._phase = _RECORDED
            return _NOTHING
        if phase == _RECORDED:
            assert self._first_input is not None
            self._first_input.apply()
            self._first_input = None
            self._phase = _ENTERED
            return _NOTHING
        self.scope.first_step = self.scope.step
        self._phase = _TICK
        if self.scope.resuming:
            for observer in self.observers:
                observer.on_resume()
        return _NOTHING

    def loaded(self, result: Any) -> None:
        """The saver call of `request` returned `result`."""
        thread = self.thread
        assert thread is not None
        try:
            if self._phase == _LOADING:
                self._saved = result
                if result is None or not thread.is_addressed:
                    self._take_saved(result)
                else:
                    self._phase = _LOADING_LATEST
                    latest = latest_config(self._config)
                    self.request = (self.scope.saver.get_tuple, (latest,), {})
            elif self._phase == _LOADING_LATEST:
                thread.is_superseded = has_moved_past(self._saved, result)
                self._take_saved(self._saved)
            else:
                thread.rebuild(result)
                self._phase = _FIRST_INPUT
        except Exception as exc:
            self._fail(exc)

    def load_failed(self, exc: BaseException) -> None:
        """The saver call of `request` raised `exc`."""
        self._fail(exc)

    def _take_saved(self, saved: Any) -> None:
        """The thread's checkpoint is there; DeltaChannels may need writes of earlier ones."""
        thread = self.thread
        assert thread is not None
        thread.load_checkpoint(saved, self._config)
        self._saved = None
        keys = thread.keys_to_rebuild()
        if keys:
            self._phase = _REBUILDING
            arguments = {"config": thread.checkpoint_config, "channels": keys}
            self.request = (self.scope.saver.get_delta_channel_history, (), arguments)
        else:
            self._phase = _FIRST_INPUT

    def _apply_input(self) -> None:
        """Applies the input of a run without a thread, as the write to `__start__`."""
        if self._value is None:
            raise error_class("EmptyInputError")(f"Received no input for {START}")
        scope, values = self.scope, self.values
        if self.chunks is not None:
            scope.ids.draw(-2)
        values.write_start(self._value)
        self._value = None
        self._end_superstep()

    # -- one superstep ----------------------------------------------------------

    def _tick(self) -> bool:
        """Prepares the next tasks; False when there are none, or the run stops before them."""
        scope, thread = self.scope, self.thread
        # Upstream prepares them even then: an input that its schema refuses is reported first.
        self._is_exhausted = scope.is_past_stop()
        self._prepare()
        tasks = self.tasks
        if self._is_exhausted or not tasks:
            return False
        if thread is not None:
            if thread.pending_writes and not thread.is_replaying:
                assert self.recorder is not None
                self.recorder.reapply(tasks)
            names = scope.options.interrupt_before
            if names and thread.stops_at(names, tasks):
                raise error_class("GraphInterrupt")()
        self._is_drained = scope.is_asked_to_stop()
        if self._is_drained:
            return False
        for observer in self.observers:
            observer.on_tasks(tasks)
        if thread is None:
            due = tasks.copy()
        else:
            due = [task for task in tasks if not task.has_writes]
            for task in tasks:
                if task.has_writes:
                    for observer in self.observers:
                        observer.on_cached(task)
        due.reverse()
        self._unstarted = due
        self._places = self._count_places(len(due))
        self.is_inline = len(due) == 1 and not scope.options.streams_from_nodes
        return True

    def _prepare(self) -> None:
        """Makes the tasks that are due, and tells of the checkpoint that they run on."""
        thread = self.thread
        if thread is None:
            self.tasks = prepare_tasks(self.scope, triggered(self.scope))
            return
        self.tasks = thread.prepare()
        if self.scope.saver is not None:
            for observer in self.observers:
                observer.on_checkpoint(thread, self.tasks)

    def _count_places(self, tasks: int) -> int:
        """How many of a superstep's tasks may run at once."""
        most: Any = self.scope.config.get("max_concurrency")
        if most is None:
            return tasks
        # A thread pool of 2.5 threads has 3: it compares, too.
        places = 1
        while places < tasks and places < most:
            places += 1
        return places

    def take_tasks(self) -> list[Task]:
        """The tasks to start now; where `is_inline`, the one there is, on the driver's thread."""
        tasks: list[Task] = []
        while self._unstarted and self._running < self._places:
            tasks.append(self._unstarted.pop())
            self._running += 1
        return tasks

    def _proceed_running(self) -> int:
        """The superstep's tasks run, or are over."""
        if self._has_news:
            self._has_news = False
            return _POINT
        if self._error is None:
            if self._unstarted and self._running < self._places:
                return RUN
            if self._running:
                return WAIT
            self._error = self._deferred()
        if self._error is not None:
            self._phase = _FAILING
        else:
            self._apply_superstep()
            self._phase = _APPLIED
        return _NOTHING

    def _await_siblings(self) -> int:
        """A task has failed: its siblings run to their end, and the run raises."""
        # Upstream runs what waits for a place even then.
        if self._unstarted and self._running < self._places:
            return RUN
        if self._running:
            return WAIT
        error = self._error
        self._error = None
        assert error is not None
        raise error

    def _apply_superstep(self) -> None:
        """Applies the writes of the superstep and makes its checkpoint."""
        recorder = self.recorder
        if recorder is None:
            self._apply_tasks()
            self._has_recorded = False
            self._end_superstep()
            return
        exit_writes = recorder.before_apply(self.tasks)
        self._apply_tasks()
        recorder.after_apply(exit_writes)
        recorder.clear_pending()
        recorder.thread.is_replaying = False
        recorder.make_checkpoint("loop", self.values.updated)

    def _apply_tasks(self) -> None:
        if self.thread is None:
            self.values.apply(self.tasks)
        else:
            self.thread.apply(None, self.tasks)
        for observer in self.observers:
            observer.on_superstep(self.tasks)

    def _end_superstep(self) -> None:
        """Where there is no thread, a superstep only draws the id that its checkpoint has."""
        if self.chunks is not None:
            self.scope.ids.draw(self.scope.step)
        self.scope.step += 1

    def _stop_after(self) -> None:
        """Stops behind the superstep's tasks where a breakpoint says so."""
        thread = self.thread
        if thread is None:
            return
        names = self.scope.options.interrupt_after
        if names and thread.stops_at(names, self.tasks):
            # The next superstep, which would tell of this checkpoint, does not come.
            self._prepare()
            raise error_class("GraphInterrupt")()

    # -- tasks ------------------------------------------------------------------

    def receive(self, item: Any) -> None:
        """Takes over what came into the inbox, or the task that ran on the driver's thread.

        Args:
            item: a Task that is over, or a chunk as `Observer.on_chunk` takes it.
        """
        if not isinstance(item, Task):
            for observer in self.observers:
                observer.on_chunk(item)
            self._has_news = True
            return
        self._running -= 1
        try:
            if self._phase == _RUNNING:
                self._finish(item)
            elif self.recorder is not None:
                self._settle(item)
        except Exception as exc:
            if self._phase < _CLOSING:
                self._fail(exc)

    def _finish(self, task: Task) -> None:
        """A task is over whose siblings have not failed (pregel/_runner.py:commit)."""
        error = task.error
        self._has_news = not self.is_inline
        if error is None:
            try:
                task.complete(self.scope.program.delta_keys)
            except Exception as exc:
                if not self.is_inline:
                    raise
                error = exc
            else:
                self._record(task, task.writes, True)
                self._tell(task, task.writes)
                return
        if self.is_inline:
            self._error = error
            if isinstance(error, Exception):
                self._has_news = True
                self._record_error(task, error)
            return
        self._record_error(task, error)
        if is_instance_of_error(error, "GraphInterrupt"):
            self._interrupted_tasks.append(task)
        elif is_instance_of_error(error, "GraphBubbleUp") or is_invalid_resume(error):
            self._deferred_error = error
        elif self._error is None:
            self._error = error

    def _settle(self, task: Task) -> None:
        """A task is over whose siblings have failed, or whose run nobody reads any more."""
        if task.error is None:
            task.complete(self.scope.program.delta_keys)
            self._record(task, task.writes, True)
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
        if self.scope.program.delta_keys:
            ensure_message_ids(writes, self.scope.program.delta_keys)
        self._record(task, writes, False)
        self._tell(task, writes)

    def _record(self, task: Task, writes: list[tuple[str, object]], is_done: bool) -> None:
        """Has the writes stored of a task that has finished (`is_done`), failed or asked."""
        self._has_recorded = True
        if self.recorder is not None:
            is_last = (
                is_done
                and not self._running
                and not self._unstarted
                and self._error is None
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

    def _deferred(self) -> BaseException | None:
        """What the run raises when all tasks of a superstep have finished, and none failed."""
        if self._deferred_error is not None or not self._interrupted_tasks:
            return self._deferred_error
        interrupts: list[Any] = []
        for task in self.tasks:
            if task in self._interrupted_tasks:
                assert task.error is not None
                try:
                    interrupts.extend(task.error.args[0])
                except Exception as exc:
                    # No list of interrupts: the run fails, after its finished tasks are shown.
                    return exc
        interrupt: BaseException = error_class("GraphInterrupt")(tuple(interrupts))
        return interrupt

    # -- the end ----------------------------------------------------------------

    def _suspend(self, exc: BaseException) -> bool:
        """Whether a run that raised `exc` is over without failing: it waits for an answer.

        Upstream: pregel/_loop.py:_suppress_interrupt.
        """
        if not _TICK <= self._phase < _INTERRUPTED:
            return False
        if not is_instance_of_error(exc, "GraphInterrupt"):
            return False
        self._fail(exc)
        if self.recorder is not None:
            self.recorder.flush_exit(self.tasks)
        self._phase = _INTERRUPTED
        return True

    def _apply_interrupted(self) -> None:
        """Shows what the finished tasks of a superstep wrote in which others have asked."""
        assert self._error is not None
        interrupts = self._error.args[0]
        # Upstream makes a tuple of them first, which fails when they are none.
        tuple(interrupts)
        self._error = None
        if self.thread is None:
            is_pending = self._has_recorded
        else:
            is_pending = len(self.thread.pending_writes) > 0
        if is_pending and any(task.has_writes for task in self.tasks):
            self._apply_tasks()
        if not interrupts:
            for observer in self.observers:
                observer.on_breakpoint()
        self._leave()

    def _leave(self) -> None:
        """The run is over and has not failed: what is left to its end is stored."""
        self._phase = _LEAVING
        if self.recorder is not None:
            self.recorder.flush_exit(self.tasks)
            self._has_left = True
            if self.writer is not None:
                self.writer.release()

    def _raise_unfinished(self) -> None:
        """Raises what a run is told that ended with tasks still due."""
        if self._is_exhausted:
            limit = format(self.scope.options.limit)
            raise error_class("GraphRecursionError")(
                with_code(
                    f"Recursion limit of {limit} reached without hitting a stop condition. You "
                    "can increase the limit by setting the `recursion_limit` config key.",
                    "GRAPH_RECURSION_LIMIT",
                )
            )
        if self._is_drained:
            raise error_class("GraphDrained")(self.scope.control.drain_reason or "shutdown")

    def close(self) -> None:
        """No more chunks are wanted: `next` says what has to be done yet, however the run ended.

        That is to wait for the tasks that run, and to store what they write and what is left to
        the run's end; nothing of it raises.
        """
        if self._phase >= _CLOSING:
            return
        if self._phase < _TICK:
            # Nothing of the run has happened that would be stored.
            self._has_left = True
        if not self._running:
            self._unstarted = []
        self._phase = _CLOSING

    def _proceed_closing(self) -> int:
        if self._unstarted and self._running < self._places:
            return RUN
        if self._running:
            return WAIT
        self._phase = _CLOSED
        if self._has_left or self.writer is None:
            return _NOTHING
        assert self.recorder is not None
        try:
            self.recorder.flush_exit(self.tasks)
            self.writer.release()
        except Exception:
            return _NOTHING
        return FLUSH

    # -- the fast path ----------------------------------------------------------

    def enter(self) -> None:
        """Goes on behind the supersteps that the fast path has run."""
        self._phase = _TICK

    def adopt(self, task: Task) -> None:
        """Goes on with a superstep whose only task the fast path has run; `receive` comes next."""
        self.tasks = [task]
        self.is_inline = True
        self._running = 1
        self._phase = _RUNNING

    def fail(self, exc: BaseException) -> None:
        """Goes on with a superstep of the fast path whose task could not be prepared."""
        self._error = exc
        self._phase = _FAILING

    def refuse(self, task: Task, exc: BaseException) -> None:
        """Goes on with a superstep of the fast path whose writes a reducer refused.

        An exception that interrupts the run has them applied once more.
        """
        self.tasks = [task]
        self._has_recorded = True
        self.fail(exc)


def _config_to_load(config: dict[str, Any]) -> dict[str, Any]:
    """The config that addresses the checkpoint a run starts from (pregel/_loop.py)."""
    conf = config[CONF]
    by_namespace = conf.get("checkpoint_map")
    if by_namespace is not None and conf.get("checkpoint_ns") in by_namespace:
        # What the state of a graph around this one says of it (`with_parents`).
        conf = {**conf, "checkpoint_id": by_namespace[conf["checkpoint_ns"]]}
        config = {**config, CONF: conf}
    thread = conf.get("thread_id")
    if thread and not isinstance(thread, str):
        config = {**config, CONF: {**conf, "thread_id": str(thread)}}
    return config
