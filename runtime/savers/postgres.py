"""`PostgresSaver`, `AsyncPostgresSaver`: checkpoints in LangGraph's PostgreSQL tables (spec §12).

The tables are those of langgraph-checkpoint-postgres 3.2.0, so either reads, continues and migrates
what the other wrote:

    checkpoints        the checkpoint as JSON; of its channel values only what JSON has (None, str,
                       int, float, bool), and `true` for a `_DeltaSnapshot`
    checkpoint_blobs   the other values, serialized, by channel and version
    checkpoint_writes  what tasks wrote, serialized, by checkpoint, task and index

What is asked and how answers are read stands once, in `_Postgres`; the two savers bring it to the
database. What takes several questions is a generator of `_Question`s, each answered by its rows.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import defaultdict
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from json import dumps
from math import isfinite
from typing import Any, Final, NamedTuple, TypeVar

from lgc.runtime.checkpointing.model import WRITE_INDEXES, CheckpointTuple, metadata_of
from lgc.runtime.constants import TASKS
from lgc.runtime.savers.base import (
    BaseSaver,
    Config,
    DeltaWalk,
    History,
    TaskWrites,
    Writes,
    address,
    check_prune,
    in_own_loop,
)
from lgc.runtime.serde.type_encoders import is_snapshot

try:
    from psycopg import (
        AsyncConnection,
        AsyncCursor,
        AsyncPipeline,
        Connection,
        Cursor,
        Pipeline,
    )
    from psycopg.rows import tuple_row
    from psycopg.types.json import Jsonb
    from psycopg_pool import AsyncConnectionPool, ConnectionPool
except ImportError as error:
    raise ImportError(
        f"lgc's PostgreSQL savers need psycopg and psycopg_pool ({error}): "
        "pip install 'lgc[postgres]'"
    ) from error

T = TypeVar("T")
Rows = list[tuple[Any, ...]]
Batch = tuple[str, Sequence[Sequence[Any]]]
"""A statement and the parameters of each time that it is executed."""


class _Question(NamedTuple):
    """A statement, its parameters, and whether it has rows for an answer."""

    sql: str
    parameters: Any = ()
    answered: bool = True


Questions = Generator[_Question, Rows, T]


# --- what is stored ---

MIGRATIONS: Final = (
    "CREATE TABLE IF NOT EXISTS checkpoint_migrations (v INTEGER PRIMARY KEY)",
    """
    CREATE TABLE IF NOT EXISTS checkpoints (
        thread_id TEXT NOT NULL,
        checkpoint_ns TEXT NOT NULL DEFAULT '',
        checkpoint_id TEXT NOT NULL,
        parent_checkpoint_id TEXT,
        type TEXT,
        checkpoint JSONB NOT NULL,
        metadata JSONB NOT NULL DEFAULT '{}',
        PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS checkpoint_blobs (
        thread_id TEXT NOT NULL,
        checkpoint_ns TEXT NOT NULL DEFAULT '',
        channel TEXT NOT NULL,
        version TEXT NOT NULL,
        type TEXT NOT NULL,
        blob BYTEA,
        PRIMARY KEY (thread_id, checkpoint_ns, channel, version)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS checkpoint_writes (
        thread_id TEXT NOT NULL,
        checkpoint_ns TEXT NOT NULL DEFAULT '',
        checkpoint_id TEXT NOT NULL,
        task_id TEXT NOT NULL,
        idx INTEGER NOT NULL,
        channel TEXT NOT NULL,
        type TEXT,
        blob BYTEA NOT NULL,
        PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
    )
    """,
    "ALTER TABLE checkpoint_blobs ALTER COLUMN blob DROP NOT NULL",
    "SELECT 1",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS checkpoints_thread_id_idx ON checkpoints (thread_id)",
    """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS checkpoint_blobs_thread_id_idx
    ON checkpoint_blobs (thread_id)
    """,
    """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS checkpoint_writes_thread_id_idx
    ON checkpoint_writes (thread_id)
    """,
    "ALTER TABLE checkpoint_writes ADD COLUMN IF NOT EXISTS task_path TEXT NOT NULL DEFAULT ''",
)
"""Upstream's steps to its schema; a step's place is its version in `checkpoint_migrations`."""

_MIGRATED: Final = "INSERT INTO checkpoint_migrations (v) VALUES (%s)"
_VERSION: Final = "SELECT max(v) FROM checkpoint_migrations"

# A conflict leaves the parent: so does upstream.
_PUT: Final = """
INSERT INTO checkpoints
    (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
DO UPDATE SET checkpoint = EXCLUDED.checkpoint, metadata = EXCLUDED.metadata
"""

_PUT_BLOB: Final = """
INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO NOTHING
"""

_ADD_WRITE: Final = """
INSERT INTO checkpoint_writes
    (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
"""
_PUT_WRITE: Final = _ADD_WRITE + "DO NOTHING"
_REPLACE_WRITE: Final = _ADD_WRITE + (
    "DO UPDATE SET channel = EXCLUDED.channel, type = EXCLUDED.type, blob = EXCLUDED.blob"
)

# --- what is read ---

# The rows are chosen first: what belongs to them is looked up for these alone. Before version 4 a
# checkpoint's Sends were writes of its parent.
_SELECT: Final = """
SELECT c.thread_id, c.checkpoint_ns, c.checkpoint_id, c.parent_checkpoint_id,
    c.checkpoint, c.metadata, blobs.*, writes.*, sends.*
FROM (
    SELECT * FROM checkpoints {chosen} ORDER BY checkpoint_id DESC {limit}
) AS c
CROSS JOIN LATERAL (
    SELECT array_agg(b.channel), array_agg(b.type), array_agg(b.blob)
    FROM jsonb_each_text(c.checkpoint -> 'channel_versions') AS version
    JOIN checkpoint_blobs AS b
        ON b.thread_id = c.thread_id AND b.checkpoint_ns = c.checkpoint_ns
        AND b.channel = version.key AND b.version = version.value
) AS blobs
CROSS JOIN LATERAL (
    SELECT array_agg(w.task_path), array_agg(w.task_id), array_agg(w.idx),
        array_agg(w.channel), array_agg(w.type), array_agg(w.blob)
    FROM checkpoint_writes AS w
    WHERE w.thread_id = c.thread_id AND w.checkpoint_ns = c.checkpoint_ns
        AND w.checkpoint_id = c.checkpoint_id
) AS writes
CROSS JOIN LATERAL (
    SELECT array_agg(s.type ORDER BY s.task_path, s.task_id, s.idx),
        array_agg(s.blob ORDER BY s.task_path, s.task_id, s.idx)
    FROM checkpoint_writes AS s
    WHERE (c.checkpoint ->> 'v')::int < 4 AND s.channel = '__pregel_tasks'
        AND s.thread_id = c.thread_id AND s.checkpoint_ns = c.checkpoint_ns
        AND s.checkpoint_id = c.parent_checkpoint_id
) AS sends
ORDER BY c.checkpoint_id DESC
"""

_PARENT: Final = """
SELECT parent_checkpoint_id FROM checkpoints {chosen} ORDER BY checkpoint_id DESC LIMIT 1
"""

# A checkpoint and its ancestors, nearest first, with what each of them stores of some channels.
_LINE: Final = """
WITH RECURSIVE line AS (
    SELECT checkpoint_id, parent_checkpoint_id, 1 AS place FROM checkpoints
    WHERE thread_id = %(thread)s AND checkpoint_ns = %(ns)s AND checkpoint_id = %(start)s
    UNION ALL
    SELECT c.checkpoint_id, c.parent_checkpoint_id, line.place + 1
    FROM line JOIN checkpoints AS c
        ON c.thread_id = %(thread)s AND c.checkpoint_ns = %(ns)s
        AND c.checkpoint_id = line.parent_checkpoint_id
    WHERE line.place < %(size)s
)
SELECT line.checkpoint_id, line.parent_checkpoint_id, wanted.channel, stored.version,
    EXISTS (
        SELECT FROM checkpoint_blobs AS b
        WHERE b.thread_id = %(thread)s AND b.checkpoint_ns = %(ns)s
            AND b.channel = wanted.channel AND b.version = stored.version AND b.type <> 'empty'
    ),
    stored.value
FROM line
JOIN checkpoints AS c
    ON c.thread_id = %(thread)s AND c.checkpoint_ns = %(ns)s
    AND c.checkpoint_id = line.checkpoint_id
CROSS JOIN unnest(%(channels)s::text[]) AS wanted (channel)
CROSS JOIN LATERAL (
    SELECT c.checkpoint -> 'channel_versions' ->> wanted.channel AS version,
        c.checkpoint -> 'channel_values' -> wanted.channel AS value
) AS stored
ORDER BY line.place
"""

_LINE_WRITES: Final = """
SELECT w.task_path, w.task_id, w.idx, w.channel, w.checkpoint_id, w.type, w.blob
FROM unnest(%(channels)s::text[], %(ids)s::text[]) AS wanted (channel, checkpoint_id)
JOIN checkpoint_writes AS w
    ON w.thread_id = %(thread)s AND w.checkpoint_ns = %(ns)s
    AND w.checkpoint_id = wanted.checkpoint_id AND w.channel = wanted.channel
"""

_LINE_BLOBS: Final = """
SELECT b.channel, b.type, b.blob
FROM unnest(%(channels)s::text[], %(versions)s::text[]) AS wanted (channel, version)
JOIN checkpoint_blobs AS b
    ON b.thread_id = %(thread)s AND b.checkpoint_ns = %(ns)s
    AND b.channel = wanted.channel AND b.version = wanted.version
"""

# --- what is deleted and copied ---

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

# All of a transaction sees the same rows, so what a run saves meanwhile stays whole.
_ONE_VIEW: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"

# A DeltaChannel shows by its counters, by LangGraph.js's mark, and by a snapshot: of a plain
# `true` there is no blob.
_DELTA_THREADS: Final = """
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
# root graph that it belongs to, and whether that one is saved.
_NEWEST: Final = """
SELECT newest.checkpoint_ns, newest.checkpoint_id,
    CASE WHEN (c.checkpoint ->> 'v')::int < 4 AND EXISTS (
        SELECT FROM checkpoint_writes AS s
        WHERE s.thread_id = %(thread)s AND s.checkpoint_ns = newest.checkpoint_ns
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
) AS newest
CROSS JOIN LATERAL (
    SELECT * FROM checkpoints
    WHERE thread_id = %(thread)s AND checkpoint_ns = newest.checkpoint_ns
        AND checkpoint_id = newest.checkpoint_id
) AS c
"""

_OTHERS: Final = """
SELECT checkpoint_id FROM checkpoints
WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id <> ALL(%s)
"""

_OF_RUNS: Final = """
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

_USED_VERSIONS: Final = """
SELECT DISTINCT version.key, version.value
FROM checkpoints AS c
CROSS JOIN LATERAL jsonb_each_text(c.checkpoint -> 'channel_versions') AS version
WHERE c.thread_id = %s AND c.checkpoint_ns = %s
"""

_DELETE_BLOBS: Final = """
DELETE FROM checkpoint_blobs
WHERE thread_id = %s AND checkpoint_ns = %s AND channel = %s AND version = ANY(%s)
"""

_FORGET_PARENTS: Final = """
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

# The first page of a walk through a thread, in checkpoints; the next are each four times as long.
_PAGE: Final = 64


# --- several questions ---


def _setup() -> Questions[None]:
    """Brings the tables to the newest migration."""
    yield _Question(MIGRATIONS[0], (), False)
    [(version,)] = yield _Question(_VERSION)
    for number in range(0 if version is None else version + 1, len(MIGRATIONS)):
        yield _Question(MIGRATIONS[number], (), False)
        yield _Question(_MIGRATED, (number,), False)


class _Line:
    """The ancestors of a checkpoint and what they store of some delta channels.

    Args:
        channels: the channels.

    Attributes:
        ancestors: their ids, a parent after its child; a dict, for they may form a ring.
        remaining: the channels of which no ancestor stores a value.
        wanted: `(channel, ancestor)` where writes count.
        inline: by channel, `(ancestor, value)` of one that JSON has.
        stored: by channel, `(ancestor, version)` of one that has a blob.
        writes, blobs: the rows of `_LINE_WRITES` and `_LINE_BLOBS`.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        self.ancestors: dict[str, None] = {}
        self.remaining = dict.fromkeys(channels)
        self.wanted: dict[tuple[str, str], None] = {}
        self.inline: dict[str, tuple[str, Any]] = {}
        self.stored: dict[str, tuple[str, str]] = {}
        self.writes: Rows = []
        self.blobs: Rows = []

    def add(self, ancestor: str, channel: str, version: Any, has_blob: bool, value: Any) -> None:
        """Takes a row of `_LINE`; of a snapshot, which has a blob, the value is a mere mark."""
        self.ancestors[ancestor] = None
        if channel not in self.remaining:
            return
        self.wanted[channel, ancestor] = None
        if has_blob:
            self.stored[channel] = ancestor, version
        elif value is None:
            return
        elif version is not None:
            self.inline[channel] = ancestor, value
        del self.remaining[channel]


def _line(config: Config, channels: Sequence[str]) -> Questions[_Line]:
    """What the history of delta channels is made of (get_delta_channel_history)."""
    line = _Line(channels)
    chosen, given = _addressed(config)
    at = {"thread": given[0], "ns": given[1]}
    found = yield _Question(_PARENT.format(chosen=chosen), given)
    start = found[0][0] if found else None
    size = _PAGE
    while start is not None and line.remaining and start not in line.ancestors:
        asked = {**at, "start": start, "size": size, "channels": list(line.remaining)}
        start = None
        for ancestor, parent, *stored in (yield _Question(_LINE, asked)):
            line.add(ancestor, *stored)
            start = parent
        size *= 4
    if line.wanted:
        names, ids = ([pair[part] for pair in line.wanted] for part in (0, 1))
        asked = {**at, "channels": names, "ids": ids}
        line.writes = yield _Question(_LINE_WRITES, asked)
    if line.stored:
        versions = [version for _, version in line.stored.values()]
        asked = {**at, "channels": list(line.stored), "versions": versions}
        line.blobs = yield _Question(_LINE_BLOBS, asked)
    return line


def _refuse_delta_threads(thread_ids: Sequence[str]) -> Questions[None]:
    """Raises NotImplementedError if a thread has a delta channel."""
    rows = yield _Question(_DELTA_THREADS, (thread_ids,))
    if rows:
        names = ", ".join(sorted(thread_id for (thread_id,) in rows))
        raise NotImplementedError(
            f"keep_latest can't prune threads that use a DeltaChannel: {names}"
        )


def _keep_latest(thread_id: str) -> Questions[None]:
    """Deletes what `PostgresSaver.prune` says of one thread."""
    yield _Question(_ONE_VIEW, (), False)
    newest = yield _Question(_NEWEST, {"thread": thread_id})
    # It may have got a delta channel after all threads were looked at.
    yield from _refuse_delta_threads([thread_id])
    kept = {namespace: [i for i in ids if i] for namespace, *ids, _, _ in newest}
    # A call's namespace ends in a task id. Until the checkpoint it started from is saved, which
    # may come later, it is not known to be over.
    over = [
        namespace
        for namespace, _, _, root, is_saved in newest
        if ":" in namespace and is_saved and root not in kept.get("", ())
    ]
    for sql in _DELETE_NAMESPACES if over else ():
        yield _Question(sql, (thread_id, over), False)
    for namespace in kept.keys() - set(over):
        where, ids = (thread_id, namespace), kept[namespace]
        rows = yield _Question(_OTHERS, (*where, ids))
        yield from _drop(thread_id, namespace, [other for (other,) in rows])
        yield _Question(_FORGET_PARENTS, (*where, ids, ids), False)


def _delete_runs(run_ids: Sequence[str]) -> Questions[None]:
    """Deletes the checkpoints of runs."""
    yield _Question(_ONE_VIEW, (), False)
    for where in (yield _Question(_OF_RUNS, (list(run_ids),))):
        yield from _drop(*where)


def _drop(thread_id: str, namespace: str, ids: Sequence[str]) -> Questions[None]:
    """Deletes checkpoints of a namespace, their writes, and the blobs that no other one has."""
    if not ids:
        return
    where = thread_id, namespace
    yield _Question(_DELETE_WRITES, (*where, ids), False)
    freed = yield _Question(_DELETE_CHECKPOINTS, (*where, ids))
    used = (yield _Question(_USED_VERSIONS, where)) if freed else []
    unused: defaultdict[str, list[str]] = defaultdict(list)
    for channel, version in set(freed).difference(used):
        unused[channel].append(version)
    for channel, versions in unused.items():
        yield _Question(_DELETE_BLOBS, (*where, channel, versions), False)


# --- one question ---


def _addressed(config: Config) -> tuple[str, list[Any]]:
    """The condition for the checkpoint that a config addresses, if it is the newest of them."""
    where = config["configurable"]
    chosen = "WHERE thread_id = %s AND checkpoint_ns = %s"
    parameters = [where["thread_id"], where.get("checkpoint_ns", "")]
    if where.get("checkpoint_id"):
        chosen += " AND checkpoint_id = %s"
        parameters.append(where["checkpoint_id"])
    return chosen, parameters


def _one(config: Config) -> _Question:
    """Asks for the checkpoint that a config addresses."""
    chosen, parameters = _addressed(config)
    return _Question(_SELECT.format(chosen=chosen, limit="LIMIT 1"), parameters)


def _many(
    config: Config | None, filter: dict[str, Any] | None, before: Config | None, limit: int | None
) -> _Question:
    """Asks for the checkpoints of `BaseSaver.list`."""
    conditions: dict[str, Any] = {}
    if config:
        where = config["configurable"]
        conditions["thread_id = %s"] = where["thread_id"]
        if where.get("checkpoint_ns") is not None:
            conditions["checkpoint_ns = %s"] = where["checkpoint_ns"]
        if where.get("checkpoint_id"):
            conditions["checkpoint_id = %s"] = where["checkpoint_id"]
    if filter:
        conditions["metadata @> %s"] = Jsonb(filter)
    if before is not None:
        conditions["checkpoint_id < %s"] = before["configurable"].get("checkpoint_id")
    chosen = "WHERE " + " AND ".join(conditions) if conditions else ""
    parameters = list(conditions.values())
    if limit is None:
        return _Question(_SELECT.format(chosen=chosen, limit=""), parameters)
    return _Question(_SELECT.format(chosen=chosen, limit="LIMIT %s"), [*parameters, int(limit)])


def _deletion(thread_ids: Sequence[str]) -> list[Batch]:
    """Deletes all rows of threads."""
    return [(sql, [(thread_ids,)]) for sql in _DELETE_THREADS]


def _copy(source_thread_id: str, target_thread_id: str) -> list[Batch]:
    """Copies all rows of a thread."""
    return [(sql, [(str(target_thread_id), str(source_thread_id))]) for sql in _COPY]


def _turned(columns: Iterable[Any]) -> Iterable[tuple[Any, ...]]:
    """The rows of columns, which are None where there is no row."""
    return zip(*(column or () for column in columns), strict=True)


def _json(value: Any) -> Jsonb:
    """A parameter that is JSON of the value as it is now; psycopg's own is made when it is sent."""
    return Jsonb(dumps(value), dumps=_as_it_is)


def _as_it_is(text: Any) -> str:
    """In place of psycopg's `dumps`."""
    told: str = text
    return told


def _is_json(value: Any) -> bool:
    """Whether PostgreSQL's JSON can hold a value that stands in the checkpoint itself.

    It knows no NUL, no half of a surrogate pair, no infinity and nothing that is not a number;
    such a value is stored as a blob, as LangGraph stores values of other classes.
    """
    if isinstance(value, str):
        return _NO_JSON.search(value) is None
    return not isinstance(value, float) or isfinite(value)


_NO_JSON: Final = re.compile("[\0\ud800-\udfff]")


class _Postgres(BaseSaver):
    """How both savers write and read their rows."""

    def deferred_put(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Callable[[], None]:
        """`put` in two parts: what it returns stores what is serialised here."""
        rows = self._dump_put(config, checkpoint, metadata, new_versions)
        return partial(self._store, rows)

    def deferred_put_writes(
        self, config: Config, writes: Writes, task_id: str, task_path: str = ""
    ) -> Callable[[], None]:
        """`put_writes` in two parts, as `deferred_put`."""
        return partial(self._store, [self._dump_writes(config, writes, task_id, task_path)])

    def deferred_put_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Callable[[], None]:
        """`put_superstep` in two parts, as `deferred_put`."""
        rows = self._dump_superstep(config, writes, checkpoint, metadata, new_versions)
        return partial(self._store, rows)

    def _store(self, batches: Sequence[Batch]) -> None:
        """Stores rows; for a thread that may wait."""
        raise NotImplementedError

    def _dump_writes(self, config: Config, writes: Writes, task_id: str, task_path: str) -> Batch:
        """The rows of a task's writes; special ones replace what is there, others give way."""
        where = config["configurable"]
        task = (
            where["thread_id"],
            where["checkpoint_ns"],
            where["checkpoint_id"],
            task_id,
            task_path,
        )
        rows = [
            (*task, WRITE_INDEXES.get(channel, index), channel, *self._dump(value))
            for index, (channel, value) in enumerate(writes)
        ]
        special = all(channel in WRITE_INDEXES for channel, _ in writes)
        return _REPLACE_WRITE if special else _PUT_WRITE, rows

    def _dump_put(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> list[Batch]:
        """The rows of a checkpoint: the new ones of its values that JSON has not, and itself."""
        # A copy, as upstream's: what cannot be copied is refused in the same words.
        where = config["configurable"].copy()
        thread_id, namespace = where["thread_id"], where["checkpoint_ns"]
        whole = checkpoint.copy()
        inline: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for channel, value in checkpoint["channel_values"].items():
            if value is None or (isinstance(value, (str, int, float)) and _is_json(value)):
                inline[channel] = value
                continue
            others[channel] = value
            if is_snapshot(type(value)):
                inline[channel] = True
        blobs = [
            (thread_id, namespace, channel, version, *self.serde.dumps_typed(others[channel]))
            for channel, version in new_versions.items()
            if channel in others
        ]
        told = metadata_of(config, metadata)
        told.pop("writes", None)
        row = (
            thread_id,
            namespace,
            checkpoint["id"],
            where.get("checkpoint_id"),
            _json(whole | {"channel_values": inline}),
            _json(told),
        )
        return [(_PUT_BLOB, blobs), (_PUT, [row])]

    def _dump_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> list[Batch]:
        """The rows of the tasks' writes and of the checkpoint."""
        tasks = [self._dump_writes(config, made, task, path) for task, path, made in writes]
        return tasks + self._dump_put(config, checkpoint, metadata, new_versions)

    def _load(self, row: tuple[Any, ...]) -> CheckpointTuple:
        """The checkpoint of a row of `_SELECT`."""
        thread_id, namespace, checkpoint_id, parent_id, checkpoint, metadata = row[:6]
        blobs, writes, sends = row[6:9], row[9:15], row[15:]
        loads = self.serde.loads_typed
        values = checkpoint["channel_values"] = checkpoint.get("channel_values") or {}
        for channel, tag, data in _turned(blobs):
            if tag != "empty":
                values[channel] = loads((tag, data))
        if found := [loads(send) for send in _turned(sends)]:
            versions = checkpoint["channel_versions"]
            version = max(versions.values()) if versions else self.get_next_version(None)
            # In a list, the serializer knows fewer types: a bytearray is bytes there.
            values[TASKS], versions[TASKS] = loads(self.serde.dumps_typed(found)), version
        return CheckpointTuple(
            address(thread_id, namespace, checkpoint_id),
            checkpoint,
            metadata,
            address(thread_id, namespace, parent_id) if parent_id else None,
            [
                (task_id, channel, loads((tag, data)))
                for _, task_id, _, channel, tag, data in sorted(_turned(writes))
            ],
        )

    def _load_history(self, channels: Sequence[str], line: _Line) -> History:
        """The history of channels, of what `_line` found."""
        loads = self.serde.loads_typed
        seeds: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        for channel, (ancestor, value) in line.inline.items():
            seeds[ancestor][channel] = value
        for channel, tag, data in line.blobs:
            seeds[line.stored[channel][0]][channel] = loads((tag, data))
        writes: defaultdict[str, list[tuple[str, str, Any]]] = defaultdict(list)
        for _, task_id, _, channel, ancestor, tag, data in sorted(line.writes):
            writes[ancestor].append((task_id, channel, loads((tag, data))))
        walk = DeltaWalk(channels)
        for ancestor in line.ancestors:
            walk.add(writes[ancestor], seeds[ancestor])
        return walk.history()


class PostgresSaver(_Postgres):
    """Stores checkpoints in PostgreSQL (checkpoint/postgres:PostgresSaver).

    Args:
        conn: a connection, which one thread uses at a time, or a pool, of which each call takes
            one. They have to be in autocommit mode.
        pipe: the pipeline that the connection is in.
        serde: as for every saver.

    Raises:
        ValueError: a pipeline was given with a pool.
    """

    keeps_checkpoint = False
    defers = True
    dumped = BaseSaver._dump_all

    def __init__(
        self,
        conn: Connection[Any] | ConnectionPool[Any],
        pipe: Pipeline | None = None,
        serde: Any = None,
    ) -> None:
        super().__init__(serde=serde)
        if isinstance(conn, ConnectionPool) and pipe is not None:
            raise ValueError(
                "Pipeline should be used only with a single Connection, not ConnectionPool."
            )
        self.conn = conn
        self.pipe = pipe
        self.lock = threading.Lock()

    @classmethod
    @contextmanager
    def from_conn_string(
        cls, conn_string: str, *, pipeline: bool = False, serde: Any = None
    ) -> Iterator[PostgresSaver]:
        """A saver with a connection of its own, for the time of the block.

        Args:
            conn_string: what libpq connects to.
            pipeline: whether the connection is in pipeline mode all the time.
            serde: as for every saver.
        """
        connected = Connection.connect(conn_string, autocommit=True, prepare_threshold=0)
        with connected as conn:
            if not pipeline:
                yield cls(conn, serde=serde)
                return
            with conn.pipeline() as pipe:
                yield cls(conn, pipe, serde)

    def setup(self) -> None:
        """Makes the tables, or brings those of an older version up to date.

        To be called before the first use.
        """
        self._ask(_setup())

    def get_tuple(self, config: Config) -> CheckpointTuple | None:
        """As every saver's."""
        rows = self._fetch(_one(config))
        return self._load(rows[0]) if rows else None

    def list(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """As every saver's; `filter` is what the metadata contains, as JSON of PostgreSQL does."""
        for row in self._fetch(_many(config, filter, before, limit)):
            yield self._load(row)

    def put(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As every saver's; of a checkpoint that is there already, the parent stays."""
        self._write(self._dump_put(config, checkpoint, metadata, new_versions))
        return _child(config, checkpoint)

    def put_writes(self, config: Config, writes: Writes, task_id: str, task_path: str = "") -> None:
        """As every saver's."""
        self._write([self._dump_writes(config, writes, task_id, task_path)])

    def put_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As every saver's, in one transaction."""
        self._write(self._dump_superstep(config, writes, checkpoint, metadata, new_versions))
        return _child(config, checkpoint)

    def delete_thread(self, thread_id: str) -> None:
        """As every saver's."""
        self._write(_deletion([str(thread_id)]))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As every saver's; it looks at the metadata of all checkpoints."""
        self._transact(_delete_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As every saver's."""
        self._write(_copy(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As every saver's.

        "delete" is one transaction. "keep_latest" is one for each thread, and keeps the newest
        checkpoint of each namespace, before version 4 also the parent with its Sends, and what
        belongs to them. A subgraph call's namespace goes with the root checkpoint that the call
        started from. What a run saves meanwhile is neither seen nor deleted.

        Raises:
            TypeError: `thread_ids` is a single text.
            ValueError: the strategy is unknown.
            NotImplementedError: "keep_latest" of a thread with a delta channel, which is rebuilt
                from older checkpoints. No thread is pruned then.
            psycopg.errors.SerializationFailure: something else changed rows of the thread.
        """
        check_prune(thread_ids, strategy)
        threads = [str(thread_id) for thread_id in thread_ids]
        if strategy == "delete":
            self._write(_deletion(threads))
            return
        self._ask(_refuse_delta_threads(threads))
        for thread_id in threads:
            self._transact(_keep_latest(thread_id))

    def get_delta_channel_history(self, *, config: Config, channels: Sequence[str]) -> History:
        """As every saver's, without a question for each ancestor."""
        if not channels:
            return {}
        return self._load_history(channels, self._ask(_line(config, channels)))

    # --- the connection ---

    @contextmanager
    def _cursor(self, *, whole: bool = False) -> Iterator[Cursor[Any]]:
        """A cursor; what is executed is done together or not at all if it is to be `whole`.

        A pipeline does so, and what it is sent is on its way at once.
        """
        with self._connection() as conn:
            if self.pipe is not None or not whole:
                with conn.cursor(binary=True, row_factory=tuple_row) as cursor:
                    try:
                        yield cursor
                    finally:
                        self._sync()
                return
            together = conn.pipeline() if Pipeline.is_supported() else conn.transaction()
            with together, conn.cursor(binary=True, row_factory=tuple_row) as cursor:
                yield cursor

    @contextmanager
    def _connection(self) -> Iterator[Connection[Any]]:
        if isinstance(self.conn, ConnectionPool):
            with self.conn.connection() as conn:
                yield conn
        elif isinstance(self.conn, Connection):
            with self.lock:
                yield self.conn
        else:
            raise TypeError(f"Invalid connection type: {type(self.conn)}")

    def _sync(self) -> None:
        """Ends the transaction that a pipeline is."""
        if self.pipe is not None:
            self.pipe.sync()

    def _fetch(self, question: _Question) -> Rows:
        with self._cursor() as cursor:
            return cursor.execute(question.sql, question.parameters).fetchall()

    def _write(self, batches: Sequence[Batch]) -> None:
        with self._cursor(whole=True) as cursor:
            for sql, rows in batches:
                cursor.executemany(sql, rows)

    def _store(self, batches: Sequence[Batch]) -> None:
        self._write(batches)

    def _ask(self, questions: Questions[T]) -> T:
        with self._cursor() as cursor:
            return self._answer(cursor, questions)

    def _transact(self, questions: Questions[T]) -> T:
        with self._cursor() as cursor, cursor.connection.transaction():
            return self._answer(cursor, questions)

    def _answer(self, cursor: Cursor[Any], questions: Questions[T]) -> T:
        """What the questions lead to."""
        try:
            question = next(questions)
            while True:
                # A prepared plan would be for arrays of any length.
                cursor.execute(question.sql, question.parameters, prepare=False)
                rows = cursor.fetchall() if question.answered else []
                self._sync()
                question = questions.send(rows)
        except StopIteration as done:
            result: T = done.value
            return result


class AsyncPostgresSaver(_Postgres):
    """Stores checkpoints in PostgreSQL (checkpoint/postgres/aio.py).

    The async methods belong to the event loop in which the saver is made. The others wait for
    them from other threads, and raise asyncio.InvalidStateError in the loop's own.

    Args:
        conn: a connection, which one task uses at a time, or a pool, of which each call takes
            one. They have to be in autocommit mode.
        pipe: the pipeline that the connection is in.
        serde: as for every saver.

    Raises:
        RuntimeError: no event loop runs.
        ValueError: a pipeline was given with a pool.
    """

    keeps_checkpoint = False
    defers = True
    dumped = BaseSaver._dump_all

    def __init__(
        self,
        conn: AsyncConnection[Any] | AsyncConnectionPool[Any],
        pipe: AsyncPipeline | None = None,
        serde: Any = None,
    ) -> None:
        super().__init__(serde=serde)
        if isinstance(conn, AsyncConnectionPool) and pipe is not None:
            raise ValueError(
                "Pipeline should be used only with a single AsyncConnection, "
                "not AsyncConnectionPool."
            )
        self.conn = conn
        self.pipe = pipe
        self.lock = asyncio.Lock()
        self.loop = asyncio.get_running_loop()

    @classmethod
    @asynccontextmanager
    async def from_conn_string(
        cls, conn_string: str, *, pipeline: bool = False, serde: Any = None
    ) -> AsyncIterator[AsyncPostgresSaver]:
        """As `PostgresSaver.from_conn_string`."""
        connected = AsyncConnection.connect(conn_string, autocommit=True, prepare_threshold=0)
        async with await connected as conn:
            if not pipeline:
                yield cls(conn, serde=serde)
                return
            async with conn.pipeline() as pipe:
                yield cls(conn, pipe, serde)

    async def setup(self) -> None:
        """As `PostgresSaver.setup`."""
        await self._ask(_setup())

    async def aget_tuple(self, config: Config) -> CheckpointTuple | None:
        """As every saver's."""
        rows = await self._fetch(_one(config))
        return await asyncio.to_thread(self._load, rows[0]) if rows else None

    async def alist(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """As `PostgresSaver.list`."""
        for row in await self._fetch(_many(config, filter, before, limit)):
            yield await asyncio.to_thread(self._load, row)

    # Values are turned into bytes at once, before anybody changes them.

    async def aput(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As `PostgresSaver.put`."""
        await self._write(self._dump_put(config, checkpoint, metadata, new_versions))
        return _child(config, checkpoint)

    async def aput_writes(
        self, config: Config, writes: Writes, task_id: str, task_path: str = ""
    ) -> None:
        """As every saver's."""
        await self._write([self._dump_writes(config, writes, task_id, task_path)])

    async def aput_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As every saver's, in one transaction."""
        await self._write(self._dump_superstep(config, writes, checkpoint, metadata, new_versions))
        return _child(config, checkpoint)

    async def adelete_thread(self, thread_id: str) -> None:
        """As every saver's."""
        await self._write(_deletion([str(thread_id)]))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As `PostgresSaver.delete_for_runs`."""
        await self._transact(_delete_runs(run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As every saver's."""
        await self._write(_copy(source_thread_id, target_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As `PostgresSaver.prune`."""
        check_prune(thread_ids, strategy)
        threads = [str(thread_id) for thread_id in thread_ids]
        if strategy == "delete":
            await self._write(_deletion(threads))
            return
        await self._ask(_refuse_delta_threads(threads))
        for thread_id in threads:
            await self._transact(_keep_latest(thread_id))

    async def aget_delta_channel_history(
        self, *, config: Config, channels: Sequence[str]
    ) -> History:
        """As `PostgresSaver.get_delta_channel_history`."""
        if not channels:
            return {}
        line = await self._ask(_line(config, channels))
        return await asyncio.to_thread(self._load_history, channels, line)

    # --- from other threads ---

    def get_tuple(self, config: Config) -> CheckpointTuple | None:
        """As every saver's, from another thread."""
        return self._wait(self.aget_tuple, config)

    def list(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """As `PostgresSaver.list`, from another thread."""
        for row in self._wait(self._fetch, _many(config, filter, before, limit)):
            yield self._load(row)

    def put(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As `PostgresSaver.put`, from another thread."""
        return self._wait(self.aput, config, checkpoint, metadata, new_versions)

    def put_writes(self, config: Config, writes: Writes, task_id: str, task_path: str = "") -> None:
        """As every saver's, from another thread."""
        self._wait(self.aput_writes, config, writes, task_id, task_path)

    def put_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As `PostgresSaver.put_superstep`, from another thread."""
        given = config, writes, checkpoint, metadata, new_versions
        return self._wait(self.aput_superstep, *given)

    def delete_thread(self, thread_id: str) -> None:
        """As every saver's, from another thread."""
        self._wait(self.adelete_thread, thread_id)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As `PostgresSaver.delete_for_runs`, from another thread."""
        self._wait(self.adelete_for_runs, run_ids)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As every saver's, from another thread."""
        self._wait(self.acopy_thread, source_thread_id, target_thread_id)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As `PostgresSaver.prune`, from another thread."""
        self._wait(self.aprune, thread_ids, strategy=strategy)

    def get_delta_channel_history(self, *, config: Config, channels: Sequence[str]) -> History:
        """As `PostgresSaver.get_delta_channel_history`, from another thread."""
        return self._wait(self.aget_delta_channel_history, config=config, channels=channels)

    def _store(self, batches: Sequence[Batch]) -> None:
        self._wait(self._write, batches)

    def _wait(self, method: Callable[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> T:
        """The result of an async method.

        Raises:
            asyncio.InvalidStateError: this is the event loop's thread, which would wait for itself.
        """
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self.loop:
            name = method.__name__
            raise in_own_loop("AsyncPostgresSaver", _TWINS.get(name, name))
        return asyncio.run_coroutine_threadsafe(method(*args, **kwargs), self.loop).result()

    # --- the connection ---

    @asynccontextmanager
    async def _cursor(self, *, whole: bool = False) -> AsyncIterator[AsyncCursor[Any]]:
        """As `PostgresSaver._cursor`."""
        async with self._connection() as conn:
            if self.pipe is not None or not whole:
                async with conn.cursor(binary=True, row_factory=tuple_row) as cursor:
                    try:
                        yield cursor
                    finally:
                        await self._sync()
                return
            together = conn.pipeline() if AsyncPipeline.is_supported() else conn.transaction()
            async with together, conn.cursor(binary=True, row_factory=tuple_row) as cursor:
                yield cursor

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        if isinstance(self.conn, AsyncConnectionPool):
            async with self.conn.connection() as conn:
                yield conn
        elif isinstance(self.conn, AsyncConnection):
            async with self.lock:
                yield self.conn
        else:
            raise TypeError(f"Invalid connection type: {type(self.conn)}")

    async def _sync(self) -> None:
        """As `PostgresSaver._sync`."""
        if self.pipe is not None:
            await self.pipe.sync()

    async def _fetch(self, question: _Question) -> Rows:
        async with self._cursor() as cursor:
            await cursor.execute(question.sql, question.parameters)
            return await cursor.fetchall()

    async def _write(self, batches: Sequence[Batch]) -> None:
        async with self._cursor(whole=True) as cursor:
            for sql, rows in batches:
                await cursor.executemany(sql, rows)

    async def _ask(self, questions: Questions[T]) -> T:
        async with self._cursor() as cursor:
            return await self._answer(cursor, questions)

    async def _transact(self, questions: Questions[T]) -> T:
        async with self._cursor() as cursor, cursor.connection.transaction():
            return await self._answer(cursor, questions)

    async def _answer(self, cursor: AsyncCursor[Any], questions: Questions[T]) -> T:
        """As `PostgresSaver._answer`."""
        try:
            question = next(questions)
            while True:
                await cursor.execute(question.sql, question.parameters, prepare=False)
                rows = await cursor.fetchall() if question.answered else []
                await self._sync()
                question = questions.send(rows)
        except StopIteration as done:
            result: T = done.value
            return result


# What a method is to be called by where it stands for another, or upstream names another.
_TWINS: Final = {"_fetch": "alist", "adelete_thread": "aget_tuple"}


def _child(config: Config, checkpoint: dict[str, Any]) -> Config:
    """What addresses a checkpoint that is put at `config`."""
    where = config["configurable"]
    return address(where["thread_id"], where["checkpoint_ns"], checkpoint["id"])
