"""Nodes that run where langgraph is not installed: what they need of it comes from lgc."""

from __future__ import annotations

from typing import Any

from lgc import END, Command, Overwrite, Runtime, Send, get_config, get_stream_writer


def plan(state: dict[str, Any]) -> Command:
    goto = [Send("work", {"task": task}) for task in state["tasks"]] or END
    return Command(update={"log": [f"{len(state['tasks'])} tasks"]}, goto=goto)


def work(state: dict[str, Any], runtime: Runtime) -> dict[str, Any]:
    return {"log": [f"{state['task']} for {runtime.context['user']}"]}


def report(state: dict[str, Any]) -> dict[str, Any]:
    get_stream_writer()({"lines": len(state["log"])})
    node = get_config()["metadata"]["langgraph_node"]
    return {"log": Overwrite([line for line in state["log"] if "tasks" not in line] + [node])}


def again(state: dict[str, Any]) -> list[Send] | str:
    return [Send("work", {"task": "once more"})] if len(state["log"]) < 4 else END


def main(graph: Any) -> None:
    for tasks in ([], ["read"], ["read", "write", "test"]):
        for chunk in graph.stream(
            {"tasks": tasks, "log": []}, context={"user": "Ada"}, stream_mode=["values", "custom"]
        ):
            print(chunk)
