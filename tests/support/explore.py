"""`make explore MINUTES=10`: the random tests, from seeds that nobody has tried yet.

    .venv/bin/python tests/support/explore.py [--minutes M] [--seed S] [--suite NAME]

Two processes draw side by side, one with the interpreted lgc of `.venv` and one with the native
lgc of `.venv-native` where that is built. A failure is printed with the case that hypothesis
reduced it to, and with the line that makes every run from now on draw it: it goes to the top of
the suite's file in tests/seeds. `--seed` draws one again. Exits with 1 after a failure.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import random
import subprocess
import sys
import time
import traceback
from pathlib import Path

import seeds
from upstream_loops import closing_failed_loops

import lgc.runtime.channels.base

TESTS = Path(__file__).resolve().parents[1]
NATIVE = TESTS.parent / ".venv-native" / "bin" / "python"
ENGINE = "interpreted" if str(lgc.runtime.channels.base.__file__).endswith(".py") else "native"

_KINDS = 5
"""So many different failures of a suite are shown; then it rests."""
_WEIGHTS = {"graphs": 6, "threads": 6}
"""Suites that get more time than the others."""


def load_suites() -> dict[str, seeds.Suite]:
    """The suites of all test modules that draw from seeds and need no fixture."""
    for path in sorted(TESTS.glob("*/test_*.py")):
        if "@from_seeds(" in path.read_text(encoding="utf-8"):
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            # Schemas find the module they are defined in by its name.
            sys.modules[path.stem] = module
            spec.loader.exec_module(module)
    return {name: suite for name, suite in seeds.SUITES.items() if suite.by_itself}


def explore(suites: dict[str, seeds.Suite], minutes: float, seed: int | None) -> int:
    """Draws from one seed after the other; returns how many failures it printed.

    Args:
        suites: by name.
        minutes: how long; with a seed, each suite draws from that one only.
        seed: the seed; None for fresh ones.
    """
    end = time.monotonic() + minutes * 60
    seen: dict[str, set[str]] = {name: set() for name in suites}
    drawn = dict.fromkeys(suites, 0)
    spent = dict.fromkeys(suites, 0.0)
    left = [*suites]
    while left and (seed is not None or time.monotonic() < end):
        name = min(left, key=lambda name: spent[name] / _WEIGHTS.get(name, 1))
        suite = suites[name]
        number = random.SystemRandom().randrange(2**32) if seed is None else seed
        start = time.monotonic()
        try:
            suite.run(number)
        except Exception as error:
            # One fault shows with many seeds: where and what it is tells it from others.
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} {place.filename}:{place.lineno} {_head(error)}"
            if kind not in seen[name]:
                seen[name].add(kind)
                report(suite, number, error)
        spent[name] += time.monotonic() - start
        drawn[name] += suite.examples
        if seed is not None or len(seen[name]) >= _KINDS:
            left.remove(name)
    counts = ", ".join(f"{number} {name}" for name, number in drawn.items())
    failures = sum(map(len, seen.values()))
    print(f"{ENGINE}: {failures} failures; drawn: {counts}", flush=True)
    return failures


def report(suite: seeds.Suite, number: int, error: Exception) -> None:
    """Prints a failure, its reduced case, and what to do."""
    text = "".join(traceback.format_exception(error, limit=-3))
    first = _head(error)
    print(
        f"\n{'=' * 80}\n{ENGINE}: {suite.name}, seed {number}\n{text}\n"
        f"Add this line at the top of {suite.file.relative_to(TESTS.parent)}, and a test of the "
        f"fault by itself,\nfor a seed draws something else when its strategy changes:\n\n"
        f"    {number}  # {ENGINE}: {first}\n",
        flush=True,
    )


def _head(error: Exception) -> str:
    """What an error says of its cause, without what only this case has."""
    lines = [line.strip() for line in str(error).splitlines()]
    changed = [line for line in lines if line[:2] in ("+ ", "- ")]
    return " | ".join((changed or lines)[:2])[:90] or type(error).__name__


def main() -> None:
    """Explores with this engine, and has another process do so with the native one."""
    parser = argparse.ArgumentParser(description="The random tests, from fresh seeds.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, help="draw from this one only")
    parser.add_argument("--suite", action="append", help="a file of tests/seeds; all")
    options = parser.parse_args()
    native = None
    if ENGINE == "interpreted" and NATIVE.exists():
        native = subprocess.Popen([str(NATIVE), *sys.argv])
    suites = load_suites()
    unknown = {*(options.suite or ())} - {*suites}
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}; there are {', '.join(suites)}")
    # What the codec blocks it says again for every name.
    logging.getLogger().addHandler(logging.NullHandler())
    chosen = {name: suites[name] for name in options.suite or suites}
    with seeds.only_strategies(), closing_failed_loops():
        failures = explore(chosen, options.minutes, options.seed)
    if native is not None:
        failures += native.wait()
    elif ENGINE == "interpreted":
        print("native: not explored; `make .venv-native/.installed` builds it")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
