"""A loop with an exit, and what happens when the recursion limit comes first."""

from typing import TypedDict

from langgraph.errors import GraphRecursionError
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    n: int
    steps: int


def collatz(state: State) -> dict:
    n = state["n"]
    return {"n": n // 2 if n % 2 == 0 else 3 * n + 1, "steps": state["steps"] + 1}


def done(state: State) -> bool:
    return state["n"] == 1


builder = StateGraph(State)
builder.add_node("collatz", collatz)
builder.add_edge(START, "collatz")
builder.add_conditional_edges("collatz", done, {True: END, False: "collatz"})


def main(graph):
    print(graph.invoke({"n": 27, "steps": 0}, {"recursion_limit": 200}))
    try:
        graph.invoke({"n": 27, "steps": 0}, {"recursion_limit": 5})
    except GraphRecursionError as error:
        print(error)
