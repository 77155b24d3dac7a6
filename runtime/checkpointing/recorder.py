"""What a run records on its thread: writes, checkpoints, and what is left to its end.

Upstream: `put_writes`, `_put_checkpoint` and the exit half of pregel/_loop.py (spec §4.7, §4.12).
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.checkpointing import delta_writes, model
from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.checkpointing.copies import copied
from lgc.runtime.checkpointing.task_status import statuses
from lgc.runtime.checkpointing.thread_state import ThreadState
from lgc.runtime.constants import CONF, NULL_TASK_ID, TASKS
from lgc.runtime.engine.task import Task
from lgc.runtime.ids import draw_checkpoint_id
from lgc.runtime.public.messages import ensure_message_ids
from lgc.runtime.upstream import is_a

Writes = list[tuple[str, Any]]


class Recorder:
    """Records one run on its thread.

    Args:
        thread: the thread, which is loaded when the run starts.
        writer: takes the saver calls; None when there is no saver.
        at_exit: checkpoints are stored when the run ends (durability "exit").

    Attributes:
        forced_snapshots: the DeltaChannels that the next stored checkpoint holds in whole, because
            the writes along the thread would not give their value back.
    """

    def __init__(self, thread: ThreadState, writer: CheckpointWriter | None, at_exit: bool) -> None:
        self.thread: ThreadState = thread
        self.writer: CheckpointWriter | None = writer
        self.at_exit: bool = at_exit
        self.forced_snapshots: dict[str, bool] = {}
        # The tasks that `thread.pending_writes` has writes of, and those that wrote in this run.
        self._writers: dict[str, bool] = {}
        self._written: dict[str, bool] = {}
        self._is_flushed: bool = False
        # Of DeltaChannels: the writes that were pending when the run started, whose tasks have
        # been given them again, and which of them are stored on the checkpoint already.
        self._loaded_writes: list[tuple[str, str, Any]] = []
        self._reapplied: dict[str, bool] = {}
        self._stored: dict[tuple[str, str], bool] = {}
        self._command_writes: Writes = []
        # What "exit" has to store: (superstep, task id, path, key, value).
        self._exit_writes: list[tuple[int, str, str, str, Any]] = []

    # -- writes -----------------------------------------------------------------

    def begin(self) -> None:
        """The thread is loaded."""
        pending = self.thread.pending_writes
        self._writers = {write[0]: True for write in pending}
        keys = self._delta_keys()
        if self.at_exit and keys:
            self._stored = {
                (task, key): True
                for task, key, _ in pending
                if task != NULL_TASK_ID and key in keys
            }

    def _delta_keys(self) -> dict[str, bool]:
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
        if self.at_exit:
            keys = self._delta_keys()
            self._command_writes = [write for write in writes if write[0] in keys]

    def _put(self, task_id: str, path: str, writes: Writes, is_last: bool) -> None:
        """Records writes, and has them stored (pregel/_loop.py:put_writes)."""
        thread = self.thread
        self._written[task_id] = True
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
        if self.writer is None or self.at_exit:
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
        keys = None if updated is None else [channels[slot].key for slot in updated]
        counters: delta_writes.Counters = {}
        delta_keys = self._delta_keys()
        if delta_keys:
            before = thread.metadata.get(delta_writes.COUNTERS)
            counters = delta_writes.counted(delta_keys, before, keys or ())
        thread.metadata = metadata
        self._build(draw_checkpoint_id(scope.step), keys, counters, not self.at_exit)
        scope.step += 1

    def _build(
        self,
        checkpoint_id: str,
        updated: list[str] | None,
        counters: delta_writes.Counters,
        stores: bool,
    ) -> None:
        """Makes a checkpoint of the channels as they are (_put_checkpoint)."""
        thread = self.thread
        delta_keys = self._delta_keys()
        stores = stores and self.writer is not None
        snapshots: dict[str, bool] = {}
        values = thread.checkpoint["channel_values"]
        if stores:
            if delta_keys:
                channels = thread.values.channels
                snapshots = delta_writes.due(channels, counters, thread.versions.versions)
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
            delta_writes.set_counters(thread.metadata, counters)
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

    # -- the end of the run -----------------------------------------------------

    def flush_exit(self, tasks: list[Task]) -> None:
        """Has stored what durability "exit" has left to the end of the run; does it once.

        Args:
            tasks: those of the last superstep.

        Raises:
            Exception: a saver that serialises at once cannot serialise it.
        """
        if not self.at_exit or self._is_flushed or self.writer is None:
            return
        self._is_flushed = True
        thread = self.thread
        if self._exit_writes:
            self._put_exit_writes()
        if thread.checkpoint["id"] != thread.loaded_id:
            counters = dict(thread.metadata.get(delta_writes.COUNTERS) or {})
            updated = thread.checkpoint["updated_channels"]
            if updated is None:
                # A fork after which nothing ran: by now it is known what changed before.
                updated = thread.updated_keys()
            self._build(thread.checkpoint["id"], updated, counters, True)
        by_task: dict[str, Writes] = {}
        for task_id, name, value in thread.pending_writes:
            # What was loaded is stored; under new positions it would count twice.
            if task_id in self._written:
                by_task.setdefault(task_id, []).append((name, value))
        paths = {task.id: task.path_text for task in tasks}
        for task_id, writes in by_task.items():
            config = thread.current_config()
            self.writer.put_writes(config, writes, task_id, paths.get(task_id, ""))

    # -- DeltaChannels (spec §3.3) ----------------------------------------------

    def force_snapshots(self, *, reapplies: bool) -> None:
        """Has channels stored in whole whose pending writes the run may not give back.

        Args:
            reapplies: the run gives tasks that finished before what they wrote.
        """
        keys = self._delta_keys()
        if not keys:
            return
        pending = self.thread.pending_writes
        if reapplies:
            self._loaded_writes = [write for write in pending if write[0] != NULL_TASK_ID]
        else:
            self.forced_snapshots = delta_writes.written(keys, [write[1:] for write in pending])

    def force_command_snapshots(self, writes: Writes) -> None:
        """A fork takes over the writes of a Command: what they change is stored in whole."""
        keys = self._delta_keys()
        if keys:
            ensure_message_ids(writes, keys)
            self.forced_snapshots.update(delta_writes.written(keys, writes))

    def before_apply(self, tasks: list[Task]) -> list[tuple[int, str, str, str, Any]]:
        """Notes what the superstep does to DeltaChannels, before a reducer takes the writes over.

        Returns:
            For `after_apply`: what "exit" has to store.
        """
        keys = self._delta_keys()
        if not keys:
            return []
        for task in tasks:
            self.forced_snapshots.update(delta_writes.replaced(keys, task.writes))
        lost = [write[1:] for write in self._loaded_writes if write[0] not in self._reapplied]
        self.forced_snapshots.update(delta_writes.written(keys, lost))
        self._loaded_writes = []
        return self._writes_of_superstep(tasks) if self.at_exit else []

    def after_apply(self, exit_writes: list[tuple[int, str, str, str, Any]]) -> None:
        """The reducers have taken the superstep's writes over."""
        self._exit_writes += exit_writes

    def _writes_of_superstep(self, tasks: list[Task]) -> list[tuple[int, str, str, str, Any]]:
        """The superstep's writes to DeltaChannels as they are now."""
        keys = self._delta_keys()
        step = self.thread.scope.step
        is_first = step == self.thread.scope.first_step
        writes: list[tuple[int, str, str, str, Any]] = []
        if is_first:
            for key, value in self._command_writes:
                writes.append((step, NULL_TASK_ID, "", key, copied(value)))
        paths = {task.id: task.path_text for task in tasks}
        for task, key, value in self.thread.pending_writes:
            if key not in keys:
                continue
            if is_first and (task == NULL_TASK_ID or (task, key) in self._stored):
                continue
            writes.append((step, task, paths.get(task, ""), key, copied(value)))
        return writes

    def _put_exit_writes(self) -> None:
        """Has stored what the run wrote to DeltaChannels where they are rebuilt from.

        That is the checkpoint the run started from; one without any gets an empty one.
        """
        thread = self.thread
        assert self.writer is not None
        if not thread.is_new and thread.is_addressed:
            # It may have other children, which would read them.
            for _, _, _, key, _ in self._exit_writes:
                self.forced_snapshots[key] = True
        counters = thread.metadata.get(delta_writes.COUNTERS) or {}
        channels, versions = thread.values.channels, thread.versions.versions
        whole = delta_writes.due(channels, counters, versions)
        whole.update(self.forced_snapshots)
        left = [write for write in self._exit_writes if write[3] not in whole]
        if not left:
            return
        anchor = thread.loaded_config
        if thread.is_new:
            # Upstream draws an id for it, too, and does not use it.
            draw_checkpoint_id(-2)
            stub = model.empty(thread.loaded_id)
            conf = anchor[CONF]
            self.writer.put(
                {**anchor, CONF: {**conf, "checkpoint_id": None}}, stub, {"step": -2}, {}
            )
            anchor = {**anchor, CONF: {**conf, "checkpoint_id": thread.loaded_id}}
            thread.checkpoint_config = anchor
        first_step = thread.scope.first_step
        grouped: dict[tuple[str, str], Writes] = {}
        for step, task, path, key, value in left:
            if task == NULL_TASK_ID:
                place = (delta_writes.exit_task_id(step, task), "")
            elif step == first_step:
                place = (delta_writes.exit_task_id(step, task), path)
            else:
                place = (delta_writes.late_exit_task_id(step, task), f"~~{step:010d}{path}")
            grouped.setdefault(place, []).append((key, value))
        for (task_id, path), writes in grouped.items():
            self.writer.put_writes(anchor, writes, task_id, path)
