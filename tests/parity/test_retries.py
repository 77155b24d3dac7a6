"""Retry policies: nodes that fail run again as under LangGraph (spec §4.9), on every path."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from inprocess import compile_in_process
from langgraph.config import get_config, get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, RetryPolicy, Send, interrupt
from policy_runs import MODES, compare

GIVEN = {"x": ["in"], "n": 0}
CALLS = {
    "invoke": ("invoke", GIVEN, {}),
    "stream": ("stream", GIVEN, {"stream_mode": ["values", "updates"]}),
    "events": ("stream", GIVEN, {"stream_mode": MODES}),
    "ainvoke": ("ainvoke", GIVEN, {}),
    "astream": ("astream", GIVEN, {"stream_mode": MODES}),
}


class State(TypedDict):
    """A list that grows, and a value."""

    x: Annotated[list[Any], operator.add]
    n: int


class Odd(Exception):
    """What the nodes here raise."""


def failing(log: list[Any], times: int, *, error: type[BaseException] = Odd) -> Callable[..., Any]:
    """A node that fails so many times, and notes what it is told of its attempt."""
    failures = [times]

    def node(state: State, runtime: Runtime[Any]) -> Any:
        info = runtime.execution_info
        log.append((info.node_attempt, info.node_first_attempt_time, info.task_id))
        get_stream_writer()(f"attempt {info.node_attempt}")
        conf = get_config()["configurable"]
        log.append((conf.get("__pregel_resuming"), conf["checkpoint_ns"]))
        conf["__pregel_send"]([("x", ["sent"])])
        if failures[0]:
            failures[0] -= 1
            raise error(f"left {failures[0]}")
        return {"x": ["done"]}

    return node


def one(node: Any, policy: Any, **options: Any) -> StateGraph[Any]:
    """The node between two others, one of which runs beside it."""
    builder = StateGraph(State)
    builder.add_node("first", lambda state: {"x": ["first"]})
    builder.add_node("node", node, retry_policy=policy, **options)
    builder.add_node("last", lambda state: {"x": ["last"]})
    builder.add_edge(START, "first")
    builder.add_edge("first", "node")
    builder.add_edge("node", "last")
    return builder


FAST = {"initial_interval": 0.25, "retry_on": Odd}
POLICIES: dict[str, Any] = {
    "three": RetryPolicy(**FAST),
    "backoff": RetryPolicy(max_attempts=6, backoff_factor=3, max_interval=2, jitter=False, **FAST),
    "one": RetryPolicy(max_attempts=1, **FAST),
    "sequence": [RetryPolicy(max_attempts=2, retry_on=KeyError), RetryPolicy(**FAST)],
    "kinds": RetryPolicy(initial_interval=0, retry_on=(KeyError, Odd)),
    "predicate": RetryPolicy(retry_on=lambda exc: "left 3" in str(exc)),
    "raises": RetryPolicy(retry_on=lambda exc: 1 / 0),
    "wrong": RetryPolicy(retry_on="Odd"),
    "number": RetryPolicy(retry_on=5),
    "default": RetryPolicy(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("policy", POLICIES)
def test_how_often_and_when(policy: str, call: str) -> None:
    """Attempts, sleeps, what the node is told, chunks, and the failure with its notes."""
    compare(lambda log: one(failing(log, 1), POLICIES[policy]), CALLS[call])
    compare(lambda log: one(failing(log, 4), POLICIES[policy]), CALLS[call])


@pytest.mark.parametrize("call", CALLS)
def test_on_a_thread(call: str) -> None:
    """Rows and states of a run that succeeds, and of one that gives up and goes on."""
    again = CALLS[call][0], None, CALLS[call][2]
    policy = POLICIES["three"]
    compare(lambda log: one(failing(log, 2), policy), CALLS[call], again, saved=True)
    compare(lambda log: one(failing(log, 4), policy), CALLS[call], again, saved=True)


@pytest.mark.parametrize("error", [ValueError, ConnectionError, Odd, KeyboardInterrupt])
def test_what_is_retried_by_default(error: type[BaseException]) -> None:
    """LangGraph's own predicate; what ends the process never is."""
    for call in ("invoke", "ainvoke"):
        compare(lambda log: one(failing(log, 1, error=error), RetryPolicy()), CALLS[call])


@pytest.mark.parametrize("call", ["invoke", "events", "ainvoke", "astream"])
def test_nodes_side_by_side_and_sent_to(call: str) -> None:
    """Each task counts its own attempts."""

    def build(log: list[Any]) -> StateGraph[Any]:
        failed: set[Any] = set()

        def sent(state: Any) -> Any:
            log.append(("sent", state["n"]))
            if state["n"] not in failed:
                failed.add(state["n"])
                raise Odd(f"{state['n']}")
            return {"x": [state["n"]]}

        builder = StateGraph(State)
        builder.add_node("a", failing(log, 1), retry_policy=POLICIES["three"])
        builder.add_node("sent", sent, retry_policy=POLICIES["three"])
        builder.add_edge(START, "a")
        builder.add_conditional_edges(
            "a", lambda state: [Send("sent", {"n": 7, "x": []})], ["sent"]
        )
        return builder

    compare(build, CALLS[call])


@pytest.mark.parametrize("call", ["invoke", "events", "ainvoke"])
def test_a_router_that_fails(call: str) -> None:
    """The whole node runs again."""

    def build(log: list[Any]) -> StateGraph[Any]:
        failures = [1]

        def route(state: State) -> str:
            log.append(("route", list(state["x"])))
            if failures[0]:
                failures[0] -= 1
                raise Odd("route")
            return "last"

        builder = StateGraph(State)
        builder.add_node("node", failing(log, 1), retry_policy=POLICIES["three"])
        builder.add_node("last", lambda state: {"n": 1})
        builder.add_edge(START, "node")
        builder.add_conditional_edges("node", route, ["last"])
        return builder

    compare(build, CALLS[call])


@pytest.mark.parametrize("call", ["invoke", "ainvoke"])
def test_a_question_keeps_its_answer(call: str) -> None:
    """An interrupt is no failure; after a retry the node asks from its first question on."""

    def build(log: list[Any]) -> StateGraph[Any]:
        failures = [1]

        def node(state: State) -> Any:
            answers = [interrupt("one?"), interrupt("two?")]
            log.append(answers)
            if failures[0]:
                failures[0] -= 1
                raise Odd("after both")
            return {"x": answers}

        return one(node, POLICIES["three"])

    compare(
        build,
        CALLS[call],
        (call, Command(resume="a"), {}),
        (call, Command(resume="b"), {}),
        saved=True,
    )


@pytest.mark.parametrize("call", ["invoke", "events", "ainvoke", "astream"])
@pytest.mark.parametrize("as_node", [True, False])
@pytest.mark.parametrize("saved", [True, False])
def test_a_graph_in_a_node_that_is_retried(call: str, as_node: bool, saved: bool) -> None:
    """It is told to go on, in a namespace of its own each time."""

    def build(log: list[Any]) -> StateGraph[Any]:
        inner = StateGraph(State)
        inner.add_node("quick", lambda state: log.append("quick") or {"x": ["quick"]})
        inner.add_node("fails", failing(log, 2))
        inner.add_edge(START, "quick")
        inner.add_edge("quick", "fails")
        child = inner.compile()
        node = child if as_node else lambda state: child.invoke({"x": [], "n": 0})
        if not as_node and call.startswith("a"):

            async def node(state: State) -> Any:
                return await child.ainvoke({"x": [], "n": 0})

        return one(node, POLICIES["three"])

    method, given, options = CALLS[call]
    if method.endswith("stream"):
        options = {**options, "subgraphs": True}
    compare(build, (method, given, options), saved=saved, by_chance=True)


@pytest.mark.parametrize("call", ["invoke", "ainvoke"])
def test_a_command_for_the_parent_is_no_failure(call: str) -> None:
    def build(log: list[Any]) -> StateGraph[Any]:
        def up(state: State) -> Any:
            log.append("up")
            return Command(graph=Command.PARENT, update={"x": ["up"]}, goto="last")

        inner = StateGraph(State)
        inner.add_node("up", up, retry_policy=POLICIES["three"])
        inner.add_edge(START, "up")
        return one(inner.compile(), POLICIES["three"])

    compare(build, CALLS[call])


def test_defaults_of_the_builder() -> None:
    """They hold where a node has no policy of its own, handlers included."""

    def build(log: list[Any]) -> StateGraph[Any]:
        builder = one(failing(log, 2), None)
        builder.set_node_defaults(retry_policy=POLICIES["three"])
        builder.add_node("own", failing(log, 2), retry_policy=POLICIES["one"])
        builder.add_edge("last", "own")
        return builder

    for call in CALLS:
        compare(build, CALLS[call])


def test_metadata_of_a_node() -> None:
    """It wins over LangGraph's own, and is stored with the checkpoints of a graph in the node."""

    def build(log: list[Any]) -> StateGraph[Any]:
        def look(state: State) -> Any:
            log.append(sorted(get_config()["metadata"].items()))

        inner = StateGraph(State)
        inner.add_node("look", look, metadata={"inner": 1})
        inner.add_edge(START, "look")
        metadata = {"owner": "me", "langgraph_step": "mine", "deep": {"a": [1]}}
        return one(inner.compile(), None, metadata=metadata)

    for call in ("invoke", "events", "ainvoke"):
        method, given, options = CALLS[call]
        compare(build, (method, given, options), saved=True)
        compare(build, (method, given, options), by_chance=True)


def test_metadata_that_has_no_source() -> None:
    """The module takes it from the builder."""
    token = object()
    seen: list[Any] = []

    def node(state: State) -> Any:
        seen.append(get_config()["metadata"]["token"])

    builder = StateGraph(State)
    builder.add_node("node", node, metadata={"token": token})
    builder.add_edge(START, "node")
    compile_in_process(builder).invoke({"n": 1, "x": []})
    assert seen == [token]
