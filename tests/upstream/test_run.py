"""tests/upstream/run.py: what it makes of the account of a run, which is `make upstream`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

UNCOUNTED = {"tests/test_whole.py", "tests/test_some.py::test_other"}


@pytest.fixture(scope="module")
def upstream() -> ModuleType:
    """run.py as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        return importlib.import_module("run")


def row(test: str, outcome: str = "passed", **figures: Any) -> dict[str, Any]:
    """An object of the audit."""
    nothing = {"message": "", "compiled": 0, "runs": 0, "refused": [], "guarded": 0}
    return {"test": test, "outcome": outcome, **nothing, **figures}


@pytest.mark.parametrize(
    ("account", "outcome", "reason"),
    [
        (row("test_a", runs=1), "passed", ""),
        (row("test_a", "skipped"), "skipped", ""),
        (row("test_a"), "failed", "passed without lgc"),
        (row("test_a", "error", message="E: x"), "failed", "E: x"),
        (row("test_a", runs=2, refused=["Send", "retry"]), "refused", "Send"),
        (row("test_a", "failed", guarded=1), "refused", "LangGraph's own loop"),
        (row("test_a", "failed", refused=["Send"], guarded=1), "refused", "Send"),
        (row("test_other"), "passed", ""),
        (row("test_other[x::y]", refused=["Send"]), "refused", "Send"),
    ],
)
def test_classify(upstream: ModuleType, account: dict[str, Any], outcome: str, reason: str) -> None:
    account["test"] = f"tests/test_some.py::{account['test']}"

    result = upstream.classify(account, UNCOUNTED)

    assert (result.outcome, result.reason) == (outcome, reason)
    assert result.counted == ("test_a" in account["test"])


def test_call_that_raises_before_it_runs_the_graph(upstream: ModuleType) -> None:
    for test in upstream.BEFORE_A_RUN:
        assert upstream.classify(row(test, compiled=1), set()).outcome == "passed"
        assert upstream.classify(row(test), set()).outcome == "failed"


def test_files_do_not_count(upstream: ModuleType) -> None:
    broken = upstream.classify(row("tests/test_some.py", "error", message="E"), UNCOUNTED)
    assert not broken.counted
    assert not upstream.classify(row("tests/test_whole.py::test_a"), UNCOUNTED).counted


def test_uncounted_files_and_functions(upstream: ModuleType) -> None:
    text = "# why\ntests/test_whole.py\ntests/test_some.py\n    test_other\n"
    assert upstream.read_uncounted(text) == UNCOUNTED


def test_message_is_the_same_in_every_run(upstream: ModuleType) -> None:
    message = (
        "Error: <X object at 0x7f36b0c5d2d0> of 1f0a3b52-93ab-6f1c-8000-5e2f1a0c9d11 in "
        "/tmp/pytest-of-me/pytest-3/state.db took 1.2345 s, not 2"
    )
    assert upstream.stable(message) == (
        "Error: <X object at 0x...> of <uuid> in state.db took <number> s, not 2"
    )
    assert len(upstream.stable("x " * 100)) == 120


def test_problems(upstream: ModuleType) -> None:
    rows = [
        row("tests/test_some.py::test_fine", runs=1),
        row("tests/test_some.py::test_listed", refused=["Send"]),
        row("tests/test_some.py::test_better", runs=1),
        row("tests/test_some.py::test_worse", "failed", message="E"),
        row("tests/test_some.py::test_other", "failed", message="E"),
        row("tests/test_whole.py::test_refused", refused=["Send"]),
        row("tests/test_whole.py::test_runs", runs=1),
    ]
    results = {row["test"]: upstream.classify(row, UNCOUNTED) for row in rows}
    expected = {
        "tests/test_some.py::test_listed": "refused: Send",
        "tests/test_some.py::test_better": "refused: Send",
        "tests/test_some.py::test_gone": "refused: Send",
    }

    part = upstream.problems(results, expected, complete=False)

    assert [line.removeprefix("tests/") for line in part] == [
        "test_some.py::test_better passes and is still listed: refused: Send",
        "test_some.py::test_worse is not listed: failed: E",
        "test_some.py::test_other fails, and lgc refused nothing in it: E",
        "test_whole.py::test_refused is not listed: refused: Send",
        "test_whole.py::test_runs ran on lgc and stands in uncounted.txt",
    ]
    gone, *count = upstream.problems(results, expected, complete=True)[len(part) :]
    assert gone == "tests/test_some.py::test_gone is listed and does not exist"
    assert count == ["4 tests counted, not 2118"] * (sys.version_info >= (3, 11))


def test_list_is_read_as_it_was_written(
    upstream: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "EXPECTED", tmp_path / "expected.txt")
    monkeypatch.setattr(upstream, "HERE", tmp_path / "tests" / "upstream")
    rows = [
        row("tests/test_some.py::test_z", "failed", message="E: a\tb"),
        row("tests/test_some.py::test_fine", runs=1),
        row("tests/test_some.py::test_other", "failed", message="not lgc's"),
        row("tests/test_some.py::test_a[\u00e9 x]", refused=["Send"]),
    ]
    assert upstream.read_expected() == {}

    upstream.write_expected(upstream.classify(row, UNCOUNTED) for row in rows)

    assert list(upstream.read_expected().items()) == [
        ("tests/test_some.py::test_a[\u00e9 x]", "refused: Send"),
        ("tests/test_some.py::test_z", "failed: E: a b"),
    ]
