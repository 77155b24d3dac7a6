"""What the schemas of a builder say besides their keys."""

from __future__ import annotations

import inspect
from collections import deque
from dataclasses import is_dataclass
from types import GenericAlias
from typing import Any, get_origin

from langgraph._internal._serde import _collect_from_type
from pydantic import BaseModel

from lgc.compiler.frontend.validity import Builder
from lgc.runtime.serde.allowlist import SAFE_TYPES

_CONTAINERS = (list, set, tuple, dict, deque, frozenset)
"""Whose arguments LangGraph looks at."""


def is_instantiated(schema: Any) -> bool:
    """Whether LangGraph makes a dict into an object of this schema; not of a TypedDict.

    Source: graph/state.py:_pick_mapper.
    """
    return inspect.isclass(schema) and (issubclass(schema, BaseModel) or is_dataclass(schema))


def allowlist(builder: Builder) -> tuple[tuple[str, str], ...]:
    """The classes of the schemas that a strict serializer decodes only when they are allowed.

    Source: graph/state.py:StateGraph.compile. Upstream adds the messages of langchain-core, which
    every serializer decodes anyway.
    """
    schemas: list[Any] = [builder.state_schema, builder.input_schema, builder.output_schema]
    schemas.append(builder.context_schema)
    schemas += [spec.input_schema for spec in builder.nodes.values()]
    for branches in builder.branches.values():
        schemas += [branch.input_schema for branch in branches.values()]
    for channel in builder.channels.values():
        schemas += [getattr(channel, name, None) for name in ("ValueType", "UpdateType")]
    allowed: set[Any] = set()
    seen, seen_ids = _Seen(), set[int]()
    for schema in schemas:
        _collect_from_type(schema, allowed, seen, seen_ids)
    return tuple(sorted(allowed - SAFE_TYPES))


class _Seen(set[Any]):
    """What LangGraph has looked at; an alias that it would take for a class counts as that.

    On Python 3.10 `Sequence[int]` of collections.abc is an instance of `type`, but no class, and
    LangGraph fails at it.
    """

    def __contains__(self, schema: object) -> bool:
        if isinstance(schema, GenericAlias) and get_origin(schema) not in _CONTAINERS:
            return True
        return super().__contains__(schema)
