"""The superstep loop (spec §4, architecture §5): decides what a run does next, and never waits.

`Loop.next` says what is to be done; a driver does it, on threads or on asyncio, and reports back.
The order of effects is upstream's (pregel/_loop.py, pregel/_algo.py, pregel/_runner.py), but that
a task's writes are stored before the checkpoint that follows them. Nothing is built that nobody
has asked for: ids, configs and chunks are made when they are read.

The file has more than 500 lines because a phase is understood only beside those around it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.checkpointing.recorder import Recorder
from lgc.runtime.checkpointing.start_resume_fork import FirstInput
from lgc.runtime.checkpointing.thread_loading import ThreadLoading
from lgc.runtime.checkpointing.thread_state import ThreadState
from lgc.runtime.constants import CONF, CONF_RESUMING, ERROR, NS_END, START
from lgc.runtime.engine.channel_values import ChannelValues
from lgc.runtime.engine.inbox import Inbox
from lgc.runtime.engine.node_cache import CacheKey
from lgc.runtime.engine.observer import Sink
from lgc.runtime.engine.prepare import prepare_tasks, single_due, triggered
from lgc.runtime.engine.run import RunScope
from lgc.runtime.engine.superstep import Superstep
from lgc.runtime.engine.task import Task, set_first_context
from lgc.runtime.public.errors import with_code
from lgc.runtime.upstream import error_class, is_instance_of_error

# What `Loop.next` says.
OVER: Final = 0
"""The run is over."""
LOAD: Final = 1
"""Make the call of `loading.request` and report with `loaded` or `load_failed`."""
RUN: Final = 2
"""Run the tasks of `superstep.take_tasks`, one that `is_inline` on the driver's thread, and report
each with `finished`."""
WAIT: Final = 3
"""Nothing to do until something comes into the inbox: report it with `receive`."""
STORE: Final = 4
"""Make the calls of `writer.pop_calls`, in order, before anything else of the run is done, unless
they may be made meanwhile (architecture §5.1); report a failure with `store_failed`."""
FLUSH: Final = 5
"""Wait until all calls of STORE are done."""
CHUNKS: Final = 6
"""Hand out `sink.take`, whose consumer may not come back."""
CANCEL: Final = 7
"""Cancel the tasks that run; they come into the inbox when they are over. Of async runs only."""
BACK: Final = 8
"""The fast path goes on with `due`; `next` is called again once it has left again, or to close."""
LOOK_UP: Final = 9
"""Ask the cache for `cache_keys` and report with `found` or `look_up_failed`."""
KEEP: Final = 10
"""Have the cache keep `take_cached`; report a failure with `store_failed`."""

_NOTHING: Final = -1
_POINT: Final = -2

# Phases of a run, in the order of pregel/main.py:stream; what LOAD and closing need are between.
_START: Final = 0
_LOADING: Final = 1
_FIRST_INPUT: Final = 2
_RECORDED: Final = 3
_ENTERED: Final = 4
_TICK: Final = 5
_LOOKING_UP: Final = 6
_EXECUTE: Final = 7
_RUNNING: Final = 8
_APPLIED: Final = 9
_FAILING: Final = 10
_INTERRUPTED: Final = 11
_LEAVING: Final = 12
_FLUSHED: Final = 13
_ENDED: Final = 14
_RAISING: Final = 15
_CLOSING: Final = 16
_CLOSE_STORED: Final = 17
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
        superstep: the tasks that run.
        sink: where observers put chunks; None when nobody consumes them.
        loading: has the saver call of LOAD.
        cache_keys: what LOOK_UP asks for, with the tasks.
        may_go_back: the fast path has left the run to this, and takes it back where it can.
        due: the label of the superstep that it takes back.
        run_call: of the driver: takes a task, on any thread, and returns while it runs on another;
            that it is over is put into the inbox.
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
        self.sink: Sink | None = None
        self.superstep: Superstep = Superstep(scope, recorder)
        self.loading: ThreadLoading | None = None
        self.cache_keys: dict[CacheKey, Task] = {}
        self.may_go_back: bool = False
        self.due: str = ""
        self.run_call: Any = None
        self._value: Any = value
        self._first_input: FirstInput | None = None
        self._phase: int = _START
        # What the run raises, or has been interrupted with.
        self._error: BaseException | None = None
        # Something came out of a task since chunks could last be handed out.
        self._has_news: bool = False
        # Nothing is left to be stored at the run's end: nothing has happened yet, or it is done.
        self._has_left: bool = True
        # The tasks that run have been told to stop.
        self._has_cancelled: bool = False
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
            if self.superstep.to_cache:
                return KEEP
            try:
                what = self._proceed()
            except Exception as exc:
                if not self._suspend(exc):
                    self._fail(exc)
                    raise
                continue
            if what >= 0:
                return what
            if what == _POINT and self.sink is not None and self.sink.chunks:
                return CHUNKS

    def _proceed(self) -> int:
        """Goes through one phase; what is to be done, or one of _NOTHING and _POINT."""
        phase = self._phase
        if phase == _TICK:
            if self._tick():
                if self.cache_keys:
                    self._phase = _LOOKING_UP
                    return LOOK_UP
                self._phase = _EXECUTE
                return _POINT
            # The last chunks come out when everything is stored.
            self._leave()
            return _NOTHING
        if phase == _LOOKING_UP:
            self._start_tasks()
            self._phase = _EXECUTE
            return _POINT
        if phase == _EXECUTE:
            self._phase = _RUNNING
            return RUN if self.superstep.can_start() else _NOTHING
        if phase == _RUNNING:
            return self._proceed_running()
        if phase == _APPLIED:
            self._phase = _TICK
            self._stop_after()
            if self.may_go_back:
                self.due = single_due(self.scope)
                if self.due:
                    return BACK
            return _NOTHING
        if phase == _FAILING:
            return self._await_siblings()
        if phase == _INTERRUPTED:
            self._end_interrupted()
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
        if phase == _CLOSE_STORED:
            self._phase = _CLOSED
            return _NOTHING if self.writer is None else FLUSH
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

    def store_failed(self, exc: BaseException) -> None:
        """A saver call of STORE, or what FLUSH waits for, raised `exc`."""
        # A run that is closing has failed already; with what, its caller is about to see.
        if self._phase < _CLOSING:
            handled = self._error if self._error is not None else self.superstep.error
            if handled is not None and (self.superstep.is_inline or self._phase == _INTERRUPTED):
                # It was being recorded, so it is the context, as upstream.
                set_first_context(exc, handled)
            self._fail(exc)

    # -- the start --------------------------------------------------------------

    def _proceed_start(self, phase: int) -> int:
        """The phases before the first superstep (spec §4.1, §4.2)."""
        thread = self.thread
        if phase == _START and thread is None:
            self._apply_input()
            self._phase = _TICK
            return _NOTHING
        assert thread is not None and self.recorder is not None
        if phase == _START:
            self.loading = ThreadLoading(thread)
            self.loading.begin()
            self._phase = _LOADING
        elif phase == _LOADING:
            assert self.loading is not None
            if self.loading.request is not None:
                return LOAD
            self.loading = None
            self._phase = _FIRST_INPUT
        elif phase == _FIRST_INPUT:
            self._first_input = FirstInput(thread, self.recorder, self._value)
            self._value = None
            self._first_input.record()
            self._phase = _RECORDED
        elif phase == _RECORDED:
            assert self._first_input is not None
            self._first_input.apply()
            self._first_input = None
            self._phase = _ENTERED
        else:
            self.scope.first_step = self.scope.step
            self._has_left = False
            self._phase = _TICK
            if self.scope.resuming:
                for observer in self.superstep.observers:
                    observer.on_resume()
        return _NOTHING

    def loaded(self, result: Any) -> None:
        """The saver call of `loading.request` returned `result`."""
        assert self.loading is not None
        try:
            self.loading.answer(result)
        except Exception as exc:
            self._fail(exc)

    def load_failed(self, exc: BaseException) -> None:
        """The saver call of `loading.request` raised `exc`."""
        self._fail(exc)

    def _apply_input(self) -> None:
        """Applies the input of a run without a thread, as the write to `__start__`."""
        scope, values = self.scope, self.values
        if self._value is not None:
            values.write_start(self._value)
            self._value = None
        elif CONF_RESUMING not in scope.config[CONF]:
            raise error_class("EmptyInputError")(f"Received no input for {START}")
        scope.step += 1

    # -- one superstep ----------------------------------------------------------

    def _tick(self) -> bool:
        """Prepares the next tasks; False when there are none, or the run stops before them."""
        scope, thread = self.scope, self.thread
        # Upstream prepares them even then: an input that its schema refuses is reported first.
        self._is_exhausted = scope.is_past_stop()
        self._prepare()
        superstep = self.superstep
        tasks = superstep.tasks
        if self._is_exhausted or not tasks:
            return False
        if thread is not None:
            if thread.pending_writes and not thread.is_replaying:
                assert self.recorder is not None
                self.recorder.reapply(tasks)
                superstep.resume_handlers(self.recorder.failures())
            names = scope.options.interrupt_before
            if names and thread.stops_at(names, tasks):
                raise error_class("GraphInterrupt")()
        self._is_drained = scope.is_asked_to_stop()
        if self._is_drained:
            return False
        for observer in superstep.observers:
            observer.on_tasks(tasks)
        for task in tasks if thread is not None else ():
            if task.has_writes and task.writes[0][0] != ERROR:
                for observer in superstep.observers:
                    observer.on_cached(task)
        if scope.cache is not None:
            for task in tasks:
                if task.node.cache is not None and not task.has_writes:
                    task.cache_key = task.node.cache.key(task.input)
                    self.cache_keys[task.cache_key] = task
            if self.cache_keys:
                return True
        self._start_tasks()
        return True

    def _start_tasks(self) -> None:
        """Has the tasks run that have not written anything in an earlier run."""
        superstep = self.superstep
        superstep.start([task for task in superstep.tasks if not task.has_writes])

    def found(self, writes: Any) -> None:
        """What the cache has for `cache_keys`: by key, the writes of a task."""
        keys, self.cache_keys = self.cache_keys, {}
        try:
            for key in writes:
                self.superstep.cached(keys[key], writes[key])
        except Exception as exc:
            self._fail(exc)

    def look_up_failed(self, exc: BaseException) -> None:
        """The cache raised `exc`."""
        self.cache_keys = {}
        self._fail(exc)

    def take_cached(self) -> Any:
        """What the cache is to keep; it is handed out once."""
        kept, self.superstep.to_cache = self.superstep.to_cache, {}
        return kept

    def _prepare(self) -> None:
        """Makes the tasks that are due, and tells of the checkpoint that they run on."""
        thread = self.thread
        if thread is None:
            self.superstep.tasks = prepare_tasks(self.scope, triggered(self.scope))
            return
        self.superstep.tasks = thread.prepare()
        if self.scope.saver is not None:
            for observer in self.superstep.observers:
                observer.on_checkpoint(thread, self.superstep.tasks)

    def _proceed_running(self) -> int:
        """The superstep's tasks run, or are over."""
        if self._has_news:
            self._has_news = False
            return _POINT
        superstep = self.superstep
        superstep.admit()
        if superstep.error is None:
            if superstep.must_store:
                superstep.must_store = False
                if self.writer is not None:
                    return FLUSH
            if superstep.can_start():
                return RUN
            if superstep.running:
                return WAIT
        self._error = superstep.outcome()
        if self._error is not None:
            self._phase = _FAILING
        else:
            self._apply_superstep()
            self._phase = _APPLIED
        return _NOTHING

    def _await_siblings(self) -> int:
        """A task has failed: its siblings run to their end, and the run raises."""
        superstep = self.superstep
        what = self._await_running()
        if what != _NOTHING:
            return what
        superstep.error = None
        assert self._error is not None
        raise self._error

    def _await_running(self) -> int:
        """What there is to do until no task runs any more."""
        superstep = self.superstep
        if not self.scope.options.is_async:
            # Upstream runs on threads what waits for a place even then.
            if superstep.can_start():
                return RUN
        elif not self._has_cancelled:
            self._has_cancelled = True
            self._cancel_unstarted()
            if superstep.running:
                return CANCEL
        return WAIT if superstep.running else _NOTHING

    def _cancel_unstarted(self) -> None:
        try:
            self.superstep.cancel_unstarted()
        except Exception:
            if self._phase < _CLOSING:
                raise

    def _apply_superstep(self) -> None:
        """Applies the writes of the superstep and makes its checkpoint."""
        recorder = self.recorder
        if recorder is None:
            self._apply_tasks()
            self.superstep.has_recorded = False
            self.scope.step += 1
            return
        recorder.before_apply(self.superstep.tasks)
        self._apply_tasks()
        recorder.after_apply()
        recorder.clear_pending()
        recorder.thread.is_replaying = False
        recorder.make_checkpoint("loop", self.values.updated)

    def _apply_tasks(self) -> None:
        # As Any: a list of Task is no list of TaskWrites to a type checker.
        tasks: Any = self.superstep.tasks
        if self.thread is None:
            if self.superstep.has_handlers:
                tasks = sorted(tasks, key=_path_text)
            self.values.apply(tasks)
        else:
            self.thread.apply(None, tasks)
        for observer in self.superstep.observers:
            observer.on_superstep(self.superstep.tasks)
        if self.superstep.has_handlers:
            self.superstep.forget_handled()

    def _stop_after(self) -> None:
        """Stops behind the superstep's tasks where a breakpoint says so."""
        thread = self.thread
        if thread is None:
            return
        names = self.scope.options.interrupt_after
        if names and thread.stops_at(names, self.superstep.tasks):
            # The next superstep, which would tell of this checkpoint, does not come.
            self._prepare()
            raise error_class("GraphInterrupt")()

    # -- tasks ------------------------------------------------------------------

    def receive(self, item: Any) -> None:
        """Takes over what came into the inbox.

        Args:
            item: a Task that is over, or a chunk as `Observer.on_chunk` takes it.
        """
        if isinstance(item, Task):
            self.finished(item)
            return
        for observer in self.superstep.observers:
            observer.on_chunk(item)
        self._has_news = True

    def receive_all(self) -> None:
        """Takes over all that is in the inbox; what a saver has to be called for comes after."""
        inbox = self.inbox
        while not inbox.is_empty():
            self.receive(inbox.get())

    def finished(self, task: Task) -> None:
        """A task is over."""
        superstep = self.superstep
        superstep.admit()
        superstep.note_over(task)
        try:
            if self._phase == _RUNNING:
                # A task on the driver's thread lets no chunk out before its superstep ends,
                # unless it fails.
                superstep.finish(task)
                self._has_news = not superstep.is_inline or superstep.has_failed()
            else:
                superstep.settle(task)
        except Exception as exc:
            if self._phase < _CLOSING:
                self._fail(exc)

    def timed_out(self, exc: BaseException) -> None:
        """The superstep has not ended by its `deadline`; the run is to raise `exc`."""
        superstep = self.superstep
        superstep.deadline = None
        if self._phase != _RUNNING:
            return
        # On threads, what its tasks have raised by then comes first (_panic_or_proceed).
        outcome = None if self.scope.options.is_async else superstep.outcome()
        self._error = exc if outcome is None else outcome
        self._phase = _FAILING
        if not self.scope.options.is_async:
            superstep.drop_unstarted()

    def accept_call(self, task: Task) -> None:
        """A node has called a task, which runs in the node's superstep; called on any thread.

        The driver's thread may be inside that node. So the driver's `run_call` starts the task at
        once, and the superstep waits for it.
        """
        self.superstep.join(task)
        self.run_call(task)

    # -- the end ----------------------------------------------------------------

    def _suspend(self, exc: BaseException) -> bool:
        """Whether a run that raised `exc` is over without failing: it waits for an answer.

        Upstream: pregel/_loop.py:_suppress_interrupt.
        """
        if self.scope.is_nested or not _TICK <= self._phase < _INTERRUPTED:
            return False
        if not is_instance_of_error(exc, "GraphInterrupt"):
            return False
        self._fail(exc)
        if self.recorder is not None:
            self.recorder.flush_exit(self.superstep.tasks)
        self._phase = _INTERRUPTED
        return True

    def _end_interrupted(self) -> None:
        """The run is interrupted, and what there was to store before is stored."""
        interrupt = self._error
        assert interrupt is not None
        self._error = None
        try:
            # What fails from here on has the interrupt as its context, as upstream.
            raise interrupt
        except Exception:
            self._show_interrupted(interrupt.args[0])
        finally:
            # Its traceback holds this frame.
            del interrupt
        self._leave()

    def _show_interrupted(self, interrupts: Any) -> None:
        """Shows what the finished tasks of a superstep wrote in which others have asked."""
        # Upstream makes a tuple of them first, which fails when they are none.
        tuple(interrupts)
        if self.thread is None:
            is_pending = self.superstep.has_recorded
        else:
            is_pending = len(self.thread.pending_writes) > 0
        if is_pending and any(task.has_writes for task in self.superstep.tasks):
            self._apply_tasks()
        if not interrupts:
            for observer in self.superstep.observers:
                observer.on_breakpoint(interrupts)

    def _leave(self) -> None:
        """The run is over and has not failed: what is left to its end is stored.

        The checkpoints of a nested run are of use to its task only, which has ended, too, unless
        its graph keeps one history a thread.
        """
        self._phase = _LEAVING
        self._store_rest(not self.scope.is_nested or NS_END not in self.scope.namespace)

    def _store_rest(self, keeps: bool = True) -> None:
        """Has stored, once, what is left to the run's end.

        Args:
            keeps: what durability "exit" has left to it, too.
        """
        if self._has_left or self.recorder is None:
            return
        if keeps:
            self.recorder.flush_exit(self.superstep.tasks)
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
        self.superstep.abandon_inline_task()
        superstep = self.superstep
        # On an event loop, what waits for a place counts as cancelled once others have run.
        if not superstep.has_started or (not self.scope.options.is_async and not superstep.running):
            superstep.drop_unstarted()
        self._has_cancelled = False
        self._phase = _CLOSING

    def _proceed_closing(self) -> int:
        what = self._await_running()
        if what != _NOTHING:
            return what
        self._phase = _CLOSE_STORED
        # The run has failed already; with what, its caller is about to see.
        with suppress(Exception):
            self._store_rest()
        self._error = None
        self.superstep.clear()
        if self.recorder is not None:
            self.recorder.clear_pending()
        return _NOTHING

    # -- the fast path ----------------------------------------------------------

    def enter(self) -> None:
        """Goes on behind the supersteps that the fast path has run."""
        self._phase = _TICK

    def adopt(self, task: Task) -> None:
        """Goes on with a superstep whose only task the fast path has run; `finished` comes next."""
        self.superstep.adopt(task)
        self._phase = _RUNNING

    def fail(self, exc: BaseException) -> None:
        """Goes on with a superstep of the fast path whose task could not be prepared."""
        self._error = exc
        self._phase = _FAILING

    def refuse(self, task: Task, exc: BaseException) -> None:
        """Goes on with a superstep of the fast path whose writes a reducer refused.

        An exception that interrupts the run has them applied once more.
        """
        self.superstep.tasks = [task]
        self.superstep.has_recorded = True
        self.fail(exc)


def _path_text(task: Task) -> str:
    return task.path_text
