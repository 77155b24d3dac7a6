"""What nodes decide while a graph runs: their routers and Commands, as far as they are declared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lgc.compiler.ir import NodeIR


@dataclass(frozen=True)
class Decision:
    """One router, or the Command, of a node.

    Attributes:
        ends: the nodes it is known to lead to; empty for a router that names nodes itself.
        may_end: it may also lead to nothing.
    """

    ends: tuple[str, ...]
    may_end: bool

    def options(self) -> list[tuple[str, ...]]:
        """What it may add to the next superstep, if it chooses one end."""
        options: list[tuple[str, ...]] = [(end,) for end in self.ends]
        return [*options, ()] if self.may_end else options


def decisions_of(node: NodeIR) -> Iterator[Decision]:
    """The decisions of a node in the order in which they are made.

    A Command without known ends is none of them: that any node may be named is true of every node
    whose code does not tell, and most of these never return a Command.
    """
    if node.gotos and node.targets:
        # A Command need not lead anywhere, and the node need not return one.
        yield Decision(_nodes(node.targets), True)
    for branch in node.branches:
        may_end = not branch.targets or "__end__" in branch.targets
        yield Decision(_nodes(branch.targets), may_end)


def names_any_node(node: NodeIR) -> bool:
    """Whether a router or a Command of a node may lead to any node."""
    return (node.gotos and not node.targets) or any(not b.targets for b in node.branches)


def may_all_end(decisions: list[Decision]) -> bool:
    """Whether all of them may lead to nothing."""
    return all(decision.may_end for decision in decisions)


def _nodes(ends: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(end for end in ends if end != "__end__"))
