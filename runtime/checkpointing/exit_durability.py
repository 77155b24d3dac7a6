"""Durability "exit": what a run stores is left to its end (spec §4.12).

Upstream: the exit half of pregel/_loop.py. The writes to DeltaChannels of all supersteps are stored
too, since their value is made again from them (spec §3.3).
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.checkpointing import delta_snapshots, model
from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.checkpointing.copies import copied
from lgc.runtime.checkpointing.model import Writes
from lgc.runtime.checkpointing.recorder import Recorder
from lgc.runtime.checkpointing.thread_state import ThreadState
from lgc.runtime.constants import CONF, NULL_TASK_ID
from lgc.runtime.engine.task import Task
from lgc.runtime.ids import draw_checkpoint_id

DeltaWrite = tuple[int, str, str, str, Any]
"""Superstep, task id, task path, key and value."""


class ExitRecorder(Recorder):
    """Records a run that stores nothing before its end.

    Args:
        thread, writer: as of a Recorder.
    """

    def __init__(self, thread: ThreadState, writer: CheckpointWriter | None) -> None:
        super().__init__(thread, writer)
        self.stores_at_once = False
        self._is_flushed: bool = False
        # Of DeltaChannels: the writes that the checkpoint holds already, what a Command wrote, the
        # writes of the superstep that is about to be applied, and those of the supersteps before.
        self._stored: dict[tuple[str, str], bool] = {}
        self._command_writes: Writes = []
        self._superstep_writes: list[DeltaWrite] = []
        self._exit_writes: list[DeltaWrite] = []

    def begin(self) -> None:
        super().begin()
        keys = self.delta_keys()
        if keys:
            self._stored = {
                (task, key): True
                for task, key, _ in self.thread.pending_writes
                if task != NULL_TASK_ID and key in keys
            }

    def put_command(self, writes: Writes) -> None:
        super().put_command(writes)
        keys = self.delta_keys()
        self._command_writes = [write for write in writes if write[0] in keys]

    def before_apply(self, tasks: list[Task]) -> None:
        super().before_apply(tasks)
        if self.delta_keys():
            self._superstep_writes = self._writes_of_superstep(tasks)

    def after_apply(self) -> None:
        self._exit_writes += self._superstep_writes
        self._superstep_writes = []

    def flush_exit(self, tasks: list[Task]) -> None:
        """Has stored what durability "exit" has left to the end of the run; does it once.

        Args:
            tasks: those of the last superstep.

        Raises:
            Exception: a saver that serialises at once cannot serialise it.
        """
        if self._is_flushed or self.writer is None:
            return
        self._is_flushed = True
        thread = self.thread
        if self._exit_writes:
            self._put_exit_writes()
        if thread.checkpoint["id"] != thread.loaded_id:
            counters = dict(thread.metadata.get(delta_snapshots.COUNTERS) or {})
            updated = thread.checkpoint["updated_channels"]
            if updated is None:
                # A fork after which nothing ran: by now it is known what changed before.
                updated = thread.updated_keys()
            self.build(thread.checkpoint["id"], updated, counters, True)
        by_task: dict[str, Writes] = {}
        for task_id, name, value in thread.pending_writes:
            # What was loaded is stored; under new positions it would count twice.
            if task_id in self.written:
                by_task.setdefault(task_id, []).append((name, value))
        paths = {task.id: task.path_text for task in tasks}
        for task_id, writes in by_task.items():
            config = thread.current_config()
            self.writer.put_writes(config, writes, task_id, paths.get(task_id, ""))

    def _writes_of_superstep(self, tasks: list[Task]) -> list[DeltaWrite]:
        """The superstep's writes to DeltaChannels as they are now."""
        keys = self.delta_keys()
        step = self.thread.scope.step
        is_first = step == self.thread.scope.first_step
        writes: list[DeltaWrite] = []
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
        counters = thread.metadata.get(delta_snapshots.COUNTERS) or {}
        channels, versions = thread.values.channels, thread.versions.versions
        whole = delta_snapshots.due(channels, counters, versions)
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
                place = (delta_snapshots.exit_task_id(step, task), "")
            elif step == first_step:
                place = (delta_snapshots.exit_task_id(step, task), path)
            else:
                place = (delta_snapshots.late_exit_task_id(step, task), f"~~{step:010d}{path}")
            grouped.setdefault(place, []).append((key, value))
        for (task_id, path), writes in grouped.items():
            self.writer.put_writes(anchor, writes, task_id, path)
