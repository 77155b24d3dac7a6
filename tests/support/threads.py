"""Runs a script of calls on a thread under each engine; compares what they show and store.

A script names checkpoints and interrupts by their place, never by id: the same script runs
under both engines, and under pinned time and chance the ids are equal (architecture §6.5).
"""

from __future__ import annotations

import asyncio
import copy
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice, product
from pprint import pformat
from typing import Any

from async_twins import CALLERS, STATE_METHODS, itself
from inprocess import compile_in_process
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.errors import EmptyInputError
from langgraph.types import Command, StateUpdate
from parity import (
    COUNTS,
    Build,
    Log,
    comparable,
    difference,
    failure,
    logged,
    pinned,
    under_langgraph,
)

import lgc.savers as savers
from lgc.runtime.upstream import is_instance_of_error

THREAD = "t"

Played = list[tuple[Any, dict[Any, Any]]]
"""What each step of a script showed, and what the saver held after it."""


@dataclass(frozen=True)
class Answers:
    """A Command that answers what the thread has asked.

    Attributes:
        values: the answers.
        by_id: one goes to each pending interrupt, by its id; else the first goes without an id.
        command: makes a Command whose update and goto go with the answers.
    """

    values: tuple[Any, ...]
    by_id: bool = False
    command: Callable[[], Any] | None = None

    def command_for(self, newest: Any) -> Any:
        """The Command that answers what the newest checkpoint has asked, or None for no thread."""
        other = self.command() if self.command else Command()
        if self.by_id:
            resume: Any = dict(zip(pending_interrupts(newest), self.values, strict=False))
        else:
            resume = copy.deepcopy(self.values[0])
        return Command(resume=resume, update=other.update, goto=other.goto, graph=other.graph)


@dataclass(frozen=True)
class Step:
    """One call.

    Attributes:
        method: the graph's method.
        input: its input or its values, what makes them, or Answers.
        at: the checkpoint it addresses, counted from the newest; None for the thread.
        options: keyword arguments; `before` of a history counts as `at` does.
        configurable, metadata: added to the config.
        take: a stream is closed after so many chunks.
    """

    method: str = "invoke"
    input: Any = None
    at: int | None = None
    options: tuple[tuple[str, Any], ...] = ()
    configurable: tuple[tuple[str, Any], ...] = ()
    metadata: tuple[tuple[str, Any], ...] = ()
    take: int | None = None

    @property
    def reads_newest(self) -> bool:
        """Whether its input depends on the newest checkpoint."""
        return isinstance(self.input, Answers) and self.input.by_id

    @property
    def reads_checkpoints(self) -> bool:
        """Whether it addresses a checkpoint by its place."""
        return self.at is not None or dict(self.options).get("before") is not None


@dataclass(frozen=True)
class Script:
    """The calls, and how the graph is compiled."""

    steps: tuple[Step, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    compiled: tuple[tuple[str, Any], ...] = ()

    @property
    def answers_again(self) -> bool:
        """Whether an answer may follow another on one checkpoint beside what a Command wrote.

        LangGraph's savers on SQL keep the first then (docs/differences.md).
        """
        answers = [step.input for step in self.steps if isinstance(step.input, Answers)]
        without_id = [answer for answer in answers if not answer.by_id]
        writes = any(answer.command for answer in answers)
        return len(without_id) > 1 and (writes or any(callable(step.input) for step in self.steps))


THREAD_CONFIG: Any = {"configurable": {"thread_id": THREAD, "checkpoint_ns": ""}}
"""Addresses the thread."""


def pending_interrupts(saved: Any) -> list[str]:
    """The ids of the interrupts that wait at a saved checkpoint, sorted."""
    pending = saved.pending_writes if saved is not None else ()
    return sorted(
        {
            each.id
            for _, name, interrupts in pending
            if name == "__interrupt__"
            for each in interrupts
        }
    )


def config_of(step: Step, config: Mapping[str, Any], checkpoints: Sequence[Any]) -> dict[str, Any]:
    """The config of a step's call.

    Args:
        step: the step.
        config: of every step.
        checkpoints: what is saved, the newest first (`Step.reads_checkpoints`).
    """
    config = copy.deepcopy(dict(config))
    conf = {**config.get("configurable", {}), "thread_id": THREAD, **dict(step.configurable)}
    config["configurable"] = conf
    if step.metadata:
        config["metadata"] = {**config.get("metadata", {}), **dict(step.metadata)}
    if step.at is not None:
        conf.update(checkpoint_ns="", checkpoint_id=id_of(checkpoints, step.at))
    return config


def id_of(checkpoints: Sequence[Any], at: int) -> str:
    """The id of the checkpoint at a place, counted from the newest; of one that is not for none."""
    if not checkpoints:
        return "1ef00000-0000-6000-8000-000000000000"
    name: str = checkpoints[at % len(checkpoints)].config["configurable"]["checkpoint_id"]
    return name


def options_of(step: Step, checkpoints: Sequence[Any]) -> dict[str, Any]:
    """The keyword arguments of a step's call; `checkpoints` as in `config_of`."""
    options = copy.deepcopy(dict(step.options))
    if options.get("before") is not None:
        chosen = {"thread_id": THREAD, "checkpoint_id": id_of(checkpoints, options["before"])}
        options["before"] = {"configurable": chosen}
    return options


def input_of(step: Step, newest: Any) -> Any:
    """The input of a step's call; `newest` is the newest checkpoint (`Step.reads_newest`)."""
    if isinstance(step.input, Answers):
        return step.input.command_for(newest)
    return step.input() if callable(step.input) else copy.deepcopy(step.input)


def error_of(error: Exception) -> Any:
    """A failure of a call, without what is known to differ."""
    if isinstance(error, UnboundLocalError):
        # LangGraph's bug with an empty Command (spec, trap 64): what it meant to say.
        assert "resume_is_map" in str(error)
        return failure(EmptyInputError("Received empty Command input"))
    shown = failure(error)
    if is_instance_of_error(error.__context__, "GraphInterrupt"):
        # lgc applies the writes of finished tasks while it handles the interrupt.
        shown["context"] = None
    return shown


def perform(graph: Any, saver: Any, step: Step, config: Mapping[str, Any], log: Log) -> Any:
    """What a caller and the nodes see of one step."""
    log.clear()
    checkpoints = list(saver.list(THREAD_CONFIG)) if step.reads_checkpoints else []
    newest = saver.get_tuple(THREAD_CONFIG) if step.reads_newest else None
    config = config_of(step, config, checkpoints)
    result = error = None
    chunks: list[Any] = []
    with logged() as warnings:
        try:
            input, options = input_of(step, newest), options_of(step, checkpoints)
            result, chunks = _called(graph, step, input, config, options)
        except Exception as exc:
            error = error_of(exc)
    return {
        "result": result,
        "chunks": chunks,
        "error": error,
        "log": sorted(log, key=lambda entry: entry[0]),
        "warnings": sorted(warnings),
        "config": comparable(config),
    }


def _called(
    graph: Any, step: Step, input: Any, config: Any, options: dict[str, Any]
) -> tuple[Any, list[Any]]:
    if step.method == "invoke":
        result = comparable(graph.invoke(input, config, **options))
        return (None, result) if isinstance(result, list) else (result, [])
    if step.method == "stream":
        chunks = []
        stream = graph.stream(input, config, **options)
        for chunk in islice(stream, step.take):
            chunks.append(comparable(chunk))
        stream.close()
        return None, chunks
    if step.method == "get_state":
        return comparable(graph.get_state(config)), []
    if step.method == "get_state_history":
        return comparable(list(graph.get_state_history(config, **options))), []
    if step.method == "update_state":
        return comparable(graph.update_state(config, input, **options)), []
    supersteps = [[StateUpdate(*update) for update in updates] for updates in input]
    return comparable(graph.bulk_update_state(config, supersteps)), []


# -- savers -----------------------------------------------------------------------------------


@contextmanager
def opened(kind: str, place: Any) -> Iterator[Any]:
    """A saver.

    Args:
        kind: the name of its class; LangGraph's begin with "Upstream". Those that are async have an
            event loop on a thread of their own.
        place: the file of a SqliteSaver, the connection string of a PostgresSaver.
    """
    cls = SAVER_CLASSES[kind]()
    if kind.endswith("MemorySaver"):
        yield cls()
        return
    if "Async" in kind:
        with _on_a_loop(cls, str(place)) as saver:
            yield saver
        return
    with cls.from_conn_string(str(place)) as saver:
        saver.setup()
        yield saver


@contextmanager
def _on_a_loop(cls: Any, place: str) -> Iterator[Any]:
    """A saver of an event loop that runs until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait(call: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(call, loop).result()

    manager = cls.from_conn_string(place)
    try:
        saver = wait(manager.__aenter__())
        wait(saver.setup())
        # What `stored` reads with: the saver's own connection is the loop's.
        with closing(_connect(place)) as saver.reader:
            yield saver
        wait(manager.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _connect(place: str) -> Any:
    if "://" not in place:
        return sqlite3.connect(place)
    import psycopg

    return psycopg.connect(place, autocommit=True)


def _upstream_postgres() -> Any:
    from langgraph.checkpoint.postgres import PostgresSaver

    return PostgresSaver


def _upstream_async_postgres() -> Any:
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    return AsyncPostgresSaver


SAVER_CLASSES: dict[str, Callable[[], Any]] = {
    "MemorySaver": lambda: savers.MemorySaver,
    "SqliteSaver": lambda: savers.SqliteSaver,
    "AsyncSqliteSaver": lambda: savers.AsyncSqliteSaver,
    "PostgresSaver": lambda: savers.PostgresSaver,
    "AsyncPostgresSaver": lambda: savers.AsyncPostgresSaver,
    "UpstreamMemorySaver": lambda: InMemorySaver,
    "UpstreamSqliteSaver": lambda: SqliteSaver,
    "UpstreamAsyncSqliteSaver": lambda: AsyncSqliteSaver,
    "UpstreamPostgresSaver": _upstream_postgres,
    "UpstreamAsyncPostgresSaver": _upstream_async_postgres,
}


def async_kind(kind: str) -> str:
    """The kind of saver that has async methods and stores as `kind` does."""
    return re.sub("(Sqlite|Postgres)", r"Async\1", kind)


def stored(saver: Any) -> dict[Any, Any]:
    """Every row of a saver, as it is stored, by its key."""
    rows: dict[Any, Any] = {}
    if hasattr(saver, "storage"):
        for thread, namespaces in saver.storage.items():
            for namespace, checkpoints in namespaces.items():
                for checkpoint_id, row in checkpoints.items():
                    rows["checkpoints", thread, namespace, checkpoint_id] = row
        for key, blob in saver.blobs.items():
            rows[("checkpoint_blobs", *key)] = blob
        for key, writes in saver.writes.items():
            for place, row in writes.items():
                rows[("writes", *key, *place)] = row
        return rows
    return rows_of(
        getattr(saver, "reader", saver.conn), _TABLES["Postgres" in type(saver).__name__]
    )


def rows_of(connection: Any, tables: Mapping[str, Sequence[str]]) -> dict[Any, Any]:
    """Every row of a database.

    Args:
        connection: to it.
        tables: the key of each.
    """
    rows: dict[Any, Any] = {}
    for table, keys in tables.items():
        cursor = connection.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        for row in cursor.fetchall():
            values = dict(row) if isinstance(row, dict) else dict(zip(names, row, strict=True))
            rows[(table, *(values.pop(key) for key in keys))] = values
    return rows


_CHECKPOINT = ("thread_id", "checkpoint_ns", "checkpoint_id")
_WRITE = (*_CHECKPOINT, "task_id", "idx")
SQLITE_TABLES = {"checkpoints": _CHECKPOINT, "writes": _WRITE}
_TABLES: tuple[dict[str, tuple[str, ...]], ...] = (
    SQLITE_TABLES,
    {
        "checkpoints": _CHECKPOINT,
        "checkpoint_blobs": ("thread_id", "checkpoint_ns", "channel", "version"),
        "checkpoint_writes": _WRITE,
    },
)


def readable(rows: Mapping[Any, Any], saver: Any) -> dict[str, Any]:
    """`stored` for a reader: decoded, and a digest of the bytes."""

    def shown(value: Any) -> Any:
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], bytes):
            digest = blake2b(value[1], digest_size=4).hexdigest()
            loaded = None if value[0] == "empty" else saver.serde.loads_typed(value)
            return f"{value[0]} {digest} {loaded!r}"
        if isinstance(value, tuple):
            return [shown(item) for item in value]
        if isinstance(value, dict):
            kind = value.get("type")
            return {k: shown((kind, v)) if k in _TYPED else shown(v) for k, v in value.items()}
        return value

    return {repr(key): shown(value) for key, value in sorted(rows.items(), key=repr)}


_TYPED = ("checkpoint", "value", "blob")


def content(saver: Any, played: Played) -> list[str]:
    """What a thread holds, and what was seen of it, with chance and time named by their turn."""
    checkpoints = [
        [
            saved.config["configurable"]["checkpoint_ns"],
            saved.checkpoint,
            saved.metadata,
            saved.parent_config and saved.parent_config["configurable"]["checkpoint_id"],
            saved.pending_writes,
        ]
        for saved in sorted(saver.list({"configurable": {"thread_id": THREAD}}), key=_age)
    ]
    seen = [observed for observed, _ in played]
    return without_chance(pformat([checkpoints, seen], width=100)).splitlines()


def without_chance(text: str) -> str:
    """A text whose ids, times and ends of versions are named by their turn."""
    names: dict[str, str] = {}

    def name(match: re.Match[str]) -> str:
        return names.setdefault(match[0], f"<{len(names)}>")

    return _CHANCE.sub(name, text)


def _age(saved: Any) -> str:
    checkpoint_id: str = saved.checkpoint["id"]
    return checkpoint_id


_CHANCE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # a checkpoint or task
    r"|[0-9a-f]{32}(?![0-9.])"  # an interrupt
    r"|(?<=\d{32})\.[0-9.e-]+"  # the end of a version
    r"|\d{4}-\d\d-\d\dT[0-9:.+]+"
)


# -- playing ----------------------------------------------------------------------------------


def upstream(build: Build, log: Log, saver: Any, options: Any) -> Any:
    """The graph under LangGraph."""
    return under_langgraph(build, log, checkpointer=saver, **options)


def ours(build: Build, log: Log, saver: Any, options: Any) -> Any:
    """The graph under lgc."""
    return compile_in_process(build(log)).compile(checkpointer=saver, **options)


class Player:
    """One engine with its view of a thread.

    Args:
        engine: `upstream` or `ours`.
        build: makes the builder.
        script: the calls.
        saver: keeps the thread; several players may share it, or what it stores to.
        caller: one of `async_twins.CALLERS`.
    """

    def __init__(
        self, engine: Any, build: Build, script: Script, saver: Any, caller: Any = itself
    ) -> None:
        self._log = Log()
        self._graph = caller(engine(build, self._log, saver, dict(script.compiled)))
        self._config = script.config
        self.saver = saver

    def play(self, step: Step) -> tuple[Any, dict[Any, Any]]:
        """What a step shows, and what the saver holds after it."""
        observed = perform(self._graph, self.saver, step, self._config, self._log)
        return without_order(observed), stored(self.saver)


def played(players: Sequence[Player], script: Script, *, pin: bool = True) -> Played:
    """Plays a script: each step by the player in its place, the rest by the last player."""
    steps = []
    with pinned() if pin else nullcontext(lambda: None) as later:
        for number, step in enumerate(script.steps):
            later()
            steps.append(players[min(number, len(players) - 1)].play(step))
    return steps


def compare_scripts(
    build: Build,
    script: Script,
    pairs: Sequence[tuple[str, str]],
    *,
    folder: Any = None,
    tries: int = 1,
    pin: bool = True,
) -> None:
    """Runs a script under both engines, and wants no difference, in the savers neither.

    A script that has calls of the state API is run with the sync ones, and with the async ones on
    the savers that have async methods.

    Args:
        build: makes the builder.
        script: the calls.
        pairs: the saver under LangGraph, and the one under lgc.
        folder: where savers with files have them.
        tries: how often the engines run again that differ.
        pin: time and chance are pinned, and the rows equal; else only their content is.
    """
    callers = CALLERS if any(step.method in STATE_METHODS for step in script.steps) else CALLERS[:1]
    for number, (kinds, caller) in enumerate(product(pairs, callers)):
        kinds = kinds if caller is itself else tuple(map(async_kind, kinds))
        for attempt in range(tries):
            places = [folder and folder / f"{number}_{attempt}_{side}.db" for side in (0, 1)]
            with opened(kinds[0], places[0]) as theirs, opened(kinds[1], places[1]) as mine:
                players = Player(upstream, build, script, theirs, caller)
                expected = played([players], script, pin=pin)
                actual = played([Player(ours, build, script, mine, caller)], script, pin=pin)
                if pin:
                    diff = first_difference(expected, actual, theirs, mine, script)
                else:
                    diff = difference(content(theirs, expected), content(mine, actual))
            if diff is None:
                break
        assert diff is None, diff
        COUNTS["scripts"] += 1
        COUNTS["calls on threads"] += len(script.steps)


def without_order(observed: dict[str, Any]) -> dict[str, Any]:
    """`observed` without the order in which the tasks of a superstep came to their ends."""
    chunks: list[Any] = []
    group: list[Any] = []
    for chunk in [*observed["chunks"], None]:
        payload = chunk[1] if isinstance(chunk, tuple) else chunk
        if isinstance(chunk, tuple) and chunk[0] == "values" and not _has_interrupt(payload):
            ends = True
        else:
            ends = payload is None
        if ends:
            # Equal but for their ids are the tasks of one node.
            chunks += [*sorted(group, key=lambda each: (without_ids(each), repr(each))), chunk]
            group = []
        else:
            group.append(chunk)
    result = observed["result"]
    if _has_interrupt(result):
        result = {**result, "__interrupt__": sorted(result["__interrupt__"], key=repr)}
    return {**observed, "chunks": chunks, "result": result}


def without_ids(value: Any) -> str:
    """The text of a value without its ids, times and ends of versions."""
    return _CHANCE.sub("", repr(value))


def _has_interrupt(payload: Any) -> bool:
    return isinstance(payload, dict) and "__interrupt__" in payload


def first_difference(
    expected: Played, actual: Played, saver: Any, other: Any, script: Script
) -> str | None:
    """How what was played differs, in the first step that does; None if none does."""
    for number, (step, *pair) in enumerate(zip(script.steps, expected, actual, strict=True)):
        (theirs, their_rows), (ours, our_rows) = pair
        if (diff := difference(theirs, ours)) is not None:
            return f"step {number}: {step}\n{diff}"
        if their_rows != our_rows:
            rows = readable(their_rows, saver), readable(our_rows, other)
            return f"what is stored after step {number}: {step}\n{difference(*rows)}"
    return None
