"""When a DeltaChannel is stored in whole, and what that does to the versions (spec §3.3).

Its value is rebuilt from the writes stored along a thread; now and then, and
wherever those writes would not be the whole story, a checkpoint holds a snapshot.
Upstream: pregel/_checkpoint.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from lgc.runtime.channels import BinaryOperatorAggregate, Channel
from lgc.runtime.constants import MISSING, NS_END, NS_SEP, NULL_TASK_ID
from lgc.runtime.public.wrapped_values import Snapshot, overwritten
from lgc.runtime.upstream import loaded

COUNTERS: Final = "counters_since_delta_snapshot"
"""The metadata key: by channel, (updates, supersteps) since its last snapshot."""

SNAPSHOT_BUMPS: Final = "__snapshot_bumps__"
"""The key of `versions_seen` that tells versions moved by a snapshot from real reads."""

_MAX_SUPERSTEPS: Final = int(os.getenv("LANGGRAPH_DELTA_MAX_SUPERSTEPS_SINCE_SNAPSHOT", "5000"))

Counters = dict[str, tuple[int, int]]


def snapshot(value: object) -> Any:
    """What a checkpoint holds for a DeltaChannel that is stored in whole."""
    cls = loaded("langgraph.checkpoint.serde.types", "_DeltaSnapshot") or Snapshot
    return cls(value)


def counted(keys: Iterable[str], before: Mapping[str, Any] | None, updated: Any) -> Counters:
    """The counters after one more superstep.

    Args:
        keys: the DeltaChannels.
        before: the counters of the checkpoint before.
        updated: the keys that the superstep changed.
    """
    counters: Counters = {}
    for key in keys:
        updates, supersteps = (before or {}).get(key, (0, 0))
        counters[key] = (updates + (key in updated), supersteps + 1)
    return counters


def due(
    channels: Iterable[Channel], counters: Mapping[str, Any], versions: Mapping[str, Any]
) -> dict[str, bool]:
    """The DeltaChannels whose counters ask for a snapshot (delta_channels_to_snapshot)."""
    bound = loaded("langgraph.pregel._checkpoint", "DELTA_MAX_SUPERSTEPS_SINCE_SNAPSHOT")
    most = _MAX_SUPERSTEPS if bound is None else bound
    snapshots: dict[str, bool] = {}
    for channel in channels:
        if not channel.snapshot_frequency or channel.key not in versions:
            continue
        updates, supersteps = counters.get(channel.key, (0, 0))
        if updates >= channel.snapshot_frequency or supersteps >= most:
            snapshots[channel.key] = True
    return snapshots


def set_counters(metadata: dict[str, Any], counters: Counters) -> None:
    """Puts the counters that say something into a checkpoint's metadata."""
    telling = {key: count for key, count in counters.items() if count != (0, 0)}
    if telling:
        metadata[COUNTERS] = telling
    else:
        metadata.pop(COUNTERS, None)


def written(keys: Mapping[str, bool], writes: Iterable[tuple[str, Any]]) -> dict[str, bool]:
    """The DeltaChannels, of `keys`, that `writes` touch."""
    return {name: True for name, _ in writes if name in keys}


def replaced(keys: Mapping[str, bool], writes: Iterable[tuple[str, Any]]) -> dict[str, bool]:
    """The DeltaChannels, of `keys`, that an Overwrite among `writes` sets anew."""
    return {name: True for name, value in writes if name in keys and overwritten(value)[0]}


def keys_to_rebuild(channels: Iterable[Channel], checkpoint: Mapping[str, Any]) -> list[str]:
    """The channels whose value is in the writes of earlier checkpoints.

    A reducer channel stores its value always; one without was a DeltaChannel when it was written.
    """
    stored, versions = checkpoint["channel_values"], checkpoint["channel_versions"]
    return [
        channel.key
        for channel in channels
        if (channel.snapshot_frequency or isinstance(channel, BinaryOperatorAggregate))
        and channel.key in versions
        and stored.get(channel.key, MISSING) is MISSING
    ]


def replayed(prototype: Channel, history: Mapping[str, Any]) -> Channel:
    """A channel rebuilt from its history.

    Args:
        prototype: the channel's kind.
        history: `seed`, the last value stored in whole, if any, and `writes`, the pending writes
            since then, oldest first.
    """
    channel = prototype.restore(history.get("seed", MISSING))
    channel.replay([value for _, _, value in history["writes"]])
    return channel


def exit_task_id(step: int, task_id: str) -> str:
    """The task id of writes kept at a run's end for the superstep it started with.

    It sorts by superstep, and is never `NULL_TASK_ID`, whose writes are a checkpoint's own.
    """
    exit_id = f"{step:08d}{task_id[8:]}"
    return f"{step:08d}-0000-0000-0000-000000000001" if exit_id == NULL_TASK_ID else exit_id


def late_exit_task_id(step: int, task_id: str) -> str:
    """The task id of writes kept at a run's end for a later superstep: after all others."""
    return f"ffffffff-{step >> 16:04x}-{step & 0xFFFF:04x}{task_id[18:]}"


def mark_bumps_seen(
    seen: dict[str, dict[str, Any]],
    bumped: Mapping[str, Any],
    versions: Mapping[str, Any],
    subscribers: Mapping[str, list[str]],
) -> dict[str, dict[str, Any]]:
    """`versions_seen` in which a version moved by a snapshot starts nobody (_mark_bumps_seen).

    Args:
        seen: what was seen.
        bumped: the channels, with the version each had before, or None.
        versions: the versions they have now.
        subscribers: the nodes that each channel starts.
    """
    marked = dict(seen)
    for key, old in bumped.items():
        if old is None:
            for node in subscribers.get(key, ()):
                marked.setdefault(node, {})
    marks = dict(seen.get(SNAPSHOT_BUMPS, {}))
    for node, read in marked.items():
        if node == SNAPSHOT_BUMPS:
            continue
        for key, old in bumped.items():
            if read.get(key) != old:
                continue
            advanced = f"{node}{NS_SEP}{key}"
            if old is not None and marks.get(advanced) != old:
                marks[f"{node}{NS_END}{key}"] = old
            marks[advanced] = versions[key]
            marked[node] = {**marked[node], key: versions[key]}
    if marks:
        marked[SNAPSHOT_BUMPS] = marks
    return marked


def without_bumps(seen: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """`versions_seen` as the nodes really read it (versions_seen_without_bumps)."""
    marks = seen.get(SNAPSHOT_BUMPS)
    if not marks:
        return seen
    reads: dict[str, dict[str, Any]] = {}
    for node, read in seen.items():
        if node == SNAPSHOT_BUMPS:
            continue
        reads[node] = {}
        for key, version in read.items():
            if marks.get(f"{node}{NS_SEP}{key}") != version:
                reads[node][key] = version
            elif f"{node}{NS_END}{key}" in marks:
                reads[node][key] = marks[f"{node}{NS_END}{key}"]
    return reads
