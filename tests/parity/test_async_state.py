"""The async state methods: saver calls, async routers, failures and cancellation as LangGraph's.

That they show and store what the sync ones do, the other tests of the state API check: they run
with both (tests/support/async_twins.py).
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import operator
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from async_twins import CALLERS, AsyncTwins, itself
from inprocess import compile_in_process
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.config import get_config
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Send, interrupt
from parity import comparable, comparable_config, difference, failure, pinned
from threads import content, ours, readable, stored, upstream
from typing_extensions import TypedDict

import lgc.savers
from lgc.runtime.graph import CompiledGraph

CONFIG: Any = {"configurable": {"thread_id": "t"}}

ENGINES = (
    StateGraph.compile,
    lambda builder, **kwargs: compile_in_process(builder).compile(**kwargs),
)


def _joined(values: list[str], writes: list[list[str]]) -> list[str]:
    return [*values, *(item for write in writes for item in write)]


class State(TypedDict):
    """A reduced key, and one that is rebuilt from the thread's writes."""

    log: Annotated[list[str], operator.add]
    delta: Annotated[list[str], DeltaChannel(_joined)]


def _build(router: Any = None) -> StateGraph[Any, Any, Any, Any]:
    """`a`, then `b`, then `c`, which asks.

    Args:
        router: of a conditional edge from `a`, beside the static one.
    """
    builder = StateGraph(State)
    builder.add_node("a", lambda state: {"log": ["a"], "delta": ["a"]})
    builder.add_node("b", lambda state: {"log": ["b"], "delta": ["b"]})
    builder.add_node("c", lambda state: {"log": [interrupt("?")]})
    for start, end in ((START, "a"), ("a", "b"), ("b", "c")):
        builder.add_edge(start, end)
    if router is not None:
        builder.add_conditional_edges("a", router, ["a", "b", "c", END])
    return builder


def _at(saver: Any, number: int) -> Any:
    """The config of the thread's n-th newest checkpoint, or of one that there is not."""
    where = {"thread_id": "t", "checkpoint_ns": ""}
    configs = [saved.config["configurable"] for saved in saver.list({"configurable": where})]
    where["checkpoint_id"] = "1ef00000-0000-6000-8000-000000000000"
    return {"configurable": {**where, **(configs[number] if configs else {})}}


# -- which saver calls ----------------------------------------------------------------------------


def _address(argument: Any) -> Any:
    """Of a config what addresses a checkpoint: of the rest upstream fills in the defaults."""
    if isinstance(argument, tuple) and argument[0] == "config":
        return "config", _address(argument[1])
    if isinstance(argument, dict) and "configurable" in argument:
        return {"configurable": argument["configurable"]}
    return argument


class Recording(BaseCheckpointSaver):
    """A saver that notes what is called of it.

    Attributes:
        calls: the methods with their arguments.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inner = InMemorySaver()
        self.calls: list[Any] = []

    def _note(self, name: str, *args: Any, **kwargs: Any) -> None:
        shown = [_address(each) for each in (*args, *sorted(kwargs.items()))]
        self.calls.append((name, comparable(copy.deepcopy(shown))))

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self._note(name, *args, **kwargs)
        return getattr(self.inner, name)(*args, **kwargs)

    async def _acall(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self._note(f"a{name}", *args, **kwargs)
        await asyncio.sleep(0)
        return getattr(self.inner, name)(*args, **kwargs)

    def get_tuple(self, *args: Any, **kwargs: Any) -> Any:
        return self._call("get_tuple", *args, **kwargs)

    def list(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        return self._call("list", *args, **kwargs)

    def put(self, *args: Any, **kwargs: Any) -> Any:
        return self._call("put", *args, **kwargs)

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        self._call("put_writes", config, list(writes), task_id, task_path)

    def get_delta_channel_history(self, *args: Any, **kwargs: Any) -> Any:
        return self._call("get_delta_channel_history", *args, **kwargs)

    def get_next_version(self, *args: Any) -> Any:
        return self.inner.get_next_version(*args)

    async def aget_tuple(self, *args: Any, **kwargs: Any) -> Any:
        return await self._acall("get_tuple", *args, **kwargs)

    async def alist(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        for saved in await self._acall("list", *args, **kwargs):
            self._note("alist gave", saved.config)
            yield saved

    async def aput(self, *args: Any, **kwargs: Any) -> Any:
        return await self._acall("put", *args, **kwargs)

    async def aput_writes(
        self, config: Any, writes: Any, task_id: str, task_path: str = ""
    ) -> None:
        await self._acall("put_writes", config, list(writes), task_id, task_path)

    async def aget_delta_channel_history(self, *args: Any, **kwargs: Any) -> Any:
        return await self._acall("get_delta_channel_history", *args, **kwargs)


LOOKS: dict[str, Callable[[Any, Any], Any]] = {
    "state": lambda graph, saver: graph.get_state(CONFIG),
    "state at a checkpoint": lambda graph, saver: graph.get_state(_at(saver, 1)),
    "history": lambda graph, saver: list(graph.get_state_history(CONFIG, limit=2)),
    "update": lambda graph, saver: graph.update_state(CONFIG, {"log": ["u"], "delta": ["u"]}, "a"),
    "update by nobody": lambda graph, saver: graph.update_state(CONFIG, {"delta": ["u"]}),
    "fork": lambda graph, saver: graph.update_state(_at(saver, 1), {"delta": ["u"]}, "b"),
    "input": lambda graph, saver: graph.update_state(CONFIG, {"delta": ["u"]}, "__input__"),
    "clear": lambda graph, saver: graph.update_state(CONFIG, None, END),
    "copy": lambda graph, saver: graph.update_state(_at(saver, 1), None, "__copy__"),
    "update upon a copy": lambda graph, saver: graph.update_state(
        CONFIG, [({"delta": ["u"]}, "a"), ({"log": ["v"]}, "b")], "__copy__"
    ),
    "several": lambda graph, saver: graph.bulk_update_state(
        CONFIG,
        [[({"delta": ["u"]}, "a"), ({"delta": ["v"]}, "b")], [({"delta": ["w"]}, "b")]],
    ),
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("thread", ["run", "new"])
@pytest.mark.parametrize("look", LOOKS)
def test_saver_calls(look: str, thread: str, caller: Any) -> None:
    """The async methods alone, or the sync ones, in LangGraph's order and with its arguments."""
    seen = []
    for engine in (upstream, ours):
        with pinned() as later:
            saver = Recording()
            graph = engine(lambda log: _build(), [], saver, {})
            if thread == "run":
                graph.invoke({"log": [], "delta": []}, CONFIG, durability="sync")
            saver.calls.clear()
            later()
            try:
                result = comparable(LOOKS[look](caller(graph), saver.inner))
            except Exception as exc:
                result = failure(exc)
        seen.append((result, saver.calls))
    assert seen[0] == seen[1]
    assert all(name.startswith("a") == (caller is AsyncTwins) for name, _ in seen[0][1])


def test_without_a_saver() -> None:
    """LangGraph's error, when the call is awaited."""
    calls: dict[str, Callable[[Any], Any]] = {
        "state": lambda graph: graph.aget_state(CONFIG),
        "history": lambda graph: anext(graph.aget_state_history(CONFIG)),
        "update": lambda graph: graph.aupdate_state(CONFIG, {}),
        "bulk": lambda graph: graph.abulk_update_state(CONFIG, []),
    }

    async def failed(graph: Any, call: Callable[[Any], Any]) -> Any:
        pending = call(graph)
        with pytest.raises(Exception) as caught:
            await pending
        return failure(caught.value)

    for call in calls.values():
        told = [asyncio.run(failed(engine(_build()), call)) for engine in ENGINES]
        assert told[0]["text"] == "No checkpointer set"
        assert told[1] == told[0]


def test_sync_saver_of_langgraph(tmp_path: Path) -> None:
    """LangGraph's SqliteSaver refuses async calls; lgc's takes them."""

    def failed(graph: Any, call: Callable[[Any], Any]) -> Any:
        with pytest.raises(NotImplementedError) as caught:
            call(AsyncTwins(graph))
        return failure(caught.value)

    calls: list[Callable[[Any], Any]] = [
        lambda graph: graph.get_state(CONFIG),
        lambda graph: graph.get_state_history(CONFIG),
        lambda graph: graph.update_state(CONFIG, {"log": ["u"]}, "a"),
    ]
    with SqliteSaver.from_conn_string(str(tmp_path / "theirs.db")) as saver:
        for call in calls:
            theirs, mine = (
                failed(engine(_build(), checkpointer=saver), call) for engine in ENGINES
            )
            assert mine == theirs
    with lgc.savers.SqliteSaver.from_conn_string(str(tmp_path / "mine.db")) as own:
        graph = AsyncTwins(ENGINES[1](_build(), checkpointer=own))
        for call in calls:
            call(graph)
        assert graph.get_state(CONFIG).values["log"] == ["u"]


def test_signatures() -> None:
    """The async methods take what LangGraph's take, and are what LangGraph's are."""
    for name in ("aget_state", "aget_state_history", "aupdate_state", "abulk_update_state"):
        mine, theirs = getattr(CompiledGraph, name), getattr(CompiledStateGraph, name)
        for kind in (inspect.iscoroutinefunction, inspect.isasyncgenfunction):
            assert kind(mine) == kind(theirs)
        parameters = [
            [
                (each.name, each.kind, each.default)
                for each in inspect.signature(method).parameters.values()
            ]
            for method in (mine, theirs)
        ]
        assert parameters[0] == parameters[1]


# -- routers --------------------------------------------------------------------------------------


async def _async_router(state: State) -> Any:
    await asyncio.sleep(0)
    return ["b" if state["log"][-1] == "u" else END, Send("a", state)]


class _Callable:
    """Its call is async."""

    async def __call__(self, state: State) -> Any:
        return await _async_router(state)


async def _with_config(state: State, config: Any) -> str:
    await asyncio.sleep(0)
    return _look(config)


_with_config.__annotations__["config"] = RunnableConfig
SEEN: list[Any] = []


def _look(config: Any) -> str:
    SEEN.append(comparable_config(config))
    SEEN.append(comparable_config(get_config()))
    return "c"


def _sync_with_config(state: State, config: Any) -> str:
    return _look(config)


_sync_with_config.__annotations__["config"] = RunnableConfig


async def _runnable(state: State) -> Any:
    return RunnableLambda(lambda state: "b", _async_router)


async def _fails(state: State) -> str:
    await asyncio.sleep(0)
    raise ValueError("no way")


async def _stops(state: State) -> str:
    raise StopIteration("in a coroutine")


async def _cancels(state: State) -> str:
    raise asyncio.CancelledError("by itself")


async def _to_nowhere(state: State) -> Any:
    return None


def _sync_stops(state: State) -> str:
    raise StopIteration("in a function")


async def _interrupts(state: State) -> str:
    return str(interrupt("router?"))


ROUTERS: dict[str, Any] = {
    "async function": _async_router,
    "object": _Callable(),
    "Runnable": RunnableLambda(lambda state: END, _async_router, name="both"),
    "Runnable that is returned": _runnable,
    "config": _with_config,
    "sync, config": _sync_with_config,
    "failure": _fails,
    "StopIteration": _stops,
    "sync StopIteration": _sync_stops,
    "CancelledError": _cancels,
    "nowhere": _to_nowhere,
    "interrupt": _interrupts,
}


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="the langchain-core of Python 3.10 (1.7) has other tags"
)
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("router", ROUTERS)
def test_routers(router: str, caller: Any) -> None:
    """Async ones are awaited in `aupdate_state`, and refused in `update_state`."""
    seen = []
    for engine in (upstream, ours):
        SEEN.clear()
        error = result = None
        with pinned():
            saver = InMemorySaver()
            graph = caller(engine(lambda log: _build(ROUTERS[router]), [], saver, {}))
            try:
                result = graph.update_state(CONFIG, {"log": ["u"], "delta": ["u"]}, "a")
            except BaseException as exc:
                error = failure(exc)
            rows = readable(stored(saver), saver)
        seen.append({"result": result, "error": error, "rows": rows, "seen": SEEN.copy()})
    found = difference(*seen)
    assert found is None, found
    if caller is itself and router in ("async function", "object", "config", "failure"):
        assert "No synchronous function provided" in str(seen[0]["error"])
    if caller is AsyncTwins and router in ("async function", "object", "Runnable"):
        assert seen[0]["error"] is None


def _stopping(values: list[str], more: list[str]) -> list[str]:
    if more == ["stop"]:
        raise StopIteration("in a reducer")
    if more == ["generator"]:
        list(next(iter(())) for _ in "x")
    return values + more


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("how", ["stop", "generator"])
def test_stop_iteration_of_a_reducer(how: str, caller: Any) -> None:
    """It comes out as from LangGraph's methods, of which one is a coroutine."""

    class Stopping(TypedDict):
        log: Annotated[list[str], _stopping]

    def build(log: Any) -> StateGraph[Any, Any, Any, Any]:
        builder = StateGraph(Stopping)
        builder.add_node("a", lambda state: {})
        builder.add_edge(START, "a")
        return builder

    told = []
    for engine in (upstream, ours):
        graph = caller(engine(build, [], InMemorySaver(), {}))
        with pytest.raises((StopIteration, RuntimeError)) as caught:
            graph.update_state(CONFIG, {"log": [how]}, "a")
        told.append((type(caught.value), str(caught.value), repr(caught.value.__cause__)))
    assert told[0] == told[1]


# -- cancelling, many at once ---------------------------------------------------------------------


def test_cancelled_update() -> None:
    """An update that is cancelled while a router waits stores nothing, and leaves no task."""

    async def run(engine: Any) -> Any:
        started, seen = asyncio.Event(), []

        async def router(state: State) -> str:
            started.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError as exc:
                seen.append(exc.args)
                raise
            return END

        saver = InMemorySaver()
        graph = engine(_build(router), checkpointer=saver)
        update = asyncio.create_task(graph.aupdate_state(CONFIG, {"log": ["u"]}, "a"))
        await started.wait()
        update.cancel()
        with pytest.raises(asyncio.CancelledError):
            await update
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return seen, stored(saver)

    theirs, mine = (asyncio.run(run(engine)) for engine in ENGINES)
    assert theirs == mine == ([()], {})


def test_history_that_is_left() -> None:
    """A consumer may stop; the saver's cursor is closed by then."""

    async def run(engine: Any) -> Any:
        saver = Recording()
        graph = engine(_build(), checkpointer=saver)
        await asyncio.to_thread(graph.invoke, {"log": [], "delta": []}, CONFIG)
        saver.calls.clear()
        states = graph.aget_state_history(CONFIG)
        first = await anext(states)
        await states.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return first.next, [name for name, *_ in saver.calls]

    theirs, mine = (asyncio.run(run(engine)) for engine in ENGINES)
    assert theirs == mine
    assert mine[1].count("alist gave") == 4


def test_many_threads_at_once(tmp_path: Path) -> None:
    """Updates and looks at other threads go on while a router waits."""
    count = 50

    async def run() -> list[Any]:
        here = 0
        full = asyncio.Event()

        async def router(state: State) -> str:
            nonlocal here
            here += 1
            if here == count:
                full.set()
            await full.wait()
            return "b"

        async with lgc.savers.AsyncSqliteSaver.from_conn_string(str(tmp_path / "x.db")) as saver:
            graph = ENGINES[1](_build(router), checkpointer=saver)
            configs: Any = [{"configurable": {"thread_id": str(n)}} for n in range(count)]
            updates = [
                graph.aupdate_state(c, {"log": [c["configurable"]["thread_id"]]}, "a")
                for c in configs
            ]
            await asyncio.wait_for(asyncio.gather(*updates), 60)
            return await asyncio.gather(*map(graph.aget_state, configs))

    states = asyncio.run(run())
    assert [state.values["log"] for state in states] == [[str(n)] for n in range(count)]
    assert {state.next for state in states} == {("b",)}


def test_inside_a_node() -> None:
    """A node may look at its thread, and write to another one."""

    async def run(engine: Any) -> Any:
        saver = InMemorySaver()
        other: Any = {"configurable": {"thread_id": "other"}}

        async def node(state: State) -> Any:
            before = await graph.aget_state(CONFIG)
            await graph.aupdate_state(other, {"log": ["from a node"]}, "a")
            return {"log": [f"{before.next} {before.values.get('log')}"]}

        builder = StateGraph(State)
        builder.add_node("a", node)
        builder.add_edge(START, "a")
        graph = engine(builder, checkpointer=saver)
        result = await graph.ainvoke({"log": ["in"]}, CONFIG, durability="sync")
        return result, content(saver, []), (await graph.aget_state(other)).values

    theirs, mine = (asyncio.run(run(engine)) for engine in ENGINES)
    assert theirs == mine
