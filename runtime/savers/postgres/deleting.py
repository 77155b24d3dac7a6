"""Deletes and copies: threads, the checkpoints of runs, and what `prune` does not keep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from lgc.runtime.savers.postgres.queries import Operation, Query
from lgc.runtime.savers.sql import Statement

_DELETE_THREADS: Final = (
    "DELETE FROM checkpoints WHERE thread_id = ANY(%s)",
    "DELETE FROM checkpoint_blobs WHERE thread_id = ANY(%s)",
    "DELETE FROM checkpoint_writes WHERE thread_id = ANY(%s)",
)

_DELETE_NAMESPACES: Final = (
    "DELETE FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = ANY(%s)",
    "DELETE FROM checkpoint_blobs WHERE thread_id = %s AND checkpoint_ns = ANY(%s)",
    "DELETE FROM checkpoint_writes WHERE thread_id = %s AND checkpoint_ns = ANY(%s)",
)

# All queries of a transaction see the same rows, so what a run stores meanwhile stays whole.
_REPEATABLE_READ: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"

# A thread has a DeltaChannel if its metadata counts updates since a snapshot, if LangGraph.js
# marked it so, or if a value is a snapshot: `true` in the JSON, with a blob. A value that is True
# has no blob.
_GET_DELTA_THREADS: Final = """
SELECT DISTINCT c.thread_id FROM checkpoints AS c
WHERE c.thread_id = ANY(%s) AND (
    c.metadata ?| ARRAY['counters_since_delta_snapshot', 'delta_writes_versioned']
    OR EXISTS (
        SELECT FROM jsonb_each(c.checkpoint -> 'channel_values') AS stored
        CROSS JOIN LATERAL (
            SELECT FROM checkpoint_blobs AS b
            WHERE b.thread_id = c.thread_id AND b.checkpoint_ns = c.checkpoint_ns
                AND b.channel = stored.key
                AND b.version = c.checkpoint -> 'channel_versions' ->> stored.key
            LIMIT 1
        ) AS snapshot
        WHERE stored.value = 'true'
    )
)
"""

# By namespace: the newest checkpoint; its parent, if that holds its Sends; the checkpoint of the
# root graph that it belongs to, and whether that one is stored.
_GET_HEADS: Final = """
SELECT head.checkpoint_ns, head.checkpoint_id,
    CASE WHEN (c.checkpoint ->> 'v')::int < 4 AND EXISTS (
        SELECT FROM checkpoint_writes AS s
        WHERE s.thread_id = %(thread)s AND s.checkpoint_ns = head.checkpoint_ns
            AND s.checkpoint_id = c.parent_checkpoint_id AND s.channel = '__pregel_tasks'
    ) THEN c.parent_checkpoint_id END,
    c.metadata -> 'parents' ->> '',
    EXISTS (
        SELECT FROM checkpoints AS root
        WHERE root.thread_id = %(thread)s AND root.checkpoint_ns = ''
            AND root.checkpoint_id = c.metadata -> 'parents' ->> ''
    )
FROM (
    SELECT DISTINCT ON (checkpoint_ns) checkpoint_ns, checkpoint_id FROM checkpoints
    WHERE thread_id = %(thread)s ORDER BY checkpoint_ns DESC, checkpoint_id DESC
) AS head
CROSS JOIN LATERAL (
    SELECT * FROM checkpoints
    WHERE thread_id = %(thread)s AND checkpoint_ns = head.checkpoint_ns
        AND checkpoint_id = head.checkpoint_id
) AS c
"""

_GET_OTHERS: Final = """
SELECT checkpoint_id FROM checkpoints
WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id <> ALL(%s)
"""

_GET_OF_RUNS: Final = """
SELECT thread_id, checkpoint_ns, array_agg(checkpoint_id) FROM checkpoints
WHERE metadata ->> 'run_id' = ANY(%s) GROUP BY thread_id, checkpoint_ns
"""

_DELETE_WRITES: Final = """
DELETE FROM checkpoint_writes
WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id = ANY(%s)
"""

_DELETE_CHECKPOINTS: Final = """
WITH deleted AS (
    DELETE FROM checkpoints
    WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id = ANY(%s)
    RETURNING checkpoint -> 'channel_versions' AS versions
)
SELECT DISTINCT version.key, version.value
FROM deleted CROSS JOIN LATERAL jsonb_each_text(deleted.versions) AS version
"""

_GET_USED_VERSIONS: Final = """
SELECT DISTINCT version.key, version.value
FROM checkpoints AS c
CROSS JOIN LATERAL jsonb_each_text(c.checkpoint -> 'channel_versions') AS version
WHERE c.thread_id = %s AND c.checkpoint_ns = %s
"""

_DELETE_BLOBS: Final = """
DELETE FROM checkpoint_blobs
WHERE thread_id = %s AND checkpoint_ns = %s AND channel = %s AND version = ANY(%s)
"""

_CLEAR_PARENTS: Final = """
UPDATE checkpoints SET parent_checkpoint_id = NULL
WHERE thread_id = %s AND checkpoint_ns = %s
    AND checkpoint_id = ANY(%s) AND parent_checkpoint_id <> ALL(%s)
"""

_COPY: Final = (
    """
    INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type,
        checkpoint, metadata)
    SELECT %s, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata
    FROM checkpoints WHERE thread_id = %s
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id) DO UPDATE SET
        parent_checkpoint_id = EXCLUDED.parent_checkpoint_id, type = EXCLUDED.type,
        checkpoint = EXCLUDED.checkpoint, metadata = EXCLUDED.metadata
    """,
    """
    INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
    SELECT %s, checkpoint_ns, channel, version, type, blob
    FROM checkpoint_blobs WHERE thread_id = %s
    ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO UPDATE SET
        type = EXCLUDED.type, blob = EXCLUDED.blob
    """,
    """
    INSERT INTO checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel,
        type, blob, task_path)
    SELECT %s, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob, task_path
    FROM checkpoint_writes WHERE thread_id = %s
    ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO UPDATE SET
        channel = EXCLUDED.channel, type = EXCLUDED.type, blob = EXCLUDED.blob,
        task_path = EXCLUDED.task_path
    """,
)


def delete_threads(thread_ids: Sequence[str]) -> list[Statement]:
    """The statements that delete all rows of threads."""
    return [(sql, [(thread_ids,)]) for sql in _DELETE_THREADS]


def copy_thread(source_thread_id: str, target_thread_id: str) -> list[Statement]:
    """The statements that copy all rows of a thread."""
    return [(sql, [(str(target_thread_id), str(source_thread_id))]) for sql in _COPY]


def refuse_delta_threads(thread_ids: Sequence[str]) -> Operation[None]:
    """Checks that no thread has a delta channel.

    Raises:
        NotImplementedError: one has.
    """
    rows = yield Query(_GET_DELTA_THREADS, (thread_ids,))
    if rows:
        names = ", ".join(sorted(thread_id for (thread_id,) in rows))
        raise NotImplementedError(
            f"keep_latest can't prune threads that use a DeltaChannel: {names}"
        )


def keep_latest(thread_id: str) -> Operation[None]:
    """Deletes of one thread what `PostgresSaver.prune` does not keep, within a transaction."""
    yield Query(_REPEATABLE_READ, has_rows=False)
    heads = yield Query(_GET_HEADS, {"thread": thread_id})
    # Again, in this transaction: a run may have stored a delta channel since the first check.
    yield from refuse_delta_threads([thread_id])
    kept = {namespace: [i for i in ids if i] for namespace, *ids, _, _ in heads}
    # A subgraph call's namespace ends in a task id. The call counts as unfinished until the
    # checkpoint that it started from is stored, which may be later than its own checkpoints.
    over = [
        namespace
        for namespace, _, _, root, is_stored in heads
        if ":" in namespace and is_stored and root not in kept.get("", ())
    ]
    for sql in _DELETE_NAMESPACES if over else ():
        yield Query(sql, (thread_id, over), has_rows=False)
    for namespace in kept.keys() - set(over):
        where, ids = (thread_id, namespace), kept[namespace]
        rows = yield Query(_GET_OTHERS, (*where, ids))
        yield from _delete(thread_id, namespace, [other for (other,) in rows])
        yield Query(_CLEAR_PARENTS, (*where, ids, ids), has_rows=False)


def delete_runs(run_ids: Sequence[str]) -> Operation[None]:
    """Deletes the checkpoints of runs, within a transaction."""
    yield Query(_REPEATABLE_READ, has_rows=False)
    for thread_id, namespace, ids in (yield Query(_GET_OF_RUNS, (list(run_ids),))):
        yield from _delete(thread_id, namespace, ids)


def _delete(thread_id: str, namespace: str, ids: Sequence[str]) -> Operation[None]:
    """Deletes checkpoints of a namespace, their writes, and the blobs that no other one has."""
    if not ids:
        return
    where = thread_id, namespace
    yield Query(_DELETE_WRITES, (*where, ids), has_rows=False)
    deleted = yield Query(_DELETE_CHECKPOINTS, (*where, ids))
    used = (yield Query(_GET_USED_VERSIONS, where)) if deleted else []
    unused: defaultdict[str, list[str]] = defaultdict(list)
    for channel, version in set(deleted).difference(used):
        unused[channel].append(version)
    for channel, versions in unused.items():
        yield Query(_DELETE_BLOBS, (*where, channel, versions), has_rows=False)
