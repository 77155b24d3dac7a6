"""Many coroutines on one of lgc's async savers: nothing lost, nothing halved, LangGraph's rows.

The places on PostgreSQL need a server: `make test-postgres` starts one.
"""

from __future__ import annotations

import asyncio
import gc
import operator
import os
import random
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from itertools import count
from pathlib import Path
from pprint import pformat
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver as TheirAsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from parity import COUNTS, difference
from threads import without_chance

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
            # A worker of psycopg's that is cancelled while it connects goes on for ever.
            await pool.wait()
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


async def store_until_cancelled(saver: Any, thread: str, told: Stored) -> None:
    """Stores superstep after superstep, in one call or in two."""
    config = await saver.aput(at(thread), *put(1))
    told.checkpoints.add(1)
    for number in count(2):
        if number % 2:
            await saver.aput_superstep(config, [("task", "~a", TASK)], *put(number))
            told.writes.add(number - 1)
        else:
            await saver.aput_writes(config, TASK, "task", "~a")
            told.writes.add(number - 1)
            await saver.aput(config, *put(number))
        told.checkpoints.add(number)
        config = at(thread, f"{number:04}")


async def cancel_at_random(saver: Any, seed: int, writers: int) -> dict[str, Stored]:
    """Starts coroutines and cancels each at some turn of the loop, some of them twice."""
    draw = random.Random(seed)
    known = {f"{seed}-{number}": Stored() for number in range(writers)}
    tasks = [
        asyncio.create_task(store_until_cancelled(saver, thread, told))
        for thread, told in known.items()
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
            asyncio.create_task(store_until_cancelled(saver, thread, told))
            for thread, told in known.items()
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
            with SqliteSaver.from_conn_string(":memory:") as saver:
                saver.serde = serde
                serde.use = lambda: use(saver)
                config = saver.put(at("t"), *put(1))
                config = saver.put_superstep(config, [("k", "", TASK)], *put(2))
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


@pytest.mark.parametrize("place", PLACES)
def test_consumer_of_a_list_stores(place: str, tmp_path: Path) -> None:
    """LangGraph's saver on SQLite waits for itself for ever."""

    async def run() -> None:
        async with opened(place, tmp_path) as saver:
            for number in range(1, 12):
                await saver.aput(at("t"), *put(number))
            seen = []
            async for found in saver.alist(at("t")):
                seen.append(found.checkpoint["id"])
                await saver.aput_writes(found.config, TASK, "task")
                await saver.aput(at("t"), *put(100 + len(seen)))
            assert seen == [f"{number:04}" for number in range(11, 0, -1)]
            # One that is left in the middle keeps nothing from being stored.
            newest = await anext(saver.alist(at("t")))
            await saver.aput(newest.config, *put(200))

    asyncio.run(asyncio.wait_for(run(), 20))


# --- SQLite: one transaction for many ---


def test_stored_when_the_call_returns(tmp_path: Path) -> None:
    """Another connection reads it then, although many calls are one transaction."""
    transactions: list[str] = []

    async def store(saver: Any, reader: Any, number: int) -> None:
        await saver.aput(at(f"t{number}"), *put(1))
        query = "SELECT count(*) FROM checkpoints WHERE thread_id = ?"
        assert reader.execute(query, (f"t{number}",)).fetchone() == (1,)

    async def run(where: str) -> None:
        async with connected("file", where) as saver:
            saver.conn.set_trace_callback(transactions.append)
            with closing(sqlite3.connect(where)) as reader:
                await asyncio.gather(*(store(saver, reader, number) for number in range(WRITERS)))
            saver.conn.set_trace_callback(None)

    with home("file", tmp_path) as where:
        asyncio.run(run(where))
    assert 1 <= transactions.count("RELEASE lgc") <= WRITERS / 10


@pytest.mark.parametrize("place", SQLITE)
def test_failure_of_one_of_many(place: str, tmp_path: Path) -> None:
    """Only who has put what cannot be stored is told so, and only that is not there."""

    async def run() -> None:
        async with opened(place, tmp_path) as saver:
            checkpoint, *rest = put(1)
            broken = {**checkpoint, "id": []}
            outcomes = await asyncio.gather(
                *(
                    saver.aput_superstep(
                        at(f"t{number}", "0000"),
                        [("task", "", TASK)],
                        broken if number % 10 == 3 else checkpoint,
                        *rest,
                    )
                    for number in range(50)
                ),
                return_exceptions=True,
            )
            failed = [isinstance(outcome, sqlite3.Error) for outcome in outcomes]
            assert failed == [number % 10 == 3 for number in range(50)]
            found = await rows(saver)
            stored = {f"t{number}" for number in range(50) if number % 10 != 3}
            assert {row[0] for row in found["checkpoints"]} == stored
            assert {row[0] for row in found["writes"]} == stored
            assert len(found["writes"]) == 3 * len(stored)

    asyncio.run(run())


def test_read_of_a_cancelled_caller_is_left_out() -> None:
    """A write is not."""

    async def run() -> None:
        async with connected("memory", ":memory:") as saver:
            statements: list[str] = []
            saver.conn.set_trace_callback(statements.append)
            gate = threading.Event()
            blocked = asyncio.create_task(saver._aread(gate.wait))
            await asyncio.sleep(0)
            calls = [
                asyncio.create_task(saver.aget_tuple(at("t"))),
                asyncio.create_task(saver.aput(at("t"), *put(1))),
            ]
            await asyncio.sleep(0)
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            gate.set()
            await blocked
            counts = []
            for _ in range(2):
                assert await saver.aget_tuple(at("t")) is not None
                counts.append(sum(statement.startswith("SELECT") for statement in statements))
            # Not while a statement runs: SQLite would wait for its end, and that for the GIL.
            saver.conn.set_trace_callback(None)
            assert counts[1] == 2 * counts[0] > 0

    asyncio.run(run())


# --- event loops, and the end ---


def test_other_event_loops() -> None:
    """One saver on SQLite serves any of them, one after the other and at once."""

    async def use(saver: Any, number: int) -> None:
        await asyncio.gather(*(write(saver, 10 * number + n, as_supersteps=True) for n in range(5)))

    conn = sqlite3.connect(":memory:", check_same_thread=False)
    saver = AsyncSqliteSaver(conn)
    asyncio.run(use(saver, 0))
    asyncio.run(use(saver, 1))
    threads = [
        threading.Thread(target=lambda n=number: asyncio.run(use(saver, n)))
        for number in range(2, 8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = conn.execute("SELECT count(DISTINCT thread_id) FROM checkpoints").fetchone()
    assert found == (40,)
    conn.close()


@pytest.mark.parametrize("owner", ["lgc", "langgraph"])
def test_use_after_the_end(owner: str) -> None:
    """Every method says that there is no connection, in any event loop."""

    async def run() -> Any:
        async with connected("memory", ":memory:", owner) as saver:
            return saver

    async def use(saver: Any) -> None:
        for call in (
            lambda: saver.aget_tuple(at("t")),
            lambda: saver.aput(at("t"), *put(1)),
            lambda: saver.aput_writes(at("t", "1"), TASK, "task"),
            lambda: saver.adelete_thread("t"),
            lambda: anext(saver.alist(at("t"))),
        ):
            with pytest.raises(ValueError, match="no active connection"):
                await call()

    saver = asyncio.run(run())
    asyncio.run(use(saver))
    if owner == "lgc":
        with pytest.raises(ValueError, match="no active connection"):
            saver.put(at("t"), *put(1))


def test_threads_end(tmp_path: Path) -> None:
    """That of a saver that is closed, and that of one which nobody has any more."""

    async def run() -> None:
        async with opened("file", tmp_path) as saver:
            await saver.aput(at("t"), *put(1))

    asyncio.run(run())
    conn = sqlite3.connect(":memory:", check_same_thread=False)
    saver = AsyncSqliteSaver(conn)
    asyncio.run(saver.setup())
    del saver
    gc.collect()
    for thread in threading.enumerate():
        if thread.name.startswith("lgc-sqlite"):
            thread.join(10)
            assert not thread.is_alive()
    conn.close()


# --- what a run asks of a saver ---


@pytest.mark.parametrize("place", [*PLACES, "sync"])
def test_deferred(place: str, tmp_path: Path) -> None:
    """What is stored is what was true when it was serialised; nothing is before it is asked for."""

    async def check(saver: Any) -> None:
        assert saver.defers and not saver.keeps_checkpoint
        value, config = [1], at("t", "0001")
        parts = put(2, {"x": value})
        calls = [
            saver.adeferred_put(at("t"), *put(1, {"x": value})),
            saver.adeferred_put_writes(config, [("x", value)], "first", "~a"),
            saver.adeferred_put_superstep(config, [("last", "~b", [("x", value)])], *parts),
        ]
        value.append(2)
        assert await saver.aget_tuple(at("t")) is None
        for call in calls:
            await call()
        newest = await saver.aget_tuple(at("t"))
        assert newest.checkpoint == made(2, {"x": [1]})
        parent = await saver.aget_tuple(newest.parent_config)
        assert parent.checkpoint == made(1, {"x": [1]})
        assert parent.pending_writes == [("first", "x", [1]), ("last", "x", [1])]

    async def run() -> None:
        if place == "sync":
            with SqliteSaver.from_conn_string(":memory:") as saver:
                await check(saver)
        else:
            async with opened(place, tmp_path) as saver:
                await check(saver)

    asyncio.run(run())


@pytest.mark.parametrize("base", [MemorySaver, SqliteSaver])
def test_override_of_a_sync_saver(base: Any) -> None:
    """The async methods call what a subclass defines anew."""
    asked = []

    class Watching(base):  # type: ignore[misc]
        def put(self, *args: Any) -> Any:
            asked.append("put")
            return super().put(*args)

        def put_writes(self, *args: Any) -> None:
            asked.append("put_writes")
            super().put_writes(*args)

    async def run(saver: BaseSaver) -> None:
        assert not saver.defers
        config = await saver.aput(at("t"), *put(1))
        await saver.aput_superstep(config, [("task", "", TASK)], *put(2))

    with _connection() as conn:
        asyncio.run(run(Watching(conn) if base is SqliteSaver else Watching()))
    assert asked == ["put", "put_writes", "put"]


@pytest.mark.parametrize("name", ["aput", "aput_writes"])
def test_override_of_an_async_saver(name: str) -> None:
    """The same of what it defines of an async one."""
    asked = []

    class Watching(AsyncSqliteSaver):
        pass

    async def watched(self: Any, *args: Any) -> Any:
        asked.append(name)
        return await getattr(AsyncSqliteSaver, name)(self, *args)

    watching: Any = type("Watching", (Watching,), {name: watched})

    async def run() -> None:
        with _connection() as conn:
            saver = watching(conn)
            assert not saver.defers
            config = await saver.aput(at("t"), *put(1))
            await saver.aput_superstep(config, [("task", "", TASK)], *put(2))

    asyncio.run(run())
    assert asked == [name] * (2 if name == "aput" else 1)


def _connection() -> Any:
    return closing(sqlite3.connect(":memory:", check_same_thread=False))


# --- whole graphs ---


class State(TypedDict):
    steps: Annotated[list[str], operator.add]
    total: int


def chain() -> StateGraph[Any, Any, Any, Any]:
    """Ten async nodes, of which the fifth asks and every third suspends."""
    builder = StateGraph(State)
    before = START
    for number in range(10):
        name = f"n{number}"
        builder.add_node(name, _node(name, number))
        builder.add_edge(before, name)
        before = name
    return builder


def _node(name: str, number: int) -> Any:
    async def node(state: State) -> Any:
        if number % 3 == 0:
            await asyncio.sleep(0)
        said = interrupt({"total": state["total"]}) if number == 5 else number
        return {"steps": [f"{name}: {said}"], "total": state["total"] + number}

    return node


async def run_all(graph: Any, saver: Any, number: int, durability: Any) -> tuple[Any, list[str]]:
    """Runs threads at once, then answers all of them at once.

    Returns:
        Their results, and what is stored of each, without chance.
    """

    async def call(thread: int, value: Any) -> Any:
        return await graph.ainvoke(value, at(f"t{thread}"), durability=durability)

    threads = range(number)
    starts = ({"steps": [f"from {n}"], "total": n} for n in threads)
    results: list[Any] = await asyncio.gather(*map(call, threads, starts))
    answers = (Command(resume=f"answer {n}") for n in threads)
    results += await asyncio.gather(*map(call, threads, answers))
    held = []
    for thread in threads:
        found = [tuple(saved) async for saved in saver.alist(at(f"t{thread}"))]
        states = []
        if thread % 10 == 0:
            states = [tuple(state) async for state in graph.aget_state_history(at(f"t{thread}"))]
        held.append(without_chance(pformat([found[::-1], states[::-1]], width=100)))
    return without_chance(repr(results)), held


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph's interrupt works in no coroutine of Python 3.10"
)
@pytest.mark.parametrize(
    "place, durability, number",
    [
        *(pytest.param("memory", durability, 40) for durability in ("sync", "async", "exit")),
        pytest.param("file", "async", WRITERS),
        pytest.param("file", "sync", 40),
        *(
            pytest.param(place, "async", WRITERS if "pool" in place else 40, marks=needs_server)
            for place in POSTGRES
        ),
        pytest.param("postgres pool", "sync", 40, marks=needs_server),
    ],
)
def test_graphs(place: str, durability: str, number: int, tmp_path: Path) -> None:
    """Many runs at once end as LangGraph's, each engine on its own saver and lgc on LangGraph's."""

    async def run(owner: str, engine: str) -> Any:
        async with opened(place, tmp_path, owner) as saver:
            builder = chain()
            if engine == "lgc":
                graph: Any = compile_graph(builder, checkpointer=saver)
            else:
                graph = builder.compile(checkpointer=saver)
            return await run_all(graph, saver, number, durability)

    theirs = asyncio.run(run("langgraph", "langgraph"))
    assert len(theirs[1]) == number
    for owner in ("lgc", "langgraph") if number < WRITERS else ("lgc",):
        found = difference(theirs, asyncio.run(run(owner, "lgc")))
        assert found is None, found
    COUNTS["graphs that ran at once"] += number
