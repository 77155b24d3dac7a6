"""Threads whose process is killed at a numbered point, and the warm process that runs them.

As a script it reads requests, one JSON object a line, and answers each with the exit status of a
child it forked for it: imports and compilations are done once, and before any thread or connection
exists. A child tells what it does in a log of JSON lines; those of nodes, its side effects, are on
the disk before it goes on.
"""

from __future__ import annotations

import asyncio
import gc
import json
import operator
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from functools import cache, wraps
from itertools import chain
from threading import Lock
from typing import Annotated, Any, NamedTuple, TypedDict

from inprocess import compile_in_process
from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.sqlite import SqliteSaver as TheirSqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver as TheirAsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from lgc.runtime.checkpointing import (  # noqa: F401  (a child would import them anew)
    exit_durability,
    recorder,
    start_resume_fork,
    state_snapshots,
    state_updates,
)
from lgc.runtime.drivers import (  # noqa: F401  (as above)
    aio,
    async_calls,
    async_fast_path,
    operations,
)
from lgc.runtime.graph import CompiledGraph
from lgc.savers import AsyncPostgresSaver, AsyncSqliteSaver, PostgresSaver, SqliteSaver

KILLS: Counter[str] = Counter()
"""How often a process was killed, by saver."""

CANCELLATIONS: Counter[str] = Counter()
"""How often a run was cancelled, by graph."""

_CALLS = frozenset(
    ("get_tuple", "list", "put", "put_writes", "put_superstep", "get_delta_channel_history")
)
ASYNC_SAVERS: dict[str, Any] = {
    "async sqlite": AsyncSqliteSaver,
    "their async sqlite": TheirAsyncSqliteSaver,
    "async postgres": AsyncPostgresSaver,
}
"""The savers whose threads are driven by an event loop, by kind."""

# The seconds after which a child is taken to hang.
_PATIENCE = 60


# --- what a child does to itself ---


class Child:
    """The process that is killed: its log, and its points.

    Attributes:
        kill: the number of the point to die at; 0 for none.
        points: how many it has passed.
        act: what it is at.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._log = -1
        self.kill = 0
        self.points = 0
        self.act = 0

    def begin(self, log: str, kill: int) -> None:
        """Opens the log."""
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.kill = kill

    def note(self, **line: Any) -> None:
        """Adds a line to the log."""
        os.write(self._log, json.dumps(line).encode() + b"\n")

    def effect(self, **line: Any) -> None:
        """Adds the line of a node."""
        self.note(**line)
        os.fsync(self._log)

    def point(self, label: str) -> None:
        """A place to die at."""
        with self._lock:
            self.points += 1
            if self.points == self.kill:
                self.note(killed=label)
                os.kill(os.getpid(), signal.SIGKILL)


CHILD = Child()

_BUILDS_ASYNC: ContextVar[bool] = ContextVar("builds_async", default=False)


class Pointed:
    """A saver with a point before and after each call."""

    def __init__(self, saver: Any) -> None:
        self._saver = saver

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._saver, name)
        if name.startswith("a") and name[1:] in _CALLS:
            return _listing(method) if name == "alist" else _awaited(name, method)
        if name not in _CALLS:
            return method

        @wraps(method)
        def call(*args: Any, **options: Any) -> Any:
            CHILD.point(f"before {name}")
            result = method(*args, **options)
            if name == "list":
                result = iter([*result])
            CHILD.point(f"after {name}")
            return result

        return call


def _awaited(name: str, method: Any) -> Any:
    @wraps(method)
    async def call(*args: Any, **options: Any) -> Any:
        CHILD.point(f"before {name}")
        result = await method(*args, **options)
        CHILD.point(f"after {name}")
        return result

    return call


def _listing(method: Any) -> Any:
    async def alist(*args: Any, **options: Any) -> AsyncIterator[Any]:
        CHILD.point("before alist")
        found = [saved async for saved in method(*args, **options)]
        CHILD.point("after alist")
        for saved in found:
            yield saved

    return alist


def node(name: str, body: Callable[[Any], Any], pause: float = 0.0) -> Callable[..., Any]:
    """A node that leaves a line in the log when it has done its work.

    Args:
        name: in the log.
        body: its work.
        pause: how many seconds it waits first. An async node suspends once in any case.
    """

    def work(state: Any, config: RunnableConfig) -> Any:
        result = body(state)
        CHILD.effect(
            node=name,
            step=config["metadata"]["langgraph_step"],
            input=state,
            task=config["configurable"]["__pregel_task_id"],
        )
        CHILD.point(f"after {name}")
        return result

    def run(state: Any, config: RunnableConfig) -> Any:
        CHILD.point(f"before {name}")
        time.sleep(pause)
        return work(state, config)

    async def arun(state: Any, config: RunnableConfig) -> Any:
        CHILD.point(f"before {name}")
        await asyncio.sleep(pause)
        return work(state, config)

    return arun if _BUILDS_ASYNC.get() else run


# --- the threads ---


class Update(NamedTuple):
    """An `update_state`."""

    values: Any
    as_node: str | None = None


class Story(NamedTuple):
    """A thread from its first input to its end.

    Attributes:
        build: makes the builder.
        acts: the inputs of its runs, one by one, or Updates; a function is given the
            StateSnapshot and makes one.
        options: of `compile`.
    """

    build: Callable[[], StateGraph[Any, Any, Any, Any]]
    acts: tuple[Any, ...]
    options: dict[str, Any] = {}  # noqa: RUF012  (nobody changes it)


class Failure(Exception):
    """What a node raises on purpose."""


class State(TypedDict):
    """A key that is reduced, and one that is not."""

    trail: Annotated[list[str], operator.add]
    count: int


def _joined(old: list[str], writes: list[list[str]]) -> list[str]:
    return [*old, *chain(*writes)]


class Delta(TypedDict):
    """The same with a DeltaChannel that is often stored in whole."""

    trail: Annotated[list[str], DeltaChannel(_joined, snapshot_frequency=3)]
    count: int


class Replayed(TypedDict):
    """The same with one that never is."""

    trail: Annotated[list[str], DeltaChannel(_joined)]
    count: int


def _step(name: str, pause: float = 0.0) -> Callable[..., Any]:
    """A node that writes what it has seen."""

    return node(name, lambda state: {"trail": [f"{name}{len(state['trail'])}"]}, pause)


def _wired(schema: Any, nodes: dict[str, Any], *edges: Any) -> StateGraph[Any, Any, Any, Any]:
    builder = StateGraph(schema)
    for name, function in nodes.items():
        builder.add_node(name, function)
    for start, end in edges:
        builder.add_edge(start, end)
    return builder


def _chain(schema: Any) -> StateGraph[Any, Any, Any, Any]:
    names = "abcd"
    edges = zip((START, *names), (*names, END), strict=True)
    return _wired(schema, {name: _step(name) for name in names}, *edges)


def _fan() -> StateGraph[Any, Any, Any, Any]:
    # One is slow: its siblings' writes are stored while it still runs.
    sides = {"left": _step("left"), "mid": _step("mid"), "right": _step("right", 0.005)}
    return _wired(
        State,
        {"split": _step("split"), **sides, "join": _step("join")},
        (START, "split"),
        *(("split", side) for side in sides),
        ([*sides], "join"),
        ("join", END),
    )


def _map_reduce() -> StateGraph[Any, Any, Any, Any]:
    def each(state: State) -> list[Send]:
        return [Send("work", {"item": item}) for item in range(4)]

    nodes = {
        "split": _step("split"),
        "work": node("work", lambda state: {"trail": [f"item {state['item']}"]}),
        "reduce": node("reduce", lambda state: {"count": len(state["trail"])}),
    }
    builder = _wired(State, nodes, (START, "split"), ("work", "reduce"), ("reduce", END))
    builder.add_conditional_edges("split", each, ["work"])
    return builder


def _loop(schema: Any) -> StateGraph[Any, Any, Any, Any]:
    def more(state: Any) -> str:
        return "turn" if state["count"] < 3 else END

    def turn(state: Any) -> Any:
        return {"trail": [f"turn {state['count']}"], "count": state["count"] + 1}

    builder = _wired(schema, {"turn": node("turn", turn), "check": _step("check")}, (START, "turn"))
    builder.add_edge("turn", "check")
    builder.add_conditional_edges("check", more, ["turn", END])
    return builder


def _questions(schema: Any, *questions: str) -> StateGraph[Any, Any, Any, Any]:
    def ask(state: Any) -> Any:
        return {"trail": [interrupt(question) for question in questions]}

    nodes = {"a": _step("a"), "ask": node("ask", ask), "b": _step("b")}
    return _wired(schema, nodes, (START, "a"), ("a", "ask"), ("ask", "b"), ("b", END))


def _together() -> StateGraph[Any, Any, Any, Any]:
    def asks(name: str) -> Any:
        return node(name, lambda state: {"trail": [interrupt(name)]})

    nodes = {"one": asks("one"), "two": asks("two"), "plain": _step("plain"), "end": _step("end")}
    sides = ("one", "two", "plain")
    return _wired(State, nodes, *((START, side) for side in sides), ([*sides], "end"), ("end", END))


def _answers(snapshot: Any) -> Any:
    return Command(resume={each.id: each.value.upper() for each in snapshot.interrupts})


def _failing() -> StateGraph[Any, Any, Any, Any]:
    def fail(state: State) -> Any:
        if CHILD.act == 0:
            raise Failure
        return {"trail": ["recovered"]}

    nodes = {
        "good": _step("good"),
        # Late enough that what its sibling does is stored before it is cancelled.
        "bad": node("bad", fail, 0.02),
        "slow": _step("slow", 0.025),
        "end": _step("end"),
    }
    sides = ("good", "bad", "slow")
    return _wired(State, nodes, *((START, side) for side in sides), ([*sides], "end"), ("end", END))


_INPUT = {"trail": ["in"], "count": 0}
_AGAIN = {"trail": ["again"], "count": 1}
_ANSWER = Command(resume="1st", update={"trail": ["noted"]})

STORIES = {
    "chain": Story(lambda: _chain(State), (_INPUT,)),
    "fan": Story(_fan, (_INPUT,)),
    "map-reduce": Story(_map_reduce, (_INPUT,)),
    "loop": Story(lambda: _loop(State), (_INPUT, _AGAIN)),
    "delta": Story(lambda: _loop(Delta), (_INPUT, Update({"trail": ["by hand"]}, "check"), _AGAIN)),
    "replayed": Story(lambda: _chain(Replayed), (_INPUT, _AGAIN)),
    "questions": Story(
        lambda: _questions(State, "first?", "second?"),
        (_INPUT, Command(resume="1st"), Command(resume="2nd")),
    ),
    "answer": Story(lambda: _questions(State, "first?"), (_INPUT, _ANSWER)),
    "replayed answer": Story(lambda: _questions(Replayed, "first?"), (_INPUT, _ANSWER)),
    "together": Story(_together, (_INPUT, _answers)),
    "updates": Story(
        lambda: _chain(State),
        (_INPUT, Update({"trail": ["as b"]}, "b"), Update({"trail": ["as c"]}, "c"), None),
        {"interrupt_before": ["c"]},
    ),
    "failure": Story(_failing, (_INPUT, None)),
}


@cache
def _compiled(story: str, is_async: bool) -> CompiledGraph:
    token = _BUILDS_ASYNC.set(is_async)
    try:
        return compile_in_process(STORIES[story].build(), "story")
    finally:
        _BUILDS_ASYNC.reset(token)


# --- the life of a thread ---


@contextmanager
def _saver(kind: str, store: str, inside: bool) -> Iterator[Any]:
    """A saver of a kind; with `inside`, every SQL statement is a point, too."""
    classes: dict[str, Any] = {
        "sqlite": SqliteSaver,
        "their sqlite": TheirSqliteSaver,
        "postgres": PostgresSaver,
    }
    with classes[kind].from_conn_string(store) as saver:
        if inside:
            saver.conn.set_trace_callback(_at_statement)
        yield Pointed(saver)


def _at_statement(sql: str) -> None:
    CHILD.point(f"at {sql.strip()[:40]!r}")


def _live(request: dict[str, Any], saver: Any) -> None:
    """Goes on with a thread to its end, and notes its history.

    Args:
        request: `first` is the act to begin with, and `again` whether its input has to
            be given; otherwise what the thread holds is resumed.
        saver: keeps the thread.
    """
    story = STORIES[request["story"]]
    graph = _compiled(request["story"], False).compile(checkpointer=saver, **story.options)
    config = {"configurable": {"thread_id": request["thread"]}}
    for number in range(request["first"], len(story.acts)):
        CHILD.act = number
        act = None
        if number > request["first"] or request["again"]:
            snapshot = graph.get_state(config)
            CHILD.note(began=number, at=snapshot.config["configurable"].get("checkpoint_id"))
            act = story.acts[number]
            act = act(snapshot) if callable(act) else act
        if isinstance(act, Update):
            graph.update_state(config, act.values, act.as_node)
        else:
            with suppress(Failure):
                graph.invoke(act, config, durability=request["durability"])
        CHILD.note(ended=number)
    history = [
        [state.metadata["step"], state.metadata.get("source"), state.values, state.next]
        for state in graph.get_state_history(config)
    ]
    CHILD.note(history=history, points=CHILD.points)


@asynccontextmanager
async def _async_saver(kind: str, store: str, inside: bool) -> AsyncIterator[Any]:
    """As `_saver`, of an async kind; statements of SQLite run on a thread of the saver's."""
    async with ASYNC_SAVERS[kind].from_conn_string(store) as saver:
        if inside:
            traced = saver.conn.set_trace_callback(_at_statement)
            if traced is not None:
                await traced
        yield Pointed(saver)


async def _alive(request: dict[str, Any]) -> None:
    """`_live` on an event loop; acts with an odd number are streamed."""
    story = STORIES[request["story"]]
    config = {"configurable": {"thread_id": request["thread"]}}
    async with _async_saver(request["saver"], request["store"], request["inside"]) as saver:
        graph = _compiled(request["story"], True).compile(checkpointer=saver, **story.options)
        for number in range(request["first"], len(story.acts)):
            CHILD.act = number
            act = None
            if number > request["first"] or request["again"]:
                snapshot = await graph.aget_state(config)
                CHILD.note(began=number, at=snapshot.config["configurable"].get("checkpoint_id"))
                act = story.acts[number]
                act = act(snapshot) if callable(act) else act
            if isinstance(act, Update):
                await graph.aupdate_state(config, act.values, act.as_node)
            else:
                with suppress(Failure):
                    if number % 2:
                        async for _ in graph.astream(act, config, durability=request["durability"]):
                            CHILD.point("at a chunk")
                    else:
                        await graph.ainvoke(act, config, durability=request["durability"])
            CHILD.note(ended=number)
        history = [
            [state.metadata["step"], state.metadata.get("source"), state.values, state.next]
            async for state in graph.aget_state_history(config)
        ]
    CHILD.note(history=history, points=CHILD.points)


def _child(request: dict[str, Any]) -> int:
    """The life of a child; its exit status."""
    signal.alarm(_PATIENCE)
    CHILD.begin(request["log"], request["kill"])
    try:
        if request["saver"] in ASYNC_SAVERS:
            asyncio.run(_alive(request))
        else:
            with _saver(request["saver"], request["store"], request["inside"]) as saver:
                _live(request, saver)
    except BaseException:
        CHILD.note(error=traceback.format_exc())
        return 1
    return 0


def main() -> None:
    """Answers requests until there are no more."""
    # A collection in a child would copy all that it shares with this process.
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        _compiled(request["story"], request["saver"] in ASYNC_SAVERS)
        child = os.fork()
        if child == 0:
            os._exit(_child(request))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
