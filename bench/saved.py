"""Runs with a saver: chain10 on lgc and on LangGraph, with each one's savers.

One process measures one runtime, and prints the samples as JSON:

    saved.py {interpreted,native,installed} ROUNDS [CONTESTANT...]

The contestants are those of `measure.py`; `hand` has no saver, and runs only when it is named.
Every run has a thread of its own. Ratios are taken within a round (`measure.sample`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from measure import MODULES, generated, ratio, sample, use_runtime
from nodes import WORKLOADS

WORKLOAD = WORKLOADS["chain10"]


def main(runtime: str, rounds: str, *contestants: str) -> None:
    """Measures every saver, and prints the samples by what was measured."""
    use_runtime(runtime)
    with ExitStack() as stack:
        wanted = contestants or ("langgraph", *MODULES)
        json.dump(dict(_samples(int(rounds), wanted, stack)), sys.stdout)


def _samples(
    rounds: int, wanted: tuple[str, ...], stack: ExitStack
) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """What is run, and its microseconds in every round by contestant."""
    savers = import_module("lgc.runtime.savers")
    folder = Path(stack.enter_context(TemporaryDirectory()))
    theirs_file = stack.enter_context(SqliteSaver.from_conn_string(str(folder / "theirs.db")))
    ours_file = stack.enter_context(savers.SqliteSaver.from_conn_string(str(folder / "ours.db")))
    theirs_file.setup()
    # As lgc's does by itself: what is stored stays when the machine stops.
    theirs_file.conn.execute("PRAGMA synchronous=FULL")
    pairs = {
        "InMemorySaver": (InMemorySaver(), InMemorySaver()),
        "each one's memory saver": (InMemorySaver(), savers.MemorySaver()),
        "each one's SQLite file": (theirs_file, ours_file),
    }
    for durability in ("sync", "exit"):
        for name, (theirs, ours) in pairs.items():
            runs = _runs(theirs, ours, durability, wanted)
            yield f"{name}, {durability}", sample(runs, rounds)


def _runs(
    their_saver: Any, our_saver: Any, durability: str, wanted: tuple[str, ...]
) -> dict[str, Callable[[], Any]]:
    graphs = {}
    if "langgraph" in wanted:
        theirs = getattr(import_module("workloads"), WORKLOAD.graph)
        graphs["langgraph"] = theirs.compile(checkpointer=their_saver)
    for mode in MODULES:
        if mode in wanted and (module := generated(mode, WORKLOAD.graph)) is not None:
            graphs[mode] = module.compile(checkpointer=our_saver)
    runs = {name: _invoking(graph, name, durability) for name, graph in graphs.items()}
    if "hand" in wanted:
        runs["hand"] = lambda: WORKLOAD.by_hand(WORKLOAD.fresh())
    expected = WORKLOAD.by_hand(WORKLOAD.fresh())
    for name, run in runs.items():
        if run() != expected:
            raise SystemExit(f"{name} gave another result than the hand-written code")
    return runs


def _invoking(graph: Any, name: str, durability: str) -> Callable[[], Any]:
    threads = count()

    def run() -> Any:
        config = {"configurable": {"thread_id": f"{name}-{durability}-{next(threads)}"}}
        return graph.invoke(WORKLOAD.fresh(), config, durability=durability)

    return run


def _row(what: str, times: dict[str, list[float]]) -> dict[str, Any]:
    theirs = times["langgraph"]
    return {
        "what": what,
        "us_langgraph": median(theirs),
        "us": {mode: median(ours) for mode, ours in times.items() if mode != "langgraph"},
        "langgraph_over": {
            mode: ratio(theirs, ours) for mode, ours in times.items() if mode != "langgraph"
        },
    }


def measure(runtime: str, rounds: int) -> list[dict[str, Any]]:
    """The rows of one runtime, from a process of its own."""
    command = [sys.executable, __file__, runtime, str(rounds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return [{"runtime": runtime, **_row(*case)} for case in json.loads(done.stdout).items()]


def show(rows: list[dict[str, Any]]) -> None:
    """Prints the rows of `measure`."""
    print(
        f"\nWith a saver: {WORKLOAD.graph}, every run on a new thread, langchain-core loaded, µs.\n"
        "LangGraph ×: LangGraph / lgc, [quartiles]. SQLite with synchronous=FULL on both sides."
    )
    print(f"{'':72}{'lgc':>9}{'LangGraph':>11}  LangGraph ×")
    for row in rows:
        for mode, us in row["us"].items():
            middle, low, high = row["langgraph_over"][mode]
            name = f"{row['runtime']} runtime, {mode} module, {row['what']}"
            print(
                f"{name:72}{us:9.1f}{row['us_langgraph']:11.1f}"
                f"  {middle:.3g} [{low:.3g}, {high:.3g}]"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
