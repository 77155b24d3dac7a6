"""What production pays for at import: the standard library's slow modules come when needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Slow, or not production's business.
UNWANTED = [
    "asyncio",
    "concurrent.futures",
    "dataclasses",
    "inspect",
    "json",
    "langchain_core",
    "langgraph",
    "logging",
    "lgc.compiler",
    "pydantic",
    "sqlite3",
    "typing_extensions",
    "uuid",
]


def loaded(statement: str, folder: Path) -> set[str]:
    """The modules that `statement` loads in a fresh interpreter, without site's own imports."""
    script = (
        "import sys; before = set(sys.modules)\n"
        f"{statement}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_package_loads_nothing(tmp_path: Path) -> None:
    found = loaded("import lgc", tmp_path)
    assert not [name for name in found if name.startswith("lgc.")]


@pytest.mark.parametrize(
    "statement", ["import lgc.runtime.abi", "from lgc import END, START, GraphRecursionError"]
)
def test_runtime(tmp_path: Path, statement: str) -> None:
    found = loaded(statement, tmp_path)
    assert found.isdisjoint(UNWANTED), sorted(found & set(UNWANTED))
