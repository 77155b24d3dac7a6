"""One measured process: prints the samples of every workload as JSON.

    measure.py {interpreted,native,installed} {with,without} ROUNDS [CONTESTANT...]

With or without langchain-core loaded. The contestants are `hand`, the generated modules
`interpreted` and `native`, and `langgraph`; all that can run unless some are named.

Contestants take turns in many short rounds and every ratio is taken within a
round, so that what disturbs the machine disturbs both sides of it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import Any

SLOT = 0.004
"""Seconds one contestant is run for in one round, at least once."""

OUT = Path(
    os.environ.get("LGC_BENCH_OUT") or Path(__file__).resolve().parent.parent / "build" / "bench"
)
"""Where the compiled modules are; `compare.py` has a folder for each side."""
MODULES = ("interpreted", "native")
CLOCK = process_time if os.environ.get("LGC_BENCH_CLOCK") == "cpu" else perf_counter
"""CPU time of all threads is steadier on a busy machine, and leaves out what waiting costs."""


def sample(
    contestants: dict[str, Callable[[], Any]],
    rounds: int,
    time: Callable[[Callable[[], Any], int], float] | None = None,
) -> dict[str, list[float]]:
    """Microseconds per call of every contestant, in every round.

    Args:
        time: gives the seconds per call of so many calls of a contestant; calls it, if None.
    """
    time = time or _time
    calls = {}
    for name, run in contestants.items():
        time(run, 2)
        calls[name] = max(1, round(SLOT / time(run, 2)))
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    for _ in range(rounds):
        for name in order:
            samples[name].append(time(contestants[name], calls[name]) * 1e6)
        order.append(order.pop(0))
    return samples


def _time(run: Callable[[], Any], calls: int) -> float:
    """Seconds per call; the garbage collector stays on."""
    start = CLOCK()
    for _ in range(calls):
        run()
    return (CLOCK() - start) / calls


def ratio(over: list[float], under: list[float]) -> tuple[float, float, float]:
    """Median and quartiles of the ratios within the rounds: (median, low, high)."""
    values = [a / b for a, b in zip(over, under, strict=True)]
    low, _, high = quantiles(values, n=4)
    return median(values), low, high


def use_runtime(runtime: str) -> None:
    """Puts a runtime and the compiled modules on `sys.path`.

    Args:
        runtime: "native" for the one that `prepare` built, "installed" for the native one of
            this interpreter's environment, "interpreted" for the source of the checkout.

    Raises:
        SystemExit: what is imported is not in the mode that was asked for.
    """
    sys.path[:0] = [str(OUT / "runtime"), str(OUT)] if runtime == "native" else [str(OUT)]
    package = Path(import_module("lgc").__file__ or "").parent
    built = any(
        path.name.endswith(tuple(EXTENSION_SUFFIXES)) for path in (package / "runtime").rglob("*.*")
    )
    if built == (runtime == "interpreted"):
        raise SystemExit(f"the runtime in {package} is not the {runtime} one")


def generated(mode: str, graph: str) -> Any:
    """The generated module of a graph of `workloads`; None when there is none in this mode."""
    if not (OUT / f"modules_{mode}").is_dir():
        return None
    return import_module(f"modules_{mode}.workloads_{graph}")


def _contestants(name: str, wanted: tuple[str, ...]) -> dict[str, Callable[[], Any]]:
    workload = import_module("nodes").WORKLOADS[name]
    runs: dict[str, Callable[[], Any]] = {"hand": lambda: workload.by_hand(workload.fresh())}
    graphs: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for mode in MODULES:
        if mode in wanted and (module := generated(mode, workload.graph)) is not None:
            graphs[mode] = module.graph
            if workload.called:
                inner[mode] = generated(mode, workload.called).graph
    if "langgraph" in wanted:
        graphs["langgraph"] = getattr(import_module("workloads"), workload.graph).compile()
        if workload.called:
            inner["langgraph"] = getattr(import_module("workloads"), workload.called).compile()
    called = import_module("nodes").called
    for key, graph in graphs.items():
        runs[key] = partial(workload.run, graph)
        if workload.called:
            runs[key] = partial(_run_calling, called, inner[key], runs[key])
    expected = runs["hand"]()
    for contestant, run in runs.items():
        if run() != expected:
            raise SystemExit(f"{name}: {contestant} gave another result than the hand-written code")
    return runs


def _run_calling(called: list[Any], inner: Any, run: Callable[[], Any]) -> Any:
    """Runs a graph once; `inner` is the one that its node calls, which looks for it in `called`."""
    called[:] = [inner]
    return run()


def main(runtime: str, langchain: str, rounds: str, *contestants: str) -> None:
    """Measures every workload and prints the samples."""
    use_runtime(runtime)
    if langchain == "with":
        import_module("langchain_core.runnables")
    wanted = contestants or (*MODULES, *(["langgraph"] if langchain == "with" else []))
    samples = {}
    for name, workload in import_module("nodes").WORKLOADS.items():
        if langchain == "with" or not workload.needs_langchain:
            samples[name] = sample(_contestants(name, wanted), int(rounds))
    if ("langchain_core" in sys.modules) != (langchain == "with"):
        raise SystemExit(f"this process was to be {langchain} langchain-core")
    json.dump(samples, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
