"""Savers on PostgreSQL, in the tables of LangGraph's (spec §12).

The tables are those of langgraph-checkpoint-postgres 3.2.0, so either reads, continues and migrates
what the other wrote:

    checkpoints        the checkpoint as JSON; of its channel values only what JSON has (None, str,
                       int, float, bool), and `true` for a `_DeltaSnapshot`
    checkpoint_blobs   the other values, serialised, by channel and version
    checkpoint_writes  what tasks wrote, serialised, by checkpoint, task and index

SQL and row decoding are shared. Operations of several statements are generators that yield queries
and receive rows; the sync and the async saver (`sync`, `aio`) drive the same ones.
"""

from __future__ import annotations

try:
    import psycopg as psycopg
    import psycopg_pool as psycopg_pool
except ImportError as error:
    raise ImportError(
        f"lgc's PostgreSQL savers need psycopg and psycopg_pool ({error}): "
        "pip install 'lgc[postgres]'"
    ) from error

from lgc.runtime.savers.postgres.aio import AsyncPostgresSaver
from lgc.runtime.savers.postgres.sync import PostgresSaver

__all__ = ["AsyncPostgresSaver", "PostgresSaver"]
