"""`make bench`: µs per run of lgc, hand-written Python and LangGraph, side by side.

    .venv/bin/python bench/run.py [--quick] [--json FILE]

One process measures one runtime (interpreted or native), with or without
langchain-core loaded; LangGraph can run only in those that load it. The ratio of
LangGraph to lgc without langchain-core is therefore a quotient of two ratios to
the same hand-written code, each measured in its own process.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import aio
import codec
import growth
import imports
import saved
from measure import ratio
from nodes import WORKLOADS
from prepare import HERE, build_modules, build_runtime

from lgc.compiler.native import find_compiler

ROUNDS = 100
QUICK_ROUNDS = 15
IMPORT_ROUNDS = 21
GROWTH_ROUNDS = 5

Samples = dict[str, dict[str, list[float]]]


def main() -> None:
    """Builds, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE too")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds")
    arguments = parser.parse_args()
    rounds = QUICK_ROUNDS if arguments.quick else ROUNDS

    native = find_compiler() is not None
    if native:
        build_runtime()
    else:
        print("No C compiler with Python's headers: only the interpreted modes are measured.")
    build_modules(native)
    rows: list[dict[str, Any]] = []
    codecs: list[dict[str, Any]] = []
    savers: list[dict[str, Any]] = []
    on_asyncio: dict[str, list[dict[str, Any]]] = {"rows": [], "first_chunks": []}
    for runtime in ("interpreted", "native") if native else ("interpreted",):
        loaded = _worker(runtime, "with", rounds)
        bare = _worker(runtime, "without", rounds)
        for workload in WORKLOADS:
            rows += _rows(workload, runtime, loaded[workload], bare.get(workload, {}))
        savers += saved.measure(runtime, rounds)
        for kind, measured in aio.measure(runtime, rounds).items():
            on_asyncio[kind] += measured
        codecs += codec.measure(runtime, rounds)
    report = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "langgraph": version("langgraph"),
        "langchain_core": version("langchain-core"),
        "rounds": rounds,
        "rows": rows,
        "savers": savers,
        "asyncio": on_asyncio,
        "codec": codecs,
        "growth": growth.measure(GROWTH_ROUNDS),
        "imports": imports.measure(IMPORT_ROUNDS) if native else [],
    }
    _print(report)
    saved.show(savers)
    aio.show(on_asyncio)
    codec.show(codecs)
    growth.show(report["growth"])
    if native:
        imports.show(report["imports"], IMPORT_ROUNDS)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _worker(runtime: str, langchain: str, rounds: int) -> Samples:
    print(f"measuring the {runtime} runtime {langchain} langchain-core", file=sys.stderr)
    command = [sys.executable, str(HERE / "measure.py"), runtime, langchain, str(rounds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    samples: Samples = json.loads(done.stdout)
    return samples


def _rows(
    workload: str, runtime: str, loaded: dict[str, list[float]], bare: dict[str, list[float]]
) -> list[dict[str, Any]]:
    """The figures of one workload under one runtime.

    Args:
        loaded, bare: the samples with and without langchain-core, by contestant.
    """
    rows = []
    for contestant, times in loaded.items():
        row = _row(workload, runtime, contestant, times, loaded["hand"])
        row["langchain_core"] = True
        row["langgraph_over"] = ratio(loaded["langgraph"], times)
        rows.append(row)
    # Nothing of a workload whose own code needs langchain-core is measured without it.
    middle, low, high = ratio(loaded["langgraph"], loaded["hand"])
    for contestant, times in bare.items():
        row = _row(workload, runtime, contestant, times, bare["hand"])
        row["langchain_core"] = False
        over = row["over_hand"]
        row["langgraph_over"] = (middle / over[0], low / over[2], high / over[1])
        rows.append(row)
    return rows


def _row(
    workload: str, runtime: str, contestant: str, times: list[float], hand: list[float]
) -> dict[str, Any]:
    return {
        "workload": workload,
        "runtime": runtime,
        "contestant": contestant,
        "us_median": median(times),
        "us_min": min(times),
        "over_hand": ratio(times, hand),
    }


_LABELS = {
    "hand": "hand-written",
    "interpreted": "lgc, {} runtime, interpreted module",
    "native": "lgc, {} runtime, native module",
    "langgraph": "LangGraph {}",
}


def _print(report: dict[str, Any]) -> None:
    print(
        f"Python {report['python']}, langchain-core {report['langchain_core']}, "
        f"{report['rounds']} rounds.\n"
        "µs per run; × hand-written: this row / hand-written; LangGraph ×: LangGraph / this row.\n"
        "Ratios are medians of the ratios within each round, [quartiles]. Rows between two rules\n"
        "were measured in one process, LangGraph × without langchain-core across two (a quotient)."
    )
    rows = report["rows"]
    for workload in WORKLOADS:
        for loaded in (True, False):
            if not any(r["workload"] == workload and r["langchain_core"] == loaded for r in rows):
                continue
            shown = "with" if loaded else "without"
            print(f"\n{workload}, {shown} langchain-core loaded")
            print(f"{'':46}{'median':>9}{'min':>9}  {'× hand-written':<24}LangGraph ×")
            for row in rows:
                if row["workload"] == workload and row["langchain_core"] == loaded:
                    _print_row(row, report["langgraph"])


def _print_row(row: dict[str, Any], langgraph: str) -> None:
    contestant = row["contestant"]
    if contestant == "hand":
        print("-" * 104)
    filling = langgraph if contestant == "langgraph" else row["runtime"]
    print(
        f"{_LABELS[contestant].format(filling):46}{row['us_median']:9.1f}{row['us_min']:9.1f}  "
        f"{_shown(row['over_hand']):<24}{_shown(row['langgraph_over'])}"
    )


def _shown(spread: tuple[float, float, float]) -> str:
    return f"{spread[0]:.3g} [{spread[1]:.3g}, {spread[2]:.3g}]"


if __name__ == "__main__":
    main()
