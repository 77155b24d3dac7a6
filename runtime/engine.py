"""The superstep loop (spec §4): what a generated module's tables are run by.

A `Program` is immutable and shared; everything that changes is in one `Run`.
`Run` keeps upstream's order of effects (pregel/_loop.py, pregel/_algo.py and
pregel/_runner.py) but builds nothing that nobody has asked for: ids, configs
and chunks are made when they are read.
"""

from __future__ import annotations

import sys
import time
from _queue import SimpleQueue
from collections.abc import Callable
from contextvars import Context, copy_context
from copy import copy
from functools import partial
from typing import Any, Final

from lgc.runtime.channels import BinaryOperatorAggregate, Channel, EphemeralValue
from lgc.runtime.config import CURRENT, TaskConfig, langchain_var, router_config, task_config
from lgc.runtime.constants import (
    BRANCH_TO,
    END,
    ERROR,
    IGNORED_WRITES,
    MISSING,
    NO_WRITES,
    PULL,
    START,
)
from lgc.runtime.errors import Unsupported, error_class, with_code
from lgc.runtime.ids import Stamp, task_id
from lgc.runtime.pool import POOL


class Branch:
    """A conditional edge.

    Args:
        name: the router's name.
        path: `(state, task) -> destination(s)`, generated.
        reads: the state keys the router is given; None for the root value.
        merges: whether the node's raw output is merged in (the router's first
            parameter has no schema of its own, spec §2.5).
        ends: what a returned value stands for, or None.
    """

    def __init__(
        self,
        name: str,
        path: Callable[[Any, Any], Any],
        reads: tuple[str, ...] | None,
        merges: bool = False,
        ends: dict[Any, str] | None = None,
    ) -> None:
        self.name: str = name
        self.path: Callable[[Any, Any], Any] = path
        self.reads: tuple[str, ...] | None = reads
        self.merges: bool = merges
        self.ends: dict[Any, str] | None = ends


class Node:
    """One node.

    Args:
        name: as in the builder.
        body: `(input, writes, task) -> output`, generated: calls the user's
            function and appends the `(channel, value)` writes.
        reads: the state keys it is given; None for a single raw channel.
        joins: the barriers that start it, besides its own trigger channel.
        branches: its conditional edges, in the builder's order.
        defer: it waits until the run has no other trigger left.
        wants_config: the function takes its config by name.

    Attributes:
        triggers: the channels that start it, sorted.
    """

    def __init__(
        self,
        name: str,
        body: Callable[[Any, Any, Any], Any],
        reads: tuple[str, ...] | None,
        joins: tuple[str, ...] = (),
        branches: tuple[Branch, ...] = (),
        defer: bool = False,
        wants_config: bool = False,
    ) -> None:
        self.name: str = name
        self.body: Callable[[Any, Any, Any], Any] = body
        self.reads: tuple[str, ...] | None = reads
        own = START if name == START else BRANCH_TO + name
        self.triggers: tuple[str, ...] = tuple(sorted((own, *joins)))
        self.defer: bool = defer
        self.branches: tuple[Branch, ...] = branches
        self.wants_config: bool = wants_config
        self.is_start: bool = name == START
        # Filled in by Program.
        self.source: int = 0
        self.slots: list[int] = []
        self.consumes: list[int] = []
        # What the shared input of a superstep goes by (spec §4.6, step 3).
        self.input_group: int = 0


class Program:
    """The tables of one graph, with names resolved to positions.

    Args:
        name: the graph's name.
        channels: prototypes, in upstream's channel order.
        nodes: `__start__` first, the others in the builder's order.
        outputs: the keys `invoke` returns; None for the root value.
        streamed: the keys `stream` reports; None for the root value.
        root: the channel of a root-value graph, else "".
    """

    def __init__(
        self,
        name: str,
        channels: tuple[Channel, ...],
        nodes: tuple[Node, ...],
        outputs: tuple[str, ...] | None,
        streamed: tuple[str, ...] | None,
        root: str,
    ) -> None:
        self.name: str = name
        self.root: str = root
        self.outputs: tuple[str, ...] | None = outputs
        self.streamed: tuple[str, ...] | None = streamed
        self.channels: list[Channel] = list(channels)
        self.index: dict[str, int] = {c.key: i for i, c in enumerate(channels)}
        self.seeded: list[int] = [
            i for i, c in enumerate(channels) if isinstance(c, BinaryOperatorAggregate)
        ]
        self.deferred: list[int] = [i for i, c in enumerate(channels) if c.deferred]
        self.start: Node = nodes[0]
        # Triggers that hold None for one superstep: `updated` says all there is to know.
        self.plain_trigger: list[bool] = [
            isinstance(c, EphemeralValue) and not c.guard and c.key.startswith(BRANCH_TO)
            for c in channels
        ]
        # Scheduling and write application both go by name (spec §4.4, §4.6).
        self.nodes: list[Node] = sorted(nodes, key=_node_name)
        self.triggered: list[list[int]] = [[] for _ in channels]
        groups: dict[tuple[str, ...], int] = {}
        for position, node in enumerate(self.nodes):
            for trigger in node.triggers:
                slot = self.index[trigger]
                self.triggered[slot].append(position)
                if self.channels[slot].consumable:
                    node.consumes.append(slot)
            if node.is_start:
                node.source = self.index[START]
            elif node.reads is None:
                node.source = self.index[root]
            reads = (START,) if node.is_start else (root,) if node.reads is None else node.reads
            node.slots = [self.index[key] for key in reads]
            node.input_group = groups.setdefault(reads, len(groups))


def _node_name(node: Node) -> str:
    return node.name


class Task:
    """One node execution of one superstep."""

    def __init__(self, run: Run, node: Node, value: object) -> None:
        self.run: Run = run
        self.node: Node = node
        self.input: object = value
        self.writes: list[tuple[str, object]] = []
        self.step: int = run.step
        self.stamp: Stamp = run.stamp
        self.started: float = 0.0
        self.error: BaseException | None = None
        self._id: str = ""
        self._config: Any = None

    @property
    def path(self) -> tuple[str, str]:
        """The task path (spec §4.4)."""
        return (PULL, self.node.name)

    @property
    def id(self) -> str:
        """The task id (spec §4.6)."""
        if not self._id:
            name = self.node.name
            self._id = task_id(
                self.stamp.id, (name, str(self.step), name, PULL, *self.node.triggers)
            )
        return self._id

    @property
    def namespace(self) -> str:
        """The task's checkpoint namespace."""
        return f"{self.node.name}:{self.id}"

    @property
    def config(self) -> Any:
        """The task's config; the same object wherever it is asked for."""
        if self._config is None:
            self._config = task_config(self)
        return self._config

    @property
    def runtime(self) -> Any:
        """The task's `Runtime`."""
        return self.config["configurable"]["__pregel_runtime"]

    def ambient(self) -> Any:
        """The task's config, not filled in before somebody looks at it."""
        return self.config if self.node.wants_config else _lazy(self)

    def ambient_content(self) -> dict[str, Any]:
        """What `ambient` is filled with."""
        content: dict[str, Any] = self.config
        return content

    def read(self, select: Any, fresh: bool = False) -> Any:
        """Current state as this task sees it (pregel/_algo.py:local_read).

        Args:
            select: a key, or a list of keys.
            fresh: with this task's own writes applied to copies.
        """
        if isinstance(select, str):
            value = self.run.local(self, [select], fresh).get(select)
            return value
        return self.run.local(self, list(select), fresh)


class Router:
    """What the function of a conditional edge sees of its task (spec §7.5).

    Args:
        task: the task; its config is the router's too, but for the callbacks.
        number: which of the node's conditional edges it is.
        static: how many writes the task had before the first of them.
    """

    def __init__(self, task: Task, number: int, static: int) -> None:
        self.task: Task = task
        self.number: int = number
        self.static: int = static
        self._config: Any = None

    @property
    def config(self) -> Any:
        """What the function gets that takes its config by name."""
        if self._config is None:
            task = self.task
            index = task.run.program.index
            # Upstream counts the node, its update, and a step for every static edge and join.
            edges = [name for name, _ in task.writes[: self.static] if index[name] > index[START]]
            position = len(edges) + self.number + (2 if task.node.is_start else 3)
            self._config = router_config(task, [f"seq:step:{position}"])
        return self._config

    @property
    def runtime(self) -> Any:
        """The task's `Runtime`."""
        return self.task.runtime

    def ambient(self) -> Any:
        """The ambient config, not filled in before somebody looks at it."""
        return _lazy(self)

    def ambient_content(self) -> dict[str, Any]:
        """What `ambient` is filled with."""
        return router_config(self.task, [])


def _lazy(current: Any) -> Any:
    """A config for a Task or Router, still empty.

    It is not kept: with a reference both ways every task would wait for the garbage collector.
    """
    config = TaskConfig()
    config.task = current
    return config


def _set_ambient(current: Any) -> None:
    """Sets the ambient config of a Task or Router; called inside a context of its own."""
    var = _LANGCHAIN.var
    if var is None and _CONFIG_MODULE in sys.modules:
        var = _LANGCHAIN.var = langchain_var()
    if var is None:
        CURRENT.set(current)
    else:
        var.set(current.ambient())


class _Langchain:
    """Where langchain-core's contextvar is kept once it has been found."""

    def __init__(self) -> None:
        self.var: Any = None


def _enter_node(task: Task) -> Any:
    """Runs a node in a context of its own."""
    _set_ambient(task)
    return task.node.body(task.input, task.writes, task)


def _enter_path(router: Router, branch: Branch, value: Any) -> Any:
    """Runs the function of a conditional edge in a context of its own."""
    _set_ambient(router)
    return branch.path(value, router)


_CONFIG_MODULE: Final = "langchain_core.runnables.config"
_LANGCHAIN: Final = _Langchain()
# As constants, because native code looks other names up in a dict.
_COPY_CONTEXT: Final = copy_context
_ENTER_NODE: Final = _enter_node
_ENTER_PATH: Final = _enter_path


# Phases of a run, in the order of pregel/main.py:stream.
_TICK: Final = 0
_EXECUTE: Final = 1
_WAIT: Final = 2
_FAIL: Final = 3
_FLUSH: Final = 4
_DONE: Final = 5


class Run:
    """One run of a program.

    Args:
        program: what to run.
        config: the merged config (config.ensure).
        limit: the recursion limit.
        output: the keys reported in chunks, and whether one bare value is reported.
        updates, values: which chunks to make.
        tagged: chunks are `(mode, payload)`.
        silent: an invoke: no chunks, only the newest values are kept.
        durability: as the caller gave it; only shown to nodes.
    """

    def __init__(
        self,
        program: Program,
        config: dict[str, Any],
        limit: int,
        output: tuple[tuple[str, ...], bool],
        updates: bool,
        values: bool,
        tagged: bool,
        silent: bool,
        durability: str | None,
    ) -> None:
        self.program: Program = program
        self.config: dict[str, Any] = config
        self.limit: int = limit
        self.step: int = -1
        self.stop: int = limit
        self.durability: str | None = durability
        self.control: Any = None
        self.channels: list[Channel] = program.channels.copy()
        for slot in program.seeded:
            self.channels[slot] = program.channels[slot].fresh()
        # Slots whose channel holds a value that an empty update would change.
        self.volatile: list[int] = []
        self.updated: list[int] = []
        # The values written to each slot in this superstep.
        self.pending: list[object] = [_FREE] * len(self.channels)
        self.tasks: list[Task] = []
        self.error: BaseException | None = None
        self.done: SimpleQueue[Task] = _NO_QUEUE
        self.unstarted: list[Task] = []
        self.inflight: int = 0
        self.phase: int = _TICK
        self.queue: list[Any] = []
        self.updates: bool = updates
        self.values: bool = values
        self.tagged: bool = tagged
        self.silent: bool = silent
        self.bare: bool = output[1]
        self.output_keys: list[str] = list(output[0])
        self.output_slots: list[int] = [program.index[key] for key in self.output_keys]
        self.is_output: list[bool] = [False] * len(self.channels)
        for slot in self.output_slots:
            self.is_output[slot] = True
        # An invoke keeps the newest values only; they may be read at the end
        # unless an output key can lose its value without being written.
        self.late_values: bool = not any(program.channels[s].volatile for s in self.output_slots)
        self.has_values: bool = False
        self.latest: Any = None
        self.stamp: Stamp = Stamp(-2)

    # -- driving ------------------------------------------------------------

    def start(self, value: Any) -> None:
        """Applies the input as the write to `__start__` (spec §4.2).

        Raises:
            EmptyInputError: `value` is None, and there is nothing to resume.
            Unsupported: `value` is a Command.
        """
        if value is None:
            raise error_class("EmptyInputError")(f"Received no input for {START}")
        upstream = sys.modules.get("langgraph.types")
        if upstream is not None and isinstance(value, upstream.Command):
            raise Unsupported("Command as input")
        slot = self.program.start.source
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
        while self._tick():
            if len(self.tasks) == 1:
                self._run_one(self.tasks[0])
            else:
                self._submit()
                while self.inflight:
                    self._collect()
                    if self.error is not None:
                        self._raise_error()
            self._after_tick()
        self._finish()
        return self._read_output() if self.has_values else self.latest

    def advance(self) -> list[Any] | None:
        """Runs until chunks are due; those, or None when the run is over.

        The points at which chunks come out are upstream's (spec §5.3,
        granularity), so that a consumer who stops sees the same effects.
        """
        while True:
            if self.phase == _TICK:
                self.phase = _EXECUTE if self._tick() else _FLUSH
                if self.queue:
                    return self._take()
            elif self.phase == _EXECUTE:
                if len(self.tasks) == 1:
                    try:
                        self._run_one(self.tasks[0])
                    except Exception as exc:
                        self.error = exc
                        self.phase = _FAIL
                        if self.queue:
                            return self._take()
                        continue
                    self.phase = _TICK
                    self._after_tick()
                else:
                    self._submit()
                    self.phase = _WAIT
            elif self.phase == _WAIT:
                if self.inflight:
                    self._collect()
                    if self.error is not None:
                        self.phase = _FAIL
                    if self.queue:
                        return self._take()
                else:
                    self.phase = _TICK
                    self._after_tick()
            elif self.phase == _FAIL:
                self.phase = _DONE
                self._raise_error()
            elif self.phase == _FLUSH:
                self.phase = _DONE
                if self.queue:
                    return self._take()
            else:
                self._finish()
                return None

    def close(self) -> None:
        """Waits for the superstep's tasks to finish; called once, however the run ends."""
        self.phase = _DONE
        while self.inflight:
            self.done.get()
            self.inflight -= 1
            self._start_next()

    def _take(self) -> list[Any]:
        chunks = self.queue
        self.queue = []
        return chunks

    def _finish(self) -> None:
        if self.step > self.stop:
            raise error_class("GraphRecursionError")(
                with_code(
                    f"Recursion limit of {self.limit} reached without hitting a stop condition. "
                    "You can increase the limit by setting the `recursion_limit` config key.",
                    "GRAPH_RECURSION_LIMIT",
                )
            )

    def _raise_error(self) -> None:
        error = self.error
        self.error = None
        self.close()
        assert error is not None
        raise error

    # -- one superstep --------------------------------------------------------

    def _tick(self) -> bool:
        """Prepares the next tasks; False when there are none or the steps are used up."""
        self.tasks = []
        if self.step > self.stop:
            return False
        program = self.program
        nodes = program.nodes
        if len(self.updated) == 1:
            chosen = program.triggered[self.updated[0]]
        else:
            found: list[int] = []
            for slot in self.updated:
                for position in program.triggered[slot]:
                    if position not in found:
                        found.append(position)
            found.sort()
            chosen = found
        if len(chosen) == 1:
            node = nodes[chosen[0]]
            value = self._input(node)
            if value is not MISSING:
                self.tasks.append(Task(self, node, value))
            return bool(self.tasks)
        shared: dict[int, object] = {}
        for position in chosen:
            node = nodes[position]
            if node.input_group in shared:
                try:
                    value = copy(shared[node.input_group])
                except Exception as exc:
                    _note(
                        exc, f"Before task with name '{node.name}' and path '{(PULL, node.name)}'"
                    )
                    raise
            else:
                value = self._input(node)
                if value is MISSING:
                    continue
                shared[node.input_group] = value
            self.tasks.append(Task(self, node, value))
        return bool(self.tasks)

    def _input(self, node: Node) -> object:
        reads = node.reads
        if reads is None:
            return self.channels[node.source].get()
        state: dict[str, Any] = {}
        slots = node.slots
        for i in range(len(slots)):
            value = self.channels[slots[i]].get()
            if value is not MISSING:
                state[reads[i]] = value
        return state

    def _after_tick(self) -> None:
        """Applies the writes of the superstep and makes its checkpoint."""
        self._apply(self.tasks)
        if self.values:
            self._emit_values()
        self._checkpoint()

    def _checkpoint(self) -> None:
        self.stamp = Stamp(self.step)
        self.step += 1

    def _apply(self, tasks: list[Task]) -> None:
        """apply_writes of pregel/_algo.py; `tasks` are in the order of their paths."""
        program = self.program
        channels = self.channels
        index = program.index
        for task in tasks:
            for slot in task.node.consumes:
                channels[slot].consume()
        pending = self.pending
        touched: list[int] = []
        more: dict[int, list[object]] = {}
        for task in tasks:
            for name, value in task.writes:
                found = index.get(name, -1)
                if found < 0:
                    if name not in IGNORED_WRITES:
                        _warn_unknown(task, name)
                    continue
                if pending[found] is _FREE:
                    pending[found] = value
                    touched.append(found)
                elif found in more:
                    more[found].append(value)
                else:
                    more[found] = [pending[found], value]
        updated: list[int] = []
        for slot in touched:
            if program.plain_trigger[slot]:
                updated.append(slot)
                continue
            channel = channels[slot]
            if channel is program.channels[slot]:
                channel = channel.fresh()
                channels[slot] = channel
            if more and slot in more:
                changed = channel.update(more[slot])
            else:
                changed = channel.update_one(pending[slot])
            if changed and channel.is_available():
                updated.append(slot)
        if self.volatile:
            left: list[int] = []
            for slot in self.volatile:
                if pending[slot] is _FREE:
                    channel = channels[slot]
                    if channel.update([]) and channel.is_available():
                        updated.append(slot)
                    if channel.is_available():
                        left.append(slot)
            self.volatile = left
        for slot in touched:
            pending[slot] = _FREE
        for slot in updated:
            if program.plain_trigger[slot] or slot in self.volatile:
                continue
            if channels[slot].volatile:
                self.volatile.append(slot)
        if program.deferred and not any(program.triggered[slot] for slot in updated):
            for slot in program.deferred:
                if channels[slot].finish() and channels[slot].is_available():
                    updated.append(slot)
        self.updated = updated

    # -- tasks ------------------------------------------------------------------

    def _run_one(self, task: Task) -> None:
        """Runs a superstep's only task on this thread."""
        try:
            self._execute(task)
        except Exception as exc:
            self._commit_error(task, exc)
            raise
        self._commit(task)

    def _execute(self, task: Task) -> None:
        """The node, its writes and its branches; adds upstream's note to an exception."""
        node = task.node
        task.started = time.time()
        try:
            if node.is_start:
                # No user code: __start__ is a writer only.
                output = node.body(task.input, task.writes, task)
            else:
                output = _COPY_CONTEXT().run(_ENTER_NODE, task)
            static = len(task.writes)
            for number, branch in enumerate(node.branches):
                self._route(task, branch, output, Router(task, number, static))
        except Exception as exc:
            bubble_up = getattr(sys.modules.get("langgraph.errors"), "GraphBubbleUp", None)
            if bubble_up is not None and isinstance(exc, bubble_up):
                raise Unsupported(f"{type(exc).__name__} (interrupt)", f"node '{node.name}'")
            _note(exc, f"During task with name '{node.name}' and id '{task.id}'")
            raise
        except BaseException as exc:
            # Who raises asyncio's CancelledError has loaded asyncio; lgc does not.
            module = sys.modules.get("asyncio.exceptions")
            if module is None or not isinstance(exc, module.CancelledError):
                raise
            cancelled = error_class("NodeCancelledError")(node.name)
            cancelled.__cause__ = exc
            raise cancelled

    def _route(self, task: Task, branch: Branch, output: Any, router: Router) -> None:
        """One conditional edge (graph/_branch.py:_route, _finish)."""
        reads = branch.reads
        value: Any
        if reads is None:
            root = self.program.root
            value = self.local(task, [root], True).get(root)
        else:
            value = self.local(task, list(reads), True)
        if branch.merges and isinstance(value, dict) and isinstance(output, dict):
            value = {**output, **value}
        result = _COPY_CONTEXT().run(_ENTER_PATH, router, branch, value)
        if isinstance(result, str):
            self._goto(task, branch, [result])
        elif isinstance(result, (list, tuple)):
            self._goto(task, branch, list(result))
        else:
            self._goto(task, branch, [result])

    def _goto(self, task: Task, branch: Branch, results: list[Any]) -> None:
        ends = branch.ends
        names: list[Any] = []
        for result in results:
            if type(result) is not str:
                _refuse_destination(result, task.node.name)
            names.append(ends[result] if ends else result)
        for name in names:
            if name is None or name == START:
                raise ValueError("Branch did not return a valid destination")
        for name in names:
            if name != END:
                task.writes.append((f"{BRANCH_TO}{name}", None))

    def local(self, task: Task, keys: list[str], fresh: bool) -> dict[str, Any]:
        """The available values of `keys`; `fresh` applies the task's own writes to copies."""
        program = self.program
        state: dict[str, Any] = {}
        for key in keys:
            slot = program.index[key]
            channel = self.channels[slot]
            if fresh:
                own: list[object] = [value for name, value in task.writes if name == key]
                if own or channel.volatile:
                    channel = channel.copy()
                    channel.update(own)
            value = channel.get()
            if value is not MISSING:
                state[key] = value
        return state

    def _commit(self, task: Task) -> None:
        if not task.writes:
            task.writes.append((NO_WRITES, None))
        if self.updates and not task.node.is_start:
            self._emit("updates", self._update_chunk(task))

    def _commit_error(self, task: Task, error: BaseException) -> None:
        # What the task wrote before it failed is streamed when there is any:
        # a router that raises leaves its node's update (pregel/_loop.py:output_writes).
        had_writes = bool(task.writes)
        task.writes.append((ERROR, error))
        if had_writes and self.updates and not task.node.is_start:
            self._emit("updates", self._update_chunk(task))

    # -- parallel tasks -----------------------------------------------------------

    def _submit(self) -> None:
        """Starts the superstep's tasks on threads of the pool."""
        self.done = SimpleQueue()
        limit = self.config.get("max_concurrency") or len(self.tasks)
        self.unstarted = self.tasks[limit:]
        self.unstarted.reverse()
        for task in self.tasks[:limit]:
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
        task = self.done.get()
        while True:
            self.inflight -= 1
            if task.error is None:
                self._commit(task)
            else:
                self._commit_error(task, task.error)
                if self.error is None:
                    self.error = task.error
            self._start_next()
            if self.done.empty():
                return
            task = self.done.get()

    # -- chunks -----------------------------------------------------------------

    def _emit(self, mode: str, payload: Any) -> None:
        self.queue.append((mode, payload) if self.tagged else payload)

    def _emit_values(self) -> None:
        if self.has_values or not self._output_changed():
            return
        if not self.silent:
            self._emit("values", self._read_output())
        elif self.late_values:
            self.has_values = True
        else:
            self.latest = self._read_output()

    def _output_changed(self) -> bool:
        """Whether an output key changed, and was written (spec §5.3, values)."""
        is_output = self.is_output
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

    def _read_output(self) -> Any:
        if self.bare:
            value = self.channels[self.output_slots[0]].get()
            return None if value is MISSING else value
        state: dict[str, Any] = {}
        for i in range(len(self.output_slots)):
            value = self.channels[self.output_slots[i]].get()
            if value is not MISSING:
                state[self.output_keys[i]] = value
        return state

    def _update_chunk(self, task: Task) -> dict[str, Any]:
        """The `updates` chunk of one task (pregel/_io.py:map_output_updates)."""
        writes: list[Any] = []
        index = self.program.index
        seen: set[str] = set()
        repeated = False
        for name, value in task.writes:
            slot = index.get(name, -1)
            if slot >= 0 and self.is_output[slot]:
                if name in seen:
                    repeated = True
                seen.add(name)
                writes.append((name, value))
        chunk: Any
        if not writes:
            chunk = None
        elif self.bare:
            chunk = writes[0][1] if len(writes) == 1 else [value for _, value in writes]
        elif repeated:
            chunk = [{name: value} for name, value in writes]
        else:
            chunk = dict(writes)
        return {task.node.name: chunk}


_FREE: Final = object()
_NO_QUEUE: SimpleQueue[Task] = SimpleQueue()


def _work(run: Run, task: Task, context: Context, done: SimpleQueue[Task]) -> None:
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


def _warn_unknown(task: Task, name: str) -> None:
    import logging

    logging.getLogger("langgraph").warning(
        f"Task {task.node.name} with path {task.path} wrote to unknown channel {name}, ignoring it."
    )


def _refuse_destination(result: Any, node: str) -> None:
    """Raises Unsupported when a router returned a Send or a Runnable."""
    upstream = sys.modules.get("langgraph.types")
    if upstream is not None and isinstance(result, upstream.Send):
        raise Unsupported("Send", f"router of node '{node}'")
    core = sys.modules.get("langchain_core.runnables")
    if core is not None and isinstance(result, core.Runnable):
        raise Unsupported("a router that returns a Runnable", f"node '{node}'")
