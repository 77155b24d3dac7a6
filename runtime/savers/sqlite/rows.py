"""`SqliteRows`: what SqliteSaver and AsyncSqliteSaver share."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from lgc.runtime.checkpointing.model import CheckpointTuple, metadata_of
from lgc.runtime.savers.delta_history import DeltaWalk
from lgc.runtime.savers.pruning import check_prune, kept_by_prune
from lgc.runtime.savers.sql import SqlSaver, Statement, replaces_writes
from lgc.runtime.savers.sqlite.database import Database, StoredCheckpoint
from lgc.runtime.savers.sqlite.statements import (
    ADD_WRITES,
    CLEAR_PARENT,
    COPY,
    DELETE_OLD,
    GET_CHECKPOINT,
    GET_HEADS,
    GET_METADATA,
    NEWEST,
    OF_CHECKPOINT,
    OF_NAMESPACE,
    OF_THREAD,
    PUT_CHECKPOINT,
    REPLACE_WRITES,
    TABLES,
    list_keys,
)
from lgc.runtime.savers.types import Config, History, Writes, checkpoint_config

if TYPE_CHECKING:
    from sqlite3 import Connection

T = TypeVar("T")

HistoryReads = Generator[Callable[[], Any], Any, History]
"""Yields calls of `Database` and is sent what they return; returns the history."""

_PAGE = 32
"""How many checkpoints at most are read between two uses of the connection by others."""


class SqliteRows(SqlSaver):
    """The rows that are stored, and how they are read.

    A subclass says how a call of `Database` gets the connection to itself: `_read`, and `_store`.
    Values are made of bytes afterwards, when others may use the connection again.

    Args:
        conn: opened with `check_same_thread=False`.
        serde: as in `BaseSaver`.
    """

    def __init__(self, conn: Connection, *, serde: Any = None) -> None:
        super().__init__(serde=serde)
        self.conn = conn
        self._database = Database(conn)

    def _read(self, call: Callable[[], T]) -> T:
        """The result of a call of the database."""
        raise NotImplementedError

    def _check_thread(self, method: str) -> None:
        """Raises if this thread must not wait for the database.

        Args:
            method: the async method that is to be used there.
        """

    # --- rows of what is put ---

    def _checkpoint_statements(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Sequence[Statement]:
        from json import dumps

        where = config["configurable"]
        thread_id = where["thread_id"]
        namespace = where["checkpoint_ns"]
        text = dumps(metadata_of(config, metadata), ensure_ascii=False)
        row = (
            str(thread_id),
            namespace,
            checkpoint["id"],
            where.get("checkpoint_id"),
            *self.serde.dumps_typed(checkpoint),
            text.encode("utf-8", "ignore"),
        )
        return [(PUT_CHECKPOINT, [row])]

    def _writes_statement(
        self, config: Config, writes: Writes, task_id: str, task_path: str
    ) -> Statement:
        sql = REPLACE_WRITES if replaces_writes(writes) else ADD_WRITES
        # As upstream, whose config is not read without writes.
        if not writes:
            return sql, ()
        where = config["configurable"]
        task = (
            str(where["thread_id"]),
            str(where["checkpoint_ns"]),
            str(where["checkpoint_id"]),
            task_id,
            task_path,
        )
        return sql, self._write_rows(task, writes)

    # --- reading ---

    def get_tuple(self, config: Config) -> CheckpointTuple | None:
        call, given = self._find(config)
        return self._load(self._read(call), given)

    def list(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        self._check_thread("alist")
        keys = self._read(partial(self._database.rows, *list_keys(config, filter, before, limit)))
        for page in pages(keys):
            for stored in self._read(partial(self._database.checkpoints, page)):
                yield self._loaded(stored)

    def _find(self, config: Config) -> tuple[Callable[[], StoredCheckpoint | None], Config | None]:
        """How `get_tuple` reads what `config` addresses.

        Returns:
            The call, and the config to hand out with the checkpoint instead of one of its row.
        """
        where = config["configurable"]
        # In upstream's order: a malformed config raises the same error.
        namespace = where.get("checkpoint_ns", "")
        key = (str(where["thread_id"]), namespace)
        checkpoint_id = where.get("checkpoint_id")
        read = self._database.checkpoint
        if checkpoint_id:
            # A config that names an id is handed out as it is, as upstream does.
            return partial(read, GET_CHECKPOINT + OF_CHECKPOINT, (*key, checkpoint_id)), config
        return partial(read, GET_CHECKPOINT + OF_NAMESPACE + NEWEST, key), None

    def _load(
        self, stored: StoredCheckpoint | None, config: Config | None
    ) -> CheckpointTuple | None:
        """The checkpoint that a call of `_find` returned."""
        return None if stored is None else self._loaded(stored, config)

    def _loaded(self, stored: StoredCheckpoint, config: Config | None = None) -> CheckpointTuple:
        """A checkpoint with its values.

        Args:
            stored: its rows.
            config: handed out in place of a config that addresses the row.
        """
        from json import loads

        thread_id, namespace, checkpoint_id, parent, tag, checkpoint, metadata = stored.row
        return CheckpointTuple(
            config or checkpoint_config(thread_id, namespace, checkpoint_id),
            self.serde.loads_typed((tag, checkpoint)),
            {} if metadata is None else loads(metadata),
            checkpoint_config(thread_id, namespace, parent) if parent else None,
            self._load_writes(stored.writes),
        )

    def _load_writes(self, rows: Iterable[tuple[str, str, str, bytes]]) -> Any:
        """The pending writes of rows of `get_writes`."""
        loads = self.serde.loads_typed
        return [(task_id, channel, loads((tag, value))) for task_id, channel, tag, value in rows]

    def get_delta_channel_history(self, *, config: Config, channels: Sequence[str]) -> History:
        self._check_thread("aget_delta_channel_history")
        reads = self._read_history(config, channels)
        try:
            call = next(reads)
            while True:
                call = reads.send(self._read(call))
        except StopIteration as done:
            history: History = done.value
            return history

    def _read_history(self, config: Config, channels: Sequence[str]) -> HistoryReads:
        """The reads of `get_delta_channel_history`, for both savers."""
        if not channels:
            return {}
        where = config["configurable"]
        key = (str(where["thread_id"]), where.get("checkpoint_ns", ""))
        walk = DeltaWalk(channels)
        visited: set[str] = set()
        parent = yield partial(self._database.parent, key, where.get("checkpoint_id"))
        size = 1
        while parent and parent not in visited and walk.remaining:
            names = sorted(walk.remaining)
            page = yield partial(self._database.ancestors, key, parent, names, size)
            parent = None
            for row, writes in page:
                if row[2] in visited or not walk.remaining:
                    return walk.history()
                visited.add(row[2])
                # Only writes of these channels are deserialised.
                wanted = self._load_writes(w for w in writes if w[1] in walk.remaining)
                checkpoint = self.serde.loads_typed((row[4], row[5]))
                walk.add(wanted, checkpoint.get("channel_values") or {})
                parent = row[3]
            size = min(2 * size, _PAGE)
        return walk.history()

    # --- deleting and copying ---

    def delete_thread(self, thread_id: str) -> None:
        # Upstream's error for this method names alist, too.
        self._check_thread("alist")
        self._store(_deletes([(OF_THREAD, (str(thread_id),))]))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        rows = self._read(partial(self._database.rows, GET_METADATA))
        self._store(_deletes_of_runs(rows, run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        threads = [(str(target_thread_id), str(source_thread_id))]
        self._store([(sql, threads) for sql in COPY])

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        check_prune(thread_ids, strategy)
        for thread_id in map(str, thread_ids):
            if strategy == "delete":
                self._store(_deletes([(OF_THREAD, (thread_id,))]))
                continue
            heads = dict(self._read(partial(self._database.rows, GET_HEADS, (thread_id,))))
            kept = kept_by_prune(self.get_tuple, thread_id, heads)
            self._store(_deletes_of_others(thread_id, heads, kept))


def pages(keys: Sequence[T]) -> Iterator[Sequence[T]]:
    """The keys in pages, small ones first: many consumers want the newest checkpoint only."""
    start, size = 0, 1
    while start < len(keys):
        yield keys[start : start + size]
        start, size = start + size, min(2 * size, _PAGE)


def _deletes(chosen: Iterable[tuple[str, Sequence[Any]]]) -> Sequence[Statement]:
    """The statements that delete rows of both tables.

    Args:
        chosen: conditions with their parameters.
    """
    return [
        (f"DELETE FROM {table}{where}", [parameters])
        for where, parameters in chosen
        for table in TABLES
    ]


def _deletes_of_runs(rows: Iterable[Any], run_ids: Sequence[str]) -> Sequence[Statement]:
    """The statements of `delete_for_runs`.

    Args:
        rows: those of `GET_METADATA`. They are compared here and not in SQL: metadata with an
            infinity is no JSON to SQLite, an error.
        run_ids: the runs.
    """
    from json import loads

    runs = tuple(run_ids)
    return _deletes((OF_CHECKPOINT, row[:3]) for row in rows if loads(row[3]).get("run_id") in runs)


def _deletes_of_others(
    thread_id: str, heads: dict[str, str], kept: dict[str, Sequence[str]]
) -> Sequence[Statement]:
    """The statements that delete what `prune` does not keep of a thread.

    Args:
        thread_id: the thread.
        heads: by namespace, the newest checkpoint; what a run has stored since is newer.
        kept: by namespace, the ids to keep.
    """
    from json import dumps

    statements: list[Statement] = []
    for namespace, ids in kept.items():
        old = [(thread_id, namespace, heads[namespace], dumps([*ids]))]
        statements += [(f"DELETE FROM {table}{DELETE_OLD}", old) for table in TABLES]
        if ids:
            statements.append((CLEAR_PARENT, [(thread_id, namespace, ids[-1])]))
    return statements
