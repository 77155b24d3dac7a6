"""The versions of a run's channels, and what its nodes have seen of them (spec §4.4, §4.5).

Upstream: `apply_writes` and `_triggers` of pregel/_algo.py, `create_checkpoint` of
pregel/_checkpoint.py. A run without a saver needs none of it: there `updated`
says all there is to know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lgc.runtime.channels import Channel
from lgc.runtime.checkpointing.delta_snapshots import mark_bumps_seen, snapshot
from lgc.runtime.checkpointing.model import Writes
from lgc.runtime.constants import INPUT, MISSING
from lgc.runtime.engine.channel_values import ChannelValues
from lgc.runtime.engine.program import Node, Program
from lgc.runtime.engine.task_writes import TaskWrites


class ChannelVersions:
    """What a checkpoint says of the channels of a run beside their values.

    Holds no reference to the run's channels: a back reference would be a cycle, and finished runs
    would wait for the garbage collector.

    Args:
        checkpoint: where they come from; its dicts of versions are this object's from now on.
        next_version: the saver's `get_next_version`.

    Attributes:
        versions: the version of each channel that was ever written.
        seen: by node, the versions it has run on.
        new_versions: the versions that no stored checkpoint has yet.
    """

    def __init__(self, checkpoint: dict[str, Any], next_version: Callable[..., Any]) -> None:
        self.versions: dict[str, Any] = checkpoint["channel_versions"]
        self.seen: dict[str, dict[str, Any]] = checkpoint["versions_seen"]
        self.new_versions: dict[str, Any] = {}
        self.next_version: Callable[..., Any] = next_version
        self.newest: Any = max(self.versions.values()) if self.versions else None

    def restore(self, values: ChannelValues, stored: dict[str, Any]) -> bool:
        """Gives the channels the values that a checkpoint holds.

        Where a node has been deferred since, what was to start it waits for the other nodes that
        are due, and no longer when there are none.

        Returns:
            Whether a node is deferred that was not when they were stored, or the other way round:
            the checkpoint's list of channels that start nodes may then lack some.
        """
        reshaped: list[Channel] = []
        for slot, prototype in enumerate(values.program.channels):
            if prototype.key in stored:
                channel = prototype.restore(stored[prototype.key])
                values.set_channel(slot, channel)
                if channel.reshaped:
                    reshaped.append(channel)
        values.order()
        if reshaped and not self._is_anything_due(values):
            for channel in reshaped:
                channel.finish()
        return len(reshaped) > 0

    def _is_anything_due(self, values: ChannelValues) -> bool:
        program = values.program
        if values.is_available(program.tasks_slot):
            return True
        return any(self.is_triggered(values, node) for node in program.nodes)

    def is_triggered(self, values: ChannelValues, node: Node) -> bool:
        """Whether a channel that starts `node` has changed since it last ran."""
        index = values.program.index
        seen = self.seen.get(node.name)
        for trigger in node.triggers:
            if not values.is_available(index[trigger]):
                continue
            if seen is None:
                return True
            version = self.versions.get(trigger)
            if version is not None and version > seen.get(trigger, type(version)()):
                return True
        return False

    def has_moved_since(self, node: str) -> bool:
        """Whether any channel has changed since `node` last saw all of them."""
        seen = self.seen.get(node, {})
        for key, version in self.versions.items():
            if version > seen.get(key, type(version)()):
                return True
        return False

    def mark_all_seen(self, program: Program, node: str) -> None:
        """Notes that `node` has seen every channel as it is."""
        seen = self.seen.setdefault(node, {})
        for channel in program.channels:
            if channel.key in self.versions:
                seen[channel.key] = self.versions[channel.key]

    def apply(
        self, values: ChannelValues, taskless: Writes | None, tasks: list[TaskWrites]
    ) -> list[int]:
        """Applies writes, and moves the versions of what they change (apply_writes).

        Args:
            values: the channels.
            taskless: the writes of no task: an input's, or those of a Command.
            tasks: the tasks of the superstep; without one, no step is made: channels that are
                not written are not told.

        Returns:
            The slots that changed and have a value.

        Raises:
            InvalidUpdateError: a channel cannot take its writes together.
            Exception: what a reducer raised.
        """
        if len(tasks) > 1:
            tasks = sorted(tasks, key=_path)
        # Ask the saver first: if it raises, no trigger is marked seen, and the superstep is
        # repeated on resume.
        version = self.next_version(self.newest, None)
        if taskless is not None:
            self.seen.setdefault(INPUT, {})
        for task in tasks:
            self._mark_seen(task)
        changed = values.consume(tasks)
        updated: list[int] = []
        try:
            more = values.group(taskless, tasks)
            for slot in values.touched:
                if values.update(slot, None if more is None else more.get(slot)):
                    changed.append(slot)
                    if values.is_available(slot):
                        updated.append(slot)
            if tasks:
                values.update_untouched(changed, updated)
            values.clear_pending(updated)
            if tasks:
                values.finish_deferred(changed, updated)
        finally:
            # Durability "exit" stores what was applied before a channel refused its writes.
            for slot in changed:
                key = values.channels[slot].key
                self.versions[key] = version
                self.new_versions[key] = version
        if changed:
            self.newest = version
        return updated

    def _mark_seen(self, task: TaskWrites) -> None:
        seen = self.seen.setdefault(task.node.name, {})
        for trigger in task.triggers:
            if trigger in self.versions:
                seen[trigger] = self.versions[trigger]

    def stored(self, values: ChannelValues, snapshots: dict[str, bool]) -> dict[str, Any]:
        """What a checkpoint holds of the channels.

        Args:
            values: the channels.
            snapshots: the DeltaChannels that are stored in whole; one whose version has not
                moved since the last checkpoint gets a new one, or no saver would store it.
        """
        bumped: dict[str, Any] = {}
        stored: dict[str, Any] = {}
        for slot, channel in enumerate(values.channels):
            key = channel.key
            if snapshots and key in snapshots:
                if key not in self.new_versions:
                    old = self.versions.get(key)
                    bumped[key] = old
                    self.versions[key] = self.new_versions[key] = self.next_version(old, None)
                stored[key] = snapshot(values.get(slot))
            elif key in self.versions:
                value = values.stored(slot)
                if value is not MISSING:
                    stored[key] = value
        if bumped:
            self.newest = max(self.versions.values())
            self.seen = mark_bumps_seen(
                self.seen, bumped, self.versions, values.program.subscribers
            )
        return stored

    def pop_new_versions(self) -> dict[str, Any]:
        """The versions that the checkpoint about to be stored brings."""
        versions = self.new_versions
        self.new_versions = {}
        return versions


def _path(task: TaskWrites) -> str:
    return task.path_text
