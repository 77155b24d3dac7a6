"""One measured process: `measure.py {interpreted,native} {with,without} ROUNDS` prints JSON.

Contestants take turns in many short rounds and every ratio is taken within a
round, so that what disturbs the machine disturbs both sides of it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

SLOT = 0.004
"""Seconds one contestant is run for in one round, at least once."""

OUT = Path(__file__).resolve().parent.parent / "build" / "bench"


def sample(contestants: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Microseconds per call of every contestant, in every round."""
    calls = {}
    for name, run in contestants.items():
        _time(run, 2)
        calls[name] = max(1, round(SLOT / _time(run, 2)))
    found: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    for _ in range(rounds):
        for name in order:
            found[name].append(_time(contestants[name], calls[name]) * 1e6)
        order.append(order.pop(0))
    return found


def _time(run: Callable[[], Any], calls: int) -> float:
    """Seconds per call; the garbage collector stays on."""
    start = perf_counter()
    for _ in range(calls):
        run()
    return (perf_counter() - start) / calls


def ratio(over: list[float], under: list[float]) -> tuple[float, float, float]:
    """Median and quartiles of the ratios within the rounds: (median, low, high)."""
    values = [a / b for a, b in zip(over, under, strict=True)]
    low, _, high = quantiles(values, n=4)
    return median(values), low, high


def use_runtime(mode: str) -> None:
    """Puts the runtime of `mode` and the compiled modules on `sys.path`, and checks it."""
    sys.path[:0] = [str(OUT / "runtime"), str(OUT)] if mode == "native" else [str(OUT)]
    engine = import_module("lgc.runtime.engine.loop").__file__ or ""
    if engine.endswith(".py") != (mode == "interpreted"):
        raise SystemExit(f"wanted the {mode} runtime, found {engine}")


def _contestants(name: str, langchain: bool) -> dict[str, Callable[[], Any]]:
    nodes = import_module("nodes")
    by_hand = nodes.BY_HAND[name]
    fresh = nodes.INPUTS.get(name, nodes.fresh)
    found: dict[str, Callable[[], Any]] = {"hand": lambda: by_hand(fresh())}
    for mode in ("interpreted", "native"):
        if (OUT / f"modules_{mode}").is_dir():
            found[mode] = _invoking(import_module(f"modules_{mode}.{name}").graph, fresh)
    if langchain:
        found["langgraph"] = _invoking(getattr(import_module("workloads"), name).compile(), fresh)
    wanted = found["hand"]()
    for contestant, run in found.items():
        if run() != wanted:
            raise SystemExit(f"{name}: {contestant} gave another result than the hand-written code")
    return found


def _invoking(graph: Any, fresh: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: graph.invoke(fresh())


def main(runtime: str, langchain: str, rounds: str) -> None:
    """Measures every workload and prints the samples."""
    use_runtime(runtime)
    found = {}
    nodes = import_module("nodes")
    for name in nodes.BY_HAND:
        if langchain == "without" and name in nodes.NEEDS_LANGCHAIN:
            continue
        found[name] = sample(_contestants(name, langchain == "with"), int(rounds))
    if ("langchain_core" in sys.modules) != (langchain == "with"):
        raise SystemExit(f"this process was to be {langchain} langchain-core")
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
