"""The fast path: a run of which only the result, or updates and values, are wanted.

It is what a module's `supersteps` runs on (architecture §5.5). Where that calls it directly, a
superstep of one node is over when the call returns; where a run must stop between supersteps, for
chunks or on an event loop, it follows the blocks that were read from the same `supersteps`. A
superstep of several tasks and a failure are the loop's, on the same state; then the run comes back
here.

The file has more than 500 lines because a superstep means the same whether `supersteps` calls it or
a driver makes its calls, and the two share what they do.
"""

from __future__ import annotations

import time
from contextvars import copy_context
from typing import Any, Final

from lgc.runtime.checkpointing.recorder import Recorder
from lgc.runtime.checkpointing.thread_state import ThreadState
from lgc.runtime.constants import END, MISSING, START
from lgc.runtime.drivers.call import call, continue_task, enter
from lgc.runtime.drivers.sync import SyncDriver
from lgc.runtime.engine.flow import Run
from lgc.runtime.engine.loop import Loop
from lgc.runtime.engine.observer import Observer, Sink
from lgc.runtime.engine.prepare import node_input, triggered
from lgc.runtime.engine.program import Node, Program
from lgc.runtime.engine.run import RunScope
from lgc.runtime.engine.task import Task
from lgc.runtime.streaming.chunks import ResultObserver
from lgc.runtime.streaming.observers import outer_observers
from lgc.runtime.upstream import is_a


def invoke(
    scope: RunScope,
    value: Any,
    thread: ThreadState | None,
    recorder: Recorder | None,
    is_fast: bool = True,
) -> Any:
    """Runs to the end; what the run returns.

    Args:
        scope: of a run that nothing has happened of yet.
        value: the input.
        thread, recorder: as the loop takes them.
        is_fast: whether the fast path may be taken.

    Returns:
        The values of the output keys, with the interrupts of the nodes; None when no output key
        was written. A GraphOutput of them if that was asked for.

    Raises:
        As `Loop.next`.
    """
    result = ResultObserver(scope.values, scope.options.typed_result)
    try:
        if is_fast and not scope.is_observed and thread is None and can_start(scope):
            _run_straight(FastPath(scope, value, [result]))
        else:
            loop = Loop(scope, value, thread, recorder)
            loop.superstep.observers = [result, *outer_observers(scope)]
            driver = SyncDriver(loop)
            try:
                driver.run()
            finally:
                driver.close()
    except StopIteration as exc:
        # Upstream's invoke consumes a generator, which may not raise this.
        error = RuntimeError("generator raised StopIteration")
        error.__cause__ = exc
        raise error
    return result.result()


def can_start(scope: RunScope) -> bool:
    """Whether a run without a thread, of which only the result is wanted, starts on the path."""
    return (
        scope.values.output.readable_at_end
        and scope.options.step_timeout is None
        and scope.cache is None
        and not scope.program.has_timeouts
    )


def _run_straight(path: FastPath) -> None:
    """Runs `supersteps` until the run is over."""
    supersteps = path.program.supersteps
    driver: SyncDriver | None = None
    due = START
    try:
        while due:
            due = path.send() if due == _SEND else supersteps(path, due)
            if due:
                continue
            loop = path.loop_to_go_on()
            if loop is None:
                return
            if driver is None:
                driver = SyncDriver(loop)
            driver.run()
            due = path.come_back()
    finally:
        if driver is not None:
            driver.close()


_RAISED: Final[Any] = object()
"""In place of what a call has returned: it has raised."""
_SEND: Final = "|"
"""The label of a superstep whose only task a Send starts; of none that `supersteps` has."""

# As constants, because native code looks other names up in a dict.
_COPY_CONTEXT: Final = copy_context
_ENTER: Final = enter
# The module's dict, and not its function, which tests replace.
_TIME: Final = time.__dict__


class Coverage:
    """Counts the supersteps of runs that began on the fast path, for tests and benchmarks.

    Attributes:
        supersteps: those of all runs that are over and have not failed, that of the input included.
        left: how many of them the loop ran, by why the path was left.
    """

    def __init__(self) -> None:
        self.supersteps: int = 0
        self.left: dict[str, int] = {}


class _Counting:
    def __init__(self) -> None:
        self.coverage: Coverage | None = None


_COUNTING: Final = _Counting()


def count_into(coverage: Coverage | None) -> None:
    """Has the supersteps of all runs counted from now on; None for no more."""
    _COUNTING.coverage = coverage


class FastPath(Run):
    """The supersteps that the fast path runs of one run.

    `supersteps` of the module calls it as its `Run`. Whoever makes the calls of nodes himself, and
    stops between them, calls `begin`, `returned` and `raised` instead: they say which task has a
    call to be made next, or None where the path ends.

    Args:
        scope: the run, without a thread. Where only its result is wanted, that is readable at its
            end.
        value: the input.
        observers: of the loop.

    Attributes:
        sink: where chunks are put; None when nobody consumes them.
        emits_updates, emits_values: which.
    """

    def __init__(self, scope: RunScope, value: Any, observers: list[Observer]) -> None:
        self.scope: RunScope = scope
        self.program: Program = scope.program
        self.observers: list[Observer] = observers
        self.sink: Sink | None = None
        self.emits_updates: bool = False
        self.emits_values: bool = False
        self._value: Any = value
        self._last_step: int = scope.last_ordinary_step()
        # A run around this one has what stops both.
        self._may_be_stopped: bool = scope.is_inside
        self._nodes: dict[str, Node] = scope.program.by_name
        self._apply: Any = scope.program.apply
        # Goes on with the run, once that has left the path for the first time.
        self._loop: Loop | None = None
        self._has_left: bool = False
        self._is_over: bool = False
        # Why it left last, and the superstep that it left first.
        self._why: str = ""
        self._left_at: int = 0

    # -- what `supersteps` calls --------------------------------------------------

    def start(
        self,
        then: str = "",
        deferred: tuple[str, ...] = (),
        joins: tuple[str, ...] = (),
        edges: tuple[str, ...] = (),
    ) -> str:
        start = self.program.start
        update = self._input()
        if update is None or not start.is_plain:
            self._leave("the input")
            return ""
        self._value = None
        self.scope.step = 0
        return then if self._apply_update(start, None, update, start.targets) else ""

    def node(
        self,
        name: str,
        then: str = "",
        deferred: tuple[str, ...] = (),
        joins: tuple[str, ...] = (),
        edges: tuple[str, ...] = (),
    ) -> str:
        node = self._nodes[name]
        task = self._open(node)
        if task is None:
            return ""
        # As `call`, and below as `_is_usual`: two calls more are felt in an interpreted runtime.
        try:
            result: Any = _COPY_CONTEXT().run(_ENTER, task)
        except BaseException as exc:
            task.raised(exc)
            result = _RAISED
        values = self.scope.values
        if type(result) is dict and node.is_plain and task.is_unseen() and not values.unsettled:
            return then if self._apply_update(node, task, result, node.targets) else ""
        return self._finished(task, result)

    def routed(
        self,
        name: str,
        routers: Any,
        then: str = "",
        deferred: tuple[str, ...] = (),
        joins: tuple[str, ...] = (),
        edges: tuple[str, ...] = (),
    ) -> str:
        node = self._nodes[name]
        task = self._open_start() if node.is_start else self._open(node)
        if task is None:
            return ""
        result: Any
        if node.is_start:
            result = task.input
        else:
            try:
                result = call(task)
            except BaseException as exc:
                task.raised(exc)
                result = _RAISED
        if not node.has_plain_router or type(result) is not dict or not self._is_usual(task):
            return self._finished(task, result)
        try:
            self._begin_routing(task, result)
            target = call(task)
        except BaseException as exc:
            task.raised(exc)
            target = _RAISED
        successor = self._successor(task, target)
        if successor is None:
            return self._finished(task, target)
        return self._routed(task, successor)

    def parallel(self, label: str) -> str:
        self._leave("several nodes")
        return ""

    def write(self, key: str, value: object) -> None:
        self.scope.values.write_other(key, value)

    def send(self) -> str:
        """Runs the only task of a superstep, which a Send has started; what is due next."""
        task = self._open_send()
        if task is None:
            return ""
        try:
            result = call(task)
        except BaseException as exc:
            task.raised(exc)
            result = _RAISED
        return self._finished(task, result)

    # -- for whoever makes the calls ------------------------------------------------

    def begin(self) -> Task | None:
        """Applies the input; the task whose call is next."""
        start = self.program.start
        if not start.branches:
            return self.go_on(self.start(start.then))
        task = self._open_start()
        if task is None:
            return None
        # It has no body to be called: what it is given is what it returns.
        return self.returned(task, task.input)

    def go_on(self, due: str) -> Task | None:
        """The task of the superstep of a label, if it is one of a single task."""
        if not due:
            return None
        if due == _SEND:
            return self._open_send()
        node = self.program.by_label.get(due)
        if node is None:
            self.parallel(due)
            return None
        return self._open(node)

    def raised(self, task: Task, exc: BaseException) -> Task | None:
        """The call of a task has raised `exc`; as `returned`."""
        task.raised(exc)
        # The loop raises it once more below this frame, and its traceback would hold the frame.
        del exc
        return task if not task.is_over else self.go_on(self._over(task))

    def returned(self, task: Task, result: Any) -> Task | None:
        """The call of a task has returned `result`; the task whose call is next."""
        node = task.node
        if task.router is not None:
            successor = self._successor(task, result)
            if successor is not None:
                return self.go_on(self._routed(task, successor))
        elif type(result) is dict and self._is_usual(task):
            if node.is_plain:
                is_applied = self._apply_update(node, task, result, node.targets)
                return self.go_on(node.then if is_applied else "")
            if node.has_plain_router:
                try:
                    self._begin_routing(task, result)
                except BaseException as exc:
                    return self.raised(task, exc)
                return task
        return self._go_on_with(task, result)

    def loop_to_go_on(self) -> Loop | None:
        """Nothing is due on the path: the loop that goes on with the run; None if that is over."""
        if not self._has_left and self.scope.is_past_stop():
            self._leave("the recursion limit")
        if self._has_left:
            return self._loop
        if not self._is_over:
            # A stream asks again, behind its last chunks.
            self._is_over = True
            if _COUNTING.coverage is not None:
                _COUNTING.coverage.supersteps += self.scope.step
        return None

    def _count_left(self, is_over: bool) -> None:
        """Counts what the loop has run."""
        coverage = _COUNTING.coverage
        if coverage is not None:
            step = self.scope.step
            coverage.left[self._why] = coverage.left.get(self._why, 0) + step - self._left_at
            if is_over:
                coverage.supersteps += step

    def come_back(self) -> str:
        """The loop has stopped: the label that is due on the path, or "" if the run is over."""
        loop = self._loop
        assert loop is not None
        due = loop.due
        loop.due = ""
        self._count_left(not due)
        if due:
            self._has_left = False
            # From here on it tells whether the next superstep writes an output key.
            if self.sink is not None:
                self.scope.values.has_values = False
        return due

    # -- a superstep ------------------------------------------------------------------

    def _input(self) -> dict[Any, Any] | None:
        """The input as an update of the state; None for one that the loop has to look at."""
        value = self._value
        if type(value) is not dict or not self.program.direct:
            return None
        update: dict[Any, Any] = value
        if self.program.takes_everything:
            return update
        slots = self.program.input_slots
        return {key: written for key, written in update.items() if key in slots}

    def _open_start(self) -> Task | None:
        """The task of `__start__`, whose routers are to be called; None where the loop does it."""
        value = self._value
        if type(value) is not dict or not self.program.direct:
            self._leave("the input")
            return None
        scope = self.scope
        scope.values.write_start(value)
        scope.step = 0
        task = Task(scope, self.program.start, value, -1)
        task.mark_started()
        return task

    def _open(self, node: Node) -> Task | None:
        """The task of the next superstep, in which only `node` is due."""
        scope = self.scope
        if (
            scope.step > self._last_step or self._may_be_stopped or scope.own_control is not None
        ) and (self._stops()):
            return None
        value: object
        if node.view.is_copied:
            value = scope.values.state.copy()
        else:
            try:
                value = node_input(scope, node)
            except Exception as exc:
                self._left("a task without input").fail(exc)
                return None
            if value is MISSING:
                self._leave("a task without input")
                return None
        task = Task(scope, node, value, -1)
        task.started = _TIME["time"]()
        return task

    def _open_send(self) -> Task | None:
        """As `_open`, of the only task, which a Send has started."""
        if self._stops():
            return None
        sends: Any = self.scope.values.get(self.program.tasks_slot)
        packet = sends[0]
        task = Task(self.scope, self._nodes[packet.node], packet.arg, 0)
        task.mark_started()
        return task

    def _is_lone_send(self) -> bool:
        """Whether there is one Send, to a node, that the loop would have nothing to say of."""
        sends: Any = self.scope.values.get(self.program.tasks_slot)
        if len(sends) != 1 or not is_a(sends[0], "Send"):
            return False
        name = sends[0].node
        return name != START and name in self._nodes and sends[0].timeout is None

    def _stops(self) -> bool:
        """Whether the run is to stop before its next superstep: the loop says why."""
        scope = self.scope
        if scope.step > self._last_step and scope.is_past_stop():
            self._leave("the recursion limit")
            return True
        if scope.control is not None and scope.is_asked_to_stop():
            self._leave("a request to drain")
            return True
        return False

    def _is_usual(self, task: Task) -> bool:
        """Whether nobody has looked at a task, and no channel waits for its superstep to end."""
        return task.is_unseen() and (not self.scope.values.unsettled or task.node.is_start)

    def _apply_update(
        self, node: Node, task: Task | None, update: dict[Any, Any], due: list[int]
    ) -> bool:
        """Applies what the only task of a superstep wrote; whether no channel has refused it.

        Args:
            task: None for the input, whose task is made where something goes wrong.
            due: the slots of the triggers that it writes.
        """
        if task is not None:
            task.pending_output = update
        values = self.scope.values
        if self.sink is not None and self.emits_updates and not node.is_start:
            self._emit_update(node, update)
        state = values.state
        known = len(state)
        try:
            self._apply(self, state, update)
        except Exception as exc:
            if task is None:
                task = Task(self.scope, node, update, -1)
                task.pending_output = update
            task.materialize_writes()
            self._refused(task, exc)
            return False
        if len(state) != known:
            values.reorder()
        if not values.has_values:
            self._note_written(update)
        if self.sink is not None:
            if self.emits_values and values.has_values:
                self.sink.emit("values", values.read())
            # From here on it tells whether the next superstep writes an output key.
            values.has_values = False
        values.updated = due
        self.scope.step += 1
        return True

    def _begin_routing(self, task: Task, update: dict[Any, Any]) -> None:
        """The only router of a task is next, with the state as the node's update leaves it."""
        values = self.scope.values
        state = values.state.copy()
        known = len(state)
        if task.node.is_start:
            update = self._input() or {}
            self._value = None
        else:
            # The router may change it; what the node has written is what it returned.
            update = update.copy()
        try:
            self._apply(self, state, update)
        finally:
            task.begin_routing(update, state)
        if len(state) != known:
            task.argument = values.ordered(state)

    def _successor(self, task: Task, target: Any) -> Node | None:
        """The node that the only router of a task has chosen, `__start__` for END.

        None where the task has to see to it.
        """
        if task.pending_output is None or type(target) is not str:
            return None
        ends = task.node.branches[0].ends
        if ends:
            target = ends.get(target)
        if target == END:
            return self.program.start
        return self.program.successors.get(target)

    def _routed(self, task: Task, successor: Node) -> str:
        """A superstep ends whose router has chosen `successor`."""
        update = task.pending_output
        assert update is not None
        task.end_routing(successor)
        if not self._apply_update(task.node, task, update, successor.trigger):
            return ""
        if task.node.is_start:
            self.scope.values.forget_start()
        return "" if successor.is_start else successor.label

    def _note_written(self, update: dict[Any, Any]) -> None:
        """Notes whether `update` has written an output key; `write` does that for other keys."""
        values = self.scope.values
        output = values.output
        in_state = self.program.channels_in_state
        for key in update:
            if key in output.slot_of and key in in_state:
                values.has_values = True
                return

    def _emit_update(self, node: Node, update: dict[Any, Any]) -> None:
        """Puts the chunk of a node's update into the sink."""
        assert self.sink is not None
        output = self.scope.values.output
        written: Any = {k: v for k, v in update.items() if k in output.slot_of}
        if not written:
            written = None
        elif output.single_value:
            written = written[output.keys[0]]
        self.sink.emit("updates", {node.name: written})

    # -- a superstep that is not the usual one ------------------------------------------

    def _go_on_with(self, task: Task, result: Any) -> Task | None:
        """As `_finished`, where others make the calls that are left of the task."""
        task.returned(result)
        return task if not task.is_over else self.go_on(self._over(task))

    def _finished(self, task: Task, result: Any) -> str:
        """A call of a task has returned `result`: the task goes on as in any superstep.

        Args:
            result: _RAISED, where the call has raised, which may be a Command for this graph; the
                task knows what. It is not handled any more: what comes next has no context.
        """
        if result is not _RAISED:
            task.returned(result)
        continue_task(task)
        return self._over(task)

    def _over(self, task: Task) -> str:
        """A superstep ends whose only task is over."""
        scope, program = self.scope, self.program
        if task.error is not None or program.delta_keys:
            loop = self._left("a failure" if task.error is not None else "a delta channel")
            loop.adopt(task)
            loop.finished(task)
            return ""
        task.complete(program.delta_keys)
        if not task.node.is_start:
            for observer in self.observers:
                observer.on_output(task)
        # As Any: a list of Task is no list of TaskWrites to a type checker.
        tasks: Any = [task]
        try:
            scope.values.apply(tasks)
        except Exception as exc:
            self._refused(task, exc)
            return ""
        for observer in self.observers:
            observer.on_superstep(tasks)
        if self.sink is not None:
            scope.values.has_values = False
        scope.step += 1
        positions = triggered(scope)
        if program.tasks_slot in scope.values.updated:
            if not positions and self._is_lone_send():
                return _SEND
            self._leave("a Send")
            return ""
        if not positions:
            return ""
        label = program.label_of(positions)
        if not label:
            self._leave("nodes that supersteps does not name together")
        return label

    def _refused(self, task: Task, exc: Exception) -> None:
        """A channel has refused the writes of a task."""
        self.scope.values.reorder()
        self._left("a refused update").refuse(task, exc)

    def _leave(self, why: str) -> None:
        """The loop goes on with what is due."""
        if self._loop is None and self.scope.step < 0:
            self._left(why)
        else:
            self._left(why).enter()

    def _left(self, why: str) -> Loop:
        """The loop that goes on, to be told where."""
        self._has_left = True
        self._why = why
        self._left_at = max(0, self.scope.step)
        loop = self._loop
        if loop is None:
            loop = Loop(self.scope, self._value, None, None)
            loop.superstep.observers = self.observers
            loop.sink = self.sink
            loop.may_go_back = True
            self._loop = loop
        return loop


class FastStream:
    """Drives a run whose chunks are consumed, on its fast path as long as that goes.

    Args:
        path: the run; nothing has happened of it yet.
    """

    def __init__(self, path: FastPath) -> None:
        self.path: FastPath = path
        self._has_started: bool = False
        self._is_driving: bool = False
        self._task: Task | None = None
        self._driver: SyncDriver | None = None

    def advance(self) -> list[Any] | None:
        """As `SyncDriver.advance`."""
        path = self.path
        sink = path.sink
        assert sink is not None
        if not self._has_started:
            self._has_started = True
            self._task = path.begin()
        while True:
            if not self._is_driving:
                while self._task is not None:
                    if sink.chunks:
                        return sink.take()
                    task = self._task
                    try:
                        returned = call(task)
                    except BaseException as exc:
                        self._task = path.raised(task, exc)
                    else:
                        self._task = path.returned(task, returned)
                loop = path.loop_to_go_on()
                if loop is None:
                    return sink.take() if sink.chunks else None
                self._is_driving = True
                if self._driver is None:
                    self._driver = SyncDriver(loop)
            assert self._driver is not None
            chunks = self._driver.advance()
            if chunks is not None:
                return chunks
            due = path.come_back()
            if not due:
                return None
            self._is_driving = False
            self._task = path.go_on(due)

    def close(self) -> None:
        """As `SyncDriver.close`."""
        self._task = None
        if self._driver is not None:
            self._driver.close()
