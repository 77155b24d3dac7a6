"""The checkpoint data model: what savers store, byte for byte (spec §2.9, §4.7, §4.12, §12).

This file stays interpreted: users unpack and derive from its named tuple.

A checkpoint is a dict, as upstream's TypedDict is one:

    v                 4
    ts                when it was made, ISO 8601 in UTC
    id                a uuid6; the greatest of a thread is the newest
    channel_values    what each channel that has a version stores
    channel_versions  the version of each channel that was ever written
    versions_seen     by node, the versions it has run on
    updated_channels  what the superstep changed, sorted, or None
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from lgc.runtime.constants import ERROR, INTERRUPT, RESUME, SCHEDULED

Writes = list[tuple[str, Any]]
"""What one task, or a Command, has written: channel and value, in order."""

PendingWrites = list[tuple[str, str, Any]]
"""The writes that belong to a checkpoint and are not applied yet: task id, channel, value."""

VERSION: Final = 4
"""The layout that is written."""

WRITE_INDEXES: Final = {ERROR: -1, SCHEDULED: -2, INTERRUPT: -3, RESUME: -4}
"""The index of a special write; a later one takes its place (spec §4.7)."""

NOT_IN_METADATA: Final = frozenset(
    (
        "thread_id",
        "checkpoint_id",
        "checkpoint_ns",
        "checkpoint_map",
        "langgraph_step",
        "langgraph_node",
        "langgraph_triggers",
        "langgraph_path",
        "langgraph_checkpoint_ns",
    )
)
"""What says where a checkpoint or task is; a saver does not take it over into the metadata."""


class CheckpointTuple(NamedTuple):
    """A checkpoint as a saver hands it out (checkpoint/base:CheckpointTuple).

    Attributes:
        config: addresses it: thread_id, checkpoint_ns, checkpoint_id.
        checkpoint: the checkpoint.
        metadata: source, step, parents and what `metadata_of` added.
        parent_config: addresses its parent.
        pending_writes: `(task id, channel, value)`, by task path, task id and index.
    """

    config: dict[str, Any]
    checkpoint: dict[str, Any]
    metadata: dict[str, Any]
    parent_config: dict[str, Any] | None = None
    pending_writes: list[tuple[str, str, Any]] | None = None


def empty(checkpoint_id: str) -> dict[str, Any]:
    """The checkpoint a thread starts from (pregel/_checkpoint.py:empty_checkpoint)."""
    return {
        "v": VERSION,
        "id": checkpoint_id,
        "ts": now(),
        "channel_values": {},
        "channel_versions": {},
        "versions_seen": {},
    }


def metadata_of(config: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata that is stored with a checkpoint (checkpoint/base:get_checkpoint_metadata).

    Args:
        config: its strings, numbers and booleans are added, those of `metadata` before those
            of `configurable`; never where the checkpoint is, nor a private key.
        metadata: what the engine says.
    """
    stored = {k: _without_nul(v) if isinstance(v, str) else v for k, v in metadata.items()}
    for source in (config.get("metadata"), config.get("configurable")):
        for key, value in (source or {}).items():
            if key in stored or key in NOT_IN_METADATA or key.startswith("__"):
                continue
            if isinstance(value, str):
                stored[key] = _without_nul(value)
            elif isinstance(value, (int, float)):
                stored[key] = value
    return stored


def _without_nul(text: str) -> str:
    # PostgreSQL's JSON takes none.
    return text.replace("\0", "")


def now() -> str:
    """The time as a checkpoint tells it: ISO 8601 in UTC."""
    from datetime import datetime, timezone

    return datetime.now(timezone.utc).isoformat()
