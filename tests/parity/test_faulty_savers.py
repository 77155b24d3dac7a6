"""A saver that fails: its error ends the run, what was stored stays, and a resume goes on.

For every method of a saver and every n, the n-th call of it raises, before it stores anything;
then the thread is resumed with a healthy saver.
"""

from __future__ import annotations

import operator
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from async_twins import CALLERS
from inprocess import compile_in_process
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from parity import COUNTS
from threads import opened, stored
from typing_extensions import TypedDict

from lgc.runtime.graph import CompiledGraph
from lgc.savers import MemorySaver

CONFIG = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}

METHODS = ("get_tuple", "put", "put_writes", "put_superstep", "get_next_version")


class State(TypedDict):
    """What the graphs here have."""

    log: Annotated[list[str], operator.add]


class Fault:
    """What goes wrong, and when.

    Args:
        method: the saver's method.
        number: which call of it, from 1.
        error: what it raises; None has it take its time.
    """

    def __init__(self, method: str, number: int, error: Exception | None) -> None:
        self.method = method
        self.error = error
        self.left = number

    def __call__(self, name: str) -> None:
        """Called before every call of a method."""
        if name != self.method:
            return
        self.left -= 1
        if self.left == 0:
            if self.error is not None:
                raise self.error
            time.sleep(0.02)

    @property
    def happened(self) -> bool:
        """Whether there were so many calls."""
        return self.left <= 0


@contextmanager
def faulty(saver: Any, fault: Fault) -> Iterator[None]:
    """Lets `fault` happen to `saver`."""

    def wrapped(name: str) -> Callable[..., Any]:
        healthy = getattr(saver, name)

        def method(*args: Any, **kwargs: Any) -> Any:
            fault(name)
            return healthy(*args, **kwargs)

        # An old saver is told by the names of its arguments.
        method.__wrapped__ = healthy  # type: ignore[attr-defined]
        return method

    names = [name for name in METHODS if hasattr(saver, name)]
    for name in names:
        setattr(saver, name, wrapped(name))
    try:
        yield
    finally:
        for name in names:
            delattr(saver, name)


Task = tuple[str, int, tuple[Any, ...]]
"""A task's node, superstep and path."""

Ran = list[Task]
"""The tasks that ran."""


def _node(name: str, ran: Ran, asks: bool = False) -> Callable[..., Any]:
    def node(state: State, config: dict[str, Any]) -> dict[str, list[str]]:
        answer = f" {interrupt('?')}" if asks else ""
        metadata = config["metadata"]
        ran.append((name, metadata["langgraph_step"], metadata["langgraph_path"]))
        return {"log": [f"{name}{answer}"]}

    node.__annotations__ = {"state": State, "config": "RunnableConfig"}
    return node


def chain(ran: Ran) -> StateGraph[Any, Any, Any, Any]:
    """Three nodes, one after the other."""
    builder = StateGraph(State)
    for name in "abc":
        builder.add_node(name, _node(name, ran))
    for start, end in ((START, "a"), ("a", "b"), ("b", "c")):
        builder.add_edge(start, end)
    return builder


def fan(ran: Ran) -> StateGraph[Any, Any, Any, Any]:
    """Parallel nodes and Sends, and a join."""
    builder = StateGraph(State)
    for name in "abcde":
        builder.add_node(name, _node(name, ran))
    builder.add_edge(START, "a")
    builder.add_conditional_edges("a", lambda state: ["b", "c", Send("d", {}), Send("d", {})])
    builder.add_edge(["b", "c"], "e")
    builder.add_edge("e", END)
    return builder


def asking(ran: Ran) -> StateGraph[Any, Any, Any, Any]:
    """A node that asks, beside one that does not."""
    builder = StateGraph(State)
    builder.add_node("a", _node("a", ran, asks=True))
    builder.add_node("b", _node("b", ran))
    builder.add_node("c", _node("c", ran))
    for start, end in ((START, "a"), (START, "b"), ("a", "c")):
        builder.add_edge(start, end)
    return builder


GRAPHS = (chain, fan, asking)
KINDS = ("UpstreamMemorySaver", "MemorySaver", "UpstreamSqliteSaver", "SqliteSaver")
ERRORS = (RuntimeError("the saver fails"), sqlite3.OperationalError("database or disk is full"))


def to_the_end(graph: CompiledGraph, saver: Any, durability: str) -> Any:
    """Runs a thread, from wherever it is, to its end; its state."""
    while True:
        saved = saver.get_tuple(CONFIG)
        state = graph.get_state(CONFIG)
        if saved is not None and not state.tasks:
            return state.values
        given: Any = None if saved is not None else {"log": ["in"]}
        if state.interrupts:
            given = Command(resume="!")
        graph.invoke(given, CONFIG, durability=durability)  # type: ignore[arg-type]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.__name__)
def test_the_run_fails_and_a_resume_goes_on(
    graph: Any, kind: str, durability: str, tmp_path: Path
) -> None:
    """Every call of every method, an error and a full disk."""
    ran: Ran = []
    program = compile_in_process(graph(ran))
    with opened(kind, tmp_path / "whole.db") as saver:
        wanted = to_the_end(program.compile(saver), saver, durability)
    for method in METHODS:
        number = 0
        while True:
            number += 1
            error = ERRORS[number % len(ERRORS)]
            fault = Fault(method, number, error)
            with opened(kind, tmp_path / f"{method}{number}.db") as saver:
                _check(program.compile(saver), saver, fault, durability, wanted, ran)
            if not fault.happened:
                break
            COUNTS["faults of savers"] += 1


def _check(
    graph: CompiledGraph, saver: Any, fault: Fault, durability: str, wanted: Any, ran: Ran
) -> None:
    ran.clear()
    with faulty(saver, fault):
        try:
            to_the_end(graph, saver, durability)
        except type(fault.error) as error:  # type: ignore[misc]
            assert error is fault.error
        else:
            assert not fault.happened
    before = stored(saver)
    done = _finished(graph, saver)
    runs = ran.copy()
    ran.clear()
    assert to_the_end(graph, saver, durability) == wanted
    after = stored(saver)
    # An answer is given to the same checkpoint once more, in place of what was asked.
    assert before.keys() <= after.keys()
    assert all(after[key] == row for key, row in before.items() if key[-1] not in (-3, -4))
    for task in done:
        assert task in runs and task not in ran


def _finished(graph: CompiledGraph, saver: Any) -> list[Task]:
    """The tasks that the newest checkpoint has writes of: they may not run again."""
    if saver.get_tuple(CONFIG) is None:
        return []
    state = graph.get_state(CONFIG)
    step = state.metadata["step"] + 1
    done = [task for task in state.tasks if task.result is not None and task.name != START]
    return [(task.name, step, task.path) for task in done]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("method", METHODS)
def test_a_slow_saver_changes_nothing(method: str, durability: str) -> None:
    """A call that takes its time, each in turn."""
    ran: Ran = []
    program = compile_in_process(fan(ran))
    for kind in (InMemorySaver, MemorySaver):
        number = 0
        while True:
            number += 1
            saver, fault = kind(), Fault(method, number, None)
            with faulty(saver, fault):
                values = to_the_end(program.compile(saver), saver, durability)
            assert values["log"] == ["in", "a", "b", "c", "d", "d", "e"]
            if not fault.happened:
                break
            COUNTS["delays of savers"] += 1


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("method", ["get_tuple", "list"])
def test_a_look_at_the_state_fails(
    method: str, caller: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the saver's own error."""
    saver = MemorySaver()
    graph = caller(compile_in_process(chain([])).compile(saver))
    graph.invoke({"log": []}, CONFIG)

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise ERRORS[0]

    monkeypatch.setattr(saver, method, fail)
    with pytest.raises(RuntimeError, match="the saver fails"):
        if method == "list":
            list(graph.get_state_history(CONFIG))
        else:
            graph.get_state(CONFIG)
