"""The SQL of what is put, and how several inserts become one query.

One query is one round trip, and whole or not at all wherever it is cut off: at a parameter that
cannot be sent, by a cancelled task, by the end of the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from lgc.runtime.savers.postgres.queries import Query
from lgc.runtime.savers.sql import Statement

ROWS: Final = "{rows}"
"""Stands for the rows in an insert."""

# A checkpoint that is stored again keeps its parent, as upstream.
PUT_CHECKPOINT: Final = f"""
INSERT INTO checkpoints
    (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
VALUES {ROWS}
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
DO UPDATE SET checkpoint = EXCLUDED.checkpoint, metadata = EXCLUDED.metadata
"""

PUT_BLOB: Final = f"""
INSERT INTO checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type, blob)
VALUES {ROWS}
ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO NOTHING
"""

_ADD_WRITE: Final = f"""
INSERT INTO checkpoint_writes
    (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, blob)
VALUES {ROWS}
ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
"""
PUT_WRITE: Final = _ADD_WRITE + "DO NOTHING"
REPLACE_WRITE: Final = _ADD_WRITE + (
    "DO UPDATE SET channel = EXCLUDED.channel, type = EXCLUDED.type, blob = EXCLUDED.blob"
)
_WRITES: Final = (PUT_WRITE, REPLACE_WRITE)
_TASK, _INDEX = 3, 5

_MAX_PARAMETERS: Final = 10_000
"""PostgreSQL takes 65,535; queries of many rows are no faster than rows that are pipelined."""


def one_query(statements: Sequence[Statement]) -> Query | None:
    """One query that does what the statements do one after the other, if there is one.

    The parts of a query do not see each other's rows, so no write may be inserted twice.

    Returns:
        The query, which is empty if there is nothing to insert; None if the statements have to be
        executed one by one.
    """
    by_sql: dict[str, list[Sequence[Any]]] = {}
    for sql, rows in statements:
        if ROWS not in sql:
            return None
        if rows:
            by_sql.setdefault(sql, []).extend(rows)
    inserts: list[str] = []
    parameters: list[Any] = []
    for sql, all_rows in by_sql.items():
        inserts.append(with_rows(sql, len(all_rows), len(all_rows[0])))
        for row in all_rows:
            parameters += row
    if len(parameters) > _MAX_PARAMETERS or not _are_distinct(statements):
        return None
    if not inserts:
        return Query("")
    *first, last = inserts
    parts = ", ".join(f"insert_{number} AS ({insert})" for number, insert in enumerate(first))
    return Query(f"WITH {parts} {last}" if parts else last, parameters, has_rows=False)


def with_rows(sql: str, rows: int, columns: int) -> str:
    """An insert of a number of rows."""
    row = f"({', '.join(('%s',) * columns)})"
    return sql.replace(ROWS, ", ".join((row,) * rows))


def _are_distinct(statements: Sequence[Statement]) -> bool:
    """Whether no two rows are of the same task and index."""
    tasks = []
    for sql, rows in statements:
        if sql in _WRITES and rows:
            if len({row[_INDEX] for row in rows}) < len(rows):
                return False
            # A task's id is a str, or what is no id at all.
            tasks.append(str(rows[0][_TASK]))
    return len(set(tasks)) == len(tasks)
