"""A state that is one value with a reducer, without keys."""

from operator import add
from typing import Annotated

from langgraph.graph import END, START, StateGraph


def first(state: list[str]) -> list[str]:
    return [f"first saw {state}"]


def second(state: list[str]) -> list[str] | None:
    return ["second"] if len(state) < 3 else None


def again(state: list[str]) -> str:
    return "first" if len(state) < 4 else END


builder = StateGraph(Annotated[list, add])
builder.add_node("first", first)
builder.add_node("second", second)
builder.add_edge(START, "first")
builder.add_edge("first", "second")
builder.add_conditional_edges("second", again)


def main(graph):
    print(graph.invoke(["input"]))
    for chunk in graph.stream(["input"], stream_mode=["updates", "values"]):
        print(chunk)
