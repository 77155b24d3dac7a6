"""The benchmarked graphs, as a user of LangGraph builds them."""

from __future__ import annotations

from typing import Any

from langgraph.graph import END, START, StateGraph
from nodes import CHAIN10, CHAIN100, Node, State, again, draft, review


def _chain(nodes: tuple[Node, ...]) -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_sequence([(f"n{i}", node) for i, node in enumerate(nodes)])
    builder.add_edge(START, "n0")
    builder.add_edge(f"n{len(nodes) - 1}", END)
    return builder


def _loop() -> StateGraph[Any]:
    builder: StateGraph[Any] = StateGraph(State)
    builder.add_node("draft", draft)
    builder.add_node("review", review)
    builder.add_edge(START, "draft")
    builder.add_edge("draft", "review")
    builder.add_conditional_edges("review", again)
    return builder


chain10 = _chain(CHAIN10)
chain100 = _chain(CHAIN100)
loop50 = _loop()
