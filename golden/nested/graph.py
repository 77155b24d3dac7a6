"""Three levels: a desk whose node is a team, whose node is a search that remembers its queries."""

import operator
from typing import Annotated, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph


class Search(TypedDict):
    topic: str
    queries: Annotated[list[str], operator.add]
    found: list[str]


def ask(state: Search) -> dict:
    return {"queries": [f"what is {state['topic']}?"]}


def look(state: Search) -> dict:
    return {"found": [f"{query} {len(query)}" for query in state["queries"]]}


search = StateGraph(Search)
search.add_node(ask)
search.add_node(look)
search.add_edge(START, "ask")
search.add_edge("ask", "look")


class Team(TypedDict):
    topic: str
    found: list[str]
    draft: str
    notes: Annotated[list[str], operator.add]


def write(state: Team) -> dict:
    draft = f"{state.get('draft', '')}{state['topic']}: {len(state['found'])}. "
    return {"draft": draft, "notes": ["wrote"]}


def is_long(state: Team) -> str:
    return "yes" if len(state["draft"]) > 20 else "no"


team = StateGraph(Team)
team.add_node("search", search.compile(checkpointer=True, name="search"))
team.add_node("check", lambda state: {"notes": [f"checked {len(state['draft'])}"]})
team.add_node(write)
team.add_edge(START, "search")
team.add_edge("search", "write")
team.add_edge("write", "check")
team.add_conditional_edges("check", is_long, {"yes": END, "no": "search"})


class Desk(TypedDict):
    topic: str
    draft: str
    log: Annotated[list[str], operator.add]


def take(state: Desk) -> dict:
    return {"topic": state["topic"].strip(), "log": ["took"]}


def publish(state: Desk) -> dict:
    return {"log": [f"published {state['draft'].strip()}"]}


builder = StateGraph(Desk)
builder.add_node(take)
builder.add_node("research", team.compile().with_config(tags=["team"], recursion_limit=12))
builder.add_node(publish)
builder.add_edge(START, "take")
builder.add_edge("take", "research")
builder.add_edge("research", "publish")


def main(graph):
    print(graph.invoke({"topic": " owls "}))
    graph.checkpointer = InMemorySaver()
    config = {"configurable": {"thread_id": "1"}}
    for namespace, chunk in graph.stream({"topic": "owls"}, config, subgraphs=True):
        print([part.split(":")[0] for part in namespace], chunk)
