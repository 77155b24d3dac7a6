"""The state of a thread as its checkpoints tell it (spec §6: get_state, get_state_history).

What has to wait for the saver is an Operation, a generator that yields saver calls and is sent what
they returned, so that the sync and the async methods share it (`drivers/operations.py` has both).

This file stays interpreted: users unpack and derive from its named tuples.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.checkpointing.task_status import Status, statuses
from lgc.runtime.checkpointing.thread_state import Request, ThreadState
from lgc.runtime.config.merge import merge_configs, overlay_configs
from lgc.runtime.config.nested import with_one_history
from lgc.runtime.constants import CONF, CONF_CHECKPOINTER, NULL_TASK_ID, RETURN
from lgc.runtime.engine.channel_values import ChannelValues
from lgc.runtime.engine.program import Output, Program
from lgc.runtime.engine.run import RunOptions, RunScope
from lgc.runtime.engine.task import Task
from lgc.runtime.engine.task_writes import TaskWrites
from lgc.runtime.upstream import loaded

T = TypeVar("T")


class StateOf(NamedTuple):
    """The state of a graph inside a node, as its own `get_state` tells it.

    Attributes:
        graph: lgc's or LangGraph's.
        config: addresses its thread.
    """

    graph: Any
    config: Any


Operation = Generator[Request | CheckpointWriter | Task | StateOf, Any, T]
"""Returns a T. What it yields is to be done before it goes on: a saver call or a StateOf, whose
result it is sent (of `list` all checkpoints, as a list), the calls of a writer, or those of a task,
whose error ends the operation."""


class PregelTask(NamedTuple):
    """A task of a StateSnapshot (types.py:PregelTask).

    Attributes:
        id, name, path: which one it is.
        error: how it failed, as it is stored, or None.
        interrupts: what it asked for.
        state: of a task that runs a subgraph.
        result: what it wrote, by key; None until it has finished.
    """

    id: str
    name: str
    path: tuple[Any, ...]
    error: Any = None
    interrupts: tuple[Any, ...] = ()
    state: Any = None
    result: Any = None


class StateSnapshot(NamedTuple):
    """The state of a thread at one checkpoint (types.py:StateSnapshot).

    Attributes:
        values: the state.
        next: the nodes that are due.
        config: addresses the checkpoint.
        metadata: the checkpoint's.
        created_at: when it was made, ISO 8601.
        parent_config: addresses its parent.
        tasks: what is due, or was done on it.
        interrupts: what waits for an answer.
    """

    values: Any
    next: tuple[str, ...]
    config: Any
    metadata: Any
    created_at: str | None
    parent_config: Any
    tasks: tuple[Any, ...]
    interrupts: tuple[Any, ...]


class StateReader:
    """Reads the states of one graph's threads; its methods are Operations.

    Args:
        program: what runs on the threads.
        bound: the config bound to the graph, or None.
        saver: keeps the threads.
        output: what is reported of the state.
        has_one_history: the graph keeps one a thread, whatever task calls it.
    """

    def __init__(
        self, program: Program, bound: Any, saver: Any, output: Output, has_one_history: bool
    ) -> None:
        self.program = program
        self.bound = bound
        self.saver = saver
        self.output = output
        self._has_one_history = has_one_history

    def read(self, config: Any, *, subgraphs: bool) -> Operation[Any]:
        """The newest state of a thread, or that at the checkpoint which `config` addresses.

        Args:
            config: the caller's; its thread_id becomes a str.
            subgraphs: with the states of the graphs that due nodes call.

        Returns:
            A StateSnapshot, LangGraph's when it is loaded. What tasks wrote that have finished is
            in it unless `config` has a checkpoint_id.

        Raises:
            KeyError: `config` has no thread_id.
            Exception: what the saver raised.
        """
        if self.bound:
            config = overlay_configs(self.bound, config)
        if self._has_one_history:
            config = with_one_history(config)
        thread_id = config[CONF]["thread_id"]
        if not isinstance(thread_id, str):
            # In the caller's own config, as upstream does.
            config[CONF]["thread_id"] = str(thread_id)
        saved = yield "get_tuple", (config,), {}
        if saved is None:
            return _class_of(StateSnapshot)({}, (), config, None, None, None, (), ())
        live = "checkpoint_id" not in config[CONF]
        return (yield from self.snapshot(saved, live=live, subgraphs=subgraphs))

    def history(self, config: Any, choice: dict[str, Any]) -> Operation[list[Any]]:
        """The checkpoints of a thread, the newest first; `snapshot` makes states of them.

        Args:
            config: the caller's.
            choice: `filter`, `before` and `limit`, as a saver's `list` takes them.

        Raises:
            As `read`.
        """
        config = merge_configs(config)
        conf = config[CONF]
        own = {"checkpoint_ns": conf.get("checkpoint_ns", ""), "thread_id": str(conf["thread_id"])}
        config = overlay_configs(self.bound, config, {CONF: own})
        if self._has_one_history:
            config = with_one_history(config)
        # All at once: a consumer who stops would hold up the saver's cursor.
        checkpoints: list[Any] = yield "list", (config,), choice
        return checkpoints

    def snapshot(self, saved: Any, *, live: bool, subgraphs: bool) -> Operation[Any]:
        """What a checkpoint tells (pregel/main.py:_prepare_state_snapshot).

        Args:
            saved: the CheckpointTuple.
            live: the state as it is now, not as it was when the superstep began.
            subgraphs: with the states of the graphs that due nodes call.
        """
        thread = detached_thread(self.program, self.saver, saved.config, self.output)
        yield from load_checkpoint(thread, saved, saved.config)
        values = thread.values
        due = thread.prepare_all()
        states: dict[str, Any] = {}
        for task in due:
            address = state_address(task, saved.config)
            if address is not None and subgraphs:
                lent = {CONF_CHECKPOINTER: self.saver, **address[CONF]}
                states[task.id] = yield StateOf(task.node.subgraph, {CONF: lent})
            elif address is not None:
                states[task.id] = address
        taskless = [write[1:] for write in thread.pending_writes if write[0] == NULL_TASK_ID]
        if taskless:
            values.preview(taskless, [])
        by_task = statuses(thread.pending_writes)
        if live:
            for task in due:
                if task.id in by_task:
                    task.writes.extend(by_task[task.id].output)
            finished: list[TaskWrites] = [task for task in due if task.writes]
            if finished:
                values.preview(None, sorted(finished, key=lambda task: task.path_text))
        tasks = tuple(
            task_snapshot(
                task,
                by_task.get(task.id, Status()),
                self.output,
                live=live,
                state=states.get(task.id),
            )
            for task in due
        )
        return _class_of(StateSnapshot)(
            values.read(),
            tuple(task.node.name for task in due if not task.writes),
            with_parents(saved.config, saved.metadata),
            saved.metadata,
            saved.checkpoint["ts"],
            with_parents(saved.parent_config, saved.metadata),
            tasks,
            tuple(interrupt for task in tasks for interrupt in task.interrupts),
        )


def detached_thread(program: Program, saver: Any, config: Any, output: Output) -> ThreadState:
    """A thread that no run is on, not loaded yet.

    Args:
        config: the caller's, or one that addresses a checkpoint.
        output: what is reported of the state.
    """
    options = RunOptions(config, output)
    options.saver = saver
    values = ChannelValues(program, output)
    values.store_triggers()
    return ThreadState(RunScope(program, values, options))


def load_checkpoint(thread: ThreadState, saved: Any, config: Any) -> Operation[None]:
    """Loads a thread at a checkpoint.

    Args:
        thread: a `detached_thread`.
        saved: a CheckpointTuple, or None for a thread without one.
        config: addresses it.

    Raises:
        Exception: what the saver raised, or a channel that does not take its stored value.
    """
    thread.load_checkpoint(saved, config)
    request = thread.history_request()
    if request is not None:
        history = yield request
        thread.rebuild(history)


def with_parents(config: Any, metadata: Mapping[str, Any] | None) -> Any:
    """A config that addresses a checkpoint, with those of the graphs around it."""
    parents = (metadata or {}).get("parents")
    if config is None or not parents:
        return config
    conf = config[CONF]
    places = {**parents, conf["checkpoint_ns"]: conf["checkpoint_id"]}
    return {**config, CONF: {**conf, "checkpoint_map": places}}


def state_address(task: Task, config: Any) -> Any:
    """Where the checkpoints of the graph are that a task's node calls; None when it calls none.

    Args:
        config: addresses the checkpoint that the task is due on.
    """
    child = task.node.subgraph
    if child is None or child.checkpointer is False:
        return None
    return {CONF: {"thread_id": config[CONF]["thread_id"], "checkpoint_ns": task.namespace}}


def task_snapshot(task: Task, status: Status, output: Output, *, live: bool, state: Any) -> Any:
    """A task of a snapshot (pregel/debug.py:tasks_w_writes).

    Args:
        task, status: which one, and what became of it.
        output: the keys of its result.
        live: only the interrupts count that still wait for an answer.
        state: of the graph that its node calls, or the config that addresses it; or None.
    """
    interrupts = status.pending_interrupts if live else status.interrupts
    return _class_of(PregelTask)(
        task.id,
        task.node.name,
        task.path,
        status.error,
        tuple(interrupts),
        state,
        _result(status.output, output) if status.output else None,
    )


def _result(writes: list[tuple[str, Any]], output: Output) -> Any:
    for name, value in writes:
        if name == RETURN:
            return value
    result = writes_by_key((name, value) for name, value in writes if name in output.keys)
    return result.get(output.keys[0]) if output.single_value else result


def writes_by_key(writes: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Writes by key; several to one as `{"$writes": [...]}`."""
    by_key: dict[str, Any] = {}
    for name, value in writes:
        before = by_key.get(name)
        if before is None:
            by_key[name] = value
        elif isinstance(before, dict) and "$writes" in before:
            before["$writes"].append(value)
        else:
            by_key[name] = {"$writes": [before, value]}
    return by_key


def _class_of(own: Any) -> Any:
    """LangGraph's class of the same name when it is loaded, or `own`."""
    return loaded("langgraph.types", own.__name__) or own
