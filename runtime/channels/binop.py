"""The channel of a key with a reducer of two arguments: BinaryOperatorAggregate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lgc.runtime.channels.base import Channel, SingleValueChannel
from lgc.runtime.constants import MISSING
from lgc.runtime.public.errors import with_code
from lgc.runtime.public.wrapped_values import overwritten, unwrap_snapshot
from lgc.runtime.upstream import error_class


class BinaryOperatorAggregate(SingleValueChannel):
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
        return self.holding(self.value)

    def holding(self, value: object) -> Channel:
        other = BinaryOperatorAggregate(self.key, self.seed, self.reducer)
        other.value = value
        return other

    def restore(self, stored: object) -> Channel:
        # A Snapshot, if the key was a DeltaChannel when the checkpoint was made.
        return super().restore(unwrap_snapshot(stored))

    def update_one(self, value: object) -> bool:
        self.value = self.folded(self.value, value)
        return True

    def after(self, value: object) -> object:
        return self.folded(self.value, value)

    def folded(self, old: object, value: object) -> object:
        return _folded(self.reducer, old, value)

    def update(self, values: list[object]) -> bool:
        if not values:
            return False
        first = 0
        if self.value is MISSING:
            # Verbatim: neither the reducer nor Overwrite looks at it (trap 7).
            self.value = values[0]
            first = 1
        is_replaced = False
        for i in range(first, len(values)):
            write = values[i]
            # Exact lists, strings and ints, the usual writes, cannot be an Overwrite.
            kind = type(write)
            if kind is not list and kind is not str and kind is not int:
                is_overwrite, replacement = overwritten(write)
                if is_overwrite:
                    if is_replaced:
                        raise two_overwrites()
                    self.value = replacement
                    is_replaced = True
                    continue
            if not is_replaced:
                self.value = self.reducer(self.value, write)
        return True


def reduce(
    values: dict[str, Any], key: Any, reducer: Callable[[Any, Any], Any], written: Any
) -> Any:
    """The value of a state key that is reduced, after a write.

    Args:
        values: those of the state; without `key` it has no value.
        reducer: `(value, write) -> value`.
        written: a value, or an Overwrite of it.
    """
    return _folded(reducer, values.get(key, MISSING), written)


def _folded(reducer: Callable[[Any, Any], Any], old: Any, written: Any) -> Any:
    """What a value, or MISSING, becomes by a single write."""
    if old is MISSING:
        # Verbatim: neither the reducer nor Overwrite looks at it (trap 7).
        return written
    # Exact lists, strings and ints, the usual writes, cannot be an Overwrite.
    kind = type(written)
    if kind is not list and kind is not str and kind is not int:
        is_overwrite, replaced = overwritten(written)
        if is_overwrite:
            return replaced
    return reducer(old, written)


def two_overwrites() -> BaseException:
    """The error of a superstep in which two writes replace the value of one channel."""
    return error_class("InvalidUpdateError")(
        with_code(
            "Can receive only one Overwrite value per super-step.",
            "INVALID_CONCURRENT_GRAPH_UPDATE",
        )
    )
