"""Which channels are of a kind, those of users' classes included."""

from __future__ import annotations

from collections.abc import Iterable

from lgc.runtime.channels.base import Channel
from lgc.runtime.channels.delta import DeltaChannel
from lgc.runtime.channels.foreign import ForeignChannel
from lgc.runtime.channels.untracked_value import UntrackedValue
from lgc.runtime.public.messages import messages_delta_reducer
from lgc.runtime.upstream import loaded


def delta_keys(channels: Iterable[Channel]) -> dict[str, bool]:
    """The keys of the DeltaChannels, those of users' classes among them.

    Returns:
        For each key, whether its reducer is `messages_delta_reducer`, so that
        `messages.ensure_message_ids` looks at its writes.
    """
    keys: dict[str, bool] = {}
    for channel in channels:
        if isinstance(channel, DeltaChannel):
            keys[channel.key] = channel.reducer is messages_delta_reducer
        elif isinstance(channel, ForeignChannel) and channel.snapshot_frequency:
            reducer = loaded("langgraph.pregel._messages", "_messages_delta_reducer")
            keys[channel.key] = channel.channel.reducer is reducer
    return keys


def is_untracked(channel: Channel) -> bool:
    """Whether a channel is an UntrackedValue, of which no checkpoint holds anything."""
    if isinstance(channel, ForeignChannel):
        theirs = loaded("langgraph.channels.untracked_value", "UntrackedValue")
        return theirs is not None and isinstance(channel.channel, theirs)
    return isinstance(channel, UntrackedValue)
