"""The exceptions under LangGraph's names, and lgc's own `Unsupported`.

When langgraph is loaded, LangGraph's class is raised, so existing handlers keep working; otherwise
the one defined here. A program that took lgc's class before langgraph was loaded gets an exception
that both classes catch (`upstream.error_class`). This file stays interpreted: users may derive
from these classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from lgc.runtime.upstream import mirrors

_DOCS = "https://docs.langchain.com/oss/python/langgraph/errors/"


@mirrors("langgraph.errors")
class EmptyChannelError(Exception):
    """A channel was read that holds no value."""


@mirrors("langgraph.errors")
class EmptyInputError(Exception):
    """A run was started without input and without anything to resume."""


@mirrors("langgraph.errors")
class GraphBubbleUp(Exception):
    """What a node raises to steer the run; nodes let it pass."""


@mirrors("langgraph.errors")
class GraphDrained(GraphBubbleUp):
    """The run was asked to stop, and did before its next superstep.

    Args:
        reason: what `RunControl.request_drain` was given.
    """

    def __init__(self, reason: str = "shutdown") -> None:
        self.reason = reason
        # Not super(): in a class of both hierarchies that would be LangGraph's constructor.
        Exception.__init__(self, f"Graph drained: {reason}")

    def __reduce__(self) -> Any:
        return (type(self), (self.reason,), self.__dict__)


@mirrors("langgraph.errors")
class GraphInterrupt(GraphBubbleUp):
    """A node interrupted; raised in nodes only, never to the caller of a graph.

    Args:
        interrupts: the Interrupts, one for each question that has no answer yet.
    """

    def __init__(self, interrupts: Sequence[Any] = ()) -> None:
        super().__init__(interrupts)


@mirrors("langgraph.errors")
class ParentCommand(GraphBubbleUp):
    """A node returned a Command for the parent graph.

    Args:
        command: that Command.
    """

    def __init__(self, command: Any) -> None:
        super().__init__(command)


@mirrors("langgraph.errors")
class GraphRecursionError(RecursionError):
    """The run used up `recursion_limit` supersteps."""


@mirrors("langgraph.errors")
class InvalidUpdateError(Exception):
    """A node returned, or several nodes wrote, what a channel cannot take."""


@mirrors("langgraph.errors")
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


@mirrors("langgraph.errors")
class NodeTimeoutError(Exception):
    """An attempt of a node took longer than its timeout allows; by default it is retried.

    Args:
        node: the name of the node.
        elapsed: the seconds that the attempt has taken.
        kind: "run" or "idle": which timeout it exceeded; its seconds are the attribute `timeout`.
        idle_timeout, run_timeout: the seconds of the node's timeouts, or None.

    Raises:
        ValueError: `kind` is neither, or its timeout is None.
    """

    def __init__(
        self,
        node: str,
        elapsed: float,
        *,
        kind: str,
        idle_timeout: float | None = None,
        run_timeout: float | None = None,
    ) -> None:
        if kind not in ("idle", "run"):
            raise ValueError("kind must be 'idle' or 'run'")
        timeout = idle_timeout if kind == "idle" else run_timeout
        if timeout is None:
            raise ValueError(f"{kind}_timeout is required when kind='{kind}'")
        without = " without making progress" if kind == "idle" else ""
        # Not super(): in a class of both hierarchies that would be LangGraph's constructor.
        Exception.__init__(
            self,
            f"Node '{node}' exceeded its {kind} timeout of {timeout:.3f}s{without} "
            f"(elapsed: {elapsed:.3f}s).",
        )
        self.node = node
        self.elapsed = elapsed
        self.kind = kind
        self.timeout = timeout
        self.idle_timeout = idle_timeout
        self.run_timeout = run_timeout

    def __reduce__(self) -> Any:
        make = partial(
            type(self),
            kind=self.kind,
            idle_timeout=self.idle_timeout,
            run_timeout=self.run_timeout,
        )
        return (make, (self.node, self.elapsed), self.__dict__)


@mirrors("langgraph.errors")
class UnknownInterruptError(Exception):
    """A resume names no pending interrupt, in a run that is strict about it (spec §4.2).

    Args:
        message: what the exception says.
        reason: "not_pending", "empty_map" or "ambiguous".
        interrupt_ids: the ids in the resume that belong to no pending interrupt.
        pending_ids: the ids of the pending interrupts.
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
        make = partial(
            type(self),
            reason=self.reason,
            interrupt_ids=self.interrupt_ids,
            pending_ids=self.pending_ids,
        )
        return (make, self.args, self.__dict__)


class Unsupported(Exception):
    """LangGraph can do this, lgc cannot yet; see docs/features.md.

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


_INVALID_RESUME = "_langgraph_invalid_resume"


def mark_invalid_resume(error: BaseException) -> None:
    """Marks an exception as raised because a resume value does not fit its interrupt's schema."""
    setattr(error, _INVALID_RESUME, True)


def is_invalid_resume(error: BaseException) -> bool:
    """Whether an exception was marked so, by `mark_invalid_resume` or by LangGraph."""
    return getattr(error, _INVALID_RESUME, False) is True


def with_code(message: str, code: str) -> str:
    """`message` with LangGraph's troubleshooting line for `code` (errors.py)."""
    return f"{message}\nFor troubleshooting, visit: {_DOCS}{code}"
