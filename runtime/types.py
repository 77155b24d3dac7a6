"""lgc's own value types under LangGraph's names.

Used when langgraph is not loaded; once it is, its classes are handed out (see
`public`). Plain classes with slots: importing `dataclasses` would cost more
than the rest of the runtime together.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, ClassVar

from lgc.runtime.constants import OVERWRITE


class _Record:
    """Fields by `__slots__`, equality and repr by fields."""

    __slots__: ClassVar[tuple[str, ...]] = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, f) == getattr(other, f) for f in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # mutable fields, as upstream's dataclasses

    def __repr__(self) -> str:
        fields = ", ".join(f"{f}={getattr(self, f)!r}" for f in self.__slots__)
        return f"{type(self).__name__}({fields})"


class Overwrite(_Record):
    """Replaces the value of a reducer channel instead of being reduced into it.

    Args:
        value: the new value (types.py:Overwrite; spec §3.1).
    """

    __slots__: ClassVar[tuple[str, ...]] = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class ExecutionInfo(_Record):
    """What is known about the task that is running (runtime.py:ExecutionInfo)."""

    __slots__: ClassVar[tuple[str, ...]] = (
        "checkpoint_id",
        "checkpoint_ns",
        "node_attempt",
        "node_first_attempt_time",
        "run_id",
        "task_id",
        "thread_id",
    )

    def __init__(
        self,
        checkpoint_id: str,
        checkpoint_ns: str,
        task_id: str,
        thread_id: str | None = None,
        run_id: str | None = None,
        node_attempt: int = 1,
        node_first_attempt_time: float | None = None,
    ) -> None:
        self.checkpoint_id = checkpoint_id
        self.checkpoint_ns = checkpoint_ns
        self.task_id = task_id
        self.thread_id = thread_id
        self.run_id = run_id
        self.node_attempt = node_attempt
        self.node_first_attempt_time = node_first_attempt_time


class Runtime(_Record):
    """The run-scoped tools a node can ask for (runtime.py:Runtime)."""

    __slots__: ClassVar[tuple[str, ...]] = (
        "context",
        "control",
        "execution_info",
        "heartbeat",
        "previous",
        "server_info",
        "store",
        "stream_writer",
    )

    def __init__(
        self,
        *,
        context: Any = None,
        store: Any = None,
        stream_writer: Callable[[Any], None],
        heartbeat: Callable[[], None],
        previous: Any = None,
        execution_info: ExecutionInfo | None = None,
        server_info: Any = None,
        control: Any = None,
    ) -> None:
        self.context = context
        self.store = store
        self.stream_writer = stream_writer
        self.heartbeat = heartbeat
        self.previous = previous
        self.execution_info = execution_info
        self.server_info = server_info
        self.control = control


class Scratchpad(_Record):
    """Counters of one task, shared with what it calls (_internal/_scratchpad.py)."""

    __slots__: ClassVar[tuple[str, ...]] = (
        "call_counter",
        "get_null_resume",
        "interrupt_counter",
        "resume",
        "step",
        "stop",
        "subgraph_counter",
    )

    def __init__(
        self,
        step: int,
        stop: int,
        call_counter: Callable[[], int],
        interrupt_counter: Callable[[], int],
        get_null_resume: Callable[[bool], Any],
        resume: list[Any],
        subgraph_counter: Callable[[], int],
    ) -> None:
        self.step = step
        self.stop = stop
        self.call_counter = call_counter
        self.interrupt_counter = interrupt_counter
        self.get_null_resume = get_null_resume
        self.resume = resume
        self.subgraph_counter = subgraph_counter


def public(name: str) -> Any:
    """The class a user gets for `lgc.<name>`; LangGraph's when that is loaded."""
    return getattr(sys.modules.get("langgraph.types"), name, None) or globals()[name]


def overwritten(value: Any) -> tuple[bool, Any]:
    """Whether `value` asks to replace a channel's value, and the new value.

    The three forms of channels/binop.py:_get_overwrite: the object (lgc's or
    LangGraph's), `{"__overwrite__": v}`, and the form JSON leaves of the object.
    """
    if isinstance(value, dict):
        if len(value) == 1 and OVERWRITE in value:
            return True, value[OVERWRITE]
        if value.get("type") == OVERWRITE and "value" in value:
            return True, value["value"]
        return False, None
    if isinstance(value, Overwrite):
        return True, value.value
    theirs = getattr(sys.modules.get("langgraph.types"), "Overwrite", None)
    if theirs is not None and isinstance(value, theirs):
        return True, value.value
    return False, None
