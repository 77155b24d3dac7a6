"""Nodes in a module of their own that uses lgc's types: its compiled form needs no langgraph."""

from operator import add
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph

from .nodes import again, main, plan, report, work  # noqa: F401


class State(TypedDict):
    tasks: list[str]
    log: Annotated[list[str], add]


class Context(TypedDict):
    user: str


builder = StateGraph(State, context_schema=Context)
builder.add_node("plan", plan, destinations=("work", END))
builder.add_node("work", work)
builder.add_node("report", report)
builder.add_edge(START, "plan")
builder.add_edge("work", "report")
builder.add_conditional_edges("report", again, ["work", END])
