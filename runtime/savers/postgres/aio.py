"""`AsyncPostgresSaver` (checkpoint/postgres/aio.py)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import wraps
from typing import Any, TypeVar, cast

from psycopg import AsyncConnection, AsyncCursor, AsyncPipeline, OperationalError
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool

from lgc.runtime.checkpointing.model import CheckpointTuple
from lgc.runtime.savers.base import BaseSaver
from lgc.runtime.savers.own_loop import refuse_in_own_loop
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
from lgc.runtime.savers.postgres.sync import PostgresSaver
from lgc.runtime.savers.pruning import check_prune
from lgc.runtime.savers.sql import AsyncSqlSaver, Statement
from lgc.runtime.savers.types import Config, History

Method = TypeVar("Method", bound=Callable[..., Any])


def _for_other_threads(method: Method, recommended: str = "") -> Method:
    """A sync method of `AsyncPostgresSaver` that waits for the async one.

    Args:
        method: whose name, signature and documentation it has.
        recommended: the method that the error in the loop's own thread names where upstream names
            another than the async one.
    """
    name = f"a{method.__name__}"

    @wraps(method)
    def wait(self: AsyncPostgresSaver, *args: Any, **kwargs: Any) -> Any:
        self._check_thread(recommended or name)
        return self._wait(getattr(self, name)(*args, **kwargs))

    return cast(Method, wait)


class AsyncPostgresSaver(AsyncSqlSaver, PostgresRows):
    """Stores checkpoints in PostgreSQL, for coroutines.

    The async methods belong to the event loop in which the saver is made. The sync ones wait for
    them from other threads, and raise asyncio.InvalidStateError in the loop's own. The `filter` of
    `list` is what the metadata has to contain, in the sense of PostgreSQL's `@>`.

    With a pool, as many calls are made at once as it has connections; nothing else limits them.
    A coroutine that is cancelled while it waits for a call leaves the call going on: what it was to
    store is stored, and the connection is of use to others.

    Args:
        conn: a connection, which one task uses at a time, or a pool, of which each call takes
            a connection. They have to be in autocommit mode.
        pipe: the pipeline that the connection is in.
        serde: as in `BaseSaver`.

    Raises:
        RuntimeError: no event loop runs.
        ValueError: there is both a pipeline and a pool.
    """

    # Said again because the class defines `put` and its like anew.
    keeps_checkpoint = False
    defers = True
    dumped = AsyncSqlSaver.dumped

    def __init__(
        self,
        conn: AsyncConnection[Any] | AsyncConnectionPool[Any],
        pipe: AsyncPipeline | None = None,
        serde: Any = None,
    ) -> None:
        super().__init__(serde=serde)
        if isinstance(conn, AsyncConnectionPool) and pipe is not None:
            raise ValueError(
                "Pipeline should be used only with a single AsyncConnection, "
                "not AsyncConnectionPool."
            )
        self.conn = conn
        self.pipe = pipe
        self.lock = asyncio.Lock()
        self.loop = asyncio.get_running_loop()
        self._calls: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    @classmethod
    @asynccontextmanager
    async def from_conn_string(
        cls, conn_string: str, *, pipeline: bool = False, serde: Any = None
    ) -> AsyncIterator[AsyncPostgresSaver]:
        """A saver with a connection of its own, which is closed at the end of the block.

        Args:
            conn_string: libpq's connection string.
            pipeline: whether the connection is in pipeline mode all the time.
            serde: as in `BaseSaver`.
        """
        connection = AsyncConnection.connect(conn_string, autocommit=True, prepare_threshold=0)
        async with await connection as conn, conn.pipeline() if pipeline else nullcontext() as pipe:
            saver = cls(conn, pipe, serde)
            try:
                yield saver
            finally:
                # After all calls that were made before, whether or not anybody waits for them.
                async with saver.lock:
                    saver._is_closed = True

    async def setup(self) -> None:
        """Creates the tables, or brings those of an older version up to date.

        Has to be called before a database is first used.
        """
        await self._run(migrate())

    async def aget_tuple(self, config: Config) -> CheckpointTuple | None:
        """Async version of `get_tuple`."""
        rows = await self._fetch(get_checkpoint(config))
        # Not in a thread of the event loop's executor: those may all wait for the event loop.
        return self._load(rows[0]) if rows else None

    async def alist(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Async version of `list`."""
        for row in await self._fetch(list_checkpoints(config, filter, before, limit)):
            yield self._load(row)

    async def adelete_thread(self, thread_id: str) -> None:
        """Async version of `delete_thread`."""
        await self._astore(delete_threads([str(thread_id)]))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Async version of `delete_for_runs`."""
        await self._transact(delete_runs(run_ids))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Async version of `copy_thread`."""
        await self._astore(copy_thread(source_thread_id, target_thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Async version of `prune`."""
        check_prune(thread_ids, strategy)
        threads = [str(thread_id) for thread_id in thread_ids]
        if strategy == "delete":
            await self._astore(delete_threads(threads))
            return
        await self._run(refuse_delta_threads(threads))
        for thread_id in threads:
            await self._transact(keep_latest(thread_id))

    async def aget_delta_channel_history(
        self, *, config: Config, channels: Sequence[str]
    ) -> History:
        """Async version of `get_delta_channel_history`."""
        if not channels:
            return {}
        ancestors = await self._run(read_delta_ancestors(config, channels))
        return ancestors.history(channels, self.serde)

    # --- for other threads ---

    get_tuple = _for_other_threads(BaseSaver.get_tuple)
    put = _for_other_threads(BaseSaver.put)
    put_writes = _for_other_threads(BaseSaver.put_writes)
    put_superstep = _for_other_threads(BaseSaver.put_superstep)
    delete_thread = _for_other_threads(BaseSaver.delete_thread, "aget_tuple")
    delete_for_runs = _for_other_threads(PostgresSaver.delete_for_runs)
    copy_thread = _for_other_threads(BaseSaver.copy_thread)
    prune = _for_other_threads(PostgresSaver.prune)
    get_delta_channel_history = _for_other_threads(BaseSaver.get_delta_channel_history)

    def list(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        query = list_checkpoints(config, filter, before, limit)
        self._check_thread("alist")
        for row in self._wait(self._fetch(query)):
            yield self._load(row)

    def _store(self, statements: Iterable[Statement]) -> None:
        self._check_thread("aput")
        self._wait(self._astore(statements))

    def _check_thread(self, method: str) -> None:
        """Raises asyncio.InvalidStateError in the loop's thread, which would wait for itself.

        Args:
            method: the async method that is to be used there.
        """
        refuse_in_own_loop(self.loop, "AsyncPostgresSaver", method)

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine, which runs in the saver's event loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    # --- the connection; the methods are those of `PostgresSaver` ---

    @asynccontextmanager
    async def _cursor(self, *, atomic: bool = False) -> AsyncIterator[AsyncCursor[Any]]:
        async with (
            self._connection() as conn,
            conn.cursor(binary=True, row_factory=tuple_row) as cursor,
        ):
            try:
                async with conn.transaction() if atomic else nullcontext():
                    yield cursor
            finally:
                await self._sync()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        if isinstance(self.conn, AsyncConnectionPool):
            async with self.conn.connection() as conn:
                yield conn
        elif isinstance(self.conn, AsyncConnection):
            async with self.lock:
                if self._is_closed:
                    raise OperationalError("the connection is closed")
                yield self.conn
        else:
            raise TypeError(f"Invalid connection type: {type(self.conn)}")

    async def _sync(self) -> None:
        if self.pipe is not None:
            await self.pipe.sync()

    async def _finish(self, call: Coroutine[Any, Any, T]) -> T:
        """The result of a call, which goes on where its caller is cancelled.

        psycopg would cancel the query in the server, and close the connection if it is cancelled
        again meanwhile, which others may be waiting for.
        """
        task = asyncio.create_task(call)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return await asyncio.shield(task)

    async def _fetch(self, query: Query) -> Rows:
        return await self._finish(self._fetch_rows(query))

    async def _fetch_rows(self, query: Query) -> Rows:
        async with self._cursor() as cursor:
            await cursor.execute(query.sql, query.parameters)
            return await cursor.fetchall()

    async def _astore(self, statements: Iterable[Statement]) -> None:
        statements = [*statements]
        query = one_query(statements)
        if query is None:
            await self._finish(self._execute_each(statements))
        elif query.sql:
            await self._finish(self._execute(query))

    async def _execute(self, query: Query) -> None:
        async with self._cursor() as cursor:
            await cursor.execute(query.sql, query.parameters)

    async def _execute_each(self, statements: Iterable[Statement]) -> None:
        async with self._cursor(atomic=True) as cursor:
            for sql, rows in statements:
                if rows:
                    await cursor.executemany(with_rows(sql, 1, len(rows[0])), rows)

    async def _run(self, operation: Operation[T], *, atomic: bool = False) -> T:
        return await self._finish(self._drive(operation, atomic))

    async def _transact(self, operation: Operation[T]) -> T:
        return await self._run(operation, atomic=True)

    async def _drive(self, operation: Operation[T], atomic: bool) -> T:
        async with self._cursor(atomic=atomic) as cursor:
            try:
                query = next(operation)
                while True:
                    await cursor.execute(query.sql, query.parameters, prepare=False)
                    rows = await cursor.fetchall() if query.has_rows else []
                    await self._sync()
                    query = operation.send(rows)
            except StopIteration as done:
                result: T = done.value
                return result
