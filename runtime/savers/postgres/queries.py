"""Queries, operations of several queries, and how checkpoints are read."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, NamedTuple, TypeVar

from psycopg.types.json import Jsonb

from lgc.runtime.savers.sql import config_conditions
from lgc.runtime.savers.types import Config

T = TypeVar("T")
Rows = list[tuple[Any, ...]]


class Query(NamedTuple):
    """A statement that is executed once.

    Attributes:
        sql: the statement.
        parameters: its parameters.
        has_rows: whether its result is fetched.
    """

    sql: str
    parameters: Any = ()
    has_rows: bool = True


Operation = Generator[Query, Rows, T]
"""Yields queries, is sent their rows (none if `has_rows` is false), and returns a result."""

# The inner query chooses the checkpoints, so that blobs and writes are looked up for these alone.
# Before version 4 a checkpoint's Sends were writes of its parent.
_GET_CHECKPOINTS: Final = """
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


def where_checkpoint(config: Config) -> tuple[str, list[Any]]:
    """The condition for the checkpoint that `config` addresses, and its parameters.

    Without a checkpoint_id it holds for all of the namespace; the newest one is meant.
    """
    where = config["configurable"]
    condition = "WHERE thread_id = %s AND checkpoint_ns = %s"
    parameters = [where["thread_id"], where.get("checkpoint_ns", "")]
    if where.get("checkpoint_id"):
        condition += " AND checkpoint_id = %s"
        parameters.append(where["checkpoint_id"])
    return condition, parameters


def get_checkpoint(config: Config) -> Query:
    """The query for `BaseSaver.get_tuple`."""
    condition, parameters = where_checkpoint(config)
    return Query(_GET_CHECKPOINTS.format(chosen=condition, limit="LIMIT 1"), parameters)


def list_checkpoints(
    config: Config | None, filter: dict[str, Any] | None, before: Config | None, limit: int | None
) -> Query:
    """The query for `BaseSaver.list`; the metadata must contain `filter`, as JSON."""
    conditions = config_conditions(config, "%s") if config else {}
    if filter:
        conditions["metadata @> %s"] = Jsonb(filter)
    if before is not None:
        conditions["checkpoint_id < %s"] = before["configurable"].get("checkpoint_id")
    chosen = "WHERE " + " AND ".join(conditions) if conditions else ""
    parameters = list(conditions.values())
    if limit is None:
        return Query(_GET_CHECKPOINTS.format(chosen=chosen, limit=""), parameters)
    return Query(
        _GET_CHECKPOINTS.format(chosen=chosen, limit="LIMIT %s"), [*parameters, int(limit)]
    )
