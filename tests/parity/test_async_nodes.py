"""What async nodes and routers see and may do: contexts, tasks, threads, writers, interrupts."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from async_case import check_async_parity
from async_runs import AsyncSideBySide
from gates import Gate
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.config import get_config, get_store, get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import Command, Send, StreamWriter, interrupt
from parity import Call, Log
from small import Lists, wire

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph makes no config ambient in async nodes then"
)

Built = StateGraph[Any, Any, Any, Any]
_SET: ContextVar[str] = ContextVar("set", default="nobody")


def test_what_a_node_sets_in_its_context_stays_there() -> None:
    """Neither nodes beside it, nor later ones, its routers or the caller see it."""

    def build(log: Log, gate: Gate) -> Built:
        def node(name: str) -> Any:
            async def run(state: Any) -> Any:
                log.note(name, "before", _SET.get())
                _SET.set(name)
                await gate.wait(name)
                log.note(name, "after", _SET.get())
                await asyncio.create_task(started(name))
                return {"x": [1]}

            return run

        async def started(name: str) -> None:
            log.note(f"{name} started", "set", _SET.get())
            _SET.set("started")

        def in_thread(state: Any) -> Any:
            gate.block("thread")
            log.note("thread", "before", _SET.get())
            _SET.set("thread")
            return {"x": [1]}

        async def route(state: Any) -> str:
            log.note("route", "set", _SET.get())
            _SET.set("route")
            return "last"

        nodes = {"a": node("a"), "b": node("b"), "thread": in_thread, "last": node("last")}
        edges = [(START, name) for name in ("a", "b", "thread")]
        return wire(Lists, nodes, *edges, ("a", route))

    token = _SET.set("caller")
    try:
        for seed in range(4):
            seen = check_async_parity(build, {"x": []}, seed=seed)
            befores = {entry[2] for entry in seen["log"] if entry[1] != "after"}
            assert befores >= {"caller"}
        assert _SET.get() == "caller"
    finally:
        _SET.reset(token)


def test_every_node_is_an_asyncio_task_of_its_own() -> None:
    """And no sync node runs on the thread of the loop."""

    def build(log: Log) -> Built:
        main = threading.get_ident()
        tasks: list[Any] = []

        async def node(state: Any) -> Any:
            task = asyncio.current_task()
            log.note("task", "is new", task not in tasks)
            log.note("task", "cancelling", task.cancelling() if task else None)
            tasks.append(task)
            await asyncio.sleep(0)
            log.note("task", "is the same", asyncio.current_task() is task)
            log.note("task", "is on the loop", threading.get_ident() == main)
            return {"x": [len(state["x"])]}

        def in_thread(state: Any) -> Any:
            log.note("thread", "is on the loop", threading.get_ident() == main)
            try:
                asyncio.get_running_loop()
            except RuntimeError as exc:
                log.note("thread", "loop", str(exc))
            return {"x": [0]}

        nodes = {"a": node, "b": node, "c": in_thread}
        return wire(Lists, nodes, (START, "a"), (START, "b"), ("a", "c"))

    check_async_parity(build, {"x": []})


def test_ambient_config_writer_store_and_runtime() -> None:
    """In the node, in what it awaits, in tasks that it starts, and in threads with its context."""

    def build(log: Log, gate: Gate) -> Built:
        def note(who: str) -> None:
            config = get_config()
            metadata = config["metadata"]
            log.note(who, "node", (metadata["langgraph_node"], metadata["langgraph_step"]))
            log.note(who, "user", config["configurable"].get("user"))
            log.note(who, "store", get_store() if "store" in config else None)
            log.note(who, "context", get_runtime().context)
            get_stream_writer()({"from": who})

        async def helper(who: str) -> None:
            await asyncio.sleep(0)
            note(who)

        async def node(state: Any) -> Any:
            name = get_config()["metadata"]["langgraph_node"]
            note(name)
            await gate.wait(name)
            await helper(f"{name} helper")
            await asyncio.create_task(helper(f"{name} task"))
            await asyncio.gather(helper(f"{name} gathered 1"), helper(f"{name} gathered 2"))
            await asyncio.to_thread(note, f"{name} to thread")
            copied = copy_context()
            await asyncio.get_running_loop().run_in_executor(None, copied.run, note, f"{name} copy")
            return {"x": [1]}

        async def route(state: Any) -> str:
            note("route")
            return "c"

        nodes = {"a": node, "b": node, "c": node}
        return wire(Lists, nodes, (START, "a"), (START, "b"), ("a", route), context_schema=dict)

    config = {"configurable": {"user": "u", "thread_id": "t"}}
    for seed in range(3):
        check_async_parity(build, {"x": []}, config, arguments={"context": {"n": 1}}, seed=seed)


def test_injected_arguments() -> None:
    """By name and annotation, in async functions, methods and routers."""

    def build(log: Log) -> Built:
        async def config(state: Any, config: RunnableConfig) -> Any:
            log.note("config", "node", config["metadata"]["langgraph_node"])
            return {"x": [1]}

        async def writer(state: Any, writer: StreamWriter) -> Any:
            writer("before")
            await asyncio.sleep(0)
            writer("after")
            return {"x": [2]}

        async def runtime(state: Any, *, runtime: Runtime[dict]) -> Any:
            log.note("runtime", "context", runtime.context)
            runtime.stream_writer("of runtime")
            return {"x": [3]}

        async def route(state: Any, config: RunnableConfig, *, runtime: Runtime[dict]) -> str:
            log.note("route", "step", config["metadata"]["langgraph_step"])
            runtime.stream_writer("of route")
            return "writer"

        nodes = {"config": config, "writer": writer, "runtime": runtime}
        edges = [(START, "config"), ("config", route), ("writer", "runtime")]
        return wire(Lists, nodes, *edges, context_schema=dict)

    seen = check_async_parity(build, {"x": []}, arguments={"context": {"n": 1}})
    assert seen["result"] == {"x": [1, 2, 3], "last": None} or seen["result"] == {"x": [1, 2, 3]}


def test_a_writer_that_outlives_its_node() -> None:
    """A task that a node leaves behind writes while the next node runs."""

    def build(log: Log, gate: Gate) -> Built:
        left: list[Any] = []

        async def write(writer: Any) -> None:
            for number in range(3):
                await gate.wait(f"left {number}")
                writer(number)

        async def node(state: Any) -> Any:
            left.append(asyncio.create_task(write(get_stream_writer())))
            return {"x": [1]}

        async def last(state: Any) -> Any:
            get_stream_writer()("last")
            await left.pop()
            return {"x": [2]}

        return wire(Lists, {"a": node, "b": last}, (START, "a"), ("a", "b"))

    check_async_parity(build, {"x": []})


def test_writers_of_threads() -> None:
    """A thread that an async node or a sync one starts, whose context is its own."""

    def build(log: Log) -> Built:
        def write(writer: Any, who: str) -> None:
            writer(who)

        async def anode(state: Any, writer: StreamWriter) -> Any:
            await asyncio.to_thread(write, writer, "from async")
            return {"x": [1]}

        def node(state: Any, writer: StreamWriter) -> Any:
            thread = threading.Thread(target=copy_context().run, args=(write, writer, "from sync"))
            thread.start()
            thread.join()
            return {"x": [2]}

        return wire(Lists, {"a": anode, "b": node}, (START, "a"), ("a", "b"))

    check_async_parity(build, {"x": []})


# -- interrupts -------------------------------------------------------------------------------


def test_interrupts_of_async_nodes() -> None:
    """Two questions one after the other, beside a node that has finished, answered in turn."""

    def build(log: Log, gate: Gate) -> Built:
        async def asks(state: Any) -> Any:
            log.note("asks", "runs", None)
            first = interrupt("first?")
            await asyncio.sleep(0)
            second = interrupt({"second": first})
            return {"x": [first, second]}

        async def beside(state: Any) -> Any:
            log.note("beside", "runs", None)
            await gate.wait("beside")
            return {"x": ["beside"]}

        async def asks_in_task(state: Any) -> Any:
            async def ask() -> Any:
                return interrupt("in a task?")

            return {"x": [await asyncio.create_task(ask())]}

        nodes = {"asks": asks, "beside": beside, "task": asks_in_task}
        return wire(Lists, nodes, (START, "asks"), (START, "beside"), ("asks", "task"))

    check_async_parity(build, {"x": []}, resume=[1, 2, 3])


def test_an_interrupt_in_a_thread_of_an_async_run() -> None:
    """A sync node asks."""

    def asks(state: Any) -> Any:
        return {"x": [interrupt("?")]}

    async def after(state: Any) -> Any:
        return {"last": state["x"]}

    builder = wire(Lists, {"a": asks, "b": after}, (START, "a"), ("a", "b"))
    check_async_parity(builder, {"x": []}, resume=["yes"])


def test_interrupts_side_by_side() -> None:
    """Several nodes ask at once, in every order; one answer goes to all by id."""

    def build(log: Log, gate: Gate) -> Built:
        def asks(name: str) -> Any:
            async def run(state: Any) -> Any:
                await gate.wait(name)
                return {"x": [interrupt(name)]}

            return run

        return wire(Lists, {n: asks(n) for n in "abc"}, *((START, n) for n in "abc"))

    for seed in range(4):
        check_async_parity(build, {"x": []}, seed=seed)


@pytest.mark.parametrize("when", ["interrupt_before", "interrupt_after"])
@pytest.mark.parametrize("where", ["*", ["b"], ["a", "c"]])
def test_breakpoints(when: str, where: Any) -> None:
    """Between async nodes."""

    async def node(state: Any) -> Any:
        await asyncio.sleep(0)
        return {"x": [len(state["x"])]}

    builder = wire(
        Lists, {n: node for n in "abc"}, (START, "a"), ("a", "b"), ("b", "c"), (START, "c")
    )
    check_async_parity(builder, {"x": []}, resume=[None, None, None], **{when: where})


# -- routers ----------------------------------------------------------------------------------


async def _to_b(state: Any) -> str:
    await asyncio.sleep(0)
    return "b"


async def _runnable(state: Any) -> Any:
    return RunnableLambda(lambda state: "b")


async def _async_runnable(state: Any) -> Any:
    return RunnableLambda(_to_b)


async def _both(state: Any) -> Any:
    return ["b", "c"]


async def _empty(state: Any) -> Any:
    return []


async def _end(state: Any) -> Any:
    return END


async def _sends(state: Any) -> Any:
    return [Send("b", {"x": [n]}) for n in range(3)]


async def _send_and_name(state: Any) -> Any:
    return [Send("b", {"x": ["sent"]}), "c"]


async def _nothing(state: Any) -> Any:
    return None


async def _unknown(state: Any) -> Any:
    return "nowhere"


async def _fails(state: Any) -> Any:
    await asyncio.sleep(0)
    raise LookupError("routed")


class _Callable:
    async def __call__(self, state: Any) -> str:
        return "c"

    async def method(self, state: Any) -> str:
        return "b"


_ROUTERS: dict[str, Any] = {
    **{
        function.__name__: function
        for function in (
            *(_to_b, _runnable, _async_runnable, _both, _empty, _end, _sends, _send_and_name),
            *(_nothing, _unknown, _fails),
        )
    },
    "callable": _Callable(),
    "method": _Callable().method,
    "sync and async": RunnableLambda(lambda state: "c", _to_b, name="both"),
    "sync": lambda state: "b",
}


@pytest.mark.parametrize("source", ["a", START])
@pytest.mark.parametrize("router", _ROUTERS)
def test_routers(router: str, source: str) -> None:
    """What an async router returns, of a node and of START, beside a sync one."""

    def build(log: Log, gate: Gate) -> Built:
        async def node(state: Any) -> Any:
            who = f"{get_config()['metadata']['langgraph_path']}"
            await gate.wait(who)
            log.note("node", who, state)
            return {"x": [len(state["x"])]}

        def also(state: Any) -> Any:
            return ["c"]

        builder = wire(Lists, {n: node for n in "abc"}, (START, "a"))
        ends = None if router in ("_unknown", "_nothing") else ["b", "c", END]
        builder.add_conditional_edges(source, _ROUTERS[router], ends)
        builder.add_conditional_edges("a", also, ["c"])
        return builder

    check_async_parity(build, {"x": []})


@pytest.mark.parametrize("seed", range(4))
def test_routers_side_by_side(seed: int) -> None:
    """Async and sync routers of nodes that run at once, which all wait at the gate."""

    def build(log: Log, gate: Gate) -> Built:
        def router(name: str) -> Any:
            async def route(state: Any) -> str:
                await gate.wait(f"{name} begins")
                log.note(name, "sees", state["x"])
                await gate.wait(f"{name} ends")
                return "z"

            route.__name__ = name
            return route

        def sync_router(name: str) -> Any:
            def route(state: Any) -> str:
                gate.block(f"{name} begins")
                log.note(name, "sees", state["x"])
                return "z"

            route.__name__ = name
            return route

        async def node(state: Any) -> Any:
            return {"x": [1]}

        builder = wire(Lists, {n: node for n in "abz"}, (START, "a"), (START, "b"))
        for number, name in enumerate("aabb"):
            made = router if number % 2 else sync_router
            builder.add_conditional_edges(name, made(f"{name} {number}"), ["z"])
        return builder

    check_async_parity(build, {"x": []}, seed=seed)


# -- what nodes return ------------------------------------------------------------------------


def test_commands_and_sends() -> None:
    """Of async nodes, with gotos that meet static edges, and Sends to async nodes."""

    def build(log: Log, gate: Gate) -> Built:
        async def a(state: Any) -> Any:
            sends = [Send("c", {"x": [n]}) for n in range(3)]
            return Command(update={"x": ["a"]}, goto=["b", *sends])

        async def b(state: Any) -> Any:
            await gate.wait("b")
            return [{"x": ["b1"]}, Command(update={"x": ["b2"]}, goto="d")]

        async def c(state: Any) -> Any:
            await gate.wait(f"c {state['x']}")
            return {"x": [*state["x"], "c"]}

        async def d(state: Any) -> Any:
            await gate.wait("d")
            return {"last": 1}

        return wire(Lists, {"a": a, "b": b, "c": c, "d": d}, (START, "a"), ("a", "d"))

    for seed in range(3):
        check_async_parity(build, {"x": []}, seed=seed)


@pytest.mark.parametrize("seed", range(3))
def test_many_sends_to_async_and_sync_nodes(seed: int) -> None:
    """Of which each waits at the gate."""

    def build(log: Log, gate: Gate) -> Built:
        async def anode(state: Any) -> Any:
            await gate.wait(f"async {state['x']}")
            get_stream_writer()(state["x"])
            return {"x": state["x"]}

        def node(state: Any) -> Any:
            gate.block(f"sync {state['x']}")
            return {"x": state["x"]}

        def fan_out(state: Any) -> Any:
            return [Send("ab"[number % 2], {"x": [number]}) for number in range(8)]

        return wire(Lists, {"a": anode, "b": node}, (START, fan_out))

    check_async_parity(build, {"x": []}, seed=seed)


# -- graphs inside nodes ----------------------------------------------------------------------


def test_graphs_of_langgraph_that_a_node_awaits() -> None:
    """Without a saver: `ainvoke` and `astream`, one at a time and at once."""

    async def inside(state: Any) -> Any:
        await asyncio.sleep(0)
        get_stream_writer()("inner")
        return {"x": [f"inner {get_config()['metadata']['langgraph_node']}"]}

    graph = wire(Lists, {"i": inside, "j": inside}, (START, "i"), ("i", "j")).compile()

    def build(log: Log) -> Built:
        async def awaits(state: Any) -> Any:
            seen = await graph.ainvoke({"x": []})
            return {"x": seen["x"]}

        async def streams(state: Any) -> Any:
            chunks = [chunk async for chunk in graph.astream({"x": []}, stream_mode="updates")]
            log.note("streams", "chunks", chunks)
            return {"x": [len(chunks)]}

        async def gathers(state: Any) -> Any:
            both = await asyncio.gather(*(graph.ainvoke({"x": [n]}) for n in range(2)))
            return {"x": [item for seen in both for item in seen["x"]]}

        nodes = {"a": awaits, "b": streams, "c": gathers}
        return wire(Lists, nodes, (START, "a"), ("a", "b"), ("b", "c"))

    engines = AsyncSideBySide(lambda log, gate: build(log), {"x": []})
    # Each engine remembers its own last id only, so the ids of tasks would differ.
    for modes in ("values", "updates", "custom", ["values", "updates", "custom"]):
        for version in ("v1", "v2"):
            arguments = (("stream_mode", modes), ("version", version))
            assert engines.compare(Call("astream", arguments), 0)["error"] is None
    assert engines.compare(Call("ainvoke"), 0)["error"] is None
