"""A join of two paths with an uneven number of steps, and a deferred node."""

from operator import add
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    log: Annotated[list[str], add]


def node(name: str):
    def run(state: State) -> dict:
        return {"log": [f"{name} saw {len(state['log'])}"]}

    return run


builder = StateGraph(State)
builder.add_node("short", node("short"))
builder.add_node("long 1", node("long 1"))
builder.add_node("long 2", node("long 2"))
builder.add_node("joined", node("joined"))
builder.add_node("last", node("last"), defer=True)
builder.add_edge(START, "short")
builder.add_edge(START, "long 1")
builder.add_edge("long 1", "long 2")
builder.add_edge(["short", "long 2"], "joined")
builder.add_edge("short", "last")
builder.add_edge("joined", "last")
builder.add_edge("last", END)


def main(graph):
    for chunk in graph.stream({"log": []}, stream_mode="values"):
        print(chunk)
