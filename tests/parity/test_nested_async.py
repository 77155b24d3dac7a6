"""Random trees of graphs on an event loop: the async twin of `test_nested_graphs`."""

from __future__ import annotations

from nested_spec import NestedCase
from nested_strategy import nested_cases
from nested_threads import check
from seeds import from_seeds


@from_seeds("nested_async", nested_cases(is_async=True), examples=12)
def test_random_async_trees(case: NestedCase) -> None:
    """Results, chunks, states, what nodes saw, who waited for whom, and every row of the savers."""
    check(case, is_async=True)
