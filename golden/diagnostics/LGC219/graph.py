"""A compiled graph that callbacks are bound to."""

from typing import TypedDict

from langgraph.graph import START, StateGraph


class State(TypedDict):
    text: str


def work(state: State) -> dict:
    return {"text": state["text"].upper()}


builder = StateGraph(State)
builder.add_node("work", work)
builder.add_edge(START, "work")
graph = builder.compile().with_config(callbacks=[print])
