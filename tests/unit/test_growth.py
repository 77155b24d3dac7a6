"""The compiler's work grows with the size of the graph, not with its square."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from lgc.compiler import inprocess
from lgc.compiler.emit import emit
from lgc.compiler.frontend import analyse_live
from lgc.compiler.ir import GraphIR, JoinIR, NodeIR
from lgc.compiler.passes import run_passes, schedule

ROOT = Path(__file__).resolve().parents[2]


def _growth() -> Any:
    spec = spec_from_file_location("bench_growth", ROOT / "bench" / "growth.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GROWTH = _growth()


def lines_run(shape: Any, size: int) -> int:
    """How many lines of lgc's own code compiling a graph runs, each turn of a loop counted."""
    builder = shape(size)
    count = 0

    def in_frame(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += 1
        return in_frame

    def on_call(frame: FrameType, event: str, arg: object) -> Any:
        return in_frame if frame.f_code.co_filename.startswith(str(ROOT)) else None

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        inprocess.live_graph(builder)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("shape", GROWTH.SHAPES, ids=lambda shape: shape.__name__)
def test_four_times_the_nodes_take_four_times_the_work(shape: Any) -> None:
    small, large = lines_run(shape, 100), lines_run(shape, 400)
    assert large < 4.5 * small


def test_the_name_of_a_long_join_stands_in_the_module_once() -> None:
    ir, _ = run_passes(analyse_live(GROWTH.one_join(300)).ir)
    (join,) = ir.joins
    assert emit(ir, "lgc").count(join.key) == 1


def test_loops_side_by_side_are_not_played_until_they_repeat() -> None:
    """Loops of 2, 3, 5, … 13 nodes: 30,030 supersteps until all of them are at their start."""
    primes = (2, 3, 5, 7, 11, 13)
    nodes = [NodeIR("__start__", None, None, edges=tuple(f"{p}.0" for p in primes))]
    nodes += [
        NodeIR(f"{p}.{i}", None, (), edges=(f"{p}.{(i + 1) % p}",))
        for p in primes
        for i in range(p)
    ]
    ir = GraphIR("", "", "", (), tuple(nodes), (), (), ())
    got = schedule.run(ir)[0].schedule
    assert got is not None and got.then == "more"
    assert sum(map(len, got.supersteps)) <= 1000 + 4 * len(nodes)


def test_a_barrier_that_fills_up_slowly_is_not_a_repetition() -> None:
    """The same node runs in every superstep, and each time one more start has been seen."""
    loop = tuple(f"l{i}" for i in range(3))
    key = "join:l0+l1+l2:end"
    nodes = [NodeIR("__start__", None, None, edges=("l0",))]
    nodes += [
        NodeIR(name, None, (), edges=(loop[(i + 1) % 3],), joins=(key,))
        for i, name in enumerate(loop)
    ]
    nodes.append(NodeIR("end", None, ()))
    ir = GraphIR("", "", "", (), tuple(nodes), (JoinIR(key, loop, "end"),), (), ())
    got = schedule.run(ir)[0].schedule
    assert got is not None
    assert got.supersteps[:5] == (("__start__",), ("l0",), ("l1",), ("l2",), ("end", "l0"))
    assert got.then == "repeat"
