"""An agent of langchain's create_agent: a tool, a scripted model, middleware and bound config."""

from itertools import cycle
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import ModelCallLimitMiddleware
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.prebuilt import ToolRuntime


class Model(GenericFakeChatModel):
    """Says the script's lines, whatever tools it is offered."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


def add(a: int, b: int, runtime: ToolRuntime) -> str:
    """Adds two numbers."""
    asked = runtime.state["messages"][0].content
    return f"{a + b} (asked: {asked})"


def call(number: int, a: int, b: int) -> dict[str, Any]:
    args = {"a": a, "b": b}
    return {"name": "add", "args": args, "id": f"call {number}", "type": "tool_call"}


SCRIPT = [
    AIMessage("", tool_calls=[call(1, 19, 23)]),
    AIMessage("", tool_calls=[call(2, 42, 10), call(3, 1, 1)]),
    AIMessage("The answers are 52 and 2."),
]

builder = create_agent(
    Model(messages=cycle(SCRIPT)),
    [add],
    system_prompt="Add.",
    middleware=[ModelCallLimitMiddleware(run_limit=5)],
    name="adder",
).with_config(tags=["golden"], metadata={"team": "tests"})


def main(graph):
    seen = graph.invoke({"messages": [("user", "sums?")]})
    for message in seen["messages"]:
        print(f"{message.type}: {message.content or [c['args'] for c in message.tool_calls]}")
    print(graph.name, graph.config["recursion_limit"], graph.config["tags"])
