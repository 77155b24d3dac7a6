"""An agent's nodes, async all: no langgraph, and asyncio only where it is used."""

from __future__ import annotations

from typing import Any

SCRIPT: list[dict[str, Any]] = [
    {"role": "ai", "calls": [{"tool": "add", "args": [19, 23]}]},
    {"role": "ai", "calls": [{"tool": "mul", "args": [42, 10]}, {"tool": "add", "args": [1, 1]}]},
    {"role": "ai", "calls": [], "text": "The answer is 420."},
]


async def add(a: int, b: int) -> int:
    return a + b


async def mul(a: int, b: int) -> int:
    import asyncio

    # The other tool is done first.
    await asyncio.sleep(0)
    return a * b


TOOLS = {"add": add, "mul": mul}


async def model(state: dict[str, Any]) -> dict[str, Any]:
    import asyncio

    await asyncio.sleep(0)
    turn = sum(message["role"] == "ai" for message in state["messages"])
    return {"messages": [SCRIPT[turn]]}


async def tools(state: dict[str, Any]) -> dict[str, Any]:
    import asyncio

    calls = state["messages"][-1]["calls"]
    results = await asyncio.gather(*(TOOLS[call["tool"]](*call["args"]) for call in calls))
    return {"messages": [{"role": "tool", "result": result} for result in results]}


async def wants_tools(state: dict[str, Any]) -> str:
    return "tools" if state["messages"][-1]["calls"] else "__end__"


async def ask(graph: Any, text: str) -> None:
    question = {"messages": [{"role": "human", "text": text}]}
    async for chunk in graph.astream(question):
        print(chunk)
    result = await graph.ainvoke(question)
    print(len(result["messages"]), result["messages"][-1]["text"])


def main(graph: Any) -> None:
    import asyncio

    asyncio.run(ask(graph, "(19 + 23) * 10?"))
    # There is no sync form of the nodes.
    try:
        graph.invoke({"messages": []})
    except TypeError as exc:
        print(exc)
