"""Nodes that import langgraph inside their bodies and read the config they run with."""

from operator import add
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph

from .nodes import answer, ask, beside, decide, main  # noqa: F401


class State(TypedDict):
    log: Annotated[list[str], add]


builder = StateGraph(State)
builder.add_node("ask", ask)
builder.add_node("beside", beside)
builder.add_node("answer", answer)
builder.add_edge(START, "ask")
builder.add_edge(START, "beside")
builder.add_conditional_edges("ask", decide, ["answer", END])
builder.add_edge("beside", END)
builder.add_edge("answer", END)
