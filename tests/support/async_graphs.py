"""Random graphs of async and sync nodes, and random ways to run them on an event loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from async_runs import AsyncSideBySide
from channel_kinds import MANAGED
from graph_builder import build
from graph_spec import GraphSpec
from graph_strategy import cases, chance
from hypothesis import strategies as st
from inprocess import compile_in_process
from parity import COUNTS, Call, Compile
from random_graphs import Case

MODES = ("values", "updates", "custom", "tasks", "checkpoints", "debug")


@dataclass(frozen=True)
class AsyncCase:
    """A case whose calls run on an event loop.

    Attributes:
        case: its graph may have async nodes and routers.
        seed: draws the order in which nodes go on that wait at the gate.
    """

    case: Case
    seed: int


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
    for number, call in enumerate(case.case.calls):
        engines.compare(call, case.seed + number)


@st.composite
def async_cases(draw: Any) -> AsyncCase:
    """Cases over everything that random graphs have, with any of their parts async."""
    drawn: Case = draw(cases())
    graph = with_async_parts(draw, drawn.graph)
    calls = _draw_calls(draw, graph)
    return AsyncCase(replace(drawn, graph=graph, calls=calls), draw(st.integers(0, 2**16)))


def with_async_parts(draw: Any, graph: GraphSpec) -> GraphSpec:
    """The graph with some of its nodes and routers, or all, or none, as async functions."""
    percent = draw(st.sampled_from((50, 50, 100, 0)))

    def drawn(part: Any) -> Any:
        if not chance(draw, percent):
            return part
        return replace(part, is_async=True, suspends=draw(st.integers(0, 2)))

    nodes, routers = tuple(map(drawn, graph.nodes)), tuple(map(drawn, graph.routers))
    return replace(graph, nodes=nodes, routers=routers)


def draw_modes(draw: Any, events: bool) -> Any:
    """A stream mode, a list of some, or all of them.

    Args:
        events: the modes of tasks and checkpoints are among them.
    """
    modes = MODES if events else MODES[:3]
    several = st.lists(st.sampled_from(modes), min_size=1, unique=True)
    one = st.sampled_from(modes)
    return draw(one | several | several.map(tuple) | st.just([*modes]))


def _draw_calls(draw: Any, graph: GraphSpec) -> tuple[Call, ...]:
    """An invoke, streams of all modes and of some, one in version 2, and one left early."""
    stored = [key for key, kind in graph.keys if kind not in MANAGED]
    context = {"user": "u", "n": "1"} if chance(draw, 70) else {"n": 1}
    usual = (("context", context),) if graph.context else ()
    version = (("version", "v2"),)
    keys = st.sampled_from(stored) | st.lists(st.sampled_from(stored), unique=True)

    def modes() -> tuple[tuple[str, Any], ...]:
        return (("stream_mode", draw_modes(draw, True)),)

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
    return tuple(calls)
