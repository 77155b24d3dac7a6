"""What the schemas of a builder say besides their keys."""

from __future__ import annotations

import inspect
from dataclasses import is_dataclass
from typing import Any

from langgraph._internal._serde import collect_allowlist_from_schemas
from pydantic import BaseModel

from lgc.compiler.frontend.validity import Builder
from lgc.runtime.serde.allowlist import SAFE_TYPES


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
    allowed: set[Any] = collect_allowlist_from_schemas(schemas=schemas, channels=builder.channels)
    return tuple(sorted(allowed - SAFE_TYPES))
