"""`SqliteSaver` and `AsyncSqliteSaver` (checkpoint/sqlite of langgraph-checkpoint-sqlite 3.1.2).

sqlite3 is imported when the first saver is made. Every method that writes is one transaction, which
is on the disk when the method returns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from lgc.runtime.checkpointing.model import CheckpointTuple, metadata_of
from lgc.runtime.savers.delta_history import DeltaWalk
from lgc.runtime.savers.own_loop import refuse_in_own_loop, running_loop
from lgc.runtime.savers.pruning import check_prune, kept_by_prune
from lgc.runtime.savers.sql import SqlSaver, Statement, replaces_writes
from lgc.runtime.savers.sqlite.statements import (
    ADD_TASK_PATH,
    ADD_WRITES,
    CLEAR_PARENT,
    COPY,
    DELETE_OLD,
    GET_CHECKPOINT,
    GET_HEADS,
    GET_METADATA,
    GET_PARENT,
    NEWEST,
    OF_CHECKPOINT,
    OF_NAMESPACE,
    OF_THREAD,
    PUT_CHECKPOINT,
    REPLACE_WRITES,
    SETUP,
    TABLES,
    get_writes,
    list_keys,
)
from lgc.runtime.savers.types import Config, History, Writes, checkpoint_config

if TYPE_CHECKING:
    from sqlite3 import Connection, Cursor


class _Sqlite(SqlSaver):
    """What both savers share: the tables, and a connection that one thread at a time uses.

    Args:
        conn: opened with `check_same_thread=False`.
        serde: as in `BaseSaver`.
    """

    def __init__(self, conn: Connection, *, serde: Any = None) -> None:
        super().__init__(serde=serde)
        self.conn = conn
        self.is_setup = False
        self.lock = Lock()
        self._has_task_path = True

    def _check_thread(self, method: str) -> None:
        """Raises if this thread must not wait for the database.

        Args:
            method: the async method that is to be used there.
        """

    # --- the connection ---

    def _create_tables(self) -> None:
        """Creates the tables when the saver is first used."""
        if self.is_setup:
            return
        self.conn.executescript(SETUP)
        columns = [row[1] for row in self.conn.execute("PRAGMA table_info(writes)")]
        if "task_path" not in columns:
            self._add_task_path()
        self.is_setup = True

    def _add_task_path(self) -> None:
        """Brings a file of an older langgraph-checkpoint-sqlite to the layout of today."""
        from sqlite3 import OperationalError

        try:
            self.conn.execute(ADD_TASK_PATH)
        except OperationalError as error:
            # A read-only file can still be read, and another process may have added the column.
            if "readonly database" in str(error):
                self._has_task_path = False
            elif "duplicate column name" not in str(error):
                raise

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[Cursor]:
        """A cursor, which one thread at a time has.

        Args:
            transaction: whether the block is one transaction, which an exception rolls back.

        Raises:
            asyncio.InvalidStateError: the saver is async and this is its event loop's thread.
        """
        self._check_thread("aget_tuple")
        with self.lock:
            self._create_tables()
            with closing(self.conn.cursor()) as cursor:
                if not transaction:
                    yield cursor
                    return
                # Unlike BEGIN, a savepoint works in any mode of the connection, and within a
                # transaction that the user has begun.
                cursor.execute("SAVEPOINT lgc")
                try:
                    yield cursor
                    cursor.execute("RELEASE lgc")
                except BaseException:
                    # After some errors SQLite itself has rolled back the whole transaction.
                    if self.conn.in_transaction:
                        cursor.execute("ROLLBACK TO lgc")
                        cursor.execute("RELEASE lgc")
                    raise
                self.conn.commit()

    def _store(self, statements: Iterable[Statement]) -> None:
        with self.cursor() as cursor:
            for sql, rows in statements:
                cursor.executemany(sql, rows)

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
        where = config["configurable"]
        # In upstream's order: a malformed config raises the same error.
        namespace = where.get("checkpoint_ns", "")
        key = (str(where["thread_id"]), namespace)
        checkpoint_id = where.get("checkpoint_id")
        if checkpoint_id:
            # A config that names an id is handed out as it is, as upstream does.
            return self._read(GET_CHECKPOINT + OF_CHECKPOINT, (*key, checkpoint_id), config)
        return self._read(GET_CHECKPOINT + OF_NAMESPACE + NEWEST, key)

    def list(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        self._check_thread("alist")
        query, parameters = list_keys(config, filter, before, limit)
        with self.cursor(transaction=False) as cursor:
            keys = cursor.execute(query, parameters).fetchall()
        # Outside of the lock, so that the consumer of the iterator may use the saver.
        for key in keys:
            saved = self._read(GET_CHECKPOINT + OF_CHECKPOINT, key)
            if saved is not None:
                yield saved

    def _read(
        self, query: str, parameters: Sequence[Any], config: Config | None = None
    ) -> CheckpointTuple | None:
        """The checkpoint of a query, with its writes; None if there is none.

        Args:
            query: selects the columns of `GET_CHECKPOINT`.
            parameters: those of the query.
            config: handed out in place of a config that addresses the row.
        """
        from json import loads

        with self.cursor(transaction=False) as cursor:
            row = cursor.execute(query, parameters).fetchone()
            if row is None:
                return None
            writes = cursor.execute(
                get_writes(has_task_path=self._has_task_path), row[:3]
            ).fetchall()
        thread_id, namespace, checkpoint_id, parent, tag, checkpoint, metadata = row
        return CheckpointTuple(
            config or checkpoint_config(thread_id, namespace, checkpoint_id),
            self.serde.loads_typed((tag, checkpoint)),
            {} if metadata is None else loads(metadata),
            checkpoint_config(thread_id, namespace, parent) if parent else None,
            self._load_writes(writes),
        )

    def _load_writes(self, rows: Iterable[tuple[str, str, str, bytes]]) -> Any:
        """The pending writes of rows of `get_writes`."""
        loads = self.serde.loads_typed
        return [(task_id, channel, loads((tag, value))) for task_id, channel, tag, value in rows]

    def get_delta_channel_history(self, *, config: Config, channels: Sequence[str]) -> History:
        self._check_thread("aget_delta_channel_history")
        if not channels:
            return {}
        where = config["configurable"]
        key = (str(where["thread_id"]), where.get("checkpoint_ns", ""))
        walk = DeltaWalk(channels)
        visited: set[str] = set()
        with self.cursor(transaction=False) as cursor:
            parent = _parent(cursor, key, where.get("checkpoint_id"))
            while parent and walk.remaining and parent not in visited:
                visited.add(parent)
                cursor.execute(GET_CHECKPOINT + OF_CHECKPOINT, (*key, parent))
                row = cursor.fetchone()
                if row is None:
                    break
                names = sorted(walk.remaining)
                query = get_writes(has_task_path=self._has_task_path, only=len(names))
                writes = self._load_writes(cursor.execute(query, (*key, parent, *names)))
                checkpoint = self.serde.loads_typed((row[4], row[5]))
                walk.add(writes, checkpoint.get("channel_values") or {})
                parent = row[3]
        return walk.history()

    async def aget_delta_channel_history(
        self, *, config: Config, channels: Sequence[str]
    ) -> History:
        """Async version of `get_delta_channel_history`."""
        read = self.get_delta_channel_history
        history: History = await self._off_loop(read, config=config, channels=channels)
        return history

    # --- deleting and copying ---

    def delete_thread(self, thread_id: str) -> None:
        # Upstream's error for this method names alist, too.
        self._check_thread("alist")
        self._delete([(OF_THREAD, (str(thread_id),))])

    def _delete(self, chosen: Iterable[tuple[str, Sequence[Any]]]) -> None:
        """Deletes rows of both tables.

        Args:
            chosen: conditions with their parameters.
        """
        self._store(
            (f"DELETE FROM {table}{where}", [parameters])
            for where, parameters in chosen
            for table in TABLES
        )

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        from json import loads

        runs = tuple(run_ids)
        # Compared here and not in SQL: metadata with an infinity is no JSON to SQLite, an error.
        with self.cursor(transaction=False) as cursor:
            rows = cursor.execute(GET_METADATA)
            deleted = [row[:3] for row in rows if loads(row[3]).get("run_id") in runs]
        self._delete((OF_CHECKPOINT, key) for key in deleted)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        threads = [(str(target_thread_id), str(source_thread_id))]
        self._store((sql, threads) for sql in COPY)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        check_prune(thread_ids, strategy)
        for thread_id in map(str, thread_ids):
            if strategy == "delete":
                self._delete([(OF_THREAD, (thread_id,))])
                continue
            with self.cursor(transaction=False) as cursor:
                heads = dict(cursor.execute(GET_HEADS, (thread_id,)).fetchall())
            kept = kept_by_prune(self.get_tuple, thread_id, heads)
            self._delete_others(thread_id, heads, kept)

    def _delete_others(
        self, thread_id: str, heads: dict[str, str], kept: dict[str, Sequence[str]]
    ) -> None:
        """Deletes what `prune` does not keep of a thread, in one transaction.

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
        self._store(statements)


class SqliteSaver(_Sqlite):
    """Stores checkpoints in an SQLite file.

    Its async methods, which upstream's saver has not, run on the event loop's executor.

    Keys of the `filter` of `list` may consist of ASCII letters, digits, `_`, `.` and `-`; others
    are a ValueError.

    Args:
        conn: opened with `check_same_thread=False`.
        serde: as in `BaseSaver`.
    """

    @classmethod
    @contextmanager
    def from_conn_string(cls, conn_string: str) -> Iterator[Any]:
        """A saver of a file, which is closed at the end of the block.

        Args:
            conn_string: the file's name, or ":memory:".
        """
        with closing(_connect(conn_string)) as conn:
            yield cls(conn)

    def setup(self) -> None:
        """Creates the tables; the first use does that, too."""
        self._create_tables()


class AsyncSqliteSaver(_Sqlite):
    """Stores checkpoints in an SQLite file, for coroutines: one thread of its own does the work.

    The sync methods are for other threads than that of the event loop in which the saver is made;
    there they raise asyncio.InvalidStateError.

    Keys of the `filter` of `list` may consist of ASCII letters, digits, `_`, `.` and `-`; others
    are a ValueError.

    Args:
        conn: of sqlite3, opened with `check_same_thread=False`; upstream's takes aiosqlite's.
        serde: as in `BaseSaver`.

    Raises:
        TypeError: the connection is not one of sqlite3.
    """

    def __init__(self, conn: Connection, *, serde: Any = None) -> None:
        import sqlite3
        from concurrent.futures import ThreadPoolExecutor

        if not isinstance(conn, sqlite3.Connection):
            raise TypeError(f"lgc's AsyncSqliteSaver takes a sqlite3.Connection, not {conn!r}")
        super().__init__(conn, serde=serde)
        self.loop: Any = running_loop()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="lgc-sqlite")

    @classmethod
    @asynccontextmanager
    async def from_conn_string(cls, conn_string: str) -> AsyncIterator[Any]:
        """A saver of a file, which is closed at the end of the block.

        Args:
            conn_string: the file's name, or ":memory:".
        """
        conn = _connect(conn_string)
        saver = cls(conn)
        try:
            yield saver
        finally:
            # On the saver's thread, so after everything that was begun before.
            await saver._off_loop(conn.close)
            saver._worker.shutdown()

    async def setup(self) -> None:
        """Creates the tables; the first use does that, too."""
        await self._astore(())

    def _check_thread(self, method: str) -> None:
        refuse_in_own_loop(self.loop, "AsyncSqliteSaver", method)

    async def _off_loop(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        from asyncio import get_running_loop

        run = get_running_loop().run_in_executor
        return await run(self._worker, partial(function, *args, **kwargs))


def _connect(conn_string: str) -> Connection:
    import sqlite3

    return sqlite3.connect(conn_string, check_same_thread=False)


def _parent(cursor: Cursor, key: tuple[str, str], checkpoint_id: str | None) -> Any:
    """The id of a checkpoint's parent; None if it has none or does not exist.

    Args:
        cursor: executes the query.
        key: thread and namespace.
        checkpoint_id: the checkpoint; the newest if it is empty or None.
    """
    if checkpoint_id:
        cursor.execute(GET_PARENT + OF_CHECKPOINT, (*key, checkpoint_id))
    else:
        cursor.execute(GET_PARENT + OF_NAMESPACE + NEWEST, key)
    row = cursor.fetchone()
    return row and row[0]
