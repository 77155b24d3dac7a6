"""Plays a script of calls on a thread under each engine on an event loop.

The async twin of `threads`: a step calls the async method of its name. Nodes wait at a gate, so
chunks are compared in order, one by one, and every row of the saver after each step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from async_runs import GatedBuild, GatedEngine, called
from gates import gated_loop, saver_threads_counted
from inprocess import compile_in_process
from langgraph.types import StateUpdate
from parity import COUNTS, Call, Compile, Normalise, comparable, logged, pinned, under_langgraph
from threads import (
    SAVER_CLASSES,
    SQLITE_TABLES,
    THREAD_CONFIG,
    Played,
    Script,
    Step,
    config_of,
    error_of,
    first_difference,
    input_of,
    options_of,
    rows_of,
    stored,
)

MEMORY = (("UpstreamMemorySaver", "UpstreamMemorySaver"), ("UpstreamMemorySaver", "MemorySaver"))
FILES = (
    ("UpstreamAsyncSqliteSaver", "AsyncSqliteSaver"),
    ("UpstreamAsyncSqliteSaver", "UpstreamAsyncSqliteSaver"),
)
"""The saver under LangGraph, and the one under lgc."""


class _OpenSaver:
    """A saver that is open until `close`; its rows are read by another connection."""

    def __init__(self, kind: str, place: Any) -> None:
        cls = SAVER_CLASSES[kind]()
        self._place = place
        self._opened = None
        if kind.endswith("MemorySaver"):
            self.saver = cls()
            return
        self._opened = cls.from_conn_string(str(place))
        self.saver = gated_loop().run_until_complete(self._opened.__aenter__())
        gated_loop().run_until_complete(self.saver.setup())

    def close(self) -> None:
        """Closes the file."""
        if self._opened is not None:
            gated_loop().run_until_complete(self._opened.__aexit__(None, None, None))

    def rows(self) -> dict[Any, Any]:
        """Every row, as it is stored, by its key."""
        if self._opened is None:
            return stored(self.saver)
        with closing(sqlite3.connect(self._place)) as connection:
            return rows_of(connection, SQLITE_TABLES)


async def perform_async(
    graph: Any, saver: Any, step: Step, config: Mapping[str, Any]
) -> tuple[Any, list[Any]]:
    """The result of one step, or its chunks.

    Args:
        graph: compiled with `saver`.
        saver: an async saver, or one in memory.
        step: what is called.
        config: of every step.
    """
    checkpoints = []
    if step.reads_checkpoints:
        checkpoints = [saved async for saved in saver.alist(THREAD_CONFIG)]
    newest = await saver.aget_tuple(THREAD_CONFIG) if step.reads_newest else None
    config = config_of(step, config, checkpoints)
    input, options = input_of(step, newest), options_of(step, checkpoints)
    if step.method in ("invoke", "stream"):
        call = Call(f"a{step.method}", tuple(options.items()), step.take)
        return await called(graph, input, config, call)
    if step.method == "get_state":
        return comparable(await graph.aget_state(config)), []
    if step.method == "get_state_history":
        history = [state async for state in graph.aget_state_history(config, **options)]
        return comparable(history), []
    if step.method == "update_state":
        return comparable(await graph.aupdate_state(config, input, **options)), []
    supersteps = [[StateUpdate(*update) for update in updates] for updates in input]
    return comparable(await graph.abulk_update_state(config, supersteps)), []


class _Player:
    """One engine with its thread."""

    def __init__(self, build: GatedBuild, compiled: Any, script: Script, saver: _OpenSaver) -> None:
        options = {"checkpointer": saver.saver, **dict(script.compiled)}
        self._engine = GatedEngine(build, lambda build, log: compiled(build, log, **options))
        self._config = script.config
        self._saver = saver

    def play(self, step: Step, seed: int) -> tuple[Any, dict[Any, Any]]:
        """What a step shows, and what the saver holds after it."""
        engine, loop = self._engine, gated_loop()
        engine.log.clear()
        loop.complaints.clear()
        result = error = None
        chunks: list[Any] = []
        with logged() as warnings, saver_threads_counted():
            try:
                main = perform_async(engine.graph, self._saver.saver, step, self._config)
                result, chunks = loop.run(seed, engine.gate, main)
            except Exception as exc:
                chunks = exc.__dict__.pop("chunks", [])
                error = error_of(exc)
        seen = {
            "result": result,
            "chunks": chunks,
            "error": error,
            "order": engine.gate.passed,
            "log": [*engine.log],
            "warnings": warnings,
        }
        engine.check_left()
        return seen, self._saver.rows()


def compare_async_scripts(
    build: GatedBuild,
    script: Script,
    pairs: Sequence[tuple[str, str]],
    seed: int,
    *,
    folder: Any = None,
    compiled: Compile = compile_in_process,
    tries: int = 1,
    normalised: Normalise | None = None,
) -> list[Played]:
    """Runs a script under both engines, and wants no difference, in the savers neither.

    Args:
        build: makes the builder.
        script: the calls.
        pairs: the saver under LangGraph, and the one under lgc.
        seed: draws the order in which nodes leave the gate.
        folder: where savers with files have them.
        compiled: makes lgc's graph of a builder.
        tries: how often the engines run again that differ.
        normalised: takes what is chance out of what a step shows.

    Returns:
        What LangGraph did with the saver of each pair.
    """

    def ours(build: Any, log: Any, **options: Any) -> Any:
        return compiled(build(log)).compile(**options)

    played: list[Played] = []
    for number, kinds in enumerate(pairs):
        for attempt in range(tries):
            seen: list[Played] = []
            savers: list[_OpenSaver] = []
            try:
                for side, engine in enumerate((under_langgraph, ours)):
                    place = folder and folder / f"{number}_{attempt}_{side}.db"
                    saver = _OpenSaver(kinds[side], place)
                    savers.append(saver)
                    player = _Player(build, engine, script, saver)
                    with pinned() as later:
                        steps = []
                        for turn, step in enumerate(script.steps):
                            later()
                            shown, rows = player.play(step, seed + turn)
                            steps.append((normalised(shown) if normalised else shown, rows))
                    seen.append(steps)
                theirs, mine = (saver.saver for saver in savers)
                diff = first_difference(*seen, theirs, mine, script)
            finally:
                for saver in savers:
                    saver.close()
            if diff is None:
                break
        assert diff is None, diff
        played.append(seen[0])
        COUNTS["async scripts"] += 1
        COUNTS["async calls on threads"] += len(script.steps)
        COUNTS["chunks of async threads"] += sum(len(shown["chunks"]) for shown, _ in seen[0])
    return played
