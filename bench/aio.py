"""Async runs, and streams from other threads, against hand-written code and LangGraph.

One process measures one runtime, and prints the samples as JSON:

    aio.py {interpreted,native,installed} {with,without} ROUNDS [CONTESTANT...]

The runtimes and contestants are those of `measure.py`, with or without langchain-core loaded. A
process has one event loop, and a sample is taken inside one `run_until_complete`, so the start of
the loop is no part of it. Ratios are taken within a round (`measure.sample`).
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from importlib import import_module
from statistics import median
from typing import Any, NamedTuple

from async_nodes import (
    ASYNC_CHAIN10,
    ASYNC_CHAIN100,
    BRIEF,
    CHUNKS,
    SUSPENDING_CHAIN10,
    SUSPENDING_CHAIN100,
    AsyncNode,
    chain_by_hand,
    chunks_by_hand,
    stream_by_hand,
)
from measure import CLOCK, MODULES, generated, ratio, sample, use_runtime
from nodes import fresh

CONCURRENT = 200
"""The runs at once on one saver."""
FIRST_CHUNKS = 100
BOTH = ["values", "updates"]

LOOP = asyncio.new_event_loop()

Run = Callable[[], Awaitable[Any]]
Spread = tuple[float, float, float]


class Chain(NamedTuple):
    """A chain of async nodes that is measured.

    Attributes:
        graph: its name in `workloads`.
        nodes: its nodes.
        is_streamed: measures `astream` of values and updates, and `ainvoke` otherwise.
    """

    graph: str
    nodes: tuple[AsyncNode, ...]
    is_streamed: bool = False

    async def by_hand(self) -> Any:
        """The same work, hand-written."""
        if self.is_streamed:
            return [chunk async for chunk in stream_by_hand(self.nodes, fresh())]
        return await chain_by_hand(self.nodes, fresh())

    async def run(self, graph: Any) -> Any:
        """Runs a compiled graph once; the result, or all chunks."""
        if self.is_streamed:
            return [chunk async for chunk in graph.astream(fresh(), stream_mode=BOTH)]
        return await graph.ainvoke(fresh())


CHAINS = {
    "async_chain10, ainvoke": Chain("async_chain10", ASYNC_CHAIN10),
    "async_chain100, ainvoke": Chain("async_chain100", ASYNC_CHAIN100),
    "suspending_chain10, ainvoke": Chain("suspending_chain10", SUSPENDING_CHAIN10),
    "suspending_chain100, ainvoke": Chain("suspending_chain100", SUSPENDING_CHAIN100),
    "async_chain10, astream both": Chain("async_chain10", ASYNC_CHAIN10, is_streamed=True),
}


def main(runtime: str, langchain: str, rounds: str, *contestants: str) -> None:
    """Measures everything; prints the samples by what was measured, and the first chunks."""
    use_runtime(runtime)
    if langchain == "with":
        import_module("langchain_core.runnables")
    wanted = contestants or (*MODULES, *(["langgraph"] if langchain == "with" else []))
    report = {
        "samples": dict(_samples(int(rounds), wanted, langchain == "with")),
        "first_chunks": dict(_first_chunks(wanted)),
    }
    if ("langchain_core" in sys.modules) != (langchain == "with"):
        raise SystemExit(f"this process was to be {langchain} langchain-core")
    json.dump(report, sys.stdout)
    LOOP.run_until_complete(LOOP.shutdown_default_executor())
    LOOP.close()


def _samples(
    rounds: int, wanted: tuple[str, ...], has_langgraph_savers: bool
) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """What is run, and its microseconds in every round by contestant."""
    for what, chain in CHAINS.items():
        runs: dict[str, Run] = {"hand": chain.by_hand}
        runs.update({k: partial(chain.run, graph) for k, graph in _graphs(chain.graph, wanted)})
        yield what, _sample_async(runs, rounds)
    yield "talk, stream custom", sample(_streaming(wanted), rounds)
    yield "talk, astream custom", _sample_async(_astreaming(wanted), rounds)
    # A sample is as long as many of the others.
    few = max(5, rounds // 10)
    ours = import_module("lgc.runtime.savers").MemorySaver
    if has_langgraph_savers:
        theirs = import_module("langgraph.checkpoint.memory").InMemorySaver
        runs = _concurrent(theirs, theirs, wanted)
        yield f"{CONCURRENT} ainvoke at once, InMemorySaver", _sample_async(runs, few)
        runs = _concurrent(theirs, ours, wanted)
        yield f"{CONCURRENT} ainvoke at once, each one's memory saver", _sample_async(runs, few)


def _graphs(name: str, wanted: tuple[str, ...], **bound: Any) -> Iterator[tuple[str, Any]]:
    """The compiled graphs of one of `workloads`, by contestant."""
    for mode in MODULES:
        if mode in wanted and (module := generated(mode, name)) is not None:
            yield mode, module.compile(**bound)
    if "langgraph" in wanted:
        yield "langgraph", getattr(import_module("workloads"), name).compile(**bound)


# -- samples on the event loop ------------------------------------------------------


def _sample_async(runs: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    """`sample` of coroutine functions; checks that all give what the first one gives."""
    expected = None
    for name, run in runs.items():
        result = LOOP.run_until_complete(run())
        if expected is None:
            expected = result
        elif result != expected:
            raise SystemExit(f"{name} gave another result than the hand-written code")
    return sample(runs, rounds, _time_async)


def _time_async(run: Run, calls: int) -> float:
    """Seconds per call."""
    return LOOP.run_until_complete(_timed(run, calls))


async def _timed(run: Run, calls: int) -> float:
    start = CLOCK()
    for _ in range(calls):
        await run()
    return (CLOCK() - start) / calls


# -- runs at once -------------------------------------------------------------------


def _concurrent(
    their_saver: type[Any], our_saver: type[Any], wanted: tuple[str, ...]
) -> dict[str, Run]:
    """So many runs, each on a new thread; the hand-written ones have no saver."""
    runs: dict[str, Run] = {"hand": partial(_gathered, _by_hand)}
    for name, graph in _graphs("async_chain10", wanted):
        make_saver = their_saver if name == "langgraph" else our_saver
        runs[name] = partial(_gathered_on_saver, graph, make_saver)
    return runs


async def _by_hand(number: int) -> Any:
    return await chain_by_hand(ASYNC_CHAIN10, fresh())


async def _gathered(run: Callable[[int], Awaitable[Any]]) -> list[Any]:
    return await asyncio.gather(*[run(number) for number in range(CONCURRENT)])


async def _gathered_on_saver(graph: Any, make_saver: Callable[[], Any]) -> list[Any]:
    # A new one each time, or the process would grow with the rounds.
    graph.checkpointer = make_saver()

    async def run(number: int) -> Any:
        return await graph.ainvoke(fresh(), {"configurable": {"thread_id": str(number)}})

    return await _gathered(run)


# -- custom chunks ------------------------------------------------------------------


def _streaming(wanted: tuple[str, ...]) -> dict[str, Callable[[], Any]]:
    runs: dict[str, Callable[[], Any]] = {"hand": chunks_by_hand}
    for name, graph in _graphs("talk", wanted):
        runs[name] = partial(_streamed, graph)
    for name, run in runs.items():
        if run() != list(range(CHUNKS)):
            raise SystemExit(f"{name} gave other chunks than the hand-written code")
    return runs


def _streamed(graph: Any) -> list[Any]:
    return list(graph.stream(fresh(), stream_mode="custom"))


def _astreaming(wanted: tuple[str, ...]) -> dict[str, Run]:
    runs: dict[str, Run] = {"hand": _chunks_by_hand}
    for name, graph in _graphs("talk", wanted):
        runs[name] = partial(_astreamed, graph)
    return runs


async def _chunks_by_hand() -> list[Any]:
    return chunks_by_hand()


async def _astreamed(graph: Any) -> list[Any]:
    return [chunk async for chunk in graph.astream(fresh(), stream_mode="custom")]


# -- the first chunk ----------------------------------------------------------------


def _first_chunks(wanted: tuple[str, ...]) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Milliseconds from the call of `astream` to the chunk of the first node, by contestant."""
    for what, name in (("async node", "async_brief"), ("sync node", "brief")):
        graphs = dict(_graphs(name, wanted))
        times: dict[str, list[float]] = {contestant: [] for contestant in graphs}
        for _ in range(FIRST_CHUNKS):
            for contestant, graph in graphs.items():
                times[contestant].append(LOOP.run_until_complete(_first_chunk(graph)) * 1e3)
        yield what, times


async def _first_chunk(graph: Any) -> float:
    start = CLOCK()
    chunks = graph.astream(fresh(), stream_mode="updates")
    await anext(chunks)
    seconds = CLOCK() - start
    await chunks.aclose()
    return seconds


# -- rows ---------------------------------------------------------------------------


def measure(runtime: str, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """The rows of one runtime, with and without langchain-core, from processes of their own."""
    loaded, bare = (_worker(runtime, langchain, rounds) for langchain in ("with", "without"))
    rows, first_chunks = [], []
    for what, times in loaded["samples"].items():
        over = ratio(times["langgraph"], times["hand"])
        rows += [{"runtime": runtime, **row} for row in _rows(what, times, True, over)]
        if what in bare["samples"]:
            alone = _rows(what, bare["samples"][what], False, over)
            rows += [{"runtime": runtime, **row} for row in alone]
    for report in (loaded, bare):
        for what, by_contestant in report["first_chunks"].items():
            for contestant, ms in by_contestant.items():
                first_chunks.append(
                    {
                        "runtime": runtime,
                        "what": what,
                        "contestant": contestant,
                        "langchain_core": report is loaded,
                        "ms_median": median(ms),
                        "ms_max": max(ms),
                    }
                )
    return {"rows": rows, "first_chunks": first_chunks}


def _worker(runtime: str, langchain: str, rounds: int) -> dict[str, Any]:
    print(f"measuring the {runtime} runtime on asyncio {langchain} langchain-core", file=sys.stderr)
    command = [sys.executable, __file__, runtime, langchain, str(rounds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _rows(
    what: str, times: dict[str, list[float]], is_loaded: bool, theirs_over_hand: Spread
) -> Iterator[dict[str, Any]]:
    """The figures of every generated module.

    Args:
        is_loaded: langchain-core is; LangGraph runs in no other process, so its ratio to a run
            without is a quotient of two ratios to the same hand-written code.
        theirs_over_hand: LangGraph's ratio to that.
    """
    for mode in MODULES:
        if mode not in times:
            continue
        over = ratio(times[mode], times["hand"])
        middle, low, high = theirs_over_hand
        quotient = middle / over[0], low / over[2], high / over[1]
        yield {
            "what": what,
            "module": mode,
            "langchain_core": is_loaded,
            "us": median(times[mode]),
            "us_hand": median(times["hand"]),
            "us_langgraph": median(times["langgraph"]) if is_loaded else None,
            "over_hand": over,
            "langgraph_over": ratio(times["langgraph"], times[mode]) if is_loaded else quotient,
        }


def show(report: dict[str, list[dict[str, Any]]]) -> None:
    """Prints what `measure` gives."""
    print(
        "\nAsync runs, and streams of what nodes write on other threads, µs per run.\n"
        "Hand-written: awaits, and for custom chunks a SimpleQueue between two threads; without "
        "a saver.\n× hand-written: lgc / that; LangGraph ×: LangGraph / lgc; [quartiles]. "
        "Without langchain-core LangGraph × is a quotient\nof two processes' ratios."
    )
    print(f"{'':90}{'hand':>9}{'lgc':>9}{'LangGraph':>11}  {'× hand-written':<22}LangGraph ×")
    for row in sorted(report["rows"], key=lambda row: row["what"]):
        loaded = "with" if row["langchain_core"] else "without"
        name = f"{row['what']}: {row['runtime']} runtime, {row['module']} module, {loaded} core"
        theirs = row["us_langgraph"]
        print(
            f"{name:90}{row['us_hand']:9.1f}{row['us']:9.1f}"
            f"{'' if theirs is None else f'{theirs:.1f}':>11}"
            f"  {_shown(row['over_hand']):<22}{_shown(row['langgraph_over'])}"
        )
    print(
        f"\nFrom the call of `astream` to the chunk of a node of {BRIEF * 1e3:g} ms, "
        f"{FIRST_CHUNKS} runs, ms."
    )
    print(f"{'':90}{'median':>9}{'max':>9}")
    for row in report["first_chunks"]:
        loaded = "with" if row["langchain_core"] else "without"
        contestant = (
            "LangGraph"
            if row["contestant"] == "langgraph"
            else (f"{row['runtime']} runtime, {row['contestant']} module")
        )
        name = f"{row['what']}: {contestant}, {loaded} core"
        print(f"{name:90}{row['ms_median']:9.2f}{row['ms_max']:9.2f}")


def _shown(spread: Spread) -> str:
    return f"{spread[0]:.3g} [{spread[1]:.3g}, {spread[2]:.3g}]"


if __name__ == "__main__":
    main(*sys.argv[1:])
