"""What nodes do when they fail, and what of them is kept: retries, an error handler, a cache."""

from operator import add
from typing import Annotated, TypedDict

from langgraph.errors import NodeError
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Command, RetryPolicy


class State(TypedDict):
    order: int
    log: Annotated[list[str], add]


class Busy(Exception):
    """A service that has no time yet."""


def by_order(state: State) -> str:
    return str(state["order"])


attempts: list[int] = []


def look_up(state: State) -> dict:
    """Fails at the first attempt for every order."""
    if state["order"] not in attempts:
        attempts.append(state["order"])
        raise Busy
    return {"log": [f"found {state['order']}"]}


def price(state: State) -> dict:
    return {"log": ["priced"]}


def charge(state: State) -> dict:
    if state["order"] < 0:
        raise ValueError("no such order")
    return {"log": ["charged"]}


def refund(state: State, error: NodeError) -> Command:
    return Command(update={"log": [f"{error.node}: {error.error}"]}, goto="tell")


def ship(state: State) -> dict:
    return {"log": ["shipped"]}


def tell(state: State) -> dict:
    return {"log": ["told"]}


builder = StateGraph(State)
builder.set_node_defaults(retry_policy=RetryPolicy(max_attempts=2, retry_on=KeyError))
builder.add_node(
    "look_up",
    look_up,
    retry_policy=[
        RetryPolicy(initial_interval=0.001, jitter=False, retry_on=(Busy, ConnectionError)),
        RetryPolicy(max_attempts=5),
    ],
    metadata={"owner": "orders"},
)
builder.add_node("price", price, cache_policy=CachePolicy(key_func=by_order, ttl=60))
builder.add_node("charge", charge, error_handler=refund)
builder.add_node("ship", ship)
builder.add_node("tell", tell)
builder.add_edge(START, "look_up")
builder.add_edge("look_up", "price")
builder.add_edge("price", "charge")
builder.add_edge("charge", "ship")


def main(graph):
    for order in (1, 1, -1):
        for chunk in graph.stream({"order": order}, stream_mode="updates"):
            print(chunk)
