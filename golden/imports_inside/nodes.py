"""Nodes that import langgraph when they run; nothing has loaded it before, in production."""

from __future__ import annotations


def ask(state: dict) -> dict:
    from langgraph.types import interrupt

    return {"log": [f"ask has {interrupt.__name__}() {_seen()}"]}


def beside(state: dict) -> dict:
    return {"log": [f"beside {_seen()}"]}


def decide(state: dict) -> str:
    from langgraph.constants import END

    return "answer" if "Ada" in state["log"][0] else END


def answer(state: dict) -> dict:
    from langgraph.config import get_stream_writer

    get_stream_writer()("almost done")
    return {"log": [f"answer {_seen()}"]}


def _seen() -> str:
    from langgraph.config import get_config

    config = get_config()
    metadata = config["metadata"]
    user = config["configurable"]["user"]
    return f"as {metadata['langgraph_node']} in step {metadata['langgraph_step']} for {user}"


def main(graph) -> None:
    config = {"configurable": {"user": "Ada"}, "tags": ["golden"]}
    print(graph.invoke({"log": []}, config))
    for chunk in graph.stream({"log": []}, config, stream_mode=["custom", "values"]):
        print(chunk)
