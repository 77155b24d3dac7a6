"""Random graphs: lgc does what LangGraph does (design §8.1)."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from parity import COUNTS, compare
from random_graphs import Case, build, cases


@settings(max_examples=1500, suppress_health_check=list(HealthCheck))
@given(cases())
def test_random_graphs(case: Case) -> None:
    """Results, chunks, errors, what nodes saw: every call of every graph.

    An invoke gives what the last values chunk of a stream says: with equal results in
    both, the two ways through the engine are equal too.
    """
    for feature in case.graph.features():
        COUNTS[f"graphs {feature}"] += 1
    seen = compare(lambda log: build(case.graph, log), case.given(), case.config, *case.calls)
    invoked, streamed = seen[:2]
    assert invoked["error"] == streamed["error"]
    if invoked["error"] is None and not case.graph.in_place:
        values = [chunk for mode, chunk in streamed["chunks"] if mode == "values"]
        assert invoked["result"] == (values[-1] if values else None)
        assert invoked["log"] == streamed["log"]
