"""How many nodes and runs go at once: `max_concurrency`, `abatch`, `abatch_as_completed`."""

from __future__ import annotations

import asyncio
import re
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pprint import pformat
from typing import Any

import pytest
from async_case import check_async_parity
from async_runs import AsyncSideBySide, GatedEngine
from gates import Gate, gated_loop
from inprocess import compile_in_process
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Send, StreamWriter
from parity import COUNTS, Call, Log, comparable, difference, failure, pinned, under_langgraph
from small import Lists, wire
from threads import readable, stored

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph makes no config ambient in async nodes then"
)

Built = StateGraph[Any, Any, Any, Any]


# -- max_concurrency --------------------------------------------------------------------------


def _wide(log: Log, gate: Gate) -> Built:
    """Six nodes at once, every third one sync, then a node that three Sends start."""
    running: list[str] = []

    def node(name: str, is_async: bool) -> Any:
        async def arun(state: Any, writer: StreamWriter) -> Any:
            running.append(name)
            await gate.wait(name)
            log.note(name, "beside", sorted(running))
            writer(name)
            running.remove(name)
            return {"x": [name]}

        def run(state: Any) -> Any:
            running.append(name)
            gate.block(name)
            log.note(name, "beside", sorted(running))
            running.remove(name)
            return {"x": [name]}

        return arun if is_async else run

    async def sent(state: Any) -> Any:
        await gate.wait(f"sent {state['x']}")
        return {"x": state["x"]}

    def fan_out(state: Any) -> Any:
        return [Send("sent", {"x": [number]}) for number in range(3)]

    names = [f"n{number}" for number in range(6)]
    nodes = {name: node(name, number % 3 > 0) for number, name in enumerate(names)}
    builder = wire(Lists, {**nodes, "sent": sent}, *((START, name) for name in names))
    builder.add_conditional_edges("n0", fan_out, ["sent"])
    return builder


@pytest.mark.parametrize("limit", [None, 0, 1, 2, 5, 100])
@pytest.mark.parametrize("seed", range(3))
def test_as_many_nodes_as_there_are_places(seed: int, limit: Any) -> None:
    """Who waits for a place goes on in the order of the nodes, whenever one gets free."""
    engines = AsyncSideBySide(_wide, {"x": []}, {"max_concurrency": limit})
    seen = engines.compare(Call("ainvoke"), seed)
    most = max(len(entry[2]) for entry in seen["log"])
    assert most == min(limit or 6, 6)
    for modes in ("updates", ["values", "tasks", "custom", "updates"]):
        engines.compare(Call("astream", (("stream_mode", modes),)), seed)


@pytest.mark.parametrize("limit", [-1, "2", True])
def test_values_that_are_no_number_of_places(limit: Any) -> None:
    engines = AsyncSideBySide(_wide, {"x": []}, {"max_concurrency": limit})
    engines.compare(Call("ainvoke"), 1)


def test_a_number_of_places_that_is_not_whole() -> None:
    """Is rounded up, as by a thread pool; LangGraph's semaphore of 1.5 never closes."""
    most = []

    def build(log: Log) -> Built:
        async def node(state: Any) -> Any:
            running.append(1)
            counts.append(len(running))
            await asyncio.sleep(0)
            running.pop()
            return {"x": [1]}

        return wire(Lists, {n: node for n in "abcd"}, *((START, n) for n in "abcd"))

    for graph in (under_langgraph(build, Log()), compile_in_process(build(Log()))):
        running: list[int] = []
        counts: list[int] = []
        asyncio.run(graph.ainvoke({"x": []}, {"max_concurrency": 1.5}))
        most.append(max(counts))
    assert most == [4, 2]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limit", [1, 2])
def test_a_failure_while_others_wait_for_a_place(limit: int, seed: int) -> None:
    def build(log: Log, gate: Gate) -> Built:
        def node(name: str) -> Any:
            async def run(state: Any) -> Any:
                await gate.wait(name)
                if name == "c":
                    raise ValueError(name)
                log.note(name, "ends", None)
                return {"x": [name]}

            return run

        return wire(Lists, {n: node(n) for n in "abcde"}, *((START, n) for n in "abcde"))

    engines = AsyncSideBySide(build, {"x": []}, {"max_concurrency": limit})
    for call in (Call("ainvoke"), Call("astream", (("stream_mode", ["updates", "tasks"]),))):
        assert engines.compare(call, seed)["error"] is not None


def test_routers_keep_the_place_of_their_node() -> None:
    def build(log: Log, gate: Gate) -> Built:
        async def node(state: Any) -> Any:
            return {"x": [1]}

        async def route(state: Any) -> str:
            await gate.wait(f"route {len(log)}")
            log.note("route", "runs", None)
            return "z"

        nodes = {name: node for name in "abcz"}
        return wire(Lists, nodes, *((START, n) for n in "abc"), *((n, route) for n in "abc"))

    engines = AsyncSideBySide(build, {"x": []}, {"max_concurrency": 1})
    engines.compare(Call("astream", (("stream_mode", ["updates", "tasks"]),)), 0)


def test_places_on_a_thread() -> None:
    """LangGraph's calls of the saver need a place, too, which a saver in memory leaves at once."""
    engines: Callable[..., Any] = check_async_parity

    def build(log: Log) -> Built:
        async def node(state: Any) -> Any:
            return {"x": [len(state["x"])]}

        return wire(Lists, {n: node for n in "abc"}, (START, "a"), ("a", "b"), ("b", "c"))

    engines(build, {"x": []}, {"max_concurrency": 1})


# -- batches ----------------------------------------------------------------------------------

_INPUTS: dict[str, list[Any]] = {
    "none": [],
    "one": [{"x": [1]}],
    "several": [{"x": [number]} for number in range(4)],
    "one fails": [{"x": [0]}, {"x": [-1]}, {"x": [2]}],
    "all fail": [{"x": [-1]}, {"x": [-2]}],
    "no input": [{"x": [0]}, {}, None],
}
_CONFIGS: dict[str, Any] = {
    "none": lambda count: None,
    "one": lambda count: {"configurable": {"user": "u"}, "tags": ["t"]},
    "each": lambda count: [{"configurable": {"user": number}} for number in range(count)],
    "limited": lambda count: {"max_concurrency": 2},
    "each limited": lambda count: [{"max_concurrency": 1}] * count,
    "wrong": lambda count: [{}] * (count + 1),
}


def _batched(log: Log, gate: Gate) -> Built:
    async def a(state: Any, config: RunnableConfig) -> Any:
        # First, because the runs that fail before a node are over by then under either engine.
        await gate.wait(f"a {state['x']}")
        number = state["x"][0]
        log.note("a", "user", config["configurable"].get("user"))
        if number < 0:
            raise ValueError(number)
        return {"x": ["a"]}

    def b(state: Any) -> Any:
        gate.block(f"b {state['x'][0]}")
        return {"last": state["x"]}

    return wire(Lists, {"a": a, "b": b}, (START, "a"), ("a", "b"))


async def _batch(graph: Any, inputs: Any, config: Any, **options: Any) -> Any:
    return await graph.abatch(inputs, config, **options)


async def _as_completed(graph: Any, inputs: Any, config: Any, **options: Any) -> Any:
    runs = graph.abatch_as_completed(inputs, config, **options)
    return [pair async for pair in runs]


async def _first_completed(graph: Any, inputs: Any, config: Any, **options: Any) -> Any:
    async for pair in graph.abatch_as_completed(inputs, config, **options):
        return pair


_METHODS = {"abatch": _batch, "abatch_as_completed": _as_completed, "left": _first_completed}


def _observe(engine: GatedEngine, seed: int, call: Callable[[Any], Any]) -> dict[str, Any]:
    engine.log.clear()
    loop = gated_loop()
    result = error = None
    with pinned(), warnings.catch_warnings():
        # Runs that LangGraph's batch has not begun.
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            result = comparable(loop.run(seed, engine.gate, call(engine.graph)))
        except Exception as exc:
            error = failure(exc)
    COUNTS["async runs"] += 1
    return {
        "result": result,
        "error": error,
        "order": engine.gate.passed,
        "log": list(engine.log),
    }


def _without_ids(observed: dict[str, Any]) -> str:
    """Those of tasks show which run began first."""
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", pformat(observed))


def _ends(observed: dict[str, Any]) -> dict[str, Any]:
    """How the runs end, in whatever order they began."""
    result, error = observed["result"], observed["error"]
    if isinstance(result, list):
        result = sorted(result, key=repr)
    return {"result": result, "failed": error is not None}


@pytest.mark.parametrize("return_exceptions", [False, True])
@pytest.mark.parametrize("config", _CONFIGS)
@pytest.mark.parametrize("inputs", _INPUTS)
@pytest.mark.parametrize("method", _METHODS)
def test_batches(method: str, inputs: str, config: str, return_exceptions: bool) -> None:
    """In the order in which the runs end, each with its config."""
    given = _INPUTS[inputs]
    engines = (
        GatedEngine(_batched, under_langgraph),
        GatedEngine(_batched, lambda build, log: compile_in_process(build(log))),
    )

    async def call(graph: Any) -> Any:
        arguments = given, _CONFIGS[config](len(given))
        return await _METHODS[method](graph, *arguments, return_exceptions=return_exceptions)

    for seed in range(3):
        seen = [_observe(engine, seed, call) for engine in engines]
        if "limited" in config and method != "abatch":
            # asyncio.as_completed starts its runs in the order of a set, so which comes first is
            # chance.
            seen = [_ends(observed) for observed in seen] if method != "left" else [{}, {}]
        seen = [_without_ids(observed) for observed in seen]
        assert difference(*seen) is None, difference(*seen)


@pytest.mark.parametrize("options", [{}, {"version": "v2"}, {"output_keys": "x"}], ids=str)
def test_other_arguments_of_a_batch(options: dict[str, Any]) -> None:
    engines = (
        GatedEngine(_batched, under_langgraph),
        GatedEngine(_batched, lambda build, log: compile_in_process(build(log))),
    )
    for method in (_batch, _as_completed):
        call = partial(method, inputs=_INPUTS["several"], config=None, **options)
        seen = [_observe(engine, 0, call) for engine in engines]
        assert difference(*seen) is None, difference(*seen)


def test_a_batch_on_threads() -> None:
    """Of which each run has its own, in one saver."""
    rows = []
    for compiled in (under_langgraph, None):
        log, gate = Log(), Gate()
        saver = InMemorySaver()
        if compiled is None:
            graph: Any = compile_in_process(_batched(log, gate)).compile(checkpointer=saver)
        else:
            graph = compiled(lambda log, gate=gate: _batched(log, gate), log, checkpointer=saver)
        configs = [{"configurable": {"thread_id": str(number)}} for number in range(4)]

        async def run(graph: Any = graph, configs: Any = configs) -> Any:
            return await graph.abatch(_INPUTS["several"], configs)

        with pinned():
            result = gated_loop().run(5, gate, run())
        rows.append((comparable(result), gate.passed, readable(stored(saver), saver)))
    assert difference(*rows) is None, difference(*rows)


def test_a_cancelled_batch() -> None:
    """Its runs are cancelled, and none is left behind."""
    for ours in (False, True):
        log = Log()
        begun: list[str] = []
        ended: list[str] = []

        def build(log: Log, begun: list[str] = begun, ended: list[str] = ended) -> Built:
            async def node(state: Any) -> Any:
                begun.append("begun")
                try:
                    await asyncio.sleep(30)
                finally:
                    ended.append("ended")

            return wire(Lists, {"a": node}, (START, "a"))

        graph = compile_in_process(build(log)) if ours else under_langgraph(build, log)

        async def run(graph: Any = graph, begun: list[str] = begun) -> Any:
            batch = asyncio.ensure_future(graph.abatch([{"x": []}] * 3))
            while len(begun) < 3:
                await asyncio.sleep(0.002)
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch
            await asyncio.sleep(0)
            return asyncio.all_tasks() - {asyncio.current_task()}

        left = asyncio.run(run())
        assert ended == ["ended"] * 3
        assert not (ours and left)
