"""lgc's savers store what LangGraph's store, and each side reads the other's (spec §12)."""

from __future__ import annotations

import asyncio
import copy
import operator
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph._internal import _serde
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer as TheirEncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver as TheirSqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver as TheirAsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt
from parity import COUNTS, pinned
from saver_ops import RUNS, Operation, apply, apply_twin, operations, shown
from seeds import from_seeds

from lgc.runtime.checkpointing import model as checkpoint
from lgc.savers import AsyncSqliteSaver, BaseSaver, MemorySaver, SqliteSaver
from lgc.serde import EncryptedSerializer, Serializer

TABLES = ("checkpoints", "writes")


# --- LangGraph's conformance suite ---

CHECKS = {
    "put": 17,
    "put_writes": 10,
    "get_tuple": 10,
    "list": 16,
    "delete_thread": 5,
    "delete_for_runs": 7,
    "copy_thread": 8,
    "prune": 8,
}
# What LangGraph's own savers do not have.
EXTENDED = {"delete_for_runs", "copy_thread", "prune"}


@asynccontextmanager
async def _memory() -> AsyncIterator[Any]:
    yield MemorySaver()


@asynccontextmanager
async def _sqlite() -> AsyncIterator[Any]:
    with SqliteSaver.from_conn_string(":memory:") as saver:
        yield saver


@asynccontextmanager
async def _async_sqlite() -> AsyncIterator[Any]:
    async with AsyncSqliteSaver.from_conn_string(":memory:") as saver:
        yield saver


@asynccontextmanager
async def _their_memory() -> AsyncIterator[Any]:
    yield InMemorySaver(serde=Serializer())


@asynccontextmanager
async def _their_async_sqlite() -> AsyncIterator[Any]:
    async with TheirAsyncSqliteSaver.from_conn_string(":memory:") as saver:
        saver.serde = Serializer()
        yield saver


@pytest.mark.parametrize(
    "make", [_memory, _sqlite, _async_sqlite, _their_memory, _their_async_sqlite]
)
def test_conformance(make: Callable[[], Any]) -> None:
    """Every check of every capability; a check less shows, as one more does."""

    @checkpointer_test(name=make.__name__)
    async def registered() -> AsyncIterator[Any]:
        async with make() as saver:
            yield saver

    report = asyncio.run(validate(registered))
    missing = EXTENDED if make in (_their_memory, _their_async_sqlite) else set()
    done = {name: (found.tests_passed, found.failures) for name, found in report.results.items()}
    assert done == {name: (0 if name in missing else n, []) for name, n in CHECKS.items()}
    COUNTS["conformance checks of savers"] += sum(passed for passed, _ in done.values())


# --- random operations ---


_ROWS = [f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 6" for table in TABLES]


def _rows(conn: sqlite3.Connection) -> list[list[tuple[Any, ...]]]:
    """All that stands in an SQLite file, row by row."""
    return [conn.execute(query).fetchall() for query in _ROWS]


def _compare(ours: Any, theirs: Any, steps: Sequence[Operation]) -> None:
    for step in steps:
        assert apply(ours, step) == apply(theirs, step), step
    COUNTS["saver operations"] += len(steps)


def _same_memory(ours: Any, theirs: Any) -> None:
    assert ours.storage == theirs.storage
    assert {k: v for k, v in ours.writes.items() if v} == theirs.writes
    assert ours.blobs == theirs.blobs


@from_seeds("savers_memory", operations(), examples=100)
def test_memory(steps: list[Operation]) -> None:
    """The same results, and the same dicts behind them."""
    ours, theirs = MemorySaver(), InMemorySaver()
    _compare(ours, theirs, steps)
    assert apply(ours, ("list", (None,), {})) == apply(theirs, ("list", (None,), {}))
    _same_memory(ours, theirs)


@from_seeds("savers_sqlite", operations(), examples=50)
def test_sqlite(steps: list[Operation]) -> None:
    """The same results, the same rows, and each reads the other's."""
    with (
        SqliteSaver.from_conn_string(":memory:") as ours,
        TheirSqliteSaver.from_conn_string(":memory:") as theirs,
    ):
        _compare(ours, theirs, steps)
        ours.setup()
        theirs.setup()
        assert _rows(ours.conn) == _rows(theirs.conn)
        everything: Operation = ("list", (None,), {})
        assert apply(TheirSqliteSaver(ours.conn), everything) == apply(theirs, everything)
        assert apply(SqliteSaver(theirs.conn), everything) == apply(theirs, everything)


@from_seeds("savers_async_twins", operations(), examples=20)
def test_async_twins(steps: list[Operation]) -> None:
    """What a twin does is what the method does."""

    async def run() -> None:
        for make, other in ((_memory, InMemorySaver()), (_sqlite, theirs)):
            async with make() as ours:
                for step in steps:
                    assert await apply_twin(ours, step) == apply(other, step), step

    with TheirSqliteSaver.from_conn_string(":memory:") as theirs:
        asyncio.run(run())


@from_seeds("savers_async_sqlite", operations(), examples=20)
def test_async_sqlite(steps: list[Operation]) -> None:
    """The same results as LangGraph's async saver, and the same rows."""

    async def run() -> None:
        async with (
            AsyncSqliteSaver.from_conn_string(":memory:") as ours,
            TheirAsyncSqliteSaver.from_conn_string(":memory:") as theirs,
        ):
            await ours.setup()
            await theirs.setup()
            for step in steps:
                assert await apply_twin(ours, step) == await apply_twin(theirs, step), step
            assert _rows(ours.conn) == [
                await theirs.conn.execute_fetchall(query) for query in _ROWS
            ]

    asyncio.run(run())
    COUNTS["saver operations"] += len(steps)


def _listed(saver: Any, thread_id: str | None = None) -> list[Any]:
    config = {"configurable": {"thread_id": thread_id}} if thread_id else None
    return list(saver.list(config))


def _key(found: Any) -> tuple[Any, ...]:
    return tuple(found.config["configurable"].values())


def _filled(saver: Any, steps: Sequence[Operation]) -> Any:
    for step in steps:
        apply(saver, step)
    return saver


@contextmanager
def _both(steps: Sequence[Operation]) -> Iterator[Sequence[Any]]:
    with SqliteSaver.from_conn_string(":memory:") as saver:
        yield _filled(MemorySaver(), steps), _filled(saver, steps)


@given(operations())
def test_copied_thread(steps: list[Operation]) -> None:
    """The copy reads as the source, which stays; LangGraph's saver has no such method."""
    with _both(steps) as savers:
        for saver in savers:
            saver.delete_thread("t2")
            before = shown(_listed(saver, "t1"))
            saver.copy_thread("t1", "t2")
            assert shown(_listed(saver, "t2")) == before.replace("'t1'", "'t2'")
            assert shown(_listed(saver, "t1")) == before


@given(operations(), st.lists(st.sampled_from(RUNS)))
def test_deleted_runs(steps: list[Operation], runs: list[str]) -> None:
    """What another run made stays."""
    with _both(steps) as savers:
        for saver in savers:
            stays = [found for found in _listed(saver) if found.metadata.get("run_id") not in runs]
            saver.delete_for_runs(runs)
            assert shown(_listed(saver)) == shown(stays)


def _orphans(saver: Any) -> set[Any]:
    """The values that no checkpoint has, as one that was put again leaves them."""
    used = {
        (*_key(found)[:2], *version)
        for found in _listed(saver)
        for version in found.checkpoint["channel_versions"].items()
    }
    return set(saver.blobs) - used


@given(operations())
def test_values_are_freed(steps: list[Operation]) -> None:
    """With a checkpoint goes what only it has."""
    saver = _filled(MemorySaver(), steps)
    before = _orphans(saver)
    saver.delete_for_runs(["r1"])
    assert _orphans(saver) <= before
    saver.prune(["t1"])
    assert _orphans(saver) <= before


@given(operations())
def test_pruned(steps: list[Operation]) -> None:
    """The newest of each namespace stays, without a parent, and of a finished call nothing."""
    with _both(steps) as savers:
        for saver in savers:
            before = _listed(saver, "t1")
            other = shown(_listed(saver, "t2"))
            heads: dict[str, Any] = {}
            for found in before:
                heads.setdefault(found.config["configurable"]["checkpoint_ns"], found)
            ids = {_key(found)[1:] for found in before}
            stays = []
            for namespace, found in heads.items():
                root = found.metadata["parents"].get("")
                over = ("", root) in ids and heads[""].checkpoint["id"] != root
                if not (over and ":" in namespace):
                    stays.append(found._replace(parent_config=None))
            saver.prune(["t1", "unknown"])
            assert shown(_listed(saver, "t1")) == shown(stays)
            saver.prune(["t1"], strategy="delete")
            assert _listed(saver, "t1") == []
            assert shown(_listed(saver, "t2")) == other


def test_prune_refuses() -> None:
    """As upstream's PostgresSaver."""
    with _both([]) as savers:
        for saver in savers:
            with pytest.raises(TypeError):
                saver.prune("t1")
            with pytest.raises(ValueError):
                saver.prune(["t1"], strategy="other")


# --- LangGraph runs on them ---


class State(TypedDict, total=False):
    items: Annotated[list[Any], operator.add]
    answer: Any
    log: Annotated[list[Any], DeltaChannel(lambda state, writes: [*state, *chain(*writes)])]


def _graph(saver: Any) -> Any:
    """Parallel nodes, Sends, a subgraph, an interrupt, and a channel kept as its writes."""
    inner = StateGraph(State)
    inner.add_node("ask", lambda state: {"answer": interrupt("sure?"), "log": ["asked"]})
    inner.add_edge(START, "ask")
    builder = StateGraph(State)
    builder.add_node("left", lambda state: {"items": ["left"], "log": ["left"]})
    builder.add_node("right", lambda state: {"items": ["right"], "log": ["right"]})
    builder.add_node("sent", lambda state: {"items": [state["n"]], "log": [state["n"]]})
    builder.add_node("inner", inner.compile())
    builder.add_node("last", lambda state: {"items": [state["answer"]]}, defer=True)
    builder.add_edge(START, "left")
    builder.add_edge(START, "right")
    builder.add_conditional_edges("left", lambda state: [Send("sent", {"n": n}) for n in (1, 2)])
    builder.add_edge("right", "inner")
    # No join: LangGraph may store what a join has seen too late, in another thread.
    builder.add_edge("inner", "last")
    builder.add_edge("sent", "last")
    return builder.compile(checkpointer=saver)


CONFIG: Any = {"configurable": {"thread_id": "t1"}, "metadata": {"user": "u"}}


def _run(saver: Any) -> list[str]:
    """What a thread with an interrupt, a branch and an update leaves, without the times."""
    with pinned():
        graph = _graph(saver)
        results = [graph.invoke({"items": [0]}, CONFIG, durability="sync")]
        results.append(graph.invoke(Command(resume="yes"), CONFIG, durability="sync"))
        graph.update_state(CONFIG, {"items": ["by hand"]}, as_node="left")
        results.append(graph.invoke({"items": [5]}, CONFIG, durability="exit"))
        history = [
            (found.values, found.next, found.metadata, found.config, found.parent_config)
            for found in graph.get_state_history(CONFIG)
        ]
    return [repr(results), repr(history), *_without_times(_listed(saver))]


def _without_times(found: Sequence[Any]) -> list[str]:
    texts = []
    for saved in found:
        saved.checkpoint["ts"] = ""
        texts.append(shown(saved))
    return texts


def test_langgraph_on_memory() -> None:
    """An unmodified LangGraph leaves in lgc's saver what it leaves in its own."""
    ours, theirs = MemorySaver(), InMemorySaver()
    assert _run(ours) == _run(theirs)
    assert ours.blobs == theirs.blobs
    assert ours.writes == theirs.writes


def test_langgraph_on_sqlite(tmp_path: Path) -> None:
    """The same for files, and each side goes on with the other's."""
    paths = [str(tmp_path / name) for name in ("ours", "theirs")]
    with SqliteSaver.from_conn_string(paths[0]) as ours:
        left = _run(ours)
    with TheirSqliteSaver.from_conn_string(paths[1]) as theirs:
        assert _run(theirs) == left
    with SqliteSaver.from_conn_string(paths[1]) as ours:
        first = _graph(ours).invoke({"items": ["on"]}, CONFIG)["items"]
    with TheirSqliteSaver.from_conn_string(paths[0]) as theirs:
        assert _graph(theirs).invoke({"items": ["on"]}, CONFIG)["items"] == first


def test_langgraph_on_async_sqlite() -> None:
    """The async loop runs on them, too."""

    async def run(make: Callable[[], Any]) -> list[str]:
        async with make() as saver:
            graph = _graph(saver)
            with pinned():
                first = await graph.ainvoke({"items": [0]}, CONFIG, durability="sync")
                second = await graph.ainvoke(Command(resume="yes"), CONFIG, durability="sync")
            found = [saved async for saved in saver.alist(None)]
            return [repr((first, second)), *_without_times(found)]

    async def compare() -> None:
        theirs = await run(_their_async_sqlite)
        assert await run(_async_sqlite) == theirs
        assert await run(_sqlite) == theirs

    asyncio.run(compare())


def test_prune_leaves_delta_channels() -> None:
    """What a channel is rebuilt from is not pruned, and the rest is."""
    with SqliteSaver.from_conn_string(":memory:") as saver:
        for tried in (MemorySaver(), saver):
            graph = _graph(tried)
            graph.invoke({"items": [0]}, CONFIG)
            graph.invoke(Command(resume="yes"), CONFIG)
            before = graph.get_state(CONFIG)
            count = len(_listed(tried))
            tried.prune(["t1"])
            after = graph.get_state(CONFIG)
            assert after.values == before.values
            assert after.values["log"]
            assert len(_listed(tried)) < count


@dataclass
class Point:
    """A class that only an allow-list lets in."""

    x: int


class PointState(TypedDict):
    point: Point


def test_allowlist_of_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """LangGraph derives a saver that may make the classes of the state."""
    monkeypatch.setattr(_serde, "STRICT_MSGPACK_ENABLED", True)
    plain = Serializer(allowed_msgpack_modules=None)
    for serde in (plain, EncryptedSerializer.from_pycryptodome_aes(plain, key=b"k" * 16)):
        saver = MemorySaver(serde=serde)
        builder = StateGraph(PointState)
        builder.add_node("move", lambda state: {"point": Point(state["point"].x + 1)})
        builder.add_edge(START, "move")
        graph = builder.compile(checkpointer=saver)
        graph.invoke({"point": Point(1)}, CONFIG)
        assert graph.get_state(CONFIG).values == {"point": Point(2)}
        stored = saver.get_tuple(CONFIG)
        assert stored is not None
        assert stored.checkpoint["channel_values"]["point"] == {"x": 2}


# --- what they are ---


@pytest.mark.parametrize("cls", [BaseSaver, MemorySaver])
def test_identity(cls: Any) -> None:
    """LangGraph takes them for its own; a derived class stays itself."""

    class Derived(cls):  # type: ignore[misc]
        pass

    for saver in (cls(), Derived()):
        assert isinstance(saver, BaseCheckpointSaver)
        assert isinstance(saver, cls)
        assert saver.config_specs == []
    assert isinstance(Derived(), Derived)
    assert type(copy.copy(Derived())) is Derived
    assert checkpoint.CheckpointTuple({}, {}, {}) == CheckpointTuple({}, {}, {})  # type: ignore[typeddict-item]


def test_versions() -> None:
    """Upstream's form, and by its chance."""
    for current in (None, 3, f"{7:032}.{0.5:016}"):
        random.seed(1)
        ours = MemorySaver().get_next_version(current)
        random.seed(1)
        assert ours == InMemorySaver().get_next_version(current, None)  # type: ignore[arg-type]


def test_with_allowlist(caplog: pytest.LogCaptureFixture) -> None:
    """A clone of the same data, plain or encrypted; a serializer without a list is warned of."""
    extra = {(Point.__module__, "Point")}
    plain = Serializer(allowed_msgpack_modules=None)
    theirs = JsonPlusSerializer(allowed_msgpack_modules=None)
    for serde in (
        plain,
        EncryptedSerializer.from_pycryptodome_aes(plain, key=b"k" * 16),
        theirs,
        TheirEncryptedSerializer.from_pycryptodome_aes(theirs, key=b"k" * 16),
    ):
        saver = MemorySaver(serde=serde)
        clone = saver.with_allowlist(extra)
        assert clone is not saver
        assert type(clone) is MemorySaver
        assert type(clone.serde) is type(serde)
        assert clone.storage is saver.storage
        written = saver.serde.dumps_typed(Point(1))
        assert saver.serde.loads_typed(written) == {"x": 1}
        assert clone.serde.loads_typed(written) == Point(1)
        assert clone.with_allowlist(extra) is clone
    assert "takes no" not in caplog.text
    old = MemorySaver(serde=_Old())
    assert old.with_allowlist(extra) is old
    assert "does not support msgpack allowlist" in caplog.text


class _Old:
    """A serializer as they were once."""

    def dumps(self, value: Any) -> bytes:
        return repr(value).encode()

    def loads(self, data: bytes) -> Any:
        return eval(data)


STEP: tuple[Any, ...] = (
    {
        "v": 4,
        "ts": "",
        "id": "2",
        "channel_values": {"x": [1]},
        "channel_versions": {"x": 1},
        "versions_seen": {},
    },
    {"source": "loop", "step": 1, "parents": {}},
    {"x": 1},
)
FIRST: Any = {"configurable": {"thread_id": "t1", "checkpoint_ns": "", "checkpoint_id": "1"}}


def test_old_serializer() -> None:
    """It is given tags."""
    ours, theirs = MemorySaver(serde=_Old()), InMemorySaver(serde=_Old())  # type: ignore[arg-type]
    assert ours.put(FIRST, *STEP) == theirs.put(FIRST, *STEP)
    _same_memory(ours, theirs)


def test_values_are_not_shared() -> None:
    """What is changed after a put was not put."""
    with _both([]) as savers:
        for saver in savers:
            value = [1]
            values = {**STEP[0], "channel_values": {"x": value}}
            saved = saver.put_superstep(FIRST, [("k", "", [("x", value)])], values, *STEP[1:])
            value.append(2)
            assert saver.get(saved)["channel_values"] == {"x": [1]}


def test_overridden_parts() -> None:
    """`put_superstep` asks who overrides `put` or `put_writes` for it."""
    asked = []

    class Watching(MemorySaver):
        def put(self, *args: Any) -> Any:
            asked.append("put")
            return super().put(*args)

        async def aput_writes(self, *args: Any) -> None:
            asked.append("aput_writes")
            await super().aput_writes(*args)

    tasks = [("k", "", [("x", 1)])]
    Watching().put_superstep(FIRST, tasks, *STEP)
    asyncio.run(Watching().aput_superstep(FIRST, tasks, *STEP))
    assert asked == ["put", "aput_writes", "put"]


def test_own_saver() -> None:
    """One who writes only the sync methods has the twins, and LangGraph's history of channels."""

    class Own(BaseSaver):
        def __init__(self) -> None:
            super().__init__()
            self.inner = MemorySaver()

        def get_tuple(self, config: Any) -> Any:
            return self.inner.get_tuple(config)

        def list(self, config: Any, **options: Any) -> Any:
            return self.inner.list(config, **options)

        def put(self, *args: Any) -> Any:
            return self.inner.put(*args)

        def put_writes(self, *args: Any) -> None:
            self.inner.put_writes(*args)

    async def run() -> list[Any]:
        graph = _graph(Own())
        await graph.ainvoke({"items": [0]}, CONFIG)
        result = await graph.ainvoke(Command(resume="yes"), CONFIG)
        return [result, [found.values async for found in graph.aget_state_history(CONFIG)]]

    graph = _graph(InMemorySaver())
    graph.invoke({"items": [0]}, CONFIG)
    result = graph.invoke(Command(resume="yes"), CONFIG)
    assert asyncio.run(run()) == [result, [s.values for s in graph.get_state_history(CONFIG)]]


def test_loop_thread_must_not_wait() -> None:
    """As upstream's, the async saver refuses sync calls in its loop's thread, and no others."""

    async def run() -> None:
        async with AsyncSqliteSaver.from_conn_string(":memory:") as saver:
            with pytest.raises(asyncio.InvalidStateError):
                saver.get_tuple(CONFIG)
            with pytest.raises(asyncio.InvalidStateError):
                saver.put(FIRST, *STEP)
            saved = await asyncio.to_thread(saver.put, FIRST, *STEP)
            assert (await saver.aget(saved))["id"] == "2"

    asyncio.run(run())


def test_async_connection() -> None:
    """A connection of aiosqlite belongs to another thread."""
    with pytest.raises(TypeError):
        AsyncSqliteSaver(object())  # type: ignore[arg-type]


# --- SQLite's transactions ---


def test_filter_keys() -> None:
    """They stand in SQL."""
    with SqliteSaver.from_conn_string(":memory:") as saver, pytest.raises(ValueError):
        list(saver.list(None, filter={"a') OR 1=1 --": 1}))


@pytest.mark.parametrize("mode", ["", None, "user"])
def test_one_transaction(tmp_path: Path, mode: Any) -> None:
    """A superstep that fails leaves nothing, whatever the connection's mode."""
    path = tmp_path / "file"
    isolation = "" if mode == "user" else mode
    conn = sqlite3.connect(path, check_same_thread=False, isolation_level=isolation)
    saver = SqliteSaver(conn)
    saver.setup()
    if mode == "user":
        conn.execute("CREATE TABLE mine (x)")
        conn.execute("INSERT INTO mine VALUES (1)")
    broken = {**STEP[0], "id": []}
    with pytest.raises(sqlite3.Error):
        saver.put_superstep(FIRST, [("k", "", [("x", 1)])], broken, *STEP[1:])
    other = sqlite3.connect(path)
    assert _rows(other) == [[], []]
    saver.put_superstep(FIRST, [("k", "", [("x", 1)])], *STEP)
    assert [len(rows) for rows in _rows(other)] == [1, 1]
    if mode == "user":
        assert other.execute("SELECT x FROM mine").fetchall() == [(1,)]
    conn.close()
    other.close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the attribute is of Python 3.12")
def test_autocommit(tmp_path: Path) -> None:
    """A connection that knows no transactions of its own."""
    path = tmp_path / "file"
    conn = sqlite3.connect(path, autocommit=True)  # type: ignore[call-arg,unused-ignore]
    SqliteSaver(conn).put_superstep(FIRST, [("k", "", [("x", 1)])], *STEP)
    other = sqlite3.connect(path)
    assert [len(rows) for rows in _rows(other)] == [1, 1]
    conn.close()
    other.close()


CRASH = f"""
import os, signal, sys
from lgc.savers import SqliteSaver
with SqliteSaver.from_conn_string(sys.argv[1]) as saver:
    for number in range(2, 6):
        stored = {{**{STEP[0]!r}, "id": str(number)}}
        saver.put_superstep({FIRST!r}, [("k", "", [("x", number)])], stored, *{STEP[1:]!r})
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_crash(tmp_path: Path) -> None:
    """What was returned from is in the file, and LangGraph's saver reads it."""
    path = str(tmp_path / "file")
    done = subprocess.run([sys.executable, "-c", CRASH, path], cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL
    with TheirSqliteSaver.from_conn_string(path) as theirs:
        assert [found.checkpoint["id"] for found in theirs.list(None)] == ["5", "4", "3", "2"]
    with SqliteSaver.from_conn_string(path) as saver:
        saver.setup()
        modes = [
            saver.conn.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        ]
    assert modes == ["wal", 2]


def test_threads(tmp_path: Path) -> None:
    """Eight threads on one saver lose nothing."""
    with SqliteSaver.from_conn_string(str(tmp_path / "file")) as saver:
        for tried in (MemorySaver(), saver):
            _from_threads(tried)
            assert len(_listed(tried)) == 8 * 25
            for found in _listed(tried):
                assert found.checkpoint["channel_values"] == {"x": found.checkpoint["id"]}
                assert [write[2] for write in found.pending_writes or ()] == [_key(found)[2]]


def _from_threads(saver: Any) -> None:
    failures = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        config = {"configurable": {"thread_id": f"t{number % 4}", "checkpoint_ns": ""}}
        try:
            for step in range(25):
                name = f"{number}-{step:02}"
                stored = {**STEP[0], "id": name, "channel_values": {"x": name}}
                stored["channel_versions"] = {"x": name}
                saved = saver.put(config, stored, STEP[1], {"x": name})
                saver.put_writes(saved, [("x", name)], "k")
                assert saver.get_tuple(saved) is not None
        except Exception as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []


def test_imports(tmp_path: Path) -> None:
    """Slow modules are loaded by who needs them."""
    script = (
        "import sys\n"
        "from lgc.savers import AsyncSqliteSaver, BaseSaver, MemorySaver, SqliteSaver\n"
        "slow = 'sqlite3 asyncio concurrent.futures dataclasses inspect uuid logging json'\n"
        "print(*sorted(set(slow.split()) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
