"""Random graphs: lgc does what LangGraph does, in both lanes (design §5, §8.1)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from parity import COUNTS, compare
from random_graphs import Case, build, cases


@settings(max_examples=1500, suppress_health_check=list(HealthCheck))
@given(cases())
def test_random_graphs(case: Case) -> None:
    """Results, chunks, errors, what nodes saw: every call of every graph.

    The first call is an invoke. It is made in the plain lane and once more in the full
    lane; both do what LangGraph does, so they are equal.
    """
    for feature in case.graph.features():
        COUNTS[f"graphs {feature}"] += 1
    in_full_lane = replace(case.calls[0], full_lane=True)
    calls = (*case.calls, in_full_lane)
    seen = compare(lambda log: build(case.graph, log), case.given(), case.config, *calls)
    invoked, streamed = seen[:2]
    assert invoked["error"] == streamed["error"]
    if invoked["error"] is None and not case.graph.in_place:
        values = [chunk for mode, chunk in streamed["chunks"] if mode == "values"]
        assert invoked["result"] == (values[-1] if values else None)
        assert invoked["log"] == streamed["log"]
