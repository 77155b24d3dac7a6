"""The exceptions under LangGraph's names, and lgc's own `Unsupported`.

When langgraph is loaded, LangGraph's class is raised, so existing handlers keep
working; otherwise the one defined here. A program that took lgc's class before
langgraph was loaded gets an exception that both classes catch (design §5, "whose
types"). This file stays interpreted: users may derive from these classes.
"""

from __future__ import annotations

import sys

_DOCS = "https://docs.langchain.com/oss/python/langgraph/errors/"


class EmptyChannelError(Exception):
    """A channel was read that holds no value."""


class EmptyInputError(Exception):
    """A run was started without input and without anything to resume."""


class GraphRecursionError(RecursionError):
    """The run used up `recursion_limit` supersteps."""


class InvalidUpdateError(Exception):
    """A node returned, or several nodes wrote, what a channel cannot take."""


class NodeCancelledError(Exception):
    """The body of a node raised `asyncio.CancelledError`.

    Args:
        node: the name of the node.
    """

    def __init__(self, node: str) -> None:
        self.node = node
        super().__init__(f"Node {node!r} raised asyncio.CancelledError")


class Unsupported(Exception):
    """LangGraph can do this, lgc cannot yet; see the feature table in the README.

    Args:
        feature: the name of the feature.
        where: what asked for it (a node, an argument), or "".
    """

    def __init__(self, feature: str, where: str = "") -> None:
        self.feature = feature
        self.where = where
        place = f" ({where})" if where else ""
        super().__init__(f"lgc does not support {feature} yet{place}")


_handed_out: set[str] = set()
_both: dict[str, type[BaseException]] = {}


def public(name: str) -> type[BaseException]:
    """The class a user gets for `lgc.<name>`; LangGraph's when that is loaded."""
    if (theirs := _theirs(name)) is not None:
        return theirs
    _handed_out.add(name)
    own: type[BaseException] = globals()[name]
    return own


def error_class(name: str) -> type[BaseException]:
    """The class to raise under LangGraph's name `name`."""
    own: type[BaseException] = globals()[name]
    theirs = _theirs(name)
    if theirs is None:
        return own
    if name not in _handed_out:
        return theirs
    if name not in _both:
        _both[name] = type(name, (own, theirs), {"__module__": theirs.__module__})
    return _both[name]


def with_code(message: str, code: str) -> str:
    """`message` with LangGraph's troubleshooting line for `code` (errors.py)."""
    return f"{message}\nFor troubleshooting, visit: {_DOCS}{code}"


def _theirs(name: str) -> type[BaseException] | None:
    found: type[BaseException] | None = getattr(sys.modules.get("langgraph.errors"), name, None)
    return found
