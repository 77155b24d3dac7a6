"""Nodes, a router and a reducer without an importable name."""

from typing import Annotated, TypedDict

from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, StateGraph


class State(TypedDict):
    text: Annotated[list, lambda value, write: value + write]


def make(word: str):
    def work(state: State) -> dict:
        return {"text": [word]}

    return work


builder = StateGraph(State)
builder.add_node("work", make("working"))
builder.add_node("rest", RunnableLambda(make("resting")))
builder.add_edge(START, "work")
builder.add_conditional_edges("work", lambda state: "rest", ["rest"])
