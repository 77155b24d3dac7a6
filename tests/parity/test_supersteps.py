"""The superstep automaton tells what LangGraph's runs do (architecture §2.5.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from automaton import Automaton, Names, as_specified, chooses_several, observed
from flow_strategy import flows
from graph_builder import build
from graph_strategy import cases
from hypothesis import strategies as st
from parity import COUNTS, Log
from random_graphs import Case
from seeds import SCALE, SUITES, from_seeds

from lgc.compiler.frontend import analyse_live
from lgc.compiler.passes import run_passes


def automaton_of(case: Case) -> tuple[Automaton, Any]:
    """The automaton of a case, and LangGraph's graph."""
    builder = build(case.graph, Log())
    ir = as_specified(analyse_live(builder).ir, case.graph)
    return Automaton(run_passes(ir)[0]), builder.compile()


def transitions(case: Case) -> Iterator[tuple[str, Automaton, Names, Names]]:
    """Every superstep of a run and the one before it, and how the automaton knows of it.

    That is "foreseen", or "put together" by the run.
    """
    automaton, graph = automaton_of(case)
    for before, after in pairwise(observed(graph, case.new_input(), case.config)):
        foreseen = automaton.foresees(before, after)
        yield "foreseen" if foreseen else "put together", automaton, before, after


@from_seeds("supersteps", st.one_of(cases(), flows()), examples=50)
def test_random_runs(case: Case) -> None:
    """Each superstep is one that the automaton lists, or says that a run puts together."""
    for how, automaton, before, after in transitions(case):
        COUNTS[f"supersteps {how}"] += 1
        assert automaton.allows(before, after), (before, after)
        superstep = automaton.supersteps.get(before)
        listed = superstep is not None and automaton.follows(superstep, after)
        several = any(chooses_several(case.graph, name) for name in before)
        assert listed or several or automaton.may_put_together(before), (before, after)


@pytest.mark.skipif(SCALE < 1, reason="a part of the seeds: see LGC_SCALE")
def test_most_supersteps_are_foreseen() -> None:
    """More of them where no node or router sends, or names several nodes."""
    counts: Counter[tuple[str, bool]] = Counter()
    suite = SUITES["supersteps"]
    for seed in suite.seeds(0.5):
        for case in suite.drawn(seed):
            for how, _, before, _ in transitions(case):
                several = any(chooses_several(case.graph, name) for name in before)
                counts[how, several] += 1
    plain = counts["foreseen", False]
    assert plain > 0.92 * (plain + counts["put together", False]), counts
    assert plain + counts["foreseen", True] > 0.9 * counts.total(), counts
