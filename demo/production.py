"""Production: imports the compiled module; langgraph is not installed here."""

from __future__ import annotations

import importlib.util
from tempfile import TemporaryDirectory

import build.agent_graph as module

from lgc.savers import SqliteSaver

assert importlib.util.find_spec("langgraph") is None, "langgraph is installed"

print(f"running {module.__file__.rpartition('/')[2]}, without langgraph")
question = {"messages": [{"role": "human", "text": "Bern or Oslo?"}], "turns": 0}
for chunk in module.graph.stream(question, stream_mode="updates"):
    for node, update in chunk.items():
        for message in update["messages"]:
            print(f"{node:>6}: {message.get('text') or message['calls']}")

print("the same, stopped before the tools are used, and continued from a file")
with TemporaryDirectory() as folder:
    for given in (question, None, None, None):
        # Each time as if in another process: nothing is shared but the file.
        with SqliteSaver.from_conn_string(f"{folder}/threads.db") as saver:
            graph = module.compile(checkpointer=saver, interrupt_before=["tools"])
            thread = {"configurable": {"thread_id": "1"}}
            graph.invoke(given, thread)
            state = graph.get_state(thread)
        due = ", ".join(state.next) or "nothing"
        print(f"{len(state.values['messages'])} messages, next: {due}")
        if not state.next:
            break
