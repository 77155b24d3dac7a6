"""Input, output and private schemas: what comes in, what goes out, what only some nodes see."""

from dataclasses import dataclass
from typing import TypedDict

from langgraph.graph import END, START, StateGraph


class Question(TypedDict):
    question: str


class Answer(TypedDict):
    answer: str


class State(Question, Answer):
    pass


class Draft(TypedDict):
    draft: str
    tries: int


@dataclass
class Tries:
    tries: int = 0


def think(state: Question) -> Draft:
    return {"draft": state["question"].rstrip("?"), "tries": 1}


def rethink(state: Draft) -> Draft:
    return {"draft": f"{state['draft']}!", "tries": state["tries"] + 1}


def good(state: Tries) -> str:
    return "speak" if state.tries > 2 else "rethink"


def speak(state: Draft) -> Answer:
    return {"answer": f"{state['draft']} {sorted(state)}"}


def check(state: State) -> None:
    """Sees the whole state, which has no private keys."""
    print("state", state)


builder = StateGraph(State, input_schema=Question, output_schema=Answer)
for node in (think, rethink, speak, check):
    builder.add_node(node)
builder.add_edge(START, "think")
builder.add_conditional_edges("think", good, ["speak", "rethink"])
builder.add_conditional_edges("rethink", good, ["speak", "rethink"])
builder.add_edge("speak", "check")
builder.add_edge("check", END)


def main(graph):
    # Only what the input schema has is taken.
    print(graph.invoke({"question": "why?", "answer": "given", "draft": "given"}))
    for chunk in graph.stream({"question": "why?"}, stream_mode=["updates", "values"]):
        print(chunk)
