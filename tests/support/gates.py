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
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from hashlib import blake2b
from typing import Any, TypeVar

T = TypeVar("T")

_GRACE = 0.001
"""Seconds that the thread of a saver gets before the loop counts as settled."""
_STUCK = 30.0
"""Seconds after which a run that waits for nobody fails."""
_THREADS = 500
_THREAD = threading.local()
"""`job`: the job of a `GatedLoop` that the thread works on."""


class Abandoned(BaseException):
    """Raised in a thread that waits at the gate when its run is over."""


class Stuck(BaseException):
    """A run waits, and nobody is at the gate; not an Exception, which would be compared."""


class Gate:
    """Where nodes wait until the loop lets them go.

    Attributes:
        passed: who was released, in order, each with all who waited then.
    """

    def __init__(self) -> None:
        self.passed: list[tuple[str, tuple[str, ...]]] = []
        self._seed: int | None = None
        self._lock = threading.Lock()
        self._waiting: dict[str, Callable[[], None]] = {}

    @property
    def is_open(self) -> bool:
        """Whether nobody has to wait, because no `GatedLoop` runs."""
        return self._seed is None

    def close(self, seed: int) -> None:
        """Has everyone wait from now on, and be released in the order that `seed` draws."""
        self._seed = seed
        self.passed = []

    def open(self) -> None:
        """Lets nobody wait any more; raises `Abandoned` in threads that still do."""
        self._seed = None
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for release in waiting.values():
            release()

    async def wait(self, who: str) -> None:
        """Waits on the loop. Two that wait at once have different names."""
        if self._seed is None:
            return
        future = asyncio.get_running_loop().create_future()
        self._enter(who, lambda: future.done() or future.set_result(None))
        try:
            await future
        finally:
            with self._lock:
                self._waiting.pop(who, None)

    def block(self, who: str) -> None:
        """Waits in a thread that the loop was asked for; does nothing in any other."""
        job: _Job | None = getattr(_THREAD, "job", None)
        if self._seed is None or job is None:
            return
        event = threading.Event()

        def release() -> None:
            job.waits = False
            event.set()

        job.waits = True
        self._enter(who, release)
        job.loop.call_soon_threadsafe(lambda: None)
        event.wait()
        if self._seed is None:
            raise Abandoned

    def _enter(self, who: str, release: Callable[[], None]) -> None:
        with self._lock:
            assert who not in self._waiting, f"two wait as {who}"
            self._waiting[who] = release

    def release_one(self) -> bool:
        """Releases one of those that wait; False if nobody does."""
        with self._lock:
            if not self._waiting:
                return False
            first = min(self._waiting, key=self._place)
            self.passed.append((first, tuple(sorted(self._waiting))))
            release = self._waiting.pop(first)
        release()
        return True

    def _place(self, who: str) -> bytes:
        """The place of `who` in the order, whoever else waits."""
        return blake2b(f"{self._seed} {who}".encode(), digest_size=8).digest()


class _Job:
    """What a thread does for the loop; `waits` says that it waits at the gate."""

    def __init__(self, loop: GatedLoop) -> None:
        self.loop = loop
        self.waits = False


class _IdleSelector(selectors.DefaultSelector):
    """Has the loop release somebody where it would go to sleep."""

    loop: GatedLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        if events := super().select(0):
            return events
        if self.loop.has_saver_thread and (events := super().select(_GRACE)):
            return events
        if self.loop.is_settled() and self.loop.gate.release_one():
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
        has_saver_thread: a saver works in a thread of its own. When its results come changes
            nothing in the order of chunks, so that it is only given time.
    """

    def __init__(self) -> None:
        selector = _IdleSelector()
        selector.loop = self
        super().__init__(selector)
        self.gate = Gate()
        self.complaints: list[str] = []
        self.has_saver_thread = False
        # Wide enough for all sync nodes of a superstep to wait at the gate at once.
        self.set_default_executor(ThreadPoolExecutor(_THREADS))
        self._jobs: set[_Job] = set()
        self.set_exception_handler(lambda _, context: self.complaints.append(str(context)))

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

        future: asyncio.Future[T] = super().run_in_executor(executor, work, *args)
        self._jobs.add(job)
        future.add_done_callback(lambda _: self._jobs.discard(job))
        return future

    def run(self, seed: int, gate: Gate, main: Coroutine[Any, Any, T]) -> tuple[T, list[str]]:
        """Runs `main`, with those who wait at `gate` released in the order that `seed` draws.

        Returns:
            What `main` returned, and the names of the tasks that it left behind, now cancelled.
        """
        self.gate = gate
        gate.close(seed)
        try:
            result = self.run_until_complete(main)
        finally:
            gate.open()
            left = asyncio.all_tasks(self)
            for task in left:
                task.cancel()
            if left:
                self.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        return result, sorted(str(task.get_coro()) for task in left)


_LOOPS: list[GatedLoop] = []


def gated_loop() -> GatedLoop:
    """The loop of this process, which all runs share."""
    if not _LOOPS:
        _LOOPS.append(GatedLoop())
    return _LOOPS[0]
