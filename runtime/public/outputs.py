"""What callers get who ask for `version="v2"`: GraphOutput, and the types of stream parts."""

from __future__ import annotations

from types import GenericAlias
from typing import Any, ClassVar, Literal, TypedDict, TypeVar, Union

from lgc.runtime.constants import INTERRUPT
from lgc.runtime.public.records import DataclassFields, FrozenRecord, set_field
from lgc.runtime.upstream import current_class, loaded, mirrors


@mirrors("langgraph.types")
class GraphOutput(FrozenRecord):
    """What `invoke` and `ainvoke` return (types.py:GraphOutput).

    `output[key]` and `key in output` are deprecated, and read the value as results of version "v1"
    are read.

    Args:
        value: the output: a dict, an object of the output schema, or the root value.
        interrupts: what nodes have asked for.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("value", "interrupts")
    __match_args__ = ("value", "interrupts")
    __dataclass_fields__ = DataclassFields()

    value: Any
    interrupts: tuple[Any, ...]

    def __init__(self, value: Any, interrupts: tuple[Any, ...] = ()) -> None:
        set_field(self, "value", value)
        set_field(self, "interrupts", interrupts)

    def __getitem__(self, key: str) -> Any:
        """Deprecated: a key of the value, or "__interrupt__".

        Raises:
            KeyError: the value has no such key or attribute.
        """
        _deprecated("`result[key]`", "`result.value` to access the output value directly")
        if key == INTERRUPT:
            return self.interrupts
        if isinstance(self.value, dict):
            return self.value[key]
        try:
            return getattr(self.value, key)
        except AttributeError:
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        """Deprecated: whether the value has a key; of "__interrupt__", whether nodes have asked."""
        _deprecated("`key in result`", "`result.value` to access the output value directly")
        if key == INTERRUPT:
            return bool(self.interrupts)
        if isinstance(self.value, dict):
            return key in self.value
        return isinstance(key, str) and hasattr(self.value, key)


def graph_output(value: Any, interrupts: list[Any]) -> Any:
    """A GraphOutput, of LangGraph's class once that is loaded."""
    return current_class("GraphOutput")(value, tuple(interrupts))


def _deprecated(access: str, instead: str) -> None:
    import warnings

    # Whoever can tell the class by its name has loaded it.
    kind = loaded("langgraph.warnings", "LangGraphDeprecatedSinceV11") or DeprecationWarning
    warnings.warn(
        f"Accessing GraphOutput via {access} is deprecated. "
        f"Use {instead}, or `result.interrupts` for interrupts.",
        kind,
        stacklevel=3,
    )


# -- stream parts ---------------------------------------------------------------------------------
#
# A part is a dict; these types describe it (types.py:StreamPart). Any, where a type would have to
# be imported from langchain-core; `[...]` says of which type the output and the state are.


class _AnyTaskPayload(TypedDict):
    id: str
    name: str
    input: Any
    triggers: list[str]


class TaskPayload(_AnyTaskPayload, total=False):
    """A node starts; it may have no metadata."""

    metadata: dict[str, Any]


class TaskResultPayload(TypedDict):
    """A node is over."""

    id: str
    name: str
    error: Any
    interrupts: list[dict[str, Any]]
    result: dict[str, Any]


class _AnyCheckpointTask(TypedDict):
    id: str
    name: str
    state: Any


class CheckpointTask(_AnyCheckpointTask, total=False):
    """A task of a checkpoint; which keys it has depends on how it ended."""

    error: str
    result: Any
    interrupts: list[dict[str, Any]]


class CheckpointPayload(TypedDict):
    """A checkpoint was made."""

    config: Any
    metadata: dict[str, Any]
    values: Any
    next: list[str]
    parent_config: Any
    tasks: list[CheckpointTask]


class _DebugCheckpointPayload(TypedDict):
    step: int
    timestamp: str
    type: Literal["checkpoint"]
    payload: CheckpointPayload


class _DebugTaskPayload(TypedDict):
    step: int
    timestamp: str
    type: Literal["task"]
    payload: TaskPayload


class _DebugTaskResultPayload(TypedDict):
    step: int
    timestamp: str
    type: Literal["task_result"]
    payload: TaskResultPayload


class ValuesStreamPart(TypedDict):
    """The state after a superstep."""

    type: Literal["values"]
    ns: tuple[str, ...]
    data: Any
    interrupts: tuple[Any, ...]


class UpdatesStreamPart(TypedDict):
    """What a node has returned."""

    type: Literal["updates"]
    ns: tuple[str, ...]
    data: dict[str, Any]


class MessagesStreamPart(TypedDict):
    """A message, or a piece of one, with its metadata."""

    type: Literal["messages"]
    ns: tuple[str, ...]
    data: tuple[Any, dict[str, Any]]


class CustomStreamPart(TypedDict):
    """What a node wrote with its stream writer."""

    type: Literal["custom"]
    ns: tuple[str, ...]
    data: Any


class CheckpointStreamPart(TypedDict):
    """A checkpoint was made."""

    type: Literal["checkpoints"]
    ns: tuple[str, ...]
    data: CheckpointPayload


class TasksStreamPart(TypedDict):
    """A node starts, or is over."""

    type: Literal["tasks"]
    ns: tuple[str, ...]
    data: TaskPayload | TaskResultPayload


class DebugStreamPart(TypedDict):
    """A checkpoint was made, a node starts, or is over."""

    type: Literal["debug"]
    ns: tuple[str, ...]
    data: _DebugCheckpointPayload | _DebugTaskPayload | _DebugTaskResultPayload


_GENERIC: Any = (
    CheckpointPayload,
    CheckpointStreamPart,
    DebugStreamPart,
    ValuesStreamPart,
    _DebugCheckpointPayload,
)
for _each in _GENERIC:
    # A TypedDict that derives from Generic needs Python 3.11.
    _each.__class_getitem__ = classmethod(GenericAlias)

_StateT = TypeVar("_StateT")
_OutputT = TypeVar("_OutputT")

DebugPayload: Any = Union[  # noqa: UP007
    GenericAlias(_DebugCheckpointPayload, _StateT), _DebugTaskPayload, _DebugTaskResultPayload
]
StreamPart: Any = Union[  # noqa: UP007
    GenericAlias(CheckpointStreamPart, _StateT),
    GenericAlias(DebugStreamPart, _StateT),
    GenericAlias(ValuesStreamPart, _OutputT),
    UpdatesStreamPart,
    MessagesStreamPart,
    CustomStreamPart,
    TasksStreamPart,
]
