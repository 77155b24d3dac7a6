"""tests/upstream/checkpoint.py: what it makes of the outcomes, which is part of `make upstream`."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def upstream() -> ModuleType:
    """checkpoint.py as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        return importlib.import_module("checkpoint")


def test_expected_by_reason(upstream: ModuleType) -> None:
    text = "# why\n\none\n    a::b\n    a::c[x y]\n\ntwo\n    d::e\n"
    assert upstream.read_expected(text) == {"a::b": "one", "a::c[x y]": "one", "d::e": "two"}


def test_problems(upstream: ModuleType) -> None:
    outcomes = {"fine": "passed", "listed": "failed", "better": "passed", "worse": "error"}
    expected = {"listed": "one", "better": "two", "gone": "three"}
    part = [
        "better passed, and is still listed: two",
        "worse error, and is not listed",
    ]
    assert upstream.problems(outcomes, expected, complete=False) == part
    whole = upstream.problems(outcomes, expected, complete=True)
    assert whole == [*part, "gone is listed and does not exist"]
