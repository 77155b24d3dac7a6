"""Functions of every kind as nodes and routers of sync and async runs, compared with LangGraph."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import pytest
from inprocess import compile_in_process
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import StructuredTool
from langgraph._internal._runnable import RunnableCallable
from langgraph.config import get_config
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime
from langgraph.types import Command, Send
from parity import Build, Log, comparable, compare, difference, failure, pinned, under_langgraph
from parity_case import SAVERS, check_parity
from small import Lists, wire, writes
from threads import Script, Step, compare_scripts


class Case:
    """What the functions of a graph note, and what they return.

    Args:
        log: where they note it.
        result: what they return.
        has_config: LangGraph makes a config ambient.
    """

    def __init__(self, log: Log, result: Any, has_config: bool = True) -> None:
        self.log = log
        self.result = result
        self.has_config = has_config

    def sync(self, who: str = "sync") -> Any:
        """Notes where a function runs, and what is ambient there."""
        is_main = threading.current_thread() is threading.main_thread()
        self.log.note(who, "on", "the caller's thread" if is_main else "another thread")
        if self.has_config:
            self.log.note(who, "config", sorted(get_config()["configurable"]))
        return self.result

    async def later(self, who: str) -> Any:
        """As `sync`, after the event loop had a turn."""
        await asyncio.sleep(0)
        return self.sync(who)


Kind = Callable[[Case], Any]
"""Makes a node or a router."""


def function(case: Case) -> Any:
    async def function(state: Any) -> Any:
        return await case.later("function")

    return function


def injected(case: Case) -> Any:
    async def injected(
        state: Any,
        config: RunnableConfig,
        *,
        writer: Any,
        store: Any,
        runtime: Runtime,
        previous: Any,
    ) -> Any:
        writer("said")
        case.log.note("injected", "given", (store, previous, runtime.context, sorted(config)))
        return await case.later("injected")

    return injected


class Object:
    """With an async call and an async method."""

    def __init__(self, case: Case) -> None:
        self.case = case

    async def __call__(self, state: Any, config: RunnableConfig) -> Any:
        self.case.log.note("object", "given", sorted(config))
        return await self.case.later("object")

    async def method(self, state: Any, runtime: Runtime) -> Any:
        return await self.case.later("method")


class Empty:
    """False, which LangGraph takes for no async function."""

    async def __call__(self, state: Any) -> Any:
        raise AssertionError("it is not called")

    def __len__(self) -> int:
        return 0


class Awaited:
    """A class with an async call: what LangGraph awaits is an instance."""

    def __init__(self, state: Any) -> None:
        pass

    async def __call__(self, state: Any) -> Any:
        raise AssertionError("it is not called")


def makes_coroutine(case: Case) -> Any:
    """A sync function that gets a coroutine; LangGraph awaits none that a function returns."""

    def node(state: Any) -> Any:
        coroutine = case.later("nobody")
        coroutine.close()
        return type(coroutine)

    return node


def wrapped(case: Case) -> Any:
    """A sync function that says it is another, which is async."""

    @wraps(function(case))
    def wrapper(state: Any) -> Any:
        return case.sync()

    return wrapper


def generator(case: Case) -> Any:
    async def generator(state: Any) -> Any:
        yield case.sync("generator")

    return generator


def returns_runnable(case: Case) -> Any:
    """A Runnable that is returned is invoked in its place, by `ainvoke` in an async run."""

    async def node(state: Any) -> Any:
        return RunnableLambda(lambda state: case.sync(), afunc=function(case))

    return node


def fails(case: Case) -> Any:
    async def fails(state: Any) -> Any:
        await case.later("fails")
        raise ValueError("from a function")

    return fails


ASYNC: dict[str, Kind] = {
    "function": function,
    "injected": injected,
    "object": Object,
    "method": lambda case: Object(case).method,
    "partial": lambda case: partial(injected(case)),
    "partial of a method": lambda case: partial(Object(case).method),
    "runnable": lambda case: RunnableLambda(function(case)),
    "generator": generator,
    "false": lambda case: Empty(),
    "named": lambda case: RunnableCallable(None, function(case), name="other"),
    "named and traced": lambda case: RunnableCallable(None, injected(case), name="n", trace=True),
    "untraced": lambda case: RunnableCallable(None, function(case), trace=False),
    "returns a runnable": returns_runnable,
    "fails": fails,
}
"""What has async code only."""


def both(**options: Any) -> Kind:
    return lambda case: RunnableCallable(
        lambda state, runtime: case.sync(), injected(case), **options
    )


def two_functions(case: Case) -> Any:
    def named(state: Any) -> Any:
        return case.sync()

    return RunnableLambda(named, afunc=function(case))


EITHER: dict[str, Kind] = {
    "sync": lambda case: lambda state: case.sync(),
    "coroutine": makes_coroutine,
    "wrapped": wrapped,
    "both": both(),
    "both, untraced": both(trace=False),
    "both, with an argument": both(store="mine"),
    "both, with tags": both(trace=False, tags=["a"]),
    "sync only": lambda case: RunnableCallable(lambda state: case.sync(), trace=False),
    "sync and partial": lambda case: RunnableCallable(
        lambda state: case.sync(), partial(function(case)), trace=False
    ),
    "no recursion": lambda case: RunnableCallable(
        lambda state: case.sync(), function(case), recurse=False, trace=False
    ),
    "two functions": two_functions,
    "sequence": lambda case: (
        RunnableLambda(lambda state: state, afunc=function(case)) | two_functions(case)
    ),
}
"""What sync and async runs can call."""

ALL = {**ASYNC, **EITHER}
NO_ROUTERS = {"runnable", "generator"}
"""LangGraph refuses a RunnableLambda of async code alone as a router."""


UNTRACED = {
    "untraced",
    "both, untraced",
    "both, with tags",
    "sync only",
    "sync and partial",
    "no recursion",
}
"""Runnables that make no config ambient; LangGraph does that for them in nodes, not in routers."""


def cases(kinds: dict[str, Kind]) -> list[tuple[str, str]]:
    """Where each kind may stand."""
    routers = [kind for kind in kinds if kind not in NO_ROUTERS]
    return [*((kind, "node") for kind in kinds), *((kind, "router") for kind in routers)]


def as_node(kind: Kind) -> Build:
    return lambda log: wire(Lists, {"n": kind(Case(log, {"x": [1]}))}, (START, "n"))


def as_router(kind: Kind) -> Build:
    has_config = kind not in [ALL[name] for name in UNTRACED]

    def build(log: Log) -> Any:
        builder = wire(Lists, {"n": writes(x=[1]), "end": writes(x=[2])}, (START, "n"))
        return builder.add_conditional_edges("n", kind(Case(log, "end", has_config)))

    return build


BUILD = {"node": as_node, "router": as_router}


async def observed(graph: Any, input: Any, log: Log) -> dict[str, Any]:
    """What `ainvoke` and `astream` show of a graph, and what its functions noted."""
    seen: dict[str, Any] = {}
    for method in ("ainvoke", "astream"):
        log.clear()
        result = error = None
        with pinned():
            try:
                if method == "ainvoke":
                    result = comparable(await graph.ainvoke(input))
                else:
                    stream = graph.astream(input, stream_mode=["values", "updates", "custom"])
                    result = [comparable(chunk) async for chunk in stream]
            except Exception as exc:
                error = failure(exc)
        seen[method] = {"result": result, "error": error, "log": list(log)}
    return seen


def compare_async(build: Build, input: Any) -> Any:
    """Runs a graph asynchronously under both engines, and wants no difference; one's `ainvoke`."""
    log = Log()
    expected = asyncio.run(observed(under_langgraph(build, log), input, log))
    actual = asyncio.run(observed(compile_in_process(build(log)), input, log))
    diff = difference(expected, actual)
    assert diff is None, diff
    return expected["ainvoke"]


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph's coroutines have no config on Python 3.10"
)
@pytest.mark.parametrize(("kind", "place"), cases(ALL))
def test_async_run(kind: str, place: str) -> None:
    compare_async(BUILD[place](ALL[kind]), {"x": []})


def test_class_as_async_node() -> None:
    """What a class with an async call makes is awaited, and cannot be."""
    error = compare_async(as_node(lambda case: Awaited), {"x": []})["error"]
    assert re.search("can't be (used in 'await' expression|awaited)", error["text"])


def test_runnable_that_a_runnable_returns() -> None:
    """It is invoked in the place of one that a function returns only, and is no update."""
    inner = RunnableLambda(writes(x=["inner"]))

    async def node(state: Any) -> Any:
        return inner

    def build(log: Log) -> Any:
        both = RunnableCallable(lambda state: inner, node, recurse=False, trace=False)
        return wire(Lists, {"n": both}, (START, "n"))

    assert compare_async(build, {"x": []})["result"] == {"x": []}
    assert check_parity(build, {"x": []})["result"] == {"x": []}


@pytest.mark.parametrize(("kind", "place"), cases(EITHER))
def test_sync_run(kind: str, place: str) -> None:
    check_parity(BUILD[place](EITHER[kind]), {"x": []})


@pytest.mark.parametrize(("kind", "place"), cases(ASYNC))
def test_async_code_in_a_sync_run(kind: str, place: str) -> None:
    """The error is LangGraph's, with the name and the note that LangGraph gives it."""
    error = check_parity(BUILD[place](ASYNC[kind]), {"x": []})["error"]
    assert error["class"] == "builtins.TypeError"
    # Python 3.10 has no notes.
    assert len(error["notes"]) == (sys.version_info >= (3, 11))


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind not in NO_ROUTERS])
def test_updates_run_routers(kind: str) -> None:
    """`update_state` fails at an async router, without a note; `aupdate_state` awaits it."""
    steps = (
        Step("update_state", {"x": [1]}, options=(("as_node", "n"),)),
        Step("get_state"),
        Step("get_state_history"),
    )
    compare_scripts(as_router(ALL[kind]), Script(steps), SAVERS)


def test_update_state_of_an_async_node() -> None:
    """The node is not called, but its tasks are prepared."""
    steps = (
        Step("update_state", {"x": [0]}, options=(("as_node", "__start__"),)),
        Step("get_state"),
        Step("update_state", {"x": [1]}, options=(("as_node", "n"),)),
        Step("get_state"),
        Step("invoke", {"x": [2]}),
        Step("get_state"),
    )
    compare_scripts(as_node(function), Script(steps), SAVERS)


def test_commands_and_sends_of_async_functions() -> None:
    def build(log: Log) -> Any:
        async def first(state: Any) -> Any:
            await asyncio.sleep(0)
            return Command(update={"x": ["first"]}, goto=[Send("each", i) for i in range(3)])

        async def each(state: Any) -> Any:
            await asyncio.sleep(0)
            return [{"x": [state]}, Command(goto="last")]

        async def again(state: Any) -> Any:
            return [Send("each", 9)] if 9 not in state["x"] else END

        nodes = {"first": first, "each": each, "last": writes(x=["last"])}
        return wire(Lists, nodes, (START, "first"), ("last", again))

    result = compare_async(build, {"x": []})["result"]
    assert result["x"] == ["first", 0, 1, 2, "last", 9, "last"]


def test_tool_with_a_coroutine() -> None:
    """`ToolNode` calls the sync function of a tool in a sync run, and the async one in another."""

    def build(log: Log) -> Any:
        def search(query: str) -> str:
            """Searches."""
            return f"sync {query}"

        async def asearch(query: str) -> str:
            return f"async {query}"

        tool = StructuredTool.from_function(search, asearch)
        call = {"name": "search", "args": {"query": "it"}, "id": "1", "type": "tool_call"}
        asks = AIMessage("", id="asks", tool_calls=[call])
        builder = StateGraph(MessagesState).add_node("model", writes(messages=[asks]))
        builder.add_node("tools", ToolNode([tool])).add_edge(START, "model")
        return builder.add_edge("model", "tools")

    input = {"messages": []}
    compare(build, input)
    assert "content='async it'" in compare_async(build, input)["result"]["messages"][1]


@pytest.mark.parametrize("trace", [True, False])
def test_graph_inside_a_runnable_of_two_functions(trace: bool) -> None:
    def build(log: Log) -> Any:
        inner = wire(Lists, {"inner": writes(x=["inner"])}, (START, "inner")).compile()

        def calls(state: Any) -> Any:
            return inner.invoke(state)

        async def acalls(state: Any) -> Any:
            return await inner.ainvoke(state)

        return wire(Lists, {"n": RunnableCallable(calls, acalls, trace=trace)}, (START, "n"))

    compare(build, {"x": []})
    assert compare_async(build, {"x": []})["result"] == {"x": ["inner"]}
