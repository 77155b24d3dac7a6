"""Exceptions that steer a run, raised wherever users' code runs, beside LangGraph."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.errors import (
    GraphBubbleUp,
    GraphDrained,
    GraphInterrupt,
    NodeInterrupt,
    ParentCommand,
)
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Interrupt
from parity import BOTH, FULL_PATH, INVOKE, UPDATES, VALUES, Call, Log, compare
from threads import Script, Step, compare_scripts


class Steering(GraphBubbleUp):
    """A user's own."""


class Asking(GraphInterrupt):
    """A user's own question."""


def node_interrupt() -> BaseException:
    """LangGraph's deprecated way to ask."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return NodeInterrupt("asked", id="i")


EXCEPTIONS: dict[str, Callable[[], BaseException]] = {
    "no questions, a list": lambda: GraphInterrupt([]),
    "no questions": lambda: GraphInterrupt(),
    "a question": lambda: GraphInterrupt((Interrupt("asked", id="i"),)),
    "questions in a list": lambda: GraphInterrupt([Interrupt("asked", id="i")]),
    "None for questions": lambda: GraphInterrupt(None),  # type: ignore[arg-type]
    "a user's question": lambda: Asking([]),
    "NodeInterrupt": node_interrupt,
    "for the parent": lambda: ParentCommand(Command(graph=Command.PARENT, update={"a": 9})),
    "for this graph": lambda: ParentCommand(Command(graph="n", update={"a": 9}, goto="m")),
    "for another": lambda: ParentCommand(Command(graph="other", update={"a": 9})),
    "bubble up": lambda: GraphBubbleUp("up"),
    "a user's": lambda: Steering(),
    "drained": lambda: GraphDrained("why"),
}


class State(TypedDict, total=False):
    """A reduced key and a plain one."""

    a: Annotated[int, operator.add]
    b: Any


PLACES = (
    "node",
    "router",
    "second router",
    "router at the start",
    "reducer",
    "reducer of a fresh read",
    "schema of a node",
    "schema of a router",
    "runnable that a node returns",
    "runnable that a router returns",
    "node after a write",
)


def builds(place: str, error: Callable[[], BaseException], beside: bool) -> Any:
    """What makes a graph with the error at that place, and a node beside it or none."""

    def build(log: Log) -> Any:
        def fail(*args: Any) -> Any:
            log.note("n", "raises", place)
            raise error()

        def reduce(old: Any, new: Any) -> Any:
            return fail() if new == 5 else old + new

        @dataclass
        class Made:
            a: int = 0

            def __post_init__(self) -> None:
                if self.a:
                    fail()

        schema: Any = State
        if place.startswith("reducer"):
            hints = {"a": Annotated[int, reduce], "b": Any}
            schema = TypedDict("State", hints, total=False)  # type: ignore[operator]
        builder = StateGraph(schema)

        def node(state: Any) -> Any:
            log.note("n", "runs", None)
            if place == "node":
                fail()
            if place == "runnable that a node returns":
                return RunnableLambda(fail)
            return {"a": 5, "b": "n"}

        def route(state: Any) -> Any:
            log.note("n", "routes", None)
            if place == "router":
                fail()
            if place == "runnable that a router returns":
                return RunnableLambda(fail)
            return "m"

        if place == "schema of a node":
            node.__annotations__["state"] = Made
        if place == "schema of a router":
            route.__annotations__["state"] = Made
        builder.add_node("n", node)
        builder.add_node("m", lambda state: {"b": "m"})
        builder.add_edge(START, "n")
        if place != "reducer":
            builder.add_conditional_edges("n", route, ["m", END])
        if place == "second router":
            builder.add_conditional_edges("n", RunnableLambda(fail, name="second"), ["m", END])
        if place == "router at the start":
            builder.add_conditional_edges(START, fail, ["m", "n"])
        if place == "node after a write":
            builder.add_edge("n", "late")
            builder.add_node("late", fail)
        if beside:
            builder.add_node("o", lambda state: {"b": "o"} if place == "schema of a node" else {})
            builder.add_edge(START, "o")
        return builder

    return build


CALLS = (INVOKE, FULL_PATH, UPDATES, VALUES, BOTH)
EVENTS = tuple(
    Call("stream", (("stream_mode", mode),)) for mode in ("tasks", "checkpoints", "debug")
)


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("error", EXCEPTIONS)
def test_a_run_without_checkpoints(error: str, place: str, beside: bool) -> None:
    build = builds(place, EXCEPTIONS[error], beside)
    for value in (1, 5) if place == "reducer" else (1,):
        input = {"b": "i", "a": value}
        compare(build, input, {"max_concurrency": 1}, *CALLS, *EVENTS)


@pytest.mark.parametrize("durability", ["sync", "exit"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("error", EXCEPTIONS)
def test_a_run_on_a_thread(error: str, place: str, durability: str) -> None:
    """What it shows and stores, how it goes on, and an update through the same routers."""
    options = (("durability", durability),)
    both = (*options, ("stream_mode", ["values", "updates", "tasks"]))
    steps = (
        Step("stream", {"a": 1}, options=both),
        Step("get_state"),
        Step("stream", options=both),
        Step("update_state", {"a": 5}, options=(("as_node", "n"),)),
        Step("get_state"),
        Step(input={"a": 2}, options=options),
        Step("get_state_history"),
    )
    build = builds(place, EXCEPTIONS[error], False)
    compare_scripts(build, Script(steps), [("UpstreamMemorySaver", "MemorySaver")])


def test_a_router_that_asks_nothing_shows_no_update() -> None:
    """Its node's update is neither shown nor applied: the task has not finished."""
    seen = compare(
        builds("router", EXCEPTIONS["no questions, a list"], False), {"a": 0}, None, BOTH
    )
    assert seen[0]["chunks"] == [("values", {"a": 0}), ("updates", {"__interrupt__": []})]
