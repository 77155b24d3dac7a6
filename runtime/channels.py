"""The channel classes (spec §3; upstream `langgraph/channels/`).

A channel in a program is a prototype that is never written; every run works on
`fresh()` copies. Values are `object`: mypyc must not convert what users store.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from copy import copy
from math import ceil
from typing import Any, Final

from lgc.runtime.constants import BRANCH_TO, MISSING
from lgc.runtime.public.errors import with_code
from lgc.runtime.public.messages import messages_delta_reducer
from lgc.runtime.public.wrapped_values import overwritten, unwrap_snapshot
from lgc.runtime.upstream import error_class, loaded

_NEVER: Final = 2**60


class Channel:
    """One channel of a run.

    Args:
        key: the name used in error messages (the state key, or the trigger).

    Attributes:
        prototype: it stands in a program and is never written.
        volatile: an empty update may change it, so it is told about every
            superstep that does not write it.
        deferred: `finish` may make it available.
        reshaped: what it is restored from was stored when `deferred` was the other way.
        consumable: `consume` may change it.
        snapshot_frequency: after how many updates its value is stored in whole; 0 if it
            always is (spec §3.3).
    """

    def __init__(self, key: str) -> None:
        self.key: str = key
        self.prototype: bool = False
        self.volatile: bool = False
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
        """Applies one superstep's writes, in order; whether the channel changed.

        Raises:
            InvalidUpdateError: the channel cannot take these values together.
        """
        raise TypeError(f"channel {self.key!r} has no kind")

    def update_one(self, value: object) -> bool:
        """`update([value])`."""
        return self.update([value])

    def after(self, value: object) -> object:
        """What `get` would give after `update_one(value)`, which this channel does not see."""
        other = self.copy()
        other.update_one(value)
        return other.get()

    def get(self) -> object:
        """The value, or `MISSING` where upstream raises EmptyChannelError."""
        raise TypeError(f"channel {self.key!r} has no kind")

    def copied_value(self) -> object:
        """`copy().get()`: what a reader gets who may change it in place."""
        return self.get()

    def is_available(self) -> bool:
        """Whether `get` has a value."""
        return self.get() is not MISSING

    def consume(self) -> bool:
        """A task that this channel triggers has run; whether the channel changed."""
        return False

    def finish(self) -> bool:
        """No trigger is left in the run; whether the channel changed."""
        return False

    def checkpoint(self) -> object:
        """What is stored for the channel, or `MISSING`."""
        return self.get()

    def restore(self, stored: object) -> Channel:
        """A channel of this kind holding what `checkpoint` gave (or MISSING: empty)."""
        raise TypeError(f"channel {self.key!r} has no kind")

    def replay(self, writes: list[object]) -> None:
        """Applies the writes of many supersteps, oldest first."""
        # One by one: each superstep may have brought an Overwrite.
        for value in writes:
            self.update([value])


class _Single(Channel):
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
        assert isinstance(other, _Single)
        other.value = self.value
        return other

    def restore(self, stored: object) -> Channel:
        other = self.fresh()
        assert isinstance(other, _Single)
        if stored is not MISSING:
            other.value = stored
        return other


class LastValue(_Single):
    """The value written last; at most one write a superstep."""

    def fresh(self) -> Channel:
        return LastValue(self.key)

    def update(self, values: list[object]) -> bool:
        if not values:
            return False
        if len(values) != 1:
            raise error_class("InvalidUpdateError")(
                with_code(
                    f"At key '{self.key}': Can receive only one value per step. "
                    "Use an Annotated key to handle multiple values.",
                    "INVALID_CONCURRENT_GRAPH_UPDATE",
                )
            )
        self.value = values[0]
        return True

    def update_one(self, value: object) -> bool:
        self.value = value
        return True

    def after(self, value: object) -> object:
        return value


class EphemeralValue(_Single):
    """A value that lasts one superstep.

    Args:
        key: the name.
        guard: refuse more than one write a superstep.
    """

    def __init__(self, key: str, guard: bool = True) -> None:
        super().__init__(key)
        self.guard: bool = guard
        self.volatile = True

    def fresh(self) -> Channel:
        return EphemeralValue(self.key, self.guard)

    def update(self, values: list[object]) -> bool:
        if not values:
            changed = self.value is not MISSING
            self.value = MISSING
            return changed
        if self.guard and len(values) != 1:
            raise error_class("InvalidUpdateError")(
                f"At key '{self.key}': EphemeralValue(guard=True) can receive only one value "
                "per step. Use guard=False if you want to store any one of multiple values."
            )
        self.value = values[-1]
        return True

    def restore(self, stored: object) -> Channel:
        other = super().restore(stored)
        # Upstream, too, leaves the pair: nobody looks at what starts a node.
        other.reshaped = self.key.startswith(BRANCH_TO) and _is_with_flag(stored)
        return other


class AnyValue(EphemeralValue):
    """The last of this superstep's writes; emptied by a superstep without one."""

    def __init__(self, key: str) -> None:
        super().__init__(key, guard=False)

    def fresh(self) -> Channel:
        return AnyValue(self.key)


class UntrackedValue(_Single):
    """The value written last, never stored in a checkpoint.

    Args:
        key: the name.
        guard: refuse more than one write a superstep.
    """

    def __init__(self, key: str, guard: bool = True) -> None:
        super().__init__(key)
        self.guard: bool = guard

    def fresh(self) -> Channel:
        return UntrackedValue(self.key, self.guard)

    def update(self, values: list[object]) -> bool:
        if not values:
            return False
        if self.guard and len(values) != 1:
            raise error_class("InvalidUpdateError")(
                f"At key '{self.key}': UntrackedValue(guard=True) can receive only one value "
                "per step. Use guard=False if you want to store any one of multiple values."
            )
        self.value = values[-1]
        return True

    def checkpoint(self) -> object:
        return MISSING

    def restore(self, stored: object) -> Channel:
        return self.fresh()


class BinaryOperatorAggregate(_Single):
    """Folds writes into the value with a reducer (spec §3.1).

    Args:
        key: the name.
        seed: called without arguments for the first value, or None for no value.
        reducer: `(value, write) -> value`.
    """

    def __init__(
        self,
        key: str,
        seed: Callable[[], object] | None,
        reducer: Callable[[object, object], object],
    ) -> None:
        super().__init__(key)
        self.seed: Callable[[], object] | None = seed
        self.reducer: Callable[[object, object], object] = reducer

    def fresh(self) -> Channel:
        other = BinaryOperatorAggregate(self.key, self.seed, self.reducer)
        if self.seed is not None:
            other.value = self.seed()
        return other

    def copy(self) -> Channel:
        other = BinaryOperatorAggregate(self.key, self.seed, self.reducer)
        other.value = self.value
        return other

    def restore(self, stored: object) -> Channel:
        # It is a snapshot where the key was a DeltaChannel when it was written.
        return super().restore(unwrap_snapshot(stored))

    def update_one(self, value: object) -> bool:
        self.value = self.after(value)
        return True

    def after(self, value: object) -> object:
        if self.value is MISSING:
            # Verbatim: neither the reducer nor Overwrite looks at it (trap 7).
            return value
        # Exact lists, strings and ints, the usual writes, cannot be an Overwrite.
        kind = type(value)
        if kind is not list and kind is not str and kind is not int:
            is_overwrite, replaced = overwritten(value)
            if is_overwrite:
                return replaced
        return self.reducer(self.value, value)

    def update(self, values: list[object]) -> bool:
        if not values:
            return False
        first = 0
        if self.value is MISSING:
            # Verbatim: neither the reducer nor Overwrite looks at it (trap 7).
            self.value = values[0]
            first = 1
        replaced = False
        for i in range(first, len(values)):
            write = values[i]
            # Exact lists, strings and ints, the usual writes, cannot be an Overwrite.
            kind = type(write)
            if kind is not list and kind is not str and kind is not int:
                is_overwrite, value = overwritten(write)
                if is_overwrite:
                    if replaced:
                        raise _two_overwrites()
                    self.value = value
                    replaced = True
                    continue
            if not replaced:
                self.value = self.reducer(self.value, write)
        return True


def _two_overwrites() -> BaseException:
    return error_class("InvalidUpdateError")(
        with_code(
            "Can receive only one Overwrite value per super-step.",
            "INVALID_CONCURRENT_GRAPH_UPDATE",
        )
    )


class DeltaChannel(_Single):
    """Folds all writes of a superstep into the value in one call of its reducer (spec §3.3).

    Args:
        key: the name.
        seed: called without arguments for the value that nothing was written to.
        reducer: `(value, writes) -> value`, the writes as a list.
        snapshot_frequency: after how many updates a checkpoint holds the value; the others
            hold nothing of it, and the value is made again from the writes since.
    """

    def __init__(
        self,
        key: str,
        seed: Callable[[], object],
        reducer: Callable[[object, object], object],
        snapshot_frequency: int = 100,
    ) -> None:
        super().__init__(key)
        self.seed: Callable[[], object] = seed
        self.reducer: Callable[[object, object], object] = reducer
        self.snapshot_frequency = snapshot_frequency

    def fresh(self) -> Channel:
        return self._with(self.seed())

    def copy(self) -> Channel:
        return self._with(copy(self.value))

    def copied_value(self) -> object:
        value: object = copy(self.value)
        return value

    def update(self, values: list[object]) -> bool:
        if not values:
            return False
        replaced = False
        new: object = None
        for write in values:
            is_overwrite, value = overwritten(write)
            if is_overwrite:
                if replaced:
                    raise _two_overwrites()
                replaced = True
                new = value
        if replaced:
            self.value = self.seed() if new is None else copy(new)
        else:
            self.value = self.reducer(self.value, list(values))
        return True

    def checkpoint(self) -> object:
        return MISSING

    def restore(self, stored: object) -> Channel:
        # None is nothing stored since LangGraph 1.2.24; before, it was the value.
        if stored is MISSING or stored is None:
            return self.fresh()
        # A key that had another channel class stored the value itself.
        return self._with(unwrap_snapshot(stored))

    def replay(self, writes: list[object]) -> None:
        # In one call of the reducer.
        if not writes:
            return
        base = self.value
        rest = writes
        for position, value in enumerate(writes):
            is_overwrite, new = overwritten(value)
            if is_overwrite:
                base = self.seed() if new is None else copy(new)
                rest = writes[position + 1 :]
        self.value = self.reducer(base, rest) if rest else base

    def _with(self, value: object) -> DeltaChannel:
        other = DeltaChannel(self.key, self.seed, self.reducer, self.snapshot_frequency)
        other.value = value
        return other


def whole_frequency(frequency: Any) -> int:
    """The int that counts of updates reach when they reach `frequency`, any positive number."""
    # A count never reaches infinity or a NaN.
    return ceil(frequency) if frequency < _NEVER else _NEVER


def delta_keys(channels: Iterable[Channel]) -> dict[str, bool]:
    """The DeltaChannels, those of users' classes among them.

    Returns:
        For each key, whether its reducer is `messages_delta_reducer`, so that
        `messages.ensure_message_ids` looks at its writes.
    """
    found: dict[str, bool] = {}
    for channel in channels:
        if isinstance(channel, DeltaChannel):
            found[channel.key] = channel.reducer is messages_delta_reducer
        elif isinstance(channel, ForeignChannel) and channel.snapshot_frequency:
            reducer = loaded("langgraph.pregel._messages", "_messages_delta_reducer")
            found[channel.key] = channel.channel.reducer is reducer
    return found


def is_untracked(channel: Channel) -> bool:
    """Whether a channel is an UntrackedValue, which nothing is stored of."""
    if isinstance(channel, ForeignChannel):
        theirs = loaded("langgraph.channels.untracked_value", "UntrackedValue")
        return theirs is not None and isinstance(channel.channel, theirs)
    return isinstance(channel, UntrackedValue)


class ForeignChannel(Channel):
    """A channel class of the user's own: LangGraph's `BaseChannel` behind this interface.

    Args:
        key: the name.
        channel: a channel of the user's class; never written.
    """

    def __init__(self, key: str, channel: Any) -> None:
        super().__init__(key)
        self.volatile = True
        self.deferred = True
        self.channel: Any = channel
        # Whoever derives a class from LangGraph's has loaded it.
        delta = loaded("langgraph.channels.delta", "DeltaChannel")
        if delta is not None and isinstance(channel, delta):
            self.snapshot_frequency = whole_frequency(channel.snapshot_frequency)

    def fresh(self) -> Channel:
        return self.restore(MISSING)

    def copy(self) -> Channel:
        return ForeignChannel(self.key, self.channel.copy())

    def update(self, values: list[object]) -> bool:
        return bool(self.channel.update(values))

    def get(self) -> object:
        if not self.channel.is_available():
            return MISSING
        value: object = self.channel.get()
        return value

    def is_available(self) -> bool:
        return bool(self.channel.is_available())

    def consume(self) -> bool:
        return bool(self.channel.consume())

    def finish(self) -> bool:
        return bool(self.channel.finish())

    def checkpoint(self) -> object:
        stored: object = self.channel.checkpoint()
        return MISSING if stored is _theirs() else stored

    def restore(self, stored: object) -> Channel:
        given = _theirs() if stored is MISSING else stored
        return ForeignChannel(self.key, self.channel.from_checkpoint(given))

    def replay(self, writes: list[object]) -> None:
        if self.snapshot_frequency:
            self.channel.replay_writes([("", self.key, value) for value in writes])
        else:
            super().replay(writes)


def _theirs() -> object:
    """LangGraph's own MISSING; a channel class of the user's has loaded it."""
    found: object = sys.modules["langgraph._internal._typing"].MISSING
    return found


class Topic(Channel):
    """A list of what was published; lists that are written are flattened by one level.

    Args:
        key: the name.
        accumulate: keep the values of earlier supersteps.
    """

    def __init__(self, key: str, accumulate: bool = False) -> None:
        super().__init__(key)
        self.accumulate: bool = accumulate
        self.volatile = not accumulate
        self.values: Any = []

    def fresh(self) -> Channel:
        return Topic(self.key, self.accumulate)

    def copy(self) -> Channel:
        other = Topic(self.key, self.accumulate)
        other.values = self.values.copy()
        return other

    def update(self, values: list[object]) -> bool:
        changed = False
        if not self.accumulate:
            changed = bool(self.values)
            self.values = []
        flat: list[object] = []
        for value in values:
            if isinstance(value, list):
                flat.extend(value)
            else:
                flat.append(value)
        if flat:
            # What is restored need not be a list: then this raises.
            self.values.extend(flat)
            changed = True
        return changed

    def get(self) -> object:
        return list(self.values) if self.values else MISSING

    def is_available(self) -> bool:
        return bool(self.values)

    def checkpoint(self) -> object:
        return self.values

    def restore(self, stored: object) -> Channel:
        other = Topic(self.key, self.accumulate)
        if stored is not MISSING:
            # Old checkpoints hold a tuple (topic.py: backwards compatibility).
            other.values = stored[1] if isinstance(stored, tuple) else stored
        return other


class LastValueAfterFinish(Channel):
    """A value that becomes available when the run has no other trigger left."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.deferred = True
        self.consumable = True
        self.value: object = MISSING
        self.finished: bool = False

    def fresh(self) -> Channel:
        return LastValueAfterFinish(self.key)

    def copy(self) -> Channel:
        other = LastValueAfterFinish(self.key)
        other.value = self.value
        other.finished = self.finished
        return other

    def update(self, values: list[object]) -> bool:
        if not values:
            return False
        self.finished = False
        self.value = values[-1]
        return True

    def get(self) -> object:
        return self.value if self.finished else MISSING

    def consume(self) -> bool:
        if not self.finished:
            return False
        self.finished = False
        self.value = MISSING
        return True

    def finish(self) -> bool:
        if self.finished or self.value is MISSING:
            return False
        self.finished = True
        return True

    def checkpoint(self) -> object:
        return MISSING if self.value is MISSING else (self.value, self.finished)

    def restore(self, stored: object) -> Channel:
        other = LastValueAfterFinish(self.key)
        if _is_with_flag(stored):
            pair: Any = stored
            other.value = pair[0]
            other.finished = pair[1]
        elif stored is not MISSING:
            # The node was not deferred when the checkpoint was made.
            other.value = stored
            other.reshaped = True
        return other


def _is_with_flag(stored: object) -> bool:
    """Whether a deferred channel stored this: what it holds, and whether it is finished.

    The others that start nodes store None or a set of names.
    """
    if not isinstance(stored, (tuple, list)) or len(stored) != 2:
        return False
    return isinstance(stored[1], bool)


class NamedBarrierValue(Channel):
    """Available, with the value None, once every name has been written.

    Args:
        key: the name.
        names: the names to wait for.
        deferred: wait for `finish` too (upstream NamedBarrierValueAfterFinish).
    """

    def __init__(self, key: str, names: frozenset[str], deferred: bool = False) -> None:
        super().__init__(key)
        self.deferred = deferred
        self.consumable = True
        self.names: frozenset[str] = names
        self.seen: Any = set()
        self.finished: bool = False

    def fresh(self) -> Channel:
        return NamedBarrierValue(self.key, self.names, self.deferred)

    def copy(self) -> Channel:
        other = NamedBarrierValue(self.key, self.names, self.deferred)
        other.seen = self.seen.copy()
        other.finished = self.finished
        return other

    def update(self, values: list[object]) -> bool:
        changed = False
        for value in values:
            if value not in self.names:
                raise error_class("InvalidUpdateError")(
                    f"At key '{self.key}': Value {value} not in {set(self.names)}"
                )
            if value not in self.seen:
                self.seen.add(value)
                changed = True
        return changed

    def is_available(self) -> bool:
        return bool(self.seen == self.names) and (self.finished or not self.deferred)

    def get(self) -> object:
        return None if self.is_available() else MISSING

    def consume(self) -> bool:
        if not self.is_available():
            return False
        self.finished = False
        self.seen = set()
        return True

    def finish(self) -> bool:
        if not self.deferred or self.finished or self.seen != self.names:
            return False
        self.finished = True
        return True

    def checkpoint(self) -> object:
        return (self.seen, self.finished) if self.deferred else self.seen

    def restore(self, stored: object) -> Channel:
        other = NamedBarrierValue(self.key, self.names, self.deferred)
        if stored is not MISSING:
            state: Any = stored
            has_flag = _is_with_flag(stored)
            other.reshaped = has_flag != self.deferred
            if not has_flag:
                other.seen = state
            else:
                other.seen = state[0]
                other.finished = self.deferred and bool(state[1])
        return other
