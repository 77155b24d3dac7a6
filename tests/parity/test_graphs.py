"""Random graphs: lgc does what LangGraph does, in both lanes (design §5, §8.1)."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from random_graphs import Case, cases, check


@settings(max_examples=1500, suppress_health_check=list(HealthCheck))
@given(cases())
def test_random_graphs(case: Case) -> None:
    """Results, chunks, errors, what nodes saw: every call of every graph."""
    check(case)
