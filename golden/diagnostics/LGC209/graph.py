"""A node with an error handler."""

from typing import TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    text: str


def work(state: State) -> dict:
    return {"text": state["text"].upper()}


def handle(state: State) -> dict:
    return {"text": "failed"}


builder = StateGraph(State)
builder.add_node("work", work, error_handler=handle)
builder.add_edge(START, "work")
