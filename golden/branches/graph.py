"""Branches: a destination map with other than string keys, a list of destinations, a default."""

from operator import add
from typing import Annotated, Literal, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    number: int
    seen: Annotated[list[str], add]


def is_even(state: State) -> bool:
    return state["number"] % 2 == 0


def divisors(state: State) -> list[str]:
    return [name for name, n in (("three", 3), ("five", 5)) if state["number"] % n == 0] or [END]


def finish(state: State) -> Literal["report", "__end__"]:
    return "report" if len(state["seen"]) > 1 else END


def even(state: State) -> dict:
    return {"seen": ["even"]}


def odd(state: State) -> dict:
    return {"seen": ["odd"]}


def three(state: State) -> dict:
    return {"seen": ["three"]}


def five(state: State) -> dict:
    return {"seen": ["five"]}


def report(state: State) -> dict:
    return {"seen": [f"{len(state['seen'])} facts"]}


builder = StateGraph(State)
for node in (even, odd, three, five, report):
    builder.add_node(node)
builder.add_conditional_edges(START, is_even, {True: "even", False: "odd"})
builder.add_conditional_edges("even", divisors, ["three", "five", END])
builder.add_conditional_edges("odd", divisors)
builder.add_conditional_edges("three", finish)
builder.add_edge("report", END)


def main(graph):
    for number in (2, 7, 9, 10, 30):
        print(number, graph.invoke({"number": number}))
