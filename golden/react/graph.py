"""A ReAct agent: a scripted model asks for tools until it can answer."""

from operator import add
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    messages: Annotated[list[dict[str, Any]], add]


SCRIPT = [
    {"role": "ai", "calls": [{"tool": "add", "args": [19, 23]}]},
    {"role": "ai", "calls": [{"tool": "mul", "args": [42, 10]}, {"tool": "add", "args": [1, 1]}]},
    {"role": "ai", "calls": [], "text": "The answer is 420."},
]

TOOLS = {"add": lambda a, b: a + b, "mul": lambda a, b: a * b}


def agent(state: State) -> dict:
    turn = sum(message["role"] == "ai" for message in state["messages"])
    return {"messages": [SCRIPT[turn]]}


def tools(state: State) -> dict:
    results = [TOOLS[call["tool"]](*call["args"]) for call in state["messages"][-1]["calls"]]
    return {"messages": [{"role": "tool", "result": result} for result in results]}


def wants_tools(state: State) -> str:
    return "tools" if state["messages"][-1]["calls"] else END


builder = StateGraph(State)
builder.add_node("agent", agent)
builder.add_node("tools", tools)
builder.add_edge(START, "agent")
builder.add_conditional_edges("agent", wants_tools, ["tools", END])
builder.add_edge("tools", "agent")


def main(graph):
    for chunk in graph.stream({"messages": [{"role": "human", "text": "(19 + 23) * 10?"}]}):
        print(chunk)
