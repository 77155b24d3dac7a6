"""Nodes that import nothing but typing: what a generated module adds to them is all its own."""

from __future__ import annotations

from typing import TypedDict


class Count(TypedDict):
    """One key."""

    count: int


def count(state: Count) -> dict[str, int]:
    """Writes the key."""
    return {"count": state["count"] + 1}
