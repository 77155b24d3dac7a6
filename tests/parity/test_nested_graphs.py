"""Random trees of graphs: lgc, alone and mixed with LangGraph, does what LangGraph does."""

from __future__ import annotations

from nested_spec import NestedCase
from nested_strategy import nested_cases
from nested_threads import check
from seeds import from_seeds


@from_seeds("nested_graphs", nested_cases(), examples=15)
def test_random_trees(case: NestedCase) -> None:
    """Results, chunks, states, what nodes saw, and every row of the savers."""
    check(case)
