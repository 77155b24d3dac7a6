"""Runs the compiled assistant on a thread; a person approves what it books."""

from __future__ import annotations

from build.assistant_agent import compile

from lgc import Command
from lgc.savers import MemorySaver

agent = compile(checkpointer=MemorySaver())
thread = {"configurable": {"thread_id": "1"}}
print(f"{agent!r}, {agent.config}")
question = {"messages": [("user", "Bern or Oslo?")]}
approval = Command(resume={"decisions": [{"type": "approve"}]})
for given in (question, approval):
    for chunk in agent.stream(given, thread):
        for node, update in chunk.items():
            if node == "__interrupt__":
                requests = update[0].value["action_requests"]
                print(f"approve? {[(r['name'], r['args']) for r in requests]}")
            else:
                for message in (update or {}).get("messages", ()):
                    calls = [(c["name"], c["args"]) for c in getattr(message, "tool_calls", ())]
                    print(f"{node:>5}: {message.content or calls}")
