"""A messages agent: tool calls, a history that is merged by id, and messages that are removed."""

from langchain_core.messages import AIMessage, RemoveMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode


class State(MessagesState):
    turns: int


@tool
def multiply(a: int, b: int) -> int:
    """Multiplies."""
    return a * b


def call(number: int, a: int, b: int) -> AIMessage:
    calls = [{"name": "multiply", "args": {"a": a, "b": b}, "id": f"call-{number}"}]
    return AIMessage("", id=f"ai-{number}", tool_calls=calls)


def agent(state: State) -> dict:
    turn = state.get("turns", 0)
    script = [call(0, 6, 7), call(1, 42, 10), AIMessage("It is 420.", id="ai-2")]
    # Its own id again: the first message is replaced where it stands.
    first = state["messages"][0]
    seen = first.model_copy(update={"content": f"{first.content}?"})
    return {"messages": [seen, script[turn]], "turns": turn + 1}


def wants_tools(state: State) -> str:
    return "tools" if state["messages"][-1].tool_calls else "forget"


def forget(state: State) -> dict:
    """Keeps the question and the answer."""
    return {"messages": [RemoveMessage(id=message.id) for message in state["messages"][1:-1]]}


tools = ToolNode([multiply])

builder = StateGraph(State)
builder.add_node("agent", agent)
builder.add_node("tools", tools)
builder.add_node("forget", forget)
builder.add_edge(START, "agent")
builder.add_conditional_edges("agent", wants_tools, ["tools", "forget"])
builder.add_edge("tools", "agent")
builder.add_edge("forget", END)


def main(graph):
    question = {"role": "user", "content": "6 * 7 * 10?", "id": "human"}
    for chunk in graph.stream({"messages": [question]}, stream_mode="values"):
        # The results of the tools have ids of chance.
        print([f"{m.type}: {m.content or m.tool_calls[0]['args']}" for m in chunk["messages"]])
    final = graph.invoke({"messages": [("user", "6 * 7 * 10?")]})["messages"]
    print([message.content for message in final], all(message.id for message in final))
