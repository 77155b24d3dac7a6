"""The interface of all channels (upstream `channels/base.py`)."""

from __future__ import annotations

from lgc.runtime.constants import MISSING
from lgc.runtime.upstream import error_class


class Channel:
    """One channel of a run.

    Args:
        key: the name used in error messages (the state key, or the trigger).

    Attributes:
        prototype: it belongs to a program, which all runs share, and is never written.
        keeps_last: one write replaces its value, whatever that was.
        changes_without_write: an empty update may change it, so `update([])` is called in every
            superstep that does not write it.
        deferred: `finish` may make it available.
        reshaped: the checkpoint it was restored from was made while its node was deferred and is
            not any more, or the other way round.
        consumable: `consume` may change it.
        snapshot_frequency: the number of updates after which a checkpoint holds its value; 0 if
            every checkpoint does (spec §3.3).
    """

    def __init__(self, key: str) -> None:
        self.key: str = key
        self.prototype: bool = False
        self.keeps_last: bool = False
        self.changes_without_write: bool = False
        self.deferred: bool = False
        self.reshaped: bool = False
        self.consumable: bool = False
        self.snapshot_frequency: int = 0

    def fresh(self) -> Channel:
        """An empty channel of the same kind (`from_checkpoint(MISSING)` upstream)."""
        raise TypeError(f"channel {self.key!r} has no kind")

    def copy(self) -> Channel:
        """A channel with the same value; containers of the channel's own are copied."""
        raise TypeError(f"channel {self.key!r} has no kind")

    def update(self, values: list[object]) -> bool:
        """Applies the writes of one superstep, in order; whether the channel changed.

        Raises:
            InvalidUpdateError: the channel cannot take these values together.
        """
        raise TypeError(f"channel {self.key!r} has no kind")

    def update_one(self, value: object) -> bool:
        """`update([value])`."""
        return self.update([value])

    def holding(self, value: object) -> Channel:
        """A channel of this kind that holds `value`; of the kinds that hold one value only."""
        raise TypeError(f"channel {self.key!r} does not hold one value")

    def folded(self, old: object, value: object) -> object:
        """What a channel that holds `old` holds after `update_one(value)`; as `holding`."""
        raise TypeError(f"channel {self.key!r} does not hold one value")

    def after(self, value: object) -> object:
        """What `get` would return after `update_one(value)`; the channel itself does not change."""
        other = self.copy()
        other.update_one(value)
        return other.get()

    def get(self) -> object:
        """The value, or `MISSING` where upstream raises EmptyChannelError."""
        raise TypeError(f"channel {self.key!r} has no kind")

    def copied_value(self) -> object:
        """`copy().get()`: the value for a reader that may change it in place."""
        return self.get()

    def is_available(self) -> bool:
        """Whether `get` has a value."""
        return self.get() is not MISSING

    def consume(self) -> bool:
        """Called after a task that this channel triggers has run; whether the channel changed."""
        return False

    def finish(self) -> bool:
        """Called when no trigger is left in the run; whether the channel changed."""
        return False

    def checkpoint(self) -> object:
        """What a checkpoint holds for the channel, or `MISSING`."""
        return self.get()

    def restore(self, stored: object) -> Channel:
        """A channel of this kind that holds what `checkpoint` returned; empty for `MISSING`."""
        raise TypeError(f"channel {self.key!r} has no kind")

    def replay(self, writes: list[object]) -> None:
        """Applies the writes of many supersteps, oldest first."""
        # One by one: one Overwrite is allowed in each superstep.
        for value in writes:
            self.update([value])


class SingleValueChannel(Channel):
    """The kinds that hold one value or none."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.value: object = MISSING

    def get(self) -> object:
        return self.value

    def is_available(self) -> bool:
        return self.value is not MISSING

    def copy(self) -> Channel:
        other = self.fresh()
        assert isinstance(other, SingleValueChannel)
        other.value = self.value
        return other

    def restore(self, stored: object) -> Channel:
        other = self.fresh()
        assert isinstance(other, SingleValueChannel)
        if stored is not MISSING:
            other.value = stored
        return other


def has_finished_flag(stored: object) -> bool:
    """Whether a trigger's checkpoint is that of a deferred channel: (value, whether finished).

    The channels that trigger nodes that are not deferred store None or a set of names.
    """
    if not isinstance(stored, (tuple, list)) or len(stored) != 2:
        return False
    return isinstance(stored[1], bool)


def several_values(key: str, kind: str) -> BaseException:
    """The error of a channel with a guard that is written several times in a superstep.

    Args:
        kind: the name of its class.
    """
    error: BaseException = error_class("InvalidUpdateError")(
        f"At key '{key}': {kind}(guard=True) can receive only one value "
        "per step. Use guard=False if you want to store any one of multiple values."
    )
    return error
