"""Runs a script of calls on a tree of graphs, with engines mixed, and compares with LangGraph.

Each engine remembers its own last id only, so ids of a mixed tree are not those of LangGraph
alone: ids, times and ends of versions are named by their turn before they are compared.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any
from unittest.mock import patch

from gates import Gate, gated_loop
from langgraph._internal._queue import SyncQueue
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel._executor import BackgroundExecutor
from langgraph.types import Command
from nested_graphs import Forest
from nested_spec import ALONE, ORACLE, Answer, Engines, NestedCase, Place, Turn
from parity import COUNTS, TRIES, Log, comparable, difference, logged
from threads import THREAD, error_of, without_chance, without_ids

from lgc.savers import MemorySaver

CONFIG: dict[str, Any] = {
    "configurable": {"thread_id": THREAD},
    "recursion_limit": 12,
}


class OnLoop:
    """A graph whose async methods are called on an event loop with a gate.

    Args:
        graph: of either engine.
        gate, seed: where nodes wait, and what draws the order in which they leave.
    """

    def __init__(self, graph: Any, gate: Gate, seed: int) -> None:
        self._graph, self._gate, self._seed = graph, gate, seed
        self.passed: list[Any] = []
        self.left: list[str] = []

    def invoke(self, input: Any, config: Any, **options: Any) -> Any:
        return self._run(self._graph.ainvoke(input, config, **options))

    def stream(self, input: Any, config: Any, **options: Any) -> Iterator[Any]:
        chunks: list[Any] = []

        async def consume() -> None:
            async for chunk in self._graph.astream(input, config, **options):
                chunks.append(comparable(chunk))

        try:
            self._run(consume())
        finally:
            yield from chunks

    def get_state(self, config: Any, **options: Any) -> Any:
        return self._run(self._graph.aget_state(config, **options))

    def get_state_history(self, config: Any, **options: Any) -> Iterator[Any]:
        async def states() -> list[Any]:
            return [state async for state in self._graph.aget_state_history(config, **options)]

        return iter(self._run(states()))

    def update_state(self, config: Any, values: Any, **options: Any) -> Any:
        return self._run(self._graph.aupdate_state(config, values, **options))

    def _run(self, main: Any) -> Any:
        self._seed += 1
        try:
            return gated_loop().run(self._seed, self._gate, main)
        finally:
            self.passed += self._gate.passed
            self.left += [*gated_loop().left, *gated_loop().complaints]
            gated_loop().complaints.clear()


_WAITERS = 64
"""More graphs than any tree streams at once."""


@contextmanager
def waiters_apart() -> Iterator[None]:
    """Has LangGraph wait for chunks of a stream on threads that `max_concurrency` does not count.

    With one thread for all, it would wait there for ever for a task that needs the thread.
    """
    submit = BackgroundExecutor.submit

    def submit_apart(self: Any, fn: Any, *args: Any, **options: Any) -> Any:
        if getattr(fn, "__func__", None) is not SyncQueue.wait:
            return submit(self, fn, *args, **options)
        own, self.executor = self.executor, waiters
        try:
            return submit(self, fn, *args, **options)
        finally:
            self.executor = own

    with (
        ThreadPoolExecutor(_WAITERS) as waiters,
        patch.object(BackgroundExecutor, "submit", submit_apart),
    ):
        yield


@contextmanager
def versions_in_order() -> Iterator[None]:
    """Has versions of one number sort as they were drawn, because rows are sorted by them."""
    turns = count(1)
    with patch.object(random, "random", lambda: 0.1 + next(turns) * 2.0**-40):
        yield


class NoPlace(Exception):
    """A call addresses what is not there."""


def check(case: NestedCase, is_async: bool = False) -> None:
    """Wants lgc on every level, and mixed with LangGraph, to do what LangGraph does alone.

    Args:
        case: the tree and the calls.
        is_async: the async methods are called.
    """
    expected = seen_under(case, ORACLE, is_async)
    for engines in (ALONE, case.mixed):
        actual = seen_under(case, engines, is_async)
        # Which tasks run beside one that fails is chance.
        for _ in range(TRIES if case.tree.is_parallel else 0):
            if expected == actual:
                break
            expected, actual = (
                seen_under(case, ORACLE, is_async),
                seen_under(case, engines, is_async),
            )
        assert expected == actual, f"{engines}\n{readable_difference(expected, actual)}"
        COUNTS["async scripts of trees" if is_async else "scripts of trees"] += 1
        COUNTS["calls on trees"] += len(case.turns)


def readable_difference(expected: str, actual: str) -> str | None:
    """How two texts of `comparable_run` differ, laid out."""
    texts = (_LITERAL_ENDS.sub("\\1\n", text).splitlines() for text in (expected, actual))
    return difference(*texts)


_LITERAL_ENDS = re.compile(r"([,{[(] ?)(?=['\"{[(])")


def seen_under(case: NestedCase, engines: Engines, is_async: bool = False) -> Any:
    """What is seen of every call, and what the savers hold at the end."""
    forest = Forest(engines, Log(), Gate(), is_async)
    saver: Any = None
    if case.saved:
        saver = MemorySaver() if case.own_saver and engines != ORACLE else InMemorySaver()
    graph = forest.compiled(case.tree, saver)
    with waiters_apart(), versions_in_order():
        if is_async:
            graph = OnLoop(graph, forest.gate, case.seed)
        steps: list[Any] = [perform(graph, turn, saver, forest.log) for turn in case.turns]
    if is_async:
        # How many turns of the loop a graph takes to begin is not told.
        for step in steps if case.tree.is_parallel else ():
            step["chunks"] = by_namespace(step["chunks"])
        steps.append(graph.passed)
        assert engines != ALONE or not graph.left, graph.left
    return comparable_run(steps, [saver, *forest.savers])


def comparable_run(steps: list[Any], savers: list[Any]) -> Any:
    """What was seen and is stored, as data without chance that is compared."""
    rows = [list(rows_of(saver)) for saver in savers if saver is not None]
    return without_chance(repr([in_order(steps), rows]))


def by_namespace(chunks: list[Any]) -> Any:
    """The chunks of each graph, in order; as they come if they do not name it."""
    groups: dict[Any, list[Any]] = {}
    for chunk in chunks:
        space = chunk.get("ns") if isinstance(chunk, dict) else chunk[0]
        if not isinstance(space, tuple):
            return chunks
        groups.setdefault(space, []).append(chunk)
    return sorted(groups.items(), key=_order)


def in_order(value: Any) -> Any:
    """`value` with configs by key, and the interrupts of tasks that ran at once by what they ask.

    The order of keys means nothing, and LangGraph collects interrupts from a set.
    """
    if isinstance(value, dict):
        if isinstance(own := value.get("configurable"), dict):
            value = {**value, "configurable": dict(sorted(own.items()))}
        return {key: in_order(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [in_order(item) for item in value]
        if all(isinstance(item, dict) and _INTERRUPT & item.keys() for item in items):
            items.sort(key=repr)
        return type(value)(items)
    return value


_INTERRUPT = {"<Interrupt>", "response_schema"}
"""The keys by which an interrupt is known; what it asks comes first in it."""


def perform(graph: Any, turn: Turn, saver: Any, log: Log) -> Any:
    """What a caller and the nodes see of one call."""
    log.clear()
    result = error = None
    chunks: list[Any] = []
    with logged() as warnings:
        try:
            config = config_at(graph, turn.place, saver)
            if not isinstance(graph, OnLoop):
                # Tasks of a superstep run one after the other, so that nothing is chance.
                config["max_concurrency"] = 1
            options = dict(turn.options)
            if turn.method == "invoke":
                result = comparable(graph.invoke(input_of(graph, turn, config), config, **options))
            elif turn.method == "stream":
                for chunk in graph.stream(input_of(graph, turn, config), config, **options):
                    chunks.append(comparable(chunk))
            elif turn.method == "get_state":
                result = comparable(graph.get_state(config, **options))
            elif turn.method == "get_state_history":
                result = comparable(list(graph.get_state_history(config, **options)))
            else:
                result = comparable(graph.update_state(config, turn.input, **options))
        except Exception as exc:
            error = error_of(exc)
    return {
        "turn": turn,
        "result": result,
        "chunks": chunks,
        "error": error,
        "log": list(log),
        "warnings": list(warnings),
    }


# -- what a call addresses ---------------------------------------------------------------------


def config_at(graph: Any, place: Place, saver: Any) -> dict[str, Any]:
    """The config of a call on the thread.

    Raises:
        NoPlace: the thread has no such place.
    """
    if place.kind == "thread":
        return with_configurable({})
    if place.kind == "unknown":
        return with_configurable({"checkpoint_ns": "nowhere:1"})
    if place.kind == "root":
        own = {"configurable": {"thread_id": THREAD, "checkpoint_ns": ""}}
        saved = _chosen(list(saver.list(own)), place.age)
        return with_configurable(saved.config["configurable"])
    if place.kind == "namespace":
        spaces = [space for space in saver.storage[THREAD] if space] if saver.storage else []
        return with_configurable({"checkpoint_ns": _chosen(spaces, place.child)})
    found = list(_child_configs(graph.get_state(with_configurable({}), subgraphs=True)))
    child = with_configurable(_chosen(found, place.child)["configurable"])
    if place.kind == "child":
        return child
    space = {"checkpoint_ns": child["configurable"]["checkpoint_ns"]}
    history = list(graph.get_state_history(with_configurable(space)))
    return with_configurable(_chosen(history, place.age).config["configurable"])


def with_configurable(configurable: Any) -> dict[str, Any]:
    """The config of every call, with more in it."""
    return {**CONFIG, "configurable": {**CONFIG["configurable"], **configurable}}


def _chosen(found: list[Any], number: int) -> Any:
    if not found:
        raise NoPlace
    return found[number % len(found)]


def _child_configs(state: Any) -> Iterator[Any]:
    """The configs of the children that a state shows, each before its own children."""
    for task in state.tasks:
        if hasattr(task.state, "config"):
            yield task.state.config
            yield from _child_configs(task.state)
        elif task.state is not None:
            yield task.state


def input_of(graph: Any, turn: Turn, config: Any) -> Any:
    """The input of a run; answers by id go to the questions of the checkpoint it addresses."""
    if not isinstance(turn.input, Answer):
        return turn.input
    if turn.input.to == "one":
        return Command(resume=turn.input.value)
    return answers(turn.input, graph.get_state(config))


def answers(answer: Answer, state: Any) -> Any:
    """The Command that answers what a state asks, by ids, in the order of the questions."""
    asked = sorted(state.interrupts, key=lambda each: repr(each.value))
    if answer.to == "first":
        asked = asked[:1]
    return Command(resume={each.id: f"{answer.value} {each.value}" for each in asked})


# -- what is stored ------------------------------------------------------------------------------


def rows_of(saver: Any) -> Iterator[Any]:
    """Every row of an InMemorySaver, decoded, in an order that no id decides."""
    held = {(t, ns) for t, spaces in saver.storage.items() for ns, rows in spaces.items() if rows}
    spaces = {*held, *(key[:2] for key in saver.blobs), *(key[:2] for key in saver.writes)}
    groups = [(space, in_order(list(_rows_in(saver, space)))) for space in spaces]
    # Those that hold the same are of several runs: the older ones first.
    groups.sort(key=lambda group: repr(group[1]))
    yield from sorted(groups, key=_order)


def _order(group: tuple[Any, Any]) -> Any:
    """Namespaces that differ in ids alone come in the order of what they hold."""
    return without_ids(group[0]), without_ids(group[1])


def _rows_in(saver: Any, space: tuple[str, str]) -> Iterator[Any]:
    thread, namespace = space
    loads = saver.serde.loads_typed
    checkpoints = saver.storage.get(thread, {}).get(namespace, {})
    for name, (checkpoint, metadata, parent) in sorted(checkpoints.items()):
        loaded = loads(checkpoint)
        for key in ("channel_versions", "versions_seen", "channel_values"):
            loaded[key] = dict(sorted(loaded.get(key, {}).items()))
        yield name, comparable(loaded), comparable(loads(metadata)), parent
    for key in sorted(key for key in saver.blobs if key[:2] == space):
        kind, data = saver.blobs[key]
        value = None if kind == "empty" else comparable(loads((kind, data)))
        yield "blob", key[2:], kind, value
    for key in sorted(key for key in saver.writes if key[:2] == space):
        yield "writes", key[2]
        yield sorted(_writes(saver.writes[key], loads), key=without_ids)


def _writes(writes: Any, loads: Any) -> Iterator[Any]:
    for (_, index), (task, channel, value, path) in writes.items():
        yield path, channel, index, value[0], comparable(loads(value)), task
