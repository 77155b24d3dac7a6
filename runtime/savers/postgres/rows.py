"""`PostgresRows`: checkpoints and writes to rows, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from json import dumps
from math import isfinite
from typing import Any, Final

from psycopg.types.json import Jsonb

from lgc.runtime.checkpointing.model import CheckpointTuple, metadata_of
from lgc.runtime.constants import TASKS
from lgc.runtime.savers.postgres.inserts import (
    PUT_BLOB,
    PUT_CHECKPOINT,
    PUT_WRITE,
    REPLACE_WRITE,
)
from lgc.runtime.savers.sql import SqlSaver, Statement, replaces_writes
from lgc.runtime.savers.types import Config, Writes, checkpoint_config
from lgc.runtime.serde.type_encoders import is_snapshot


class PostgresRows(SqlSaver):
    """What both savers share: the rows they store and how they read them."""

    def _writes_statement(
        self, config: Config, writes: Writes, task_id: str, task_path: str
    ) -> Statement:
        where = config["configurable"]
        task = (
            where["thread_id"],
            where["checkpoint_ns"],
            where["checkpoint_id"],
            task_id,
            task_path,
        )
        rows = self._write_rows(task, writes)
        return REPLACE_WRITE if replaces_writes(writes) else PUT_WRITE, rows

    def _checkpoint_statements(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Sequence[Statement]:
        # A copy, as upstream makes one: what has no `copy` raises the same error.
        where = config["configurable"].copy()
        thread_id, namespace = where["thread_id"], where["checkpoint_ns"]
        stored = checkpoint.copy()
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
        stored_metadata = metadata_of(config, metadata)
        stored_metadata.pop("writes", None)
        row = (
            thread_id,
            namespace,
            checkpoint["id"],
            where.get("checkpoint_id"),
            _json(stored | {"channel_values": inline}),
            _json(stored_metadata),
        )
        return [(PUT_BLOB, blobs), (PUT_CHECKPOINT, [row])]

    def _load(self, row: tuple[Any, ...]) -> CheckpointTuple:
        """The checkpoint of a row of `queries.get_checkpoint` or `queries.list_checkpoints`."""
        thread_id, namespace, checkpoint_id, parent_id, checkpoint, metadata = row[:6]
        blobs, writes, sends = row[6:9], row[9:15], row[15:]
        loads = self.serde.loads_typed
        values = checkpoint["channel_values"] = checkpoint.get("channel_values") or {}
        for channel, tag, data in _transposed(blobs):
            if tag != "empty":
                values[channel] = loads((tag, data))
        if packets := [loads(send) for send in _transposed(sends)]:
            versions = checkpoint["channel_versions"]
            version = max(versions.values()) if versions else self.get_next_version(None)
            # There and back, as upstream: within a list the serializer keeps fewer types apart,
            # a bytearray becomes bytes.
            values[TASKS], versions[TASKS] = loads(self.serde.dumps_typed(packets)), version
        return CheckpointTuple(
            checkpoint_config(thread_id, namespace, checkpoint_id),
            checkpoint,
            metadata,
            checkpoint_config(thread_id, namespace, parent_id) if parent_id else None,
            [
                (task_id, channel, loads((tag, data)))
                for _, task_id, _, channel, tag, data in sorted(_transposed(writes))
            ],
        )


def _transposed(columns: Iterable[Any]) -> Iterable[tuple[Any, ...]]:
    """The rows of columns, which are None where there are no rows."""
    return zip(*(column or () for column in columns), strict=True)


def _json(value: Any) -> Jsonb:
    """A JSON parameter with the value as it is now: psycopg would encode it when it is sent."""
    return Jsonb(dumps(value), dumps=_encoded_already)


def _encoded_already(text: Any) -> str:
    """The `dumps` of a `Jsonb` that holds JSON text."""
    encoded: str = text
    return encoded


def _is_json(value: Any) -> bool:
    """Whether PostgreSQL's JSON can hold a scalar of the checkpoint.

    It has no NUL, no half of a surrogate pair, no infinity and no NaN; such a value is stored as a
    blob, as LangGraph stores values of other classes.
    """
    if isinstance(value, str):
        return _NO_JSON.search(value) is None
    return not isinstance(value, float) or isfinite(value)


_NO_JSON: Final = re.compile("[\0\ud800-\udfff]")
