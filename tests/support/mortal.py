"""Trees of graphs whose process dies at a numbered point, and what a later process does with them.

Death is an exception that no node catches: after it no saver stores anything and no node works.
What was stored until then is handed to new graphs with a new saver, as a new process would find it.
"""

from __future__ import annotations

import asyncio
import copy
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Lock
from typing import Annotated, Any, TypedDict

from inprocess import compile_in_process
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from nested_spec import LGC, Engines
from parity import edges_in_order

from lgc.savers import MemorySaver

CONFIG: Any = {"configurable": {"thread_id": "t"}, "max_concurrency": 1}
_CALLS = ("get_tuple", "put", "put_writes", "put_superstep")
_CONTROL = ("__error__", "__error_source_node__", "__interrupt__", "__resume__", "__scheduled__")


class Died(BaseException):
    """The process is dead."""


@dataclass
class Life:
    """A process at a thread.

    Attributes:
        kill: the number of the point to die at; 0 for none.
        points: how many it has passed.
        effects: the nodes that have worked, each with the id of its task.
    """

    kill: int = 0
    points: int = 0
    effects: list[tuple[str, str]] = field(default_factory=list)
    _dead: bool = False
    _lock: Any = field(default_factory=Lock)

    def point(self) -> None:
        """A place to die at; nothing goes on after death."""
        with self._lock:
            self.points += not self._dead
            if self._dead or self.points == self.kill:
                self._dead = True
                raise Died


def mortal(cls: type, life: Life, older: Any = None) -> Any:
    """A saver with a point before and after each call.

    Args:
        cls: its class: LangGraph's saver in memory, or lgc's.
        life: of the process.
        older: one whose rows it begins with.
    """

    def pointed(name: str) -> Any:
        original = getattr(cls, name)

        def call(self: Any, *args: Any, **options: Any) -> Any:
            life.point()
            result = original(self, *args, **options)
            life.point()
            return result

        return call

    names = [name for name in _CALLS if hasattr(cls, name)]
    saver = type("Mortal", (cls,), {name: pointed(name) for name in names})()
    for rows in ("storage", "writes", "blobs"):
        if older is not None:
            getattr(saver, rows).update(copy.deepcopy(getattr(older, rows)))
    return saver


SAVERS: dict[str, type] = {"langgraph's saver": InMemorySaver, "lgc's saver": MemorySaver}


class State(TypedDict):
    """A list that grows, and a number."""

    x: Annotated[list[str], operator.add]
    n: Annotated[int, operator.add]


class World:
    """The graphs of one process.

    Args:
        life: of the process.
        engines: of each level.
    """

    def __init__(self, life: Life, engines: Engines) -> None:
        self._life = life
        self._engines = engines

    def graph(self, level: int, nodes: dict[str, Any], *edges: Any, **options: Any) -> Any:
        """The graph of a level; without edges its nodes follow each other."""
        builder = StateGraph(State)
        for name, node in nodes.items():
            builder.add_node(name, node)
        names = [START, *nodes, END]
        for start, end in edges or pairwise(names):
            if callable(end):
                builder.add_conditional_edges(start, end, [*nodes, END])
            else:
                builder.add_edge(start, end)
        if self._engines[level] == LGC:
            return compile_in_process(builder).compile(**options)
        with edges_in_order():
            return builder.compile(**options)

    def works(self, who: str, work: Callable[[Any], Any] | None = None) -> Any:
        """A node that leaves its name, and dies before or after it."""

        def node(state: Any, config: RunnableConfig) -> Any:
            self._life.point()
            result = work(state) if work else {"x": [who], "n": 1}
            self._life.effects.append((who, config["configurable"]["__pregel_task_id"]))
            self._life.point()
            return result

        return node

    def asks(self, who: str, *questions: str) -> Any:
        """A node that asks."""
        return self.works(who, lambda state: {"x": [interrupt(each) for each in questions]})

    def calls(self, who: str, child: Any) -> Any:
        """A node that calls a graph."""
        return self.works(who, lambda state: {"x": child.invoke({"x": [who]})["x"]})


def _called(world: World, saver: Any) -> Any:
    child = world.graph(1, {"a": world.works("a"), "b": world.works("b")})
    nodes = {"first": world.works("first"), "sub": world.calls("sub", child)}
    return world.graph(0, {**nodes, "last": world.works("last")}, checkpointer=saver)


def _node(world: World, saver: Any) -> Any:
    child = world.graph(1, {"a": world.works("a"), "b": world.works("b")})
    nodes = {"first": world.works("first"), "sub": child, "last": world.works("last")}
    return world.graph(0, nodes, checkpointer=saver)


def _asks(world: World, saver: Any) -> Any:
    child = world.graph(1, {"a": world.works("a"), "b": world.asks("b", "1st", "2nd")})
    return world.graph(
        0, {"sub": world.calls("sub", child), "last": world.works("last")}, checkpointer=saver
    )


def _deep(world: World, saver: Any) -> Any:
    inner = world.graph(2, {"i": world.works("i"), "j": world.asks("j", "deep")})
    child = world.graph(1, {"a": world.works("a"), "inner": inner, "b": world.works("b")})
    return world.graph(0, {"sub": child, "last": world.works("last")}, checkpointer=saver)


def _sends(world: World, saver: Any) -> Any:
    child = world.graph(1, {"a": world.works("a"), "b": world.works("b", _asked)})
    return world.graph(
        0,
        {"sub": child, "last": world.works("last")},
        (START, lambda state: [Send("sub", {"x": [f"sent {n}"]}) for n in range(2)]),
        ("sub", "last"),
        checkpointer=saver,
    )


def _asked(state: Any) -> Any:
    return {"x": [interrupt(state["x"][0])]}


def _leaves(world: World, saver: Any) -> Any:
    def leave(state: Any) -> Any:
        return Command(graph=Command.PARENT, goto="last", update={"x": ["left"]})

    child = world.graph(1, {"a": world.works("a"), "b": world.works("b", leave)})
    nodes = {"sub": child, "last": world.works("last")}
    return world.graph(0, nodes, (START, "sub"), checkpointer=saver)


def _stops(world: World, saver: Any) -> Any:
    child = world.graph(1, {"a": world.works("a"), "b": world.works("b")}, interrupt_before=["b"])
    return world.graph(0, {"sub": child, "last": world.works("last")}, checkpointer=saver)


STORIES: dict[str, Callable[[World, Any], Any]] = {
    "called": _called,
    "node": _node,
    "asks": _asks,
    "deep": _deep,
    "sends": _sends,
    "leaves": _leaves,
    "stops": _stops,
}


def live(graph: Any, durability: str, is_async: bool) -> list[str]:
    """Goes on with the thread to its end, whatever is stored of it; returns its list."""

    def run(input: Any) -> None:
        if is_async:
            asyncio.run(graph.ainvoke(input, CONFIG, durability=durability))
        else:
            graph.invoke(input, CONFIG, durability=durability)

    begins = True
    while True:
        state = graph.get_state(CONFIG)
        if state.created_at is None:
            run({"x": ["in"]})
        elif state.interrupts and not begins:
            run(Command(resume={each.id: f"to {each.value}" for each in state.interrupts}))
        elif state.tasks:
            # What an earlier process was answered may be stored: the question is asked again.
            run(None)
        else:
            values: list[str] = state.values["x"]
            return values
        begins = False


def finished(saver: Any) -> set[str]:
    """The ids of the tasks whose writes are stored, in every namespace."""
    return {
        task
        for rows in saver.writes.values()
        for task, channel, *_ in rows.values()
        if channel not in _CONTROL
    }
