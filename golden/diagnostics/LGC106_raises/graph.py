"""A function that fails."""

from langgraph.graph import StateGraph


def builder() -> StateGraph:
    raise ConnectionError("no server")
