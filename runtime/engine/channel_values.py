"""The channel values of one run: what tasks read, and how their writes are applied.

Upstream: `local_read` and `apply_writes` of pregel/_algo.py, `read_channels` of
pregel/_io.py (spec §4.3, §4.9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lgc.runtime.channels import Channel, ForeignChannel
from lgc.runtime.constants import IGNORED_WRITES, INPUT, MISSING
from lgc.runtime.engine.program import Output, Program, View

if TYPE_CHECKING:
    from lgc.runtime.engine.task import Task


class Values:
    """The channels of one run.

    Args:
        program: what runs; its channels are prototypes, copied when first written.
        output: the keys that the run reports.

    Attributes:
        updated: the slots that changed in the last superstep and have a value.
        volatile: the slots whose channel holds a value that an empty update would change.
        touched: the slots that this superstep writes, in the order of their first write.
        pending: the first value written to each of them.
        has_values: whether an output key was ever written.
        plain_trigger: the slots of which `updated` says all there is to know; their channels
            are not written.
    """

    def __init__(self, program: Program, output: Output) -> None:
        self.program: Program = program
        self.output: Output = output
        self.channels: list[Channel] = program.channels.copy()
        self.volatile: list[int] = []
        for slot in program.seeded:
            channel = program.channels[slot].fresh()
            self.channels[slot] = channel
            if channel.changes_without_write and channel.is_available():
                self.volatile.append(slot)
        self.updated: list[int] = []
        self.touched: list[int] = []
        self.pending: list[object] = program.unwritten.copy()
        self.has_values: bool = False
        self.plain_trigger: list[bool] = program.plain_trigger

    def available(self, keys: list[str], slots: list[int]) -> dict[str, Any]:
        """The available values of `keys`, without what the superstep has written.

        Args:
            slots: the slot of each key.
        """
        state: dict[str, Any] = {}
        for i in range(len(keys)):
            value = self.channels[slots[i]].get()
            if value is not MISSING:
                state[keys[i]] = value
        return state

    def local(self, task: Task, view: View) -> dict[str, Any]:
        """The available values of a view's keys, with a task's own writes (local_read).

        The reducers are called in the order of the channels, as upstream copies all of them,
        whatever the order in which the task wrote and the view reads.

        Raises:
            InvalidUpdateError: a channel cannot take the task's writes together.
            Exception: what a reducer raised.
        """
        own: dict[str, object] = {}
        repeated: dict[str, list[object]] = {}
        for name, written in task.writes:
            if name not in own:
                own[name] = written
            elif name in repeated:
                repeated[name].append(written)
            else:
                repeated[name] = [own[name], written]
        values: dict[int, object] = {}
        for slot in view.order:
            channel = self.channels[slot]
            key = channel.key
            if isinstance(channel, ForeignChannel):
                copied = channel.copy()
                if key not in own or slot not in view.slots:
                    copied.update([])
                else:
                    copied.update(repeated.get(key, [own[key]]))
                # Upstream reads when all channels have been updated; it may raise, too.
                values[slot] = copied
            elif key in repeated:
                channel = channel.copy()
                channel.update(repeated[key])
                values[slot] = channel.get()
            elif key in own:
                values[slot] = channel.after(own[key])
            elif channel.changes_without_write:
                channel = channel.copy()
                channel.update([])
                values[slot] = channel.get()
            else:
                values[slot] = channel.copied_value()
        state: dict[str, Any] = {}
        for i in range(len(view.keys)):
            value = values[view.slots[i]]
            if isinstance(value, ForeignChannel):
                value = value.get()
            if value is not MISSING:
                state[view.keys[i]] = value
        return state

    def with_triggers(
        self, state: dict[str, Any], task: Task, keys: list[str], slots: list[int], fresh: bool
    ) -> dict[str, Any]:
        """What a task reads of `keys`, with the triggers of which only `updated` tells.

        Args:
            state: the available values of `keys`, those triggers left out.
            slots: the slot of each key.
            fresh: the task's own writes count, and not what started the superstep.
        """
        due: dict[str, Any] = {}
        for i in range(len(keys)):
            slot = slots[i]
            if self.plain_trigger[slot]:
                # It holds None for one superstep; a fresh read sees the next one.
                written = fresh and any(name == keys[i] for name, _ in task.writes)
                if written if fresh else slot in self.updated:
                    due[keys[i]] = None
        if not due:
            return state
        state.update(due)
        return {key: state[key] for key in keys if key in state}

    def local_pending(self, view: View) -> dict[str, Any]:
        """`local` of a task whose writes are `pending`, while no channel is volatile."""
        state: dict[str, Any] = {}
        if not view.is_ordered:
            values: dict[int, object] = {}
            for slot in view.order:
                values[slot] = self._after_pending(slot)
            for i in range(len(view.keys)):
                value = values[view.slots[i]]
                if value is not MISSING:
                    state[view.keys[i]] = value
            return state
        for i in range(len(view.keys)):
            value = self._after_pending(view.slots[i])
            if value is not MISSING:
                state[view.keys[i]] = value
        return state

    def _after_pending(self, slot: int) -> object:
        written = self.pending[slot]
        channel = self.channels[slot]
        return channel.get() if written is MISSING else channel.after(written)

    def spill(self, task: Task) -> None:
        """Moves what was gathered for a task, and the triggers in `updated`, to its writes."""
        for slot in self.touched:
            task.writes.append((self.program.channels[slot].key, self.pending[slot]))
            self.pending[slot] = MISSING
        self.touched.clear()
        for slot in self.updated:
            task.writes.append((self.program.channels[slot].key, None))
        # Until the writes are applied, what started the task is what tasks can read.
        self.updated = task.node.trigger
        task.gathered = False

    def read(self) -> Any:
        """The available values of the output keys; the bare value when that is asked for."""
        return self.read_as(self.output)

    def read_as(self, output: Output) -> Any:
        """`read` of the keys of another output."""
        if output.bare:
            value = self.channels[output.slots[0]].get()
            return None if value is MISSING else value
        state: dict[str, Any] = {}
        for i in range(len(output.slots)):
            value = self.channels[output.slots[i]].get()
            if value is not MISSING:
                state[output.keys[i]] = value
        return state

    def apply(self, tasks: list[Task]) -> None:
        """Applies the writes of a superstep (apply_writes).

        Raises:
            InvalidUpdateError: a channel cannot take its writes together.
            Exception: what a reducer raised.
        """
        if len(tasks) > 1 and tasks[0].push >= 0:
            # By path: what edges started, by name, then what Sends did, in their order.
            tasks = [t for t in tasks if t.push < 0] + [t for t in tasks if t.push >= 0]
        changed = self.consume(tasks)
        more = self.group(None, tasks)
        updated: list[int] = []
        for slot in self.touched:
            if self.plain_trigger[slot] or (
                self.update(slot, None if more is None else more.get(slot))
                and self.channels[slot].is_available()
            ):
                updated.append(slot)
        self.notify(changed, updated)
        self.end_group(updated)
        self.finish(changed, updated)
        self.updated = updated

    def preview(self, given: list[tuple[str, object]] | None, tasks: list[Task]) -> None:
        """Applies writes for somebody who only looks (apply_writes without versions).

        Upstream takes no channel for updated then, so those just written are told of the
        superstep, too, and it is the last one.

        Args:
            given: the writes of no task.
            tasks: the tasks, in the order of their paths.
        """
        changed = self.consume(tasks)
        more = self.group(given, tasks)
        touched = list(self.touched)
        for slot in touched:
            self.update(slot, None if more is None else more.get(slot))
        self.end_group(touched)
        if tasks:
            self.notify(changed, [])
            self.finish(changed, [])

    # The steps of applying writes. `changed` and `updated` collect the slots whose channel
    # changed, and those of them that have a value then.

    def consume(self, tasks: list[Task]) -> list[int]:
        """Tells the channels that started `tasks`; the slots of those that changed."""
        changed: list[int] = []
        for task in tasks:
            if task.push < 0:
                for slot in task.node.consumes:
                    if self.channels[slot].consume():
                        changed.append(slot)
        return changed

    def group(
        self, given: list[tuple[str, object]] | None, tasks: list[Task]
    ) -> dict[int, list[object]] | None:
        """Sorts writes by channel: into `touched` and `pending`.

        Args:
            given: the writes of no task, which come first.
            tasks: the tasks, in the order of their paths.

        Returns:
            All values of the slots that are given several.
        """
        more: dict[int, list[object]] | None = None
        # What is left of writes that a channel has refused.
        for slot in self.touched:
            self.pending[slot] = MISSING
        self.touched.clear()
        if given is not None:
            more = self._sort(given, INPUT, (), more)
        for task in tasks:
            more = self._sort(task.writes, task.node.name, task, more)
        return more

    def _sort(
        self,
        writes: list[tuple[str, object]],
        writer: str,
        where: Any,
        more: dict[int, list[object]] | None,
    ) -> dict[int, list[object]] | None:
        index = self.program.index
        pending = self.pending
        for name, value in writes:
            found = index.get(name, -1)
            if found < 0:
                if name not in IGNORED_WRITES:
                    path = where if isinstance(where, tuple) else where.path
                    warn(
                        f"Task {writer} with path {path} wrote to unknown "
                        f"channel {name}, ignoring it."
                    )
                continue
            if pending[found] is MISSING:
                pending[found] = value
                self.touched.append(found)
            else:
                if more is None:
                    more = {}
                if found in more:
                    more[found].append(value)
                else:
                    more[found] = [pending[found], value]
        return more

    def update(self, slot: int, several: list[object] | None) -> bool:
        """Applies what a slot is given; whether its channel changed.

        Args:
            several: all of it, when it is more than `pending` holds.
        """
        channel = self.channels[slot]
        if channel.prototype:
            channel = channel.fresh()
            self.channels[slot] = channel
        if several is None:
            return channel.update_one(self.pending[slot])
        return channel.update(several)

    def notify(self, changed: list[int], updated: list[int]) -> None:
        """Tells the channels that were not written of the superstep."""
        if not self.volatile:
            return
        left: list[int] = []
        if len(self.program.foreign) > 1:
            # The users' own classes see the order in which they are told: the channels'.
            self.volatile.sort()
        for slot in self.volatile:
            if slot not in updated:
                channel = self.channels[slot]
                if channel.is_available() and channel.update([]):
                    changed.append(slot)
                    if channel.is_available():
                        updated.append(slot)
                if channel.is_available():
                    left.append(slot)
        self.volatile = left

    def end_group(self, updated: list[int]) -> None:
        """Forgets the writes, which have been applied."""
        for slot in self.touched:
            self.pending[slot] = MISSING
        self.touched.clear()
        for slot in updated:
            if self.plain_trigger[slot] or slot in self.volatile:
                continue
            if self.channels[slot].changes_without_write:
                self.volatile.append(slot)

    def finish(self, changed: list[int], updated: list[int]) -> None:
        """Tells the deferred channels that nothing else is due, if that is so."""
        program = self.program
        if program.deferred and not any(program.triggered[slot] for slot in updated):
            for slot in program.deferred:
                channel = self.channels[slot]
                if channel.finish():
                    changed.append(slot)
                    if slot not in updated and channel.is_available():
                        updated.append(slot)

    def apply_pending(self) -> None:
        """Applies `pending` when no channel is volatile or deferred, and no trigger was written.

        Raises:
            As `apply`.
        """
        pending = self.pending
        for slot in self.touched:
            if self.update(slot, None) and self.channels[slot].is_available():
                if self.channels[slot].changes_without_write:
                    self.volatile.append(slot)
                if self.output.has[slot]:
                    self.has_values = True
        for slot in self.touched:
            pending[slot] = MISSING
        self.touched.clear()


def warn(text: str) -> None:
    """Logs a warning where upstream does."""
    import logging

    logging.getLogger("langgraph").warning(text)
