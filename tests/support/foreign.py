"""Channel classes and managed values of a user's own, as tests use them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langgraph._internal._scratchpad import PregelScratchpad
from langgraph._internal._typing import MISSING
from langgraph.channels.base import BaseChannel
from langgraph.errors import EmptyChannelError, InvalidUpdateError
from langgraph.managed.base import ManagedValue


class _Own(BaseChannel[Any, Any, Any]):
    """What both classes share; two of one class are equal."""

    __slots__ = ("finished", "value")

    def __init__(self, typ: Any, key: str = "") -> None:
        super().__init__(typ, key)
        self.value: Any = MISSING
        self.finished = False

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def ValueType(self) -> Any:
        return self.typ

    @property
    def UpdateType(self) -> Any:
        return self.typ

    def from_checkpoint(self, checkpoint: Any) -> Any:
        channel = type(self)(self.typ, self.key)
        if checkpoint is not MISSING:
            channel.value, channel.finished = checkpoint
        return channel

    def checkpoint(self) -> Any:
        return MISSING if self.value is MISSING else (self.value, self.finished)

    def get(self) -> Any:
        if self.value is MISSING:
            raise EmptyChannelError
        return self.value


class Biggest(_Own):
    """Keeps the biggest value; refuses three at once."""

    __slots__ = ()

    def update(self, values: Sequence[Any]) -> bool:
        if len(values) > 2:
            raise InvalidUpdateError(f"{self.key}: too many")
        kept = [value for value in (self.value, *values) if value not in (MISSING, None)]
        if not values or not kept:
            return False
        changed = self.value is MISSING or max(kept) != self.value
        self.value = max(kept)
        return changed


class Tide(_Own):
    """Rises by what is written, ebbs by one in a superstep without, and marks the end of a run."""

    __slots__ = ()

    def update(self, values: Sequence[Any]) -> bool:
        if values:
            old = 0 if self.value is MISSING else self.value
            self.value = old + sum(value or 0 for value in values)
            return True
        if self.value is MISSING:
            return False
        self.value = self.value - 1 if self.value > 0 else MISSING
        return True

    def consume(self) -> bool:
        self.finished = False
        return False

    def finish(self) -> bool:
        if self.finished or self.value is MISSING:
            return False
        self.finished = True
        self.value += 100
        return True


class Doubled(ManagedValue[int]):
    """Twice the number of the superstep."""

    @staticmethod
    def get(scratchpad: PregelScratchpad) -> int:
        return scratchpad.step * 2
