"""Timeouts in production, where langgraph is not loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import virtual_time

_NODES = '''
import asyncio
from lgc import get_config, get_runtime, get_stream_writer

log = []

async def beats(state):
    for _ in range(4):
        await asyncio.sleep(2)
        get_runtime().heartbeat()

async def step(state):
    await asyncio.sleep(2)

async def late(state):
    """Loads langchain while it runs."""
    from langchain_core.runnables import RunnableLambda

    for _ in range(4):
        await asyncio.sleep(2)
        await RunnableLambda(step).ainvoke({}, get_config())
        await RunnableLambda(step).ainvoke({})
    return {"x": ["late"]}

async def slow(state):
    attempt = get_runtime().execution_info.node_attempt
    log.append(attempt)
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        # Behind its attempt, while the next one runs.
        await asyncio.sleep(2)
        get_config()["configurable"]["__pregel_send"]([("x", ["stale"])])
        get_stream_writer()("stale")
        log.append(-attempt)
    return {"x": ["slow"]}

def handler(state):
    return {"x": ["handled"]}
'''
_AGENT = """
import operator
from typing import Annotated, TypedDict
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy, TimeoutPolicy
from nodes import beats, handler, late, slow, step

class State(TypedDict):
    x: Annotated[list, operator.add]

steps = [("a", step), ("b", step), ("c", step)]
child = StateGraph(State).add_sequence(steps).add_edge(START, "a").compile()
builder = StateGraph(State)
idle = TimeoutPolicy(idle_timeout=3, refresh_on="heartbeat")
builder.add_node("beats", beats, timeout=idle)
builder.add_node("child", child, timeout=TimeoutPolicy(idle_timeout=3))
retry = RetryPolicy(max_attempts=2, initial_interval=0.5, jitter=False)
builder.add_node("slow", slow, timeout=3, retry_policy=retry, error_handler=handler)
builder.add_edge(START, "beats").add_edge("beats", "child").add_edge("child", "slow")
other = StateGraph(State).add_node("late", late, timeout=TimeoutPolicy(idle_timeout=3))
other.add_edge(START, "late")
"""
_MAIN = """
import asyncio
import sys
import agent_graph
import agent_other
import nodes
from virtual_time import run_in_virtual_time
from lgc import NodeTimeoutError

async def main():
    modes = ["updates", "custom"]
    chunks = [c async for c in agent_graph.graph.astream({"x": []}, stream_mode=modes)]
    await asyncio.sleep(10)
    return chunks

print(run_in_virtual_time(main()), nodes.log)
print(sorted(name for name in ("langgraph", "langchain_core") if name in sys.modules))
print(run_in_virtual_time(agent_other.graph.ainvoke({"x": []})))
"""


def test_without_langgraph(tmp_path: Path) -> None:
    """In production, where no langchain hands down callbacks."""
    for name, text in {"nodes": _NODES, "agent": _AGENT, "main": _MAIN}.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    compiled = [sys.executable, "-m", "lgc", "compile", "agent:builder", "agent:other"]
    paths = str(Path(virtual_time.__file__).parent)
    for command in ([*compiled, "-o", ".", "--no-native"], [sys.executable, "main.py"]):
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    handled = "('updates', {'__error_handler__slow': {'x': ['handled']}})"
    quiet = "('updates', {'beats': None}), ('updates', {'child': {'x': []}})"
    assert done.stdout.splitlines() == [
        f"[{quiet}, {handled}] [1, 2, -1, -2]",
        "[]",
        "{'x': ['late']}",
    ]
