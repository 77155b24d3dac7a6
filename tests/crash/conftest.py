"""Says at the end how often a process was killed, and a run cancelled."""

from __future__ import annotations

from typing import Any

from crashing import CANCELLATIONS, KILLS
from totals import total

total("kills", KILLS)
total("cancellations", CANCELLATIONS)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints the counts of this run."""
    if KILLS:
        counts = ", ".join(f"{number} on {saver}" for saver, number in sorted(KILLS.items()))
        terminalreporter.write_line(f"crashes: {KILLS.total()} points of death: {counts}")
    if CANCELLATIONS:
        points = CANCELLATIONS.total()
        terminalreporter.write_line(f"cancellations: {points} turns of an event loop")
