"""The channel of which most checkpoints hold nothing: DeltaChannel."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from math import ceil
from typing import Any, Final

from lgc.runtime.channels.base import Channel, SingleValueChannel
from lgc.runtime.channels.binop import two_overwrites
from lgc.runtime.constants import MISSING
from lgc.runtime.public.wrapped_values import overwritten, unwrap_snapshot

_NEVER: Final = 2**60


class DeltaChannel(SingleValueChannel):
    """Folds all writes of a superstep into the value in one call of its reducer (spec §3.3).

    Args:
        key: the name.
        seed: called without arguments for the value before the first write.
        reducer: `(value, writes) -> value`, the writes as a list.
        snapshot_frequency: the number of updates after which a checkpoint holds the value. The
            others hold nothing of it; the value is computed again from the writes since then.
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
        is_replaced = False
        new: object = None
        for write in values:
            is_overwrite, replacement = overwritten(write)
            if is_overwrite:
                if is_replaced:
                    raise two_overwrites()
                is_replaced = True
                new = replacement
        if is_replaced:
            self.value = self.seed() if new is None else copy(new)
        else:
            self.value = self.reducer(self.value, list(values))
        return True

    def checkpoint(self) -> object:
        return MISSING

    def restore(self, stored: object) -> Channel:
        # None means that nothing was stored since LangGraph 1.2.24; before, it was the value.
        if stored is MISSING or stored is None:
            return self.fresh()
        # The value without a Snapshot, if the key had another channel class.
        return self._with(unwrap_snapshot(stored))

    def replay(self, writes: list[object]) -> None:
        # In one call of the reducer, with the writes since the last Overwrite.
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
    """The first int that is not less than a `snapshot_frequency`, which is any positive number."""
    # A count of updates never reaches infinity or a NaN.
    return ceil(frequency) if frequency < _NEVER else _NEVER
