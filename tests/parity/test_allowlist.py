"""The allow-list of a graph: what LangGraph derives from its schemas (spec §11.4)."""

from __future__ import annotations

import dataclasses
import enum
import operator
import os
import subprocess
import sys
import typing
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional, Union

import pytest
from inprocess import compile_in_process
from langchain_core.messages import AnyMessage
from langgraph._internal import _serde
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.managed import RemainingSteps
from pydantic import BaseModel
from typing_extensions import NotRequired, TypedDict

from lgc.runtime.serde.allowlist import SAFE_TYPES


class Color(enum.Enum):
    """A class that holds no other."""

    RED = "red"


class Part(BaseModel):
    """A model, which says more of its fields than their types."""

    color: Color
    again: Optional[Part] = None  # noqa: UP045  # a name in quotes


@dataclasses.dataclass
class Row:
    """A dataclass."""

    parts: dict[str, list[Part]]


class Typed(TypedDict):
    """Is no class of its own in a checkpoint."""

    rows: NotRequired[Annotated[tuple[Row, ...], "what"]]


@dataclasses.dataclass
class Settings:
    """A context."""

    color: Color = Color.RED


Alias = NewType("Alias", Part)

STATES: dict[str, Any] = {
    "plain": int,
    "messages": list[AnyMessage],
    "enum": Color,
    "model": Part,
    "nested": Typed,
    "union": Union[int, Part],  # noqa: UP007  # the old form is another type
    "new union": "Row | None",
    "literal": Literal[Color.RED],
    "NewType": Alias,
    "collections": deque[frozenset[Row]],
    "not looked into": Sequence[Part],
    "reduced": Annotated[list[Part], operator.add],
    "generic": typing.List[Row],  # noqa: UP006  # the old form is another type
}


def both(builder: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[set[Any], set[Any]]:
    """LangGraph's allow-list and lgc's, without the classes that need none."""
    monkeypatch.setattr(_serde, "STRICT_MSGPACK_ENABLED", True)
    theirs = builder.compile()._serde_allowlist
    mine = compile_in_process(builder).program.allowlist
    assert not mine & SAFE_TYPES
    return theirs - SAFE_TYPES, set(mine)


@pytest.mark.parametrize("kind", STATES)
def test_types_of_a_key(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = StateGraph(TypedDict("State", {"x": STATES[kind]}))  # type: ignore[operator]
    builder.add_node("a", lambda state: None)
    builder.add_edge(START, "a")
    if kind == "not looked into" and sys.version_info < (3, 11):
        # LangGraph fails at aliases of collections.abc.
        assert not compile_in_process(builder).program.allowlist
        return
    theirs, mine = both(builder, monkeypatch)
    assert mine == theirs
    empty = kind in ("plain", "messages", "literal", "not looked into")
    assert bool(mine) != empty, mine


def test_schemas_of_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the state, the input, the output, the context, the nodes and the routers."""

    class Whole(MessagesState):
        left: RemainingSteps
        x: int

    def classes(*names: str) -> list[Any]:
        return [dataclasses.make_dataclass(name, [("x", int)]) for name in names]

    given, result, mine_only, routed = classes("Given", "Result", "Own", "Routed")

    def node(state: Any) -> Any:
        return None

    def route(state: Any) -> Any:
        return []

    route.__annotations__["state"] = routed
    builder: Any = StateGraph(Whole, Settings, input_schema=given, output_schema=result)
    builder.add_node("a", node, input_schema=mine_only)
    builder.add_edge(START, "a")
    builder.add_conditional_edges("a", route, ["a"])
    theirs, mine = both(builder, monkeypatch)
    assert mine == theirs
    names = {"Given", "Result", "Own", "Routed", "Settings", "Color"}
    assert {name for _, name in mine} == names


def test_a_strict_run(tmp_path: Path) -> None:
    """What is read is made of the schemas' classes and no others, in both engines and savers."""
    script = """
import dataclasses, logging
from functools import partial
from typing import Any, TypedDict
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import StateGraph
from lgc import compile_graph
from lgc.savers import MemorySaver

logging.disable()

@dataclasses.dataclass
class Row:
    number: int

@dataclasses.dataclass
class Other:
    number: int

class State(TypedDict):
    row: Row
    other: Any

builder = StateGraph(State)
builder.add_node("node", lambda state: {"row": Row(1), "other": Other(2)})
builder.add_edge("__start__", "node")
config = {"configurable": {"thread_id": "1"}}
for made in (builder.compile, partial(compile_graph, builder)):
    for saver in (InMemorySaver(), MemorySaver()):
        graph = made(checkpointer=saver)
        graph.invoke({}, config)
        print(graph.get_state(config).values)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "LANGGRAPH_STRICT_MSGPACK": "true"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "{'row': Row(number=1), 'other': {'number': 2}}\n" * 4
