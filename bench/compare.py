"""Before and after: two installed lgc in alternating processes, row by row.

    .venv/bin/python bench/compare.py BEFORE AFTER [--pairs 5] [--rounds 100] [--json FILE]

BEFORE and AFTER are virtual environments with a wheel of lgc and what the compiler and the tests
ask for (`make .venv-native/.installed` makes one, in any checkout). Each compiles the benchmarked
graphs with its own compiler; then processes of the two take turns, and which of them begins a pair.

A process measures lgc against hand-written code, which is the same on both sides, in the same
rounds (for runs with a saver it is chain10 without one). Its figure of a row is the median of those
ratios. A row says the median of one side's figures over the median of the other's, and the lowest
and the highest quotient of a pair. The exit code is 1 when a row is slower by more than --limit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from measure import ratio
from prepare import HERE, OUT, compile_graphs

SIDES = ("before", "after")
PAIRS = 5
ROUNDS = 100
LIMIT = 1.05
MEMORY = Path("/dev/shm")
"""Where SQLite's files are, if the machine has it: a disk's time to commit varies by a factor."""

Samples = dict[str, dict[str, list[float]]]
Figures = dict[str, tuple[float, float]]
"""Of one process: by row, the ratio to hand-written code, and the microseconds."""


def main() -> None:
    """Compiles, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path, help="a virtual environment")
    parser.add_argument("after", type=Path, help="a virtual environment")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"of processes; {PAIRS}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"in a process; {ROUNDS}")
    parser.add_argument(
        "--modules",
        choices=("native", "interpreted"),
        default="native",
        help="which of the generated modules run on the native runtime; native",
    )
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu leaves out the waiting of fan-outs, and what other processes disturb; wall",
    )
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"of a row; {LIMIT}")
    parser.add_argument("--json", metavar="FILE", help="write the figures to FILE too")
    arguments = parser.parse_args()

    pythons = {side: str(getattr(arguments, side).absolute() / "bin/python") for side in SIDES}
    for side, python in pythons.items():
        compile_graphs(python, _folder(side), arguments.modules)
    figures: dict[str, list[Figures]] = {side: [] for side in SIDES}
    for pair in range(arguments.pairs):
        for side in SIDES if pair % 2 == 0 else reversed(SIDES):
            print(f"pair {pair + 1} of {arguments.pairs}: {side}", file=sys.stderr)
            figures[side].append(_measured(pythons[side], side, arguments))
    rows = [_row(what, figures) for what in figures["before"][0]]
    _print(rows, arguments)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if any(row["after_over_before"][0] > arguments.limit for row in rows):
        raise SystemExit(1)


def _folder(side: str) -> Path:
    return OUT / "compare" / side


def _measured(python: str, side: str, arguments: argparse.Namespace) -> Figures:
    """Runs without langchain-core, with it, and with savers, each in a process of its own."""
    figures: Figures = {}
    rounds, modules = str(arguments.rounds), arguments.modules
    for what, script in (
        ("{}", ["measure.py", "installed", "without", rounds, "hand", modules]),
        ("{}, with langchain-core", ["measure.py", "installed", "with", rounds, "hand", modules]),
        ("chain10, {}", ["saved.py", "installed", rounds, "hand", modules]),
    ):
        for name, times in _samples(python, side, script, arguments.clock).items():
            middle = ratio(times[modules], times["hand"])[0]
            figures[what.format(name)] = middle, median(times[modules])
    return figures


def _samples(python: str, side: str, script: list[str], clock: str) -> Samples:
    command = [python, str(HERE / script[0]), *script[1:]]
    environment = {**os.environ, "LGC_BENCH_OUT": str(_folder(side)), "LGC_BENCH_CLOCK": clock}
    if MEMORY.is_dir():
        environment["TMPDIR"] = str(MEMORY)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    samples: Samples = json.loads(done.stdout)
    return samples


def _row(what: str, figures: dict[str, list[Figures]]) -> dict[str, Any]:
    ratios = {side: [process[what][0] for process in figures[side]] for side in SIDES}
    quotients = [
        after / before for before, after in zip(ratios["before"], ratios["after"], strict=True)
    ]
    over = {side: median(ratios[side]) for side in SIDES}
    return {
        "what": what,
        "over_hand": over,
        "us": {side: median(process[what][1] for process in figures[side]) for side in SIDES},
        "after_over_before": (over["after"] / over["before"], min(quotients), max(quotients)),
    }


def _print(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    print(
        f"{arguments.pairs} pairs of processes, {arguments.rounds} rounds each, "
        f"{arguments.modules} modules on the native runtime, {arguments.clock} time.\n"
        "×: lgc / hand-written. after / before: of the two ×, [lowest, highest pair].\n"
        "µs are medians of the processes' medians."
    )
    print(f"{'':48}{'before µs':>10}{'after µs':>10}{'before ×':>10}{'after ×':>9}  after / before")
    for row in rows:
        us, over = row["us"], row["over_hand"]
        middle, low, high = row["after_over_before"]
        mark = "  slower" if middle > arguments.limit else ""
        print(
            f"{row['what']:48}{us['before']:10.1f}{us['after']:10.1f}"
            f"{over['before']:10.3g}{over['after']:9.3g}"
            f"  {middle:.3f} [{low:.3f}, {high:.3f}]{mark}"
        )


if __name__ == "__main__":
    main()
