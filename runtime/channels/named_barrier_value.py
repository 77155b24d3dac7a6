"""The channel that waits for several nodes: NamedBarrierValue."""

from __future__ import annotations

from typing import Any

from lgc.runtime.channels.base import Channel, has_finished_flag
from lgc.runtime.constants import MISSING
from lgc.runtime.upstream import error_class


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
            has_flag = has_finished_flag(stored)
            other.reshaped = has_flag != self.deferred
            if not has_flag:
                other.seen = state
            else:
                other.seen = state[0]
                other.finished = self.deferred and bool(state[1])
        return other
