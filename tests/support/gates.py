"""An event loop under which the nodes of a run come to their ends in an order drawn from a seed.

Nodes and routers wait at a `Gate`. When nothing else can happen (no callback is ready, no job of a
thread is under way but those that wait, too), the loop releases one of them, and looks again when
what that one did has happened: its chunks are out, its writes are committed. So the order in which
the tasks of a superstep end is the same under every engine, whatever number of turns each needs.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import langchain_core.runnables
import langgraph.graph
from aiosqlite.core import Connection

from lgc.runtime.savers.sqlite.connection_thread import ConnectionThread

T = TypeVar("T")

_PAUSE = 0.001
"""Seconds between two looks at threads that are about to end."""
_STUCK = 30.0
"""Seconds after which a run that waits for nobody fails."""
_THREADS = 500
_THEIR_FOLDERS = tuple(
    str(Path(module.__file__ or "").parent.parent)
    for module in (langgraph.graph, langchain_core.runnables)
)
_THREAD = threading.local()
"""`job`: the job of a `GatedLoop` that the thread works on."""


class Abandoned(BaseException):
    """Raised at the gate when the run is over."""


class Stuck(BaseException):
    """A run waits, and nobody is at the gate; not an Exception, which would be compared."""


def _is_theirs(task: Any) -> bool:
    """Whether a task runs a coroutine function of LangGraph's or of langchain-core's."""
    code = getattr(task.get_coro(), "cr_code", None) if isinstance(task, asyncio.Task) else None
    return code is not None and code.co_filename.startswith(_THEIR_FOLDERS)


class Gate:
    """Where nodes wait until the loop lets them go.

    Attributes:
        passed: who was released, in order, each with all who waited then.
    """

    def __init__(self) -> None:
        self.passed: list[tuple[str, tuple[str, ...]]] = []
        self._seed: int | None = None
        self._lock = threading.Lock()
        # By name, what lets one go on, with True, or ends it.
        self._waiting: dict[str, Callable[[bool], None]] = {}

    @property
    def is_open(self) -> bool:
        """Whether nobody has to wait, because no `GatedLoop` runs."""
        return self._seed is None

    def close(self, seed: int) -> None:
        """Has everyone wait from now on, and be released in the order that `seed` draws."""
        self._seed = seed
        self.passed = []

    def open(self) -> None:
        """Lets nobody wait any more; raises `Abandoned` where somebody still does."""
        with self._lock:
            self._seed = None
            waiting, self._waiting = self._waiting, {}
        for release in waiting.values():
            release(False)

    async def wait(self, who: str) -> None:
        """Waits on the loop. Two that wait at once have different names."""
        if self._seed is None:
            return
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._enter(who, lambda goes_on: future.done() or future.set_result(goes_on))
        try:
            goes_on = await future
        finally:
            with self._lock:
                self._waiting.pop(who, None)
        if not goes_on:
            raise Abandoned

    def block(self, who: str) -> None:
        """Waits in a thread that the loop was asked for; does nothing in any other."""
        job: _Job | None = getattr(_THREAD, "job", None)
        if job is None:
            return
        event = threading.Event()
        goes_on = False

        def release(goes: bool) -> None:
            nonlocal goes_on
            job.waits, goes_on = False, goes
            event.set()

        if job.is_current():
            self._enter(who, release)
            # From now on the loop may count as settled: `who` is among those who wait.
            job.waits = True
            job.loop.call_soon_threadsafe(lambda: None)
            event.wait()
        if not goes_on:
            raise Abandoned

    def _enter(self, who: str, release: Callable[[bool], None]) -> None:
        with self._lock:
            assert who not in self._waiting, f"two wait as {who}"
            if self._seed is not None:
                self._waiting[who] = release
                return
        release(False)

    def release_one(self) -> bool:
        """Releases one of those that wait; False if nobody does."""
        with self._lock:
            if not self._waiting:
                return False
            first = min(self._waiting, key=self._place)
            self.passed.append((first, tuple(sorted(self._waiting))))
            release = self._waiting.pop(first)
        release(True)
        return True

    def _place(self, who: str) -> bytes:
        """The place of `who` in the order, whoever else waits."""
        return blake2b(f"{self._seed} {who}".encode(), digest_size=8).digest()


class _Job:
    """What a thread does for a run of the loop; `waits` says that it waits at the gate."""

    def __init__(self, loop: GatedLoop) -> None:
        self.loop = loop
        self.waits = False
        self._run = loop.runs

    def is_current(self) -> bool:
        """Whether the run goes on."""
        return self.loop.runs == self._run


class _IdleSelector(selectors.DefaultSelector):
    """Has the loop release somebody where it would go to sleep."""

    loop: GatedLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        # Asked before the events: a thread that comes to the gate in between has events of its own.
        settled = self.loop.is_settled()
        if events := super().select(0):
            return events
        if settled and self.loop.gate.release_one():
            return []
        events = super().select(_STUCK if timeout is None else timeout)
        if not events and timeout is None:
            raise Stuck("nothing happens any more")
        return events


class GatedLoop(asyncio.SelectorEventLoop):
    """An event loop that opens a gate whenever it has settled.

    Attributes:
        gate: of the run.
        complaints: what the loop's exception handler was told.
        left: the tasks that the last run left behind.
        runs: how many have begun or ended.
    """

    def __init__(self) -> None:
        selector = _IdleSelector()
        selector.loop = self
        super().__init__(selector)
        self.gate = Gate()
        self.complaints: list[str] = []
        # Wide enough for all sync nodes of a superstep to wait at the gate at once.
        self._pool = ThreadPoolExecutor(_THREADS)
        self._threads: set[Future[Any]] = set()
        self.left: list[str] = []
        self.runs = 0
        self._jobs: set[_Job] = set()
        self.set_exception_handler(lambda _, context: self._note(context))

    def _note(self, context: dict[str, Any]) -> None:
        # Who was still at the gate is in `left`. That, and what LangGraph has left of a run, may be
        # collected in a later one.
        if isinstance(context.get("exception"), Abandoned) or _is_theirs(context.get("future")):
            return
        self.complaints.append(str(context))

    def is_settled(self) -> bool:
        """Whether every thread that works for the loop waits at the gate."""
        return all(job.waits for job in self._jobs)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """As in every loop; the loop has not settled while `func` works."""
        job = _Job(self)

        def work(*args: Any) -> T:
            _THREAD.job = job
            try:
                return func(*args)
            finally:
                _THREAD.job = None

        running = (executor or self._pool).submit(work, *args)
        self._threads.add(running)
        running.add_done_callback(self._threads.discard)
        future = asyncio.wrap_future(running, loop=self)
        self._jobs.add(job)
        future.add_done_callback(lambda _: self._jobs.discard(job))
        return future

    async def counted(self, call: Awaitable[T]) -> T:
        """The result of a call that a thread of somebody else's makes; as `run_in_executor`."""
        job = _Job(self)
        self._jobs.add(job)
        try:
            return await call
        finally:
            self._jobs.discard(job)

    def run(self, seed: int, gate: Gate, main: Coroutine[Any, Any, T]) -> T:
        """Runs `main`, with those who wait at `gate` released in the order that `seed` draws.

        Returns when everything has ended that `main` left behind, which is listed in `left`.
        """
        self.gate = gate
        self.runs += 1
        gate.close(seed)
        try:
            return self.run_until_complete(main)
        finally:
            self.runs += 1
            gate.open()
            self.left = sorted(str(task.get_coro()) for task in asyncio.all_tasks(self))
            self.run_until_complete(self._settle())

    async def _settle(self) -> None:
        """Waits for what a run left behind: LangGraph stores what cancelled tasks wrote so."""
        this = asyncio.current_task()
        while left := asyncio.all_tasks(self) - {this}:
            await asyncio.wait(left)
            await asyncio.sleep(0)
        while self._threads:
            await asyncio.sleep(_PAUSE)


_LOOPS: list[GatedLoop] = []


def gated_loop() -> GatedLoop:
    """The loop of this process, which all runs share."""
    if not _LOOPS:
        _LOOPS.append(GatedLoop())
    return _LOOPS[0]


@contextmanager
def saver_threads_counted() -> Iterator[None]:
    """Has a `GatedLoop` wait for what the threads of async SQLite savers do for it."""

    def counted(cls: Any, method: str) -> Any:
        original = getattr(cls, method)

        async def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            return await gated_loop().counted(original(self, *args, **kwargs))

        return patch.object(cls, method, call)

    with counted(Connection, "_execute"), counted(ConnectionThread, "_asubmit"):
        yield
