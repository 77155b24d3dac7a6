"""A ReAct agent that awaits its model and its tools; the router is async, too."""

from operator import add
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph

from .nodes import main, model, tools, wants_tools  # noqa: F401


class State(TypedDict):
    messages: Annotated[list[dict[str, Any]], add]


builder = StateGraph(State)
builder.add_node("model", model)
builder.add_node("tools", tools)
builder.add_edge(START, "model")
builder.add_conditional_edges("model", wants_tools, ["tools", END])
builder.add_edge("tools", "model")
