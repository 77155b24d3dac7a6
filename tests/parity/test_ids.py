"""Ids are LangGraph's, bit for bit, under the same clock and chance (spec §4.5-§4.8)."""

from __future__ import annotations

import operator
from typing import Annotated, Any
from uuid import UUID

import langgraph.checkpoint.base.id as upstream_id
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
from langgraph.func import task
from langgraph.graph import START, StateGraph
from langgraph.pregel._algo import _uuid5_str, _xxhash_str, task_path_str
from langgraph.types import _interrupt_id
from parity import pinned
from typing_extensions import TypedDict

from lgc.runtime.constants import PULL, PUSH
from lgc.runtime.ids import CheckpointIds, interrupt_id, next_version, path_text, task_id, uuid6


@given(st.integers(0, 2**48 - 1), st.integers(-2, 2**15))
def test_uuid6(node: int, clock_seq: int) -> None:
    """All the fields of a uuid6."""
    expected = upstream_id.uuid6(node, clock_seq)
    assert uuid6(expected.time, node, clock_seq) == str(expected)


@given(st.integers(-2, 20), st.integers(-2, 20))
def test_checkpoint_ids(first: int, then: int) -> None:
    """The ids of a run, in whatever order they are read, several within one tick of the clock."""
    with pinned():
        expected = [str(upstream_id.uuid6(clock_seq=step)) for step in range(-2, 21)]
    with pinned():
        draws = CheckpointIds()
        assert draws.checkpoint_id(first) == expected[first + 2]
        assert draws.checkpoint_id(then) == expected[then + 2]


def test_checkpoint_ids_follow_the_clock() -> None:
    """Without pinning, ids sort by time across both engines."""
    first, second = str(upstream_id.uuid6(clock_seq=1)), CheckpointIds().checkpoint_id(1)
    assert UUID(second).version == 6
    assert abs(UUID(first).int - UUID(second).int) >> 80 < 2**32


@given(st.uuids(), st.lists(st.text(max_size=8), max_size=6))
def test_task_id(checkpoint: UUID, parts: list[str]) -> None:
    """Task ids over arbitrary namespaces, names and triggers."""
    expected = _xxhash_str(checkpoint.bytes, *parts)
    assert task_id(str(checkpoint), tuple(parts)) == expected


@given(st.uuids(), st.lists(st.text(max_size=8), max_size=6))
def test_task_id_of_the_first_layout(checkpoint: UUID, parts: list[str]) -> None:
    """Checkpoints of version 1 have tasks with other ids."""
    expected = _uuid5_str(checkpoint.bytes, *parts)
    assert task_id(str(checkpoint), tuple(parts), first_layout=True) == expected


class State(TypedDict):
    """One key."""

    log: Annotated[list[str], operator.add]


def test_ids_of_calls_and_error_handlers() -> None:
    """The parts that the ids of `@task` calls and of error handlers are hashed from (spec §4.6)."""

    @task
    def called(number: int) -> str:
        return str(get_config()["configurable"]["checkpoint_map"][""])

    def calls(state: State) -> dict[str, Any]:
        return {"log": [called(0).result(), called(1).result()]}

    def fails(state: State) -> dict[str, Any]:
        raise ValueError("always")

    def handles(state: State, config: RunnableConfig) -> dict[str, Any]:
        return {"log": []}

    builder = StateGraph(State)
    builder.add_node("calls", calls)
    builder.add_node("fails", fails, error_handler=handles)
    builder.add_edge(START, "calls")
    builder.add_edge(START, "fails")
    graph = builder.compile(checkpointer=InMemorySaver())
    config: RunnableConfig = {"configurable": {"thread_id": "1"}}
    found: dict[str, list[str]] = {}
    for event in graph.stream({"log": []}, config, stream_mode="tasks"):
        known = found.setdefault(event["name"], [])
        if event["id"] not in known:
            known.append(event["id"])
    checkpoint_id = graph.get_state(config).values["log"][0]
    parent, failed = found["calls"][0], found["fails"][0]
    path = path_text((PULL, "calls"))
    expected = [
        task_id(checkpoint_id, (f"calls:{parent}|called", "1", "called", PUSH, path, str(number)))
        for number in range(2)
    ]
    assert sorted(found["called"]) == sorted(expected)
    handler = next(name for name in found if "error_handler" in name)
    parts = (f"fails:{failed}|{handler}", "1", handler, PUSH, "node_error_handler", failed)
    assert found[handler] == [task_id(checkpoint_id, parts)]


@given(
    st.recursive(
        st.text(max_size=3) | st.integers(-9, 10**11) | st.booleans(),
        lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    )
)
def test_path_text(path: Any) -> None:
    """What savers sort pending writes by."""
    assert path_text(path) == task_path_str(path)


@given(st.text(), st.integers(0, 12))
def test_interrupt_id(namespace: str, answers: int) -> None:
    """Interrupt ids, before and after answers."""
    assert interrupt_id(namespace, answers) == _interrupt_id(namespace, answers)


@given(
    st.none()
    | st.integers(0, 10**12)
    | st.integers(0, 10**12).map(lambda number: f"{number:032}.0.5")
)
def test_next_version(current: int | str | None) -> None:
    """Channel versions after every kind of version a saver has had."""
    with pinned():
        expected = InMemorySaver().get_next_version(current, None)
    with pinned():
        assert next_version(current) == expected
