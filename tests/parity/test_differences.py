"""The differences on purpose (docs/differences.md), each beside what LangGraph does."""

from __future__ import annotations

import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest
from inprocess import compile_in_process
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import START, StateGraph
from langgraph.types import StreamWriter


class State(TypedDict):
    """One reduced key."""

    log: Annotated[list[str], operator.add]


def test_durability_without_a_saver_runs() -> None:
    """LangGraph warns that it has no effect, and then fails on it."""
    builder = StateGraph(State)
    builder.add_node("a", lambda state: {"log": ["a"]})
    builder.add_edge(START, "a")
    with pytest.warns(UserWarning, match="has no effect"), pytest.raises(AttributeError):
        builder.compile().invoke({"log": []}, durability="sync")
    with pytest.warns(UserWarning, match="has no effect"):
        found = compile_in_process(builder).invoke({"log": []}, durability="sync")
    assert found == {"log": ["a"]}


def test_the_task_that_failed_first_is_the_one_that_is_raised() -> None:
    """Whichever of the others fails while the run is being given up."""
    failed = threading.Event()

    def first(state: State) -> Any:
        failed.set()
        raise ValueError("first")

    def second(state: State) -> Any:
        failed.wait(5)
        raise KeyError("second")

    builder = StateGraph(State)
    builder.add_node("a", second)
    builder.add_node("b", first)
    builder.add_edge(START, "a")
    builder.add_edge(START, "b")
    graph = compile_in_process(builder)
    for _ in range(20):
        failed.clear()
        with pytest.raises((ValueError, KeyError)) as caught:
            graph.invoke({"log": []})
        assert isinstance(caught.value, ValueError)


def test_writer_on_a_thread_of_the_nodes_own() -> None:
    """A thread without the node's context can still write; LangGraph finds no config there."""

    def node(state: State, writer: StreamWriter) -> Any:
        errors: list[BaseException] = []

        def write() -> None:
            try:
                writer("chunk")
            except RuntimeError as error:
                errors.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        return {"log": [type(error).__name__ for error in errors]}

    builder = StateGraph(State)
    builder.add_node("a", node)
    builder.add_edge(START, "a")
    wanted = [{"a": {"log": ["RuntimeError"]}}]
    assert _chunks(builder.compile()) == wanted
    assert _chunks(compile_in_process(builder)) == ["chunk", {"a": {"log": []}}]


def _chunks(graph: Any) -> list[Any]:
    modes = ["custom", "updates"]
    return [payload for _, payload in graph.stream({"log": []}, stream_mode=modes)]


def test_a_dict_that_is_no_message_beside_other_tasks() -> None:
    """LangGraph raises it for a task that runs alone, and swallows it beside others."""

    def joined(value: list[Any], writes: list[Any]) -> list[Any]:
        return sum(writes, value)

    keys = {"x": Annotated[list, DeltaChannel(joined)], "log": Annotated[list, operator.add]}
    builder = StateGraph(TypedDict("Messages", keys))  # type: ignore[misc,operator]
    builder.add_node("malformed", lambda state: {"x": [{"role": "user"}]})
    builder.add_node("beside", lambda state: {"log": ["beside"]})
    builder.add_edge(START, "malformed")
    assert "ValueError" in _raised(builder.compile()) and "ValueError" in _raised(
        compile_in_process(builder)
    )
    builder = builder.add_edge(START, "beside")
    assert _raised(builder.compile()) == ""
    assert "ValueError" in _raised(compile_in_process(builder))


def _raised(graph: Any) -> str:
    try:
        graph.invoke({"x": [], "log": []})
    except Exception as error:
        return repr(error)
    return ""
