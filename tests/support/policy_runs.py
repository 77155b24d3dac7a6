"""Plays calls on a graph under LangGraph and lgc, and compares all that can be seen of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pprint import pformat
from typing import Any
from unittest.mock import patch

from full_path import full_path
from inprocess import compile_in_process
from langgraph.checkpoint.memory import InMemorySaver
from parity import comparable, difference, edges_in_order, failure, pinned
from threads import without_ids

MODES = ["values", "updates", "custom", "tasks", "checkpoints", "debug"]
THREAD: Any = {"configurable": {"thread_id": "t"}}

Build = Callable[[list[Any]], Any]
"""Makes a builder whose nodes note what they do in a list."""


class Ran:
    """What can be seen of calls under one engine.

    Args:
        build: makes the builder.
        compiles: makes a graph of it, given the options of `compile`.
    """

    def __init__(self, build: Build, compiles: Callable[..., Any]) -> None:
        self.seen: list[Any] = []
        self.slept: list[float] = []
        self._build = build
        self._compiles = compiles

    def play(self, calls: tuple[tuple[str, Any, dict[str, Any]], ...], saved: bool) -> None:
        """Makes the calls, each a method, its input and its keyword arguments."""
        log: list[Any] = []
        saver = InMemorySaver() if saved else None
        with ExitStack() as stack:
            later = stack.enter_context(pinned())
            stack.enter_context(edges_in_order())
            for name in ("time.sleep", "asyncio.sleep"):
                stack.enter_context(self._noted_sleep(name))
            stack.enter_context(patch("random.uniform", lambda low, high: high / 4))
            graph = self._compiles(self._build(log), checkpointer=saver)
            for method, given, options in calls:
                found = outcome(graph, method, given, options)
                self.seen.append((method, comparable(found), sorted(map(repr, log))))
                log.clear()
                if saved:
                    states = [graph.get_state(THREAD), *graph.get_state_history(THREAD)]
                    self.seen.append(comparable(states))
                    rows = [(k, sorted(map(repr, v.values()))) for k, v in saver.writes.items()]
                    self.seen.append(sorted(map(repr, rows)))
                later()

    def _noted_sleep(self, name: str) -> Any:
        original = asyncio.sleep

        def sleep(seconds: float, *_: Any) -> None:
            self.slept.append(seconds)

        async def asleep(seconds: float, *_: Any) -> None:
            if seconds:
                self.slept.append(seconds)
            await original(0)

        return patch(name, asleep if name == "asyncio.sleep" else sleep)


def outcome(graph: Any, method: str, given: Any, options: dict[str, Any]) -> Any:
    """The result of a call, its chunks, or how it failed."""
    chunks: list[Any] = []

    async def consume() -> None:
        async for chunk in graph.astream(given, THREAD, **options):
            chunks.append(chunk)

    try:
        if method == "invoke":
            return graph.invoke(given, THREAD, **options)
        if method == "ainvoke":
            return asyncio.run(graph.ainvoke(given, THREAD, **options))
        if method == "astream":
            asyncio.run(consume())
        else:
            chunks.extend(graph.stream(given, THREAD, **options))
    except BaseException as exc:
        return chunks, failure(exc)
    return chunks


def compare(
    build: Build,
    *calls: tuple[str, Any, dict[str, Any]],
    saved: bool = False,
    by_chance: bool = False,
) -> None:
    """Has both engines make the calls; raises AssertionError where something differs.

    Args:
        build: makes the builder.
        calls: the method, its input, its keyword arguments.
        saved: on a thread of an InMemorySaver.
        by_chance: ids, and the order of chunks, are left to chance: nobody says when a run without
            a saver draws ids, or which of two tasks ends first.
    """
    expected = Ran(build, lambda builder, **options: builder.compile(**options))
    expected.play(calls, saved)
    for is_fast in (True,) if saved else (True, False):
        actual = Ran(build, _compiled)
        with nullcontext() if is_fast else full_path():
            actual.play(calls, saved)
        assert actual.slept == expected.slept
        told = [ran.seen for ran in (expected, actual)]
        if by_chance:
            told = [sorted(map(without_ids, pformat(seen).splitlines())) for seen in told]
        diff = difference(*told)
        assert diff is None, f"{'fast' if is_fast else 'full'} path\n{diff}"


def _compiled(builder: Any, **options: Any) -> Any:
    return compile_in_process(builder).compile(**options)
