"""Random graphs: lgc does what LangGraph does, on both paths (architecture §5.5, §6.5)."""

from __future__ import annotations

from collections import Counter

import pytest
from feature_counts import pairs_of, rare, table
from graph_strategy import cases
from random_graphs import Case, check
from seeds import SCALE, SUITES, from_seeds


@from_seeds("graphs", cases(), examples=25)
def test_random_graphs(case: Case) -> None:
    """Results, chunks, errors, what nodes saw: every call of every graph."""
    check(case)


@pytest.mark.skipif(SCALE < 1, reason="a part of the seeds: see LGC_SCALE")
def test_every_pair_of_features_is_drawn() -> None:
    """The committed seeds draw no pair of features so seldom that it goes untested."""
    suite = SUITES["graphs"]
    counts = Counter(
        pair
        for seed in suite.seeds(1)
        for case in suite.drawn(seed)
        for pair in pairs_of(case.graph)
    )
    assert not rare(counts), "\n".join(table(counts))
