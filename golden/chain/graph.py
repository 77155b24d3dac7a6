"""A chain: three steps, one after the other."""

from operator import add
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    text: str
    log: Annotated[list[str], add]


def strip(state: State) -> dict:
    return {"text": state["text"].strip(), "log": ["strip"]}


def lower(state: State) -> dict:
    return {"text": state["text"].lower(), "log": ["lower"]}


def count(state: State) -> dict:
    return {"log": [f"{len(state['text'])} characters"]}


builder = StateGraph(State)
builder.add_node("strip", strip)
builder.add_node("lower", lower)
builder.add_node("count", count)
builder.add_edge(START, "strip")
builder.add_edge("strip", "lower")
builder.add_edge("lower", "count")
builder.add_edge("count", END)


def main(graph):
    print(graph.invoke({"text": "  Hello  "}))
    for chunk in graph.stream({"text": " A B "}, stream_mode=["updates", "values"]):
        print(chunk)
