"""Updates of a thread's state from outside a run (spec §6, bulk_update_state).

What has to wait, for the saver or for the routers of a node, is an Operation (state_snapshots.py).

This file stays interpreted: users derive from its named tuple.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lgc.runtime.checkpointing import delta_snapshots, model
from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.checkpointing.model import Writes
from lgc.runtime.checkpointing.state_snapshots import (
    Operation,
    detached_thread,
    load_checkpoint,
    with_parents,
)
from lgc.runtime.checkpointing.task_status import statuses
from lgc.runtime.checkpointing.thread_state import ThreadState, has_moved_past, latest_config
from lgc.runtime.config.merge import merge_configs
from lgc.runtime.constants import CONF, END, INPUT, INTERRUPT, NULL_TASK_ID, START
from lgc.runtime.drivers.call import refresh_langchain_var
from lgc.runtime.engine.program import Program
from lgc.runtime.engine.task import Task
from lgc.runtime.engine.update_task import UpdateTask
from lgc.runtime.ids import draw_checkpoint_id
from lgc.runtime.public.messages import ensure_message_ids
from lgc.runtime.upstream import error_class

COPY = "__copy__"
"""As the node of an update: copies the checkpoint."""


class StateUpdate(NamedTuple):
    """One update of a superstep (types.py:StateUpdate).

    Attributes:
        values: what a node would have returned.
        as_node: the node; None for the one that wrote last.
        task_id: the id of the task the writes are stored under.
    """

    values: Any
    as_node: str | None = None
    task_id: str | None = None


def bulk_update_state(
    program: Program,
    bound: Any,
    writer: CheckpointWriter,
    config: Any,
    supersteps: Sequence[Sequence[Any]],
) -> Operation[Any]:
    """Applies updates to a thread as if its nodes had made them.

    Args:
        program: what runs on the thread.
        bound: the config bound to the graph, or None.
        writer: takes the writes to store; its saver keeps the thread.
        config: addresses it, and the checkpoint to go on from.
        supersteps: for each checkpoint to make, its StateUpdates.

    Returns:
        The config that addresses the last of them.

    Raises:
        InvalidUpdateError: an update is for no node, or it is not clear for which.
        Exception: what a conditional edge, a reducer or the saver raised.
    """
    conf = config[CONF]
    current = {**config, CONF: {**conf, "thread_id": str(conf["thread_id"])}}
    for number, updates in enumerate(supersteps):
        update = _Update(program, bound, writer, current, number == 0)
        current = yield from update.perform(updates)
    return current


class _Update:
    """One superstep of updates.

    Args:
        program, bound, writer: as in `bulk_update_state`.
        config: addresses the checkpoint to go on from.
        is_first: it is the caller's; the others were made just now, and have no other children.
    """

    def __init__(
        self, program: Program, bound: Any, writer: CheckpointWriter, config: Any, is_first: bool
    ) -> None:
        self.program = program
        self.bound = bound
        self.writer = writer
        self.is_first = is_first
        refresh_langchain_var()
        self.config = merge_configs(bound, config)
        output = program.output((START,), True)
        self.thread: ThreadState = detached_thread(program, writer.saver, self.config, output)
        self.saved: Any = None
        self.step: int = -1
        self.forced_snapshots: dict[str, bool] = {}

    def perform(self, updates: Sequence[Any]) -> Operation[Any]:
        """Makes the checkpoint; the config that addresses it."""
        yield from self._load()
        values, as_node = updates[0][:2]
        alone = len(updates) == 1
        if values is None and as_node == END:
            _require(alone, "Cannot apply multiple updates when clearing state")
            return (yield from self._clear())
        if as_node == INPUT:
            _require(alone, "Cannot apply multiple updates when updating as input")
            return (yield from self._input(values))
        if as_node == COPY:
            _require(alone, "Cannot copy checkpoint with multiple updates")
            return (yield from self._copy(values))
        return (yield from self._update(updates))

    def _load(self) -> Operation[None]:
        """Loads the checkpoint to go on from."""
        saved = self.saved = yield "get_tuple", (self.config,), {}
        yield from load_checkpoint(self.thread, saved, self.config)
        if saved is not None:
            self.step = saved.metadata.get("step", -1)
        # What was pending belongs to a child: a branch does not replay it.
        if self.is_first:
            pending = [write[1:] for write in self.thread.pending_writes]
            self.forced_snapshots = delta_snapshots.written(self.program.delta_keys, pending)

    def _clear(self) -> Operation[Any]:
        """The tasks that are due are over."""
        thread = self.thread
        updated: set[str] = set()
        if self.saved is not None:
            tasks = thread.prepare_all()
            taskless = [write[1:] for write in thread.pending_writes if write[0] == NULL_TASK_ID]
            if taskless:
                thread.apply(taskless, [])
                updated.update(self._updated_keys())
            by_task = statuses(thread.pending_writes)
            for task in tasks:
                if task.id in by_task:
                    task.writes.extend(by_task[task.id].output)
            thread.apply(None, tasks)
            updated.update(self._updated_keys())
        return (yield from self._put("update", self.step + 1, self.step, updated))

    def _input(self, values: Any) -> Operation[Any]:
        """The values are an input."""
        _require(values is not None, f"Received no input writes for {START}")
        writes: Writes = [(START, values)]
        task_id = _named(self.thread.checkpoint["id"], INPUT)
        yield from self._store([(task_id, writes, None)])
        self.thread.apply(writes, [])
        is_known = self.saved is not None and self.saved.metadata.get("step") is not None
        step = self.step + 1 if is_known else -1
        return (yield from self._put("input", step, step, self._updated_keys()))

    def _copy(self, values: Any) -> Operation[Any]:
        """A copy of the checkpoint, and, in one go, a superstep of updates upon it."""
        thread, saved = self.thread, self.saved
        _require(saved is not None, "Cannot copy a non-existent checkpoint")
        stored = thread.checkpoint["channel_values"]
        timestamp = model.now()
        copy = thread.new_checkpoint(draw_checkpoint_id(self.step), timestamp, stored, None)
        metadata: dict[str, Any] = {
            "source": "fork",
            "step": self.step + 1,
            "parents": saved.metadata.get("parents", {}),
        }
        if delta_snapshots.COUNTERS in saved.metadata:
            metadata[delta_snapshots.COUNTERS] = saved.metadata[delta_snapshots.COUNTERS]
        parent = saved.parent_config
        if not parent:
            parent = {**saved.config, CONF: {**saved.config[CONF], "checkpoint_id": None}}
        address = yield "put", (parent, copy, metadata, {}), {}
        copied = with_parents(address, saved.metadata)
        if not isinstance(values, list) or not values:
            return copied
        scope = thread.scope
        thread.checkpoint = copy
        scope.checkpoint_id = copy["id"]
        scope.step = self.step + 2
        scope.set_stop(self.step + 4)
        scope.is_v1_checkpoint = False
        updates = _of_copy(values, thread.prepare_all())
        update = _Update(self.program, self.bound, self.writer, copied, False)
        return (yield from update.perform(updates))

    def _update(self, updates: Sequence[Any]) -> Operation[Any]:
        """The values are what nodes returned."""
        thread = self.thread
        scope = thread.scope
        ids: dict[str, list[str]] = {}
        if self.saved is not None and self.saved.pending_writes is not None:
            # The ids of the tasks that are due, so that they are seen to have this result.
            scope.step = self.step + 1
            for due in thread.prepare_all():
                ids.setdefault(due.node.name, []).append(due.id)
        scope.step = self.step
        scope.set_stop(self.step + 2)
        tasks: list[UpdateTask] = []
        for number, (values, as_node, own_id) in enumerate(self._valid(updates)):
            prepared = ids.get(as_node)
            name = f"{INTERRUPT}:{number}" if number else INTERRUPT
            task_id = own_id or (
                prepared.pop(0) if prepared else _named(thread.checkpoint["id"], name)
            )
            task = UpdateTask(scope, self.program.by_name[as_node], number, task_id)
            task.returned_output(values)
            yield task
            tasks.append(task)
        updated = {name for task in tasks for name, _ in task.writes}
        for task in tasks:
            replaced = delta_snapshots.replaced(self.program.delta_keys, task.writes)
            self.forced_snapshots.update(replaced)
        yield from self._store([(task.id, task.writes, task) for task in tasks])
        thread.apply(None, tasks)
        return (yield from self._put("update", self.step + 1, self.step + 1, updated))

    def _valid(self, updates: Sequence[Any]) -> Iterable[tuple[Any, str, str | None]]:
        """The updates with the nodes they are for."""
        valid = []
        for values, as_node, task_id in updates:
            if as_node is None and len(updates) > 1:
                raise _invalid("as_node is required when applying multiple updates")
            node = self._last_writer() if as_node is None else as_node
            if node is None:
                raise _invalid("Ambiguous update, specify as_node")
            _require(node in self.program.by_name, f"Node {node} does not exist")
            valid.append((values, node, task_id))
        return valid

    def _last_writer(self) -> str | None:
        """The node that ran last, when it is clear which (pregel/main.py:_infer_as_node)."""
        seen = delta_snapshots.without_bumps(self.thread.versions.seen)
        if not any(version for read in seen.values() for version in read.values()):
            return START
        reads = sorted(
            (version, node)
            for node, read in seen.items()
            if node in self.program.by_name
            for version in read.values()
        )
        if len(reads) == 1 or (reads and reads[-1][0] != reads[-2][0]):
            return reads[-1][1]
        return None

    def _store(self, written: Sequence[tuple[str, Writes, Task | None]]) -> Operation[None]:
        """Stores the writes on the checkpoint that the update goes on from.

        DeltaChannels are rebuilt from there. When the thread has moved past it, its other
        children would read them too, so the new checkpoint stores those channels in whole.
        """
        keys = self.program.delta_keys
        if keys:
            for _, writes, _ in written:
                ensure_message_ids(writes, keys)
        if self.saved is None:
            return
        if self.is_first and (yield from self._is_superseded()):
            for _, writes, _ in written:
                self.forced_snapshots.update(delta_snapshots.written(keys, writes))
            return
        for task_id, writes, task in written:
            if writes:
                path = "" if task is None else task.path_text
                self.writer.put_writes(self.thread.checkpoint_config, writes, task_id, path)
                yield self.writer

    def _is_superseded(self) -> Operation[bool]:
        if not self.config[CONF].get("checkpoint_id"):
            return False
        latest = yield "get_tuple", (latest_config(self.config),), {}
        return has_moved_past(self.saved, latest)

    def _updated_keys(self) -> set[str]:
        return set(self.thread.updated_keys() or ())

    def _put(self, source: str, step: int, clock: int, updated: set[str]) -> Operation[Any]:
        """Stores the next checkpoint.

        Args:
            source: "update" or "input".
            step: the superstep in its metadata.
            clock: the superstep in its id.
            updated: the keys that changed.
        """
        thread = self.thread
        before: Mapping[str, Any] = {} if self.saved is None else self.saved.metadata
        metadata: dict[str, Any] = {
            "source": source,
            "step": step,
            "parents": before.get("parents", {}),
        }
        values = thread.versions.stored(thread.values, self._snapshots(metadata, updated))
        timestamp = model.now()
        checkpoint = thread.new_checkpoint(draw_checkpoint_id(clock), timestamp, values, None)
        new_versions = thread.versions.pop_new_versions()
        put = (thread.checkpoint_config, checkpoint, metadata, new_versions)
        address = yield "put", put, {}
        return with_parents(address, before)

    def _snapshots(self, metadata: dict[str, Any], updated: set[str]) -> dict[str, bool]:
        """The DeltaChannels to store in whole; the counters go into the metadata."""
        keys = self.program.delta_keys
        if not keys:
            return {}
        versions = self.thread.versions.versions
        if self.saved is None:
            return {key: True for key in keys if key in versions}
        before = self.saved.metadata.get(delta_snapshots.COUNTERS)
        counters = delta_snapshots.counted(keys, before, updated)
        snapshots = delta_snapshots.due(self.thread.values.channels, counters, versions)
        snapshots.update(self.forced_snapshots)
        for key in snapshots:
            counters[key] = (0, 0)
        delta_snapshots.set_counters(metadata, counters)
        return snapshots


def _of_copy(values: list[Any], tasks: list[Task]) -> list[StateUpdate]:
    """The updates upon a copied checkpoint, each under the id of a task that is due on it."""
    ids: dict[str, list[str]] = {}
    for task in tasks:
        ids.setdefault(task.node.name, []).append(task.id)
    by_node: dict[str, list[StateUpdate]] = {}
    for item in values:
        if not isinstance(item, Sequence):
            raise _invalid(f"Invalid update item: {item} when copying checkpoint")
        update, as_node = item[:2]
        group = by_node.setdefault(as_node, [])
        prepared = ids.get(as_node, [])
        task_id = prepared[len(group)] if len(group) < len(prepared) else None
        group.append(StateUpdate(update, as_node, task_id))
    return [update for group in by_node.values() for update in group]


def _named(checkpoint_id: str, name: str) -> str:
    """The id of writes that no task made: a uuid5 of the checkpoint's."""
    from uuid import UUID, uuid5

    return str(uuid5(UUID(checkpoint_id), name))


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise _invalid(text)


def _invalid(text: str) -> BaseException:
    error: BaseException = error_class("InvalidUpdateError")(text)
    return error
