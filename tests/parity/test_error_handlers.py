"""Error handlers: what they are told, what counts of a failed task, resuming (spec §4.10)."""

from __future__ import annotations

import operator
from threading import Event
from typing import Annotated, Any, TypedDict

import pytest
from inprocess import compile_in_process
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt
from parity import same_edge_order
from policy_runs import MODES, THREAD, compare

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


def bad(state: State) -> Any:
    raise Odd("bad")


async def abad(state: State) -> Any:
    raise Odd("abad")


# What handlers return, after the state and the error.
RETURNS: dict[str, Any] = {
    "update": {"x": ["handled"]},
    "nothing": None,
    "goto": Command(update={"x": ["handled"]}, goto="other"),
    "several": Command(goto=["other", "last"]),
    "send": Command(goto=Send("other", {"x": [], "n": 5})),
    "no update": 5,
}


def built(handler: Any, node: Any = bad, **options: Any) -> StateGraph[Any]:
    """A node that fails, with an edge and a router of its own, beside one that does not."""
    builder = StateGraph(State)
    builder.add_node("node", node, error_handler=handler, **options)
    for name in ("after", "beside", "other", "last"):
        builder.add_node(name, lambda state, name=name: {"x": [name, state.get("n")]})
    builder.add_edge(START, "node")
    builder.add_edge("node", "after")
    builder.add_conditional_edges("node", lambda state: "last", ["last"])
    return builder


def telling(log: list[Any], result: Any) -> Any:
    """A handler that notes what it is told."""

    def handler(state: State, config: RunnableConfig, error: NodeError) -> Any:
        conf = config["configurable"]
        log.append((dict(state), error.node, repr(error.error), type(error).__module__))
        log.append(
            (
                conf["checkpoint_ns"],
                conf["__pregel_task_id"],
                sorted(config["metadata"].items(), key=str),
            )
        )
        if isinstance(result, BaseException):
            raise result
        return result

    return handler


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("result", RETURNS)
def test_what_it_returns(result: str, call: str) -> None:
    """Edges and routers of the failed node do not fire; what the handler returns counts."""
    for saved in (False, True):
        compare(
            lambda log: built(telling(log, RETURNS[result])),
            CALLS[call],
            saved=saved,
            by_chance=result == "several",
        )


@pytest.mark.parametrize("call", CALLS)
def test_it_fails_itself(call: str) -> None:
    """That ends the run; then it goes on with the handler, and not with the node."""
    method, _, options = CALLS[call]
    compare(
        lambda log: built(telling(log, Odd("handler"))),
        CALLS[call],
        (method, None, options),
        saved=True,
    )
    compare(lambda log: built(telling(log, Odd("handler"))), CALLS[call])


@pytest.mark.parametrize("call", ["ainvoke", "astream"])
def test_async_nodes_and_handlers(call: str) -> None:
    def build(log: list[Any]) -> StateGraph[Any]:
        async def handler(state: State, error: NodeError) -> Any:
            log.append(repr(error.error))
            return Command(update={"x": ["handled"]}, goto="other")

        return built(handler, abad)

    for saved in (False, True):
        compare(build, CALLS[call], saved=saved)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_several_failures_at_once(call: str, durability: str) -> None:
    """One with a handler of its own, one with the default, one that runs through."""

    def build(log: list[Any]) -> StateGraph[Any]:
        def default(state: State, error: NodeError) -> Any:
            log.append(("default", error.node))
            return {"x": [f"default {error.node}"]}

        builder = StateGraph(State)
        builder.set_node_defaults(error_handler=default)
        builder.add_node("a", bad, error_handler=lambda state: {"x": ["own"]})
        builder.add_node("b", bad)
        builder.add_node("c", lambda state: {"x": ["c"]})
        builder.add_node("d", lambda state: {"x": ["d"]})
        for name in "abc":
            builder.add_edge(START, name)
            builder.add_edge(name, "d")
        return builder

    method, given, options = CALLS[call]
    if method in ("invoke", "ainvoke"):
        options = {**options, "durability": durability}
        compare(build, (method, given, options), saved=True)
        if durability == "sync":
            compare(build, CALLS[call])


@pytest.mark.parametrize("call", ["invoke", "events", "ainvoke"])
def test_after_retries(call: str) -> None:
    """The handler comes when the policy gives up; the default policy holds for handlers, too."""

    def build(log: list[Any]) -> StateGraph[Any]:
        failures = [1]

        def handler(state: State, error: NodeError) -> Any:
            log.append(("handler", repr(error.error)))
            if failures[0]:
                failures[0] -= 1
                raise Odd("once")
            return {"x": ["handled"]}

        def node(state: State) -> Any:
            log.append("node")
            raise Odd("always")

        builder = built(handler, node)
        builder.set_node_defaults(retry_policy=RetryPolicy(initial_interval=0.5, retry_on=Odd))
        return builder

    for saved in (False, True):
        compare(build, CALLS[call], saved=saved)


@pytest.mark.parametrize("call", ["invoke", "ainvoke"])
def test_a_handler_that_asks(call: str) -> None:
    """It is resumed, and the node does not run again."""

    def build(log: list[Any]) -> StateGraph[Any]:
        def node(state: State) -> Any:
            log.append("node")
            raise Odd("bad")

        def handler(state: State) -> Any:
            log.append("handler")
            return {"x": [interrupt("what now?")]}

        return built(handler, node)

    compare(build, CALLS[call], (call, Command(resume="go on"), {}), saved=True)


@pytest.mark.parametrize("call", ["invoke", "events", "ainvoke", "astream"])
@pytest.mark.parametrize("where", ["child", "parent", "both"])
def test_graphs_in_graphs(call: str, where: str) -> None:
    """A failure in a child is the child's handler's, else the parent's."""

    def build(log: list[Any]) -> StateGraph[Any]:
        handler = None if where == "parent" else telling(log, {"x": ["in the child"]})
        inner = StateGraph(State)
        inner.add_node("node", bad, error_handler=handler)
        inner.add_edge(START, "node")
        outer = None if where == "child" else telling(log, {"x": ["in the parent"]})
        return built(outer, inner.compile())

    method, given, options = CALLS[call]
    if method.endswith("stream"):
        options = {**options, "subgraphs": True}
    for saved in (False, True):
        compare(build, (method, given, options), saved=saved, by_chance=True)


@pytest.mark.parametrize("kind", ["interrupt", "parent", "keyboard", "sent"])
@pytest.mark.parametrize("call", ["invoke", "ainvoke"])
def test_what_is_no_failure(kind: str, call: str) -> None:
    """Interrupts, Commands for a parent and what ends the process have no handler; Sends have."""

    def build(log: list[Any]) -> StateGraph[Any]:
        def node(state: State) -> Any:
            log.append("node")
            if kind == "interrupt":
                return {"x": [interrupt("?")]}
            if kind == "keyboard":
                raise KeyboardInterrupt
            if kind == "parent":
                return Command(graph=Command.PARENT)
            raise Odd(f"{state['n']}")

        builder = built(telling(log, {"x": ["handled"]}), node)
        if kind == "sent":
            builder.add_node("fan", lambda state: {})
            builder.add_conditional_edges(
                "last", lambda state: [Send("node", {"n": i, "x": []}) for i in (1,)], ["node"]
            )
            builder.add_edge(START, "last")
        return builder

    compare(build, CALLS[call], saved=kind == "interrupt")


@pytest.mark.parametrize("call", ["invoke", "ainvoke"])
def test_partial_writes_of_a_failed_task(call: str) -> None:
    """What a node has sent through its config before it fails is LangGraph's to apply."""

    def build(log: list[Any]) -> StateGraph[Any]:
        def node(state: State) -> Any:
            get_config()["configurable"]["__pregel_send"]([("n", 9)])
            raise Odd("late")

        return built(telling(log, {"x": ["handled"]}), node)

    for saved in (False, True):
        compare(build, CALLS[call], saved=saved)


@pytest.mark.parametrize("engines", ["lgc lgc", "langgraph lgc", "lgc langgraph"])
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_a_process_that_dies_in_a_handler(engines: str, durability: str) -> None:
    """The next run goes on with the handler, whichever engine; the error is a text then."""
    told = []
    for pair in ("langgraph langgraph", engines):
        saver = InMemorySaver()
        ran: list[Any] = []
        dies = [True]

        def node(state: State, ran: list[Any] = ran) -> Any:
            ran.append("node")
            raise Odd("bad")

        def handler(
            state: State, error: NodeError, ran: list[Any] = ran, dies: list[bool] = dies
        ) -> Any:
            ran.append(repr(error.error))
            if dies.pop() if dies else False:
                raise KeyboardInterrupt
            return {"x": ["handled"]}

        first, second = (
            (compile_in_process if name == "lgc" else same_edge_order)(
                built(handler, node)
            ).compile(checkpointer=saver)
            for name in pair.split()
        )
        with pytest.raises(KeyboardInterrupt):
            first.invoke(GIVEN, THREAD, durability=durability)
        told.append((second.invoke(None, THREAD)["x"], list(ran)))
    assert told[1] == told[0]


def test_a_handler_whose_writes_are_stored_does_not_run_again() -> None:
    """Its sibling fails the superstep once they are; LangGraph's resume runs the handler again."""
    told = []
    for compiles in (same_edge_order, compile_in_process):
        ran: list[str] = []
        saver = Watched()

        def handler(state: State, ran: list[str] = ran) -> Any:
            ran.append("handler")
            return {"x": ["handled"]}

        def late(state: State, ran: list[str] = ran, saver: Watched = saver) -> Any:
            assert saver.has_handled.wait(10)
            if "late" not in ran:
                ran.append("late")
                raise Odd("late")
            return {"x": ["late"]}

        builder = built(handler)
        builder.add_node("late", late)
        builder.add_edge(START, "late")
        graph = compiles(builder).compile(checkpointer=saver)
        with pytest.raises(Odd):
            graph.invoke(GIVEN, THREAD)
        told.append((graph.invoke(None, THREAD)["x"], ran.count("handler")))
    assert told[0] == (["in", "late", "handled"], 2)
    assert told[1] == (["in", "late", "handled"], 1)


class Watched(InMemorySaver):
    """Says when what the handler wrote is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.has_handled = Event()

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        super().put_writes(config, writes, task_id, task_path)
        if ("x", ["handled"]) in list(writes):
            self.has_handled.set()
