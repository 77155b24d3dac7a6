"""How runs end: failures of failures, savers that fail, and when the last chunk comes out."""

from __future__ import annotations

import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest
from inprocess import compile_in_process
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import ParentCommand
from langgraph.graph import START, StateGraph

from lgc.runtime.graph import CompiledGraph


class State(TypedDict):
    log: Annotated[list[str], operator.add]


class Counting(InMemorySaver):
    """A saver that counts what it has stored, and fails where it is told to."""

    fails_at = 0
    calls = 0

    def put(self, *args: Any, **kwargs: Any) -> Any:
        self._count()
        return super().put(*args, **kwargs)

    def put_writes(self, *args: Any, **kwargs: Any) -> None:
        self._count()
        super().put_writes(*args, **kwargs)

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self.fails_at:
            raise OSError("disk")


def _graph(nodes: dict[str, Any]) -> tuple[Any, CompiledGraph]:
    """The nodes side by side, under LangGraph and under lgc."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder, compile_in_process(builder)


def _noted(error: Exception) -> Exception:
    error.__notes__ = "no list"  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    "make",
    [lambda: ParentCommand("no Command"), lambda: _noted(ValueError("n"))],  # type: ignore[arg-type]
)
@pytest.mark.parametrize("method", ["invoke", "stream"])
def test_a_failure_that_cannot_be_noted_ends_the_run(make: Any, method: str) -> None:
    """What fails while a failure is handled is raised, and nobody waits for the task for ever."""

    def node(state: State) -> Any:
        raise make()

    builder, graph = _graph({"a": node})
    raised = []
    for engine in (builder.compile(), graph):
        with pytest.raises(Exception) as caught:
            result = getattr(engine, method)({"log": []})
            list(result)
        raised.append((type(caught.value), str(caught.value)))
    assert raised[0] == raised[1]


@pytest.mark.parametrize("durability", ["async", "exit"])
def test_everything_is_stored_when_a_consumer_has_the_last_chunk(durability: str) -> None:
    """For a mode whose last chunk comes with the end of the run, as under LangGraph."""
    builder, graph = _graph({"a": lambda state: {"log": ["a"]}})
    counts = []
    for compile in (builder.compile, graph.compile):
        saver = Counting()
        config = {"configurable": {"thread_id": "t"}}
        chunks = compile(checkpointer=saver).stream(
            {"log": []}, config, durability=durability, stream_mode="updates"
        )
        assert list(chunks) == [{"a": {"log": ["a"]}}]
        counts.append(saver.calls)
    assert counts[0] == counts[1]


def test_nothing_starts_after_the_saver_has_failed() -> None:
    """A task that waits for a place does not run when storing what its sibling wrote has failed."""
    ran: list[str] = []

    def node(name: str) -> Any:
        def run(state: State) -> dict[str, list[str]]:
            ran.append(name)
            return {"log": [name]}

        return run

    _, graph = _graph({name: node(name) for name in "abcd"})
    saver = Counting()
    saver.fails_at = 4  # input, the writes of __start__, its checkpoint, the writes of a
    config = {"configurable": {"thread_id": "t"}, "max_concurrency": 1}
    with pytest.raises(OSError, match="disk"):
        graph.compile(checkpointer=saver).invoke({"log": []}, config, durability="sync")
    assert ran == ["a"]


def test_values_with_slow_destructors_in_many_threads() -> None:
    """A task that goes away may run a user's destructor, while other threads make tasks."""

    class Slow:
        def __del__(self) -> None:
            threading.Event().wait(0.0005)

    class Holding(TypedDict):
        value: Any

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(Holding)
    for place in range(3):
        builder.add_node(f"n{place}", lambda state: {"value": Slow()})
    builder.add_edge(START, "n0")
    builder.add_edge("n0", "n1")
    builder.add_edge("n1", "n2")
    graph = compile_in_process(builder)

    def run() -> None:
        for _ in range(40):
            graph.invoke({"value": Slow()})

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
