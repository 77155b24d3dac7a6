"""The exceptions under LangGraph's names, and lgc's own `Unsupported`.

When langgraph is loaded, LangGraph's class is raised, so existing handlers keep
working; otherwise the one defined here. A program that took lgc's class before
langgraph was loaded gets an exception that both classes catch (design §5, "whose
types"). This file stays interpreted: users may derive from these classes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

_DOCS = "https://docs.langchain.com/oss/python/langgraph/errors/"


class EmptyChannelError(Exception):
    """A channel was read that holds no value."""


class EmptyInputError(Exception):
    """A run was started without input and without anything to resume."""


class GraphBubbleUp(Exception):
    """What a node raises to steer the run; nodes let it pass."""


class GraphDrained(GraphBubbleUp):
    """The run was asked to stop, and did before its next superstep.

    Args:
        reason: as it was given.
    """

    def __init__(self, reason: str = "shutdown") -> None:
        self.reason = reason
        # Not super(): in a class of both hierarchies that would be LangGraph's constructor.
        Exception.__init__(self, f"Graph drained: {reason}")

    def __reduce__(self) -> Any:
        return (type(self), (self.reason,), self.__dict__)


class GraphInterrupt(GraphBubbleUp):
    """A node interrupted; raised in nodes only, never to the caller of a graph.

    Args:
        interrupts: what it asked for.
    """

    def __init__(self, interrupts: Sequence[Any] = ()) -> None:
        super().__init__(interrupts)


class ParentCommand(GraphBubbleUp):
    """A node returned a Command for the parent graph.

    Args:
        command: that Command.
    """

    def __init__(self, command: Any) -> None:
        super().__init__(command)


class GraphRecursionError(RecursionError):
    """The run used up `recursion_limit` supersteps."""


class InvalidUpdateError(Exception):
    """A node returned, or several nodes wrote, what a channel cannot take."""


class NodeCancelledError(Exception):
    """The body of a node raised `asyncio.CancelledError`.

    Args:
        node: the name of the node.
        message: what the exception says, instead of naming the node.
    """

    def __init__(self, node: str, message: str | None = None) -> None:
        self.node = node
        # Not super(): in a class of both hierarchies that would be LangGraph's constructor.
        Exception.__init__(self, message or f"Node {node!r} raised asyncio.CancelledError")

    def __reduce__(self) -> Any:
        return (type(self), (self.node, *self.args), self.__dict__)


class UnknownInterruptError(Exception):
    """A resume names no interrupt that waits, in a run that is strict about it (spec §4.2).

    Args:
        message: what the exception says.
        reason: "not_pending", "empty_map" or "ambiguous".
        interrupt_ids: the ids that nobody waits for.
        pending_ids: the ids that are waited for.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        interrupt_ids: Sequence[str] = (),
        pending_ids: Sequence[str] = (),
    ) -> None:
        # Not super(): in a class of both hierarchies that would be LangGraph's constructor.
        Exception.__init__(self, message)
        self.reason = reason
        self.interrupt_ids = tuple(interrupt_ids)
        self.pending_ids = tuple(pending_ids)

    def __reduce__(self) -> Any:
        made = partial(
            type(self),
            reason=self.reason,
            interrupt_ids=self.interrupt_ids,
            pending_ids=self.pending_ids,
        )
        return (made, self.args, self.__dict__)


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

    def __reduce__(self) -> Any:
        return (type(self), (self.feature, self.where), self.__dict__)


# The names whose own class somebody has, who may be waiting for it in an `except`.
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
    """The class to raise under LangGraph's name `name`.

    Once langgraph is loaded it is LangGraph's; when lgc's own, or a base of that, was handed out
    before, it derives from both.
    """
    own: type[BaseException] = globals()[name]
    theirs = _theirs(name)
    if theirs is None:
        return own
    if _handed_out.isdisjoint(base.__name__ for base in own.__mro__):
        return theirs
    if name not in _both:
        members = {"__module__": theirs.__module__, "__reduce__": _reduce}
        _both[name] = type(name, (own, theirs), members)
    return _both[name]


def _reduce(error: BaseException) -> Any:
    """Pickles an exception of both classes as LangGraph's."""
    own: type[BaseException] = globals()[type(error).__name__]
    reduced: Any = own.__reduce__(error)
    made, *rest = reduced
    theirs: Any = _theirs(own.__name__)
    return (partial(theirs, **made.keywords) if isinstance(made, partial) else theirs, *rest)


_INVALID_RESUME = "_langgraph_invalid_resume"


def mark_invalid_resume(error: BaseException) -> None:
    """Marks an error as that of an answer which its interrupt's schema refuses."""
    setattr(error, _INVALID_RESUME, True)


def is_invalid_resume(error: BaseException) -> bool:
    """Whether `mark_invalid_resume`, lgc's or LangGraph's, has marked an error."""
    return getattr(error, _INVALID_RESUME, False) is True


def with_code(message: str, code: str) -> str:
    """`message` with LangGraph's troubleshooting line for `code` (errors.py)."""
    return f"{message}\nFor troubleshooting, visit: {_DOCS}{code}"


def _theirs(name: str) -> type[BaseException] | None:
    found: type[BaseException] | None = getattr(sys.modules.get("langgraph.errors"), name, None)
    return found
