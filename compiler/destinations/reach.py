"""The set of nodes that a value may lead to, as a value of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

_PARENT: Final = "__parent__"
"""`Command.PARENT`."""


class Reach(NamedTuple):
    """Where what a node returns may lead.

    Attributes:
        names: nodes of its own graph.
        anywhere: any node of its own graph.
        parents: nodes of the parent graph (`Command.PARENT`).
        parent_anywhere: any node of the parent graph.
    """

    names: frozenset[str] = frozenset()
    anywhere: bool = False
    parents: frozenset[str] = frozenset()
    parent_anywhere: bool = False

    def __or__(self, other: Reach) -> Reach:
        return Reach(
            self.names | other.names,
            self.anywhere or other.anywhere,
            self.parents | other.parents,
            self.parent_anywhere or other.parent_anywhere,
        )


NOWHERE: Final = Reach()
ANYWHERE: Final = Reach(anywhere=True, parent_anywhere=True)


def union(reaches: Iterable[Reach]) -> Reach:
    """Where any of several values may lead."""
    reach = NOWHERE
    for each in reaches:
        reach |= each
    return reach


def reach_of_command(names: frozenset[str] | None, graph: object) -> Reach:
    """The reach of a Command.

    Args:
        names: its destinations; None when they may be any.
        graph: its `graph`; a value other than None and `Command.PARENT` may mean either graph.
    """
    known, unknown = names or frozenset(), names is None
    if graph is None:
        return Reach(known, unknown)
    if graph == _PARENT:
        return Reach(parents=known, parent_anywhere=unknown)
    return Reach(known, unknown, known, unknown)
