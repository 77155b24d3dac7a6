"""lgc's PostgreSQL savers do what LangGraph's do, to the same rows (spec §4.7, §12).

They need a server: `make test-postgres` starts one. Without LGC_POSTGRES they are skipped.
"""

from __future__ import annotations

import asyncio
import math
import operator
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Annotated, Any
from unittest.mock import patch

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.postgres import PostgresSaver as TheirSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver as TheirAsyncSaver
from langgraph.checkpoint.postgres.base import MIGRATIONS as THEIR_MIGRATIONS
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from parity import pinned
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from typing_extensions import TypedDict

from lgc import compile_graph
from lgc.runtime.savers.postgres import delta_history
from lgc.savers import AsyncPostgresSaver, PostgresSaver

DSN = os.environ.get("LGC_POSTGRES", "")

needs_server = pytest.mark.skipif(not DSN, reason="LGC_POSTGRES is not set: make test-postgres")

TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes", "checkpoint_migrations")

_NUMBERS = count(1)


@pytest.fixture
def database() -> Iterator[Callable[[], str]]:
    """Makes empty databases, which the test leaves behind; gives their connection strings."""
    names = []

    def make() -> str:
        names.append(f"lgc_{os.getpid()}_{next(_NUMBERS)}")
        admin.execute(f"CREATE DATABASE {names[-1]}")
        return make_conninfo(DSN, dbname=names[-1])

    with psycopg.connect(DSN, autocommit=True) as admin:
        yield make
        for name in names:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def execute(dsn: str, sql: str, *parameters: Any) -> list[Any]:
    """The rows of a statement in a connection of its own."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        cursor = conn.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def rows(dsn: str) -> dict[str, list[str]]:
    """All rows as PostgreSQL prints them, by table."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        return rows_of(conn)


def rows_of(conn: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """As `rows`."""
    return {
        table: sorted(text for (text,) in conn.execute(f"SELECT t::text FROM {table} AS t"))
        for table in TABLES
    }


def at(thread: str, namespace: str = "", checkpoint_id: str | None = None) -> dict[str, Any]:
    """A config."""
    where = {"thread_id": thread, "checkpoint_ns": namespace}
    return {"configurable": where | ({"checkpoint_id": checkpoint_id} if checkpoint_id else {})}


def made(checkpoint_id: str, values: dict[str, Any], versions: dict[str, Any], v: int = 4) -> Any:
    """A checkpoint."""
    return {
        "v": v,
        "ts": "2026-01-01T00:00:00+00:00",
        "id": checkpoint_id,
        "channel_values": values,
        "channel_versions": versions,
        "versions_seen": {"n": {"a": "1"}},
        "updated_channels": sorted(values),
    }


def exact(value: Any) -> Any:
    """`value` with the types of all in it, so that 1, 1.0 and True differ."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if hasattr(value, "parent_config") else type(value).__name__
        return kind, [exact(item) for item in value]
    return type(value).__name__, repr(value)


# --- without a server ---


def test_says_what_to_install_without_psycopg() -> None:
    code = "import sys; sys.modules['psycopg'] = None; import lgc.runtime.savers.postgres"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "pip install 'lgc[postgres]'" in done.stderr.splitlines()[-1]


def test_imports_no_langgraph() -> None:
    code = (
        "import sys, lgc.runtime.savers.postgres;"
        "print([name for name in sys.modules if name.startswith('lang')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- conformance ---


@needs_server
@pytest.mark.parametrize("kind", ["sync", "async", "pool", "async pool"])
def test_conforms(database: Callable[[], str], kind: str) -> None:
    """Every check of langgraph-checkpoint-conformance, which takes the sync saver's async twins."""
    dsn = database()

    @checkpointer_test(name=kind)
    async def saver() -> Any:
        options = {"autocommit": True}
        if kind == "sync":
            with PostgresSaver.from_conn_string(dsn) as ours:
                yield ours
        elif kind == "async":
            async with AsyncPostgresSaver.from_conn_string(dsn) as ours:
                yield ours
        elif kind == "pool":
            with ConnectionPool(dsn, min_size=1, max_size=3, kwargs=options) as pool:
                yield PostgresSaver(pool)
        else:
            async with AsyncConnectionPool(dsn, min_size=1, max_size=3, kwargs=options) as apool:
                yield AsyncPostgresSaver(apool)

    with PostgresSaver.from_conn_string(dsn) as ours:
        ours.setup()
    report = asyncio.run(validate(saver))
    assert {name: found.failures for name, found in report.results.items()} == {
        name: [] for name in report.results
    }
    assert {name: found.tests_passed for name, found in report.results.items()} == {
        "put": 17,
        "put_writes": 10,
        "get_tuple": 10,
        "list": 16,
        "delete_thread": 5,
        "delete_for_runs": 7,
        "copy_thread": 8,
        "prune": 8,
    }


# --- random sequences of operations ---

CHANNELS = ("a", "b", "ключ", "__pregel_tasks")

PLAIN = st.sampled_from([None, True, False, 0, 7, 2**40, 1.5, "", "text", "ü€"])
VALUES = PLAIN | st.sampled_from(
    [
        [],
        [1, [2]],
        {"k": [None, True]},
        b"\x00\xff",
        bytearray(b"x"),
        {5},
        Send("n", {"x": 1}),
        [Send("n", 1)],
        HumanMessage("hi", id="m"),
        _DeltaSnapshot([1, 2]),
        _DeltaSnapshot(None),
    ]
)
ANY_CHANNELS = st.sets(st.sampled_from(CHANNELS), max_size=2)
WRITES = st.lists(
    st.tuples(st.sampled_from((*CHANNELS, "__error__", "__interrupt__", "__resume__")), VALUES),
    max_size=4,
) | st.lists(st.tuples(st.sampled_from(("__error__", "__resume__")), PLAIN), max_size=2)
TASK_WRITES = st.tuples(
    st.sampled_from(("t1", "t2", "t3")), st.sampled_from(("", "~b, 2", "~a, 1", "Ä")), WRITES
)
METADATA = st.fixed_dictionaries(
    {"source": st.sampled_from(("loop", "input")), "step": st.integers(-1, 3)},
    optional={
        "run_id": st.sampled_from(("r1", "r2")),
        "nul": st.just("a\0b"),
        "writes": st.just({"x": 1}),
        "parents": st.builds(lambda number: {"": identity(number)}, st.integers(1, 9)),
        "counters_since_delta_snapshot": st.just({"a": [1, 2]}),
    },
)
PLACES = st.sampled_from([("one", "")] * 4 + [("one", "sub:1"), ("one", "kept"), ("two", "")])
# How many checkpoints before the newest one there; None for no id.
WHICH = st.sampled_from((0, 0, 0, 1, 2, 9, None))
PUT = st.fixed_dictionaries(
    {
        "written": st.dictionaries(st.sampled_from(CHANNELS), VALUES, max_size=3),
        "omitted": ANY_CHANNELS,
        "unversioned": st.just(set()) | ANY_CHANNELS,
        "metadata": METADATA,
        "given": st.fixed_dictionaries(
            {}, optional={"user": st.sampled_from(("u", 3, 2.5, True)), "__private": st.just("p")}
        ),
        "v": st.sampled_from((4, 4, 4, 1)),
        "parent": WHICH,
        "again": st.sampled_from((False, False, False, True)),
        "tasks": st.none() | st.lists(TASK_WRITES, max_size=3),
    }
)
LIST = st.fixed_dictionaries(
    {
        "filter": st.sampled_from(
            (None, {}, {"source": "loop"}, {"step": 1, "run_id": "r1"}, {"user": 3})
        ),
        "before": WHICH,
        "limit": st.sampled_from((None, None, 0, 1, 2)),
    }
)
OPERATIONS: dict[str, tuple[int, st.SearchStrategy[Any]]] = {
    "put": (12, st.tuples(PLACES, PUT)),
    "put_writes": (5, st.tuples(PLACES, st.tuples(st.sampled_from((0, 0, 1, 9)), TASK_WRITES))),
    "get_tuple": (4, st.tuples(PLACES, WHICH)),
    "list": (3, st.tuples(st.none() | PLACES, LIST)),
    "history": (3, st.tuples(PLACES, WHICH)),
    "prune": (1, st.tuples(PLACES, st.sampled_from(("keep_latest",) * 4 + ("delete",)))),
    "delete_thread": (1, st.tuples(PLACES, st.none())),
}
"""By name, how often it is done, and what with."""

_NAMES = [name for name, (often, _) in OPERATIONS.items() for _ in range(often)]
SEQUENCES = st.lists(
    st.sampled_from(_NAMES).flatmap(lambda name: st.tuples(st.just(name), OPERATIONS[name][1])),
    min_size=15,
    max_size=40,
)


def identity(number: int) -> str:
    """The id of the nth checkpoint."""
    return f"{number:08x}-0000-6000-8000-000000000000"


READ_ALL = [
    operation
    for place in (("one", ""), ("one", "sub:1"), ("two", ""))
    for operation in (
        ("list", (place, {"filter": None, "before": None, "limit": None})),
        ("history", (place, 0)),
        ("history", (place, 1)),
    )
]
"""What every sequence ends with."""


class Replay:
    """Does the same operations with one saver as another `Replay` with the other.

    Args:
        saver: the saver.
        call: calls a method of it.
        delta: whether there may be delta channels, of which `keep_latest` refuses to know.
    """

    def __init__(self, saver: Any, call: Callable[..., Any], delta: bool) -> None:
        self.saver = saver
        self.call = call
        self.delta = delta
        self.number = 0
        self.ids: dict[tuple[str, str], list[str]] = {}
        self.state: dict[tuple[str, str], tuple[dict[str, Any], dict[str, str]]] = {}

    def pick(self, place: tuple[str, str], which: int | None) -> str | None:
        """The id of a checkpoint there; of one that is not stored if it has so few."""
        if which is None:
            return None
        ids = self.ids.get(place, [])
        # No two namespaces have the same id: of old Sends, upstream does not ask for theirs.
        missing = 0xFFFF + 16 * len(place[1]) + which
        return ids[-1 - which] if which < len(ids) else identity(missing)

    def do(self, operation: tuple[str, tuple[Any, Any]]) -> Any:
        """The outcome of an operation: its result or what it raises."""
        name, (place, given) = operation
        try:
            return exact(getattr(self, f"do_{name}")(place, given))
        except NotImplementedError as error:
            return repr(error)

    def do_put(self, place: tuple[str, str], given: dict[str, Any]) -> Any:
        ids = self.ids.setdefault(place, [])
        again = given["again"] and ids
        # Once deleted and put again under itself, a checkpoint would hang upstream for good.
        below = None if again and given["parent"] == 0 else given["parent"]
        config = at(*place, self.pick(place, below) if ids else None)
        parent = dict(config["configurable"])
        config["configurable"] |= given["given"]
        config["metadata"] = {"run": 1, "thread_id": "not stored"}
        if not again:
            self.number += 1
            ids.append(identity(self.number))
        put = self.following(place, given)
        if given["tasks"] is None or "checkpoint_id" not in parent:
            return self.call("put", config, *put)
        if hasattr(self.saver, "put_superstep"):
            return self.call("put_superstep", config, given["tasks"], *put)
        for task, path, writes in given["tasks"]:
            self.call("put_writes", config, writes, task, path)
        return self.call("put", config, *put)

    def following(self, place: tuple[str, str], given: dict[str, Any]) -> Any:
        """Checkpoint, metadata and new versions after those that were put there before."""
        values, versions = self.state.setdefault(place, ({}, {}))
        for channel, value in given["written"].items():
            is_delta = isinstance(value, _DeltaSnapshot)
            values[channel] = value if self.delta or not is_delta else value.value
            versions[channel] = str(self.number)
        new = {channel: versions[channel] for channel in given["written"]}
        stored = {key: value for key, value in values.items() if key not in given["omitted"]}
        known = {key: value for key, value in versions.items() if key not in given["unversioned"]}
        metadata = dict(given["metadata"])
        if not self.delta:
            metadata.pop("counters_since_delta_snapshot", None)
        return made(self.ids[place][-1], stored, known, given["v"]), metadata, new

    def do_put_writes(self, place: tuple[str, str], given: Any) -> Any:
        index, (task, path, writes) = given
        return self.call("put_writes", at(*place, self.pick(place, index)), writes, task, path)

    def do_get_tuple(self, place: tuple[str, str], index: int | None) -> Any:
        return self.call("get_tuple", at(*place, self.pick(place, index)))

    def do_list(self, place: tuple[str, str] | None, given: dict[str, Any]) -> Any:
        before = given["before"]
        if before is not None:
            before = at("any", "any", identity(max(self.number - before, 1)))
        given = {**given, "before": before}
        if place is not None:
            return self.call("list", at(*place), **given)
        # Before version 4, upstream looks for the Sends of the first thread only.
        return [saved.config for saved in self.call("list", None, **given)]

    def do_history(self, place: tuple[str, str], which: int | None) -> Any:
        config = at(*place, self.pick(place, which))
        return self.call("get_delta_channel_history", config=config, channels=CHANNELS)

    def do_delete_thread(self, place: tuple[str, str], _: None) -> Any:
        return self.call("delete_thread", place[0])

    def do_prune(self, place: tuple[str, str], strategy: str) -> Any:
        return self.call("prune", [place[0], "nobody"], strategy=strategy)


@contextmanager
def sync_replay(kind: Any, dsn: str) -> Iterator[Callable[[bool], Replay]]:
    """Makes replays of a sync saver."""

    def call(name: str, *args: Any, **kwargs: Any) -> Any:
        result = getattr(saver, name)(*args, **kwargs)
        return list(result) if name == "list" else result

    with kind.from_conn_string(dsn) as saver:
        saver.setup()
        yield lambda delta: Replay(saver, call, delta)


@contextmanager
def async_replay(kind: Any, dsn: str) -> Iterator[Callable[[bool], Replay]]:
    """Makes replays of an async saver."""
    loop = asyncio.new_event_loop()

    async def everything(found: Any) -> list[Any]:
        return [saved async for saved in found]

    def call(name: str, *args: Any, **kwargs: Any) -> Any:
        called = getattr(saver, f"a{name}")(*args, **kwargs)
        return loop.run_until_complete(everything(called) if name == "list" else called)

    entered = kind.from_conn_string(dsn)
    saver = loop.run_until_complete(entered.__aenter__())
    try:
        loop.run_until_complete(saver.setup())
        yield lambda delta: Replay(saver, call, delta)
    finally:
        loop.run_until_complete(entered.__aexit__(None, None, None))
        loop.close()


@needs_server
@pytest.mark.parametrize("way", ["sync", "async"])
def test_does_what_upstream_does(database: Callable[[], str], way: str) -> None:
    """Random operations have the same results, and all rows of all tables are equal."""
    ours_dsn, theirs_dsn = database(), database()
    replay = sync_replay if way == "sync" else async_replay
    ours_kind = PostgresSaver if way == "sync" else AsyncPostgresSaver
    theirs_kind = TheirSaver if way == "sync" else TheirAsyncSaver

    with (
        replay(ours_kind, ours_dsn) as ours_made,
        replay(theirs_kind, theirs_dsn) as theirs_made,
        psycopg.connect(ours_dsn, autocommit=True) as ours_rows,
        psycopg.connect(theirs_dsn, autocommit=True) as theirs_rows,
    ):

        @settings(max_examples=60)
        @given(st.booleans(), SEQUENCES)
        def run(delta: bool, operations: list[Any]) -> None:
            for conn in (ours_rows, theirs_rows):
                for table in TABLES[:3]:
                    conn.execute(f"DELETE FROM {table}")
            ours, theirs = ours_made(delta), theirs_made(delta)
            for operation in (*operations, *READ_ALL):
                with patch.object(random, "random", lambda: 0.25):
                    expected, actual = theirs.do(operation), ours.do(operation)
                assert actual == expected, operation
            assert rows_of(ours_rows) == rows_of(theirs_rows)

        run()


# --- migrations ---

SCHEMA = (
    """
    SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public'
    """,
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    """,
    "SELECT v FROM checkpoint_migrations",
)


def schema(dsn: str) -> list[list[Any]]:
    """Columns, indexes, constraints and migrations."""
    return [sorted(execute(dsn, sql), key=repr) for sql in SCHEMA]


def at_version(dsn: str, steps: int) -> None:
    """Brings an empty database to one of upstream's versions, with a row in each table there is."""
    for number, sql in enumerate(THEIR_MIGRATIONS[:steps]):
        execute(dsn, sql)
        execute(dsn, "INSERT INTO checkpoint_migrations (v) VALUES (%s)", number)
    if steps > 1:
        checkpoint = '{"v": 4, "id": "1", "channel_versions": {"a": "1"}, "channel_values": {}}'
        execute(dsn, "INSERT INTO checkpoints VALUES ('t', '', '1', NULL, NULL, %s)", checkpoint)
    if steps > 2:
        execute(
            dsn, "INSERT INTO checkpoint_blobs VALUES ('t', '', 'a', '1', 'msgpack', '\\x9101')"
        )
    if steps > 3:
        written = "VALUES ('t', '', '1', 'task', 0, 'a', 'msgpack', '\\x07')"
        execute(dsn, f"INSERT INTO checkpoint_writes {written}")


def migrate(kind: Any, dsn: str, way: str = "sync") -> Any:
    """The checkpoint there, after `setup`."""

    async def run() -> Any:
        async with kind.from_conn_string(dsn) as saver:
            await saver.setup()
            return await saver.aget_tuple(at("t"))

    if way == "async":
        return asyncio.run(run())
    with kind.from_conn_string(dsn) as saver:
        saver.setup()
        return saver.get_tuple(at("t"))


@needs_server
@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("steps", range(len(THEIR_MIGRATIONS) + 1))
def test_migrates_from_every_version(database: Callable[[], str], steps: int, way: str) -> None:
    ours_dsn, theirs_dsn = database(), database()
    for dsn in (ours_dsn, theirs_dsn):
        at_version(dsn, steps)
    expected = migrate(TheirSaver, theirs_dsn)
    actual = migrate(PostgresSaver if way == "sync" else AsyncPostgresSaver, ours_dsn, way)
    assert exact(actual) == exact(expected)
    assert schema(ours_dsn) == schema(theirs_dsn)
    assert rows(ours_dsn) == rows(theirs_dsn)
    if steps > 3:
        assert actual.pending_writes == [("task", "a", 7)]


@needs_server
def test_has_nothing_to_migrate_after_upstream_and_the_other_way_round(
    database: Callable[[], str],
) -> None:
    for kinds in ((PostgresSaver, TheirSaver), (TheirSaver, PostgresSaver)):
        dsn = database()
        found = []
        for kind in kinds:
            migrate(kind, dsn)
            found.append(schema(dsn))
        assert found[0] == found[1]


@needs_server
def test_sets_up_in_pipeline_mode(database: Callable[[], str]) -> None:
    """Its indexes are made outside of a transaction, which a pipeline otherwise is."""

    async def run(dsn: str) -> None:
        async with AsyncPostgresSaver.from_conn_string(dsn, pipeline=True) as saver:
            await saver.setup()

    sync_dsn, async_dsn, expected_dsn = database(), database(), database()
    with PostgresSaver.from_conn_string(sync_dsn, pipeline=True) as saver:
        saver.setup()
    asyncio.run(run(async_dsn))
    migrate(TheirSaver, expected_dsn)
    assert schema(sync_dsn) == schema(async_dsn) == schema(expected_dsn)


# --- LangGraph runs on it ---


class State(TypedDict):
    """What the graph keeps."""

    log: Annotated[list[str], operator.add]
    total: int
    item: int


def build() -> StateGraph[Any, Any, Any, Any]:
    """A graph with a subgraph, Sends and an interrupt."""
    inner: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    inner.add_node("ask", lambda state: {"log": [f"asked {interrupt('?')}"]})
    inner.add_edge(START, "ask")

    outer: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    outer.add_node("first", lambda state: {"log": ["first"], "total": 1.5})
    outer.add_node("each", lambda state: {"log": [f"each {state['item']}"]})
    outer.add_node("inner", inner.compile())
    outer.add_edge(START, "first")
    outer.add_conditional_edges("first", lambda state: [Send("each", {"item": i}) for i in (1, 2)])
    outer.add_edge("each", "inner")
    outer.add_edge("inner", END)
    return outer


def untimed(value: Any) -> str:
    """As text, without the times at which checkpoints were made."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", "<time>", repr(value))


def history(saver: Any, thread: str) -> str:
    """The graph's history, and that of the subgraph."""
    graph = build().compile(checkpointer=saver)
    return untimed([list(graph.get_state_history(at(thread))), list(saver.list(at(thread)))])


@needs_server
def test_langgraph_leaves_the_same_rows(database: Callable[[], str]) -> None:
    seen = []
    for kind in (TheirSaver, PostgresSaver):
        dsn = database()
        with kind.from_conn_string(dsn) as saver, pinned():
            saver.setup()
            graph = build().compile(checkpointer=saver)
            config = at("thread")
            results = [graph.invoke({"log": []}, config), graph.invoke(Command(resume="x"), config)]
            graph.update_state(config, {"log": ["more"]})
            seen.append((results, history(saver, "thread"), untimed(rows(dsn))))
    assert seen[0][0][1]["log"][-1] == "asked x"
    assert seen[0] == seen[1]


@needs_server
@pytest.mark.parametrize("way", ["there", "back"])
def test_langgraph_continues_what_the_other_saver_wrote(
    database: Callable[[], str], way: str
) -> None:
    dsn = database()
    kinds = (PostgresSaver, TheirSaver) if way == "there" else (TheirSaver, PostgresSaver)
    with kinds[0].from_conn_string(dsn) as before, kinds[1].from_conn_string(dsn) as after:
        before.setup()
        build().compile(checkpointer=before).invoke({"log": []}, at("thread"))
        assert history(before, "thread") == history(after, "thread")
        found = build().compile(checkpointer=after).invoke(Command(resume="x"), at("thread"))
        assert found["log"][-1] == "asked x"
        assert history(before, "thread") == history(after, "thread")


@needs_server
def test_langgraph_runs_async(database: Callable[[], str]) -> None:
    async def run() -> Any:
        async with AsyncPostgresSaver.from_conn_string(dsn) as saver:
            await saver.setup()
            graph = build().compile(checkpointer=saver)
            await graph.ainvoke({"log": []}, at("thread"))
            return await graph.ainvoke(Command(resume="x"), at("thread"))

    dsn = database()
    assert asyncio.run(run())["log"][-1] == "asked x"


@needs_server
def test_threads_share_a_pool(database: Callable[[], str]) -> None:
    dsn = database()
    with ConnectionPool(dsn, min_size=1, max_size=4, kwargs={"autocommit": True}) as pool:
        saver = PostgresSaver(pool)
        saver.setup()
        graph = build().compile(checkpointer=saver)

        def run(number: int) -> Any:
            graph.invoke({"log": []}, at(f"thread {number}"))
            return graph.invoke(Command(resume=number), at(f"thread {number}"))

        with ThreadPoolExecutor(8) as executor:
            found = list(executor.map(run, range(24)))
        assert [state["log"][-1] for state in found] == [f"asked {n}" for n in range(24)]
        lengths = {len(list(saver.list(at(f"thread {number}")))) for number in range(24)}
        assert len(lengths) == 1


# --- what upstream does not have ---


@contextmanager
def modes(dsn: str, mode: str) -> Iterator[PostgresSaver]:
    """A saver over a connection, a pool, a pipeline, or a libpq without pipelines."""
    if mode == "pool":
        with ConnectionPool(dsn, min_size=1, kwargs={"autocommit": True}) as pool:
            yield PostgresSaver(pool)
        return
    supported = patch.object(psycopg.Pipeline, "is_supported", lambda: mode != "no pipeline")
    with supported, PostgresSaver.from_conn_string(dsn, pipeline=mode == "pipeline") as saver:
        yield saver


@needs_server
@pytest.mark.parametrize("mode", ["connection", "pool", "pipeline", "no pipeline"])
def test_stores_a_superstep_whole_or_not_at_all(database: Callable[[], str], mode: str) -> None:
    dsn = database()
    writes = [("t1", "~a", [("a", [1]), ("b", 2)]), ("t2", "~b", [("__resume__", "x")])]
    with modes(dsn, mode) as saver:
        saver.setup()
        parent = saver.put(at("t"), made("1", {}, {}), {}, {})
        before = rows(dsn)
        # PostgreSQL's JSON takes no NUL, and the checkpoint comes last.
        broken = made("2", {"a": [1]}, {"a": "1"}) | {"ts": "\0"}
        with pytest.raises(psycopg.DataError):
            saver.put_superstep(parent, writes, broken, {}, {"a": "1"})
        assert rows(dsn) == before
        # Nor does psycopg send one; LangGraph's saver stores what it has sent before.
        for task, channel in (("t\0", "a"), ("t3", "\0")):
            last = (task, "", [("a", 1), (channel, 2)])
            with pytest.raises(psycopg.DataError):
                saver.put_superstep(parent, [*writes, last], made("2", {}, {}), {}, {})
            with pytest.raises(psycopg.DataError):
                saver.put_writes(parent, last[2], task)
            # More than one query, and the same row in two of them.
            with pytest.raises(psycopg.DataError):
                saver.put_superstep(parent, [*writes, writes[0], last], made("2", {}, {}), {}, {})
            assert rows(dsn) == before
        good = made("2", {"a": [1]}, {"a": "1"})
        child = saver.put_superstep(parent, writes, good, {"step": 1}, {"a": "1"})
        found = saver.get_tuple(child)
        assert found is not None and found.checkpoint == good and found.parent_config == parent
        pending = saver.get_tuple(parent).pending_writes  # type: ignore[union-attr]
        assert pending == [("t1", "a", [1]), ("t1", "b", 2), ("t2", "__resume__", "x")]


@needs_server
def test_stores_a_superstep_whole_or_not_at_all_in_a_loop(database: Callable[[], str]) -> None:
    async def run() -> None:
        async with AsyncPostgresSaver.from_conn_string(dsn) as saver:
            await saver.setup()
            parent = await saver.aput(at("t"), made("1", {}, {}), {}, {})
            before = rows(dsn)
            with pytest.raises(psycopg.DataError):
                broken = made("2", {}, {}) | {"ts": "\0"}
                await saver.aput_superstep(parent, [("t1", "", [("a", 1)])], broken, {}, {})
            assert rows(dsn) == before

    dsn = database()
    asyncio.run(run())


@needs_server
@pytest.mark.parametrize("pipeline", [False, True])
def test_stores_thousands_of_writes(database: Callable[[], str], pipeline: bool) -> None:
    """More than PostgreSQL takes parameters for."""
    writes = [(f"channel {number % 7}", number) for number in range(8000)]
    seen = []
    for kind in (TheirSaver, PostgresSaver):
        dsn = database()
        with kind.from_conn_string(dsn) as saver:
            saver.setup()
        with kind.from_conn_string(dsn, pipeline=pipeline) as saver:
            config = saver.put(at("t"), made("1", {}, {}), {}, {})
            saver.put_writes(config, writes, "task", "~a")
            seen.append((rows(dsn), saver.get_tuple(config).pending_writes))  # type: ignore[union-attr]
    assert seen[0] == seen[1]


@needs_server
def test_copies_a_thread_and_deletes_runs_with_their_blobs(database: Callable[[], str]) -> None:
    dsn = database()
    with PostgresSaver.from_conn_string(dsn) as saver:
        saver.setup()
        first = made("1", {"a": [1], "b": [0]}, {"a": "1", "b": "1"})
        second = made("2", {"a": [2], "b": [0]}, {"a": "2", "b": "1"})
        config = saver.put(at("t"), first, {"run_id": "r"}, {"a": "1", "b": "1"})
        saver.put_writes(config, [("a", [2])], "task", "~a")
        saver.put(config, second, {"run_id": "s"}, {"a": "2"})
        saver.copy_thread("t", "copy")
        # What is there already is replaced, so once more changes nothing.
        before = rows(dsn)
        saver.copy_thread("t", "copy")
        assert rows(dsn) == before
        copies = list(saver.list(at("copy")))
        assert [saved.checkpoint for saved in copies] == [second, first]
        assert copies[1].pending_writes == [("task", "a", [2])]
        saver.delete_for_runs(["r"])
        assert [saved.checkpoint for saved in saver.list(None)] == [second, second]
        blobs = execute(dsn, "SELECT thread_id, channel, version FROM checkpoint_blobs")
        kept = [(thread, *blob) for thread in ("copy", "t") for blob in (("a", "2"), ("b", "1"))]
        assert sorted(blobs) == kept
        assert execute(dsn, "SELECT * FROM checkpoint_writes") == []


NO_JSON = ("a\0b", "\ud800", "\udfff!", math.nan, math.inf, -math.inf)


@needs_server
@pytest.mark.parametrize("value", NO_JSON, ids=repr)
def test_stores_what_json_does_not_take_so_that_langgraph_reads_it(
    database: Callable[[], str], value: Any
) -> None:
    """A text or a number as a key's value; LangGraph's own saver fails to store it."""
    dsn, where = database(), at("t")
    memory = InMemorySaver()
    versions = dict.fromkeys("abc", "1")
    checkpoint = made("1", {"a": value, "b": "text", "c": 1.5}, versions)
    memory.put(where, checkpoint, {}, versions)  # type: ignore[arg-type]
    expected = memory.get_tuple(where).checkpoint["channel_values"]  # type: ignore[arg-type, union-attr]
    with PostgresSaver.from_conn_string(dsn) as ours, TheirSaver.from_conn_string(dsn) as theirs:
        theirs.setup()
        with pytest.raises(psycopg.DataError):
            theirs.put(where, checkpoint, {}, versions)  # type: ignore[arg-type]
        ours.put(where, checkpoint, {}, versions)
        readers: tuple[Any, ...] = (theirs, ours)
        for reader in readers:
            values = reader.get_tuple(where).checkpoint["channel_values"]
            assert {key: exact(values[key]) for key in "abc"} == {
                key: exact(expected[key]) for key in "abc"
            }
    stored = execute(dsn, "SELECT checkpoint -> 'channel_values' FROM checkpoints")
    assert stored == [({"b": "text", "c": 1.5},)]


class _Texts(TypedDict):
    text: Any
    number: Any


@needs_server
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_a_thread_with_such_values_goes_on_under_langgraph(
    database: Callable[[], str], durability: Any
) -> None:
    dsn = database()
    builder = StateGraph(_Texts)
    builder.add_node("a", lambda state: {"text": "x\0y", "number": math.nan})
    builder.add_node("b", lambda state: {"text": state["text"] + "!"})
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    config: Any = {"configurable": {"thread_id": "t"}}
    with PostgresSaver.from_conn_string(dsn) as ours, TheirSaver.from_conn_string(dsn) as theirs:
        ours.setup()
        graph = compile_graph(builder, checkpointer=ours)
        stopped = graph.compile(checkpointer=ours, interrupt_after=["a"])
        stopped.invoke({"text": "\ud800"}, config, durability=durability)
        for reader in (graph, builder.compile(checkpointer=theirs)):
            values = reader.get_state(config).values
            assert (values["text"], str(values["number"])) == ("x\0y", "nan")
        assert graph.invoke(None, config)["text"] == "x\0y!"
        assert builder.compile(checkpointer=theirs).get_state(config).values["text"] == "x\0y!"


@needs_server
def test_serialises_on_the_thread_that_runs(database: Callable[[], str]) -> None:
    """An older checkpoint holds what was true then, also when storing takes its time."""
    dsn = database()

    def node(state: Any) -> Any:
        state["text"].append(len(state["text"]))
        return {"text": state["text"]}

    builder = StateGraph(_Texts)
    for name, before in zip("abc", (START, "a", "b"), strict=True):
        builder.add_node(name, node)
        builder.add_edge(before, name)
    config: Any = {"configurable": {"thread_id": "t"}}
    with PostgresSaver.from_conn_string(dsn) as saver:
        saver.setup()
        graph = compile_graph(builder, checkpointer=saver)
        graph.invoke({"text": []}, config, durability="async")
        told = [state.values.get("text") for state in graph.get_state_history(config)]
        assert told == [[0, 1, 2], [0, 1], [0], [], None]


@needs_server
def test_reads_names_with_a_backslash(database: Callable[[], str]) -> None:
    """LangGraph stores them and fails to read them."""
    dsn = database()
    checkpoint = made("1", {"a\\b": [1]}, {"a\\b": "1"})
    with PostgresSaver.from_conn_string(dsn) as ours, TheirSaver.from_conn_string(dsn) as theirs:
        ours.setup()
        theirs.put(at("t"), checkpoint, {}, {"a\\b": "1"})
        with pytest.raises(psycopg.DataError):
            theirs.get_tuple(at("t"))
        assert ours.get_tuple(at("t")).checkpoint == checkpoint  # type: ignore[union-attr]


# --- the async saver from other threads ---


@needs_server
def test_waits_for_the_loop_from_other_threads_only(database: Callable[[], str]) -> None:
    def use(saver: AsyncPostgresSaver) -> list[Any]:
        config = saver.put(at("t"), made("1", {"a": [1]}, {"a": "1"}), {"run_id": "r"}, {"a": "1"})
        saver.put_writes(config, [("a", 1)], "task")
        child = saver.put_superstep(config, [], made("2", {}, {"a": "1"}), {}, {})
        seen = [saver.get_tuple(config), list(saver.list(at("t"), limit=1))]
        seen.append(saver.get_delta_channel_history(config=child, channels=["a"]))
        saver.copy_thread("t", "copy")
        saver.prune(["copy"])
        saver.delete_for_runs(["r"])
        saver.delete_thread("t")
        return [*seen, len(list(saver.list(None)))]

    async def run() -> list[Any]:
        async with AsyncPostgresSaver.from_conn_string(dsn) as saver:
            await saver.setup()
            for method in (saver.get_tuple, lambda config: list(saver.list(config))):
                with pytest.raises(asyncio.InvalidStateError):
                    method(at("t"))
            return await asyncio.to_thread(use, saver)

    dsn = database()
    found, listed, delta, left = asyncio.run(run())
    assert found.pending_writes == [("task", "a", 1)]
    assert [saved.checkpoint["id"] for saved in listed] == ["2"]
    assert delta == {"a": {"writes": [("task", "a", 1)], "seed": [1]}}
    assert left == 1


@needs_server
def test_walks_a_line_longer_than_a_page(
    database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta_history, "_PAGE", 2)
    dsn = database()
    with PostgresSaver.from_conn_string(dsn) as ours, TheirSaver.from_conn_string(dsn) as theirs:
        ours.setup()
        config = at("t")
        for number in range(1, 15):
            values = {"seeded": _DeltaSnapshot([number])} if number == 4 else {}
            versions = {"seeded": str(number), "never": str(number)}
            checkpoint = made(f"{number:02}", values, versions)
            config = ours.put(config, checkpoint, {}, versions)
            ours.put_writes(config, [("seeded", number), ("never", -number)], "task")
        asked = {"config": config, "channels": ["seeded", "never"]}
        found = ours.get_delta_channel_history(**asked)
        assert found == theirs.get_delta_channel_history(**asked)
        assert found["seeded"]["seed"] == _DeltaSnapshot([4])
        assert [value for _, _, value in found["seeded"]["writes"]] == list(range(4, 14))


@needs_server
def test_refuses_what_is_no_connection() -> None:
    with pytest.raises(TypeError, match="Invalid connection type"):
        PostgresSaver(object()).get_tuple(at("t"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Pipeline"):
        PostgresSaver(ConnectionPool(DSN, open=False), pipe=object())  # type: ignore[arg-type]
