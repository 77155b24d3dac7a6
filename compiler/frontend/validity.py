"""Whether LangGraph's own `compile` would take a builder, asked without compiling it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from langgraph._internal._constants import PREVIOUS, RESERVED, RETURN, TASKS
from langgraph.channels.topic import Topic
from langgraph.graph.state import StateGraph

from lgc.compiler.frontend.policies import nodes_of, unsupported_timeouts

Builder = StateGraph[Any, Any, Any, Any]
"""A builder, whatever its types."""

INTERNAL = frozenset(("__start__", TASKS, RETURN, PREVIOUS))
"""State keys that LangGraph accepts, although it uses channels of these names itself."""


@dataclass(frozen=True)
class ReservedName:
    """A name in use that LangGraph reserves.

    Attributes:
        text: what its `compile` says of the name.
        node: the node that has the name; None when a state key has it.
    """

    text: str
    node: str | None = None


def require_valid(builder: object) -> None:
    """Has LangGraph check a builder of this process.

    Raises:
        TypeError: it is no StateGraph.
        ValueError: LangGraph finds the graph invalid.
    """
    if not isinstance(builder, StateGraph):
        raise TypeError(f"a StateGraph was expected, not {type(builder).__name__}")
    validate(builder)
    for reserved in reserved_names(builder):
        raise ValueError(reserved.text)
    for _, text in unsupported_timeouts(nodes_of(builder)):
        raise ValueError(text)


def validate(builder: Builder) -> None:
    """Runs the builder's own `validate`, on a copy, because it marks the builder as compiled.

    Raises:
        ValueError: LangGraph finds the graph invalid.
    """
    copy.copy(builder).validate()


def reserved_names(builder: Builder) -> Iterator[ReservedName]:
    """The reserved names in use, in the order in which LangGraph's `compile` comes to them.

    Source: pregel/main.py:Pregel.__init__ and pregel/_validate.py:validate_graph.
    """
    tasks = builder.managed.get(TASKS, builder.channels.get(TASKS))
    if tasks is not None and not isinstance(tasks, Topic):
        yield ReservedName(f"Channel '{TASKS}' is reserved and cannot be used in the graph.")
    for key in builder.channels:
        if key in RESERVED:
            yield ReservedName(f"Channel name '{key}' is reserved")
    for key in builder.managed:
        if key in RESERVED:
            yield ReservedName(f"Managed name '{key}' is reserved")
    for name in builder.nodes:
        if name in RESERVED:
            yield ReservedName(f"Node name '{name}' is reserved", name)
