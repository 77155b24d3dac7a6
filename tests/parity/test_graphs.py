"""Random graphs: lgc does what LangGraph does, in both lanes (design §5, §8.1)."""

from __future__ import annotations

from graph_strategy import cases
from random_graphs import Case, check
from seeds import from_seeds


@from_seeds("graphs", cases(), examples=25)
def test_random_graphs(case: Case) -> None:
    """Results, chunks, errors, what nodes saw: every call of every graph."""
    check(case)
