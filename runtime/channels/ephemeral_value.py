"""Channels that a superstep without a write empties: EphemeralValue and AnyValue."""

from __future__ import annotations

from lgc.runtime.channels.base import Channel, SingleValueChannel, has_finished_flag, several_values
from lgc.runtime.constants import BRANCH_TO, MISSING


class EphemeralValue(SingleValueChannel):
    """A value that lasts one superstep.

    Args:
        key: the name.
        guard: refuse more than one write a superstep.
    """

    def __init__(self, key: str, guard: bool = True) -> None:
        super().__init__(key)
        self.guard: bool = guard
        self.changes_without_write = True

    def fresh(self) -> Channel:
        return EphemeralValue(self.key, self.guard)

    def update(self, values: list[object]) -> bool:
        if not values:
            changed = self.value is not MISSING
            self.value = MISSING
            return changed
        if self.guard and len(values) != 1:
            raise several_values(self.key, "EphemeralValue")
        self.value = values[-1]
        return True

    def restore(self, stored: object) -> Channel:
        other = super().restore(stored)
        # The value stays the pair, as upstream's: no node reads the channel that triggers it.
        other.reshaped = self.key.startswith(BRANCH_TO) and has_finished_flag(stored)
        return other


class AnyValue(EphemeralValue):
    """The last of this superstep's writes; emptied by a superstep without one."""

    def __init__(self, key: str) -> None:
        super().__init__(key, guard=False)

    def fresh(self) -> Channel:
        return AnyValue(self.key)
