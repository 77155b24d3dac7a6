"""An async fan-out: a router sends every page to a task of its own; a join waits for both ways."""

import asyncio
from operator import add
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send


class State(TypedDict):
    pages: list[str]
    sizes: Annotated[list[tuple[str, int]], add]
    checked: bool
    report: str


class Page(TypedDict):
    page: str
    after: int


async def plan(state: State) -> dict:
    return {"pages": sorted(set(state["pages"]))}


async def each_page(state: State) -> list[Send]:
    """The pages are fetched at once, and the last one arrives first."""
    turns = range(len(state["pages"]), 0, -1)
    return [
        Send("fetch", {"page": page, "after": turn})
        for page, turn in zip(state["pages"], turns, strict=True)
    ]


async def fetch(state: Page) -> dict:
    for _ in range(state["after"]):
        await asyncio.sleep(0)
    return {"sizes": [(state["page"], len(state["page"]))]}


def check(state: State) -> dict:
    return {"checked": all(page.startswith("/") for page in state["pages"])}


async def total(state: State) -> dict:
    return {"sizes": [("total", sum(size for _, size in state["sizes"]))]}


def report(state: State) -> dict:
    return {"report": f"{len(state['sizes']) - 1} pages, {state['sizes'][-1][1]} characters"}


builder = StateGraph(State)
builder.add_node("plan", plan)
builder.add_node("fetch", fetch)
builder.add_node("check", check)
builder.add_node("total", total)
builder.add_node("report", report)
builder.add_edge(START, "plan")
builder.add_conditional_edges("plan", each_page, ["fetch"])
builder.add_edge("plan", "check")
builder.add_edge("fetch", "total")
builder.add_edge(["total", "check"], "report")
builder.add_edge("report", END)


async def run(graph):
    pages = {"pages": ["/b", "/a", "/contact", "/a"]}
    async for chunk in graph.astream(pages, stream_mode="values"):
        print(chunk)
    # At most two tasks at once, and many runs.
    runs = (graph.ainvoke({"pages": [f"/{n}"] * n}, {"max_concurrency": 2}) for n in range(4))
    for result in await asyncio.gather(*runs):
        print(result)


def main(graph):
    asyncio.run(run(graph))
