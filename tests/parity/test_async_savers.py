"""Many coroutines on one of lgc's async savers: nothing lost, nothing halved, LangGraph's rows.

The places on PostgreSQL need a server: `make test-postgres` starts one.
"""

from __future__ import annotations

import asyncio
import operator
import os
import random
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver as TheirAsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from parity import COUNTS, difference
from threads import content, stored

from lgc import compile_graph
from lgc.savers import AsyncSqliteSaver, BaseSaver, MemorySaver, SqliteSaver
from lgc.serde import Serializer

DSN = os.environ.get("LGC_POSTGRES", "")
_NUMBERS = count(1)

WRITERS = 200

needs_server = pytest.mark.skipif(not DSN, reason="LGC_POSTGRES is not set: make test-postgres")

SQLITE = ("memory", "file")
POSTGRES = ("postgres pool", "postgres connection", "postgres pipeline")
PLACES = (*SQLITE, *(pytest.param(place, marks=needs_server) for place in POSTGRES))


@contextmanager
def home(place: str, folder: Path) -> Iterator[str]:
    """Where a saver stores: a file of the folder, or a database that is gone afterwards."""
    if place == "memory":
        yield ":memory:"
    elif place == "file":
        folder.mkdir(exist_ok=True)
        yield str(folder / f"{next(_NUMBERS)}.db")
    else:
        import psycopg
        from psycopg.conninfo import make_conninfo

        name = f"lgc_async_{os.getpid()}_{next(_NUMBERS)}"
        with psycopg.connect(DSN, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
            yield make_conninfo(DSN, dbname=name)
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def connected(place: str, where: str, owner: str = "lgc") -> AsyncIterator[Any]:
    """An async saver with tables.

    Args:
        place: what it stores through.
        where: of `home`.
        owner: whose saver: "lgc" or "langgraph".
    """
    if place in SQLITE:
        sqlite: Any = AsyncSqliteSaver if owner == "lgc" else TheirAsyncSqliteSaver
        async with sqlite.from_conn_string(where) as saver:
            await saver.setup()
            if owner == "langgraph":
                # It commits every call, and a disk takes milliseconds for each.
                await saver.conn.execute("PRAGMA synchronous=OFF")
            yield saver
        return
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver as TheirAsyncPostgresSaver
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool

    from lgc.savers import AsyncPostgresSaver

    kind: Any = AsyncPostgresSaver if owner == "lgc" else TheirAsyncPostgresSaver
    # LangGraph's cannot create its tables in a pipeline.
    async with kind.from_conn_string(where) as saver:
        await saver.setup()
    if place == "postgres pool":
        options: dict[str, Any] = {"autocommit": True, "row_factory": dict_row}
        async with AsyncConnectionPool(where, min_size=10, max_size=10, kwargs=options) as pool:
            saver = kind(pool)
            saver.dsn = where
            yield saver
    else:
        pipeline = place == "postgres pipeline"
        async with kind.from_conn_string(where, pipeline=pipeline) as saver:
            saver.dsn = where
            yield saver


@asynccontextmanager
async def opened(place: str, folder: Path, owner: str = "lgc") -> AsyncIterator[Any]:
    """As `connected`, with nothing stored."""
    with home(place, folder) as where:
        async with connected(place, where, owner) as saver:
            yield saver


async def rows(saver: Any) -> dict[str, list[Any]]:
    """Every row of a saver, by table."""
    if "Postgres" in type(saver).__name__:
        import psycopg

        with psycopg.connect(saver.dsn, autocommit=True) as conn:
            return {
                table: sorted(conn.execute(f"SELECT t::text FROM {table} AS t").fetchall())
                for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
            }
    found = {}
    for table in ("checkpoints", "writes"):
        query = f"SELECT * FROM {table}"
        if isinstance(saver.conn, sqlite3.Connection):
            found[table] = sorted(saver.conn.execute(query).fetchall(), key=repr)
        else:
            found[table] = sorted(await saver.conn.execute_fetchall(query), key=repr)
    return found


def at(thread: str, checkpoint_id: str | None = None) -> dict[str, Any]:
    """A config."""
    where = {"thread_id": thread, "checkpoint_ns": "", "user": "u"}
    return {"configurable": where | ({"checkpoint_id": checkpoint_id} if checkpoint_id else {})}


def made(number: int, values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The nth checkpoint of a thread."""
    values = {"x": [number], "n": number} if values is None else values
    return {
        "v": 4,
        "ts": "2026-01-01T00:00:00+00:00",
        "id": f"{number:04}",
        "channel_values": values,
        "channel_versions": dict.fromkeys(values, f"{number:032}.0"),
        "versions_seen": {"a": {"x": "1"}},
        "updated_channels": ["x"],
    }


def put(number: int, values: dict[str, Any] | None = None) -> tuple[Any, ...]:
    """What the nth checkpoint is put with, but for the config."""
    checkpoint = made(number, values)
    metadata = {"source": "loop", "step": number, "parents": {}}
    return checkpoint, metadata, dict(checkpoint["channel_versions"])


# --- 200 at once ---


async def write(saver: Any, number: int, *, as_supersteps: bool) -> list[Any]:
    """Stores a thread and reads what it has stored so far; gives what was read.

    Args:
        saver: of either owner.
        number: the thread's, which decides what is stored.
        as_supersteps: the writes of a superstep's last task go with the checkpoint.
    """
    draw = random.Random(number)
    thread = f"t{number}"
    seen: list[Any] = []
    config = await saver.aput(at(thread), *put(1))
    for step in range(2, 5):
        tasks = [
            (f"task {name}", f"~{name}", [("x", [draw.random()]), ("n", step), ("b", None)])
            for name in range(draw.randint(1, 2))
        ]
        if draw.random() < 0.5:
            await saver.aput_writes(config, [("__interrupt__", "?"), ("__resume__", 1)], "asks")
            await saver.aput_writes(config, [("__resume__", [1, 2])], "asks", "~asks")
        last = tasks.pop()
        for task_id, path, writes in tasks:
            await saver.aput_writes(config, writes, task_id, path)
        saved = await saver.aget_tuple(at(thread))
        assert saved.checkpoint["id"] == f"{step - 1:04}"
        seen.append(saved)
        if as_supersteps:
            tasks = [(last[0], last[1], last[2])]
            config = await saver.aput_superstep(config, tasks, *put(step))
        else:
            await saver.aput_writes(config, last[2], last[0], last[1])
            config = await saver.aput(config, *put(step))
        seen.append([found async for found in saver.alist(at(thread), limit=draw.randint(1, 4))])
        seen.append(await saver.aget_tuple(config))
    return [comparable(found) for found in seen]


def comparable(found: Any) -> Any:
    """A checkpoint, whosever class it is of."""
    if isinstance(found, list):
        return [comparable(one) for one in found]
    return repr(tuple(found))


async def write_all(saver: Any, *, as_supersteps: bool) -> tuple[Any, Any]:
    """What 200 coroutines read, and the rows that they leave."""
    writers = (write(saver, number, as_supersteps=as_supersteps) for number in range(WRITERS))
    seen = await asyncio.gather(*writers)
    return seen, await rows(saver)


@pytest.mark.parametrize("place", PLACES)
def test_writers(place: str, tmp_path: Path) -> None:
    """They read what they stored, and leave the rows that LangGraph's saver has, byte by byte."""

    async def run(owner: str, as_supersteps: bool = False) -> Any:
        async with opened(place, tmp_path, owner) as saver:
            return await write_all(saver, as_supersteps=as_supersteps)

    theirs = asyncio.run(run("langgraph"))
    for as_supersteps in (False, True):
        found = difference(theirs, asyncio.run(run("lgc", as_supersteps)))
        assert found is None, found
    COUNTS["coroutines that store at once"] += 2 * WRITERS


@pytest.mark.parametrize("place", PLACES)
def test_threads_and_coroutines(place: str, tmp_path: Path) -> None:
    """The sync methods store the same, from eight threads beside the event loop."""

    def from_thread(saver: Any, first: int) -> None:
        for number in range(first, first + 5):
            config = saver.put(at(f"t{number}"), *put(1))
            tasks = [("task", "~a", [("x", [1])])]
            saver.put_superstep(config, tasks, *put(2))
            assert saver.get_tuple(config).pending_writes == [("task", "x", [1])]
            assert [found.checkpoint["id"] for found in saver.list(config)] == ["0001"]

    async def from_loop(saver: Any, number: int) -> None:
        config = await saver.aput(at(f"t{number}"), *put(1))
        await saver.aput_superstep(config, [("task", "~a", [("x", [1])])], *put(2))

    async def run() -> None:
        async with opened(place, tmp_path) as saver:
            threads = (asyncio.to_thread(from_thread, saver, 5 * n) for n in range(8))
            await asyncio.gather(*threads, *(from_loop(saver, n) for n in range(40, 80)))
            mixed = await rows(saver)
        async with opened(place, tmp_path) as saver:
            await asyncio.gather(*(from_loop(saver, n) for n in range(80)))
            assert await rows(saver) == mixed

    asyncio.run(run())


# --- cancellation ---


class Stored:
    """What a coroutine knows of what it has stored.

    Attributes:
        checkpoints: the numbers of checkpoints whose call has returned.
        writes: the numbers of checkpoints on which writes have been stored, likewise.
    """

    def __init__(self) -> None:
        self.checkpoints: set[int] = set()
        self.writes: set[int] = set()


TASK = [("x", [1]), ("y", "z" * 40), ("branch:to:b", None)]


async def store_until_cancelled(saver: Any, thread: str, stored: Stored) -> None:
    """Stores superstep after superstep, in one call or in two."""
    config = await saver.aput(at(thread), *put(1))
    stored.checkpoints.add(1)
    for number in count(2):
        if number % 2:
            await saver.aput_superstep(config, [("task", "~a", TASK)], *put(number))
            stored.writes.add(number - 1)
        else:
            await saver.aput_writes(config, TASK, "task", "~a")
            stored.writes.add(number - 1)
            await saver.aput(config, *put(number))
        stored.checkpoints.add(number)
        config = at(thread, f"{number:04}")


async def cancel_at_random(saver: Any, seed: int, writers: int) -> dict[str, Stored]:
    """Starts coroutines and cancels each at some turn of the loop, some of them twice."""
    draw = random.Random(seed)
    known = {f"{seed}-{number}": Stored() for number in range(writers)}
    tasks = [
        asyncio.create_task(store_until_cancelled(saver, thread, stored))
        for thread, stored in known.items()
    ]
    waiting = list(tasks)
    draw.shuffle(waiting)
    for task in waiting:
        for _ in range(draw.randint(0, 12)):
            # Some turns of the loop take no time, others wait for the database.
            await asyncio.sleep(draw.choice((0, 0, 0, 0.001)))
        task.cancel()
        if draw.random() < 0.3:
            await asyncio.sleep(0)
            task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in done} == {asyncio.CancelledError}
    return known


async def check_whole(saver: Any, known: dict[str, Stored]) -> None:
    """What has returned is there, and of everything else all or nothing."""
    for thread, told in known.items():
        found = {
            saved.metadata["step"]: saved async for saved in saver.alist(at(thread), limit=1000)
        }
        assert told.checkpoints <= set(found)
        assert sorted(found) == list(range(1, len(found) + 1))
        for number, saved in found.items():
            assert saved.checkpoint["channel_values"] == {"x": [number], "n": number}
            writes = [(channel, value) for _, channel, value in saved.pending_writes]
            assert writes in ([], TASK)
            if number in told.writes or number + 1 in found:
                assert writes == TASK
            if number % 2 == 0 and number + 1 not in found:
                # A superstep in one call.
                assert writes == []


@pytest.mark.parametrize("place", PLACES)
def test_cancelled(place: str, tmp_path: Path) -> None:
    """At any turn of the loop: the saver goes on, and no call is half done."""
    points = 0

    async def run() -> None:
        nonlocal points
        async with opened(place, tmp_path) as saver:
            for seed in range(8):
                known = await cancel_at_random(saver, seed, 25)
                points += len(known)
                # Of a pool, another connection may look before the last call is over.
                later = await saver.aput(at(f"after {seed}"), *put(1))
                assert (await saver.aget_tuple(later)).checkpoint == made(1)
                await settled(saver)
                await check_whole(saver, known)

    asyncio.run(run())
    COUNTS["cancelled coroutines that store"] += points


async def settled(saver: Any) -> None:
    """Waits for calls that nobody waits for."""
    while calls := getattr(saver, "_calls", None):
        await asyncio.wait(calls)
    await saver.aget_tuple(at("nobody"))


@pytest.mark.parametrize("place", PLACES[1:])
@pytest.mark.parametrize("ends", ["block", "loop"])
def test_end_while_coroutines_store(place: str, ends: str, tmp_path: Path) -> None:
    """The saver is closed, or the event loop ends, and calls wait for the database."""
    kept: list[Any] = []

    async def run(where: str, pause: float) -> dict[str, Stored]:
        known = {f"t{number}": Stored() for number in range(10)}
        manager = connected(place, where)
        kept.append(manager)
        saver = await manager.__aenter__()
        kept.extend(
            asyncio.create_task(store_until_cancelled(saver, thread, stored))
            for thread, stored in known.items()
        )
        await asyncio.sleep(pause)
        if ends == "block":
            await manager.__aexit__(None, None, None)
        return known

    async def check(where: str, known: dict[str, Stored]) -> None:
        async with connected(place, where) as saver:
            await check_whole(saver, known)

    for number in range(5):
        with home(place, tmp_path) as where:
            known = asyncio.run(run(where, 0.004 * number))
            asyncio.run(check(where, known))
            _, *tasks = kept
            # Those that go on after the block are told so.
            assert all(task.cancelled() or task.exception() for task in tasks)
            kept.clear()


# --- what a serializer and a consumer may do meanwhile ---


class Asking(Serializer):
    """A serializer that has another thread use the saver while it reads and while it writes."""

    def __init__(self) -> None:
        super().__init__()
        self.use: Callable[[], Any] | None = None
        self.uses = 0

    def _ask(self) -> None:
        use, self.use = self.use, None
        if use is not None:
            thread = threading.Thread(target=use)
            thread.start()
            thread.join(10)
            assert not thread.is_alive(), "the saver is locked"
            self.uses += 1
            self.use = use

    def dumps_typed(self, obj: Any) -> Any:
        self._ask()
        return super().dumps_typed(obj)

    def loads_typed(self, data: Any) -> Any:
        self._ask()
        return super().loads_typed(data)


@pytest.mark.parametrize("place", [*SQLITE, "sync"])
def test_no_lock_while_values_are_read_or_written(place: str, tmp_path: Path) -> None:
    """Neither of the saver nor of its thread."""
    serde = Asking()

    def use(saver: Any) -> None:
        saver.put(at("other"), *_put(1))
        assert saver.get_tuple(at("other")).checkpoint["id"] == "0001"

    def _put(number: int) -> Any:
        used, serde.use = serde.use, None
        try:
            return put(number)
        finally:
            serde.use = used

    async def run() -> None:
        if place == "sync":
            saver: Any = SqliteSaver(sqlite3.connect(":memory:", check_same_thread=False))
            saver.serde = serde
            serde.use = lambda: use(saver)
            config = saver.put_superstep(saver.put(at("t"), *put(1)), [("k", "", TASK)], *put(2))
            assert saver.get_tuple(config) is not None
            assert len(list(saver.list(at("t")))) == 2
            saver.get_delta_channel_history(config=config, channels=["x"])
            saver.prune(["t"])
            return
        async with opened(place, tmp_path) as saver:
            saver.serde = serde
            serde.use = lambda: use(saver)
            config = await saver.aput(at("t"), *put(1))
            config = await saver.aput_superstep(config, [("k", "", TASK)], *put(2))
            assert await saver.aget_tuple(config) is not None
            assert len([found async for found in saver.alist(at("t"))]) == 2
            await saver.aget_delta_channel_history(config=config, channels=["x"])
            await saver.aprune(["t"])

    asyncio.run(run())
    assert serde.uses > 10
