"""An agent of langchain's create_agent: a tool, a scripted model, middleware and bound config."""

from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import ModelCallLimitMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.prebuilt import ToolRuntime


class Model(BaseChatModel):
    """Says the script's next line, whatever tools it is offered."""

    @property
    def _llm_type(self) -> str:
        return "script"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: list, *args: Any, **kwargs: Any) -> ChatResult:
        line = SCRIPT[sum(message.type == "ai" for message in messages)]
        return ChatResult(generations=[ChatGeneration(message=line.model_copy())])


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
    Model(),
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
