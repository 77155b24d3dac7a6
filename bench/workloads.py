"""The benchmarked graphs, as a user of LangGraph builds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from async_nodes import (
    ASYNC_CHAIN10,
    ASYNC_CHAIN100,
    SUSPENDING_CHAIN10,
    SUSPENDING_CHAIN100,
    brief_async_node,
    brief_node,
    endless,
    talk_node,
)
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from light import Count, count
from nodes import (
    CHAIN3,
    CHAIN10,
    CHAIN100,
    NEST3,
    Log,
    State,
    Wide,
    again,
    agent,
    calls,
    draft,
    first_branch,
    joined,
    leaf,
    review,
    second_branch,
    spread,
    spread_to_graphs,
    step,
    tools,
    until_ten,
    wants_tools,
    wide_step,
    work,
)


def _chain(nodes: tuple[Callable[[State], Any], ...], state: type[Any] = State) -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(state)
    builder.add_sequence([(f"n{i}", node) for i, node in enumerate(nodes)])
    builder.add_edge(START, "n0")
    builder.add_edge(f"n{len(nodes) - 1}", END)
    return builder


def _nested(nodes: tuple[Any, ...]) -> StateGraph[Any]:
    return _chain(
        tuple(_nested(node).compile() if isinstance(node, tuple) else node for node in nodes)
    )


def _loop() -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("draft", draft)
    builder.add_node("review", review)
    builder.add_edge(START, "draft")
    builder.add_edge("draft", "review")
    builder.add_conditional_edges("review", again)
    return builder


def _branches() -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(State)
    for name, node in (("left", draft), ("right", review), ("far", step), ("near", draft)):
        builder.add_node(name, node)
    builder.add_node("last", review)
    builder.add_conditional_edges(START, first_branch)
    for name in ("left", "right"):
        builder.add_conditional_edges(name, second_branch)
    for name in ("far", "near"):
        builder.add_edge(name, "last")
    return builder


def _fanout() -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("joined", joined)
    names = [f"leaf{i}" for i in range(10)]
    for name in names:
        builder.add_node(name, leaf)
        builder.add_edge(START, name)
    builder.add_edge(names, "joined")
    return builder


def _send() -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("work", work)
    builder.add_conditional_edges(START, spread, ["work"])
    return builder


def _fanout_to_subgraph() -> StateGraph[Any]:
    inner: StateGraph[Any] = StateGraph(State, output_schema=Log)
    inner.add_node("step", step)
    inner.add_edge(START, "step")
    inner.add_conditional_edges("step", until_ten)
    builder: StateGraph[Any] = StateGraph(Log)
    builder.add_node("inner", inner.compile())
    builder.add_conditional_edges(START, spread_to_graphs, ["inner"])
    return builder


class Conversation(TypedDict):
    """The messages of an agent."""

    messages: Annotated[list[Any], add_messages]


def _react() -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(Conversation)
    builder.add_node("agent", agent, input_schema=Conversation)
    builder.add_node("tools", tools, input_schema=Conversation)
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", wants_tools)
    builder.add_edge("tools", "agent")
    return builder


def _one() -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(Count)
    builder.add_node("count", count)
    builder.add_edge(START, "count")
    return builder


chain3 = _chain(CHAIN3)
chain10 = _chain(CHAIN10)
chain100 = _chain(CHAIN100)
wide20 = _chain((wide_step,) * 10, Wide)
loop50 = _loop()
branches = _branches()
nest3 = _nested(NEST3)
calls_chain3 = _chain((draft, calls, review))
fanout10 = _fanout()
send100 = _send()
fanout_to_subgraph = _fanout_to_subgraph()
react20 = _react()
one = _one()
async_chain10 = _chain(ASYNC_CHAIN10)
async_chain100 = _chain(ASYNC_CHAIN100)
suspending_chain10 = _chain(SUSPENDING_CHAIN10)
suspending_chain100 = _chain(SUSPENDING_CHAIN100)
talk = _chain((talk_node,))
brief = _chain((brief_node, endless))
async_brief = _chain((brief_async_node, endless))
