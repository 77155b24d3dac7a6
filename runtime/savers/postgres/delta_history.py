"""Reads what delta channels are rebuilt from, in a few queries for all ancestors together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from lgc.runtime.savers.delta_history import DeltaWalk
from lgc.runtime.savers.postgres.queries import Operation, Query, Rows, where_checkpoint
from lgc.runtime.savers.types import Config, History

_GET_PARENT: Final = """
SELECT parent_checkpoint_id FROM checkpoints {chosen} ORDER BY checkpoint_id DESC LIMIT 1
"""

# A checkpoint and its ancestors, nearest first, with what each of them stores of some channels.
_GET_ANCESTORS: Final = """
WITH RECURSIVE ancestors AS (
    SELECT checkpoint_id, parent_checkpoint_id, 1 AS position FROM checkpoints
    WHERE thread_id = %(thread)s AND checkpoint_ns = %(ns)s AND checkpoint_id = %(start)s
    UNION ALL
    SELECT c.checkpoint_id, c.parent_checkpoint_id, ancestors.position + 1
    FROM ancestors JOIN checkpoints AS c
        ON c.thread_id = %(thread)s AND c.checkpoint_ns = %(ns)s
        AND c.checkpoint_id = ancestors.parent_checkpoint_id
    WHERE ancestors.position < %(size)s
)
SELECT ancestors.checkpoint_id, ancestors.parent_checkpoint_id, wanted.channel, stored.version,
    EXISTS (
        SELECT FROM checkpoint_blobs AS b
        WHERE b.thread_id = %(thread)s AND b.checkpoint_ns = %(ns)s
            AND b.channel = wanted.channel AND b.version = stored.version AND b.type <> 'empty'
    ),
    stored.value
FROM ancestors
JOIN checkpoints AS c
    ON c.thread_id = %(thread)s AND c.checkpoint_ns = %(ns)s
    AND c.checkpoint_id = ancestors.checkpoint_id
CROSS JOIN unnest(%(channels)s::text[]) AS wanted (channel)
CROSS JOIN LATERAL (
    SELECT c.checkpoint -> 'channel_versions' ->> wanted.channel AS version,
        c.checkpoint -> 'channel_values' -> wanted.channel AS value
) AS stored
ORDER BY ancestors.position
"""

_GET_WRITES: Final = """
SELECT w.task_path, w.task_id, w.idx, w.channel, w.checkpoint_id, w.type, w.blob
FROM unnest(%(channels)s::text[], %(ids)s::text[]) AS wanted (channel, checkpoint_id)
JOIN checkpoint_writes AS w
    ON w.thread_id = %(thread)s AND w.checkpoint_ns = %(ns)s
    AND w.checkpoint_id = wanted.checkpoint_id AND w.channel = wanted.channel
"""

_GET_BLOBS: Final = """
SELECT b.channel, b.type, b.blob
FROM unnest(%(channels)s::text[], %(versions)s::text[]) AS wanted (channel, version)
JOIN checkpoint_blobs AS b
    ON b.thread_id = %(thread)s AND b.checkpoint_ns = %(ns)s
    AND b.channel = wanted.channel AND b.version = wanted.version
"""

# How many ancestors the first query reads; each further one reads four times as many.
_PAGE: Final = 64


class DeltaAncestors:
    """The ancestors of a checkpoint and what they store of some delta channels.

    Args:
        channels: the channels.

    Attributes:
        ids: the ids of the ancestors, a child before its parent; a dict, to notice when a parent
            comes up again, because ancestors may form a ring.
        remaining: the channels of which no ancestor stores a value yet.
        writers: `(channel, ancestor)` for the writes that count.
        inline: by channel, `(ancestor, value)` of a value that the JSON holds.
        versions: by channel, `(ancestor, version)` of a value that is a blob.
        writes, blobs: the rows of `_GET_WRITES` and `_GET_BLOBS`.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        self.ids: dict[str, None] = {}
        self.remaining = dict.fromkeys(channels)
        self.writers: dict[tuple[str, str], None] = {}
        self.inline: dict[str, tuple[str, Any]] = {}
        self.versions: dict[str, tuple[str, str]] = {}
        self.writes: Rows = []
        self.blobs: Rows = []

    def add(self, ancestor: str, channel: str, version: Any, has_blob: bool, value: Any) -> None:
        """Adds a row of `_GET_ANCESTORS`.

        Args:
            ancestor: the id of the ancestor.
            channel: a delta channel.
            version: the version of the channel there, or None.
            has_blob: whether the channel's value at this version is a blob.
            value: what the JSON holds of the channel, which for a snapshot is a mere `true`.
        """
        self.ids[ancestor] = None
        if channel not in self.remaining:
            return
        self.writers[channel, ancestor] = None
        if has_blob:
            self.versions[channel] = ancestor, version
        elif value is None:
            return
        elif version is not None:
            self.inline[channel] = ancestor, value
        del self.remaining[channel]

    def history(self, channels: Sequence[str], serde: Any) -> History:
        """The history of the channels; `serde` reads values and writes."""
        loads = serde.loads_typed
        seeds: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        for channel, (ancestor, value) in self.inline.items():
            seeds[ancestor][channel] = value
        for channel, tag, data in self.blobs:
            seeds[self.versions[channel][0]][channel] = loads((tag, data))
        writes: defaultdict[str, list[tuple[str, str, Any]]] = defaultdict(list)
        # The rows begin with what orders pending writes: task path, task id, index.
        for _, task_id, _, channel, ancestor, tag, data in sorted(self.writes):
            writes[ancestor].append((task_id, channel, loads((tag, data))))
        walk = DeltaWalk(channels)
        for ancestor in self.ids:
            walk.add(writes[ancestor], seeds[ancestor])
        return walk.history()


def read_delta_ancestors(config: Config, channels: Sequence[str]) -> Operation[DeltaAncestors]:
    """Reads the ancestors of a checkpoint up to those that store the channels.

    Args:
        config: addresses the checkpoint.
        channels: the delta channels.
    """
    ancestors = DeltaAncestors(channels)
    condition, parameters = where_checkpoint(config)
    namespace = {"thread": parameters[0], "ns": parameters[1]}
    parents = yield Query(_GET_PARENT.format(chosen=condition), parameters)
    start = parents[0][0] if parents else None
    size = _PAGE
    while start is not None and ancestors.remaining and start not in ancestors.ids:
        page = {**namespace, "start": start, "size": size, "channels": list(ancestors.remaining)}
        start = None
        for ancestor, parent, *stored in (yield Query(_GET_ANCESTORS, page)):
            ancestors.add(ancestor, *stored)
            start = parent
        size *= 4
    if ancestors.writers:
        names, ids = ([pair[part] for pair in ancestors.writers] for part in (0, 1))
        ancestors.writes = yield Query(_GET_WRITES, {**namespace, "channels": names, "ids": ids})
    if ancestors.versions:
        versions = [version for _, version in ancestors.versions.values()]
        wanted = {"channels": list(ancestors.versions), "versions": versions}
        ancestors.blobs = yield Query(_GET_BLOBS, {**namespace, **wanted})
    return ancestors
