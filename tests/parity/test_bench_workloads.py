"""The workloads of bench/: hand-written code, LangGraph and lgc give the same, chunk by chunk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from inprocess import compile_in_process

BENCH = Path(__file__).resolve().parents[2] / "bench"
MODULES = ("light", "nodes", "workloads")


@pytest.fixture(scope="module")
def bench() -> Iterator[Any]:
    """The modules `nodes` and `workloads`, which import each other by these names."""
    sys.path.insert(0, str(BENCH))
    try:
        yield import_module("nodes"), import_module("workloads")
        import_module("nodes").POOL.shutdown()
    finally:
        sys.path.remove(str(BENCH))
        for name in MODULES:
            sys.modules.pop(name, None)


def test_every_contestant_gives_the_same(bench: Any) -> None:
    nodes, workloads = bench
    assert {"chain10", "chain10, stream both", "wide20", "branches"} <= {*nodes.WORKLOADS}
    for name, workload in nodes.WORKLOADS.items():
        builder = getattr(workloads, workload.graph)
        expected = workload.by_hand(workload.fresh())
        assert expected, name
        for compiles in (type(builder).compile, compile_in_process):
            if workload.called:
                nodes.called[:] = [compiles(getattr(workloads, workload.called))]
            assert workload.run(compiles(builder)) == expected, name


def test_branches_takes_three_supersteps(bench: Any) -> None:
    nodes, workloads = bench
    stream = workloads.branches.compile().stream(nodes.fresh(), stream_mode="updates")
    assert [next(iter(chunk)) for chunk in stream] == ["left", "far", "last"]
