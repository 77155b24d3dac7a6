"""Runs one graph under LangGraph and under lgc and compares all that can be observed.

Both engines run in this process, under the same clock and the same chance, so
ids have to be equal and not merely alike (architecture §6.5).
"""

from __future__ import annotations

import copy
import difflib
import logging
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, is_dataclass, replace
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
from full_path import full_path
from inprocess import compile_in_process
from langchain_core.callbacks import BaseCallbackManager
from langchain_core.messages import BaseMessage
from langgraph.graph.state import StateGraph
from races import Steps, without_races

from lgc.runtime.checkpointing import model
from lgc.runtime.config import merge
from lgc.runtime.graph import CompiledGraph
from lgc.runtime.ids import SOURCES

COUNTS: Counter[str] = Counter()
"""What was compared; the terminal summary of tests/parity prints it."""

_DRAWN_ID = re.compile(r"(lc_run-+)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-\d+)?")

TRIES = 30
"""How often LangGraph is run again when it may do as lgc did by chance."""

_NOW_NS = 1_750_000_000_123_456_700


class Log(list[tuple[Any, ...]]):
    """What the nodes of one builder saw: `(node, what, value)`, values as they were then."""

    def note(self, node: str, what: str, value: Any) -> None:
        """Adds an entry; `value` may change afterwards."""
        self.append((node, what, comparable(value)))

    def visits(self, node: str, what: str) -> int:
        """How many such entries there are."""
        return sum(1 for entry in self if entry[:2] == (node, what))


Build = Callable[[Log], Any]
"""Makes a StateGraph, or a compiled one."""
Compile = Callable[[StateGraph[Any, Any, Any, Any]], CompiledGraph]
Normalise = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Call:
    """One way to run a graph.

    Attributes:
        method: "invoke" or "stream".
        arguments: keyword arguments.
        take: close the stream after so many chunks; None for all.
        full_path: lgc takes the full path where it would take the fast one.
    """

    method: str = "invoke"
    arguments: tuple[tuple[str, Any], ...] = ()
    take: int | None = None
    full_path: bool = False

    def on_full_path(self) -> Call | None:
        """The same call where lgc takes the full path; None if it does so anyway."""
        default = "values" if "invoke" in self.method else "updates"
        modes = dict(self.arguments).get("stream_mode", default)
        wanted = {modes} if isinstance(modes, str) else {*modes}
        return replace(self, full_path=True) if wanted <= FAST_MODES else None


INVOKE = Call()
FULL_PATH = Call(full_path=True)
UPDATES = Call("stream")
VALUES = Call("stream", (("stream_mode", "values"),))
FAST_MODES = {"values", "updates"}
"""The stream modes that lgc has on its fast path."""
BOTH = Call("stream", (("stream_mode", ["values", "updates"]),))


@contextmanager
def pinned() -> Iterator[Callable[[], None]]:
    """Pins time and chance; every entry starts the same sequence anew.

    The clock stands still and the 48 random bits of an id are counted, so a checkpoint
    id drawn once too often, or not at all, changes every id after it.

    Yields a function that moves the clock on by a second. Each engine remembers only its own
    last id, so between calls of two engines on one thread time has to pass.
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
        # LangGraph iterates over this set, and its order shows in the metadata.
        patch.object(upstream_config, "_PROPAGATE_TO_METADATA", merge.TO_METADATA),
        patch.object(upstream_checkpoint, "datetime", _Clock),
        patch.object(upstream_loop, "datetime", _Clock),
        patch.object(model, "now", lambda: _Clock.now(timezone.utc).isoformat()),
    ):
        # SOURCES is native and cannot be patched. 0 harms no later id: ids only have to grow.
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
        options: of `compile`; of a compiled graph they replace its own.
    """
    with edges_in_order():
        target = build(log)
        if isinstance(target, StateGraph):
            return target.compile(**options)
    if not options:
        return target
    interrupts = ("interrupt_before", "interrupt_after")
    return target.copy({f"{k}_nodes" if k in interrupts else k: v for k, v in options.items()})


def comparable(value: Any) -> Any:
    """`value` as data that prints the same for both engines, and does not change any more."""
    if isinstance(value, BaseMessage):
        # A message without an id gets a random one each time.
        return _DRAWN_ID.sub("<uuid>", repr(value))
    if isinstance(value, BaseCallbackManager):
        shown = {name: getattr(value, name) for name in _MANAGER}
        return {"<callbacks>": comparable(shown), "parent_run_id": value.parent_run_id is not None}
    if isinstance(value, Mapping):
        return {key: comparable(item) for key, item in value.items()}
    if hasattr(value, "put_writes"):
        return "<saver>"
    if hasattr(value, "_asdict"):
        return {f"<{type(value).__name__}>": comparable(value._asdict())}
    if isinstance(value, (list, tuple)):
        return type(value)(map(comparable, value))
    if isinstance(value, (set, frozenset)):
        return {f"<{type(value).__name__}>": sorted(map(repr, value))}
    if isinstance(value, BaseException):
        return failure(value)
    if isinstance(value, UUID):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        shown = {field.name: getattr(value, field.name) for field in fields(value)}
        return {f"<{type(value).__name__}>": comparable(shown)}
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


def comparable_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config by its content: the order of its keys means nothing."""
    shown = dict(sorted(config.items()))
    shown["configurable"] = dict(sorted(shown["configurable"].items()))
    result: dict[str, Any] = comparable(shown)
    return result


def failure(error: BaseException | None) -> Any:
    """An exception with its notes and the chain behind it."""
    if error is None:
        return None
    return {
        "class": f"{type(error).__module__}.{type(error).__qualname__}",
        "text": str(error),
        "notes": getattr(error, "__notes__", []),
        "cause": failure(error.__cause__),
        "context": failure(error.__context__) if _HAS_CONTEXTS else None,
    }


# On Python 3.10 asyncio chains cancellations, and LangGraph first makes tasks in a way that fails.
_HAS_CONTEXTS = sys.version_info >= (3, 11)


def observe(
    graph: Any, input: Any, config: Mapping[str, Any] | None, call: Call, log: Log
) -> dict[str, Any]:
    """Runs `graph` on copies of the arguments; returns all that a caller and the nodes can see.

    The entries of `log` are ordered by node: which of two parallel nodes comes
    first is chance.
    """
    log.clear()
    input, config = copy.deepcopy(input), copy.deepcopy(config)
    arguments = dict(call.arguments)
    chunks: list[Any] = []
    result = error = None
    with pinned(), logged() as warnings, full_path() if call.full_path else nullcontext():
        try:
            if call.method == "invoke":
                result = comparable(graph.invoke(input, config, **arguments))
                if "stream_mode" in arguments:
                    result, chunks = None, result
            else:
                stream = graph.stream(input, config, **arguments)
                for chunk in islice(stream, call.take):
                    chunks.append(comparable(chunk))
                stream.close()
        except Exception as exc:
            error = failure(exc)
    return {
        "result": result,
        "chunks": chunks,
        "error": error,
        "log": sorted(log, key=lambda entry: entry[0]),
        "warnings": sorted(warnings),
        "config": comparable(config),
    }


@contextmanager
def logged() -> Iterator[list[str]]:
    """Collects the warnings of LangGraph's loggers, to which lgc logs, too."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    # Warnings of classes in checkpoints come once in a process, from the engine that reads first.
    handler.addFilter(lambda record: not record.name.startswith("langgraph.checkpoint"))
    logger = logging.getLogger("langgraph")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


def supersteps(graph: Any, input: Any, config: Mapping[str, Any] | None) -> Steps:
    """Runs LangGraph's `graph` to see its supersteps."""
    sizes: list[int] = []
    starting = failed = hidden = False
    with pinned(), logged():
        try:
            arguments = copy.deepcopy(input), copy.deepcopy(config)
            for event in graph.stream(*arguments, stream_mode="tasks"):
                if "triggers" not in event:
                    starting = False
                    failed = failed or event["error"] is not None
                elif starting:
                    sizes[-1] += 1
                else:
                    sizes.append(1)
                    starting = True
        except Exception as exc:
            # A Send to `__start__` is a task without a "tasks" chunk.
            notes = getattr(exc, "__notes__", [])
            hidden = any("During task with name '__start__'" in note for note in notes)
    return Steps(tuple(sizes), bool(sizes) and (hidden or (failed and sizes[-1] > 1)))


class SideBySide:
    """One graph, built once for each engine, and its input.

    Attributes:
        steps: the supersteps of a run under LangGraph.
        ordered: the tasks of a superstep run one after the other, so that their order counts.
    """

    def __init__(
        self,
        build: Build,
        input: Any,
        config: Mapping[str, Any] | None = None,
        compiled: Compile = compile_in_process,
    ) -> None:
        """Builds both; the arguments are those of `compare`."""
        self._input, self._config = input, config
        self._logs = Log(), Log()
        theirs = under_langgraph(build, self._logs[0])
        self._graphs = theirs, compiled(build(self._logs[1]))
        self._nodes = set(theirs.builder.nodes)
        self.ordered = (config or {}).get("max_concurrency") == 1
        self.steps = supersteps(theirs, input, config)
        COUNTS["graphs"] += 1

    def compare(self, call: Call, normalised: Normalise | None = None) -> dict[str, Any]:
        """Runs both one way, and wants no difference.

        Args:
            call: how to run them.
            normalised: takes what is chance out of what was observed; by default what
                `without_races` takes out.

        Returns:
            What LangGraph did.

        Raises:
            AssertionError: lgc did something else.
        """

        def seen_by(engine: int) -> dict[str, Any]:
            graph, log = self._graphs[engine], self._logs[engine]
            observed = observe(graph, self._input, self._config, call, log)
            if normalised is not None:
                return normalised(observed)
            abandoned = call.take is not None
            return without_races(observed, self.steps, self._nodes, self.ordered, abandoned)

        expected, actual = seen_by(0), seen_by(1)
        # Which failure LangGraph reports, and which tasks it does not start after one, is chance.
        for _ in range(TRIES if self.steps.races else 0):
            if _shown(expected) == _shown(actual):
                break
            expected = seen_by(0)
        COUNTS["runs"] += 1
        diff = difference(expected, actual)
        if diff is not None:
            raise AssertionError(f"{call}\n{diff}")
        return expected


def compare(
    build: Build,
    input: Any,
    config: Mapping[str, Any] | None = None,
    *calls: Call,
    compiled: Compile = compile_in_process,
) -> list[dict[str, Any]]:
    """Builds a graph once for each engine, runs both every way, and wants no difference.

    Args:
        build: makes the builder, or a compiled graph, whose nodes note what they see in the
            log that it is called with.
        input, config: arguments of every call.
        calls: how to run it; invoke and the three usual streams by default.
        compiled: makes lgc's graph of a builder.

    Returns:
        What LangGraph did, call by call.

    Raises:
        AssertionError: lgc did something else.
    """
    engines = SideBySide(build, input, config, compiled)
    calls = calls or (INVOKE, UPDATES, VALUES, BOTH)
    # Whether a consumer stops before or after a failure is chance.
    chancy = engines.steps.races
    return [engines.compare(call) for call in calls if call.take is None or not chancy]


def difference(expected: Any, actual: Any) -> str | None:
    """How what lgc does differs from what LangGraph does, as a diff; None if it does not."""
    if repr(expected) == repr(actual):
        # Laying out takes far longer than all else.
        return None
    lines = (_shown(seen).splitlines() for seen in (expected, actual))
    return "\n".join(difflib.unified_diff(*lines, "langgraph", "lgc", lineterm="", n=2))


def _shown(seen: Any) -> str:
    return pformat(seen, width=100, sort_dicts=False)
