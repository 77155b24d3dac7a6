"""What a node learns of its run: Runtime, and the records in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from lgc.runtime import upstream
from lgc.runtime.public.records import DataclassFields, FrozenRecord, set_field
from lgc.runtime.upstream import mirrors

StreamWriter = Callable[[Any], None]
"""What a node writes chunks of `stream_mode="custom"` with."""


@mirrors("langgraph.runtime")
class ExecutionInfo(FrozenRecord):
    """What is known about the task that is running (runtime.py:ExecutionInfo).

    Args:
        checkpoint_id: the checkpoint the task was prepared from.
        checkpoint_ns: the task's checkpoint namespace.
        task_id: the task's id.
        thread_id, run_id: as the caller's config has them; None where it has not.
        node_attempt: 1 for the first attempt, one more after each retry.
        node_first_attempt_time: when the first attempt began, in seconds since the epoch.
    """

    __slots__: ClassVar[tuple[str, ...]] = (
        "checkpoint_id",
        "checkpoint_ns",
        "task_id",
        "thread_id",
        "run_id",
        "node_attempt",
        "node_first_attempt_time",
    )
    __match_args__ = (
        "checkpoint_id",
        "checkpoint_ns",
        "task_id",
        "thread_id",
        "run_id",
        "node_attempt",
        "node_first_attempt_time",
    )
    __dataclass_fields__ = DataclassFields()

    checkpoint_id: str
    checkpoint_ns: str
    task_id: str
    thread_id: str | None
    run_id: str | None
    node_attempt: int
    node_first_attempt_time: float | None

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
        set_field(self, "checkpoint_id", checkpoint_id)
        set_field(self, "checkpoint_ns", checkpoint_ns)
        set_field(self, "task_id", task_id)
        set_field(self, "thread_id", thread_id)
        set_field(self, "run_id", run_id)
        set_field(self, "node_attempt", node_attempt)
        set_field(self, "node_first_attempt_time", node_first_attempt_time)

    def patch(self, **overrides: Any) -> Any:
        """A copy with some fields replaced."""
        return self.__class__(**{**self._fields(), **overrides})


@mirrors("langgraph.runtime")
class ServerInfo(FrozenRecord):
    """What LangGraph's server tells of itself (runtime.py:ServerInfo).

    Args:
        assistant_id, graph_id: which assistant and graph of the server run.
        user: who is logged in, or None.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("assistant_id", "graph_id", "user")
    __match_args__ = ("assistant_id", "graph_id", "user")
    __dataclass_fields__ = DataclassFields()

    assistant_id: str
    graph_id: str
    user: Any

    def __init__(self, assistant_id: str, graph_id: str, user: Any = None) -> None:
        set_field(self, "assistant_id", assistant_id)
        set_field(self, "graph_id", graph_id)
        set_field(self, "user", user)


class RunControl:
    """Asks a run to stop before its next superstep (runtime.py:RunControl).

    An object is for one run; any thread may use it.
    """

    __slots__ = ("_reason",)

    def __init__(self) -> None:
        self._reason: str | None = None

    def request_drain(self, reason: str = "shutdown") -> None:
        """Makes the run raise GraphDrained(reason) before its next superstep, if there is one."""
        self._reason = reason

    @property
    def drain_requested(self) -> bool:
        """Whether `request_drain` was called."""
        return self._reason is not None

    @property
    def drain_reason(self) -> str | None:
        """The reason that `request_drain` was given, or None."""
        return self._reason


def no_writer(chunk: Any) -> None:
    """The stream writer of a run whose consumer did not ask for custom chunks."""


def no_heartbeat() -> None:
    """The heartbeat of a task without an idle timeout."""


@mirrors("langgraph.runtime")
class Runtime(FrozenRecord):
    """The run-scoped tools a node can ask for (runtime.py:Runtime; spec §7.3).

    Args:
        context: what the caller passed as `context`.
        store: the store of the graph, or None.
        stream_writer: writes chunks of `stream_mode="custom"`.
        heartbeat: tells the idle timeout of the task that it makes progress.
        previous: what the run of a functional entrypoint before this one returned.
        execution_info: an ExecutionInfo of the task, or None.
        server_info: a ServerInfo, or None outside of a server.
        control: a RunControl of the run, or None.
    """

    __slots__: ClassVar[tuple[str, ...]] = (
        "context",
        "store",
        "stream_writer",
        "heartbeat",
        "previous",
        "execution_info",
        "server_info",
        "control",
    )
    __dataclass_fields__ = DataclassFields()

    context: Any
    store: Any
    stream_writer: StreamWriter
    heartbeat: Callable[[], None]
    previous: Any
    execution_info: Any
    server_info: Any
    control: Any

    def __init__(
        self,
        *,
        context: Any = None,
        store: Any = None,
        stream_writer: StreamWriter = no_writer,
        heartbeat: Callable[[], None] = no_heartbeat,
        previous: Any = None,
        execution_info: Any = None,
        server_info: Any = None,
        control: Any = None,
    ) -> None:
        set_field(self, "context", context)
        set_field(self, "store", store)
        set_field(self, "stream_writer", stream_writer)
        set_field(self, "heartbeat", heartbeat)
        set_field(self, "previous", previous)
        set_field(self, "execution_info", execution_info)
        set_field(self, "server_info", server_info)
        set_field(self, "control", control)

    def merge(self, other: Any) -> Any:
        """A Runtime with the fields of `other`, and this one's where `other` has none."""
        writer, heartbeat = other.stream_writer, other.heartbeat
        return self.override(
            context=other.context or self.context,
            store=other.store or self.store,
            stream_writer=self.stream_writer if _is_no_op(writer) else writer,
            heartbeat=self.heartbeat if _is_no_op(heartbeat) else heartbeat,
            previous=self.previous if other.previous is None else other.previous,
            execution_info=other.execution_info or self.execution_info,
            server_info=other.server_info or self.server_info,
            control=other.control or self.control,
        )

    def override(self, **overrides: Any) -> Any:
        """A copy with some fields replaced."""
        return self.__class__(**{**self._fields(), **overrides})

    def patch_execution_info(self, **overrides: Any) -> Any:
        """A copy with some fields of `execution_info` replaced.

        Raises:
            RuntimeError: there is no `execution_info`.
        """
        if self.execution_info is None:
            raise RuntimeError("Cannot patch execution_info before it has been set")
        return self.override(execution_info=self.execution_info.patch(**overrides))

    @property
    def drain_requested(self) -> bool:
        """Whether the run was asked to stop after this superstep."""
        return self.control.drain_requested if self.control is not None else False

    @property
    def drain_reason(self) -> str | None:
        """Why it was asked to stop; None when it was not."""
        return self.control.drain_reason if self.control is not None else None


def _is_no_op(function: Any) -> bool:
    """Whether a writer or heartbeat stands for none, lgc's or LangGraph's."""
    if function is no_writer or function is no_heartbeat:
        return True
    module = "langgraph.runtime"
    names = ("_no_op_stream_writer", "_no_op_heartbeat")
    return function in [upstream.loaded(module, name) for name in names]
