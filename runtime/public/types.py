"""lgc's own value types under LangGraph's names.

They are used where langgraph is not loaded; once it is, its classes are handed
out (design §5, "whose types"). An object of these classes that was made before
passes for LangGraph's own: `isinstance` says so (through `__class__`), it
compares equal by fields in both directions, pickles as LangGraph's, and its
engine reads it; LangGraph's objects are instances of these classes, too. Plain
classes with slots: importing `dataclasses` would cost more than the rest of the
runtime.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, NamedTuple, TypedDict, Union

from lgc.runtime.constants import OVERWRITE, ROOT
from lgc.runtime.public.messages import add_messages

if TYPE_CHECKING:
    from datetime import timedelta

StreamWriter = Callable[[Any], None]
"""What a node writes chunks of `stream_mode="custom"` with."""


def loaded(module: str, name: str) -> Any:
    """`name` of `module` when that module is loaded, else None."""
    return getattr(sys.modules.get(module), name, None)


def _own(cls: Any) -> Any:
    """The class of this module that `cls` is, or that a user derived it from."""
    while cls.__module__ != __name__:
        cls = cls.__base__
    return cls


def _theirs(cls: Any) -> Any:
    """LangGraph's class for `cls`, or None while it is not loaded."""
    own = _own(cls)
    return loaded(own._home, own.__name__)


class _Kind(type):
    """Makes LangGraph's objects instances of lgc's class of the same name."""

    def __instancecheck__(cls, instance: object) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        theirs = _theirs(cls) if cls.__module__ == __name__ else None
        return theirs is not None and isinstance(instance, theirs)


class _Fields:
    """`__dataclass_fields__`: LangGraph's, else those of a twin made when `dataclasses` asks."""

    def __init__(self) -> None:
        self._twins: dict[type, Any] = {}

    def __get__(self, instance: object, owner: type) -> Any:
        theirs = _theirs(owner)
        if theirs is None:
            theirs = self._twins.get(owner)
        if theirs is None:
            from dataclasses import make_dataclass

            theirs = self._twins[owner] = make_dataclass(owner.__name__, _own(owner).__slots__)
        return theirs.__dataclass_fields__


class _Alias(GenericAlias):
    """`Command[...]` in an annotation that LangGraph reads once it is loaded."""

    @property
    def __origin__(self) -> Any:
        own = super().__origin__
        return _theirs(own) or own

    # As for the generic classes of typing, and unlike GenericAlias: LangGraph looks for it.
    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007

    def __ror__(self, other: Any) -> Any:
        return Union[other, self]  # noqa: UP007


class _Record(metaclass=_Kind):
    """Fields by `__slots__`; equality, repr, pickling and LangGraph's identity by them.

    Attributes:
        _home: the module of LangGraph's class of the same name.
    """

    __slots__: ClassVar[tuple[str, ...]] = ()
    _home: ClassVar[str] = "langgraph.types"

    @property  # type: ignore[misc]  # object declares it writable
    def __class__(self) -> Any:
        return _theirs(type(self)) or type(self)

    def __class_getitem__(cls, item: Any) -> Any:
        theirs = _theirs(cls)
        return _Alias(cls, item) if theirs is None else theirs[item]

    def _fields(self) -> dict[str, Any]:
        return {field: getattr(self, field) for field in _own(type(self)).__slots__}

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        mine = self._fields()
        return tuple(mine.values()) == tuple([getattr(other, field) for field in mine])

    def __hash__(self) -> int:
        return hash(tuple(self._fields().values()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{field}={value!r}" for field, value in self._fields().items())
        return f"{type(self).__name__}({fields})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        theirs = _theirs(type(self))
        if theirs is None or type(self).__module__ != __name__:
            more = getattr(self, "__dict__", None)
            return (_restore, (type(self), self._fields()), (more, None) if more else None)
        return _restore(theirs, self._fields()).__reduce_ex__(protocol)


def _restore(cls: Any, fields: dict[str, Any]) -> Any:
    """A `cls` with these fields; nothing is validated again."""
    record = cls.__new__(cls)
    for field, value in fields.items():
        _set(record, field, value)
    return record


_set: Final = object.__setattr__


class _Frozen(_Record):
    """What LangGraph made immutable."""

    __slots__: ClassVar[tuple[str, ...]] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")


class _Default:
    """A default function of LangGraph's policies, equal to LangGraph's own.

    Args:
        function: what is called while langgraph is not loaded.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__name__ = function.__name__

    def _current(self) -> Any:
        return loaded("langgraph.types", self.__name__) or self.function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._current()(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        current: object = self._current()
        return self is other or current is other

    def __hash__(self) -> int:
        return hash(self._current())

    def __repr__(self) -> str:
        return repr(self._current())

    def __reduce__(self) -> str:
        return self.__name__


@_Default
def default_retry_on(exc: Exception) -> bool:
    """Whether a node that failed with `exc` runs again (_internal/_retry.py)."""
    if isinstance(exc, ConnectionError):
        return True
    # Whose exceptions these are has been loaded by who raised them.
    httpx, requests = sys.modules.get("httpx"), sys.modules.get("requests")
    if httpx is not None and isinstance(exc, httpx.HTTPStatusError):
        status: int = exc.response.status_code
        return 500 <= status < 600
    if requests is not None and isinstance(exc, requests.HTTPError):
        # A response with an error status is false.
        return 500 <= exc.response.status_code < 600 if exc.response else True
    return not isinstance(
        exc,
        (
            ValueError,
            TypeError,
            ArithmeticError,
            ImportError,
            LookupError,
            NameError,
            SyntaxError,
            RuntimeError,
            ReferenceError,
            StopIteration,
            StopAsyncIteration,
            OSError,
        ),
    )


@_Default
def default_cache_key(*args: Any, **kwargs: Any) -> bytes:
    """The cache key of a node's input (_internal/_cache.py)."""
    import pickle

    return pickle.dumps((_freeze(args), _freeze(kwargs)), protocol=5, fix_imports=False)


def _freeze(value: Any, depth: int = 10) -> Any:
    if isinstance(value, Hashable) or depth <= 0:
        return value
    if isinstance(value, Mapping):
        return tuple(sorted((k, _freeze(v, depth - 1)) for k, v in value.items()))
    if isinstance(value, Sequence):
        return tuple(_freeze(item, depth - 1) for item in value)
    if hasattr(value, "tobytes"):
        return (type(value).__name__, value.tobytes(), getattr(value, "shape", None))
    return value


class Overwrite(_Record):
    """Replaces the value of a reducer channel instead of being reduced into it.

    Args:
        value: the new value (types.py:Overwrite; spec §3.1).
        type: says what it is when only its JSON is left.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("value", "type")
    __match_args__ = ("value", "type")
    __dataclass_fields__ = _Fields()
    __hash__ = None  # type: ignore[assignment]  # mutable, as upstream

    def __init__(self, value: Any, type: str = OVERWRITE) -> None:
        self.value = value
        self.type = type


class TimeoutPolicy(_Frozen):
    """How long an attempt of a node may take (types.py:TimeoutPolicy).

    Args:
        run_timeout: seconds, or a timedelta, an attempt may take.
        idle_timeout: seconds, or a timedelta, without a sign of progress.
        refresh_on: "auto" or "heartbeat": what counts as progress.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("run_timeout", "idle_timeout", "refresh_on")
    __dataclass_fields__ = _Fields()

    run_timeout: float | timedelta | None
    idle_timeout: float | timedelta | None
    refresh_on: str

    def __init__(
        self,
        *,
        run_timeout: float | timedelta | None = None,
        idle_timeout: float | timedelta | None = None,
        refresh_on: str = "auto",
    ) -> None:
        _set(self, "run_timeout", run_timeout)
        _set(self, "idle_timeout", idle_timeout)
        _set(self, "refresh_on", refresh_on)

    @classmethod
    def coerce(cls, value: Any) -> Any:
        """A policy in seconds, or None when `value` sets no timeout.

        Args:
            value: a policy, seconds, a timedelta, or None.

        Raises:
            ValueError: a timeout is not positive, or `refresh_on` is unknown.
        """
        if value is None:
            return None
        theirs = _theirs(cls)
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
    seconds: float = value.total_seconds() if hasattr(value, "total_seconds") else float(value)
    if seconds <= 0:
        raise ValueError(f"{field} must be greater than 0")
    return seconds


class Send(_Record):
    """Starts a node in the next superstep with an input of its own.

    Args:
        node: the node's name.
        arg: what the node gets, as it is.
        timeout: seconds, a timedelta or a TimeoutPolicy for this task.

    Raises:
        ValueError: the timeout is not a good one.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("node", "arg", "timeout")

    def __init__(self, /, node: str, arg: Any, *, timeout: Any = None) -> None:
        self.node = node
        self.arg = arg
        self.timeout = TimeoutPolicy.coerce(timeout)

    def __repr__(self) -> str:
        extra = "" if self.timeout is None else f", timeout={self.timeout!r}"
        return f"Send(node={self.node!r}, arg={self.arg!r}{extra})"


class Command(_Frozen):
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

    graph: str | None
    update: Any
    resume: Any
    goto: Any

    def __init__(
        self, *, graph: str | None = None, update: Any = None, resume: Any = None, goto: Any = ()
    ) -> None:
        _set(self, "graph", graph)
        _set(self, "update", update)
        _set(self, "resume", resume)
        _set(self, "goto", goto)

    @property  # type: ignore[misc]  # object declares it writable
    def __class__(self) -> Any:
        return _theirs(type(self)) or _tool_output() or type(self)

    def __repr__(self) -> str:
        from dataclasses import asdict

        # Not the fields themselves: upstream, too, shows dataclasses inside them as dicts.
        fields: dict[str, Any] = asdict(self)  # type: ignore[call-overload]
        given = ", ".join(f"{field}={value!r}" for field, value in fields.items() if value)
        return f"Command({given})"

    def _update_as_tuples(self) -> Any:
        return update_as_tuples(self.update)


_tool_outputs: dict[type, type] = {}


def _tool_output() -> Any:
    """What a Command claims to be while langchain-core is loaded and langgraph is not.

    A tool of langchain-core returns as it is only what derives from its mixin, and makes a
    text of all else.
    """
    mixin = loaded("langchain_core.messages.tool", "ToolOutputMixin")
    if mixin is None:
        return None
    if mixin not in _tool_outputs:

        def make(cls: type, /, **fields: Any) -> Command:
            return Command(**fields)

        members = {"__slots__": (), "__module__": __name__, "__new__": make}
        _tool_outputs[mixin] = _Kind("Command", (Command, mixin), members)
    return _tool_outputs[mixin]


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
    __match_args__ = ("value", "id", "response_schema")
    __dataclass_fields__ = _Fields()
    __hash__ = None  # type: ignore[assignment]  # mutable, as upstream

    def __init__(
        self, value: Any, id: str = "placeholder-id", *, response_schema: Any = None
    ) -> None:
        self.value = value
        self.id = id
        self.response_schema = response_schema


class _RetryFields(NamedTuple):
    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    max_attempts: int = 3
    jitter: bool = True
    retry_on: Any = default_retry_on


class RetryPolicy(_RetryFields, metaclass=_Kind):
    """When a failed node runs again (types.py:RetryPolicy).

    Attributes:
        initial_interval: seconds before the first retry.
        backoff_factor: what the interval is multiplied by after each retry.
        max_interval: seconds between retries at most.
        max_attempts: how often it is tried at most, the first time included.
        jitter: whether a random part is added to the interval.
        retry_on: an exception class, a sequence of them, or a function that says
            whether an exception is worth a retry.
    """

    __slots__ = ()
    _home: ClassVar[str] = "langgraph.types"

    @property  # type: ignore[misc]  # object declares it writable
    def __class__(self) -> Any:
        return _theirs(type(self)) or type(self)

    def __reduce__(self) -> Any:
        return (self.__class__, tuple(self))


class CachePolicy(_Frozen):
    """Whether the result of a node is kept for the next time (types.py:CachePolicy).

    Args:
        key_func: makes the cache key of a node's input.
        ttl: seconds an entry is kept; None for ever.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("key_func", "ttl")
    __dataclass_fields__ = _Fields()

    key_func: Callable[..., Any]
    ttl: int | None

    def __init__(
        self, *, key_func: Callable[..., Any] = default_cache_key, ttl: int | None = None
    ) -> None:
        _set(self, "key_func", key_func)
        _set(self, "ttl", ttl)


class ExecutionInfo(_Frozen):
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
    __match_args__ = (
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
        _set(self, "checkpoint_id", checkpoint_id)
        _set(self, "checkpoint_ns", checkpoint_ns)
        _set(self, "task_id", task_id)
        _set(self, "thread_id", thread_id)
        _set(self, "run_id", run_id)
        _set(self, "node_attempt", node_attempt)
        _set(self, "node_first_attempt_time", node_first_attempt_time)

    def patch(self, **overrides: Any) -> Any:
        """A copy with some fields replaced."""
        return self.__class__(**{**self._fields(), **overrides})


class ServerInfo(_Frozen):
    """What LangGraph's server tells of itself (runtime.py:ServerInfo)."""

    __slots__: ClassVar[tuple[str, ...]] = ("assistant_id", "graph_id", "user")
    __match_args__ = ("assistant_id", "graph_id", "user")
    _home: ClassVar[str] = "langgraph.runtime"
    __dataclass_fields__ = _Fields()

    assistant_id: str
    graph_id: str
    user: Any

    def __init__(self, assistant_id: str, graph_id: str, user: Any = None) -> None:
        _set(self, "assistant_id", assistant_id)
        _set(self, "graph_id", graph_id)
        _set(self, "user", user)


class RunControl:
    """Asks a run to stop at the next superstep (runtime.py:RunControl); for one run, any thread."""

    __slots__ = ("_reason",)

    def __init__(self) -> None:
        self._reason: str | None = None

    def request_drain(self, reason: str = "shutdown") -> None:
        """The run ends with GraphDrained before its next superstep, if there is one."""
        self._reason = reason

    @property
    def drain_requested(self) -> bool:
        """Whether that was asked for."""
        return self._reason is not None

    @property
    def drain_reason(self) -> str | None:
        """Why."""
        return self._reason


def no_writer(chunk: Any) -> None:
    """The stream writer of a run whose consumer did not ask for custom chunks."""


def no_heartbeat() -> None:
    """The heartbeat of a task without an idle timeout."""


class Runtime(_Frozen):
    """The run-scoped tools a node can ask for (runtime.py:Runtime; spec §7.3)."""

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
        _set(self, "context", context)
        _set(self, "store", store)
        _set(self, "stream_writer", stream_writer)
        _set(self, "heartbeat", heartbeat)
        _set(self, "previous", previous)
        _set(self, "execution_info", execution_info)
        _set(self, "server_info", server_info)
        _set(self, "control", control)

    def merge(self, other: Any) -> Any:
        """A Runtime with what `other` has, and from this one what that lacks."""
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
    home = "langgraph.runtime"
    theirs = (loaded(home, "_no_op_stream_writer"), loaded(home, "_no_op_heartbeat"))
    return function is no_writer or function is no_heartbeat or function in theirs


class MessagesState(TypedDict):
    """A state of messages merged by id (graph/message.py:MessagesState)."""

    # Any, because the class of messages would have to be imported; nobody looks at it at run time.
    messages: Annotated[list[Any], add_messages]


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


class Snapshot(NamedTuple):
    """The whole value of a DeltaChannel, in a checkpoint (serde/types.py:_DeltaSnapshot)."""

    value: Any


def whole(stored: Any) -> Any:
    """What a checkpoint stores of a channel, taken out of lgc's or LangGraph's `Snapshot`."""
    theirs = loaded("langgraph.checkpoint.serde.types", "_DeltaSnapshot")
    is_snapshot = isinstance(stored, Snapshot) or (
        theirs is not None and isinstance(stored, theirs)
    )
    return stored.value if is_snapshot else stored


def is_a(value: Any, name: str) -> bool:
    """Whether `value` is lgc's or LangGraph's `name` (Send, Command, …)."""
    own: Any = globals()[name]
    if type(value) is own:
        return True
    theirs = loaded(own._home, name)
    return isinstance(value, theirs) if theirs is not None else type.__instancecheck__(own, value)


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
