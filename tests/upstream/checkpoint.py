"""`make upstream`, its other part: the tests of LangGraph's serializers and savers on lgc's.

    python tests/upstream/checkpoint.py [--baseline] [pytest arguments]

The tests come from the sdists on PyPI. `in_place` puts lgc's classes in the place of LangGraph's;
everything else is LangGraph's own, its graphs too. checkpoint_expected.txt lists the tests that do
not pass, each with the reason, and any difference from it fails.

langgraph-checkpoint-sqlite's test_conformance_delta.py is left out: it needs a version of
langgraph-checkpoint-conformance that PyPI has not, and fails on plain LangGraph.

With pytest arguments (`-k`, test ids) only that part runs, with tracebacks; `--baseline` runs plain
LangGraph.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdist import BUILD, Sdist

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "checkpoint_expected.txt"
TIMEOUT = 60
SETTINGS = """\
addopts = --strict-markers
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
"""


@dataclass(frozen=True)
class Suite:
    """The files of an sdist that are about serializers and savers, and how many tests they hold."""

    sdist: Sdist
    files: tuple[str, ...]
    tests: int


SUITES = (
    Suite(
        Sdist(
            "langgraph-checkpoint",
            "4.3.2",
            "fcab8468c7e965d7055e2a35c253d73a145624ef4728b150ca7c361f4afca286",
            BUILD / "checkpoint",
            SETTINGS,
        ),
        ("test_jsonplus.py", "test_encrypted.py", "test_memory.py"),
        138,
    ),
    Suite(
        Sdist(
            "langgraph-checkpoint-sqlite",
            "3.1.2",
            "4e3f376fa6f192d6ad2a1a4643b039986f1593552ef870e9e45281575de6fbf2",
            BUILD / "checkpoint-sqlite",
            SETTINGS,
        ),
        (
            "test_sqlite.py",
            "test_aiosqlite.py",
            "test_delta_channel_migration.py",
            "test_delta_parent_walk.py",
            "test_get_delta_channel_history.py",
            "test_writes_task_path_migration.py",
        ),
        39,
    ),
)


def main() -> None:
    """Runs the tests and reports; exits with 1 if anything is not as expected."""
    parser = argparse.ArgumentParser(
        usage="%(prog)s [--baseline] [pytest arguments]",
        description="The tests of LangGraph's serializers and savers on lgc's.",
        allow_abbrev=False,
    )
    parser.add_argument("--baseline", action="store_true", help="plain LangGraph, without lgc")
    options, chosen = parser.parse_known_args()
    outcomes: dict[str, str] = {}
    wrong = []
    for suite in SUITES:
        suite.sdist.unpack()
        result = run(suite, chosen, in_place=not options.baseline)
        if not chosen and len(result) != suite.tests:
            wrong.append(f"{suite.sdist.project} has {len(result)} tests, not {suite.tests}")
        outcomes.update(result)
        shown = ", ".join(f"{n} {outcome}" for outcome, n in Counter(result.values()).items())
        print(f"{suite.sdist.project} {suite.sdist.version}: {shown}")
    listed = {} if options.baseline else read_expected(EXPECTED.read_text(encoding="utf-8"))
    wrong += problems(outcomes, listed, complete=not chosen)
    for line in wrong:
        print(f"upstream: {line}")
    sys.exit(bool(wrong))


def run(suite: Suite, chosen: Sequence[str], *, in_place: bool) -> dict[str, str]:
    """The outcome of each test, `project/file::test`.

    Args:
        suite: its sdist is unpacked.
        chosen: pytest's arguments.
        in_place: with lgc's classes.
    """
    audit = suite.sdist.folder / "audit.jsonl"
    audit.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", f"--timeout={TIMEOUT}", "-q"]
    command += ["-p", "audit"]
    if in_place:
        command += ["-p", "in_place"]
    files = [f"tests/{file}" for file in suite.files]
    if not chosen:
        command += ["--tb=no", "-rN", *files]
    elif not any(argument.startswith("tests/") for argument in chosen):
        command += files
    environment = {**os.environ, "LGC_AUDIT": str(audit), "PYTHONPATH": str(HERE)}
    done = subprocess.run([*command, *chosen], cwd=suite.sdist.folder, env=environment, check=False)
    # 1 is a failed test, 4 a file that this sdist has not, 5 that there is no test.
    if done.returncode not in (0, 1, 4, 5):
        sys.exit(f"upstream: pytest ended with status {done.returncode}")
    lines = audit.read_text(encoding="utf-8").splitlines() if audit.exists() else []
    rows = sorted(map(json.loads, lines), key=lambda row: str(row["test"]))
    return {f"{suite.sdist.project}/{row['test']}": row["outcome"] for row in rows}


def read_expected(text: str) -> dict[str, str]:
    """Test -> reason, of checkpoint_expected.txt: tests are indented below their reason."""
    reasons = {}
    reason = ""
    for line in text.splitlines():
        if line.startswith(" "):
            reasons[line.strip()] = reason
        elif line and not line.startswith("#"):
            reason = line
    return reasons


def problems(outcomes: dict[str, str], listed: dict[str, str], *, complete: bool) -> list[str]:
    """What is not as it should be, a line each.

    Args:
        outcomes: by test.
        listed: the reason for each test that is not to pass.
        complete: all tests were run.
    """
    wrong = []
    for test, outcome in outcomes.items():
        failed = outcome in ("failed", "error")
        if failed and test not in listed:
            wrong.append(f"{test} {outcome}, and is not listed")
        elif not failed and test in listed:
            wrong.append(f"{test} {outcome}, and is still listed: {listed[test]}")
    if complete:
        gone = sorted(listed.keys() - outcomes)
        wrong += [f"{test} is listed and does not exist" for test in gone]
    return wrong


if __name__ == "__main__":
    main()
