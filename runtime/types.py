"""lgc's own value types under LangGraph's names.

They are used where langgraph is not loaded; once it is, its classes are handed
out (`public`). An object of these classes that was made before passes for
LangGraph's own: `isinstance` says so (through `__class__`), it compares equal by
fields in both directions, and LangGraph's engine reads it. Plain classes with
slots: importing `dataclasses` would cost more than the rest of the runtime.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from lgc.runtime.constants import OVERWRITE, ROOT

if TYPE_CHECKING:
    from datetime import timedelta


def loaded(module: str, name: str) -> Any:
    """`name` of `module` when that module is loaded, else None."""
    return getattr(sys.modules.get(module), name, None)


class _Fields:
    """LangGraph's dataclass fields, so that `dataclasses.replace` takes the object."""

    def __get__(self, instance: object, owner: type[_Record]) -> Any:
        theirs = loaded(owner._home, owner.__name__)
        if theirs is None:
            raise AttributeError("__dataclass_fields__")
        return theirs.__dataclass_fields__


class _Record:
    """Fields by `__slots__`; equality, repr, pickling and LangGraph's identity by them.

    Attributes:
        _home: the module of LangGraph's class of the same name.
    """

    __slots__: ClassVar[tuple[str, ...]] = ()
    _home: ClassVar[str] = "langgraph.types"

    @property  # type: ignore[misc]  # object declares it writable
    def __class__(self) -> Any:
        return loaded(self._home, type(self).__name__) or type(self)

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field) for field in type(self).__slots__)

    def __eq__(self, other: object) -> bool:
        own = type(self)
        if type(other) is not own and type(other) is not loaded(self._home, own.__name__):
            return NotImplemented
        return self._values() == tuple(getattr(other, field) for field in own.__slots__)

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        fields = ", ".join(f"{f}={getattr(self, f)!r}" for f in type(self).__slots__)
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> Any:
        return (_restore, (type(self).__name__, self._values()))

    def __copy__(self) -> Any:
        return _restore(type(self).__name__, self._values())


def _restore(name: str, values: tuple[Any, ...]) -> Any:
    """An own record with these fields; nothing is validated again."""
    cls = globals()[name]
    record = cls.__new__(cls)
    for field, value in zip(cls.__slots__, values, strict=True):
        object.__setattr__(record, field, value)
    return record


class Overwrite(_Record):
    """Replaces the value of a reducer channel instead of being reduced into it.

    Args:
        value: the new value (types.py:Overwrite; spec §3.1).
    """

    __slots__: ClassVar[tuple[str, ...]] = ("value",)
    __dataclass_fields__ = _Fields()

    def __init__(self, value: Any) -> None:
        self.value = value


class TimeoutPolicy(_Record):
    """How long an attempt of a node may take (types.py:TimeoutPolicy).

    Args:
        run_timeout: seconds, or a timedelta, an attempt may take.
        idle_timeout: seconds, or a timedelta, without a sign of progress.
        refresh_on: "auto" or "heartbeat": what counts as progress.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("run_timeout", "idle_timeout", "refresh_on")
    __dataclass_fields__ = _Fields()

    def __init__(
        self,
        *,
        run_timeout: float | timedelta | None = None,
        idle_timeout: float | timedelta | None = None,
        refresh_on: str = "auto",
    ) -> None:
        self.run_timeout = run_timeout
        self.idle_timeout = idle_timeout
        self.refresh_on = refresh_on

    @classmethod
    def coerce(cls, value: Any) -> Any:
        """A policy in seconds, or None when `value` sets no timeout.

        Raises:
            ValueError: a timeout is not positive, or `refresh_on` is unknown.
        """
        if value is None:
            return None
        theirs = loaded(cls._home, "TimeoutPolicy")
        if theirs is not None:
            return theirs.coerce(value)
        policy = value if isinstance(value, TimeoutPolicy) else cls(run_timeout=value)
        if policy.refresh_on not in ("auto", "heartbeat"):
            raise ValueError("refresh_on must be 'auto' or 'heartbeat'")
        run = _seconds(policy.run_timeout, "run_timeout")
        idle = _seconds(policy.idle_timeout, "idle_timeout")
        if run is None and idle is None:
            return None
        return cls(run_timeout=run, idle_timeout=idle, refresh_on=policy.refresh_on)


def _seconds(value: Any, field: str) -> float | None:
    if value is None:
        return None
    seconds = value.total_seconds() if hasattr(value, "total_seconds") else float(value)
    if seconds <= 0:
        raise ValueError(f"{field} must be greater than 0")
    return float(seconds)


class Send(_Record):
    """Starts a node in the next superstep with an input of its own.

    Args:
        node: the node's name.
        arg: what the node gets, as it is.
        timeout: seconds, a timedelta or a TimeoutPolicy for this task.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("node", "arg", "timeout")

    def __init__(self, /, node: str, arg: Any, *, timeout: Any = None) -> None:
        self.node = node
        self.arg = arg
        self.timeout = TimeoutPolicy.coerce(timeout)

    def __repr__(self) -> str:
        extra = "" if self.timeout is None else f", timeout={self.timeout!r}"
        return f"Send(node={self.node!r}, arg={self.arg!r}{extra})"


class Command(_Record):
    """Updates the state and says which nodes come next (types.py:Command).

    Args:
        graph: None for this graph, `Command.PARENT` for the closest parent.
        update: a dict, a list of `(key, value)` pairs, or an annotated object.
        resume: the value an interrupt returns, or a map from interrupt ids.
        goto: a node's name, a Send, or a sequence of them.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("graph", "update", "resume", "goto")
    __dataclass_fields__ = _Fields()
    PARENT: ClassVar[str] = "__parent__"

    def __init__(
        self, *, graph: str | None = None, update: Any = None, resume: Any = None, goto: Any = ()
    ) -> None:
        self.graph = graph
        self.update = update
        self.resume = resume
        self.goto = goto

    def __repr__(self) -> str:
        given = ", ".join(f"{f}={getattr(self, f)!r}" for f in self.__slots__ if getattr(self, f))
        return f"Command({given})"

    def _update_as_tuples(self) -> Any:
        return update_as_tuples(self.update)


def update_as_tuples(update: Any) -> list[tuple[str, Any]]:
    """The writes of a Command's `update` (types.py:Command._update_as_tuples)."""
    if isinstance(update, dict):
        return list(update.items())
    if isinstance(update, (list, tuple)) and all(
        isinstance(t, tuple) and len(t) == 2 and isinstance(t[0], str) for t in update
    ):
        return list(update)
    keys = annotated_keys(type(update))
    if keys:
        return list(attributes(update, keys))
    return [] if update is None else [(ROOT, update)]


class Interrupt(_Record):
    """What a node asked for when it interrupted (types.py:Interrupt).

    Args:
        value: what `interrupt()` was given.
        id: names this interrupt when it is resumed by id.
        response_schema: JSON schema of the answer.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("value", "id", "response_schema")
    __dataclass_fields__ = _Fields()

    def __init__(
        self, value: Any, id: str = "placeholder-id", *, response_schema: Any = None
    ) -> None:
        self.value = value
        self.id = id
        self.response_schema = response_schema


class RetryPolicy(NamedTuple):
    """When a failed node runs again (types.py:RetryPolicy); intervals in seconds."""

    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    max_attempts: int = 3
    jitter: bool = True
    retry_on: Any = Exception


class ExecutionInfo(_Record):
    """What is known about the task that is running (runtime.py:ExecutionInfo)."""

    __slots__: ClassVar[tuple[str, ...]] = (
        "checkpoint_id",
        "checkpoint_ns",
        "task_id",
        "thread_id",
        "run_id",
        "node_attempt",
        "node_first_attempt_time",
    )
    _home: ClassVar[str] = "langgraph.runtime"
    __dataclass_fields__ = _Fields()

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
        "store",
        "stream_writer",
        "heartbeat",
        "previous",
        "execution_info",
        "server_info",
        "control",
    )
    _home: ClassVar[str] = "langgraph.runtime"
    __dataclass_fields__ = _Fields()

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
        "step",
        "stop",
        "call_counter",
        "interrupt_counter",
        "get_null_resume",
        "resume",
        "subgraph_counter",
    )
    _home: ClassVar[str] = ""

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
    own = globals()[name]
    return loaded(getattr(own, "_home", "langgraph.types"), name) or own


def is_a(value: Any, name: str) -> bool:
    """Whether `value` is lgc's or LangGraph's `name` (Send, Command, …)."""
    own: type = globals()[name]
    if type(value) is own:
        return True
    theirs = loaded("langgraph.types", name)
    return theirs is not None and isinstance(value, theirs)


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
    if is_a(value, "Overwrite"):
        return True, value.value
    return False, None


def annotated_keys(cls: type) -> tuple[str, ...]:
    """The annotated names of a class and its bases (_fields.py:get_cached_annotated_keys)."""
    keys: list[str] = []
    for base in reversed(cls.__mro__):
        own = vars(base).get("__annotations__")
        if own is None:
            # Python 3.14 and pydantic keep them behind a descriptor.
            own = getattr(base, "__annotations__", None)
        if isinstance(own, dict):
            keys.extend(own)
    return tuple(keys)


def attributes(value: Any, keys: Any) -> Iterator[tuple[str, Any]]:
    """The known keys of an annotated object as writes (_fields.py:get_update_as_tuples)."""
    model = loaded("pydantic", "BaseModel")
    fields = type(value).model_fields if model is not None and isinstance(value, model) else None
    for key in keys:
        found = getattr(value, key, _ABSENT)
        if found is _ABSENT:
            continue
        if found is None and fields is not None and key not in value.model_fields_set:
            # A model's default None says nothing was meant (trap 15).
            field = fields.get(key)
            if field is not None and field.default is None:
                continue
        yield key, found


_ABSENT = object()
