"""The channel that no checkpoint holds: UntrackedValue."""

from __future__ import annotations

from lgc.runtime.channels.base import Channel, SingleValueChannel, several_values
from lgc.runtime.constants import MISSING


class UntrackedValue(SingleValueChannel):
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
            raise several_values(self.key, "UntrackedValue")
        self.value = values[-1]
        return True

    def checkpoint(self) -> object:
        return MISSING

    def restore(self, stored: object) -> Channel:
        return self.fresh()
