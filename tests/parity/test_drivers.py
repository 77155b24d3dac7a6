"""The contract between loop and drivers: every driver, in another order of time, ends alike."""

from __future__ import annotations

import asyncio
import itertools
import operator
import random
from collections import Counter
from typing import Annotated, Any, TypedDict

import pytest
from inprocess import compile_in_process
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from parity import comparable, pinned
from scripted_driver import ScriptedDriver

from lgc.runtime.drivers.aio import AsyncDriver
from lgc.runtime.drivers.async_calls import AsyncCalls
from lgc.runtime.drivers.sync import SyncDriver
from lgc.runtime.engine.task import Task
from lgc.runtime.graph import CompiledGraph
from lgc.runtime.savers import MemorySaver
from lgc.runtime.start import streamed_loop

MODES = ["updates", "values", "custom", "tasks", "checkpoints"]


class State(TypedDict):
    log: Annotated[list[str], operator.add]
    total: Annotated[int, operator.add]
    last: str


class SlowSaver(MemorySaver):
    """A saver whose calls may wait while the run goes on, as one with a database."""

    blocking = True


class _Node:
    """A node that does what a seed says, the same whenever it runs."""

    def __init__(self, name: str, seed: int, targets: list[str], *, alone: bool) -> None:
        self.__name__ = name
        self.name = name
        self.seed = seed
        self.targets = targets
        self.alone = alone

    def __call__(self, state: State, writer: Any = None) -> Any:
        chance = random.Random(f"{self.seed} {self.name}")
        seen = len(state.get("log", ()))
        update = {"log": [f"{self.name} {seen}"], "total": seen}
        for number in range(chance.randint(0, 2)):
            writer(f"{self.name} wrote {number}")
        if self.alone:
            update["last"] = self.name
        dice = chance.random()
        if dice < 0.12:
            update["log"] += [str(interrupt(f"{self.name} asks"))]
        elif dice < 0.2:
            raise ValueError(self.name)
        elif dice < 0.4 and self.targets:
            sends = [
                Send(target, {"log": [f"sent {number}"]})
                for number in range(chance.randint(1, 3))
                for target in self.targets[:1]
            ]
            return Command(update=update, goto=sends)
        return update


def _graph(seed: int) -> CompiledGraph:
    """Layers of nodes side by side, every node with edges into the next layer."""
    chance = random.Random(seed)
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    layers = [
        [f"n{depth}{place}" for place in range(chance.randint(1, 4))]
        for depth in range(chance.randint(1, 4))
    ]
    for depth, layer in enumerate(layers):
        after = layers[depth + 1] if depth + 1 < len(layers) else []
        for name in layer:
            node = _Node(name, seed, after, alone=len(layer) == 1)
            builder.add_node(name, _as_function(node))
    for name in layers[0]:
        builder.add_edge(START, name)
    for layer, after in itertools.pairwise(layers):
        if chance.random() < 0.5 and len(layer) > 1:
            builder.add_edge(layer, after[0])
        for name in layer:
            builder.add_edge(name, chance.choice(after))
    for name in layers[-1]:
        builder.add_edge(name, END)
    return compile_in_process(builder)


def _as_function(node: _Node) -> Any:
    def run(state: State, writer: Any) -> Any:
        return node(state, writer)

    run.__name__ = node.name
    run.__annotations__ = {"state": State, "writer": Any}
    from langgraph.types import StreamWriter

    run.__annotations__["writer"] = StreamWriter
    return run


class _Thread:
    """What two runs on one thread leave behind, under one of the drivers."""

    def __init__(self, graph: CompiledGraph, durability: str | None, modes: list[str]) -> None:
        self.saver = SlowSaver()
        self.graph = graph.compile(checkpointer=self.saver if durability else None)
        self.durability = durability
        self.modes = modes
        self.seen: list[Any] = []

    def run(self, input: Any, drive: Any) -> None:
        """Runs once more, and takes down everything that shows."""
        config: dict[str, Any] = {"recursion_limit": 12}
        if self.durability:
            config["configurable"] = {"thread_id": "t"}
        graph = self.graph
        options = graph._options(
            config,
            graph.program.streamed_output,
            context=None,
            control=None,
            durability=self.durability,
            stops=((), ()),
            is_async=drive is _asynchronously,
        )
        loop = streamed_loop(graph.program, options, input, self.modes)
        failure = None
        try:
            by_step = drive(loop)
        except Exception as exc:
            failure, by_step = f"{type(exc).__name__}: {exc}", exc.__dict__.pop("chunks", {})
        self.seen.append((failure, by_step, self._stored()))

    def _stored(self) -> Any:
        """The thread's checkpoints with the writes on each as a set, without ids and versions."""
        if not self.durability:
            return None
        rows = []
        for saved in self.saver.list({"configurable": {"thread_id": "t"}}):
            writes = Counter(
                repr((key, comparable(value))) for _, key, value in saved.pending_writes or ()
            )
            metadata = {key: saved.metadata[key] for key in ("source", "step")}
            rows.append((metadata, comparable(saved.checkpoint["channel_values"]), writes))
        return rows


def _synchronously(loop: Any) -> dict[int, list[Any]]:
    by_step: dict[int, list[Any]] = {}
    driver = SyncDriver(loop)
    try:
        try:
            while (due := driver.advance()) is not None:
                by_step.setdefault(loop.scope.step, []).extend(due)
        finally:
            driver.close()
    except Exception as exc:
        exc.chunks = by_step  # type: ignore[attr-defined]
        raise
    return by_step


def _asynchronously(loop: Any) -> dict[int, list[Any]]:
    by_step: dict[int, list[Any]] = {}

    async def drive() -> None:
        driver = AsyncDriver(loop, AsyncCalls())
        try:
            while (due := await driver.advance()) is not None:
                by_step.setdefault(loop.scope.step, []).extend(due)
        finally:
            await driver.close()

    try:
        asyncio.run(drive())
    except Exception as exc:
        exc.chunks = by_step  # type: ignore[attr-defined]
        raise
    return by_step


def _scripted(seed: int) -> Any:
    def drive(loop: Any) -> dict[int, list[Any]]:
        driver = ScriptedDriver(loop, random.Random(seed))
        try:
            driver.run()
        except Exception as exc:
            exc.chunks = driver.chunks  # type: ignore[attr-defined]
            raise
        return driver.chunks

    return drive


def _unordered(seen: list[Any]) -> list[Any]:
    """What was seen, with the chunks of each superstep as a multiset."""
    return [
        (
            failure,
            {step: Counter(repr(comparable(chunk)) for chunk in by_step[step]) for step in by_step},
            rows,
        )
        for failure, by_step, rows in seen
    ]


@pytest.mark.parametrize("block", range(10))
@pytest.mark.parametrize("durability", [None, "sync", "async", "exit"])
def test_every_driver_ends_alike(durability: str | None, block: int) -> None:
    outcomes = Counter[str]()
    for seed in range(block * 12, block * 12 + 12):
        graph = _graph(seed)
        modes = random.Random(seed).sample(MODES, 3)
        threads = []
        for drive in (_synchronously, _scripted(seed), _asynchronously):
            with pinned():
                thread = _Thread(graph, durability, modes)
                thread.run({"log": ["in"], "total": 1}, drive)
                if durability:
                    thread.run(Command(resume="an answer"), drive)
                    thread.run({"log": ["again"]}, drive)
            threads.append(thread)
        first, *others = (_unordered(thread.seen) for thread in threads)
        for other in others:
            assert _without_failures(first) == _without_failures(other), f"seed {seed}"
        outcomes.update("failed" if seen[0] else "ended" for seen in first)
    assert len(outcomes) == 2, f"every block has runs that fail and runs that end: {outcomes}"


def _without_failures(seen: list[Any]) -> list[Any]:
    """What was seen up to the first failure: which sibling fails first is a matter of time."""
    kept = []
    for failure, by_step, rows in seen:
        if failure:
            kept.append(bool(failure))
            break
        kept.append((by_step, rows))
    return kept


def test_tasks_that_join_while_a_node_runs_inline() -> None:
    """A node's superstep waits for what the node has called, and applies what that wrote."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    builder.add_node("a", lambda state: {"log": ["a"], "total": 1})
    builder.add_node("b", lambda state: {"log": ["b"], "total": 10})
    builder.add_edge(START, "a")
    builder.add_edge("a", "b")
    graph = compile_in_process(builder)
    program = graph.program
    for seed in range(20):
        joined = []

        def call(task: Task, joined: list[Task] = joined) -> Task | None:
            if task.node.name != "a":
                return None
            called = Task(task.scope, program.by_name["b"], {"log": []}, 7)
            joined.append(called)
            return called

        options = graph._options(
            {},
            program.streamed_output,
            context=None,
            control=None,
            durability=None,
            stops=((), ()),
        )
        loop = streamed_loop(program, options, {"log": [], "total": 0}, ["values"])
        ScriptedDriver(loop, random.Random(seed), call).run()
        assert len(joined) == 1
        assert loop.values.read() == {"log": ["a", "b", "b"], "total": 21}
