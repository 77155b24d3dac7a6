"""The nodes: what production runs. Nothing here imports langgraph."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict


class State(TypedDict):
    """The conversation, and how often the model was asked."""

    messages: Annotated[list[dict[str, Any]], operator.add]
    turns: int


WEATHER = {"Bern": "sunny, 21 °C", "Oslo": "rain, 9 °C"}

# A scripted model, so that the demo needs no key and no network.
SCRIPT: list[dict[str, Any]] = [
    {"role": "ai", "calls": [{"tool": "weather", "city": "Bern"}]},
    {"role": "ai", "calls": [{"tool": "weather", "city": "Oslo"}]},
    {"role": "ai", "calls": [], "text": "Go to Bern: it is sunny there, and it rains in Oslo."},
]


def model(state: State) -> dict[str, Any]:
    """Says the next line of the script."""
    return {"messages": [SCRIPT[state["turns"]]], "turns": state["turns"] + 1}


def tools(state: State) -> dict[str, Any]:
    """Answers every call of the last message."""
    calls = state["messages"][-1]["calls"]
    return {"messages": [{"role": "tool", "text": WEATHER[call["city"]]} for call in calls]}


def next_step(state: State) -> str:
    """The router: to the tools while the model asks for them."""
    return "call" if state["messages"][-1]["calls"] else "answer"
