"""One graph, many users: the object contract of the runtime (architecture §8.2)."""

from __future__ import annotations

import gc
import multiprocessing
import operator
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import Annotated, Any, TypedDict

import pytest
from inprocess import compile_in_process
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.config import get_config, get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send
from small import wire

from lgc.runtime.drivers.thread_pool import MAX_IDLE


class State(TypedDict):
    """What the graphs here pass on."""

    x: Annotated[list, operator.add]
    seed: int


class Running:
    """How many nodes run now, and how many have run."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.started = self.finished = self.most = 0

    def node(self, name: str, seconds: float = 0.0, custom: int = 0) -> Callable[[Any], Any]:
        """A node that takes its time and writes `custom` chunks."""

        def run(state: Any) -> Any:
            with self.lock:
                self.now += 1
                self.started += 1
                self.most = max(self.most, self.now)
            try:
                for i in range(custom):
                    get_stream_writer()((name, i))
                if seconds:
                    time.sleep(seconds)
                return {"x": [(name, state["seed"])]}
            finally:
                with self.lock:
                    self.now -= 1
                    self.finished += 1

        return run


def diamond(running: Running, seconds: float = 0.0, custom: int = 0) -> StateGraph[Any]:
    """One node, then four at once, then one."""
    middle = [f"m{i}" for i in range(4)]
    nodes = {name: running.node(name, seconds, custom) for name in ("a", *middle, "z")}
    edges: list[Any] = [(START, "a"), *(("a", name) for name in middle), (middle, "z")]
    return wire(State, nodes, *edges)


def expected(seed: int) -> dict[str, Any]:
    """What a diamond gives."""
    return {"x": [(n, seed) for n in ("a", "m0", "m1", "m2", "m3", "z")], "seed": seed}


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """What `call` returns on a thread of its own; fails when it takes longer."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(call()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"still running after {seconds} s"
    assert found, "failed"
    return found[0]


def test_many_threads_run_one_graph() -> None:
    """Sixteen at once, each with its own input, by invoke and by stream."""
    graph = compile_in_process(diamond(Running(), 0.001))

    def use(seed: int) -> Any:
        if seed % 2:
            return graph.invoke({"seed": seed, "x": []}, {"configurable": {"thread_id": str(seed)}})
        return list(graph.stream({"seed": seed, "x": []}, stream_mode="values"))[-1]

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(use, range(320))) == [expected(seed) for seed in range(320)]


def test_streams_advance_alternately_from_any_thread() -> None:
    """Every chunk of two runs is taken on another thread."""
    graph = compile_in_process(diamond(Running(), custom=1))
    modes = ["values", "updates", "custom"]
    streams = [graph.stream({"seed": i, "x": []}, stream_mode=modes) for i in range(2)]
    seen: list[list[Any]] = [[], []]
    for turn in range(2 * 19):
        which = turn % 2
        within(10, lambda which=which: seen[which].append(next(streams[which], None)) or True)  # type: ignore[misc]
    for i in range(2):
        values = [chunk for mode, chunk in filter(None, seen[i]) if mode == "values"]
        assert values[-1] == expected(i)
        assert next(streams[i], None) is None


def _break(stream: Iterator[Any], take: int) -> None:
    for number, _ in enumerate(stream, 1):
        if number == take:
            break
    stream.close()  # type: ignore[attr-defined]


def _del(stream: Iterator[Any], take: int) -> None:
    for _ in range(take):
        next(stream, None)
    del stream


def _throw(stream: Iterator[Any], take: int) -> None:
    for _ in range(take):
        next(stream, None)
    with suppress(LookupError):
        stream.throw(LookupError("stop"))  # type: ignore[attr-defined]


def _collect(stream: Iterator[Any], take: int) -> None:
    cycle: list[Any] = [stream]
    cycle.append(cycle)
    for _ in range(take):
        next(stream, None)
    del cycle, stream
    gc.collect(1)


def _elsewhere(stream: Iterator[Any], take: int) -> None:
    """Advanced here, closed on another thread and in another context."""
    for _ in range(take):
        next(stream, None)
    within(10, lambda: copy_context().run(stream.close) or True)  # type: ignore[attr-defined]


@pytest.mark.parametrize("leave", [_break, _del, _throw, _collect, _elsewhere])
@pytest.mark.parametrize("mode", ["updates", "values", ["values", "updates", "custom"]], ids=str)
def test_abandoned_streams(leave: Callable[[Iterator[Any], int], None], mode: Any) -> None:
    """At every chunk: no node runs any more, and the graph can be used again."""
    running = Running()
    graph = compile_in_process(diamond(running, 0.002, custom=1))
    for take in range(20):
        # Nothing of this function refers to the stream.
        leave(graph.stream({"seed": take, "x": []}, stream_mode=mode), take)
        assert running.now == 0
        assert running.started == running.finished
        if take % 5 == 0:
            assert graph.invoke({"seed": take, "x": []}) == expected(take)


@pytest.mark.parametrize("custom", [False, True])
def test_a_failure_leaves_no_running_node(custom: bool) -> None:
    """The exception comes when the others of its superstep are done."""
    running = Running()

    def fails(state: State) -> None:
        raise ValueError("failed")

    nodes = {"a": fails, **{f"m{i}": running.node(f"m{i}", 0.05) for i in range(4)}}
    graph = compile_in_process(wire(State, nodes, *((START, name) for name in nodes)))
    for _ in range(3):
        with pytest.raises(ValueError, match="failed"):
            if custom:
                list(graph.stream({"seed": 1}, stream_mode=["custom", "values"]))
            else:
                graph.invoke({"seed": 1})
        assert running.now == 0
    assert running.finished == 12


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("siblings", [0, 2])
def test_exceptions_that_end_a_program(error: type[BaseException], siblings: int) -> None:
    """They come out of both engines, and nothing keeps running."""
    running = Running()

    def ends(state: State) -> None:
        raise error("end")

    nodes = {"a": ends, **{f"m{i}": running.node(f"m{i}", 0.02) for i in range(siblings)}}
    builder = wire(State, nodes, *((START, name) for name in nodes))
    for graph in (builder.compile(), compile_in_process(builder)):
        with pytest.raises(error):
            graph.invoke({"seed": 1})
        with pytest.raises(error):
            list(graph.stream({"seed": 1}))
        assert running.now == 0


def test_nested_fan_outs() -> None:
    """Ten nodes at once, two of which run such a graph again, five levels deep."""
    leaves = Running()

    def level(depth: int) -> Any:
        def deeper(graph: Any) -> Callable[[Any], Any]:
            def node(state: Any) -> Any:
                inner = {"configurable": {"thread_id": f"{depth}-{threading.get_ident()}"}}
                found = graph.invoke({"seed": state["seed"], "x": []}, inner)
                return {"x": [("deep", len(found["x"]))]}

            return node

        below = level(depth - 1) if depth > 1 else None
        nodes = {f"n{i}": leaves.node(f"n{i}", 0.001) for i in range(10)}
        if below is not None:
            nodes["n3"], nodes["n7"] = deeper(below), deeper(below)
        return compile_in_process(wire(State, nodes, *((START, name) for name in nodes)))

    graph = level(5)
    found = within(60, lambda: graph.invoke({"seed": 1, "x": []}))
    assert len(found["x"]) == 10
    assert leaves.finished == 8 * 15 + 10 * 16
    assert leaves.now == 0


def test_nodes_that_run_thread_pools_of_graphs() -> None:
    """Ten nodes, each with a pool of ten threads that run a graph of ten nodes."""
    leaves = Running()
    inner = {f"n{i}": leaves.node(f"n{i}", 0.001) for i in range(10)}
    below = compile_in_process(wire(State, inner, *((START, name) for name in inner)))

    def node(state: Any) -> Any:
        with ThreadPoolExecutor(10) as threads:
            jobs = [
                threads.submit(
                    copy_context().run,
                    below.invoke,
                    {"seed": i, "x": []},
                    {"configurable": {"thread_id": str(i)}},
                )
                for i in range(10)
            ]
            return {"x": [len(job.result()["x"]) for job in jobs]}

    nodes = {f"n{i}": node for i in range(10)}
    graph = compile_in_process(wire(State, nodes, *((START, name) for name in nodes)))
    assert within(60, lambda: graph.invoke({"seed": 1, "x": []}))["x"] == [10] * 100
    assert leaves.finished == 1000


def test_a_graph_that_calls_itself() -> None:
    """With a thread of its own, and inside its own run."""
    graphs: list[Any] = []

    def node(state: State) -> Any:
        if not state["seed"]:
            return {"x": [0]}
        inner = {"configurable": {"thread_id": str(state["seed"])}}
        return {
            "x": graphs[0].invoke({"seed": state["seed"] - 1, "x": [state["seed"]]}, inner)["x"]
        }

    def plain(state: State) -> Any:
        if not state["seed"]:
            return {"x": [0]}
        return {"x": graphs[1].invoke({"seed": state["seed"] - 1, "x": [state["seed"]]})["x"]}

    graphs.append(compile_in_process(wire(State, {"a": node}, (START, "a"))))
    graphs.append(compile_in_process(wire(State, {"a": plain}, (START, "a"))))
    assert graphs[0].invoke({"seed": 5, "x": []})["x"] == [5, 4, 3, 2, 1, 0]
    assert graphs[1].invoke({"seed": 5, "x": []})["x"] == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("mode", ["updates", ["custom", "values"]], ids=str)
def test_no_context_variable_is_set_across_a_yield(mode: Any) -> None:
    """The consumer's context is its own, whichever it advances the stream in."""
    own: ContextVar[str] = ContextVar("own")
    seen: list[str] = []

    def node(state: State) -> Any:
        seen.append(own.get())
        get_stream_writer()("chunk")
        own.set("a node's")
        assert get_config()["configurable"]["__pregel_task_id"]
        return {"x": [1]}

    nodes = {name: node for name in "abcd"}
    edges = [(START, "a"), ("a", "b"), ("a", "c"), (["b", "c"], "d")]
    stream = compile_in_process(wire(State, nodes, *edges)).stream({"seed": 1}, stream_mode=mode)
    own.set("start")
    for _ in stream:
        assert var_child_runnable_config.get() is None
        assert own.get() == "start"
    assert seen == ["start"] * 4

    stream = compile_in_process(wire(State, nodes, *edges)).stream({"seed": 1}, stream_mode=mode)
    contexts = []
    while True:
        context = copy_context()
        contexts.append(context)
        context.run(own.set, f"context {len(contexts)}")
        if context.run(next, stream, None) is None:
            break
    assert all(context.get(var_child_runnable_config) is None for context in contexts)
    assert [c[own] for c in contexts] == [f"context {i + 1}" for i in range(len(contexts))]


def test_a_run_inside_a_stream_of_another() -> None:
    """Between two chunks of one run others may run, also of the same graph."""
    graph = compile_in_process(diamond(Running()))
    for number, _ in enumerate(graph.stream({"seed": 1, "x": []})):
        assert graph.invoke({"seed": number, "x": []}) == expected(number)
        inner = graph.stream({"seed": number, "x": []}, stream_mode="values")
        assert list(inner)[-1] == expected(number)


def test_threads_are_reused_and_few_stay() -> None:
    """A wide superstep after another needs no more threads; what is idle is bounded."""
    together = threading.Barrier(MAX_IDLE + 40)

    def meets(state: Any) -> Any:
        together.wait(60)
        return {"x": [("w", state["seed"])]}

    nodes = {
        "s": lambda state: Command(goto=[Send("w", {"seed": i}) for i in range(MAX_IDLE + 40)]),
        "w": meets,
    }
    graph = compile_in_process(wire(State, nodes, (START, "s")))
    for _ in range(3):
        assert len(graph.invoke({"seed": 0, "x": []})["x"]) == MAX_IDLE + 40
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if sum(thread.name == "lgc" for thread in threading.enumerate()) <= MAX_IDLE:
            return
        time.sleep(0.01)
    raise AssertionError("idle threads stay")


def _in_child(graph: Any, found: Any) -> None:
    found.put(graph.invoke({"seed": 3, "x": []}))


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_after_a_fork() -> None:
    """The child has no thread of the pool, and makes its own."""
    graph = compile_in_process(diamond(Running()))
    graph.invoke({"seed": 1, "x": []})
    context = multiprocessing.get_context("fork")
    found = context.SimpleQueue()
    child = context.Process(target=_in_child, args=(graph, found))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert found.get() == expected(3)
