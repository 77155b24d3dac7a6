"""Says at the end how much was compared."""

from __future__ import annotations

from typing import Any

from parity import COUNTS


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints the counts of this run."""
    if COUNTS:
        counts = ", ".join(f"{number} {what}" for what, number in sorted(COUNTS.items()))
        terminalreporter.write_line(f"parity with langgraph: {counts}")
