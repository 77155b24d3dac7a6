"""Random graphs of async and sync nodes: lgc does what LangGraph does, chunk by chunk.

The order in which the tasks of a superstep end is drawn (`tests/support/gates.py`).
"""

from __future__ import annotations

import operator
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypedDict

import pytest
from async_graphs import (
    AsyncCase,
    AsyncThread,
    async_cases,
    async_threads,
    check_async,
    check_async_thread,
)
from async_runs import AsyncSideBySide
from async_threads import FILES, MEMORY
from gates import Gate
from graph_builder import NO_HINTS
from hypothesis import assume
from inprocess import compile_in_process
from langgraph.graph import START, StateGraph
from parity import COUNTS, Call, Log
from seeds import SCALE, SUITES, from_seeds

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph makes no config ambient in async nodes then"
)


@from_seeds("async_graphs", async_cases(), examples=25)
def test_random_async_graphs(case: AsyncCase) -> None:
    """Results, chunks, errors, what nodes saw and when: every call of every graph."""
    check_async(case)


@from_seeds("async_threads", async_threads(), examples=25)
def test_random_async_threads(case: AsyncThread) -> None:
    """The same on a thread, with every row of the saver."""
    check_async_thread(case, MEMORY)


@from_seeds("async_threads_in_files", async_threads(), examples=12)
def test_random_async_threads_in_files(case: AsyncThread) -> None:
    """The same in SQLite files."""
    assume(not case.thread.script.answers_again)
    with TemporaryDirectory() as folder:
        check_async_thread(case, FILES, Path(folder))


@pytest.mark.skipif(SCALE < 1, reason="a part of the seeds: see LGC_SCALE")
def test_every_kind_of_async_part_is_drawn() -> None:
    """The committed seeds draw enough of what only async runs have."""
    suite = SUITES["async_graphs"]
    counts: Counter[str] = Counter()
    for seed in suite.seeds(0.5):
        for case in suite.drawn(seed):
            parts = [*case.case.graph.nodes, *case.case.graph.routers]
            kinds = {part.is_async for part in parts}
            counts["mixed" if len(kinds) > 1 else "async" if True in kinds else "sync"] += 1
            counts.update({f"async {node.body}" for node in case.case.graph.nodes if node.is_async})
            counts.update({"async router" for router in case.case.graph.routers if router.is_async})
            counts.update({"suspends" for part in parts if part.is_async and part.suspends})
            counts.update({"fails" for node in case.case.graph.nodes if node.fault is not None})
    wanted = {"mixed", "async", "sync", "async router", "suspends", "fails"}
    wanted |= {f"async {body}" for body in (*NO_HINTS, "method", "callable", "function")}
    rare = {what: counts[what] for what in wanted if counts[what] < 3}
    assert not rare, counts


class State(TypedDict):
    """Whoever ends first comes first in a stream, and the order of the nodes is that of `x`."""

    x: Annotated[list[str], operator.add]


def _fan_out(log: Log, gate: Gate) -> StateGraph[Any, Any, Any, Any]:
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(State)

    def node(name: str, is_async: bool) -> Any:
        async def arun(state: State) -> Any:
            await gate.wait(name)
            log.note(name, "state", state)
            return {"x": [name]}

        def run(state: State) -> Any:
            gate.block(name)
            log.note(name, "state", state)
            return {"x": [name]}

        return arun if is_async else run

    for name in "abcd":
        builder.add_node(name, node(name, name < "c"))
        builder.add_edge(START, name)
    return builder


UPDATES = Call("astream", (("stream_mode", "updates"),))


def test_seeds_draw_orders() -> None:
    """Nodes end in many orders, in the same one under both engines; all wait before one ends."""
    engines = AsyncSideBySide(_fan_out, {"x": []})
    orders = set()
    for seed in range(20):
        seen = engines.compare(UPDATES, seed)
        order = [*map(str, (key for chunk in seen["chunks"] for key in chunk))]
        assert order == [name for name, _ in seen["order"]]
        assert seen["order"][0][1] == ("a", "b", "c", "d")
        orders.add("".join(order))
    assert len(orders) > 8


@pytest.mark.parametrize("fault", ["swapped", "lost", "twice", "late"])
def test_the_comparison_sees_a_fault(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that yields other chunks, or in another order, fails."""
    graph = compile_in_process(_fan_out(Log(), Gate()))
    original = type(graph).astream

    async def astream(self: Any, *args: Any, **kwargs: Any) -> Any:
        chunks = [chunk async for chunk in original(self, *args, **kwargs)]
        if fault == "swapped":
            chunks[1:3] = reversed(chunks[1:3])
        elif fault == "lost":
            del chunks[2]
        elif fault == "twice":
            chunks.append(chunks[-1])
        for chunk in chunks:
            yield chunk

    monkeypatch.setattr(type(graph), "astream", astream)
    assert type(graph).__module__ == "lgc.runtime.graph"
    engines = AsyncSideBySide(_fan_out, {"x": []})
    call = UPDATES if fault != "late" else Call("astream", UPDATES.arguments, take=1)
    with pytest.raises(AssertionError, match=r"langgraph"):
        engines.compare(call, 1)
    assert COUNTS["async runs"]
