"""A compiled graph as a node."""

from typing import TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    text: str


def work(state: State) -> dict:
    return {"text": state["text"].upper()}


inner = StateGraph(State)
inner.add_node("work", work)
inner.add_edge(START, "work")

builder = StateGraph(State)
builder.add_node("work", inner.compile())
builder.add_edge(START, "work")
