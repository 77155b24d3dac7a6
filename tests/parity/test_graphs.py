"""Random graphs: lgc does what LangGraph does (design §8.1)."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from parity import compare
from random_graphs import Case, build, cases


@settings(max_examples=500, suppress_health_check=list(HealthCheck))
@given(cases())
def test_random_graphs(case: Case) -> None:
    """Results, chunks, errors, what nodes saw: every call of every graph."""
    compare(lambda log: build(case.graph, log), case.input, case.config, *case.calls)
