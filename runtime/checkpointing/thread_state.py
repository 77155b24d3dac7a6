"""A thread at one of its checkpoints: values, versions, pending writes; no loop, no saver calls.

Upstream: the part of pregel/_loop.py and pregel/_algo.py that a look at a thread and a run share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lgc.runtime.checkpointing import delta_snapshots, model
from lgc.runtime.checkpointing.checkpoint_migration import migrate
from lgc.runtime.checkpointing.checkpoint_writer import keeps_checkpoint
from lgc.runtime.checkpointing.copies import copied_checkpoint
from lgc.runtime.checkpointing.model import PendingWrites
from lgc.runtime.checkpointing.resume import scratchpad_with_answers
from lgc.runtime.checkpointing.versions import ChannelVersions
from lgc.runtime.constants import CONF, INTERRUPT
from lgc.runtime.engine.channel_values import ChannelValues
from lgc.runtime.engine.prepare import prepare_tasks, triggered
from lgc.runtime.engine.run import RunScope
from lgc.runtime.engine.task import Task
from lgc.runtime.ids import draw_checkpoint_id

Request = tuple[str, tuple[Any, ...], dict[str, Any]]
"""A saver call to make: the method's name, arguments, keywords. An async driver calls the method of
the same name with an "a" before it."""


class ThreadState:
    """A thread at one of its checkpoints.

    Args:
        scope: what is said of the run, or of the look, at the thread.

    Attributes:
        checkpoint: the newest one.
        metadata: its metadata.
        checkpoint_config: the config that addresses it; what the caller gave is in it.
        parent_config: addresses its parent, or None.
        pending_writes: those that belong to it: `(task id, channel, value)`.
        versions: the versions of its channels.
        loaded_config, loaded_id: address and id of the checkpoint that was loaded.
        is_new: there was none to load.
        is_addressed: the caller named the checkpoint.
        is_superseded: the thread has a newer checkpoint than the one that was named.
        is_replaying: what finished after that checkpoint runs again.
    """

    def __init__(self, scope: RunScope) -> None:
        self.scope: RunScope = scope
        self.values: ChannelValues = scope.values
        self.checkpoint: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.checkpoint_config: dict[str, Any] = scope.config
        self.loaded_config: dict[str, Any] = scope.config
        self.parent_config: dict[str, Any] | None = None
        self.pending_writes: PendingWrites = []
        self.versions: ChannelVersions = ChannelVersions(
            {"channel_versions": {}, "versions_seen": {}}, _increment
        )
        self.loaded_id: str = ""
        self.is_new: bool = True
        self.is_addressed: bool = False
        self.is_superseded: bool = False
        self.is_replaying: bool = False
        # The channels that are rebuilt from the thread's writes.
        self._rebuilt: list[str] = []
        # Whether `values.updated` names the newest changes: else any node may be due.
        self._knows_updated: bool = False

    # -- loading ----------------------------------------------------------------

    def load_checkpoint(self, saved: Any, config: dict[str, Any]) -> None:
        """Takes over a checkpoint that the saver returned, or the empty one.

        The channels of `history_request` have their values only after `rebuild`.

        Args:
            saved: a CheckpointTuple, or None.
            config: what it was asked for with.

        Raises:
            Exception: a channel does not take the value that is stored for it.
        """
        scope = self.scope
        program = scope.program
        if saved is None:
            self.checkpoint = model.empty(draw_checkpoint_id(-2))
            self.metadata = {"step": -2}
            self.checkpoint_config = {**config, CONF: {"checkpoint_ns": "", **config[CONF]}}
        else:
            self.is_new = False
            self.checkpoint = saved.checkpoint
            if scope.saver is not None and keeps_checkpoint(scope.saver):
                # The channels go on with the containers.
                self.checkpoint = copied_checkpoint(saved.checkpoint)
            self.metadata = saved.metadata
            self.parent_config = saved.parent_config
            self.pending_writes = [
                (str(task), key, value) for task, key, value in saved.pending_writes or ()
            ]
            migrate(self.checkpoint, program.by_name, program.edges)
            conf = {"checkpoint_ns": "", **config[CONF], **saved.config.get(CONF, {})}
            self.checkpoint_config = {**config, **saved.config, CONF: conf}
        self.loaded_config = self.checkpoint_config
        scope.set_namespace(self.checkpoint_config[CONF]["checkpoint_ns"])
        scope.is_v1_checkpoint = self.checkpoint["v"] == 1
        self.loaded_id = scope.checkpoint_id = self.checkpoint["id"]
        next_version = _increment if scope.saver is None else scope.saver.get_next_version
        self.versions = ChannelVersions(self.checkpoint, next_version)
        is_reshaped = self.versions.restore(self.values, self.checkpoint["channel_values"])
        updated = self.checkpoint.get("updated_channels")
        self._knows_updated = bool(updated) and not is_reshaped
        self.values.updated = [program.index[key] for key in updated or () if key in program.index]
        scope.step = self.metadata["step"] + 1
        scope.set_stop(scope.step + scope.options.limit + 1)

    def history_request(self) -> Request | None:
        """The saver call whose result `rebuild` takes; None when it needs none.

        The value of a DeltaChannel may be in the writes of earlier checkpoints (spec §3.3).
        """
        if self.scope.saver is None:
            return None
        channels = self.values.program.channels
        self._rebuilt = delta_snapshots.keys_to_rebuild(channels, self.checkpoint)
        if not self._rebuilt:
            return None
        arguments = {"config": self.checkpoint_config, "channels": self._rebuilt}
        return "get_delta_channel_history", (), arguments

    def rebuild(self, history: Mapping[str, Any]) -> None:
        """Gives the channels of `history_request` their values.

        Args:
            history: by key, what the saver returned.
        """
        values = self.values
        for key in self._rebuilt:
            slot = values.program.index[key]
            channel = delta_snapshots.replayed(values.channels[slot], history[key])
            values.set_channel(slot, channel)
        values.order()

    # -- tasks ------------------------------------------------------------------

    def prepare(self) -> list[Task]:
        """The tasks that are due, with what they have to resume.

        Raises:
            As `engine.prepare.prepare_tasks`.
        """
        positions = triggered(self.scope) if self._knows_updated else self._all_positions()
        tasks = prepare_tasks(self.scope, self._triggered_of(positions))
        if self.pending_writes:
            for task in tasks:
                task.pad = scratchpad_with_answers(self.pending_writes, task)
        return tasks

    def prepare_all(self) -> list[Task]:
        """The tasks that are due, looking at every node in the builder's order; they do not run."""
        return prepare_tasks(self.scope, self._triggered_of(self._all_positions()))

    def _all_positions(self) -> list[int]:
        return self.values.program.defined

    def _triggered_of(self, positions: list[int]) -> list[int]:
        """Those of the nodes at `positions` that something has started."""
        versions = self.versions
        if not versions.versions:
            return []
        values = self.values
        nodes = values.program.nodes
        return [
            position for position in positions if versions.is_triggered(values, nodes[position])
        ]

    def stops_at(self, names: Any, tasks: list[Task]) -> bool:
        """Whether a breakpoint at `names` stops the run at `tasks` (should_interrupt).

        Args:
            names: of nodes, or "*".
        """
        if not self.versions.has_moved_since(INTERRUPT):
            return False
        stops = False
        # Every task is looked for, as upstream does: `names` may be an iterator.
        for task in tasks:
            if not task.node.is_start if names == "*" else task.node.name in names:
                stops = True
        return stops

    # -- writes -----------------------------------------------------------------

    def apply(self, taskless: list[tuple[str, object]] | None, tasks: Any) -> None:
        """Applies writes and moves the versions; `values.updated` is what changed.

        Args:
            taskless: the writes of no task, or None.
            tasks: the tasks of the superstep, a list of TaskWrites.

        Raises:
            InvalidUpdateError: a channel cannot take its writes together.
            Exception: what a reducer raised.
        """
        self.values.updated = self.versions.apply(self.values, taskless, tasks)
        self._knows_updated = len(self.values.updated) > 0

    def apply_command(self, writes: list[tuple[str, object]]) -> None:
        """Applies the writes of a Command; the nodes they start join those that were due."""
        changed = self.versions.apply(self.values, writes, [])
        if self._knows_updated:
            updated = self.values.updated
            self.values.updated = updated + [slot for slot in changed if slot not in updated]

    def updated_keys(self) -> list[str] | None:
        """The channels that changed last; None when that is not known by name."""
        if not self._knows_updated:
            return None
        return [self.values.channels[slot].key for slot in self.values.updated]

    # -- checkpoints ------------------------------------------------------------

    def current_config(self) -> dict[str, Any]:
        """The config that addresses the newest checkpoint, stored or not."""
        conf = self.checkpoint_config[CONF]
        if conf.get("checkpoint_id") == self.checkpoint["id"]:
            return self.checkpoint_config
        return {
            **self.checkpoint_config,
            CONF: {**conf, "checkpoint_id": self.checkpoint["id"]},
        }

    def new_checkpoint(
        self, checkpoint_id: str, timestamp: str, values: dict[str, Any], updated: Any
    ) -> dict[str, Any]:
        """A checkpoint of the channels as they are.

        Args:
            checkpoint_id: its id.
            timestamp: when it was made; "" for one that nobody gets to see.
            values: what it stores of the channels.
            updated: the names of those that the superstep changed, or None.
        """
        return {
            "v": model.VERSION,
            "ts": timestamp,
            "id": checkpoint_id,
            "channel_values": values,
            "channel_versions": self.versions.versions,
            "versions_seen": self.versions.seen,
            "updated_channels": None if updated is None else sorted(updated),
        }


def latest_config(config: dict[str, Any]) -> dict[str, Any]:
    """A config that addresses the newest checkpoint of the thread of `config`."""
    return {**config, CONF: {**config[CONF], "checkpoint_id": None}}


def has_moved_past(saved: Any, latest: Any) -> bool:
    """Whether a thread has a newer checkpoint than `saved`.

    Args:
        saved: the CheckpointTuple that was addressed.
        latest: what the saver returned for `latest_config`.
    """
    return latest is not None and latest.checkpoint["id"] != saved.checkpoint["id"]


def _increment(current: Any, channel: Any) -> int:
    """The versions of a run without a saver."""
    return 1 if current is None else current + 1
