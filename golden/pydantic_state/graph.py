"""Pydantic state: nodes and routers get models, and values are coerced when they are read."""

from operator import add
from typing import Annotated

from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel, Field, ValidationError, field_validator


class State(BaseModel):
    price: float = 0.0
    items: Annotated[list[str], add] = Field(default_factory=list)
    note: str | None = None

    @field_validator("note")
    @classmethod
    def short(cls, note: str | None) -> str | None:
        if note is not None and len(note) > 20:
            raise ValueError("too long")
        return note


class Total(BaseModel):
    price: int


class Result(BaseModel):
    items: list[str]
    note: str | None


def add_item(state: State) -> dict:
    # What is written is not looked at; what is read next is a float again.
    return {"items": [f"{type(state.price).__name__} {state.price}"], "price": "12"}


def enough(state: Total) -> bool:
    return state.price > 10


def sum_up(state: State) -> State:
    """A model returned as an update: only what is set in it counts."""
    return State(note=f"{len(state.items)} items, {state.price}")


builder = StateGraph(State, output_schema=Result)
builder.add_node("add_item", add_item)
builder.add_node("sum_up", sum_up)
builder.add_edge(START, "add_item")
builder.add_conditional_edges("add_item", enough, {True: "sum_up", False: END})
builder.add_edge("sum_up", END)


def main(graph):
    print(graph.invoke({"price": "3"}))
    print(graph.invoke(State(price=4, items=["first"])))
    for chunk in graph.stream({}, stream_mode=["updates", "values"]):
        print(chunk)
    # The output of a typed result is a Result, as every state on the way has to be.
    print(graph.invoke({"price": "3", "note": "new"}, version="v2"))
    for wrong in ({"price": "much"}, {"note": "x" * 21}):
        try:
            graph.invoke(wrong)
        except ValidationError as error:
            print([(found["loc"], found["type"]) for found in error.errors()])
