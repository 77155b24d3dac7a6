"""Routing by Command: nodes update the state and say which node comes next."""

from operator import add
from typing import Annotated, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send


class State(TypedDict):
    ticket: str
    log: Annotated[list[str], add]


def triage(state: State) -> Command[Literal["billing", "support", "__end__"]]:
    if "refund" in state["ticket"]:
        return Command(update={"log": ["money"]}, goto="billing")
    if "crash" in state["ticket"]:
        return Command(update={"log": ["a bug"]}, goto=["support", "billing"])
    return Command(update=[("log", ["nothing to do"])], goto=END)


def billing(state: State) -> dict:
    return {"log": [f"billing read {state['log']}"]}


def support(state: State):
    """An update, and two more tasks with inputs of their own, in one list."""
    sends = [Send("reply", {"to": name}) for name in ("customer", "team")]
    return [{"log": ["support"]}, Command(goto=sends)]


def reply(state: dict) -> dict:
    return {"log": [f"wrote to the {state['to']}"]}


builder = StateGraph(State)
builder.add_node("triage", triage)
builder.add_node("billing", billing)
builder.add_node("support", support, destinations=("reply",))
builder.add_node("reply", reply)
builder.add_edge(START, "triage")
builder.add_edge("reply", END)


def main(graph):
    for ticket in ("hello", "refund, please", "it crashes: crash"):
        for chunk in graph.stream({"ticket": ticket}, stream_mode="values"):
            print(chunk)
