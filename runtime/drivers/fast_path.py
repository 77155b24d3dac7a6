"""The fast path: a run of which only the result is wanted (architecture §5.5).

A superstep of one node that edges started, which writes state and triggers and nothing else, is run
here without the lists and objects that chunks, parallel tasks and barriers need. All else is the
loop's, on the same state; a property test holds the two to the same results
(tests/parity/test_graphs.py).
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.checkpointing.recorder import Recorder
from lgc.runtime.checkpointing.thread_state import ThreadState
from lgc.runtime.constants import END, MISSING
from lgc.runtime.drivers.call import call, continue_task
from lgc.runtime.drivers.sync import SyncDriver
from lgc.runtime.engine.loop import Loop
from lgc.runtime.engine.observer import Observer, Sink
from lgc.runtime.engine.prepare import node_input
from lgc.runtime.engine.program import Node
from lgc.runtime.engine.run import RunScope
from lgc.runtime.engine.task import Task
from lgc.runtime.streaming.chunks import ResultObserver


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
        if is_fast and thread is None and can_start(scope):
            path = FastPath(scope, [result])
            task = path.start(value)
            while task is not None:
                try:
                    returned = call(task)
                except BaseException as exc:
                    task = path.raised(task, exc)
                else:
                    task = path.returned(task, returned)
            loop = path.loop
            if loop is None:
                return result.result()
            left = path.left
            if left is not None:
                continue_task(left)
                loop.finished(left)
        else:
            loop = Loop(scope, value, thread, recorder)
            loop.superstep.observers = [result]
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
    return scope.values.output.readable_at_end and scope.options.step_timeout is None


class FastPath:
    """The supersteps that the fast path runs of one run.

    It is a state machine: `start`, `returned` and `raised` say which task has a call to be made
    next, and whoever drives it makes that. None says that the path ends: the run is over, or
    `loop` goes on with it.

    Args:
        scope: the run, without a thread. Where only its result is wanted, that is readable at its
            end.
        observers: of the loop.

    Attributes:
        sink: where chunks are put; None when nobody consumes them.
        emits_updates, emits_values: which.
        loop: goes on with the run, once the fast path has left it; None when the run is over.
        left: the task that the loop has to be told of with `finished`, after the calls that are
            left of it are made; or None.
    """

    def __init__(self, scope: RunScope, observers: list[Observer]) -> None:
        self.scope: RunScope = scope
        self.observers: list[Observer] = observers
        self.sink: Sink | None = None
        self.emits_updates: bool = False
        self.emits_values: bool = False
        self.loop: Loop | None = None
        self.left: Task | None = None
        # What the node has returned whose routers are called.
        self._output: Any = None

    def _go_on(self, value: Any = None) -> Loop:
        """The loop that goes on, to be told where."""
        loop = Loop(self.scope, value, None, None)
        loop.superstep.observers = self.observers
        loop.sink = self.sink
        self.loop = loop
        return loop

    def start(self, value: Any) -> Task | None:
        """Applies the input; the task whose call is next."""
        scope = self.scope
        values = scope.values
        start = scope.program.start
        if type(value) is not dict or not scope.program.direct or not start.has_fast_path:
            self._go_on(value)
            return None
        self._gather(value, scope.program.input_slots)
        if start.branches:
            return self._start_by_routers(value)
        values.updated = start.targets
        try:
            values.apply_pending()
        except Exception as exc:
            self._refuse(Task(scope, start, value, -1), exc)
            return None
        if self.sink is not None:
            self._emit(start, value)
        scope.step = 1
        return self._follow(start.successor)

    def _start_by_routers(self, value: Any) -> Task | None:
        """`start`, where routers lead away from it, with the input pending."""
        scope = self.scope
        scope.values.write_start(value)
        scope.step = 0
        task = Task(scope, scope.program.start, value, -1)
        task.mark_started()
        return self._begin_routing(task, value)

    def _superstep(self, node: Node) -> Task | None:
        """The task of the next superstep, in which only `node` is due."""
        scope = self.scope
        if scope.is_past_stop() or scope.is_asked_to_stop():
            self.leave()
            return None
        try:
            value = node_input(scope, node)
        except Exception as exc:
            self._go_on().fail(exc)
            return None
        if value is MISSING:
            self.leave()
            return None
        task = Task(scope, node, value, -1)
        task.mark_started()
        return task

    def raised(self, task: Task, exc: BaseException) -> Task | None:
        """The call of a task has raised `exc`; as `returned`."""
        task.raised(exc)
        return self._hand_over(task)

    def returned(self, task: Task, result: Any) -> Task | None:
        """The call of a task has returned `result`; the task whose call is next."""
        if task.router is not None:
            return self._returned_target(task, result)
        scope = self.scope
        values = scope.values
        node = task.node
        if type(result) is not dict or not scope.program.direct or not task.is_unseen():
            task.returned(result)
            return self._hand_over(task)
        if node.branches:
            self._gather(result, scope.program.slots)
            return self._begin_routing(task, result)
        values.updated = node.targets
        try:
            values.apply_update(result)
        except Exception as exc:
            values.reorder()
            task.add_output(result, scope.program)
            values.updated = node.trigger
            self._go_on().refuse(task, exc)
            return None
        if self.sink is not None:
            self._emit(node, result)
        scope.step += 1
        return self._follow(node.successor)

    def _gather(self, update: dict[Any, Any], slots: dict[str, int]) -> None:
        """Takes over what a dict writes; keys that are not in `slots` are left out."""
        values = self.scope.values
        pending = values.pending
        touched = values.touched
        for key, value in update.items():
            slot = slots.get(key, -1)
            if slot >= 0:
                pending[slot] = value
                touched.append(slot)

    def _begin_routing(self, task: Task, output: Any) -> Task | None:
        """The first router of a task is next, whose writes are pending."""
        task.writes_are_pending = True
        self.scope.values.updated = task.node.targets
        self._output = output
        return self._route(task, 0)

    def _route(self, task: Task, number: int) -> Task | None:
        """The router at `number` among those of the task's node is next."""
        task.resume_routing(self._output, number)
        return self._hand_over(task) if task.is_over else task

    def _returned_target(self, task: Task, target: Any) -> Task | None:
        """A router has returned `target`; `updated` becomes the triggers that are due."""
        router = task.router
        assert router is not None
        values = self.scope.values
        end: Any = target
        if type(target) is str and router.branch.ends:
            end = router.branch.ends.get(target)
        if not task.writes_are_pending or type(end) is not str:
            task.returned(target)
            return self._hand_over(task)
        if end != END:
            successor = self.scope.program.successors.get(end)
            if successor is None:
                task.returned(target)
                return self._hand_over(task)
            updated = values.updated
            if not updated:
                values.updated = successor.trigger
            elif successor.trigger[0] not in updated:
                values.updated = updated + successor.trigger
        if router.number + 1 < len(task.node.branches):
            return self._route(task, router.number + 1)
        task.end()
        try:
            values.apply_pending()
        except Exception as exc:
            self._refuse(task, exc)
            return None
        if task.node.is_start:
            values.forget_start()
        if self.sink is not None:
            self._emit(task.node, self._output)
        self.scope.step += 1
        return self._next()

    def _emit(self, node: Node, update: dict[Any, Any]) -> None:
        """Puts the chunks of a superstep into the sink whose node has written `update`."""
        sink = self.sink
        assert sink is not None
        values = self.scope.values
        if self.emits_updates and not node.is_start:
            output = values.output
            written: Any = {k: v for k, v in update.items() if k in output.slot_of}
            if not written:
                written = None
            elif output.single_value:
                written = written[output.keys[0]]
            sink.emit("updates", {node.name: written})
        if self.emits_values and values.has_values:
            sink.emit("values", values.read())
        # From here on it tells whether the next superstep writes an output key.
        values.has_values = False

    def _hand_over(self, task: Task) -> Task | None:
        """What is left of a task, and of its superstep, is done as the loop does it."""
        task.materialize_writes()
        self._go_on().adopt(task)
        self.left = task
        return None

    def _refuse(self, task: Task, exc: Exception) -> None:
        """A reducer has refused the writes of a task: the loop raises, and has them as a list."""
        task.writes_are_pending = True
        task.materialize_writes()
        self._go_on().refuse(task, exc)

    def leave(self) -> None:
        """The loop goes on with the next superstep."""
        self._go_on().enter()

    def _follow(self, node: Node | None) -> Task | None:
        """The task of `node`, if the fast path can run it now."""
        if self.scope.values.unsettled:
            self.leave()
            return None
        if node is None:
            if self.scope.values.updated or self.scope.is_past_stop():
                self.leave()
            return None
        return self._superstep(node)

    def _next(self) -> Task | None:
        """The task of the only node that is due, as `_follow`."""
        values = self.scope.values
        program = self.scope.program
        due: Node | None = None
        for slot in values.updated:
            for position in program.triggered[slot]:
                node = program.nodes[position]
                if due is not None and node is not due:
                    self.leave()
                    return None
                due = node
        return self._follow(due if due is not None and due.has_fast_path else None)


class FastStream:
    """Drives a run whose chunks are consumed, on its fast path as long as that goes.

    Args:
        path: the run; nothing has happened of it yet.
        value: the input.
    """

    def __init__(self, path: FastPath, value: Any) -> None:
        self.path: FastPath = path
        self._value: Any = value
        self._has_started: bool = False
        self._task: Task | None = None
        self._driver: SyncDriver | None = None

    def advance(self) -> list[Any] | None:
        """As `SyncDriver.advance`."""
        if self._driver is not None:
            return self._driver.advance()
        path = self.path
        sink = path.sink
        assert sink is not None
        if not self._has_started:
            self._has_started = True
            self._task = path.start(self._value)
            self._value = None
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
        loop = path.loop
        if loop is None:
            return sink.take() if sink.chunks else None
        self._driver = SyncDriver(loop)
        left = path.left
        if left is not None:
            continue_task(left)
            loop.finished(left)
        return self._driver.advance()

    def close(self) -> None:
        """As `SyncDriver.close`."""
        self._task = None
        if self._driver is not None:
            self._driver.close()
