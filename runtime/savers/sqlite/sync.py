"""`SqliteSaver` (checkpoint/sqlite of langgraph-checkpoint-sqlite 3.1.2).

sqlite3 is imported when the first saver is made. Every method that writes is one transaction, which
is on the disk when the method returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from lgc.runtime.savers.sql import Statement
from lgc.runtime.savers.sqlite.rows import SqliteRows, T

if TYPE_CHECKING:
    from sqlite3 import Connection, Cursor


class SqliteSaver(SqliteRows):
    """Stores checkpoints in an SQLite file.

    Its async methods, which upstream's saver has not, run on the event loop's executor.

    Keys of the `filter` of `list` may consist of ASCII letters, digits, `_`, `.` and `-`; others
    are a ValueError.

    Args:
        conn: opened with `check_same_thread=False`.
        serde: as in `BaseSaver`.

    Attributes:
        conn: the connection.
        lock: held by the thread that uses the connection, and never while values are serialised
            or read.
    """

    def __init__(self, conn: Connection, *, serde: Any = None) -> None:
        super().__init__(conn, serde=serde)
        self.lock = Lock()

    @classmethod
    @contextmanager
    def from_conn_string(cls, conn_string: str) -> Iterator[Any]:
        """A saver of a file, which is closed at the end of the block.

        Args:
            conn_string: the file's name, or ":memory:".
        """
        import sqlite3

        with closing(sqlite3.connect(conn_string, check_same_thread=False)) as conn:
            yield cls(conn)

    def setup(self) -> None:
        """Creates the tables; the first use does that, too."""
        with self.lock:
            self._database.create_tables()

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[Cursor]:
        """A cursor, which one thread at a time has.

        Args:
            transaction: whether the block is one transaction, which an exception rolls back.
        """
        with self.lock, self._database.cursor(transaction) as cursor:
            yield cursor

    def _read(self, call: Callable[[], T]) -> T:
        with self.lock:
            return call()

    def _store(self, statements: Iterable[Statement]) -> None:
        with self.lock:
            self._database.store(statements)
