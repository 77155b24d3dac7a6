"""Channel classes of users: ForeignChannel."""

from __future__ import annotations

from typing import Any

from lgc.runtime.channels.base import Channel
from lgc.runtime.channels.delta import whole_frequency
from lgc.runtime.constants import MISSING
from lgc.runtime.upstream import loaded


class ForeignChannel(Channel):
    """A channel class of the user's own: LangGraph's `BaseChannel` behind this interface.

    Args:
        key: the name.
        channel: a channel of the user's class; never written.
    """

    def __init__(self, key: str, channel: Any) -> None:
        super().__init__(key)
        self.changes_without_write = True
        self.deferred = True
        self.channel: Any = channel
        # A user's class derives from LangGraph's only where that is loaded.
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
        return MISSING if stored is _langgraphs_missing() else stored

    def restore(self, stored: object) -> Channel:
        theirs = _langgraphs_missing() if stored is MISSING else stored
        return ForeignChannel(self.key, self.channel.from_checkpoint(theirs))

    def replay(self, writes: list[object]) -> None:
        if self.snapshot_frequency:
            self.channel.replay_writes([("", self.key, value) for value in writes])
        else:
            super().replay(writes)


def _langgraphs_missing() -> object:
    """LangGraph's own MISSING; the user's channel class has loaded it."""
    missing: object = loaded("langgraph._internal._typing", "MISSING")
    return missing
