"""Small graphs written out in a test, and what both engines make of them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from langgraph.graph import StateGraph
from parity import Build
from parity_case import check_parity

Nodes = dict[str, Any]


class Lists(TypedDict):
    """One key that is reduced, one that is not."""

    x: Annotated[list, operator.add]
    last: Any


def wire(state: Any, nodes: Nodes, *edges: Any, **schemas: Any) -> StateGraph[Any, Any, Any, Any]:
    """A builder; an edge is `(start, end)`, `([starts], end)` or `(start, router)`."""
    builder = StateGraph(state, **schemas)
    for name, function in nodes.items():
        builder.add_node(name, function)
    for start, end in edges:
        if callable(end) or hasattr(end, "invoke"):
            builder.add_conditional_edges(start, end)
        else:
            builder.add_edge(start, end)
    return builder


def label(value: object) -> str:
    """The id of a parameter: its text without memory addresses, the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


def writes(**values: Any) -> Callable[[Any], Any]:
    """A node that returns a new dict of `values` each time."""
    return lambda state: dict(values)


def result(build: Build, input: Any, config: Any = None) -> Any:
    """What `invoke` gives, after the comparison of everything (`check_parity`)."""
    return check_parity(build, input, config)["result"]


def error(build: Build, input: Any, config: Any = None) -> Any:
    """The error of `invoke`, after the comparison of everything (`check_parity`)."""
    return check_parity(build, input, config)["error"]
