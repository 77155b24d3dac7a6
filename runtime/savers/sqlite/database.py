"""The tables of the SQLite savers, and what is read from and written to them, as rows.

Nothing here turns bytes into values: that may run code of the user's, and the caller of these
methods has the connection to itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from lgc.runtime.savers.sql import Statement
from lgc.runtime.savers.sqlite.statements import (
    ADD_TASK_PATH,
    GET_CHECKPOINT,
    GET_PARENT,
    NEWEST,
    OF_CHECKPOINT,
    OF_NAMESPACE,
    SETUP,
    get_writes,
)

if TYPE_CHECKING:
    from sqlite3 import Connection, Cursor


class StoredCheckpoint(NamedTuple):
    """A checkpoint as it is stored.

    Attributes:
        row: the columns of `GET_CHECKPOINT`.
        writes: its pending writes in their order: task, channel, tag, bytes.
    """

    row: Any
    writes: Sequence[Any]


class Database:
    """A connection that one thread at a time may use; whoever calls its methods sees to that.

    Args:
        conn: opened with `check_same_thread=False`.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._is_setup = False
        self._has_task_path = True

    def create_tables(self) -> None:
        """Creates the tables when the database is first used."""
        if self._is_setup:
            return
        self._conn.executescript(SETUP)
        columns = [row[1] for row in self._conn.execute("PRAGMA table_info(writes)")]
        if "task_path" not in columns:
            self._add_task_path()
        self._is_setup = True

    def _add_task_path(self) -> None:
        """Brings a file of an older langgraph-checkpoint-sqlite to the layout of today."""
        from sqlite3 import OperationalError

        try:
            self._conn.execute(ADD_TASK_PATH)
        except OperationalError as error:
            # A read-only file can still be read, and another process may have added the column.
            if "readonly database" in str(error):
                self._has_task_path = False
            elif "duplicate column name" not in str(error):
                raise

    @contextmanager
    def cursor(self, transaction: bool) -> Iterator[Cursor]:
        """A cursor.

        Args:
            transaction: whether the block is one transaction, which an exception rolls back.
        """
        self.create_tables()
        with closing(self._conn.cursor()) as cursor:
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
                if self._conn.in_transaction:
                    cursor.execute("ROLLBACK TO lgc")
                    cursor.execute("RELEASE lgc")
                raise
            self._conn.commit()

    def store(self, statements: Iterable[Statement]) -> None:
        """Executes statements as one transaction, which is on the disk afterwards."""
        with self.cursor(transaction=True) as cursor:
            for sql, rows in statements:
                cursor.executemany(sql, rows)

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query."""
        with self.cursor(transaction=False) as cursor:
            return cursor.execute(query, parameters).fetchall()

    def checkpoint(self, query: str, parameters: Sequence[Any]) -> StoredCheckpoint | None:
        """The checkpoint of a query, with its writes; None if there is none.

        Args:
            query: selects the columns of `GET_CHECKPOINT`.
            parameters: those of the query.
        """
        with self.cursor(transaction=False) as cursor:
            row = cursor.execute(query, parameters).fetchone()
            if row is None:
                return None
            writes = get_writes(has_task_path=self._has_task_path)
            return StoredCheckpoint(row, cursor.execute(writes, row[:3]).fetchall())

    def checkpoints(self, keys: Iterable[Sequence[Any]]) -> list[StoredCheckpoint]:
        """The checkpoints of keys, which are threads, namespaces and ids, as far as they exist."""
        query = GET_CHECKPOINT + OF_CHECKPOINT
        stored = (self.checkpoint(query, key) for key in keys)
        return [checkpoint for checkpoint in stored if checkpoint is not None]

    def parent(self, key: tuple[str, str], checkpoint_id: str | None) -> Any:
        """The id of a checkpoint's parent; None if it has none or does not exist.

        Args:
            key: thread and namespace.
            checkpoint_id: the checkpoint; the newest if it is empty or None.
        """
        with self.cursor(transaction=False) as cursor:
            if checkpoint_id:
                cursor.execute(GET_PARENT + OF_CHECKPOINT, (*key, checkpoint_id))
            else:
                cursor.execute(GET_PARENT + OF_NAMESPACE + NEWEST, key)
            row = cursor.fetchone()
            return row and row[0]

    def ancestors(
        self, key: tuple[str, str], first: str, channels: Sequence[str], limit: int
    ) -> list[StoredCheckpoint]:
        """A checkpoint and its ancestors, a child before its parent.

        Args:
            key: thread and namespace.
            first: the id of the checkpoint.
            channels: only their writes are read.
            limit: the greatest number of checkpoints.
        """
        found: list[StoredCheckpoint] = []
        writes = get_writes(has_task_path=self._has_task_path, only=len(channels))
        checkpoint_id: str | None = first
        with self.cursor(transaction=False) as cursor:
            while checkpoint_id and len(found) < limit:
                cursor.execute(GET_CHECKPOINT + OF_CHECKPOINT, (*key, checkpoint_id))
                row = cursor.fetchone()
                if row is None:
                    break
                cursor.execute(writes, (*key, checkpoint_id, *channels))
                found.append(StoredCheckpoint(row, cursor.fetchall()))
                checkpoint_id = row[3]
        return found
