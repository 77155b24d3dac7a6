"""The channel of published values: Topic."""

from __future__ import annotations

from typing import Any

from lgc.runtime.channels.base import Channel
from lgc.runtime.constants import MISSING


class Topic(Channel):
    """A list of what was published; lists that are written are flattened by one level.

    Args:
        key: the name.
        accumulate: keep the values of earlier supersteps.
    """

    def __init__(self, key: str, accumulate: bool = False) -> None:
        super().__init__(key)
        self.accumulate: bool = accumulate
        self.changes_without_write = not accumulate
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
            # A restored value need not be a list; then this raises, as upstream.
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
