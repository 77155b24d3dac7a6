"""tests/upstream/audit.py: the account of a pytest run, in one process and over pytest-xdist."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

XDIST = ("-p", "xdist", "-n2")

SUITE = """
import os
import threading

import pytest

from audit import LISTENER as listener

listener.compiled()


@pytest.fixture
def broken_before():
    listener.refused("Send", "node 'a'")
    raise ValueError("before")


@pytest.fixture
def broken_after():
    yield
    listener.ran()
    raise ValueError("after")


def test_runs():
    listener.compiled()
    listener.compiled()
    thread = threading.Thread(target=listener.ran)
    thread.start()
    thread.join()


def test_refused_and_passes():
    listener.ran()
    for feature, where in (("retry", "node 'b'"), ("Send", ""), ("retry", "node 'c'")):
        listener.refused(feature, where)


def test_guarded():
    listener.guarded()
    raise RuntimeError("\\n  first line\\nsecond line")


def test_before(broken_before):
    pass


def test_after(broken_after):
    listener.ran()


def test_fails_and_after(broken_after):
    raise ValueError("in the test")


def test_skipped():
    pytest.skip("no reason")


@pytest.mark.xfail
def test_expected_to_fail():
    raise ValueError


class TestLater:
    def test_starts_from_zero(self):
        pass
"""

LINE = (
    "lgc: 3 graphs compiled, 5 runs made by lgc, 4 refused as unsupported (Send: 2, retry: 2), "
    "1 stopped at LangGraph's own loop"
)


def row(outcome: str = "passed", message: str = "", **figures: Any) -> dict[str, Any]:
    """What the file says of one test, but for its id."""
    nothing = {"compiled": 0, "runs": 0, "refused": [], "where": "", "guarded": 0}
    return {"outcome": outcome, "message": message, **nothing, **figures}


ROWS = {
    "test_runs": row(compiled=2, runs=1),
    "test_refused_and_passes": row(runs=1, refused=["retry", "Send"], where="node 'b'"),
    "test_guarded": row("failed", "RuntimeError:", guarded=1),
    "test_before": row("error", "ValueError: before", refused=["Send"], where="node 'a'"),
    "test_after": row("error", "ValueError: after", runs=2),
    "test_fails_and_after": row("failed", "ValueError: in the test", runs=1),
    "test_skipped": row("skipped"),
    "test_expected_to_fail": row("skipped"),
    "TestLater::test_starts_from_zero": row(),
}


class Session:
    """A pytest run of its own process: what it printed, and the file it wrote."""

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        audit = folder / "audit.jsonl"
        audit.write_text("of an earlier run\n")
        (folder / "pytest.ini").write_text("[pytest]\n")
        drop = ("PYTEST_", "LGC_")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
        environment.update(PYTHONPATH=str(Path(__file__).parent), LGC_AUDIT=audit.name, **variables)
        # Other plugins have no part in it and take seconds to load.
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "audit", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.output = done.stdout + done.stderr
        self.lines = [line for line in self.output.splitlines() if line.startswith("lgc: ")]
        rows = [json.loads(line) for line in audit.read_text().splitlines()]
        self.rows = {row.pop("test"): row for row in rows}
        assert len(self.rows) == len(rows), "no test twice"


@pytest.mark.parametrize(
    "arguments", [(), XDIST, (*XDIST, "-n0", "-q")], ids=["plain", "xdist", "n0"]
)
def test_account(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)

    session = Session(tmp_path, *arguments)

    assert session.rows == {f"test_suite.py::{name}": row for name, row in ROWS.items()}
    assert session.lines == [LINE], session.output


@pytest.mark.parametrize("arguments", [(), XDIST], ids=["plain", "xdist"])
def test_nothing_happened(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "test_suite.py").write_text("def test_a(): pass\n")

    session = Session(tmp_path, *arguments)

    assert session.lines == [
        "lgc: 0 graphs compiled, 0 runs made by lgc, 0 refused as unsupported, "
        "0 stopped at LangGraph's own loop"
    ]
    assert session.rows == {"test_suite.py::test_a": row()}


@pytest.mark.parametrize("arguments", [(), XDIST], ids=["plain", "xdist"])
def test_module_that_cannot_be_imported(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "test_broken.py").write_text("raise ValueError('at import')\n")
    (tmp_path / "test_whole.py").write_text("def test_a(): pass\n")

    session = Session(tmp_path, "--continue-on-collection-errors", *arguments)

    assert session.rows["test_whole.py::test_a"] == row()
    broken = session.rows["test_broken.py"]
    assert broken["outcome"] == "error"
    assert "at import" in broken["message"]


def test_worker_that_crashes(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(
        "import os\nfrom audit import LISTENER as listener\n"
        "def test_crash():\n    listener.ran()\n    os._exit(1)\n"
        "def test_other():\n    listener.ran()\n"
    )

    session = Session(tmp_path, *XDIST)

    crash = session.rows.pop("test_suite.py::test_crash")
    assert crash["outcome"] == "failed"
    assert "crashed" in crash["message"]
    assert session.rows == {"test_suite.py::test_other": row(runs=1)}
    assert "1 runs made by lgc" in session.lines[0]


def test_backend_reports(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(
        "from langgraph.graph import StateGraph\n"
        "def test_a():\n"
        "    builder = StateGraph(dict).add_node('a', lambda state: state)\n"
        "    builder.set_entry_point('a').compile().invoke({})\n"
    )

    session = Session(tmp_path, "-p", "lgc.backend", LANGGRAPH_BACKEND="lgc")

    assert session.rows == {"test_suite.py::test_a": row(compiled=1, runs=1)}
