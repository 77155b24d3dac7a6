"""Runs one graph under LangGraph and under lgc on an event loop, and compares whole sequences.

Nodes wait at a gate (`gates`), so the tasks of a superstep end in the same order under both
engines, and nothing is left to chance: chunks are compared in order, one by one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from full_path import full_path
from gates import Gate, gated_loop
from inprocess import compile_in_process
from langgraph.graph.state import StateGraph
from parity import (
    COUNTS,
    Call,
    Compile,
    Log,
    Normalise,
    comparable,
    difference,
    failure,
    logged,
    pinned,
    under_langgraph,
)

from lgc.runtime.graph import CompiledGraph

GatedBuild = Callable[[Log, Gate], StateGraph[Any, Any, Any, Any]]
"""Makes a builder whose nodes note what they see in the log, and wait at the gate."""


async def called(graph: Any, input: Any, config: Any, call: Call) -> tuple[Any, list[Any]]:
    """The result of `ainvoke`, or the chunks of `astream`, of which `call.take` are taken."""
    arguments = dict(call.arguments)
    if call.method == "ainvoke":
        result = comparable(await graph.ainvoke(input, config, **arguments))
        return (None, result) if isinstance(result, list) else (result, [])
    chunks: list[Any] = []
    stream = graph.astream(input, config, **arguments)
    try:
        if call.take == 0:
            return None, chunks
        async for chunk in stream:
            chunks.append(comparable(chunk))
            if len(chunks) == call.take:
                break
        await stream.aclose()
    except Exception as exc:
        exc.__dict__["chunks"] = chunks
        raise
    return None, chunks


class GatedEngine:
    """A graph under one engine, with what its nodes note and where they wait."""

    def __init__(self, build: GatedBuild, compiled: Callable[[Any, Log], Any]) -> None:
        """Builds it.

        Args:
            build: makes the builder.
            compiled: makes the graph of a function that builds, and of the log.
        """
        self.log, self.gate = Log(), Gate()
        self.graph = compiled(lambda log: build(log, self.gate), self.log)

    def observe(self, input: Any, config: Any, call: Call, seed: int) -> dict[str, Any]:
        """Runs the graph on copies of the arguments; returns all that anybody can see.

        Args:
            input, config, call: how to run it.
            seed: draws the order in which nodes leave the gate.
        """
        self.log.clear()
        input, config = copy.deepcopy(input), copy.deepcopy(config)
        loop = gated_loop()
        loop.complaints.clear()
        result = error = None
        chunks: list[Any] = []
        path = full_path() if call.full_path else nullcontext()
        with pinned(), logged() as warnings, path:
            try:
                main = called(self.graph, input, config, call)
                result, chunks = loop.run(seed, self.gate, main)
            except Exception as exc:
                chunks = exc.__dict__.pop("chunks", [])
                error = failure(exc)
        return {
            "result": result,
            "chunks": chunks,
            "error": error,
            "order": self.gate.passed,
            "log": list(self.log),
            "warnings": warnings,
            "config": comparable(config),
        }

    def check_left(self) -> None:
        """Wants a run of lgc's to leave no task behind, and no exception that nobody looked at."""
        loop = gated_loop()
        if isinstance(self.graph, CompiledGraph):
            assert not loop.left, loop.left
            assert not loop.complaints, loop.complaints


class AsyncSideBySide:
    """One graph, built once for each engine, and its input."""

    def __init__(
        self,
        build: GatedBuild,
        input: Any,
        config: Mapping[str, Any] | None = None,
        compiled: Compile = compile_in_process,
    ) -> None:
        """Builds both.

        Args:
            build: makes the builder.
            input, config: of every call.
            compiled: makes lgc's graph of a builder.
        """
        self._input, self._config = input, config
        self._theirs = GatedEngine(build, under_langgraph)
        self._ours = GatedEngine(build, lambda build, log: compiled(build(log)))

    def compare(self, call: Call, seed: int, normalised: Normalise | None = None) -> dict[str, Any]:
        """Runs both one way, and wants no difference.

        Args:
            call: how to run them.
            seed: draws the order in which nodes leave the gate.
            normalised: takes what is chance out of what was observed.

        Returns:
            What LangGraph did.

        Raises:
            AssertionError: lgc did something else.
        """
        expected, actual = (
            engine.observe(self._input, self._config, call, seed)
            for engine in (self._theirs, self._ours)
        )
        self._ours.check_left()
        COUNTS["async runs"] += 1
        COUNTS["chunks of async runs"] += len(expected["chunks"])
        if normalised is not None:
            expected, actual = normalised(expected), normalised(actual)
        diff = difference(expected, actual)
        if diff is not None:
            raise AssertionError(f"{call}\n{diff}")
        return expected
