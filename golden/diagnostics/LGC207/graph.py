"""A node whose result is cached, by a policy that the module cannot write down."""

import math
from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy


class State(TypedDict):
    text: str


def work(state: State) -> dict:
    return {"text": state["text"].upper()}


builder = StateGraph(State)
builder.add_node("work", work, cache_policy=CachePolicy(ttl=math.inf))
builder.add_edge(START, "work")
