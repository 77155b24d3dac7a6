"""An agent of langchain's create_agent, with a scripted model: no key, no network."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

WEATHER = {"Bern": "sunny, 21 °C", "Oslo": "rain, 9 °C"}


class ScriptedModel(GenericFakeChatModel):
    """Says its lines, whatever tools it is offered."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """The tools are in the script."""
        return self


def weather(city: str) -> str:
    """The weather in a city."""
    return WEATHER[city]


def book(city: str) -> str:
    """Books a trip."""
    return f"booked: {city}"


def _call(name: str, city: str) -> dict[str, Any]:
    return {"name": name, "args": {"city": city}, "id": f"{name} {city}", "type": "tool_call"}


SCRIPT = [
    AIMessage("", tool_calls=[_call("weather", "Bern"), _call("weather", "Oslo")]),
    AIMessage("", tool_calls=[_call("book", "Bern")]),
    AIMessage("You are going to Bern."),
]

agent = create_agent(
    ScriptedModel(messages=cycle(SCRIPT)),
    [weather, book],
    middleware=[HumanInTheLoopMiddleware({"book": True})],
    name="assistant",
)
