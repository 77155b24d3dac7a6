"""The control flow of a graph, as the function `supersteps` of its module says it.

That function is the program: the fast path runs through it, and what everything else needs of the
flow is read from it once, when a `Program` is built (architecture §2.6.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

_BETWEEN: Final = " | "
"""Stands between the names of nodes that run together; no name of a node has the character."""


def label_of(names: Iterable[str]) -> str:
    """What `supersteps` calls the superstep of these nodes; a single one has its own name."""
    return _BETWEEN.join([name or '""' for name in names])


def names_of(label: str) -> tuple[str, ...]:
    """The nodes of a label, in its order."""
    names = label.split(_BETWEEN) if label else []
    return tuple(["" if name == '""' else name for name in names])


class Run:
    """What a generated module's `supersteps` is given: it runs what is due.

    Each method returns the label of what is due next, or "" where `supersteps` is to return,
    because the run is over or goes on otherwise.

    The flow of a node is in its arguments:

    * name: of the node.
    * then: the label of the nodes that its edges lead to.
    * deferred: the nodes among those its edges lead to that wait until nothing else is due.
    * joins: the barriers that it writes to.
    * edges: the nodes that its edges lead to, where the order is not that of `then` and `deferred`.
      A task's triggers are written, and stored, in this order.
    """

    def start(
        self,
        then: str = "",
        deferred: tuple[str, ...] = (),
        joins: tuple[str, ...] = (),
        edges: tuple[str, ...] = (),
    ) -> str:
        """Applies the input."""
        raise NotImplementedError

    def node(
        self,
        name: str,
        then: str = "",
        deferred: tuple[str, ...] = (),
        joins: tuple[str, ...] = (),
        edges: tuple[str, ...] = (),
    ) -> str:
        """Runs a node that only edges and joins lead away from."""
        raise NotImplementedError

    def routed(
        self,
        name: str,
        routers: Any,
        then: str = "",
        deferred: tuple[str, ...] = (),
        joins: tuple[str, ...] = (),
        edges: tuple[str, ...] = (),
    ) -> str:
        """Runs a node, or applies the input, and asks its routers where they lead.

        Args:
            routers: the name of its conditional edge, or a tuple of names, in their order.
        """
        raise NotImplementedError

    def parallel(self, label: str) -> str:
        """Runs several nodes side by side; each leads where it leads by itself."""
        raise NotImplementedError

    def write(self, key: str, value: object) -> None:
        """For `apply`: writes to a state key whose channel is more than a value."""
        raise NotImplementedError


class Block:
    """What `supersteps` says of one node; attributes as the arguments of `Run`, names split."""

    def __init__(
        self,
        name: str,
        routers: tuple[str, ...],
        then: str,
        deferred: tuple[str, ...],
        joins: tuple[str, ...],
        edges: tuple[str, ...],
    ) -> None:
        self.name: str = name
        self.routers: tuple[str, ...] = routers
        self.then: str = then
        self.deferred: tuple[str, ...] = deferred
        self.joins: tuple[str, ...] = joins
        self.edges: tuple[str, ...] = edges or (*names_of(then), *deferred)


class FlowReader(Run):
    """Reads `supersteps`, block by block, without running anything.

    Args:
        supersteps: of a generated module.
    """

    def __init__(self, supersteps: Callable[[Run, str], str]) -> None:
        self._supersteps: Callable[[Run, str], str] = supersteps
        self._block: Block | None = None
        self._parallel: str = ""

    def block(self, name: str) -> Block:
        """The block of a node.

        Raises:
            ImportError: there is none, it runs another node, or does not say what is due then.
        """
        self._block = None
        due = self._supersteps(self, label_of((name,)))
        block = self._found()
        if block is None or block.name != name or due:
            raise ImportError(f"supersteps has no block that runs node {name!r} and returns")
        return block

    def _found(self) -> Block | None:
        """What was noted last; to mypy, the attribute is None where that was assigned to it."""
        return self._block

    def has_parallel(self, label: str) -> bool:
        """Whether `supersteps` has a block for the nodes of `label`."""
        self._parallel = ""
        self._supersteps(self, label)
        return label == self._parallel

    def start(
        self,
        then: str = "",
        deferred: tuple[str, ...] = (),
        joins: tuple[str, ...] = (),
        edges: tuple[str, ...] = (),
    ) -> str:
        self._block = Block("__start__", (), then, deferred, joins, edges)
        return ""

    def node(
        self,
        name: str,
        then: str = "",
        deferred: tuple[str, ...] = (),
        joins: tuple[str, ...] = (),
        edges: tuple[str, ...] = (),
    ) -> str:
        self._block = Block(name, (), then, deferred, joins, edges)
        return ""

    def routed(
        self,
        name: str,
        routers: Any,
        then: str = "",
        deferred: tuple[str, ...] = (),
        joins: tuple[str, ...] = (),
        edges: tuple[str, ...] = (),
    ) -> str:
        asked = (routers,) if isinstance(routers, str) else tuple(routers)
        self._block = Block(name, asked, then, deferred, joins, edges)
        return ""

    def parallel(self, label: str) -> str:
        self._parallel = label
        return ""
