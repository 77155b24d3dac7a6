"""Random graphs of async and sync nodes, and random ways to run them on an event loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from async_case import MODES
from async_runs import AsyncSideBySide
from async_threads import compare_async_scripts
from channel_kinds import MANAGED
from graph_builder import build
from graph_spec import GraphSpec
from graph_strategy import cases, chance
from hypothesis import strategies as st
from inprocess import compile_in_process
from langgraph.graph import START
from parity import COUNTS, TRIES, Call, Compile, SideBySide
from random_graphs import Case
from random_threads import Thread, threads
from threads import Step


@dataclass(frozen=True)
class AsyncCase:
    """A case whose calls run on an event loop.

    Attributes:
        case: its graph may have async nodes and routers.
        seed: draws the order in which nodes go on that wait at the gate.
        sync_calls: how the graph is run without an event loop, with no part async.
    """

    case: Case
    seed: int
    sync_calls: tuple[Call, ...]


def check_async(case: AsyncCase, compiled: Compile = compile_in_process) -> None:
    """Wants lgc to do what LangGraph does, in every call of `case`.

    Args:
        compiled: makes lgc's graph of a builder.
    """
    graph = case.case.graph
    COUNTS["async graphs"] += 1
    for feature in graph.features():
        COUNTS[f"async graphs {feature}"] += 1
    engines = AsyncSideBySide(
        lambda log, gate: build(graph, log, gate),
        case.case.new_input(),
        case.case.config,
        compiled,
    )
    twins = [twin for call in case.case.calls if (twin := call.on_full_path()) is not None]
    for number, call in enumerate((*case.case.calls, *twins)):
        engines.compare(call, case.seed + number)
    _check_sync(case)


def _check_sync(case: AsyncCase) -> None:
    """The sync methods, on the graph with no part async: every mode, both versions."""
    graph, config = without_async_parts(case.case.graph), case.case.config
    engines = SideBySide(lambda log: build(graph, log), case.case.new_input(), config)

    def unordered(observed: dict[str, Any]) -> dict[str, Any]:
        """Without what LangGraph leaves to chance when tasks run at once."""
        chunks = observed["chunks"]
        if engines.steps.races:
            # Which chunks come out before the exception.
            return {**observed, "chunks": None}
        if engines.ordered or max(engines.steps.sizes, default=0) < 2:
            return observed
        of_states = [chunk for chunk in chunks if _is_of_state(chunk)]
        return {**observed, "chunks": [of_states, sorted(map(repr, chunks))]}

    for call in case.sync_calls:
        modes = dict(call.arguments).get("stream_mode", ())
        if not (engines.ordered and "custom" in modes):
            # With one place for a task, LangGraph waits forever for custom chunks (spec §8).
            engines.compare(call, unordered)


def _is_of_state(chunk: Any) -> bool:
    """Whether a chunk, which names its mode, tells of all channels and not of a task."""
    return (chunk["type"] if isinstance(chunk, dict) else chunk[0]) in ("values", "checkpoints")


@st.composite
def async_cases(draw: Any) -> AsyncCase:
    """Cases over everything that random graphs have, with any of their parts async."""
    drawn: Case = draw(cases())
    graph = with_async_parts(draw, drawn.graph)
    calls, sync_calls = _draw_calls(draw, graph)
    case = replace(drawn, graph=graph, calls=calls)
    return AsyncCase(case, draw(st.integers(0, 2**16)), sync_calls)


def with_async_parts(draw: Any, graph: GraphSpec) -> GraphSpec:
    """The graph with some of its nodes and routers, or all, or none, as async functions."""
    percent = draw(st.sampled_from((50, 50, 100, 0)))

    def drawn(part: Any) -> Any:
        if not chance(draw, percent):
            return part
        return replace(part, is_async=True, suspends=draw(st.integers(0, 2)))

    nodes, routers = tuple(map(drawn, graph.nodes)), tuple(map(drawn, graph.routers))
    return replace(graph, nodes=nodes, routers=routers)


def without_async_parts(graph: GraphSpec) -> GraphSpec:
    """The graph with every node and router as a sync function."""

    def sync(part: Any) -> Any:
        return replace(part, is_async=False)

    nodes, routers = tuple(map(sync, graph.nodes)), tuple(map(sync, graph.routers))
    return replace(graph, nodes=nodes, routers=routers)


def draw_modes(draw: Any) -> Any:
    """A stream mode, a list or tuple of some, or all of them."""
    several = st.lists(st.sampled_from(MODES), min_size=1, unique=True)
    return draw(st.sampled_from(MODES) | several | several.map(tuple) | st.just([*MODES]))


def _draw_calls(draw: Any, graph: GraphSpec) -> tuple[tuple[Call, ...], tuple[Call, ...]]:
    """An invoke, streams of all modes and of some, one in version 2, and one left early; sync ones.

    The sync streams are of several modes, so that a chunk says what it is.
    """
    stored = [key for key, kind in graph.keys if kind not in MANAGED]
    context = {"user": "u", "n": "1"} if chance(draw, 70) else {"n": 1}
    usual = (("context", context),) if graph.context else ()
    version = (("version", "v2"),)
    keys = st.sampled_from(stored) | st.lists(st.sampled_from(stored), unique=True)

    def modes() -> tuple[tuple[str, Any], ...]:
        return (("stream_mode", draw_modes(draw)),)

    def maybe_keys() -> tuple[tuple[str, Any], ...]:
        return (("output_keys", draw(keys)),) if chance(draw, 20) else ()

    calls = [
        Call("ainvoke", (*usual, *maybe_keys())),
        Call("astream", (*usual, ("stream_mode", [*MODES]))),
        Call("astream", (*usual, *modes(), *maybe_keys())),
        Call("astream", (*usual, *modes(), *version, *maybe_keys())),
        Call("astream", (*usual, *modes()), draw(st.integers(0, 6))),
        Call("ainvoke", (*usual, *version, *(modes() if chance(draw, 50) else ()))),
    ]
    several = st.lists(st.sampled_from(MODES), min_size=1, unique=True)
    sync_calls = [
        Call("stream", (*usual, ("stream_mode", draw(several)), *maybe_keys())),
        Call("stream", (*usual, ("stream_mode", draw(several)), *version, *maybe_keys())),
        Call("invoke", (*usual, *version, *maybe_keys())),
    ]
    return tuple(calls), tuple(sync_calls)


@dataclass(frozen=True)
class AsyncThread:
    """A thread whose calls run on an event loop; `seed` as in AsyncCase."""

    thread: Thread
    seed: int


def check_async_thread(
    case: AsyncThread, pairs: Any, folder: Any = None, compiled: Compile = compile_in_process
) -> None:
    """Wants lgc to do what LangGraph does, in every call, and to store the same.

    The arguments but `case` are those of `compare_async_scripts`.
    """
    graph, script = case.thread.graph, case.thread.script
    if folder is not None or f"Sent(node={START!r}" in repr((graph, script)):
        # LangGraph's calls of a saver count for `max_concurrency`, so it is a matter of time which
        # node goes on; and how many turns of the loop a task of `__start__` takes, which does not
        # wait at the gate, decides what became of others when one fails.
        config = {key: value for key, value in script.config.items() if key != "max_concurrency"}
        script = replace(script, config=config)
    for feature in graph.features():
        COUNTS[f"async threads {feature}"] += 1
    compare_async_scripts(
        lambda log, gate: build(graph, log, gate),
        script,
        pairs,
        case.seed,
        folder=folder,
        compiled=compiled,
        # Which of several refused answers LangGraph reports is chance.
        tries=TRIES if any(node.asks for node in graph.nodes) else 1,
    )


@st.composite
def async_threads(draw: Any) -> AsyncThread:
    """Threads over everything a run with a saver can do, with any part of the graph async."""
    drawn: Thread = draw(threads())
    graph = _without_late_capture(with_async_parts(draw, drawn.graph))
    steps = tuple(_with_modes(draw, step) for step in drawn.script.steps)
    script = replace(drawn.script, steps=steps)
    return AsyncThread(Thread(graph, script), draw(st.integers(0, 2**16)))


def _without_late_capture(graph: GraphSpec) -> GraphSpec:
    """The graph without channels that change their container in place.

    LangGraph's async loop starts to store a checkpoint when it next waits, also with durability
    "sync": a superstep that does not wait has changed the container by then (docs/differences.md).
    """
    keys = tuple((key, _ANEW.get(kind, kind)) for key, kind in graph.keys)
    return replace(graph, keys=keys, hidden=_ANEW.get(graph.hidden, graph.hidden))


_ANEW = {"in_place": "add_list", "delta_in_place": "delta", "accumulated": "topic"}


def _with_modes(draw: Any, step: Step) -> Step:
    """A step that runs the graph with other modes, in either version, left early now and then."""
    if step.method not in ("invoke", "stream"):
        return step
    options = {**dict(step.options)}
    if chance(draw, 30):
        options["version"] = "v2"
    if step.method == "invoke":
        return replace(step, options=tuple(options.items()))
    options["stream_mode"] = draw_modes(draw)
    take = draw(st.integers(0, 6)) if chance(draw, 20) else None
    return replace(step, options=tuple(options.items()), take=take)
