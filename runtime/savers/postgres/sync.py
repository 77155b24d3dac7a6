"""`PostgresSaver` (checkpoint/postgres:PostgresSaver)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from threading import Lock
from typing import Any

from psycopg import Connection, Cursor, Pipeline
from psycopg.rows import tuple_row
from psycopg_pool import ConnectionPool

from lgc.runtime.checkpointing.model import CheckpointTuple
from lgc.runtime.savers.postgres.deleting import (
    copy_thread,
    delete_runs,
    delete_threads,
    keep_latest,
    refuse_delta_threads,
)
from lgc.runtime.savers.postgres.delta_history import read_delta_ancestors
from lgc.runtime.savers.postgres.inserts import one_query, with_rows
from lgc.runtime.savers.postgres.migrations import migrate
from lgc.runtime.savers.postgres.queries import (
    Operation,
    Query,
    Rows,
    T,
    get_checkpoint,
    list_checkpoints,
)
from lgc.runtime.savers.postgres.rows import PostgresRows
from lgc.runtime.savers.pruning import check_prune
from lgc.runtime.savers.sql import Statement
from lgc.runtime.savers.types import Config, History


class PostgresSaver(PostgresRows):
    """Stores checkpoints in PostgreSQL.

    The `filter` of `list` is what the metadata has to contain, in the sense of PostgreSQL's `@>`.

    Args:
        conn: a connection, which one thread uses at a time, or a pool, of which each call takes
            a connection. They have to be in autocommit mode.
        pipe: the pipeline that the connection is in.
        serde: as in `BaseSaver`.

    Raises:
        ValueError: there is both a pipeline and a pool.
    """

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
        self.lock = Lock()

    @classmethod
    @contextmanager
    def from_conn_string(
        cls, conn_string: str, *, pipeline: bool = False, serde: Any = None
    ) -> Iterator[PostgresSaver]:
        """A saver with a connection of its own, which is closed at the end of the block.

        Args:
            conn_string: libpq's connection string.
            pipeline: whether the connection is in pipeline mode all the time.
            serde: as in `BaseSaver`.
        """
        connection = Connection.connect(conn_string, autocommit=True, prepare_threshold=0)
        with connection as conn:
            if not pipeline:
                yield cls(conn, serde=serde)
                return
            with conn.pipeline() as pipe:
                yield cls(conn, pipe, serde)

    def setup(self) -> None:
        """Creates the tables, or brings those of an older version up to date.

        Has to be called before a database is first used.
        """
        self._run(migrate())

    def get_tuple(self, config: Config) -> CheckpointTuple | None:
        rows = self._fetch(get_checkpoint(config))
        return self._load(rows[0]) if rows else None

    def list(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        for row in self._fetch(list_checkpoints(config, filter, before, limit)):
            yield self._load(row)

    def delete_thread(self, thread_id: str) -> None:
        self._store(delete_threads([str(thread_id)]))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Deletes the checkpoints of runs, and their writes.

        There is no index for it: the metadata of all checkpoints is looked at.

        Args:
            run_ids: what the metadata names as `run_id`.
        """
        self._transact(delete_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self._store(copy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Deletes old checkpoints of threads.

        "keep_latest" keeps the newest checkpoint of each namespace, before version 4 also the
        parent with its Sends, and the blobs and writes of these. The namespace of a subgraph call
        is deleted when the root checkpoint that the call started from is. What a run stores
        meanwhile is neither seen nor deleted.

        Args:
            thread_ids: the threads.
            strategy: "keep_latest", a transaction for each thread, or "delete", which deletes the
                threads in one transaction.

        Raises:
            TypeError: `thread_ids` is a single string.
            ValueError: the strategy is unknown.
            NotImplementedError: "keep_latest" and a thread with a delta channel, which is rebuilt
                from older checkpoints. No thread is pruned then.
            psycopg.errors.SerializationFailure: another connection changed rows of the thread.
        """
        check_prune(thread_ids, strategy)
        threads = [str(thread_id) for thread_id in thread_ids]
        if strategy == "delete":
            self._store(delete_threads(threads))
            return
        self._run(refuse_delta_threads(threads))
        for thread_id in threads:
            self._transact(keep_latest(thread_id))

    def get_delta_channel_history(self, *, config: Config, channels: Sequence[str]) -> History:
        if not channels:
            return {}
        ancestors = self._run(read_delta_ancestors(config, channels))
        return ancestors.history(channels, self.serde)

    # --- the connection ---

    @contextmanager
    def _cursor(self, *, atomic: bool = False) -> Iterator[Cursor[Any]]:
        """A cursor for the block.

        Args:
            atomic: whether the block is one transaction.
        """
        with self._connection() as conn, conn.cursor(binary=True, row_factory=tuple_row) as cursor:
            try:
                with conn.transaction() if atomic else nullcontext():
                    yield cursor
            finally:
                self._sync()

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
        """Commits what the saver's pipeline was sent."""
        if self.pipe is not None:
            self.pipe.sync()

    def _fetch(self, query: Query) -> Rows:
        with self._cursor() as cursor:
            return cursor.execute(query.sql, query.parameters).fetchall()

    def _store(self, statements: Iterable[Statement]) -> None:
        statements = [*statements]
        query = one_query(statements)
        if query is None:
            with self._cursor(atomic=True) as cursor:
                for sql, rows in statements:
                    if rows:
                        cursor.executemany(with_rows(sql, 1, len(rows[0])), rows)
        elif query.sql:
            with self._cursor() as cursor:
                cursor.execute(query.sql, query.parameters)

    def _run(self, operation: Operation[T]) -> T:
        """The result of an operation, each query of which is committed."""
        with self._cursor() as cursor:
            return self._drive(cursor, operation)

    def _transact(self, operation: Operation[T]) -> T:
        """The result of an operation, which is one transaction."""
        with self._cursor(atomic=True) as cursor:
            return self._drive(cursor, operation)

    def _drive(self, cursor: Cursor[Any], operation: Operation[T]) -> T:
        """Executes the queries that an operation yields, and sends it their rows."""
        try:
            query = next(operation)
            while True:
                # Not prepared: one generic plan would serve arrays of any length.
                cursor.execute(query.sql, query.parameters, prepare=False)
                rows = cursor.fetchall() if query.has_rows else []
                self._sync()
                query = operation.send(rows)
        except StopIteration as done:
            result: T = done.value
            return result
