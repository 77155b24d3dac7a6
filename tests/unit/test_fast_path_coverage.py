"""How many supersteps stay on the fast path, in the golden cases and the demo.

Runs with a saver, breakpoints or other chunks than updates and values are the loop's from their
start and not counted.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lgc
from lgc.runtime.drivers.fast_path import Coverage, count_into

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "golden"
CASES = sorted(p.parents[1].name for p in GOLDEN.glob("*/want/output.txt"))
# Why the loop runs supersteps of these graphs.
REASONS = {
    "a Send",
    "a failure",
    "nodes that supersteps does not name together",
    "several nodes",
    "the input",
    "the recursion limit",
}


@contextlib.contextmanager
def counting() -> Iterator[Coverage]:
    coverage = Coverage()
    count_into(coverage)
    try:
        yield coverage
    finally:
        count_into(None)


def test_golden_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all cases together, four fifths; the reasons for the rest are these."""
    monkeypatch.syspath_prepend(str(GOLDEN))
    with counting() as coverage:
        for case in CASES:
            module = importlib.import_module(f"{case}.graph")
            graph: Any = lgc.compile_graph(module.builder)
            with contextlib.redirect_stdout(io.StringIO()):
                module.main(graph)
    assert coverage.supersteps > 100
    assert set(coverage.left) <= REASONS
    assert sum(coverage.left.values()) <= 0.2 * coverage.supersteps
