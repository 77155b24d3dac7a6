"""Runs whose event loop is shut down at any turn; `limited` calls these functions.

Each starts event loops as `asyncio.run` does, shuts them down, and looks at what is left of the
run: tasks, what was said of exceptions and warnings, and what is stored.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cancelling import reports
from limited import at
from suspending import CONFIG, GRAPHS, Faulty, Journal, compiled_graph, durable, go_on

from lgc.savers import AsyncSqliteSaver, MemorySaver

WAYS = ("all", "all, again 1", "all, again 2", "all, every turn", "main", "left")
"""How a loop is shut down: all of its tasks are cancelled, and once more so many turns later, or at
every turn from then on; the main task alone is, and `asyncio.run` cancels what it leaves; the main
task ends, and leaves the run, which `asyncio.run` cancels."""

FAULTS: dict[str, type[BaseException]] = {
    "CancelledError": asyncio.CancelledError,
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": SystemExit,
}
"""What a saver raises that is no Exception."""

INPUT = {"trail": ["in"], "count": 0}

_MOST_TURNS = 600
_CONTROL = ("__error__", "__interrupt__", "__resume__")

Opening = Callable[[], Any]
"""Makes the async context manager of a saver: the thread's, each time."""

Start = Callable[[Any], Any]
"""Makes the coroutine of a run with a saver."""


class _Life:
    """An event loop as `asyncio.run` makes it, with one run, until it is closed.

    Args:
        start: the run.
        opened: its saver.
        way: how the loop is shut down; one of `WAYS`, or "" for not at all.
        turn: when.

    Attributes:
        is_reached: the run went on till then.
        error: the name of what `asyncio.run` raised.
        left: tasks that the run has left behind when its caller went on.
        said: what was said of exceptions and warnings.
    """

    def __init__(self, start: Start, opened: Opening, way: str = "", turn: int = 0) -> None:
        self.is_reached = False
        self.error: str | None = None
        self.left: list[str] = []
        self._start, self._opened = start, opened
        self._victims, _, again = way.partition(", ")
        self._turn = turn
        self._turns = {turn}
        if again.startswith("again"):
            self._turns.add(turn + int(again[-1]))
        elif again:
            self._turns = set(range(turn, turn + _MOST_TURNS))
        with reports() as self.said:
            try:
                asyncio.run(self._main())
            except BaseException as exc:
                self.error = type(exc).__name__
            _join_savers()
            gc.collect()

    async def _main(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._note)
        self._task: Any = asyncio.current_task()
        self._reached = loop.create_future()
        self._passed = 0
        loop.call_soon(self._tick)
        async with self._opened() as saver:
            if self._victims == "left":
                # Kept, so that it is not collected before the loop is shut down.
                self._run = asyncio.ensure_future(self._start(saver))
                await asyncio.wait({self._run, self._reached}, return_when="FIRST_COMPLETED")
                if self._run.done():
                    self._run.exception()
                return
            try:
                await self._start(saver)
            finally:
                others = asyncio.all_tasks() - {self._task}
                self.left = [str(task) for task in others]

    def _tick(self) -> None:
        self._passed += 1
        if self._task.done():
            return
        if self._passed == self._turn:
            self.is_reached = True
            self._reached.set_result(None)
        if self._passed in self._turns and self._victims in ("all", "main"):
            for task in [self._task] if self._victims == "main" else asyncio.all_tasks():
                task.cancel()
        asyncio.get_running_loop().call_soon(self._tick)

    def _note(self, loop: Any, context: dict[str, Any]) -> None:
        self.said.append(f"{context['message']}: {context.get('exception')!r}")


def _join_savers() -> None:
    """Waits for the threads of savers that are closed."""
    for thread in threading.enumerate():
        if thread.name.startswith("lgc-sqlite"):
            thread.join()


class _Case:
    """A graph whose runs are looked at one by one.

    Args:
        graph: of `GRAPHS`; its nodes suspend once.
        durability: of the runs.
        is_upstream: they run under LangGraph.
    """

    def __init__(self, graph: str, durability: str, is_upstream: bool = False) -> None:
        self._durability = durability
        self._journal = Journal(1)
        if is_upstream:
            self._compile = GRAPHS[graph](self._journal).compile
        else:
            self._compile = compiled_graph(graph, self._journal).compile
        self._expected: Any = None

    def start(self, streams: bool) -> Start:
        """A new run."""
        self._journal.done.clear()
        self._journal.fails = True

        async def start(saver: Any) -> None:
            graph, options = self._compile(checkpointer=saver), {"durability": self._durability}
            if streams:
                async for _ in graph.astream(dict(INPUT), CONFIG, **options):
                    pass
            else:
                await graph.ainvoke(dict(INPUT), CONFIG, **options)

        return start

    def check(self, life: _Life, opened: Opening, loses: bool) -> None:
        """What had finished is stored, in order, and the thread can be finished.

        Args:
            life: of the run that was started last.
            opened: the saver.
            loses: what is stored last may be lost, and what comes after it.

        Raises:
            AssertionError: it is not; or a task or a word is left.
        """
        assert not life.left, life.left
        assert not life.said, life.said
        asyncio.run(self._check_stored(opened, loses))

    async def _check_stored(self, opened: Opening, loses: bool) -> None:
        journal = self._journal
        if self._expected is None:
            done = [*journal.done]
            self._expected = await go_on(self._compile(checkpointer=MemorySaver()), journal)
            journal.done[:] = done
        async with opened() as saver:
            graph = self._compile(checkpointer=saver)
            before = [*journal.done]
            step, tasks = await durable(graph)
            if not loses:
                # What had returned before the superstep that was cancelled is in a checkpoint.
                assert not before or step >= max(done[1] for done in before) - 1, (step, before)
            finished = {
                task
                async for saved in saver.alist(CONFIG)
                for task, channel, _ in saved.pending_writes
                if channel not in _CONTROL
            }
            if self._durability != "exit":
                missing = [done for done in before if done[1] <= step and done[0] not in finished]
                assert not missing, f"{missing}: the checkpoint is stored without the writes"
            values = await go_on(graph, journal)
            after = journal.done[len(before) :]
            again = [done for done in after if done[1] <= step or done[0] in tasks]
            assert not again, f"{again} was stored as done"
            assert values == self._expected


def check_turns(graph: str, durability: str, way: str, kind: str, stride: int) -> int:
    """Shuts down the loop of a run at its turns, and finishes the thread.

    Args:
        graph, durability: of the run.
        way: of `WAYS`.
        kind: "memory" for a saver that suspends once or twice before and after it stores; "sqlite"
            for AsyncSqliteSaver.
        stride: every so manyth turn is one; where a thread stores, which takes thousands of turns,
            they are further and further apart.

    Returns:
        How often the run was reached.

    Raises:
        AssertionError: a task or a word is left, or what is stored is not what has to be.
    """
    case = _Case(graph, durability)
    number = WAYS.index(way)
    turn, reached = 1 + number % stride, 0
    while True:
        at(f"{graph}, {durability}, {way}, {kind}, turn {turn}")
        with TemporaryDirectory() as folder:
            opened = _memory(Faulty(1 + number % 2)) if kind == "memory" else _file(folder)
            life = _Life(case.start(streams=reached % 2 == 1), opened, way, turn)
            # What is cut off twice may be lost.
            case.check(life, opened, loses=way.startswith("all, "))
        if not life.is_reached:
            return reached
        reached += 1
        turn += stride if kind == "memory" else 1 + turn * stride // 6


def outcomes(
    engine: str, graph: str, durability: str, fault: str, is_transient: bool
) -> list[tuple[str, str | None, list[int]]]:
    """How runs end whose saver raises at its first, second, ... call.

    Args:
        engine: "upstream" or "ours"; of ours it is checked that nothing is left behind.
        graph, durability: of the run.
        fault: of `FAULTS`.
        is_transient: the saver raises once.

    Returns:
        For each: the saver's method, the name of what `asyncio.run` raised, and the supersteps of
        the checkpoints that are stored.

    Raises:
        AssertionError: as of `check_turns`.
    """
    case = _Case(graph, durability, is_upstream=engine == "upstream")
    found: list[tuple[str, str | None, list[int]]] = []
    while True:
        number = len(found) + 1
        at(f"{graph}, {durability}, {fault}, call {number}")
        saver = Faulty(1)
        saver.fault, saver.fault_at, saver.is_transient = FAULTS[fault](), number, is_transient
        life = _Life(case.start(streams=number % 2 == 1), _memory(saver))
        saver.fault = None
        steps = [saved.metadata["step"] for saved in saver.list(CONFIG)]
        called = saver.called[number - 1 : number]
        if engine == "ours":
            # A call that was cancelled once is made again.
            loses = not (fault == "CancelledError" and is_transient)
            case.check(life, _memory(saver), loses)
        if not called:
            return found
        found.append((called[0], life.error, steps))


def _memory(saver: Faulty) -> Opening:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        yield saver

    return opened


def _file(folder: str) -> Opening:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        async with AsyncSqliteSaver.from_conn_string(str(Path(folder, "store.db"))) as saver:
            # No process dies here.
            saver.conn.execute("PRAGMA synchronous=OFF")
            yield saver

    return opened
