"""Python identifiers for names of any text, no two alike in a module."""

from __future__ import annotations

import keyword
from typing import Final

LONGEST: Final = 32
"""A name has so many characters in that of a function whose head stays on one line."""


def identifier(name: str, taken: dict[str, int]) -> str:
    """A Python identifier for a node's or key's `name`, not in `taken`; added to it.

    Args:
        name: any text.
        taken: the identifiers in use, each with the number to try first for its next namesake.
    """
    base = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name) or "_"
    if keyword.iskeyword(base):
        base += "_"
    if base[0].isdigit():
        base = f"_{base}"
    return unique(base, taken)


def unique(base: str, taken: dict[str, int]) -> str:
    """`base`, numbered when it is in `taken`; added to it."""
    candidate = base
    while candidate in taken:
        # Counting from 2 anew for every namesake would take the square of their number.
        candidate = f"{base}_{taken[base]}"
        taken[base] += 1
    taken[candidate] = 2
    return candidate


def identifier_part(name: str) -> str:
    """`name` as part of an identifier."""
    return identifier(name, {}).strip("_") or "_"
