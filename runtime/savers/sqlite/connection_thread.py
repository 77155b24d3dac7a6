"""The thread of an `AsyncSqliteSaver`, which alone uses its connection.

Callers of any event loop and any thread put what they want into a queue. No lock is held while a
call is made; one guards the queue, for a few instructions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, Final

from lgc.runtime.savers.sql import Statement
from lgc.runtime.savers.sqlite.database import Database

_MAX_BATCH: Final = 128
"""How many calls of a kind are made before the first of their callers is told."""


class _Call:
    """A call that waits to be made.

    Args:
        function: the call; it reads. None for a write.
        statements: what is written.
        future: of the event loop that waits for the result, or, without a loop, one of
            concurrent.futures.
        loop: the event loop.
    """

    __slots__ = ("error", "function", "future", "loop", "result", "statements")

    def __init__(
        self,
        function: Callable[[], Any] | None,
        statements: Sequence[Statement],
        future: Any,
        loop: Any,
    ) -> None:
        self.function = function
        self.statements = statements
        self.future = future
        self.loop = loop
        self.result: Any = None
        self.error: BaseException | None = None

    def tell(self) -> None:
        """Tells the caller, if it still waits, of the result or the error."""
        future, error, self.error = self.future, self.error, None
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(self.result)


class ConnectionThread:
    """Makes calls on a connection, one after the other in the order in which they came.

    Writes that wait next to each other are made in one transaction, since what takes time is to
    have a transaction on the disk. Their callers are told when it is there. If the transaction
    fails, each of the writes is made again in a transaction of its own, and each caller is told of
    that one.

    A write whose caller is cancelled is made nevertheless, so what the same caller stores next
    never stands without it. A read whose caller is cancelled is left out.

    Args:
        database: of the connection.
        close: closes the connection.
    """

    def __init__(self, database: Database, close: Callable[[], None]) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._database = database
        self._close = close
        self._calls: deque[_Call] = deque()
        self._lock = Lock()
        self._is_working = False
        self._is_closed = False
        # Starts the thread, ends it when the saver is gone, and waits for it when Python exits.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="lgc-sqlite")

    async def aread(self, function: Callable[[], Any]) -> Any:
        """The result of a call of the database, for a coroutine.

        Raises:
            ValueError: `aclose` was called.
            Exception: what the call raises.
        """
        return await self._asubmit(function, ())

    async def astore(self, statements: Iterable[Statement]) -> None:
        """Stores statements as one transaction, for a coroutine; raises as `aread`."""
        await self._asubmit(None, [*statements])

    async def _asubmit(
        self, function: Callable[[], Any] | None, statements: Sequence[Statement]
    ) -> Any:
        from asyncio import get_running_loop

        loop = get_running_loop()
        future = loop.create_future()
        self._submit(_Call(function, statements, future, loop))
        return await future

    def read(self, function: Callable[[], Any]) -> Any:
        """The result of a call of the database, for a thread that may wait; raises as `aread`."""
        return self._wait(function, ())

    def store(self, statements: Iterable[Statement]) -> None:
        """Stores statements as one transaction, for a thread that may wait; raises as `aread`."""
        self._wait(None, [*statements])

    def _wait(self, function: Callable[[], Any] | None, statements: Sequence[Statement]) -> Any:
        from concurrent.futures import Future

        future: Future[Any] = Future()
        self._submit(_Call(function, statements, future, None))
        return future.result()

    async def aclose(self) -> None:
        """Closes the connection, after all calls that were made before, and ends the thread."""
        from asyncio import get_running_loop, shield

        loop = get_running_loop()
        closed = loop.create_future()
        self._submit(_Call(self._close, (), closed, loop), is_last=True)
        try:
            # Who is cancelled meanwhile has closed it, too.
            await shield(closed)
        finally:
            self._executor.shutdown(wait=False)

    def _submit(self, call: _Call, *, is_last: bool = False) -> None:
        with self._lock:
            if self._is_closed:
                raise ValueError("no active connection")
            self._is_closed = is_last
            if not self._is_working:
                self._executor.submit(self._work)
                self._is_working = True
            self._calls.append(call)

    # --- on the thread ---

    def _work(self) -> None:
        """Makes calls until none waits."""
        while True:
            with self._lock:
                batch = self._next_batch()
                if not batch:
                    self._is_working = False
                    return
            if batch[0].function is None:
                self._make_writes(batch)
            else:
                self._make_reads(batch)
            _tell(batch)
            # The results must not live until the next call comes.
            del batch

    def _next_batch(self) -> list[_Call]:
        """The calls at the head of the queue that are of the same kind."""
        calls = self._calls
        batch: list[_Call] = []
        while calls and len(batch) < _MAX_BATCH:
            if batch and (batch[0].function is None) != (calls[0].function is None):
                break
            batch.append(calls.popleft())
        return batch

    def _make_reads(self, batch: Sequence[_Call]) -> None:
        for call in batch:
            if call.function is not None and not call.future.cancelled():
                try:
                    call.result = call.function()
                except BaseException as error:
                    call.error = error

    def _make_writes(self, batch: Sequence[_Call]) -> None:
        try:
            self._database.store([one for call in batch for one in call.statements])
        except BaseException as error:
            if len(batch) == 1:
                batch[0].error = error
                return
        else:
            return
        # It has left nothing behind.
        for call in batch:
            self._make_writes([call])


def _tell(calls: Sequence[_Call]) -> None:
    """Tells the callers, all of an event loop at once: to wake it takes longer than a read."""
    by_loop: dict[Any, list[_Call]] = {}
    for call in calls:
        if call.loop is None:
            call.tell()
        else:
            by_loop.setdefault(call.loop, []).append(call)
    for loop, told in by_loop.items():
        # A closed event loop has nobody who waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell_all, told)


def _tell_all(calls: Iterable[_Call]) -> None:
    for call in calls:
        call.tell()
