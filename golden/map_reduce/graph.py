"""Map-reduce: a router sends every text to a node of its own, and one more sums up."""

from operator import add
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send


class State(TypedDict):
    texts: list[str]
    counts: Annotated[list[tuple[str, int]], add]
    longest: str


class Text(TypedDict):
    text: str


def split(state: State) -> dict:
    return {"texts": [text.strip() for text in state["texts"] if text.strip()]}


def each_text(state: State) -> list[Send]:
    return [Send("count", {"text": text}) for text in state["texts"]]


def count(state: Text) -> dict:
    return {"counts": [(state["text"], len(state["text"].split()))]}


def reduce(state: State) -> dict:
    return {"longest": max(state["counts"], key=lambda pair: pair[1])[0]}


builder = StateGraph(State)
builder.add_node("split", split)
builder.add_node("count", count)
builder.add_node("reduce", reduce)
builder.add_edge(START, "split")
builder.add_conditional_edges("split", each_text, ["count"])
builder.add_edge("count", "reduce")
builder.add_edge("reduce", END)


def main(graph):
    for chunk in graph.stream(
        {"texts": ["two words", "  one ", "", "these are four words"]}, stream_mode="values"
    ):
        print(chunk)
    # Nothing is sent, so nothing is left to run.
    print(graph.invoke({"texts": []}))
