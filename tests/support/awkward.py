"""Runs graphs with awkward nodes under both engines in every way, and compares what is seen.

What a node does is an act, a function of its state and of the notes of the run (`awkward_acts`).
Beside it in the graph are nodes that only count and note what they see.
"""

from __future__ import annotations

import copy
import operator
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from contextvars import copy_context
from dataclasses import dataclass, replace
from itertools import product
from typing import Annotated, Any, TypedDict

from async_runs import called
from full_path import full_path
from gates import Gate, gated_loop
from inprocess import compile_in_process
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
from langgraph.graph import START, StateGraph
from langgraph.types import Send
from parity import (
    COUNTS,
    TRIES,
    Log,
    comparable,
    comparable_config,
    difference,
    failure,
    logged,
    pinned,
    under_langgraph,
)
from parity import Call as ParityCall
from threads import THREAD, readable, stored, without_order

Built = StateGraph[Any, Any, Any, Any]

AWKWARD_FROM = 2
"""The count from which on a node does its act; it counts before."""
ENOUGH = 6
"""The count at which a loop ends."""
_OTHERS = "bcz"
"""The nodes beside the awkward one."""
_WAIT = 60.0
"""Seconds after which a thread of a node's counts as stuck."""


class State(TypedDict):
    """One key that is replaced, one that is reduced."""

    count: int
    log: Annotated[list, operator.add]


class Ended(BaseException):
    """What a node raises that is no Exception."""


class Notes(Log):
    """A Log, with what the nodes of a run keep and the threads that outlive them.

    Attributes:
        schema: of the graph, its nodes and routers.
        kept: by name, what a node keeps for its next call or for another node.
    """

    def __init__(self) -> None:
        super().__init__()
        self.schema: Any = State
        self.kept: dict[str, Any] = {}
        self._late: list[tuple[threading.Event, threading.Thread]] = []

    def start_late(self, work: Callable[[], None]) -> None:
        """Starts a thread with the caller's context, which works when `let_go` is called."""
        event = threading.Event()
        context = copy_context()

        def run() -> None:
            event.wait(_WAIT)
            context.run(work)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._late.append((event, thread))

    def let_go(self) -> None:
        """Lets the threads do their work that have been started, and waits for them."""
        late, self._late = self._late, []
        for event, thread in late:
            event.set()
            thread.join(_WAIT)
            assert not thread.is_alive()

    def forget(self) -> None:
        """Begins a new run."""
        self.clear()
        self.kept.clear()


Act = Callable[[Any, Notes], Any]
"""What a node or a router does with its state."""


def advance(state: Any, name: str = "a") -> dict[str, Any]:
    """The update of a node that counts."""
    return {"count": state.get("count", 0) + 1, "log": [name]}


def look(notes: Notes, who: str) -> None:
    """Notes the ambient config, and what can be read through it, fresh and not."""
    try:
        config = get_config()
        read = config["configurable"]["__pregel_read"]
        notes.note(who, "config", comparable_config(config))
        for fresh in (False, True):
            notes.note(who, f"read {fresh}", (read([*read.args[1]], fresh), read("count", fresh)))
    except Exception as exc:
        notes.note(who, "fails", exc)


def node(notes: Notes, name: str, act: Act | None = None, is_async: bool = False) -> Any:
    """A node that notes its state and counts, and from some count on does its act."""

    def work(state: Any) -> Any:
        notes.note(name, "state", state)
        notes.let_go()
        if act is None or state.get("count", 0) < AWKWARD_FROM:
            return advance(state, name)
        return act(state, notes)

    return _function(work, name, notes, is_async)


def router(notes: Notes, name: str, act: Act, is_async: bool = False) -> Any:
    """A router that notes its state and does its act."""

    def work(state: Any) -> Any:
        notes.note(name, "routes", state)
        notes.let_go()
        return act(state, notes)

    return _function(work, name, notes, is_async)


def _function(work: Callable[[Any], Any], name: str, notes: Notes, is_async: bool) -> Any:
    def run(state):  # type: ignore[no-untyped-def]
        return work(state)

    async def arun(state):  # type: ignore[no-untyped-def]
        return work(state)

    chosen: Any = arun if is_async else run
    chosen.__name__ = name
    chosen.__annotations__ = {"state": notes.schema}
    return chosen


def again(state: Any, notes: Notes) -> str:
    """The act of the router of a loop."""
    return "a" if state["count"] < ENOUGH else "__end__"


@dataclass(frozen=True)
class Call:
    """One way to run a graph.

    Attributes:
        method: "invoke", "stream", "ainvoke" or "astream"; streams are of updates and values.
        saved: on a new thread with a saver.
    """

    method: str = "invoke"
    saved: bool = False

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of the method."""
        modes = {"stream_mode": ["updates", "values"]} if "stream" in self.method else {}
        # In the background LangGraph may store what a node changes later (docs/differences.md).
        return {**modes, "durability": "sync"} if self.saved else modes


SYNC = (Call(), Call("stream"))
SAVED = tuple(replace(call, saved=True) for call in SYNC)
ASYNC = (Call("ainvoke"), Call("astream"))


@dataclass(frozen=True)
class Run:
    """The input of a run, or what makes it, and its recursion limit."""

    input: Any
    limit: int = 12


class _Engine:
    """A graph under one engine, and the notes of its nodes."""

    def __init__(self, build: Callable[[Notes], Built], is_ours: bool) -> None:
        self._notes = Notes()
        self._is_ours = is_ours
        if is_ours:
            self._graph: Any = compile_in_process(build(self._notes))
        else:
            self._graph = under_langgraph(lambda log: build(self._notes), self._notes)

    def _with(self, saver: Any) -> Any:
        if self._is_ours:
            return self._graph.compile(checkpointer=saver)
        return self._graph.copy({"checkpointer": saver})

    def observe(self, run: Run, call: Call, is_fast: bool = True) -> dict[str, Any]:
        """All that can be seen of a run, and of the saver after it.

        Args:
            run, call: what is run, and how.
            is_fast: lgc may take the fast path.
        """
        saver = InMemorySaver()
        graph = self._with(saver) if call.saved else self._graph
        config: dict[str, Any] = {"recursion_limit": run.limit, "configurable": {"mine": 1}}
        if call.saved:
            config["configurable"]["thread_id"] = THREAD
        self._notes.forget()
        input = run.input() if callable(run.input) else copy.deepcopy(run.input)
        seen: dict[str, Any] = {"result": None, "chunks": [], "error": None}
        with pinned(), logged() as warnings, nullcontext() if is_fast else full_path():
            try:
                self._call(graph, input, config, call, seen)
            except (Exception, Ended) as exc:
                seen["chunks"] += exc.__dict__.pop("chunks", [])
                seen["error"] = failure(exc)
            self._notes.let_go()
        rows = readable(stored(saver), saver)
        return {**seen, "log": [*self._notes], "warnings": warnings, "rows": rows}

    @staticmethod
    def _call(graph: Any, input: Any, config: Any, call: Call, seen: dict[str, Any]) -> None:
        arguments = call.arguments
        if call.method == "invoke":
            seen["result"] = comparable(graph.invoke(input, config, **arguments))
        elif call.method == "stream":
            for chunk in graph.stream(input, config, **arguments):
                seen["chunks"].append(comparable(chunk))
        else:
            main = called(graph, input, config, ParityCall(call.method, tuple(arguments.items())))
            seen["result"], seen["chunks"] = gated_loop().run(0, Gate(), main)


def _unordered(seen: dict[str, Any]) -> dict[str, Any]:
    """What is seen, without what is chance when nodes run at once.

    That is their order; and, when one fails, whether the others have come to their ends before.
    """
    seen = {**seen, "log": sorted(seen["log"], key=repr)}
    if seen["error"] is not None:
        last = max(
            (i for i, chunk in enumerate(seen["chunks"]) if chunk[0] == "values"), default=-1
        )
        seen["chunks"] = seen["chunks"][: last + 1]
        seen["log"] = [entry for entry in seen["log"] if entry[0] not in _OTHERS]
        del seen["rows"]
    return without_order(seen)


def check(
    build: Callable[[Notes], Built],
    runs: Iterable[Run],
    calls: Iterable[Call],
    at_once: bool = False,
) -> list[dict[str, Any]]:
    """Runs a graph under both engines, lgc on both its paths, and wants no difference.

    Args:
        build: makes the builder, once for each engine.
        runs: the inputs and limits.
        calls: how each of them is run.
        at_once: several nodes run at once, so that their order is chance, and, when one fails,
            what becomes of the others.

    Returns:
        What LangGraph did, run by run, call by call.

    Raises:
        AssertionError: the engines differ; the message is a diff.
    """
    theirs, ours = _Engine(build, False), _Engine(build, True)
    all_seen: list[dict[str, Any]] = []
    for run, call in product(runs, calls):
        expected = theirs.observe(run, call)
        all_seen.append(expected)
        for is_fast in (True,) if call.saved else (True, False):
            for _ in range(TRIES if at_once else 1):
                actual = ours.observe(run, call, is_fast)
                if at_once:
                    diff = difference(_unordered(expected), _unordered(actual))
                else:
                    diff = difference(expected, actual)
                if diff is None:
                    break
                if at_once:
                    expected = theirs.observe(run, call)
            path = "fast" if is_fast else "full"
            assert diff is None, f"{run} {call} {path} path\n{diff}"
            COUNTS["awkward runs"] += 1
    return all_seen


# -- graphs -----------------------------------------------------------------------------------


def _graph(notes: Notes, a: Any, others: str, is_async: bool) -> Built:
    builder = StateGraph(notes.schema)
    builder.add_node("a", a)
    for name in others:
        builder.add_node(name, node(notes, name, None, is_async), defer=name == "z")
    return builder


def loop(notes: Notes, a: Any, is_async: bool) -> Built:
    """`a` and `b` in turn, until a router of `b` ends it."""
    builder = _graph(notes, a, "b", is_async)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_conditional_edges("b", router(notes, "again", again, is_async), ["a", "__end__"])
    return builder


def routed(notes: Notes, a: Any, is_async: bool) -> Built:
    """The same, with the router at `a`, and one at START."""
    builder = _graph(notes, a, "b", is_async)
    builder.add_conditional_edges(START, router(notes, "first", lambda *_: "a", is_async), ["a"])

    def further(state: Any, notes: Notes) -> str:
        return "b" if state["count"] < ENOUGH else "__end__"

    builder.add_conditional_edges("a", router(notes, "further", further, is_async))
    builder.add_edge("b", "a")
    return builder


def two_routers(notes: Notes, a: Any, is_async: bool) -> Built:
    """`a` has two routers that lead to one node, and an edge of its own besides."""
    builder = _graph(notes, a, "bc", is_async)
    builder.add_edge(START, "b")
    builder.add_edge("b", "a")
    for name in ("one", "two"):
        builder.add_conditional_edges("a", router(notes, name, lambda *_: "c", is_async), ["c"])
    builder.add_edge("a", "c")
    return builder


def fan(notes: Notes, a: Any, is_async: bool) -> Built:
    """`a` beside `b`, each with an edge to `c`."""
    builder = _graph(notes, a, "bc", is_async)
    for name in "ab":
        builder.add_edge(START, name)
    builder.add_edge("b", "c")
    builder.add_edge("a", "c")
    return builder


def joined(notes: Notes, a: Any, is_async: bool) -> Built:
    """`a` beside `b`, both joined at `c`, with a deferred node behind `a`."""
    builder = _graph(notes, a, "bcz", is_async)
    for name in "ab":
        builder.add_edge(START, name)
    builder.add_edge(["a", "b"], "c")
    builder.add_edge("a", "z")
    return builder


def sent(notes: Notes, a: Any, is_async: bool) -> Built:
    """`a` beside `b`, by Sends with states of their own."""

    def send(state: Any, notes: Notes) -> list[Send]:
        return [Send("a", {"count": 4, "log": ["sent"]}), Send("b", {"count": 7})]

    builder = _graph(notes, a, "bc", is_async)
    builder.add_conditional_edges(START, router(notes, "send", send, is_async), ["a", "b"])
    builder.add_edge("a", "c")
    return builder


ALONE = (loop, routed, two_routers)
AT_ONCE = (fan, joined, sent)


# -- graphs with an awkward router: made of the function that makes it of its name -------------

Route = Callable[[str], Any]


def router_loop(notes: Notes, route: Route, is_async: bool) -> Built:
    """`a` and `b` in turn, until the router of `b` ends it, which names where it leads."""
    builder = _graph(notes, node(notes, "a", None, is_async), "b", is_async)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_conditional_edges("b", route("router"), ["a", "__end__"])
    return builder


def mapped_router(notes: Notes, route: Route, is_async: bool) -> Built:
    """The router's answers stand for other nodes than those of their names."""
    builder = _graph(notes, node(notes, "a", None, is_async), "bc", is_async)
    builder.add_edge(START, "b")
    ends: dict[Any, str] = {"a": "c", "nowhere": "a", "__end__": "__end__", True: "c", 5: "a"}
    builder.add_conditional_edges("b", route("router"), ends)
    builder.add_edge("c", "b")
    return builder


def open_router(notes: Notes, route: Route, is_async: bool) -> Built:
    """The same with a router that may lead anywhere, and an edge to `c` beside it."""
    builder = _graph(notes, node(notes, "a", None, is_async), "bc", is_async)
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    builder.add_conditional_edges("b", route("router"))
    builder.add_edge("b", "c")
    return builder


def start_router(notes: Notes, route: Route, is_async: bool) -> Built:
    """The router is at START."""
    builder = _graph(notes, node(notes, "a", None, is_async), "b", is_async)
    builder.add_conditional_edges(START, route("router"))
    builder.add_edge("a", "b")
    return builder


def _beside_another(notes: Notes, route: Route, is_async: bool, is_first: bool) -> Built:
    builder = _graph(notes, node(notes, "a", None, is_async), "b", is_async)
    builder.add_edge(START, "a")
    other = router(notes, "other", again, is_async)
    for path in [route("router"), other] if is_first else [other, route("router")]:
        builder.add_conditional_edges("a", path, ["a", "b", "__end__"])
    return builder


def first_router(notes: Notes, route: Route, is_async: bool) -> Built:
    """It comes before another router of its node."""
    return _beside_another(notes, route, is_async, True)


def second_router(notes: Notes, route: Route, is_async: bool) -> Built:
    """It comes after another router of its node."""
    return _beside_another(notes, route, is_async, False)


def routers_at_once(notes: Notes, route: Route, is_async: bool) -> Built:
    """It is at one of two nodes that run at once, beside a join and a deferred node."""
    builder = _graph(notes, node(notes, "a", None, is_async), "bcz", is_async)
    builder.add_edge(START, "a")
    builder.add_edge(START, "b")
    builder.add_edge(["a", "b"], "c")
    builder.add_edge("a", "z")
    builder.add_conditional_edges("b", route("router"), ["c", "a", "__end__"])
    return builder


ROUTED = (router_loop, mapped_router, first_router, second_router)
ROUTED_AT_ONCE = (open_router, start_router, routers_at_once)
