"""A graph that is a node, with a node that lgc refuses."""

import math
from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy


class State(TypedDict):
    text: str


def work(state: State) -> dict:
    return {"text": state["text"].upper()}


inner = StateGraph(State)
inner.add_node("work", work, cache_policy=CachePolicy(ttl=math.inf))
inner.add_edge(START, "work")

builder = StateGraph(State)
builder.add_node("work", inner.compile())
builder.add_edge(START, "work")
