"""Collects what delta channels are rebuilt from: a stored value and the writes made upon it.

A DeltaChannel is stored as a whole now and then only (spec §3.3). Its value at a checkpoint is the
nearest value that an ancestor stores, to which the writes of that ancestor and of all checkpoints
between the two are applied.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from lgc.runtime.checkpointing.model import CheckpointTuple
from lgc.runtime.savers.types import Config, History


class DeltaWalk:
    """Collects the history of delta channels on the way from a checkpoint to its ancestors.

    Args:
        channels: their names.

    Attributes:
        remaining: the channels for which no ancestor stored a value yet.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        self.remaining = set(channels)
        self._writes: dict[str, list[tuple[str, str, Any]]] = {name: [] for name in channels}
        self._seeds: dict[str, Any] = {}

    def add(self, writes: Sequence[tuple[str, str, Any]], values: Mapping[str, Any]) -> None:
        """Adds the next ancestor; a child comes before its parent.

        Args:
            writes: `(task id, channel, value)` in the order of pending writes. They were made
                upon `values`, so the writes of the ancestor that stores a seed count, too.
            values: the channel values that the ancestor stores, at least those of the remaining
                channels.
        """
        for write in reversed(writes):
            if write[1] in self.remaining:
                self._writes[write[1]].append(write)
        for name in self.remaining.intersection(values):
            self._seeds[name] = values[name]
            self.remaining.discard(name)

    def history(self) -> History:
        """The history of every channel, as far as ancestors were added."""
        history: History = {
            name: {"writes": newest_first[::-1]} for name, newest_first in self._writes.items()
        }
        for name, seed in self._seeds.items():
            history[name]["seed"] = seed
        return history


def read_history(
    config: Config, channels: Sequence[str]
) -> Generator[Config, CheckpointTuple | None, History]:
    """Yields the configs of checkpoints to read and is sent these; returns the channels' history.

    Args:
        config: addresses the checkpoint whose ancestors are read.
        channels: the delta channels.
    """
    walk = DeltaWalk(channels)
    visited: set[str] = set()
    saved = (yield config) if channels else None
    while saved is not None and walk.remaining:
        parent = unvisited_parent(saved, visited)
        if parent is None:
            break
        saved = yield parent
        if saved is not None:
            walk.add(saved.pending_writes or (), saved.checkpoint["channel_values"])
    return walk.history()


def unvisited_parent(saved: CheckpointTuple, visited: set[str]) -> Config | None:
    """The config of a checkpoint's parent, None if it has none or the parent was visited before.

    A checkpoint that is stored again under one of its descendants makes a ring of the ancestors.

    Args:
        saved: the checkpoint.
        visited: the ids of all parents that were returned; the parent's is added.
    """
    parent = saved.parent_config
    if parent is None or parent["configurable"]["checkpoint_id"] in visited:
        return None
    visited.add(parent["configurable"]["checkpoint_id"])
    return parent
