"""Runs that are cancelled: graphs and savers that suspend, and what is stored of a thread."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from inprocess import compile_in_process
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from lgc.savers import MemorySaver

CONFIG: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict):
    """A trail, and a number."""

    trail: Annotated[list[str], operator.add]
    count: int


class Journal:
    """What nodes have done, and how often they suspend.

    Attributes:
        suspends: how often each node and router does.
        done: `(task id, superstep, node)` of what has returned, in order.
        fails: the failing node fails.
    """

    def __init__(self, suspends: int) -> None:
        self.suspends = suspends
        self.done: list[tuple[str, int, str]] = []
        self.fails = True

    def node(self, name: str, body: Callable[[Any], Any] | None = None) -> Any:
        """An async node that writes its name, or what `body` returns."""

        async def run(state: Any, config: RunnableConfig) -> Any:
            for _ in range(self.suspends):
                await asyncio.sleep(0)
            update = {"trail": [name]} if body is None else body(state)
            task, step = config["configurable"]["__pregel_task_id"], config["metadata"]
            self.done.append((task, step["langgraph_step"], name))
            return update

        return run


def _wired(nodes: dict[str, Any], *edges: Any) -> Any:
    builder: Any = StateGraph(State)
    for name, node in nodes.items():
        builder.add_node(name, node)
    for start, end in edges:
        builder.add_edge(start, end)
    return builder


def _chain(journal: Journal) -> Any:
    names = "abcd"
    edges = zip((START, *names), (*names, END), strict=True)
    return _wired({name: journal.node(name) for name in names}, *edges)


def _fan(journal: Journal) -> Any:
    sides = ("left", "mid", "right")
    nodes = {name: journal.node(name) for name in ("split", *sides, "join")}
    starts = [("split", side) for side in sides]
    return _wired(nodes, (START, "split"), *starts, ([*sides], "join"), ("join", END))


def _loop(journal: Journal) -> Any:
    async def more(state: State) -> str:
        await asyncio.sleep(0)
        return "turn" if state["count"] < 3 else END

    def turn(state: State) -> Any:
        return {"trail": [f"turn {state['count']}"], "count": state["count"] + 1}

    builder = _wired({"turn": journal.node("turn", turn)}, (START, "turn"))
    return builder.add_conditional_edges("turn", more, ["turn", END])


def _sends(journal: Journal) -> Any:
    async def each(state: State) -> list[Send]:
        return [Send("work", {"trail": [], "count": item}) for item in range(3)]

    nodes = {name: journal.node(name) for name in ("split", "work", "reduce")}
    builder = _wired(nodes, (START, "split"), ("work", "reduce"), ("reduce", END))
    return builder.add_conditional_edges("split", each, ["work"])


def _question(journal: Journal) -> Any:
    def ask(state: State) -> Any:
        return {"trail": [interrupt("who?")]}

    nodes = {"a": journal.node("a"), "ask": journal.node("ask", ask), "b": journal.node("b")}
    return _wired(nodes, (START, "a"), ("a", "ask"), ("ask", "b"), ("b", END))


def _failure(journal: Journal) -> Any:
    def fail(state: State) -> Any:
        if journal.fails:
            raise ValueError("on purpose")
        return {"trail": ["recovered"]}

    nodes = {
        "good": journal.node("good"),
        "bad": journal.node("bad", fail),
        "end": journal.node("end"),
    }
    sides = ("good", "bad")
    return _wired(nodes, *((START, side) for side in sides), ([*sides], "end"), ("end", END))


GRAPHS = {
    "chain": _chain,
    "fan": _fan,
    "loop": _loop,
    "sends": _sends,
    "question": _question,
    "failure": _failure,
}


class Faulty(MemorySaver):
    """A saver in memory whose async methods suspend, and one of them raises.

    Attributes:
        suspends: how often a method suspends before it does its work, and after.
        fault: an exception, or None.
        fault_at: the number of the call that raises it, of those that store.
        is_transient: the calls after that one do not raise.
        called: the names of the methods that were called to store.
    """

    blocking = True

    def __init__(self, suspends: int) -> None:
        super().__init__()
        self.suspends = suspends
        self.fault: BaseException | None = None
        self.fault_at = 0
        self.is_transient = True
        self.called: list[str] = []

    async def aget_tuple(self, config: Any) -> Any:
        await self._suspend()
        return await super().aget_tuple(config)

    async def aput(self, *args: Any) -> Any:
        await self._begin("aput")
        result = await super().aput(*args)
        await self._suspend()
        return result

    async def aput_writes(self, *args: Any) -> Any:
        await self._begin("aput_writes")
        await super().aput_writes(*args)
        await self._suspend()

    async def _begin(self, name: str) -> None:
        self.called.append(name)
        number = len(self.called)
        await self._suspend()
        is_due = number == self.fault_at or (number > self.fault_at and not self.is_transient)
        if self.fault is not None and is_due:
            raise self.fault

    async def _suspend(self) -> None:
        for _ in range(self.suspends):
            await asyncio.sleep(0)


async def go_on(graph: Any, journal: Journal) -> Any:
    """Brings the thread to its end; the state then."""
    journal.fails = False
    for _ in range(4):
        snapshot = await graph.aget_state(CONFIG)
        if snapshot.created_at is None or snapshot.next == ("__start__",):
            given: Any = {"trail": ["in"], "count": 0}
        elif snapshot.interrupts:
            given = Command(resume="me")
        elif snapshot.tasks:
            # They are due, or were done without their superstep having ended.
            given = None
        else:
            return snapshot.values
        await graph.ainvoke(given, CONFIG)
    raise AssertionError("the thread does not end")


async def durable(graph: Any) -> tuple[int, set[str]]:
    """The newest checkpoint's superstep, and the tasks on it that are stored as done."""
    snapshot = await graph.aget_state(CONFIG)
    if snapshot.created_at is None:
        return -2, set()
    return snapshot.metadata["step"], {task.id for task in snapshot.tasks if task.result}


def compiled_graph(name: str, journal: Journal) -> Any:
    """A graph of `GRAPHS`, whose nodes write into the journal."""
    return compile_in_process(GRAPHS[name](journal))
