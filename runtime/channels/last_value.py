"""Channels that keep the value written last: LastValue and LastValueAfterFinish."""

from __future__ import annotations

from typing import Any

from lgc.runtime.channels.base import Channel, SingleValueChannel, has_finished_flag
from lgc.runtime.constants import MISSING
from lgc.runtime.public.errors import with_code
from lgc.runtime.upstream import error_class


class LastValue(SingleValueChannel):
    """The value written last; at most one write a superstep."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.keeps_last = True

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

    def holding(self, value: object) -> Channel:
        other = LastValue(self.key)
        other.value = value
        return other

    def folded(self, old: object, value: object) -> object:
        return value


class LastValueAfterFinish(Channel):
    """A value that becomes available when no other trigger is left in the run."""

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
        if has_finished_flag(stored):
            pair: Any = stored
            other.value = pair[0]
            other.finished = pair[1]
        elif stored is not MISSING:
            # The node was not deferred when the checkpoint was made.
            other.value = stored
            other.reshaped = True
        return other
