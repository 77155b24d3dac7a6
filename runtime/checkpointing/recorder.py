"""What a run records on its thread: the writes of its tasks, and checkpoints.

Upstream: `put_writes` and `_put_checkpoint` of pregel/_loop.py (spec §4.7, §4.12).
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.checkpointing import delta_snapshots, model
from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.checkpointing.model import Writes
from lgc.runtime.checkpointing.resume import scratchpad_with_answers
from lgc.runtime.checkpointing.task_status import statuses
from lgc.runtime.checkpointing.thread_state import ThreadState
from lgc.runtime.constants import CONF, ERROR, ERROR_SOURCE_NODE, NULL_TASK_ID, TASKS
from lgc.runtime.engine.task import Task
from lgc.runtime.ids import draw_checkpoint_id
from lgc.runtime.public.messages import ensure_message_ids
from lgc.runtime.upstream import is_a


class Recorder:
    """Records one run on its thread.

    Args:
        thread: the thread, which is loaded when the run starts.
        writer: takes the saver calls; None when there is no saver.

    Attributes:
        forced_snapshots: the DeltaChannels that the next stored checkpoint holds in whole, because
            the writes along the thread would not give their value back.
    """

    def __init__(self, thread: ThreadState, writer: CheckpointWriter | None) -> None:
        self.thread: ThreadState = thread
        self.writer: CheckpointWriter | None = writer
        # ExitRecorder stores at the end of the run instead.
        self.stores_at_once: bool = True
        self.forced_snapshots: dict[str, bool] = {}
        # The tasks that `thread.pending_writes` has writes of, and those that wrote in this run.
        self._writers: dict[str, bool] = {}
        self.written: dict[str, bool] = {}
        # Of DeltaChannels: the writes that were pending when the run started, and the tasks that
        # have been given theirs again.
        self._loaded_writes: list[tuple[str, str, Any]] = []
        self._reapplied: dict[str, bool] = {}

    # -- writes -----------------------------------------------------------------

    def begin(self) -> None:
        """The thread is loaded."""
        pending = self.thread.pending_writes
        self._writers = {write[0]: True for write in pending}

    def delta_keys(self) -> dict[str, bool]:
        """The DeltaChannels (channels.kinds.delta_keys)."""
        return self.thread.values.program.delta_keys

    def put_task_writes(
        self, task: Task, writes: list[tuple[str, object]], *, is_last: bool
    ) -> None:
        """Records what a task has written that has finished, failed or asked.

        Args:
            is_last: it has finished, and the checkpoint of its superstep comes next.

        Raises:
            Exception: a saver that serialises at once cannot serialise them.
        """
        self._put(task.id, task.path_text, writes, is_last)

    def put_command(self, writes: Writes) -> None:
        """Records what a Command given as input writes.

        Raises:
            As `put_task_writes`.
        """
        self._put(NULL_TASK_ID, "", writes, False)

    def _put(self, task_id: str, path: str, writes: Writes, is_last: bool) -> None:
        """Records writes, and has them stored (pregel/_loop.py:put_writes)."""
        thread = self.thread
        self.written[task_id] = True
        indexes = model.WRITE_INDEXES
        if writes[0][0] in indexes and all(name in indexes for name, _ in writes):
            writes = list({write[0]: write for write in writes}.values())
        stored = writes
        again: Writes = []
        if task_id == NULL_TASK_ID:
            before = len(thread.pending_writes)
            thread.pending_writes = [
                write
                for write in thread.pending_writes
                if write[0] != task_id or write[1] not in indexes
            ]
            # RESUME and ERROR last: they are replaced next time, and savers key writes by index.
            special = [write for write in writes if write[0] in indexes]
            writes = [write for write in writes if write[0] not in indexes] + special
            stored = [(key, value) for task, key, value in thread.pending_writes if task == task_id]
            stored += writes
            if len(thread.pending_writes) < before and len(special) < len(stored):
                # A saver on SQL replaces a special write only by one that comes alone.
                again = special
        elif task_id in self._writers:
            thread.pending_writes = [
                write for write in thread.pending_writes if write[0] != task_id
            ]
        self._writers[task_id] = True
        for name, value in writes:
            thread.pending_writes.append((task_id, name, value))
        if self.writer is None or not self.stores_at_once:
            return
        if thread.values.program.untracked:
            stored = self._without_untracked(stored)
        config = thread.current_config()
        if again:
            self.writer.put_writes(config, again, task_id, path)
        if is_last:
            self.writer.hold_for_checkpoint(config, stored, task_id, path)
        else:
            self.writer.put_writes(config, stored, task_id, path)

    def _without_untracked(self, writes: Writes) -> Writes:
        """Writes without those to UntrackedValues, which are not stored either in a Send."""
        untracked = self.thread.values.program.untracked
        return [
            (name, self._stored_send(value) if name == TASKS else value)
            for name, value in writes
            if name not in untracked
        ]

    def _stored_send(self, packet: Any) -> Any:
        """A Send as it is stored."""
        if not is_a(packet, "Send") or not isinstance(packet.arg, dict):
            return packet
        untracked = self.thread.values.program.untracked
        arg = {key: value for key, value in packet.arg.items() if key not in untracked}
        return type(packet)(node=packet.node, arg=arg, timeout=packet.timeout)

    def reapply(self, tasks: list[Task]) -> None:
        """Gives the tasks that finished in an earlier run what they wrote."""
        by_task = statuses(self.thread.pending_writes)
        for task in tasks:
            status = by_task.get(task.id)
            if status is not None:
                task.writes.extend(status.output)
                self._reapplied[task.id] = True

    def prepare_handler(self, task: Task) -> None:
        """Gives the task of an error handler what it has to resume, or wrote in an earlier run."""
        thread = self.thread
        if not thread.pending_writes:
            return
        task.pad = scratchpad_with_answers(thread.pending_writes, task)
        if not thread.is_replaying:
            self.reapply([task])

    def failures(self) -> dict[str, Any]:
        """What is stored of the failures that an error handler was to run for, by task id."""
        pending = self.thread.pending_writes
        routed = {task for task, key, _ in pending if key == ERROR_SOURCE_NODE}
        found: dict[str, Any] = {}
        for task, key, value in pending if routed else ():
            if key == ERROR and task in routed:
                found.setdefault(task, value)
        return found

    def clear_pending(self) -> None:
        """The writes of a superstep are applied; its checkpoint replaces them."""
        self.thread.pending_writes = []
        self._writers.clear()

    # -- checkpoints ------------------------------------------------------------

    def make_checkpoint(self, source: str, updated: list[int] | None) -> None:
        """Makes the next checkpoint, and has it stored unless that is left to the run's end.

        Args:
            source: "input", "loop" or "fork".
            updated: the slots that the superstep changed; None after a fork.

        Raises:
            Exception: a saver that serialises at once cannot serialise it.
        """
        thread = self.thread
        scope = thread.scope
        metadata: dict[str, Any] = {
            "source": source,
            "step": scope.step,
            "parents": scope.config[CONF].get("checkpoint_map", {}),
        }
        channels = thread.values.channels
        odd = thread.values.odd_names
        keys = None if updated is None else [odd.get(s, channels[s].key) for s in updated]
        counters: delta_snapshots.Counters = {}
        delta_keys = self.delta_keys()
        if delta_keys:
            before = thread.metadata.get(delta_snapshots.COUNTERS)
            counters = delta_snapshots.counted(delta_keys, before, keys or ())
        thread.metadata = metadata
        self.build(draw_checkpoint_id(scope.step), keys, counters, self.stores_at_once)
        scope.step += 1

    def build(
        self,
        checkpoint_id: str,
        updated: list[str] | None,
        counters: delta_snapshots.Counters,
        stores: bool,
    ) -> None:
        """Makes a checkpoint of the channels as they are (_put_checkpoint)."""
        thread = self.thread
        delta_keys = self.delta_keys()
        stores = stores and self.writer is not None
        snapshots: dict[str, bool] = {}
        values = thread.checkpoint["channel_values"]
        if stores:
            if delta_keys:
                channels = thread.values.channels
                snapshots = delta_snapshots.due(channels, counters, thread.versions.versions)
                snapshots.update(self.forced_snapshots)
            values = thread.versions.stored(thread.values, snapshots)
        # Nobody sees the time of a checkpoint that is not stored.
        timestamp = model.now() if stores else ""
        thread.checkpoint = thread.new_checkpoint(checkpoint_id, timestamp, values, updated)
        thread.scope.checkpoint_id = checkpoint_id
        thread.scope.is_v1_checkpoint = False
        if delta_keys:
            for key in snapshots:
                counters[key] = (0, 0)
                self.forced_snapshots.pop(key, None)
            delta_snapshots.set_counters(thread.metadata, counters)
        if stores:
            self._put_checkpoint()

    def _put_checkpoint(self) -> None:
        """Has the newest checkpoint stored."""
        thread = self.thread
        values = thread.checkpoint["channel_values"]
        if thread.values.program.untracked and TASKS in values:
            values[TASKS] = [self._stored_send(packet) for packet in values[TASKS]]
        before = thread.checkpoint_config
        conf = before[CONF]
        thread.parent_config = before if conf.get("checkpoint_id") else None
        thread.checkpoint_config = {
            **before,
            CONF: {**conf, "checkpoint_id": thread.checkpoint["id"]},
        }
        new_versions = thread.versions.pop_new_versions()
        assert self.writer is not None
        self.writer.put(before, thread.checkpoint, thread.metadata, new_versions)

    # -- DeltaChannels (spec §3.3) ----------------------------------------------

    def force_snapshots(self, *, reapplies: bool) -> None:
        """Has channels stored in whole whose pending writes the run may not give back.

        Args:
            reapplies: the run gives tasks that finished before what they wrote.
        """
        keys = self.delta_keys()
        if not keys:
            return
        pending = self.thread.pending_writes
        if reapplies:
            self._loaded_writes = [write for write in pending if write[0] != NULL_TASK_ID]
        else:
            self.forced_snapshots = delta_snapshots.written(keys, [write[1:] for write in pending])

    def force_command_snapshots(self, writes: Writes) -> None:
        """A fork takes over the writes of a Command: what they change is stored in whole."""
        keys = self.delta_keys()
        if keys:
            ensure_message_ids(writes, keys)
            self.forced_snapshots.update(delta_snapshots.written(keys, writes))

    def before_apply(self, tasks: list[Task]) -> None:
        """Notes what a superstep does to DeltaChannels, before a reducer takes the writes over."""
        keys = self.delta_keys()
        if not keys:
            return
        for task in tasks:
            self.forced_snapshots.update(delta_snapshots.replaced(keys, task.writes))
        lost = [write[1:] for write in self._loaded_writes if write[0] not in self._reapplied]
        self.forced_snapshots.update(delta_snapshots.written(keys, lost))
        self._loaded_writes = []

    def after_apply(self) -> None:
        """The reducers have taken the superstep's writes over."""

    def flush_exit(self, tasks: list[Task]) -> None:
        """Has stored what is left to the end of the run: nothing, unless durability is "exit".

        Args:
            tasks: those of the last superstep.
        """
