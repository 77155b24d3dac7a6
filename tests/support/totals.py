"""Counters that tests add to, summed over the workers of pytest-xdist for the terminal summary."""

from __future__ import annotations

from collections import Counter
from typing import Any

_TOTALS: dict[str, Counter[str]] = {}


def total(name: str, counter: Counter[str]) -> None:
    """Registers a counter, which at the end of the run holds the sum over all workers.

    Args:
        name: the same in every process.
        counter: of this process.
    """
    _TOTALS[name] = counter


def send(output: dict[str, Any]) -> None:
    """Puts the counts of a worker into what it sends when it has finished."""
    output["totals"] = {name: dict(counter) for name, counter in _TOTALS.items()}


def receive(output: dict[str, Any]) -> None:
    """Adds the counts that a worker sent."""
    for name, counts in output.get("totals", {}).items():
        if name in _TOTALS:
            _TOTALS[name].update(counts)
