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
from lgc.runtime.drivers.call import call, call_body, continue_task
from lgc.runtime.drivers.sync import SyncDriver
from lgc.runtime.engine.loop import Loop
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
        was written.

    Raises:
        As `Loop.next`.
    """
    result = ResultObserver(scope.values)
    try:
        if is_fast and thread is None and scope.values.output.readable_at_end:
            path = _FastPath(scope, result)
            path.run(value)
            loop = path.loop
            if loop is None:
                return result.result()
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


class _FastPath:
    """The supersteps that the fast path runs of one run.

    Args:
        scope: the run, without a thread and with an output that is readable at its end.
        result: observes the loop.

    Attributes:
        loop: goes on with the run, once the fast path has left it; None when the run is over.
    """

    def __init__(self, scope: RunScope, result: ResultObserver) -> None:
        self.scope: RunScope = scope
        self.result: ResultObserver = result
        self.loop: Loop | None = None

    def run(self, value: Any) -> None:
        """Runs as many supersteps as it can."""
        scope = self.scope
        node = self.start(value)
        while node is not None:
            if scope.is_past_stop() or scope.is_asked_to_stop():
                self.leave()
                return
            node = self.superstep(node)

    def _go_on(self, value: Any = None) -> Loop:
        """The loop that goes on, to be told where."""
        loop = Loop(self.scope, value, None, None)
        loop.superstep.observers = [self.result]
        self.loop = loop
        return loop

    def start(self, value: Any) -> Node | None:
        """Applies the input; the node that is due, or None: path left, or run over."""
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
        scope.step = 1
        return self._follow(start.successor)

    def _start_by_routers(self, value: Any) -> Node | None:
        """`start`, where routers lead away from it, with the input pending."""
        scope = self.scope
        scope.values.write_start(value)
        scope.step = 0
        task = Task(scope, scope.program.start, value, -1)
        task.mark_started()
        task.writes_are_pending = True
        return self._routed(task, value)

    def superstep(self, node: Node) -> Node | None:
        """Runs one node; the node that is due next, or None: path left, or run over."""
        scope = self.scope
        values = scope.values
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
        try:
            output = call_body(task)
        except BaseException as exc:
            task.raised(exc)
            return self._continue(task)
        if type(output) is not dict or not scope.program.direct or not task.is_unseen():
            task.returned(output)
            return self._continue(task)
        if not node.branches:
            values.updated = node.targets
            try:
                values.apply_update(output)
            except Exception as exc:
                values.reorder()
                task.add_output(output, scope.program)
                values.updated = node.trigger
                self._go_on().refuse(task, exc)
                return None
            scope.step += 1
            return self._follow(node.successor)
        self._gather(output, scope.program.slots)
        task.writes_are_pending = True
        return self._routed(task, output)

    def _routed(self, task: Task, output: Any) -> Node | None:
        """The rest of a superstep with routers, whose writes are pending; as `superstep`."""
        values = self.scope.values
        if not self._route(task, output):
            return self._continue(task)
        try:
            values.apply_pending()
        except Exception as exc:
            self._refuse(task, exc)
            return None
        if task.node.is_start:
            values.forget_start()
        self.scope.step += 1
        return self._next()

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

    def _route(self, task: Task, output: Any) -> bool:
        """Calls the routers; `updated` becomes the triggers that are due.

        Returns:
            Whether the task has finished on the fast path; else what is left of it is to be done
            as the loop's tasks do it.
        """
        node = task.node
        values = self.scope.values
        successors = self.scope.program.successors
        values.updated = node.targets
        for number, branch in enumerate(node.branches):
            task.resume_routing(output, number)
            if task.is_over:
                return False
            try:
                target = call(task)
            except BaseException as exc:
                task.raised(exc)
                return False
            if not task.writes_are_pending:
                task.returned(target)
                return False
            end: Any = target
            if type(target) is str and branch.ends:
                end = branch.ends.get(target)
            if type(end) is str:
                if end == END:
                    continue
                successor = successors.get(end)
                if successor is not None:
                    updated = values.updated
                    if not updated:
                        values.updated = successor.trigger
                    elif successor.trigger[0] not in updated:
                        values.updated = updated + successor.trigger
                    continue
            task.returned(target)
            return False
        task.end()
        return True

    def _continue(self, task: Task) -> Node | None:
        """What is left of a task, and of its superstep, is done as the loop does it."""
        task.materialize_writes()
        continue_task(task)
        loop = self._go_on()
        loop.adopt(task)
        loop.finished(task)
        return None

    def _refuse(self, task: Task, exc: Exception) -> None:
        """A reducer has refused the writes of a task: the loop raises, and has them as a list."""
        task.writes_are_pending = True
        task.materialize_writes()
        self._go_on().refuse(task, exc)

    def leave(self) -> None:
        """The loop goes on with the next superstep."""
        self._go_on().enter()

    def _follow(self, node: Node | None) -> Node | None:
        """`node`, if the fast path can run it now; None, too, when the run is over."""
        if self.scope.values.unsettled:
            self.leave()
            return None
        if node is None and (self.scope.values.updated or self.scope.is_past_stop()):
            self.leave()
        return node

    def _next(self) -> Node | None:
        """The only node that is due, as `_follow`."""
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
