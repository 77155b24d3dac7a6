"""Runs one graph under LangGraph and under lgc and compares all that can be observed.

Both engines run in this process, under the same clock and the same chance, so
ids have to be equal and not merely alike (design §8.1).
"""

from __future__ import annotations

import copy
import difflib
import logging
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timezone
from itertools import count, islice
from pprint import pformat
from typing import Any
from unittest.mock import patch
from uuid import UUID

import langgraph._internal._config as upstream_config
import langgraph.checkpoint.base.id as upstream_id
import langgraph.pregel._checkpoint as upstream_checkpoint
import langgraph.pregel._loop as upstream_loop
from inprocess import compile_in_process
from langchain_core.callbacks import BaseCallbackManager
from langchain_core.messages import BaseMessage
from langgraph.graph.state import StateGraph

from lgc.runtime import graph
from lgc.runtime.checkpointing import model
from lgc.runtime.config import merge
from lgc.runtime.drivers.fast_path import invoke
from lgc.runtime.graph import CompiledGraph
from lgc.runtime.ids import SOURCES

COUNTS: Counter[str] = Counter()
"""What was compared; the terminal summary of tests/parity prints it."""

_DRAWN_ID = re.compile(r"(lc_run-+)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-\d+)?")

_TRIES = 30
"""How often LangGraph is run again when it may do as lgc did by chance."""

_NOW_NS = 1_750_000_000_123_456_700


class Log(list[tuple[Any, ...]]):
    """What the nodes of one builder saw: `(node, what, value)`, values as they were then."""

    def note(self, node: str, what: str, value: Any) -> None:
        """Adds an entry; `value` may change afterwards."""
        self.append((node, what, plain(value)))

    def visits(self, node: str, what: str) -> int:
        """How many such entries there are."""
        return sum(1 for entry in self if entry[:2] == (node, what))


Build = Callable[[Log], Any]
"""Makes a StateGraph, or a compiled one."""
Compile = Callable[[StateGraph[Any, Any, Any, Any]], CompiledGraph]


@dataclass(frozen=True)
class Call:
    """One way to run a graph.

    Attributes:
        method: "invoke" or "stream".
        arguments: keyword arguments.
        take: close the stream after so many chunks; None for all.
        full_lane: lgc runs an invoke in its full lane.
    """

    method: str = "invoke"
    arguments: tuple[tuple[str, Any], ...] = ()
    take: int | None = None
    full_lane: bool = False


INVOKE = Call()
UPDATES = Call("stream")
VALUES = Call("stream", (("stream_mode", "values"),))
BOTH = Call("stream", (("stream_mode", ["values", "updates"]),))


@contextmanager
def pinned() -> Iterator[Callable[[], None]]:
    """Pins time and chance; every entry starts the same sequence anew.

    The clock stands still and the 48 bits of an id are counted, so a checkpoint
    id drawn once too often, or not at all, shows in all that follow.

    Gives what moves the clock on: each engine remembers its own last id only, so
    between calls of two engines on one thread time has to pass.
    """
    now = _NOW_NS

    def later() -> None:
        nonlocal now
        now += 1_000_000_000

    nodes, chances = count(1), count(1)
    draw = random.getrandbits
    with (
        patch.object(time, "time_ns", lambda: now),
        patch.object(time, "time", lambda: now / 1e9),
        patch.object(random, "getrandbits", lambda k: next(nodes) if k == 48 else draw(k)),
        patch.object(random, "random", lambda: next(chances) / 2**20),
        patch.object(upstream_id, "_last_v6_timestamp", None),
        # A set of LangGraph's, whose order shows in the metadata.
        patch.object(upstream_config, "_PROPAGATE_TO_METADATA", merge.TO_METADATA),
        patch.object(upstream_checkpoint, "datetime", _Clock),
        patch.object(upstream_loop, "datetime", _Clock),
        patch.object(model, "now", lambda: _Clock.now(timezone.utc).isoformat()),
    ):
        # The native object cannot be patched; ids only have to grow, so 0 is a good value later.
        SOURCES.last = 0
        yield later


class _Clock:
    """In place of the class datetime."""

    @staticmethod
    def now(zone: timezone) -> datetime:
        return datetime.fromtimestamp(time.time(), zone)


class _OrderedSet(set[Any]):
    """A set that iterates in a given order."""

    def __init__(self, items: Sequence[Any]) -> None:
        super().__init__(items)
        self._items = list(items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)


def same_edge_order(builder: StateGraph[Any, Any, Any, Any]) -> StateGraph[Any, Any, Any, Any]:
    """Makes LangGraph attach edges and joins in the order of lgc's pass `order`."""
    position = {name: i for i, name in enumerate(["__start__", *builder.nodes, "__end__"])}
    builder.edges = _OrderedSet(
        sorted(builder.edges, key=lambda edge: [position[name] for name in edge])
    )
    builder.waiting_edges = _OrderedSet(
        sorted(
            builder.waiting_edges,
            key=lambda join: (position[join[1]], [position[start] for start in join[0]]),
        )
    )
    return builder


@contextmanager
def edges_in_order() -> Iterator[None]:
    """Has LangGraph compile every graph with its edges as `same_edge_order` has them."""
    original = StateGraph.compile

    def compile(self: Any, *args: Any, **kwargs: Any) -> Any:
        return original(same_edge_order(self), *args, **kwargs)

    with patch.object(StateGraph, "compile", compile):
        yield


def under_langgraph(build: Build, log: Log, **options: Any) -> Any:
    """LangGraph's graph of what `build` makes.

    Args:
        build, log: `build` is called with the log.
        options: of `compile`; a compiled graph is given them instead.
    """
    with edges_in_order():
        target = build(log)
        if isinstance(target, StateGraph):
            return target.compile(**options)
    if not options:
        return target
    interrupts = ("interrupt_before", "interrupt_after")
    return target.copy({f"{k}_nodes" if k in interrupts else k: v for k, v in options.items()})


def plain(value: Any) -> Any:
    """`value` as data that prints the same for both engines, and does not change any more."""
    if isinstance(value, BaseMessage):
        # An id that was not given is drawn anew each time.
        return _DRAWN_ID.sub("<uuid>", repr(value))
    if isinstance(value, BaseCallbackManager):
        shown = {name: getattr(value, name) for name in _MANAGER}
        return {"<callbacks>": plain(shown), "parent_run_id": value.parent_run_id is not None}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if hasattr(value, "put_writes"):
        return "<saver>"
    if hasattr(value, "_asdict"):
        return {f"<{type(value).__name__}>": plain(value._asdict())}
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value))
    if isinstance(value, (set, frozenset)):
        return {f"<{type(value).__name__}>": sorted(map(repr, value))}
    if isinstance(value, BaseException):
        return failure(value)
    if isinstance(value, UUID):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        shown = {field.name: getattr(value, field.name) for field in fields(value)}
        return {f"<{type(value).__name__}>": plain(shown)}
    if callable(value):
        return "<callable>"
    if type(value).__repr__ is object.__repr__:
        return f"<{type(value).__name__}>"
    return value if isinstance(value, (str, int, float, type(None))) else repr(value)


_MANAGER = (
    "handlers",
    "inheritable_handlers",
    "tags",
    "inheritable_tags",
    "metadata",
    "inheritable_metadata",
)


def plain_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config by its content: the order of its keys means nothing."""
    shown = dict(sorted(config.items()))
    shown["configurable"] = dict(sorted(shown["configurable"].items()))
    plainly: dict[str, Any] = plain(shown)
    return plainly


def failure(error: BaseException | None) -> Any:
    """An exception with its notes and the chain behind it."""
    if error is None:
        return None
    return {
        "class": f"{type(error).__module__}.{type(error).__qualname__}",
        "text": str(error),
        "notes": getattr(error, "__notes__", []),
        "cause": failure(error.__cause__),
        "context": failure(error.__context__),
    }


def observe(
    graph: Any, input: Any, config: Mapping[str, Any] | None, call: Call, log: Log
) -> dict[str, Any]:
    """Runs `graph` on copies of the arguments; all that a caller and the nodes could see.

    The entries of `log` are ordered by node: which of two parallel nodes comes
    first is chance.
    """
    log.clear()
    input, config = copy.deepcopy(input), copy.deepcopy(config)
    arguments = dict(call.arguments)
    chunks: list[Any] = []
    result = error = None
    with pinned(), logged() as warnings:
        try:
            if call.method == "invoke":
                with _lane(call):
                    result = plain(graph.invoke(input, config, **arguments))
                if "stream_mode" in arguments:
                    result, chunks = None, result
            else:
                stream = graph.stream(input, config, **arguments)
                for chunk in islice(stream, call.take):
                    chunks.append(plain(chunk))
                stream.close()
        except Exception as exc:
            error = failure(exc)
    return {
        "result": result,
        "chunks": chunks,
        "error": error,
        "log": sorted(log, key=lambda entry: entry[0]),
        "warnings": sorted(warnings),
        "config": plain(config),
    }


@contextmanager
def _lane(call: Call) -> Iterator[None]:
    """Has lgc run a call in the lane that it asks for; LangGraph has one only."""

    def full(scope: Any, value: Any, thread: Any, recorder: Any) -> Any:
        return invoke(scope, value, thread, recorder, False)

    with patch.object(graph, "invoke", full) if call.full_lane else nullcontext():
        yield


@contextmanager
def logged() -> Iterator[list[str]]:
    """What LangGraph's loggers, and lgc under their name, say."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    # Of the classes in checkpoints: said once in a process, by whichever engine reads one first.
    handler.addFilter(lambda record: not record.name.startswith("langgraph.checkpoint"))
    logger = logging.getLogger("langgraph")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


@dataclass(frozen=True)
class Steps:
    """The supersteps of a run under LangGraph, the hidden first one left out.

    Attributes:
        sizes: how many tasks each has.
        races: a task of the last one fails while others run, so it is chance which
            of their chunks come out before the exception.
    """

    sizes: tuple[int, ...]
    races: bool


def supersteps(graph: Any, input: Any, config: Mapping[str, Any] | None) -> Steps:
    """Runs LangGraph's `graph` to see its supersteps."""
    sizes: list[int] = []
    starting = failed = hidden = False
    with pinned(), logged():
        try:
            given = copy.deepcopy(input), copy.deepcopy(config)
            for event in graph.stream(*given, stream_mode="tasks"):
                if "triggers" not in event:
                    starting = False
                    failed = failed or event["error"] is not None
                elif starting:
                    sizes[-1] += 1
                else:
                    sizes.append(1)
                    starting = True
        except Exception as exc:
            # A Send to `__start__` makes a task of which there is no event.
            notes = getattr(exc, "__notes__", [])
            hidden = any("During task with name '__start__'" in note for note in notes)
    return Steps(tuple(sizes), bool(sizes) and (hidden or (failed and sizes[-1] > 1)))


def without_races(
    observed: dict[str, Any], steps: Steps, nodes: set[str], ordered: bool, abandoned: bool
) -> dict[str, Any]:
    """`observed` without what LangGraph leaves to chance in supersteps of several tasks.

    The order of their `updates` chunks is the order of completion; when one of
    them fails, or the consumer stops, it is chance which of the others' are out.
    `custom` chunks, which name who wrote them and when, come between them.

    Args:
        observed: what `observe` gave.
        steps: what `supersteps` gave.
        nodes: the names by which an untagged `updates` chunk is known.
        ordered: the tasks ran one after the other, so their order counts.
        abandoned: the consumer stopped early.
    """
    chunks: list[Any] = []
    written: list[Any] = []
    group: list[Any] = []
    done = 0

    def flush() -> None:
        chunks.extend(written if ordered else sorted(written, key=_writer))
        written.clear()

    for chunk in observed["chunks"]:
        if _is_custom(chunk):
            if steps.races:
                continue
            if written and _step(chunk) != _step(written[0]):
                flush()
            written.append(chunk)
        elif not _is_update(chunk, nodes):
            flush()
            chunks.append(chunk)
        else:
            group.append(chunk)
            if done < len(steps.sizes) and len(group) == steps.sizes[done]:
                flush()
                chunks += group if ordered else sorted(group, key=repr)
                group = []
                done += 1
    if abandoned and not ordered and (written or group):
        chunks.append(f"{len(written) + len(group)} chunks of the last superstep")
        written.clear()
        group = []
    flush()
    if steps.races:
        if done == len(steps.sizes):
            del chunks[-steps.sizes[-1] :]
        group = []
        if not ordered and observed["error"] is not None:
            # A state that its model refuses fails all of them; the notes say which was first.
            observed = {**observed, "error": {**observed["error"], "notes": None}}
    elif group and not ordered:
        group = [f"{len(group)} of {steps.sizes[done]}"]
    return {**observed, "chunks": chunks + group}


def _is_update(chunk: Any, nodes: set[str]) -> bool:
    if isinstance(chunk, tuple):
        return bool(chunk[0] == "updates" and "__interrupt__" not in chunk[1])
    return isinstance(chunk, dict) and len(chunk) == 1 and set(chunk) <= nodes


def _payload(chunk: Any) -> Any:
    return chunk[1] if isinstance(chunk, tuple) else chunk


def _is_custom(chunk: Any) -> bool:
    payload = _payload(chunk)
    return isinstance(payload, dict) and set(payload) == {"custom", "step", "n"}


def _step(chunk: Any) -> Any:
    return _payload(chunk)["step"]


def _writer(chunk: Any) -> str:
    return str(_payload(chunk)["custom"])


def compare(
    build: Build,
    input: Any,
    config: Mapping[str, Any] | None = None,
    *calls: Call,
    compiled: Compile = compile_in_process,
) -> list[dict[str, Any]]:
    """Builds a graph once for each engine, runs both every way, and wants no difference.

    Args:
        build: makes the builder, or a compiled graph; its nodes note what they see in the log
            they are given.
        input, config: arguments of every call.
        calls: how to run it; invoke and the three usual streams by default.
        compiled: makes lgc's graph of a builder.

    Returns:
        What LangGraph did, call by call.
    """
    theirs_log, ours_log = Log(), Log()
    theirs = under_langgraph(build, theirs_log)
    ours = compiled(build(ours_log))
    nodes = set(theirs.builder.nodes)
    ordered = (config or {}).get("max_concurrency") == 1
    steps = supersteps(theirs, input, config)
    COUNTS["graphs"] += 1
    seen = []
    for call in calls or (INVOKE, UPDATES, VALUES, BOTH):
        if steps.races and call.take is not None:
            # Whether the consumer stops before or after the failure is chance.
            continue

        def seen_by(graph: Any, log: Log, call: Call = call) -> dict[str, Any]:
            observed = observe(graph, input, config, call, log)
            return without_races(observed, steps, nodes, ordered, call.take is not None)

        expected, actual = seen_by(theirs, theirs_log), seen_by(ours, ours_log)
        # Which failure LangGraph reports, and which tasks it does not start after one, is chance.
        for _ in range(_TRIES if steps.races else 0):
            if _shown(expected) == _shown(actual):
                break
            expected = seen_by(theirs, theirs_log)
        COUNTS["runs"] += 1
        _assert_same(expected, actual, call)
        seen.append(expected)
    return seen


def _assert_same(expected: Any, actual: Any, call: Call) -> None:
    found = difference(expected, actual)
    if found is not None:
        raise AssertionError(f"{call}\n{found}")


def difference(expected: Any, actual: Any) -> str | None:
    """How what lgc does differs from what LangGraph does, as a diff; None if it does not."""
    if repr(expected) == repr(actual):
        # Laying out takes far longer than all else.
        return None
    lines = (_shown(seen).splitlines() for seen in (expected, actual))
    return "\n".join(difflib.unified_diff(*lines, "langgraph", "lgc", lineterm="", n=2))


def _shown(seen: Any) -> str:
    return pformat(seen, width=100, sort_dicts=False)
