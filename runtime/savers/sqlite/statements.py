"""The SQL of the SQLite savers (checkpoint/sqlite of langgraph-checkpoint-sqlite 3.1.2; spec §12).

The tables and what stands in their rows are upstream's. A checkpoint is one blob with all its
channel values; its metadata is JSON, so that SQLite can search it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from lgc.runtime.savers.sql import config_conditions
from lgc.runtime.savers.types import Config

# synchronous=FULL: a commit survives a loss of power, too.
SETUP: Final = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
CREATE TABLE IF NOT EXISTS checkpoints (
    thread_id TEXT NOT NULL,
    checkpoint_ns TEXT NOT NULL DEFAULT '',
    checkpoint_id TEXT NOT NULL,
    parent_checkpoint_id TEXT,
    type TEXT,
    checkpoint BLOB,
    metadata BLOB,
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id)
);
CREATE TABLE IF NOT EXISTS writes (
    thread_id TEXT NOT NULL,
    checkpoint_ns TEXT NOT NULL DEFAULT '',
    checkpoint_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    task_path TEXT NOT NULL DEFAULT '',
    idx INTEGER NOT NULL,
    channel TEXT NOT NULL,
    type TEXT,
    value BLOB,
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
);
"""
ADD_TASK_PATH: Final = "ALTER TABLE writes ADD COLUMN task_path TEXT NOT NULL DEFAULT ''"

# --- writing ---

PUT_CHECKPOINT: Final = (
    "INSERT OR REPLACE INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, "
    "parent_checkpoint_id, type, checkpoint, metadata) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_PUT_WRITES: Final = (
    "INSERT OR {} INTO writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, "
    "channel, type, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
REPLACE_WRITES: Final = _PUT_WRITES.format("REPLACE")
ADD_WRITES: Final = _PUT_WRITES.format("IGNORE")

# --- which rows ---

OF_THREAD: Final = " WHERE thread_id = ?"
OF_NAMESPACE: Final = OF_THREAD + " AND checkpoint_ns = ?"
OF_CHECKPOINT: Final = OF_NAMESPACE + " AND checkpoint_id = ?"
NEWEST: Final = " ORDER BY checkpoint_id DESC LIMIT 1"

# --- reading ---

GET_CHECKPOINT: Final = (
    "SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, "
    "metadata FROM checkpoints"
)
GET_PARENT: Final = "SELECT parent_checkpoint_id FROM checkpoints"
GET_HEADS: Final = (
    "SELECT checkpoint_ns, max(checkpoint_id) FROM checkpoints"
    + OF_THREAD
    + " GROUP BY checkpoint_ns"
)
GET_METADATA: Final = (
    "SELECT thread_id, checkpoint_ns, checkpoint_id, metadata FROM checkpoints "
    "WHERE metadata IS NOT NULL"
)


def get_writes(*, has_task_path: bool, only: int = 0) -> str:
    """The query for the pending writes of a checkpoint, in their order.

    Args:
        has_task_path: whether the table has the column.
        only: to how many channels, whose names are parameters, the writes are limited; 0 for all.
    """
    channels = f" AND channel IN ({', '.join('?' * only)})" if only else ""
    order = "task_path, task_id, idx" if has_task_path else "task_id, idx"
    return (
        f"SELECT task_id, channel, type, value FROM writes{OF_CHECKPOINT}{channels} "
        f"ORDER BY {order}"
    )


def list_keys(
    config: Config | None,
    filter: dict[str, Any] | None,
    before: Config | None,
    limit: int | None,
) -> tuple[str, tuple[Any, ...]]:
    """The query for the keys of the checkpoints that `BaseSaver.list` is asked for.

    Metadata is searched as upstream does (checkpoint/sqlite/utils.py).

    Returns:
        The query, and its parameters.

    Raises:
        ValueError: a key of `filter` cannot stand in a path of SQLite's JSON functions.
    """
    conditions = {} if config is None else config_conditions(config, "?")
    for key, value in (filter or {}).items():
        if not _FILTER_KEY.fullmatch(key):
            raise ValueError(
                f"Invalid filter key: '{key}'. Filter keys must contain only alphanumeric "
                "characters, underscores, dots, and hyphens."
            )
        equals = "IS" if value is None else "="
        condition = f"json_extract(CAST(metadata AS TEXT), '$.{key}') {equals} ?"
        conditions[condition] = _as_extracted(value)
    if before is not None:
        conditions["checkpoint_id < ?"] = before["configurable"].get("checkpoint_id")
    # Equal ids of several threads come in the order of the rows, as from upstream's query, which
    # reads whole rows; the index has another order.
    table = "checkpoints NOT INDEXED" if config is None else "checkpoints"
    query = f"SELECT thread_id, checkpoint_ns, checkpoint_id FROM {table}"
    if conditions:
        query += " WHERE " + " AND ".join(conditions)
    query += " ORDER BY checkpoint_id DESC"
    parameters = tuple(conditions.values())
    if limit is None:
        return query, parameters
    return query + " LIMIT ?", (*parameters, limit)


_FILTER_KEY: Final = re.compile(r"[a-zA-Z0-9_.-]+")


def _as_extracted(value: Any) -> Any:
    """A value as SQLite's json_extract returns it."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (dict, list)):
        from json import dumps

        return dumps(value, separators=(",", ":"))
    return str(value)


# --- deleting and copying ---

TABLES: Final = ("checkpoints", "writes")

DELETE_OLD: Final = (
    OF_NAMESPACE
    + " AND checkpoint_id <= ? AND checkpoint_id NOT IN (SELECT value FROM json_each(?))"
)
"""Which rows of a namespace `prune` deletes: not those of a list, and none newer than the head."""

CLEAR_PARENT: Final = f"UPDATE checkpoints SET parent_checkpoint_id = NULL{OF_CHECKPOINT}"

_COPIED_COLUMNS: Final = {
    "checkpoints": "checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata",
    "writes": "checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, value",
}
COPY: Final = tuple(
    f"INSERT OR REPLACE INTO {table} (thread_id, {columns}) "
    f"SELECT ?, {columns} FROM {table}{OF_THREAD} ORDER BY rowid"
    for table, columns in _COPIED_COLUMNS.items()
)
