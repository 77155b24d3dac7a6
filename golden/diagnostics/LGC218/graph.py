"""A state key that LangGraph uses as a channel of its own."""

from typing import TypedDict

from langgraph.graph import START, StateGraph

State = TypedDict("State", {"text": str, "branch:to:work": str})


def work(state: State) -> dict:
    return {"text": state["text"].upper()}


builder = StateGraph(State)
builder.add_node("work", work)
builder.add_edge(START, "work")
