"""An agent of langchain's create_agent as a node, between two nodes of a graph of its own."""

import operator
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages


class Model(BaseChatModel):
    """Calls its tool with the last number of the question, and then tells the result."""

    @property
    def _llm_type(self) -> str:
        return "script"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: list, *args: Any, **kwargs: Any) -> ChatResult:
        last = messages[-1]
        if last.type == "tool":
            answer = AIMessage(f"It is {last.content}.", id="answer")
        else:
            number = int(last.content.split()[-1])
            call = {"name": "double", "args": {"number": number}, "id": "call"}
            answer = AIMessage("", tool_calls=[call], id="calls")
        return ChatResult(generations=[ChatGeneration(message=answer)])


def double(number: int) -> str:
    """Doubles a number."""
    return str(2 * number)


class Desk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]
    log: Annotated[list[str], operator.add]


def ask(state: Desk) -> dict:
    return {"messages": [HumanMessage("double 21", id="question")], "log": ["asked"]}


def close(state: Desk) -> dict:
    return {"log": [f"closed: {state['messages'][-1].content}"]}


builder = StateGraph(Desk)
builder.add_node(ask)
builder.add_node("agent", create_agent(Model(), [double], name="doubler"))
builder.add_node(close)
builder.add_edge(START, "ask")
builder.add_edge("ask", "agent")
builder.add_edge("agent", "close")


def main(graph):
    seen = graph.invoke({"messages": [], "log": []})
    for message in seen["messages"]:
        print(f"{message.type}: {message.content or [c['args'] for c in message.tool_calls]}")
    print(seen["log"])
    for namespace, chunk in graph.stream({"messages": []}, subgraphs=True):
        print([part.split(":")[0] for part in namespace], list(chunk))
