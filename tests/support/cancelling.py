"""Runs graphs on an event loop, interferes with them at chosen places, and notes what is seen then.

Nodes wait at a `Stage`, whose director lets them go on one by one and each time waits until nothing
moves any more. So both engines are interfered with in the same state, although they need another
number of turns of the event loop to get there.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import sqlite3
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from itertools import count
from typing import Any
from unittest.mock import patch

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command
from parity import Log, comparable, difference, failure, pinned
from threads import THREAD, ours, readable, stored, upstream

import lgc.savers as savers

INPUT: dict[str, Any] = {"x": []}
CONFIG: Any = {"configurable": {"thread_id": THREAD}}

ENGINES = (upstream, ours)

_TURNS = 25
"""More turns of an event loop than either engine needs from one node to the next."""

_PATIENCE = 20


# -- the stage ------------------------------------------------------------------------------------


class Stage:
    """Where nodes and savers wait until the director lets them go on.

    Attributes:
        log: what they and the director note.
        is_open: nobody waits.
    """

    def __init__(self, log: Log) -> None:
        self.log = log
        self.is_open = False
        self._waiting: dict[tuple[str, int], asyncio.Future[None]] = {}
        self._numbers = count()

    async def wait(self, name: str) -> None:
        """Waits to be let go on."""
        if self.is_open:
            return
        key = (name, next(self._numbers))
        self._waiting[key] = asyncio.get_running_loop().create_future()
        try:
            await self._waiting[key]
        finally:
            del self._waiting[key]

    def open(self) -> None:
        """Lets everybody go on, and nobody waits any more."""
        self.is_open = True
        for each in self._waiting.values():
            if not each.done() and not each.get_loop().is_closed():
                each.set_result(None)

    async def work(self, name: str, *places: str) -> None:
        """What a node does: waits at the places, and notes how it ends."""
        self.log.note(name, "started", None)
        try:
            for place in places or (name,):
                await self.wait(place)
            self.log.note(name, "worked", None)
        except BaseException as exc:
            self.log.note(name, "left by", type(exc).__name__)
            raise
        finally:
            self.log.note(name, "finally", None)

    def node(self, name: str, *places: str) -> Any:
        """A node that works, and writes its name."""

        async def run(state: Any) -> Any:
            await self.work(name, *places)
            return {"x": [name]}

        return run

    async def settle(self, is_done: Callable[[], bool]) -> None:
        """Waits until somebody waits, or `is_done`, and nothing else happens."""
        while True:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if is_done() or any(not each.done() for each in self._waiting.values()):
                return
            await asyncio.sleep(0.002)

    async def direct(
        self, run: asyncio.Future[Any], at: int | None = None, act: Callable[[], object] = bool
    ) -> list[str]:
        """Lets everybody go on, one by one and by name, until `run` is done.

        Args:
            run: what goes on.
            at: before somebody goes on for the so manyth time, `act` is called.
            act: interferes.

        Returns:
            Who went on, in order; "act" for `act`.
        """
        steps: list[str] = []
        while True:
            await self.settle(run.done)
            if run.done():
                return steps
            if len(steps) == at:
                steps.append("act")
                act()
                continue
            key = min(key for key, each in self._waiting.items() if not each.done())
            steps.append(key[0])
            self._waiting[key].set_result(None)


# -- savers ---------------------------------------------------------------------------------------


@asynccontextmanager
async def saver_of(kind: str, place: Any) -> AsyncIterator[Any]:
    """A saver of the running event loop.

    Args:
        kind: its class; "their" before it says LangGraph's.
        place: its file, if it has one.
    """
    if kind.endswith("memory"):
        yield InMemorySaver() if kind.startswith("their") else savers.MemorySaver()
        return
    cls: Any = AsyncSqliteSaver if kind.startswith("their") else savers.AsyncSqliteSaver
    async with cls.from_conn_string(str(place)) as saver:
        await saver.setup()
        with closing(sqlite3.connect(place)) as saver.reader:
            yield saver


SAVERS = (
    ("their memory", "their memory"),
    ("their memory", "memory"),
    ("their sqlite", "their sqlite"),
    ("their sqlite", "sqlite"),
)
"""The saver under LangGraph, and the one under lgc."""

DURABILITIES = ("sync", "async", "exit")


# -- what is seen ---------------------------------------------------------------------------------


@contextmanager
def reports() -> Iterator[list[str]]:
    """Collects warnings, and exceptions that nobody could be told of."""
    said: list[str] = []

    def unraisable(args: Any) -> None:
        said.append(f"{args.err_msg or 'ignored'}: {args.exc_value!r} in {args.object!r}")

    def show(message: Any, category: Any, *args: Any, **kwargs: Any) -> None:
        said.append(f"{category.__name__}: {message}")

    with (
        patch.object(sys, "unraisablehook", unraisable),
        warnings.catch_warnings(),
        patch.object(warnings, "showwarning", show),
    ):
        warnings.simplefilter("always")
        # A warning of the tools that the tests are made of says nothing of the engines.
        warnings.filterwarnings("ignore", module="langchain_core|langgraph|_pytest")
        # Of a run that LangGraph left behind, whenever it is collected.
        warnings.filterwarnings("ignore", message="coroutine 'AsyncCallbackManager")
        yield said


def run_loop(main: Callable[[list[str]], Awaitable[Any]]) -> tuple[Any, list[str]]:
    """Runs a coroutine function on an event loop of its own.

    Args:
        main: gets the list of what the loop's exception handler is told.

    Returns:
        What it returned, and what was said of exceptions and warnings until everything of it has
        been collected.
    """

    async def watched(said: list[str]) -> Any:
        def note(loop: Any, context: dict[str, Any]) -> None:
            said.append(f"{context['message']}: {context.get('exception')!r}")

        asyncio.get_running_loop().set_exception_handler(note)
        result = await asyncio.wait_for(main(said), _PATIENCE)
        # What is unreachable by now reports its exceptions to this loop.
        gc.collect()
        await asyncio.sleep(0)
        return result

    # What is there already makes each collection take a tenth of a second.
    gc.freeze()
    try:
        with reports() as said:
            result = asyncio.run(watched(said))
            gc.collect()
    finally:
        gc.unfreeze()
    return result, said


def tasks_left() -> list[str]:
    """What the asyncio tasks run that are not over, but for the one that asks and its caller."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    names = [getattr(task.get_coro(), "__qualname__", repr(task)) for task in left]
    return sorted(
        name for name in names if name not in ("run_loop.<locals>.watched", "play.<locals>.main")
    )


async def outcome(run: Awaitable[Any]) -> Any:
    """What awaiting something gives: its result, or how it fails."""
    try:
        return {"result": comparable(await run)}
    except BaseException as exc:
        return {"error": _without_scopes(failure(exc))}


def _without_scopes(error: Any) -> Any:
    """A failure as `parity.failure` gives it, without the addresses of anyio's scopes."""
    if error is None:
        return None
    text = "cancelled by a scope" if " cancel scope " in error["text"] else error["text"]
    chain = {name: _without_scopes(error[name]) for name in ("cause", "context")}
    return {**error, "text": text, **chain}


Build = Callable[[Stage], Any]
"""Makes a builder whose nodes wait at the stage."""

Act = Callable[[Any, Stage], Awaitable[Any]]
"""Runs a graph and interferes with it; what it returns is compared."""


def play(
    engine: Any, build: Build, act: Act, saver: str | None = None, place: Any = None
) -> dict[str, Any]:
    """All that can be seen of a graph that somebody interferes with.

    Args:
        engine: one of `ENGINES`.
        build: the graph.
        act: runs it.
        saver: the kind of its saver; without one there is no thread to look at and to resume.
        place: the saver's file.

    Returns:
        By name: what `act` returned, what was noted, the asyncio tasks that are left, the rows that
        are stored, the state, what a run that resumes the thread returns and which nodes it runs,
        and what was reported of exceptions.
    """
    seen: dict[str, Any] = {}

    async def use(log: Log, saver: Any) -> None:
        stage = Stage(log)
        graph = engine(lambda log: build(stage), log, saver, {})
        seen["shown"] = await act(graph, stage)
        # LangGraph leaves saver calls behind; what they store counts.
        seen["left"] = tasks_left()
        stage.open()
        while tasks_left():
            await asyncio.sleep(0.002)
        seen["log"] = list(log)
        if saver is None:
            return
        log.clear()
        seen["rows"] = readable(stored(saver), saver)
        state = await graph.aget_state(CONFIG)
        seen["state"] = comparable([state.values, state.next, state.tasks, state.metadata])
        again = await outcome(graph.ainvoke(None if state.values else copy.deepcopy(INPUT), CONFIG))
        seen["resumed"] = again
        seen["ran"] = [entry[0] for entry in log if entry[1] == "started"]

    async def main(said: list[str]) -> None:
        log = Log()
        with pinned():
            if saver is None:
                await use(log, None)
            else:
                async with saver_of(saver, place) as opened:
                    await use(log, opened)

    _, seen["said"] = run_loop(main)
    return seen


def compare_plays(
    build: Build,
    act: Act,
    pair: tuple[str, str] | None = None,
    folder: Any = None,
    but: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Interferes with a graph under both engines, and wants no difference.

    Args:
        build, act: as of `play`.
        pair: the savers, one of `SAVERS`.
        folder: where savers with files have them.
        but: what may differ, by its name in `play`.

    Returns:
        What was seen under lgc.
    """
    plays = []
    for engine, saver in zip(ENGINES, pair or (None, None), strict=True):
        place = folder and folder / f"{engine.__name__} {next(_NUMBERS)}.db"
        plays.append(play(engine, build, act, saver, place))
    but = (*but, "left", "said")
    expected, actual = ({k: v for k, v in each.items() if k not in but} for each in plays)
    diff = difference(expected, actual)
    assert diff is None, diff
    assert not plays[1]["left"], "tasks are left"
    assert not plays[1]["said"], plays[1]["said"]
    return plays[1]


_NUMBERS = count()


def answer(value: Any) -> Any:
    """A Command that answers an interrupt."""
    return Command(resume=value)
