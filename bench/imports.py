"""What the import of a generated module costs over that of the module its nodes are in.

Every import has a process of its own; the two sides take turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from statistics import median, quantiles
from typing import Any

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "build" / "bench"
GRAPHS = {"one": "light", "chain10": "nodes", "chain100": "nodes"}
"""Which module the nodes of a graph are in."""
# Linux's ru_maxrss would hold the peak of the parent too.
_CHILD = """
import sys, time
start = time.perf_counter()
module = __import__(sys.argv[1], fromlist=["*"])
seconds = time.perf_counter() - start
try:
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
except OSError:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
unwanted = {"langgraph", "langchain_core", "langchain"} & set(sys.modules)
if unwanted:
    sys.exit(f"{module} imports {unwanted}")
if "." in sys.argv[1]:
    runtime = [m for name, m in sys.modules.items() if name.startswith("lgc.runtime")]
    if module.__file__.endswith(".py") or all(m.__file__.endswith(".py") for m in runtime):
        sys.exit(f"{module} or the runtime is not native")
print(seconds, peak)
"""
LIMIT_MS = 30
LIMIT_MB = 8


def measure(rounds: int) -> list[dict[str, Any]]:
    """What the native module of every graph adds, in ms and MB: (median, low, high)."""
    rows = []
    for graph, user in GRAPHS.items():
        sides = (user, f"modules_native.workloads_{graph}")
        for side in sides:
            _import_in_child(side)  # writes the bytecode
        times, peaks = [], []
        for _ in range(rounds):
            (alone, low), (generated, high) = map(_import_in_child, sides)
            times.append((generated - alone) * 1e3)
            peaks.append((high - low) / 1024)
        rows.append({"workload": graph, "ms": _spread(times), "mb": _spread(peaks)})
    return rows


def show(rows: list[dict[str, Any]], rounds: int) -> None:
    """Prints the rows of `measure`."""
    print(
        "\nImport of a native module over that of its nodes alone, without langchain-core: at most "
        f"{LIMIT_MS} ms and {LIMIT_MB} MB.\n"
        f"Medians [quartiles] of {rounds} pairs of fresh processes; MB of peak resident memory."
    )
    print(f"{'':12}{'ms':<26}MB")
    for row in rows:
        print(f"{row['workload']:12}{_shown(row['ms']):<26}{_shown(row['mb'])}")


def _import_in_child(module: str) -> tuple[float, float]:
    """Seconds and the peak in kB; what `site` imports at the start is not there to be shared."""
    path = os.pathsep.join(map(str, (OUT / "runtime", OUT, HERE, sysconfig.get_path("platlib"))))
    done = subprocess.run(
        [sys.executable, "-S", "-c", _CHILD, module],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    seconds, peak = done.stdout.split()
    return float(seconds), int(peak)


def _spread(values: list[float]) -> tuple[float, float, float]:
    low, _, high = quantiles(values, n=4)
    return median(values), low, high


def _shown(spread: tuple[float, float, float]) -> str:
    return f"{spread[0]:.2f} [{spread[1]:.2f}, {spread[2]:.2f}]"
