"""The comparison that one call of `check_parity` makes, and that it finds what differs."""

from __future__ import annotations

from time import sleep
from typing import Any

import pytest
from langgraph.graph import END, START
from langgraph.types import Command, Send, interrupt
from parity_case import check_parity
from small import Lists, wire, writes


def test_two_nodes_write_one_list() -> None:
    builder = wire(Lists, {"a": writes(x=[1]), "b": writes(x=[2])}, (START, "a"), (START, "b"))
    assert check_parity(builder, {"x": []})["result"] == {"x": [1, 2]}


def test_a_loop() -> None:
    def again(state: Any) -> str:
        return "a" if len(state["x"]) < 3 else END

    check_parity(wire(Lists, {"a": writes(x=[1])}, (START, "a"), ("a", again)), {"x": []})


def test_sends_and_commands() -> None:
    def spread(state: Any) -> Any:
        return [Send("work", {"x": [i]}) for i in range(3)]

    def leave(state: Any) -> Any:
        return Command(update={"last": state["x"]}, goto="end")

    nodes = {"work": lambda state: {"x": state["x"]}, "leave": leave, "end": writes(x=["end"])}
    builder = wire(Lists, nodes, (START, spread), ("work", "leave"))
    assert check_parity(builder, {"x": []})["result"]["last"] == [0, 1, 2]


def test_a_question_and_its_answer() -> None:
    def ask(state: Any) -> Any:
        return {"x": [interrupt("which?")]}

    builder = wire(Lists, {"a": ask, "b": writes(x=["b"])}, (START, "a"), (START, "b"))
    check_parity(builder, {"x": []}, resume=["this"])


def test_a_breakpoint() -> None:
    builder = wire(Lists, {"a": writes(x=[1]), "b": writes(x=[2])}, (START, "a"), ("a", "b"))
    check_parity(builder, {"x": []}, resume=[None], interrupt_before=["b"])


def test_a_failure_beside_another_node() -> None:
    def fail(state: Any) -> Any:
        # The other one has ended by then: what is streamed of it before a failure is chance.
        sleep(0.1)
        raise ValueError("no")

    builder = wire(Lists, {"a": fail, "b": writes(x=[1])}, (START, "a"), (START, "b"))
    assert check_parity(builder, {"x": []})["error"]["text"] == "no"


def test_a_difference_is_found() -> None:
    """The function is called for each engine in turn."""
    turns = iter(range(100))
    with pytest.raises(AssertionError, match=r"(?s)-.*'result': \{'x': \[0\]\}.*\+.*\[1\]"):
        check_parity(lambda log: wire(Lists, {"a": writes(x=[next(turns)])}, (START, "a")), {})
