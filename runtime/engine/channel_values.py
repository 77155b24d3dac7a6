"""The channel values of one run: what tasks read, and how their writes are applied.

Upstream: `local_read` and `apply_writes` of pregel/_algo.py, `read_channels` of
pregel/_io.py (spec §4.4, §4.6).

The file has more than 500 lines because reading and applying share every rule of where a value is.
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.channels import Channel, ForeignChannel
from lgc.runtime.constants import IGNORED_WRITES, INPUT, MISSING
from lgc.runtime.engine.program import Output, Program, View
from lgc.runtime.engine.task_writes import TaskWrites


class ChannelValues:
    """The channels of one run.

    The value of a LastValue or a reducer channel is in `state`, in the order of the state's keys,
    and nowhere else: both paths read and write it there, and a node that reads everything gets a
    copy of it. Every other channel is an object that holds its own value.

    Args:
        program: what runs; its channels are prototypes, copied when first written.
        output: the keys that the run reports.

    Attributes:
        channels: by slot; where the value is in `state`, the prototype.
        updated: the slots that changed in the last superstep and have a value.
        unsettled: the slots whose channel holds a value that an empty update would change.
        touched: the slots that this superstep writes, in the order of their first write.
        pending: by slot, the first value written to each of them; empty before the first `apply`.
        odd_names: by slot, the names by which the last superstep wrote channels that are strings of
            another class, such as an Enum's members: checkpoints name them so.
        has_values: whether an output key was ever written.
        transient_trigger: the slots of which `updated` says all there is to know; their channels
            are not written.
    """

    def __init__(self, program: Program, output: Output) -> None:
        self.program: Program = program
        self.output: Output = output
        self.channels: list[Channel] = program.channels.copy()
        self.state: dict[str, Any] = {}
        self._in_state: list[bool] = program.in_state
        # A key has been added to `state` since its order was last seen to.
        self._is_unordered: bool = False
        self.unsettled: list[int] = []
        for key, seed in program.seeds:
            self.state[key] = seed()
        for slot in program.seeded:
            self.set_channel(slot, program.channels[slot].fresh())
        self.updated: list[int] = []
        self.touched: list[int] = []
        self.odd_names: dict[int, Any] = {}
        self.pending: list[object] = []
        self.has_values: bool = False
        self.transient_trigger: list[bool] = program.transient_trigger

    def set_channel(self, slot: int, channel: Channel) -> None:
        """Gives a slot the channel, or the value, of one that was made or restored for it."""
        if self._in_state[slot]:
            value = channel.get()
            if value is not MISSING:
                self._set(channel.key, value)
            return
        self.channels[slot] = channel
        if channel.changes_without_write and slot not in self.unsettled and channel.is_available():
            self.unsettled.append(slot)

    def channel(self, slot: int) -> Channel:
        """A channel that holds what the slot does; not to be written."""
        channel = self.channels[slot]
        if self._in_state[slot]:
            return channel.holding(self.get(slot))
        return channel

    def _set(self, key: str, value: object) -> None:
        state = self.state
        known = len(state)
        state[key] = value
        if len(state) != known:
            self._is_unordered = True

    def reorder(self) -> None:
        """`order`, after writes of which the last has failed."""
        self._is_unordered = True
        self.order()

    def order(self) -> None:
        """Brings `state` into the order of the state's keys, on the thread that writes it."""
        if not self._is_unordered:
            return
        self._is_unordered = False
        self.state = self.ordered(self.state)

    def ordered(self, state: dict[str, Any]) -> dict[str, Any]:
        """Values of keys that are in `state`, in the order of the state's keys."""
        return {key: state[key] for key in self.program.state_keys if key in state}

    def store_triggers(self) -> None:
        """Has every trigger in a channel of its own, as checkpoints hold them."""
        self.transient_trigger = self.program.no_transient_trigger

    def write_start(self, value: object) -> None:
        """Applies the input of a run: the write to `__start__` (spec §4.2)."""
        slot = self.program.start_slot
        channel = self.program.channels[slot].fresh()
        channel.update([value])
        self.channels[slot] = channel
        self.unsettled.append(slot)
        self.updated = [slot]

    def forget_start(self) -> None:
        """The superstep that reads the input is over: `__start__` is empty again."""
        slot = self.program.start_slot
        self.channels[slot] = self.program.channels[slot]
        self.unsettled.remove(slot)

    def get(self, slot: int) -> object:
        """The value of a channel, or MISSING."""
        if self._in_state[slot]:
            value: object = self.state.get(self.channels[slot].key, MISSING)
            return value
        return self.channels[slot].get()

    def is_available(self, slot: int) -> bool:
        """Whether a channel has a value."""
        if self._in_state[slot]:
            return self.channels[slot].key in self.state
        return self.channels[slot].is_available()

    def stored(self, slot: int) -> object:
        """What a checkpoint holds of a channel, or MISSING."""
        if self._in_state[slot]:
            return self.get(slot)
        return self.channels[slot].checkpoint()

    def available(self, view: View) -> dict[str, Any]:
        """The available values of a view's keys, without what the superstep has written."""
        if view.is_whole_state:
            return self.state.copy()
        state: dict[str, Any] = {}
        keys, slots = view.keys, view.slots
        for i in range(len(keys)):
            value = self.get(slots[i])
            if value is not MISSING:
                state[keys[i]] = value
        return state

    def local(self, task: TaskWrites, view: View) -> dict[str, Any]:
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
                channel = self.channel(slot).copy()
                channel.update(repeated[key])
                values[slot] = channel.get()
            elif self._in_state[slot]:
                old = self.get(slot)
                values[slot] = channel.folded(old, own[key]) if key in own else old
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
        self, state: dict[str, Any], task: TaskWrites, view: View, fresh: bool
    ) -> dict[str, Any]:
        """What a task reads of a view, with the triggers of which only `updated` tells.

        Args:
            state: the available values of the view's keys, those triggers left out.
            fresh: the task's own writes count, and not what started the superstep.
        """
        keys, slots = view.keys, view.slots
        due: dict[str, Any] = {}
        for i in range(len(keys)):
            slot = slots[i]
            if self.transient_trigger[slot]:
                # It holds None for one superstep; a fresh read sees the next one.
                written = fresh and any(name == keys[i] for name, _ in task.writes)
                if written if fresh else slot in self.updated:
                    due[keys[i]] = None
        if not due:
            return state
        state.update(due)
        return {key: state[key] for key in keys if key in state}

    def read(self) -> Any:
        """The available values of the output keys; the bare value when that is asked for."""
        return self.read_as(self.output)

    def read_as(self, output: Output) -> Any:
        """`read` of the keys of another output."""
        if output.single_value:
            value = self.get(output.slots[0])
            return None if value is MISSING else value
        if output.is_whole_state:
            self.order()
            return self.state.copy()
        state: dict[str, Any] = {}
        for i in range(len(output.slots)):
            value = self.get(output.slots[i])
            if value is not MISSING:
                state[output.keys[i]] = value
        return state

    def apply(self, tasks: list[TaskWrites]) -> None:
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
            if self.transient_trigger[slot] or (
                self.update(slot, None if more is None else more.get(slot))
                and self.is_available(slot)
            ):
                updated.append(slot)
        self.update_untouched(changed, updated)
        self.clear_pending(updated)
        self.finish_deferred(changed, updated)
        self.updated = updated

    def preview(self, taskless: list[tuple[str, object]] | None, tasks: list[TaskWrites]) -> None:
        """Applies writes for get_state only (apply_writes without versions).

        Without versions upstream treats no channel as updated, so the written channels also get
        the empty update and finish().

        Args:
            taskless: the writes of no task.
            tasks: the tasks, in the order of their paths.
        """
        changed = self.consume(tasks)
        more = self.group(taskless, tasks)
        touched = list(self.touched)
        for slot in touched:
            self.update(slot, None if more is None else more.get(slot))
        self.clear_pending(touched)
        if tasks:
            self.update_untouched(changed, [])
            self.finish_deferred(changed, [])

    # The steps of applying writes. `changed` and `updated` collect the slots whose channel
    # changed, and those of them that have a value then.

    def consume(self, tasks: list[TaskWrites]) -> list[int]:
        """Tells the channels that started `tasks`; the slots of those that changed."""
        changed: list[int] = []
        for task in tasks:
            if task.push < 0:
                for slot in task.node.consumes:
                    if self.channels[slot].consume():
                        changed.append(slot)
        return changed

    def group(
        self, taskless: list[tuple[str, object]] | None, tasks: list[TaskWrites]
    ) -> dict[int, list[object]] | None:
        """Sorts writes by channel: into `touched` and `pending`.

        Args:
            taskless: the writes of no task, which come first.
            tasks: the tasks, in the order of their paths.

        Returns:
            All values of the slots that are given several.
        """
        more: dict[int, list[object]] | None = None
        if not self.pending:
            self.pending = self.program.unwritten.copy()
        # What is left of writes that a channel has refused.
        for slot in self.touched:
            self.pending[slot] = MISSING
        self.touched.clear()
        if self.odd_names:
            self.odd_names.clear()
        if taskless is not None:
            more = self._sort(taskless, INPUT, (), more)
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
            slot = index.get(name, -1)
            if slot < 0:
                if name not in IGNORED_WRITES:
                    path = where if isinstance(where, tuple) else where.path
                    warn(
                        f"Task {writer} with path {path} wrote to unknown "
                        f"channel {name}, ignoring it."
                    )
                continue
            if pending[slot] is MISSING:
                pending[slot] = value
                self.touched.append(slot)
                if type(name) is not str:
                    self.odd_names[slot] = name
            else:
                if more is None:
                    more = {}
                if slot in more:
                    more[slot].append(value)
                else:
                    more[slot] = [pending[slot], value]
        return more

    def update(self, slot: int, several: list[object] | None) -> bool:
        """Applies what a slot is given; whether its channel changed.

        Args:
            several: all of it, when it is more than `pending` holds.
        """
        channel = self.channels[slot]
        if self._in_state[slot]:
            if several is None:
                key, value = channel.key, self.pending[slot]
                if not channel.keeps_last:
                    value = channel.folded(self.state.get(key, MISSING), value)
                self._set(key, value)
                return True
            channel = self.channel(slot)
            try:
                return channel.update(several)
            finally:
                # A reducer that fails leaves what the writes before its own have made.
                value = channel.get()
                if value is not MISSING:
                    self._set(channel.key, value)
        channel = self._own(slot)
        if several is None:
            return channel.update_one(self.pending[slot])
        return channel.update(several)

    def _own(self, slot: int) -> Channel:
        """The run's own channel of a slot, which takes the prototype's place."""
        channel = self.channels[slot]
        if channel.prototype:
            channel = channel.fresh()
            self.channels[slot] = channel
        return channel

    def update_untouched(self, changed: list[int], updated: list[int]) -> None:
        """Tells the channels that were not written of the superstep."""
        if not self.unsettled:
            return
        left: list[int] = []
        if len(self.program.foreign) > 1:
            # The users' own classes see the order in which they are told: the channels'.
            self.unsettled.sort()
        for slot in self.unsettled:
            if slot not in updated:
                channel = self.channels[slot]
                if channel.is_available() and channel.update([]):
                    changed.append(slot)
                    if channel.is_available():
                        updated.append(slot)
                if channel.is_available():
                    left.append(slot)
        self.unsettled = left

    def clear_pending(self, updated: list[int]) -> None:
        """Forgets the writes, which have been applied."""
        self.order()
        for slot in self.touched:
            self.pending[slot] = MISSING
        self.touched.clear()
        for slot in updated:
            if self._in_state[slot] or self.transient_trigger[slot]:
                continue
            if self.channels[slot].changes_without_write and slot not in self.unsettled:
                self.unsettled.append(slot)

    def finish_deferred(self, changed: list[int], updated: list[int]) -> None:
        """Tells the deferred channels that nothing else is due, if that is so."""
        program = self.program
        if program.deferred and not any(program.triggered[slot] for slot in updated):
            for slot in program.deferred:
                channel = self.channels[slot]
                if channel.finish():
                    changed.append(slot)
                    if slot not in updated and channel.is_available():
                        updated.append(slot)

    def write_other(self, key: str, value: object) -> None:
        """Writes to a state key whose channel holds its own value, in a superstep of one task.

        Raises:
            As `apply`.
        """
        slot = self.program.slots[key]
        channel = self._own(slot)
        if channel.update_one(value) and channel.is_available():
            if channel.changes_without_write:
                self.unsettled.append(slot)
            if self.output.contains[slot]:
                self.has_values = True


def warn(text: str) -> None:
    """Logs a warning where upstream does."""
    import logging

    logging.getLogger("langgraph").warning(text)
