"""Branches side by side, one of which retries; a join; two routers that may both lead somewhere."""

from operator import add
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    log: Annotated[list[str], add]
    drafts: int
    mail: bool


def plan(state: State) -> dict:
    return {"log": ["plan"]}


def draft(state: State) -> dict:
    return {"log": [f"draft {state['drafts']}"], "drafts": state["drafts"] - 1}


def is_good(state: State) -> str:
    return "draft" if state["drafts"] > 0 else "polish"


def polish(state: State) -> dict:
    return {"log": ["polish"]}


def search(state: State) -> dict:
    return {"log": ["search"]}


def read(state: State) -> dict:
    return {"log": ["read"]}


def review(state: State) -> dict:
    return {"log": [f"review {len(state['log'])}"]}


def verdict(state: State) -> str:
    return "publish" if len(state["log"]) > 6 else "plan"


def wants_mail(state: State) -> str:
    return "mail" if state["mail"] else END


def publish(state: State) -> dict:
    return {"log": ["publish"]}


def mail(state: State) -> dict:
    return {"log": ["mail"]}


builder = StateGraph(State)
for node in (plan, draft, polish, search, read, review, publish, mail):
    builder.add_node(node)
builder.add_edge(START, "plan")
builder.add_edge("plan", "draft")
builder.add_edge("plan", "search")
builder.add_conditional_edges("draft", is_good, ["draft", "polish"])
builder.add_edge("search", "read")
builder.add_edge(["polish", "read"], "review")
builder.add_conditional_edges("review", verdict, ["publish", "plan"])
builder.add_conditional_edges("review", wants_mail, ["mail", END])


def main(graph):
    for drafts, mail in ((1, False), (3, True)):
        input = {"log": [], "drafts": drafts, "mail": mail}
        for chunk in graph.stream(input, stream_mode="values"):
            print(chunk)
