"""A node that is retried, by a policy that the module cannot write down."""

import math
from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy


class State(TypedDict):
    text: str


def work(state: State) -> dict:
    return {"text": state["text"].upper()}


builder = StateGraph(State)
builder.add_node("work", work, retry_policy=RetryPolicy(max_interval=math.inf))
builder.add_edge(START, "work")
