"""`AsyncSqliteSaver` (checkpoint/sqlite/aio.py of langgraph-checkpoint-sqlite 3.1.2).

sqlite3 and asyncio are imported when the first saver is made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from lgc.runtime.checkpointing.model import CheckpointTuple
from lgc.runtime.savers.own_loop import refuse_in_own_loop, running_loop
from lgc.runtime.savers.sql import AsyncSqlSaver, Statement
from lgc.runtime.savers.sqlite.connection_thread import ConnectionThread
from lgc.runtime.savers.sqlite.rows import SqliteRows, T, pages
from lgc.runtime.savers.sqlite.statements import list_keys
from lgc.runtime.savers.types import Config, History

if TYPE_CHECKING:
    from sqlite3 import Connection


class AsyncSqliteSaver(AsyncSqlSaver, SqliteRows):
    """Stores checkpoints in an SQLite file, for coroutines: one thread of its own does the work.

    Any number of coroutines may use it at once, in any event loop. What many of them store at the
    same time is one transaction; each call returns when what it stored is on the disk. Cancelling a
    coroutine that waits for a call leaves what was to be stored stored.

    The sync methods are for other threads than that of the event loop in which the saver is made;
    there they raise asyncio.InvalidStateError. What deletes and copies runs on the event loop's
    executor, and on the saver's thread what it reads and writes.

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

        if not isinstance(conn, sqlite3.Connection):
            raise TypeError(f"lgc's AsyncSqliteSaver takes a sqlite3.Connection, not {conn!r}")
        super().__init__(conn, serde=serde)
        self.loop: Any = running_loop()
        self._thread = ConnectionThread(self._database, conn.close)

    @classmethod
    @asynccontextmanager
    async def from_conn_string(cls, conn_string: str) -> AsyncIterator[Any]:
        """A saver of a file, which is closed at the end of the block.

        After that its methods raise ValueError, as upstream's.

        Args:
            conn_string: the file's name, or ":memory:".
        """
        import sqlite3

        saver = cls(sqlite3.connect(conn_string, check_same_thread=False))
        try:
            yield saver
        finally:
            await saver._thread.aclose()

    async def setup(self) -> None:
        """Creates the tables; the first use does that, too."""
        await self._aread(self._database.create_tables)

    # --- the thread ---

    def _check_thread(self, method: str) -> None:
        refuse_in_own_loop(self.loop, "AsyncSqliteSaver", method)

    def _read(self, call: Callable[[], T]) -> T:
        self._check_thread("aget_tuple")
        result: T = self._thread.read(call)
        return result

    def _store(self, statements: Iterable[Statement]) -> None:
        self._check_thread("aget_tuple")
        self._thread.store(statements)

    async def _aread(self, call: Callable[[], T]) -> T:
        result: T = await self._thread.aread(call)
        return result

    async def _astore(self, statements: Iterable[Statement]) -> None:
        await self._thread.astore(statements)

    # --- reading ---

    async def aget_tuple(self, config: Config) -> CheckpointTuple | None:
        """Async version of `get_tuple`."""
        call, given = self._find(config)
        return self._load(await self._aread(call), given)

    async def alist(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Async version of `list`."""
        query = list_keys(config, filter, before, limit)
        for page in pages(await self._aread(partial(self._database.rows, *query))):
            for stored in await self._aread(partial(self._database.checkpoints, page)):
                yield self._loaded(stored)

    async def aget_delta_channel_history(
        self, *, config: Config, channels: Sequence[str]
    ) -> History:
        """Async version of `get_delta_channel_history`."""
        reads = self._read_history(config, channels)
        try:
            call = next(reads)
            while True:
                call = reads.send(await self._aread(call))
        except StopIteration as done:
            history: History = done.value
            return history
