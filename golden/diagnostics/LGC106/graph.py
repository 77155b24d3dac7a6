"""A function that needs an argument."""

from langgraph.graph import StateGraph


def builder(model: str) -> StateGraph:
    return StateGraph(dict)
