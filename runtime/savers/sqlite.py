"""`SqliteSaver` and `AsyncSqliteSaver`: a file that LangGraph's SQLite savers read and write, too.

The tables, what stands in their rows and how metadata is searched are those of
langgraph-checkpoint-sqlite 3.1.2 (checkpoint/sqlite; spec §12). sqlite3 is imported when the first
saver is made. Every method that writes is one transaction, which is on the disk when it returns.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from lgc.runtime.checkpointing.model import WRITE_INDEXES, CheckpointTuple, metadata_of
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
    kept_by_prune,
)

if TYPE_CHECKING:
    from sqlite3 import Connection, Cursor

Statement = tuple[str, Sequence[Sequence[Any]]]
"""SQL, and the parameters of each time it is run."""

# FULL is a commit that survives a loss of power, too.
_SETUP: Final = """
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
_ADD_TASK_PATH: Final = "ALTER TABLE writes ADD COLUMN task_path TEXT NOT NULL DEFAULT ''"

_PUT: Final = (
    "INSERT OR REPLACE INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, "
    "parent_checkpoint_id, type, checkpoint, metadata) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_PUT_WRITES: Final = (
    "INSERT OR {} INTO writes (thread_id, checkpoint_ns, checkpoint_id, task_id, task_path, idx, "
    "channel, type, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_REPLACE_WRITES: Final = _PUT_WRITES.format("REPLACE")
_ADD_WRITES: Final = _PUT_WRITES.format("IGNORE")

_OF_THREAD: Final = " WHERE thread_id = ?"
_OF_NAMESPACE: Final = _OF_THREAD + " AND checkpoint_ns = ?"
_OF_CHECKPOINT: Final = _OF_NAMESPACE + " AND checkpoint_id = ?"
_GET: Final = (
    "SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, "
    "metadata FROM checkpoints"
)
_NEWEST: Final = " ORDER BY checkpoint_id DESC LIMIT 1"
_HEADS: Final = (
    "SELECT checkpoint_ns, max(checkpoint_id) FROM checkpoints"
    + _OF_THREAD
    + " GROUP BY checkpoint_ns"
)
_DELETE_OLD: Final = (
    _OF_NAMESPACE
    + " AND checkpoint_id <= ? AND checkpoint_id NOT IN (SELECT value FROM json_each(?))"
)
_FILTER_KEY: Final = re.compile(r"[a-zA-Z0-9_.-]+")


class _Sqlite(BaseSaver):
    """What both savers share: the tables, and a connection that one thread at a time uses.

    Args:
        conn: opened with `check_same_thread=False`.
        serde: as for every saver.
    """

    keeps_checkpoint = False
    defers = True

    def __init__(self, conn: Connection, *, serde: Any = None) -> None:
        super().__init__(serde=serde)
        self.conn = conn
        self.is_setup = False
        self.lock = Lock()
        self._has_task_path = True

    def _prepare(self) -> None:
        """Makes the tables, unless they are there."""
        if self.is_setup:
            return
        self.conn.executescript(_SETUP)
        columns = [row[1] for row in self.conn.execute("PRAGMA table_info(writes)")]
        if "task_path" not in columns:
            self._add_task_path()
        self.is_setup = True

    def _add_task_path(self) -> None:
        """Brings a file of an older langgraph-checkpoint-sqlite to the layout of today."""
        from sqlite3 import OperationalError

        try:
            self.conn.execute(_ADD_TASK_PATH)
        except OperationalError as error:
            # Such a file can still be read, and another process may have been faster.
            if "readonly database" in str(error):
                self._has_task_path = False
            elif "duplicate column name" not in str(error):
                raise

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[Cursor]:
        """A cursor for one thread at a time.

        Args:
            transaction: whether what it does is one transaction, which an exception undoes.
        """
        with self.lock:
            self._prepare()
            with closing(self.conn.cursor()) as cursor:
                if not transaction:
                    yield cursor
                    return
                # Unlike BEGIN, good for a connection in any mode, and in a user's transaction.
                cursor.execute("SAVEPOINT lgc")
                try:
                    yield cursor
                    cursor.execute("RELEASE lgc")
                except BaseException:
                    # SQLite itself has undone all after some errors.
                    if self.conn.in_transaction:
                        cursor.execute("ROLLBACK TO lgc")
                        cursor.execute("RELEASE lgc")
                    raise
                self.conn.commit()

    def _execute(self, statements: Iterable[Statement]) -> None:
        """Runs statements as one transaction."""
        with self.cursor() as cursor:
            for sql, rows in statements:
                cursor.executemany(sql, rows)

    # --- reading ---

    def get_tuple(self, config: Config) -> CheckpointTuple | None:
        """As every saver's; the config that names an id is handed out as it is."""
        given = config["configurable"]
        namespace = given.get("checkpoint_ns", "")
        key = (str(given["thread_id"]), namespace)
        checkpoint_id = given.get("checkpoint_id")
        if checkpoint_id:
            return self._read(_GET + _OF_CHECKPOINT, (*key, checkpoint_id), config)
        return self._read(_GET + _OF_NAMESPACE + _NEWEST, key)

    def list(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """As every saver's; which they are is found out first, and each is read in its turn.

        Raises:
            ValueError: a key of `filter` has other characters than letters, digits, `_.-`.
        """
        where, parameters = _search(config, filter, before)
        # Equal ids come in the order of upstream's query, which reads whole rows.
        table = "checkpoints NOT INDEXED" if config is None else "checkpoints"
        query = f"SELECT thread_id, checkpoint_ns, checkpoint_id FROM {table}{where}"
        query += " ORDER BY checkpoint_id DESC"
        if limit is not None:
            query += " LIMIT ?"
            parameters = (*parameters, limit)
        with self.cursor(transaction=False) as cursor:
            keys = cursor.execute(query, parameters).fetchall()
        for key in keys:
            found = self._read(_GET + _OF_CHECKPOINT, key)
            if found is not None:
                yield found

    def _read(
        self, query: str, parameters: Sequence[Any], config: Config | None = None
    ) -> CheckpointTuple | None:
        """The checkpoint that a query finds, with its writes.

        Args:
            query: a `_GET`.
            parameters: its parameters.
            config: handed out with it instead of an address made of the row.
        """
        from json import loads

        with self.cursor(transaction=False) as cursor:
            row = cursor.execute(query, parameters).fetchone()
            if row is None:
                return None
            made = cursor.execute(self._writes_query(), row[:3]).fetchall()
        thread_id, namespace, checkpoint_id, parent, tag, checkpoint, metadata = row
        return CheckpointTuple(
            config or address(thread_id, namespace, checkpoint_id),
            self.serde.loads_typed((tag, checkpoint)),
            {} if metadata is None else loads(metadata),
            address(thread_id, namespace, parent) if parent else None,
            self._loaded(made),
        )

    def _writes_query(self, more: str = "") -> str:
        """The SQL that finds a checkpoint's writes in their order.

        Args:
            more: another condition.
        """
        order = "task_path, task_id, idx" if self._has_task_path else "task_id, idx"
        columns = "task_id, channel, type, value"
        return f"SELECT {columns} FROM writes{_OF_CHECKPOINT}{more} ORDER BY {order}"

    def _loaded(self, rows: Iterable[tuple[str, str, str, bytes]]) -> Any:
        loads = self.serde.loads_typed
        return [(task_id, channel, loads((tag, value))) for task_id, channel, tag, value in rows]

    def get_delta_channel_history(self, *, config: Config, channels: Sequence[str]) -> History:
        """As every saver's; of the ancestors' writes only what is asked for is read."""
        if not channels:
            return {}
        given = config["configurable"]
        key = (str(given["thread_id"]), given.get("checkpoint_ns", ""))
        walk = DeltaWalk(channels)
        met: set[str] = set()
        with self.cursor(transaction=False) as cursor:
            parent = self._parent(cursor, key, given.get("checkpoint_id"))
            while parent and walk.remaining and parent not in met:
                met.add(parent)
                cursor.execute(_GET + _OF_CHECKPOINT, (*key, parent))
                row = cursor.fetchone()
                if row is None:
                    break
                names = sorted(walk.remaining)
                query = self._writes_query(f" AND channel IN ({', '.join('?' * len(names))})")
                made = self._loaded(cursor.execute(query, (*key, parent, *names)))
                checkpoint = self.serde.loads_typed((row[4], row[5]))
                walk.add(made, checkpoint.get("channel_values") or {})
                parent = row[3]
        return walk.history()

    def _parent(self, cursor: Cursor, key: tuple[str, str], checkpoint_id: str | None) -> Any:
        """The id of the parent of a checkpoint, the newest if none is named; None if none is."""
        query = "SELECT parent_checkpoint_id FROM checkpoints"
        if checkpoint_id:
            cursor.execute(query + _OF_CHECKPOINT, (*key, checkpoint_id))
        else:
            cursor.execute(query + _OF_NAMESPACE + _NEWEST, key)
        row = cursor.fetchone()
        return row and row[0]

    # --- writing ---

    def put(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As every saver's; a checkpoint is stored with all its values."""
        statement, stored = self._checkpoint(config, checkpoint, metadata)
        self._execute([statement])
        return stored

    def put_writes(self, config: Config, writes: Writes, task_id: str, task_path: str = "") -> None:
        """As every saver's; special writes replace only where no other stands beside them."""
        self._execute([self._task(config, writes, task_id, task_path)])

    dumped = BaseSaver._dump_all

    def put_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As every saver's, in one transaction."""
        statements, stored = self._superstep(config, writes, checkpoint, metadata)
        self._execute(statements)
        return stored

    def deferred_put(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Callable[[], None]:
        """`put` in two parts: what it returns stores what is serialised here."""
        return partial(self._execute, [self._checkpoint(config, checkpoint, metadata)[0]])

    def deferred_put_writes(
        self, config: Config, writes: Writes, task_id: str, task_path: str = ""
    ) -> Callable[[], None]:
        """`put_writes` in two parts, as `deferred_put`."""
        return partial(self._execute, [self._task(config, writes, task_id, task_path)])

    def deferred_put_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Callable[[], None]:
        """`put_superstep` in two parts, as `deferred_put`."""
        return partial(self._execute, self._superstep(config, writes, checkpoint, metadata)[0])

    def _superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
    ) -> tuple[Sequence[Statement], Config]:
        """What stores a superstep, and what addresses its checkpoint."""
        tasks = [self._task(config, made, task_id, path) for task_id, path, made in writes]
        statement, stored = self._checkpoint(config, checkpoint, metadata)
        return (*tasks, statement), stored

    def _checkpoint(
        self, config: Config, checkpoint: dict[str, Any], metadata: dict[str, Any]
    ) -> tuple[Statement, Config]:
        """What stores a checkpoint, and what addresses it."""
        from json import dumps

        given = config["configurable"]
        thread_id = given["thread_id"]
        namespace = given["checkpoint_ns"]
        said = dumps(metadata_of(config, metadata), ensure_ascii=False).encode("utf-8", "ignore")
        row = (
            str(thread_id),
            namespace,
            checkpoint["id"],
            given.get("checkpoint_id"),
            *self.serde.dumps_typed(checkpoint),
            said,
        )
        return (_PUT, [row]), address(thread_id, namespace, checkpoint["id"])

    def _task(self, config: Config, writes: Writes, task_id: str, task_path: str) -> Statement:
        """What stores a task's writes (checkpoint/sqlite:put_writes)."""
        special = all(channel in WRITE_INDEXES for channel, _ in writes)
        if not writes:
            return _REPLACE_WRITES, ()
        given = config["configurable"]
        key = (
            str(given["thread_id"]),
            str(given["checkpoint_ns"]),
            str(given["checkpoint_id"]),
            task_id,
            task_path,
        )
        rows = [
            (*key, WRITE_INDEXES.get(channel, position), channel, *self._dump(value))
            for position, (channel, value) in enumerate(writes)
        ]
        return _REPLACE_WRITES if special else _ADD_WRITES, rows

    def delete_thread(self, thread_id: str) -> None:
        """As every saver's."""
        self._delete([(_OF_THREAD, (str(thread_id),))])

    def _delete(self, chosen: Iterable[tuple[str, Sequence[Any]]]) -> None:
        """Deletes the rows of both tables that conditions, with their parameters, choose."""
        self._execute(
            (f"DELETE FROM {table}{where}", [parameters])
            for where, parameters in chosen
            for table in ("checkpoints", "writes")
        )

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As every saver's."""
        from json import loads

        runs = tuple(run_ids)
        # Not by SQL: of a metadata with an infinity, which is no JSON, it makes an error.
        with self.cursor(transaction=False) as cursor:
            cursor.execute(
                "SELECT thread_id, checkpoint_ns, checkpoint_id, metadata FROM checkpoints "
                "WHERE metadata IS NOT NULL"
            )
            gone = [row[:3] for row in cursor if loads(row[3]).get("run_id") in runs]
        self._delete((_OF_CHECKPOINT, key) for key in gone)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As every saver's."""
        copied = {
            "checkpoints": "checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, "
            "metadata",
            "writes": "checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, value",
        }
        threads = [(str(target_thread_id), str(source_thread_id))]
        self._execute(
            (
                f"INSERT OR REPLACE INTO {table} (thread_id, {columns}) "
                f"SELECT ?, {columns} FROM {table}{_OF_THREAD} ORDER BY rowid",
                threads,
            )
            for table, columns in copied.items()
        )

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As every saver's; each thread in a transaction."""
        check_prune(thread_ids, strategy)
        for thread_id in map(str, thread_ids):
            if strategy == "delete":
                self._delete([(_OF_THREAD, (thread_id,))])
                continue
            with self.cursor(transaction=False) as cursor:
                heads = dict(cursor.execute(_HEADS, (thread_id,)).fetchall())
            self._keep(thread_id, heads, kept_by_prune(self.get_tuple, thread_id, heads))

    def _keep(self, thread_id: str, heads: dict[str, str], kept: dict[str, Sequence[str]]) -> None:
        """Deletes of each namespace of a thread what is not kept and not newer than its head."""
        from json import dumps

        statements: list[Statement] = []
        for namespace, ids in kept.items():
            old = [(thread_id, namespace, heads[namespace], dumps([*ids]))]
            statements += [
                (f"DELETE FROM {table}{_DELETE_OLD}", old) for table in ("checkpoints", "writes")
            ]
            if ids:
                orphan = f"UPDATE checkpoints SET parent_checkpoint_id = NULL{_OF_CHECKPOINT}"
                statements.append((orphan, [(thread_id, namespace, ids[-1])]))
        self._execute(statements)

    # --- async: values are turned into bytes at once, before anybody changes them ---

    async def aput(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As `put`."""
        statement, stored = self._checkpoint(config, checkpoint, metadata)
        await self._off_loop(self._execute, [statement])
        return stored

    async def aput_writes(
        self, config: Config, writes: Writes, task_id: str, task_path: str = ""
    ) -> None:
        """As `put_writes`."""
        await self._off_loop(self._execute, [self._task(config, writes, task_id, task_path)])

    async def aput_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As `put_superstep`."""
        statements, stored = self._superstep(config, writes, checkpoint, metadata)
        await self._off_loop(self._execute, statements)
        return stored

    async def aget_delta_channel_history(
        self, *, config: Config, channels: Sequence[str]
    ) -> History:
        """As `get_delta_channel_history`."""
        walk = self.get_delta_channel_history
        history: History = await self._off_loop(walk, config=config, channels=channels)
        return history


class SqliteSaver(_Sqlite):
    """Stores checkpoints in an SQLite file.

    Its async twins, which upstream's has not, run in the event loop's threads.

    Args:
        conn: opened with `check_same_thread=False`.
        serde: as for every saver.
    """

    @classmethod
    @contextmanager
    def from_conn_string(cls, conn_string: str) -> Iterator[Any]:
        """A saver of a file, which is closed at the end.

        Args:
            conn_string: the file's name, or ":memory:".
        """
        with closing(_connect(conn_string)) as conn:
            yield cls(conn)

    def setup(self) -> None:
        """Makes the tables; called when it is needed."""
        self._prepare()


class AsyncSqliteSaver(_Sqlite):
    """Stores checkpoints in an SQLite file, for coroutines: one thread of its own does the work.

    Its sync methods are for other threads than that of the event loop it was made in.

    Args:
        conn: of sqlite3, opened with `check_same_thread=False`; upstream's takes aiosqlite's.
        serde: as for every saver.

    Raises:
        TypeError: the connection is another.
    """

    def __init__(self, conn: Connection, *, serde: Any = None) -> None:
        import sqlite3
        from asyncio import get_running_loop
        from concurrent.futures import ThreadPoolExecutor

        if not isinstance(conn, sqlite3.Connection):
            raise TypeError(f"lgc's AsyncSqliteSaver takes a sqlite3.Connection, not {conn!r}")
        super().__init__(conn, serde=serde)
        self.loop: Any = None
        with suppress(RuntimeError):
            self.loop = get_running_loop()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="lgc-sqlite")

    @classmethod
    @asynccontextmanager
    async def from_conn_string(cls, conn_string: str) -> AsyncIterator[Any]:
        """A saver of a file, which is closed at the end.

        Args:
            conn_string: the file's name, or ":memory:".
        """
        conn = _connect(conn_string)
        saver = cls(conn)
        try:
            yield saver
        finally:
            # In its turn, after all that was begun.
            await saver._off_loop(conn.close)
            saver._worker.shutdown()

    async def setup(self) -> None:
        """Makes the tables; called when it is needed."""
        await self._off_loop(self._execute, ())

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[Cursor]:
        """As the sync saver's.

        Raises:
            asyncio.InvalidStateError: this is the event loop's thread, which must not wait.
        """
        self._refuse_own_loop("aget_tuple")
        with super().cursor(transaction) as cursor:
            yield cursor

    def _refuse_own_loop(self, method: str) -> None:
        """Raises as `cursor`; `method` is what the error says to use."""
        from asyncio import get_running_loop

        running = None
        with suppress(RuntimeError):
            running = get_running_loop()
        if running is not None and running is self.loop:
            raise in_own_loop("AsyncSqliteSaver", method)

    def list(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """As the sync saver's, from another thread."""
        self._refuse_own_loop("alist")
        yield from super().list(config, filter=filter, before=before, limit=limit)

    def delete_thread(self, thread_id: str) -> None:
        """As the sync saver's, from another thread."""
        # Upstream's names this one, too.
        self._refuse_own_loop("alist")
        super().delete_thread(thread_id)

    def get_delta_channel_history(self, *, config: Config, channels: Sequence[str]) -> History:
        """As the sync saver's, from another thread."""
        self._refuse_own_loop("aget_delta_channel_history")
        return super().get_delta_channel_history(config=config, channels=channels)

    async def _off_loop(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        from asyncio import get_running_loop

        run = get_running_loop().run_in_executor
        return await run(self._worker, partial(function, *args, **kwargs))


def _connect(conn_string: str) -> Connection:
    import sqlite3

    return sqlite3.connect(conn_string, check_same_thread=False)


# --- searching ---


def _search(
    config: Config | None, filter: dict[str, Any] | None, before: Config | None
) -> tuple[str, Sequence[Any]]:
    """The condition that `list` is given, and its parameters (checkpoint/sqlite/utils.py).

    Raises:
        ValueError: a key of `filter` cannot stand in a path of SQLite's.
    """
    found: dict[str, Any] = {}
    if config is not None:
        given = config["configurable"]
        found["thread_id = ?"] = given["thread_id"]
        if given.get("checkpoint_ns") is not None:
            found["checkpoint_ns = ?"] = given["checkpoint_ns"]
        if given.get("checkpoint_id"):
            found["checkpoint_id = ?"] = given["checkpoint_id"]
    for key, value in (filter or {}).items():
        if not _FILTER_KEY.fullmatch(key):
            raise ValueError(
                f"Invalid filter key: '{key}'. Filter keys must contain only alphanumeric "
                "characters, underscores, dots, and hyphens."
            )
        equals = "IS" if value is None else "="
        found[f"json_extract(CAST(metadata AS TEXT), '$.{key}') {equals} ?"] = _as_extracted(value)
    if before is not None:
        found["checkpoint_id < ?"] = before["configurable"].get("checkpoint_id")
    return (" WHERE " + " AND ".join(found) if found else ""), tuple(found.values())


def _as_extracted(value: Any) -> Any:
    """A value as SQLite's json_extract shows it."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (dict, list)):
        from json import dumps

        return dumps(value, separators=(",", ":"))
    return str(value)
