"""A process that is killed anywhere loses nothing, and a fresh one finishes its thread.

Nothing that was stored is lost, and what was stored as done is not done again (architecture §6.1).
What was stored is read by LangGraph's savers, not by those under test.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count, pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple
from zlib import crc32

import crashing
import psycopg
import pytest
from crashing import ASYNC_SAVERS, KILLS, STORIES, Update
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command
from psycopg.conninfo import make_conninfo
from seeds import SCALE

from lgc.runtime.channels import base
from lgc.savers import PostgresSaver as OurPostgresSaver

DSN = os.environ.get("LGC_POSTGRES", "")

DURABILITIES = ("sync", "async", "exit")

NULL_TASK = "00000000-0000-0000-0000-000000000000"

_CONTROL = {"__error__", "__error_source_node__", "__interrupt__", "__resume__"}

_SERVED = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s"

_NUMBERS = count(1)

_STRIDE = 3
"""Every so manyth point is one to die at."""


class Attempt(NamedTuple):
    """A process at a thread.

    Attributes:
        status: its exit status; minus a signal.
        lines: its log.
    """

    status: int
    lines: list[dict[str, Any]]

    @property
    def effects(self) -> dict[str, dict[str, Any]]:
        """The lines of nodes, by node, superstep and input.

        Raises:
            AssertionError: one ran twice.
        """
        lines = [line for line in self.lines if "node" in line]
        found = {json.dumps([line["node"], line["step"], line["input"]]): line for line in lines}
        assert len(found) == len(lines), "a node ran twice in one process"
        return found


def last(lines: list[dict[str, Any]], key: str) -> Any:
    """The last line that has `key`, or None."""
    return next((line for line in reversed(lines) if key in line), None)


class Warm:
    """The processes that fork the others, one for each of a few cores."""

    def __init__(self) -> None:
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        self.size = max(1, min(os.cpu_count() or 1, 4) // workers)
        self._free: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        for _ in range(self.size):
            command = [sys.executable, crashing.__file__]
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self._free.put(subprocess.Popen(command, text=True, **pipes))

    def attempt(self, asked: dict[str, Any]) -> Attempt:
        """What a new process does with a request of `crashing`."""
        process = self._free.get()
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            status = int(process.stdout.readline())
        finally:
            self._free.put(process)
        lines = [json.loads(line) for line in Path(asked["log"]).read_text().splitlines()]
        error = last(lines, "error")
        assert error is None, error["error"]
        return Attempt(status, lines)

    def close(self) -> None:
        """Lets them end."""
        for _ in range(self.size):
            self._free.get().communicate()


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    processes = Warm()
    yield processes
    processes.close()


class Case(NamedTuple):
    """A story and how it is stored.

    Attributes:
        warm: forks.
        folder: where the folders of its threads are.
        story, durability, saver: as in the requests of `crashing`.
        inside: SQL statements are points, too.
        dsn: of the database; None for files.
    """

    warm: Warm
    folder: Path
    story: str
    durability: str
    saver: str = "sqlite"
    inside: bool = False
    dsn: str | None = None


class Thread:
    """A thread that goes through a story, in a folder of its own."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.name = str(next(_NUMBERS))
        self.folder = case.folder / self.name
        self.folder.mkdir()
        self.file = self.folder / "store.db"
        self.store = str(self.file)
        if case.dsn is not None:
            self.store = make_conninfo(case.dsn, application_name=self.name)
        self._attempts = 0

    def attempt(self, kill: int, first: int = 0, again: bool = True) -> Attempt:
        """A process at the thread, up to a point or to the end."""
        self._attempts += 1
        return self.case.warm.attempt(
            {
                "story": self.case.story,
                "durability": self.case.durability,
                "saver": self.case.saver,
                "inside": self.case.inside,
                "thread": self.name,
                "store": self.store,
                "log": str(self.folder / f"{self._attempts}.log"),
                "kill": kill,
                "first": first,
                "again": again,
            }
        )

    def stored(self) -> list[Any]:
        """What LangGraph's saver finds of the thread, the newest checkpoint first.

        It opens a copy: to bring a file in order again is left to the saver under test.
        """
        config: Any = {"configurable": {"thread_id": self.name}}
        if self.case.dsn is not None:
            with PostgresSaver.from_conn_string(self.case.dsn) as reader:
                # What a killed client has asked for, its server may still be doing.
                while reader.conn.execute(_SERVED, (self.name,)).fetchone() is not None:
                    time.sleep(0.002)
                return [*reader.list(config)]
        copy = self.folder / "copy.db"
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").unlink(missing_ok=True)
            if Path(f"{self.file}{suffix}").exists():
                shutil.copy(f"{self.file}{suffix}", f"{copy}{suffix}")
        with closing(sqlite3.connect(copy)) as conn:
            conn.execute("PRAGMA synchronous=OFF")
            return [*SqliteSaver(conn).list(config)]


def ids(stored: list[Any]) -> list[str]:
    """The checkpoints' ids."""
    return [saved.checkpoint["id"] for saved in stored]


def next_act(case: Case, lines: list[dict[str, Any]], stored: list[Any]) -> tuple[int, bool]:
    """The act to go on with, and whether its input has to be given again.

    Args:
        case: what the thread goes through.
        lines: what its processes have noted.
        stored: what is stored of it.
    """
    began = last(lines, "began")
    if began is None:
        return 0, True
    number = began["began"]
    if last(lines, "ended") == {"ended": number}:
        return number + 1, True
    story = STORIES[case.story]
    act = story.acts[number]
    # What "exit" hangs the writes to a DeltaChannel on is no checkpoint of an input yet.
    if not stored or not stored[0].checkpoint["channel_versions"]:
        return number, True
    newest = stored[0].checkpoint
    if began["at"] != newest["id"]:
        stops = story.options.get("interrupt_before", ())
        waits = any(f"branch:to:{node}" in newest["channel_values"] for node in stops)
        over = waits or isinstance(act, Update)
        return number + over, over
    if not isinstance(act, Command):
        return number, True
    answers = [
        (task, value) for task, key, value in stored[0].pending_writes if key == "__resume__"
    ]
    # A task that has the answer and was not finished by it asks its next question.
    if any(task != NULL_TASK and value[-1] == act.resume for task, value in answers):
        return number + 1, True
    return number, (NULL_TASK, act.resume) not in answers


def check_order(case: Case, made: Attempt, stored: list[Any]) -> set[str]:
    """The effects that may not come again; a checkpoint never stands before what led to it.

    Args:
        case: what the thread goes through.
        made: the process that was at it.
        stored: what is stored of it now.
    """
    finished = {
        task
        for saved in stored
        for task, channel, _ in saved.pending_writes
        if channel not in _CONTROL
    }
    step = stored[0].metadata["step"] if stored else -2
    durable = set()
    for effect, line in made.effects.items():
        covered = line["step"] <= step
        if case.durability != "exit":
            assert not covered or line["task"] in finished, f"{effect}: checkpoint before writes"
        if case.durability == "sync":
            assert line["step"] <= step + 1, f"{effect}: ran before its checkpoint was stored"
        if covered or line["task"] in finished:
            durable.add(effect)
    return durable


def check_history(case: Case, stored: list[Any]) -> None:
    """Every checkpoint is the parent of the next, and their steps follow each other."""
    parents = [
        saved.parent_config and saved.parent_config["configurable"]["checkpoint_id"]
        for saved in stored
    ]
    assert parents == [*ids(stored)[1:], None]
    steps = [saved.metadata["step"] for saved in stored]
    for after, before in pairwise(steps):
        assert after > before if case.durability == "exit" else after == before + 1


def check_deaths(case: Case, whole: Attempt, points: tuple[int, ...]) -> int:
    """Kills one process after the other, has the last finish, and compares with `whole`.

    Args:
        case: what the thread goes through.
        whole: a process that was not killed.
        points: where each is killed; a later one may be done before.

    Returns:
        How many were killed.
    """
    thread = Thread(case)
    lines: list[dict[str, Any]] = []
    stored: list[Any] = []
    done: set[str] = set()
    kills, begin = 0, (0, True)
    for point in (*points, 0):
        made = thread.attempt(point, *begin)
        lines += made.lines
        where = f"killed at {[line['killed'] for line in lines if 'killed' in line]}"
        assert made.status in (0, -signal.SIGKILL), where
        assert done.isdisjoint(made.effects), f"{where}: what was stored is done again"
        assert set(made.effects) <= set(whole.effects), where
        older, stored = stored, thread.stored()
        assert ids(stored)[len(stored) - len(older) :] == ids(older), f"{where}: one is lost"
        done |= check_order(case, made, stored)
        if made.status == 0:
            break
        kills += 1
        begin = next_act(case, lines, stored)
    # On an event loop it is a matter of time how many calls are made when siblings are cancelled,
    # and how many statements are one transaction.
    varies = case.saver in ASYNC_SAVERS and (case.inside or case.story == "failure")
    assert kills or varies, f"{points[0]} was not reached"
    assert last(lines, "history")["history"] == last(whole.lines, "history")["history"], where
    assert done == set(whole.effects), where
    check_history(case, stored)
    shutil.rmtree(thread.folder)
    return kills


def sampled(case: Case, points: int) -> range:
    """The points of 1 to `points` to die at; stories, durabilities and engines differ in which."""
    stride = max(1, round(_STRIDE / SCALE))
    names = [case.story, case.durability, case.saver, Path(base.__file__).suffix]
    return range(1 + crc32("/".join(names).encode()) % min(stride, points), points + 1, stride)


def check_case(case: Case, second: int = 0) -> None:
    """Kills a process at the points of a story: at a third of them, or at all with LGC_SCALE=3.

    Args:
        case: the story.
        second: the one that goes on is killed, too, at a point up to this one.
    """
    thread = Thread(case)
    whole = thread.attempt(0)
    check_history(case, thread.stored())

    def die(point: int) -> int:
        return check_deaths(case, whole, (point, point % second + 1) if second else (point,))

    with ThreadPoolExecutor(case.warm.size) as pool:
        kills = pool.map(die, sampled(case, last(whole.lines, "history")["points"]))
        KILLS[case.saver] += sum(kills)


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("story", STORIES)
def test_sqlite(warm: Warm, tmp_path: Path, story: str, durability: str) -> None:
    check_case(Case(warm, tmp_path, story, durability))


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("story", STORIES)
def test_on_an_event_loop(warm: Warm, tmp_path: Path, story: str, durability: str) -> None:
    check_case(Case(warm, tmp_path, story, durability, "async sqlite"))


@pytest.mark.parametrize("durability", ["sync", "async"])
def test_on_an_event_loop_without_put_superstep(
    warm: Warm, tmp_path: Path, durability: str
) -> None:
    check_case(Case(warm, tmp_path, "fan", durability, "their async sqlite"))


@pytest.mark.parametrize("story", ["fan", "questions"])
def test_inside_the_saver(warm: Warm, tmp_path: Path, story: str) -> None:
    """At every SQL statement, those of a transaction included."""
    check_case(Case(warm, tmp_path, story, "sync", inside=True))


@pytest.mark.parametrize(
    ("saver", "story", "durability"),
    [
        ("async sqlite", "fan", "async"),
        ("async sqlite", "questions", "sync"),
        ("their async sqlite", "fan", "sync"),
    ],
)
def test_inside_a_saver_on_an_event_loop(
    warm: Warm, tmp_path: Path, saver: str, story: str, durability: str
) -> None:
    """At every SQL statement, which another thread than the event loop's makes."""
    check_case(Case(warm, tmp_path, story, durability, saver, inside=True))


@pytest.mark.parametrize("durability", DURABILITIES)
def test_twice(warm: Warm, tmp_path: Path, durability: str) -> None:
    """The process that goes on is killed as well."""
    check_case(Case(warm, tmp_path, "questions", durability), second=7)


@pytest.mark.parametrize("durability", ["sync", "async"])
def test_saver_without_put_superstep(warm: Warm, tmp_path: Path, durability: str) -> None:
    check_case(Case(warm, tmp_path, "fan", durability, "their sqlite"))


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The connection string of a database with a saver's tables."""
    name = f"lgc_crash_{os.getpid()}"
    with psycopg.connect(DSN, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        dsn = make_conninfo(DSN, dbname=name)
        with OurPostgresSaver.from_conn_string(dsn) as saver:
            saver.setup()
        yield dsn
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.skipif(not DSN, reason="LGC_POSTGRES is not set: make test-postgres")
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("story", STORIES)
def test_postgres(warm: Warm, tmp_path: Path, story: str, durability: str, database: str) -> None:
    check_case(Case(warm, tmp_path, story, durability, "postgres", dsn=database))


@pytest.mark.skipif(not DSN, reason="LGC_POSTGRES is not set: make test-postgres")
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("story", ["fan", "delta", "questions"])
def test_postgres_on_an_event_loop(
    warm: Warm, tmp_path: Path, story: str, durability: str, database: str
) -> None:
    check_case(Case(warm, tmp_path, story, durability, "async postgres", dsn=database))
