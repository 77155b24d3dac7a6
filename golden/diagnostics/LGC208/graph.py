"""A timeout for every node."""

from typing import TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    text: str


def work(state: State) -> dict:
    return {"text": state["text"].upper()}


builder = StateGraph(State)
builder.add_node("work", work)
builder.set_node_defaults(timeout=3)
builder.add_edge(START, "work")
