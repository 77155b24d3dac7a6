"""What the benchmarked graphs do, and the same work written by hand.

It imports neither langgraph nor lgc, so that it can be measured without them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypedDict

END: Literal["__end__"] = "__end__"
STEPS = 50
"""The supersteps of `loop50`."""


class State(TypedDict):
    """One key that is replaced and one that is reduced."""

    count: int
    log: Annotated[list[str], operator.add]


Node = Callable[[State], dict[str, Any]]


def step(state: State) -> dict[str, Any]:
    """Writes both keys."""
    return {"count": state["count"] + 1, "log": ["step"]}


def draft(state: State) -> dict[str, Any]:
    """The first node of the loop."""
    return {"count": state["count"] + 1, "log": ["draft"]}


def review(state: State) -> dict[str, Any]:
    """The second node of the loop."""
    return {"count": state["count"] + 1, "log": ["review"]}


def again(state: State) -> Literal["draft", "__end__"]:
    """Where the loop goes after `review`."""
    return "draft" if state["count"] < STEPS else END


def fresh() -> dict[str, Any]:
    """The input of every run."""
    return {"count": 0, "log": []}


def chain_by_hand(nodes: tuple[Node, ...], value: dict[str, Any]) -> dict[str, Any]:
    """A chain as one would write it without a framework; every node gets a dict of its own."""
    state: Any = {"count": value["count"], "log": [] + value["log"]}
    for node in nodes:
        update = node(state.copy())
        state["count"] = update["count"]
        state["log"] = state["log"] + update["log"]
    return dict(state)


def loop_by_hand(value: dict[str, Any]) -> dict[str, Any]:
    """The loop as one would write it; the router gets a dict of its own too."""
    state: Any = {"count": value["count"], "log": [] + value["log"]}
    goto = "draft"
    while goto != END:
        for node in (draft, review):
            update = node(state.copy())
            state["count"] = update["count"]
            state["log"] = state["log"] + update["log"]
        goto = again(state.copy())
    return dict(state)


CHAIN10 = (step,) * 10
CHAIN100 = (step,) * 100

BY_HAND: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "chain10": lambda value: chain_by_hand(CHAIN10, value),
    "chain100": lambda value: chain_by_hand(CHAIN100, value),
    "loop50": loop_by_hand,
}
"""The workloads, hand-written."""
