"""Deferred nodes: they wait until nothing else is left to run, whatever triggered them before."""

from operator import add
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    log: Annotated[list[str], add]
    rounds: int


def fast(state: State) -> dict:
    return {"log": ["fast"]}


def slow(state: State) -> dict:
    return {"log": [f"slow {state['rounds']}"], "rounds": state["rounds"] - 1}


def again(state: State) -> str:
    return "slow" if state["rounds"] else "collect"


def collect(state: State) -> dict:
    return {"log": [f"collect {len(state['log'])}"]}


def joined(state: State) -> dict:
    return {"log": [f"joined {len(state['log'])}"]}


builder = StateGraph(State)
builder.add_node("fast", fast)
builder.add_node("slow", slow)
builder.add_node("collect", collect, defer=True)
builder.add_node("joined", joined, defer=True)
builder.add_edge(START, "fast")
builder.add_edge(START, "slow")
builder.add_edge("fast", "collect")
builder.add_conditional_edges("slow", again, ["slow", "collect"])
builder.add_edge(["fast", "slow"], "joined")
builder.add_edge("collect", END)
builder.add_edge("joined", END)


def main(graph):
    for rounds in (1, 3):
        for chunk in graph.stream({"log": [], "rounds": rounds}, stream_mode="values"):
            print(chunk)
