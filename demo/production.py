"""Production: imports the compiled module; langgraph is not installed here."""

from __future__ import annotations

import importlib.util

import build.agent_graph as module

assert importlib.util.find_spec("langgraph") is None, "langgraph is installed"

print(f"running {module.__file__.rpartition('/')[2]}, without langgraph")
question = {"messages": [{"role": "human", "text": "Bern or Oslo?"}], "turns": 0}
for chunk in module.graph.stream(question, stream_mode="updates"):
    for node, update in chunk.items():
        for message in update["messages"]:
            print(f"{node:>6}: {message.get('text') or message['calls']}")
