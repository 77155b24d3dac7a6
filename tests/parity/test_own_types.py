"""Graphs written with lgc's own types, made before langgraph is loaded, under plain LangGraph."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import own_types
import pytest
from parity import COUNTS


@pytest.fixture(scope="module")
def differences(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Case -> None, or what was seen with lgc's types and what with LangGraph's."""
    done = subprocess.run(
        [sys.executable, own_types.__file__],
        cwd=tmp_path_factory.mktemp("own_types"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("case", own_types.CASES)
def test_langgraph_takes_lgcs_types(differences: dict[str, Any], case: str) -> None:
    if differences[case] is not None:
        mine, theirs = differences[case]
        assert mine == theirs
    COUNTS["graphs with lgc's types"] += 1
