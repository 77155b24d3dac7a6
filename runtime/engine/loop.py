"""The superstep loop (spec §4): what a generated module's tables are run by.

A `Program` is immutable and shared; everything that changes is in one `Run`.
`Run` keeps upstream's order of effects (pregel/_loop.py, pregel/_algo.py and
pregel/_runner.py) but builds nothing that nobody has asked for: ids, configs
and chunks are made when they are read.
"""

from __future__ import annotations

import sys
from _queue import SimpleQueue
from contextvars import Context, copy_context
from copy import copy
from functools import partial
from typing import Any, Final

from lgc.runtime.config.task_config import scratchpad
from lgc.runtime.constants import (
    CONTROL_WRITES,
    END,
    ERROR,
    INTERRUPT,
    MISSING,
    NO_WRITES,
    PULL,
    RESUME,
    START,
    TASKS,
)
from lgc.runtime.drivers.thread_pool import POOL
from lgc.runtime.engine.channel_values import Values, warn
from lgc.runtime.engine.node_output import branch_to, writes_of
from lgc.runtime.engine.program import Branch, Node, Output, Program, View
from lgc.runtime.engine.task import Router, Task, find_langchain, run_node, run_path
from lgc.runtime.ids import Draws
from lgc.runtime.public import errors
from lgc.runtime.public.commands import Command
from lgc.runtime.public.errors import Unsupported, is_invalid_resume, with_code
from lgc.runtime.public.messages import ensure_message_ids
from lgc.runtime.upstream import error_class, is_a

# Phases of a run, in the order of pregel/main.py:stream.
_TICK: Final = 0
_EXECUTE: Final = 1
_WAIT: Final = 2
_FAIL: Final = 3
_FLUSH: Final = 4
_DONE: Final = 5

_LARGE: Final = 2**60


class Run(Values):
    """One run of a program.

    Args:
        program: what to run.
        config: the merged config (config.ensure).
        limit: the recursion limit.
        output: what the run reports.
        updates, values: which chunks to make.
        tagged: chunks are `(mode, payload)`.
        custom: chunks that nodes write are wanted.
        silent: an invoke: no chunks, only the newest values are kept.
        context: the run's context, already of the schema's type.
        durability: as the caller gave it; only shown to nodes.
        control: what may ask the run to stop (spec §4.13), or None.

    Attributes:
        tasks: those of the superstep.
        due: those of them that run; the others have their writes from an earlier run.
        saver: keeps the run's checkpoints; None.
        store: what nodes find as `runtime.store`.
        events: makes the chunks of the modes that tell of tasks and checkpoints, or None.
        nested: takes the chunks of the graphs that nodes call (forward.Forward), or None.
        first_step: the superstep whose tasks are told whether the run resumes.
        resuming, replay_state: what they are told.
        interrupts: what the run's tasks have asked for, for the result of an invoke.
        is_plain: supersteps may run in the plain lane.
        current: the id of the newest checkpoint; "" when it is drawn only once it is read.
        first_layout: the run goes on from a checkpoint of version 1 (ids.task_id).
        namespace: where its checkpoints are, with a separator behind it; "" for the root's.
    """

    def __init__(
        self,
        program: Program,
        config: dict[str, Any],
        limit: Any,
        output: Output,
        updates: bool,
        values: bool,
        custom: bool,
        tagged: bool,
        silent: bool,
        durability: Any,
        context: Any,
        control: Any,
    ) -> None:
        super().__init__(program, output)
        self.context: Any = context
        self.custom: bool = custom
        self.config: dict[str, Any] = config
        self.limit: Any = limit
        self.step: int = -1
        # What nodes see of the limit is a number of the caller's kind; upstream compares it only.
        self.stop: Any = 0
        self.last_step: int = 0
        self.is_whole: bool = False
        self.set_stop(-1 + limit + 1)
        self.durability: Any = durability
        self.control: Any = control
        self.draining: bool = False
        self.exhausted: bool = False
        self.tasks: list[Task] = []
        self.due: list[Task] = []
        self.saver: Any = None
        self.store: Any = None
        self.events: Any = None
        self.nested: Any = None
        self.first_step: int = 0
        self.resuming: bool = False
        self.replay_state: Any = None
        self.interrupts: list[Any] = []
        self.is_plain: bool = True
        self.current: str = ""
        self.first_layout: bool = False
        # A task of the superstep has writes that a saver, if there were one, would hold.
        self.is_recorded: bool = False
        self.namespace: str = ""
        self.error: BaseException | None = None
        # What does not stop a task's siblings, raised when all have finished: an exception that
        # is no failure, and the tasks that interrupted.
        self.deferred_error: BaseException | None = None
        self.asking: list[Task] = []
        self.done: SimpleQueue[Any] = _NO_QUEUE
        self.unstarted: list[Task] = []
        self.inflight: int = 0
        self.phase: int = _TICK
        self.queue: list[Any] = []
        self.updates: bool = updates
        self.values: bool = values
        self.tagged: bool = tagged
        # An invoke keeps the newest values only.
        self.silent: bool = silent
        self.latest: Any = None
        self.draws: Draws = Draws()
        find_langchain()

    # -- driving ------------------------------------------------------------

    def start(self, value: Any) -> None:
        """Applies the input as the write to `__start__` (spec §4.2).

        Raises:
            EmptyInputError: `value` is None, and there is nothing to resume.
        """
        if value is None:
            raise error_class("EmptyInputError")(f"Received no input for {START}")
        if not self.silent:
            self.draws.draw(-2)
        slot = self.program.start_slot
        channel = self.program.channels[slot].fresh()
        channel.update([value])
        self.channels[slot] = channel
        self.volatile.append(slot)
        self.updated = [slot]
        self._checkpoint()

    def drain(self) -> Any:
        """Runs to the end; the newest values, or None when no output key was written.

        Raises:
            GraphRecursionError: the recursion limit was reached.
            Exception: what a node or a reducer raised.
        """
        while self.superstep():
            pass
        return self.conclude()

    def set_stop(self, stop: Any) -> None:
        """Sets the last superstep that the recursion limit allows, any number."""
        self.stop = stop
        self.is_whole = type(stop) is int and -_LARGE < stop < _LARGE
        self.last_step = stop if self.is_whole else 0

    def is_past_stop(self) -> bool:
        """Whether the recursion limit allows no further superstep."""
        if self.is_whole:
            return self.step > self.last_step
        return bool(self.step > self.stop)

    def superstep(self) -> bool:
        """Runs one superstep of a run without chunks; False when the run is over.

        Raises:
            Exception: what a node, a reducer or the saver raised.
        """
        try:
            if not self._tick():
                self._leave()
                return False
            if len(self.due) == 1:
                self._run_one(self.due[0])
            else:
                self._submit()
                while self.inflight:
                    self._collect()
                    if self.error is not None:
                        self._raise_error()
            self.after_tick()
        except Exception as exc:
            if not self.suspend(exc):
                raise
            return False
        return True

    def advance(self) -> list[Any] | None:
        """Runs until chunks are due; those, or None when the run is over.

        The points at which chunks come out are upstream's (spec §5.3,
        granularity), so that a consumer who stops sees the same effects.
        """
        while self.phase != _DONE:
            try:
                is_point = self._proceed()
            except Exception as exc:
                if not self.suspend(exc):
                    raise
                self.phase = _FLUSH
                is_point = False
            if is_point and self.queue:
                return self._take()
        self.conclude()
        return None

    def _proceed(self) -> bool:
        """One phase of the run; whether chunks come out after it."""
        if self.phase == _TICK:
            if self._tick():
                self.phase = _EXECUTE
            else:
                self._leave()
                self.phase = _FLUSH
            return True
        if self.phase == _EXECUTE:
            if len(self.due) != 1 or self.custom or self.nested is not None:
                self._submit()
                self.phase = _WAIT
                return False
            try:
                self._run_one(self.due[0])
            except Exception as exc:
                self.error = exc
                self.phase = _FAIL
                return True
        elif self.phase == _WAIT:
            if self.inflight:
                self._collect()
                if self.error is not None:
                    self.phase = _FAIL
                return True
        elif self.phase == _FAIL:
            self._raise_error()
        else:
            self.phase = _DONE
            return True
        self.phase = _TICK
        self.after_tick()
        return False

    def close(self) -> None:
        """Waits for the superstep's tasks to finish; called once, however the run ends."""
        self.phase = _DONE
        self._await_tasks()
        # What holds the run is let go, or it would wait for the garbage collector.
        self.tasks = []
        self.due = []
        self.asking = []
        self.events = None
        self.nested = None

    def _await_tasks(self) -> None:
        while self.inflight:
            item: Any = self.done.get()
            if isinstance(item, Task):
                self.inflight -= 1
                self._settle(item)
                self._start_next()

    def _settle(self, task: Task) -> None:
        """A task has finished whose siblings have failed, or whose run nobody reads any more."""

    def suspend(self, exc: BaseException) -> bool:
        """Whether a run that raised `exc` is over without failing: it waits for an answer.

        What its finished tasks wrote is shown (pregel/_loop.py:_suppress_interrupt).
        """
        if not is_error(exc, "GraphInterrupt"):
            return False
        questions = exc.args[0]
        # Upstream makes a tuple of them first, which fails when they are none.
        tuple(questions)
        if self.has_pending_writes() and any(task.writes for task in self.tasks):
            self._apply_tasks()
            if self.values:
                self._emit_values()
        if self.updates and not questions:
            self.emit("updates", {INTERRUPT: questions})
        return True

    def has_pending_writes(self) -> bool:
        """Whether a task of the superstep has finished, failed or asked something."""
        return self.is_recorded

    def _apply_tasks(self) -> None:
        self.apply(self.tasks)

    def _leave(self) -> None:
        """The run is over and has not failed."""

    def _take(self) -> list[Any]:
        chunks = self.queue
        self.queue = []
        return chunks

    def conclude(self) -> Any:
        """The newest values at the end of a run, or None when no output key was written.

        Raises:
            GraphRecursionError: the recursion limit was reached.
            GraphDrained: the run was asked to stop before it was over.
        """
        if self.exhausted:
            raise error_class("GraphRecursionError")(
                with_code(
                    f"Recursion limit of {format(self.limit)} reached without hitting a stop "
                    "condition. You can increase the limit by setting the `recursion_limit` "
                    "config key.",
                    "GRAPH_RECURSION_LIMIT",
                )
            )
        if self.draining:
            raise error_class("GraphDrained")(self.control.drain_reason or "shutdown")
        return self.read() if self.has_values else self.latest

    def _raise_error(self) -> None:
        error = self.error
        self.error = None
        self._await_tasks()
        assert error is not None
        raise error

    # -- one superstep --------------------------------------------------------

    def _tick(self) -> bool:
        """Prepares the next tasks; False when there are none, or the run stops before them."""
        # Upstream prepares them even then: an input that its schema refuses is reported first.
        self.exhausted = self.is_past_stop()
        self._prepare(self._triggered())
        self.due = self.tasks
        if self.exhausted or not self.tasks or self._drains():
            return False
        if self.events is not None:
            self.events.tasks(self.tasks)
        return True

    def _triggered(self) -> list[int]:
        """The positions of the nodes that what changed starts, in order."""
        triggered = self.program.triggered
        if len(self.updated) == 1:
            return triggered[self.updated[0]]
        found: list[int] = []
        for slot in self.updated:
            for position in triggered[slot]:
                if position not in found:
                    found.append(position)
        found.sort()
        return found

    def _prepare(self, chosen: list[int]) -> None:
        """Makes the tasks of a superstep: of every Send, and of the nodes at `chosen`."""
        self.tasks = []
        tasks = self.tasks
        nodes = self.program.nodes
        sends = self.channels[self.program.tasks_slot].get()
        if sends is not MISSING:
            self._push(sends)
        if len(chosen) == 1:
            node = nodes[chosen[0]]
            value = self.input(node)
            if value is not MISSING:
                tasks.append(Task(self, node, value, -1))
            return
        shared: dict[int, object] = {}
        for position in chosen:
            node = nodes[position]
            group = node.view.group
            if group in shared:
                try:
                    value = copy(shared[group])
                except Exception as exc:
                    _note(exc, _before(node))
                    raise
            else:
                value = self.input(node)
                if value is MISSING:
                    continue
                shared[group] = value
            tasks.append(Task(self, node, value, -1))

    def _drains(self) -> bool:
        """Whether the run is asked to stop in front of tasks that would run."""
        self.draining = self.is_asked_to_stop()
        return self.draining

    def is_asked_to_stop(self) -> bool:
        """Whether somebody has asked the run to drain."""
        return self.control is not None and bool(self.control.drain_requested)

    def _push(self, sends: Any) -> None:
        """A task for every Send of the superstep before (prepare_push_task_send)."""
        for position, packet in enumerate(sends):
            if not is_a(packet, "Send"):
                warn(f"Ignoring invalid packet type {type(packet)} in pending sends")
            elif packet.node not in self.program.by_name:
                warn(f"Ignoring unknown node name {format(packet.node)} in pending sends")
            elif packet.timeout is not None:
                raise Unsupported("Send(timeout=...)", f"node '{packet.node}'")
            else:
                node = self.program.by_name[packet.node]
                self.tasks.append(Task(self, node, packet.arg, position))

    def input(self, node: Node) -> object:
        view = node.view
        if view.reads is None:
            return self.channels[view.root].get()
        state = self.available(view.keys, view.slots)
        if not view.managed and view.schema is None:
            return state
        try:
            return self._complete(view, state, None)
        except Exception as exc:
            _note(exc, _before(node))
            raise

    def edge_input(self, task: Task) -> object:
        """What the node of a task that a Send started would get from an edge; MISSING for nothing.

        Raises:
            Exception: what the node's schema raised.
        """
        view = task.node.view
        if view.reads is None:
            return self.channels[view.root].get()
        return self._complete(view, self.available(view.keys, view.slots), task)

    def _complete(self, view: View, state: dict[str, Any], task: Task | None) -> object:
        """The managed values added, and the schema applied."""
        for value in view.managed:
            scratchpad = partial(_scratchpad_of, self) if task is None else task.scratchpad
            state[value.key] = value.get(self.step, self.stop, scratchpad)
        if view.schema is None:
            return state
        made: object = view.schema(**state)
        return made

    def after_tick(self) -> None:
        """Applies the writes of the superstep and makes its checkpoint."""
        self._apply_tasks()
        if self.values:
            self._emit_values()
        self.is_recorded = False
        self._checkpoint()

    def _checkpoint(self) -> None:
        if not self.silent:
            self.draws.draw(self.step)
        self.step += 1

    # -- tasks ------------------------------------------------------------------

    def _run_one(self, task: Task) -> None:
        """Runs a superstep's only task on this thread."""
        try:
            self._execute(task)
            self._finish_writes(task)
        except Exception as exc:
            self.commit_error(task, exc)
            raise
        self._commit(task)

    def _execute(self, task: Task) -> None:
        """The node, its writes and its branches."""
        task.start()
        try:
            # __start__ has no user code, it is a writer only.
            self.write(task, task.input if task.node.is_start else run_node(task))
        except BaseException as exc:
            error = self.failure(task, exc)
            if error is exc:
                raise
            if error is not None:
                raise error

    def failure(self, task: Task, exc: BaseException) -> BaseException | None:
        """What a task that raised `exc` raises, with upstream's note; None when it is settled."""
        node = task.node
        if not isinstance(exc, Exception):
            # Who raises asyncio's CancelledError has loaded asyncio; lgc does not.
            module = sys.modules.get("asyncio.exceptions")
            if module is None or not isinstance(exc, module.CancelledError):
                return exc
            cancelled: BaseException = error_class("NodeCancelledError")(node.name)
            cancelled.__cause__ = exc
            return cancelled
        if not _bubbles_up(exc):
            _note(exc, f"During task with name '{node.name}' and id '{task.id}'")
            return exc
        if is_error(exc, "ParentCommand"):
            command: Any = exc.args[0]
            if command.graph in (task.namespace, node.name):
                # Raised by the node, and meant for this very graph.
                self.write(task, command)
                return None
            if command.graph == Command.PARENT:
                exc.args = (_for_caller(command),)
        return exc

    def write(self, task: Task, output: Any) -> None:
        """The writes of a node that returned `output`, and its branches."""
        node = task.node
        program = self.program
        if node.is_start:
            writes_of(output, task.writes, program.input_slots, program.root_input)
        else:
            writes_of(output, task.writes, program.slots, program.is_root)
        if node.static:
            task.writes.extend(node.static)
        for number, branch in enumerate(node.branches):
            self.goto(task, branch, self.decide(task, branch, output, Router(task, number)))

    def decide(self, task: Task, branch: Branch, output: Any, router: Router) -> Any:
        """What the function of a conditional edge returns (graph/_branch.py:_route)."""
        view = branch.view
        value: Any = self.local_pending(view) if task.gathered else self.local(task, view)
        if view.reads is None:
            value = value.get("__root__")
        elif view.managed or view.schema is not None:
            value = self._complete(view, value, task)
        if branch.merges and isinstance(value, dict) and isinstance(output, dict):
            value = {**output, **value}
        return run_path(router, branch, value)

    def goto(self, task: Task, branch: Branch, result: Any) -> None:
        """The writes of a conditional edge whose function returned `result` (_finish)."""
        # As Any: mypyc's own lookup in a dict loses a missing key that is None or a tuple.
        ends: Any = branch.ends
        found: list[Any] = []
        for target in result if isinstance(result, (list, tuple)) else [result]:
            sent = type(target) is not str and is_a(target, "Send")
            found.append(ends[target] if ends and not sent else target)
        for target in found:
            if target is None or target == START:
                raise ValueError("Branch did not return a valid destination")
        for target in found:
            if type(target) is not str and is_a(target, "Send") and target.node == END:
                raise error_class("InvalidUpdateError")("Cannot send a packet to the END node")
        for target in found:
            if type(target) is not str and is_a(target, "Send"):
                task.writes.append((TASKS, target))
            elif target != END:
                task.writes.append((branch_to(target), None))

    def _finish_writes(self, task: Task) -> None:
        """Adds to the writes of a task that has finished what all writes have."""
        writes = task.writes
        if not writes or (
            writes[0][0] in CONTROL_WRITES and all(name in CONTROL_WRITES for name, _ in writes)
        ):
            writes.append((NO_WRITES, None))
        self._name_messages(writes)

    def _name_messages(self, writes: list[tuple[str, object]]) -> None:
        if self.program.delta_keys:
            ensure_message_ids(writes, self.program.delta_keys)

    def _commit(self, task: Task) -> None:
        """Takes down the writes of a task that is complete (pregel/_runner.py:commit)."""
        self._record(task, task.writes, True)
        self._show(task, task.writes)

    def commit_error(self, task: Task, error: BaseException) -> None:
        """Records what a task wrote that raised `error`: its questions, or its failure."""
        writes = task.writes
        if is_error(error, "GraphInterrupt"):
            if not error.args[0]:
                return
            resumes = [write for write in writes if write[0] == RESUME]
            writes = [(INTERRUPT, error.args[0]), *resumes]
        elif _bubbles_up(error):
            return
        else:
            # What the task wrote before it failed is streamed when there is any:
            # a router that raises leaves its node's update.
            writes.append((ERROR, error))
        self._name_messages(writes)
        self._record(task, writes, False)
        self._show(task, writes)

    def _record(self, task: Task, writes: list[tuple[str, object]], is_done: bool) -> None:
        """Stores the writes of a task that has finished (`is_done`), failed or asked."""
        self.is_recorded = True

    def _show(self, task: Task, writes: list[tuple[str, object]]) -> None:
        """The chunks of a task that is over (pregel/_loop.py:output_writes)."""
        if task.node.is_start:
            return
        first = writes[0][0]
        if first == INTERRUPT:
            self._show_question(writes[0][1])
        elif first != ERROR and self.updates:
            self.emit("updates", self._update_chunk(task))
        if self.events is not None:
            self.events.result(task, writes)

    def _show_question(self, asked: Any) -> None:
        """The chunks of a task that interrupted."""
        listed = isinstance(asked, (list, tuple))
        questions: tuple[Any, ...] = tuple(asked) if listed else (asked,)
        if self.updates:
            self.emit("updates", {INTERRUPT: questions})
        if not self.values:
            return
        current = self.read()
        chunk: Any = {INTERRUPT: questions}
        if isinstance(current, dict):
            chunk = {**current, **chunk}
        if self.silent:
            self.interrupts.extend(questions)
            self.latest = chunk
            self.has_values = self.output.late and not self.output.bare
        else:
            self.emit("values", chunk)

    # -- parallel tasks -----------------------------------------------------------

    def _submit(self) -> None:
        """Starts the superstep's tasks on threads of the pool."""
        self.done = SimpleQueue()
        places = self.config.get("max_concurrency")
        limit = len(self.due)
        if places is not None:
            # A thread pool of 2.5 threads has 3: it compares, too.
            limit = 1
            while limit < len(self.due) and limit < places:
                limit += 1
        self.unstarted = self.due[limit:]
        self.unstarted.reverse()
        for task in self.due[:limit]:
            self._start_task(task)

    def _start_next(self) -> None:
        """A place is free; upstream runs what waits for one even when the run has failed."""
        if self.unstarted:
            self._start_task(self.unstarted.pop())

    def _start_task(self, task: Task) -> None:
        self.inflight += 1
        POOL.submit(partial(_work, self, task, copy_context(), self.done))

    def _collect(self) -> None:
        """Waits for a task to finish and commits every task that has."""
        item: Any = self.done.get()
        while True:
            if isinstance(item, Task):
                self.inflight -= 1
                if item.error is None:
                    self._finish_writes(item)
                    self._commit(item)
                else:
                    self._fail(item, item.error)
                self._start_next()
            elif len(item) == 1:
                self.emit("custom", item[0])
            else:
                self.queue.append(item)
            if self.inflight == 0 and self.error is None:
                self.error = self._deferred()
            if self.done.empty():
                return
            item = self.done.get()

    def _fail(self, task: Task, error: BaseException) -> None:
        """A task raised; a failure ends the run, anything else waits for the siblings."""
        self.commit_error(task, error)
        if is_error(error, "GraphInterrupt"):
            self.asking.append(task)
        elif _bubbles_up(error) or is_invalid_resume(error):
            self.deferred_error = error
        elif self.error is None:
            self.error = error

    def _deferred(self) -> BaseException | None:
        """What the run raises when all tasks of a superstep have finished, and none failed."""
        if self.deferred_error is not None or not self.asking:
            return self.deferred_error
        questions: list[Any] = []
        for task in self.tasks:
            if task in self.asking:
                assert task.error is not None
                try:
                    questions.extend(tuple(task.error.args[0]))
                except TypeError as exc:
                    # No list of questions: the run fails, after its finished tasks are shown.
                    return exc
        return error_class("GraphInterrupt")(tuple(questions))

    # -- chunks -----------------------------------------------------------------

    def write_custom(self, payload: Any) -> None:
        """A chunk that a node wrote; wakes the consumer. Called on the node's thread."""
        self.done.put((payload,))

    def forward(self, namespace: tuple[str, ...], mode: str, payload: Any) -> None:
        """A chunk of a graph inside a node, or of the node; as `write_custom`."""
        self.done.put((mode, payload, namespace))

    def emit(self, mode: str, payload: Any) -> None:
        """A chunk is due."""
        self.queue.append((mode, payload) if self.tagged else payload)

    def _emit_values(self) -> None:
        if self.has_values or not self._output_changed():
            return
        if not self.silent:
            self.emit("values", self.read())
        elif self.output.late:
            self.has_values = True
        else:
            self.latest = self.read()

    def _output_changed(self) -> bool:
        """Whether an output key changed, and was written (spec §5.3, values)."""
        is_output = self.output.has
        for slot in self.updated:
            if is_output[slot]:
                break
        else:
            return False
        index = self.program.index
        for task in self.tasks:
            for name, _ in task.writes:
                slot = index.get(name, -1)
                if slot >= 0 and is_output[slot]:
                    return True
        return False

    def _update_chunk(self, task: Task) -> dict[str, Any]:
        """The `updates` chunk of one task (pregel/_io.py:map_output_updates)."""
        writes: list[Any] = []
        index = self.program.index
        seen: set[str] = set()
        repeated = False
        for name, value in task.writes:
            slot = index.get(name, -1)
            if slot >= 0 and self.output.has[slot]:
                if name in seen:
                    repeated = True
                seen.add(name)
                writes.append((name, value))
        chunk: Any
        if not writes:
            chunk = None
        elif self.output.bare:
            chunk = writes[0][1] if len(writes) == 1 else [value for _, value in writes]
        elif repeated:
            chunk = [{name: value} for name, value in writes]
        else:
            chunk = dict(writes)
        return {task.node.name: chunk}


_NO_QUEUE: SimpleQueue[Any] = SimpleQueue()


def _work(run: Run, task: Task, context: Context, done: SimpleQueue[Any]) -> None:
    """One task on a thread of the pool; its failure travels in `task.error`."""
    try:
        context.run(run._execute, task)
    except BaseException as exc:
        task.error = exc
    done.put(task)


def _note(exc: BaseException, text: str) -> None:
    add_note = getattr(exc, "add_note", None)  # Python 3.11
    if add_note is not None:
        add_note(text)


def _before(node: Node) -> str:
    """Upstream's note for an exception in a task's input."""
    return f"Before task with name '{node.name}' and path '{(PULL, node.name)}'"


def _bubbles_up(exc: BaseException) -> bool:
    """Whether an exception, lgc's or LangGraph's, asks for something instead of failing."""
    return is_error(exc, "GraphBubbleUp")


def is_error(exc: BaseException, name: str) -> bool:
    """Whether an exception is of lgc's or LangGraph's class `name`."""
    own: Any = getattr(errors, name)
    return isinstance(exc, (own, getattr(sys.modules.get("langgraph.errors"), name, own)))


def _for_caller(command: Any) -> Any:
    """A Command for the parent of a graph that has none: its namespace is empty."""
    return type(command)(graph="", update=command.update, resume=command.resume, goto=command.goto)


def _scratchpad_of(run: Run) -> Any:
    """A scratchpad for managed values, before the task that reads them exists."""
    return scratchpad(run.step, run.stop)
