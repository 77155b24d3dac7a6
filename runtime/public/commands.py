"""What nodes and callers steer a graph with: Command, Send, Interrupt and Overwrite."""

from __future__ import annotations

from typing import Any, ClassVar

from lgc.runtime import upstream
from lgc.runtime.constants import OVERWRITE, ROOT
from lgc.runtime.public.policies import TimeoutPolicy
from lgc.runtime.public.records import (
    DataclassFields,
    FrozenRecord,
    Record,
    RecordMeta,
    set_field,
)
from lgc.runtime.public.state import annotated_keys, attributes
from lgc.runtime.upstream import mirrors


@mirrors("langgraph.types")
class Overwrite(Record):
    """Replaces the value of a reducer channel instead of being reduced into it.

    Args:
        value: the new value (types.py:Overwrite; spec §3.1).
        type: says what it is when only its JSON is left.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("value", "type")
    __match_args__ = ("value", "type")
    __dataclass_fields__ = DataclassFields()
    __hash__ = None  # type: ignore[assignment]  # mutable, as upstream

    def __init__(self, value: Any, type: str = OVERWRITE) -> None:
        self.value = value
        self.type = type


@mirrors("langgraph.types")
class Send(Record):
    """Starts a node in the next superstep with an input of its own.

    Args:
        node: the node's name.
        arg: what the node gets, as it is.
        timeout: seconds, a timedelta or a TimeoutPolicy for this task.

    Raises:
        ValueError: a timeout is not positive, or its `refresh_on` is unknown.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("node", "arg", "timeout")

    def __init__(self, /, node: str, arg: Any, *, timeout: Any = None) -> None:
        self.node = node
        self.arg = arg
        self.timeout = TimeoutPolicy.coerce(timeout)

    def __repr__(self) -> str:
        timeout = "" if self.timeout is None else f", timeout={self.timeout!r}"
        return f"Send(node={self.node!r}, arg={self.arg!r}{timeout})"


@mirrors("langgraph.types")
class Command(FrozenRecord):
    """Updates the state and says which nodes come next (types.py:Command).

    Args:
        graph: None for this graph, `Command.PARENT` for the closest parent.
        update: a dict, a list of `(key, value)` pairs, or an annotated object.
        resume: the value an interrupt returns, or a map from interrupt ids.
        goto: a node's name, a Send, or a sequence of them.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("graph", "update", "resume", "goto")
    __dataclass_fields__ = DataclassFields()
    PARENT: ClassVar[str] = "__parent__"

    graph: str | None
    update: Any
    resume: Any
    goto: Any

    def __init__(
        self, *, graph: str | None = None, update: Any = None, resume: Any = None, goto: Any = ()
    ) -> None:
        set_field(self, "graph", graph)
        set_field(self, "update", update)
        set_field(self, "resume", resume)
        set_field(self, "goto", goto)

    @property  # type: ignore[misc]  # object declares it writable
    def __class__(self) -> Any:
        return self._counterpart.theirs() or _tool_output_class() or type(self)

    def __repr__(self) -> str:
        from dataclasses import asdict

        # Not the fields themselves: upstream, too, shows dataclasses inside them as dicts.
        fields: dict[str, Any] = asdict(self)  # type: ignore[call-overload]
        shown = ", ".join(f"{field}={value!r}" for field, value in fields.items() if value)
        return f"Command({shown})"

    def _update_as_tuples(self) -> Any:
        return update_as_tuples(self.update)


_tool_output_classes: dict[type, type] = {}


def _tool_output_class() -> Any:
    """The class a Command claims to be of while langchain-core is loaded and langgraph is not.

    A tool of langchain-core passes on only objects of classes that derive from its mixin, and
    makes a text of everything else.
    """
    mixin = upstream.loaded("langchain_core.messages.tool", "ToolOutputMixin")
    if mixin is None:
        return None
    if mixin not in _tool_output_classes:

        def make(cls: type, /, **fields: Any) -> Command:
            return Command(**fields)

        members = {
            "__slots__": (),
            "__module__": __name__,
            "__new__": make,
            "_counterpart": Command._counterpart,
        }
        _tool_output_classes[mixin] = RecordMeta("Command", (Command, mixin), members)
    return _tool_output_classes[mixin]


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


@mirrors("langgraph.types")
class Interrupt(Record):
    """What a node asked for when it interrupted (types.py:Interrupt).

    Args:
        value: what `interrupt()` was given.
        id: names this interrupt when it is resumed by id.
        response_schema: JSON schema of the answer.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("value", "id", "response_schema")
    __match_args__ = ("value", "id", "response_schema")
    __dataclass_fields__ = DataclassFields()
    __hash__ = None  # type: ignore[assignment]  # mutable, as upstream

    def __init__(
        self, value: Any, id: str = "placeholder-id", *, response_schema: Any = None
    ) -> None:
        self.value = value
        self.id = id
        self.response_schema = response_schema
