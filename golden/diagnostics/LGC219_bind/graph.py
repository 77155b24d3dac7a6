"""A compiled graph that an argument is bound to."""

from typing import TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    text: str


def work(state: State) -> dict:
    return {"text": state["text"].upper()}


builder = StateGraph(State)
builder.add_node("work", work)
builder.add_edge(START, "work")
graph = builder.compile().bind(stream_mode="values")
