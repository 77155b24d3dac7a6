"""The differences on purpose (docs/differences.md), each beside what LangGraph does."""

from __future__ import annotations

import asyncio
import operator
import threading
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from inprocess import compile_in_process
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.errors import EmptyInputError
from langgraph.graph import START, StateGraph
from langgraph.types import Command, StreamWriter, interrupt

from lgc import compile_graph
from lgc.runtime.constants import NULL_TASK_ID


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
    graph = compile_in_process(builder)

    async def collect() -> list[Any]:
        return [chunk async for chunk in graph.astream({"log": []}, durability="sync")]

    for run in (
        lambda: [{"a": graph.invoke({"log": []}, durability="sync")}],
        lambda: list(graph.stream({"log": []}, durability="sync")),
        lambda: asyncio.run(collect()),
    ):
        with pytest.warns(UserWarning, match="has no effect") as warned:
            assert run() == [{"a": {"log": ["a"]}}]
        # It points at who asked for it.
        assert [warning.filename for warning in warned] == [__file__]


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


class Failing(InMemorySaver):
    """A saver whose disk is full from the second checkpoint on."""

    def put(self, *args: Any, **kwargs: Any) -> Any:
        if sum(map(len, self.storage["1"].values())) > 1:
            raise OSError("disk full")
        return super().put(*args, **kwargs)


@pytest.mark.parametrize("durability", ["sync", "async"])
def test_a_run_ends_when_nothing_can_be_stored(durability: str) -> None:
    """LangGraph runs every node all the same, unless it waits for each checkpoint."""
    ran: list[str] = []

    def node(name: str) -> Any:
        def run(state: State) -> dict[str, Any]:
            ran.append(name)
            time.sleep(0.05)
            return {"log": [name]}

        return run

    builder = StateGraph(State)
    builder.add_sequence([(name, node(name)) for name in "abcd"])
    builder.add_edge(START, "a")
    config = {"configurable": {"thread_id": "1"}}
    for made, most in ((builder.compile, 4), (partial(compile_graph, builder), 2)):
        ran.clear()
        with pytest.raises(OSError, match="disk full"):
            made(checkpointer=Failing()).invoke({"log": []}, config, durability=durability)
        assert len(ran) <= most
        if durability == "async" and most == 4:
            assert ran == ["a", "b", "c", "d"]


def test_an_empty_command_is_no_input() -> None:
    builder = StateGraph(State)
    builder.add_node("a", lambda state: {"log": ["a"]})
    builder.add_edge(START, "a")
    config = {"configurable": {"thread_id": "1"}}
    with pytest.raises(UnboundLocalError):
        builder.compile(checkpointer=InMemorySaver()).invoke(Command(), config)
    with pytest.raises(EmptyInputError, match="Received empty Command input"):
        compile_graph(builder, checkpointer=InMemorySaver()).invoke(Command(), config)


def test_siblings_of_a_failed_task_are_stored_at_exit() -> None:
    """So a resume runs only the one that failed."""
    failed = threading.Event()
    ran: list[str] = []

    def slow(state: State) -> dict[str, Any]:
        failed.wait(5)
        time.sleep(0.1)
        ran.append("slow")
        return {"log": ["slow"]}

    def fails_once(state: State) -> dict[str, Any]:
        if not failed.is_set():
            failed.set()
            raise ValueError("first time")
        return {"log": ["other"]}

    builder = StateGraph(State)
    builder.add_node("slow", slow)
    builder.add_node("other", fails_once)
    builder.add_edge(START, "slow")
    builder.add_edge(START, "other")
    graph = compile_graph(builder, checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    with pytest.raises(ValueError, match="first time"):
        graph.invoke({"log": []}, config, durability="exit")
    assert graph.invoke(None, config, durability="exit") == {"log": ["other", "slow"]}
    assert ran == ["slow"]


def test_an_interrupt_does_not_write_to_the_state() -> None:
    builder: StateGraph[Any] = StateGraph(dict)
    builder.add_node("ask", lambda state: {"answer": interrupt("question")})
    builder.add_edge(START, "ask")
    config = {"configurable": {"thread_id": "1"}}
    made = (builder.compile, partial(compile_graph, builder))
    theirs, ours = (make(checkpointer=InMemorySaver()) for make in made)
    for graph, key in ((theirs, True), (ours, False)):
        before = {"a": 1}
        for _ in graph.stream(before, config, stream_mode="values", durability="exit"):
            pass
        stored = graph.get_state(config).values
        assert ("__interrupt__" in stored) == key


@pytest.mark.parametrize("method", ["stream", "invoke"])
def test_interrupts_stay_in_the_chunk_of_their_update(method: str) -> None:
    """One object is in both chunks of LangGraph, and taken out of that of the values."""
    builder = StateGraph(State)
    builder.add_node("a", lambda state: {"log": [interrupt("question")]})
    builder.add_edge(START, "a")
    found = []
    for graph in (builder.compile(), compile_in_process(builder)):
        modes = {"stream_mode": ["updates", "values"], "output_keys": "log"}
        chunks = getattr(graph, method)({"log": []}, version="v2", **modes)
        found.append({part["type"]: part for part in chunks})
    theirs, mine = found
    assert theirs["values"]["data"] == mine["values"]["data"] == {}
    assert [each.value for each in theirs["values"]["interrupts"]] == ["question"]
    assert theirs["updates"]["data"] == {}
    assert mine["updates"]["data"] == {"__interrupt__": mine["values"]["interrupts"]}


def test_a_second_answer_beside_an_update_is_stored(tmp_path: Path) -> None:
    """LangGraph's savers on SQL ignore it: it does not come alone, and its place is taken."""

    def ask(state: State) -> dict[str, Any]:
        return {"log": [interrupt(str(number)) for number in range(3)]}

    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    config: Any = {"configurable": {"thread_id": "1"}}
    stored = []
    for made in (builder.compile, partial(compile_graph, builder)):
        with SqliteSaver.from_conn_string(str(tmp_path / f"{len(stored)}.db")) as saver:
            graph = made(checkpointer=saver)
            graph.invoke({"log": []}, config)
            for answer in "AB":
                graph.invoke(Command(resume=answer, update={"log": ["update"]}), config)
            found = saver.get_tuple(config)
            assert found is not None and found.pending_writes is not None
            writes = found.pending_writes
            stored.append([(key, value) for task, key, value in writes if task == NULL_TASK_ID])
    updates = [("log", ["update"]), ("log", ["update"])]
    assert stored == [[("__resume__", "A"), *updates], [("__resume__", "B"), *updates]]
