"""A state key that LangGraph reserves."""

from typing import TypedDict

from langgraph.graph import START, StateGraph

State = TypedDict("State", {"text": str, "__input__": str})


def work(state: State) -> dict:
    return {"text": state["text"].upper()}


builder = StateGraph(State)
builder.add_node("work", work)
builder.add_edge(START, "work")
