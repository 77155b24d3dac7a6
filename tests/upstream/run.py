"""`make upstream`: LangGraph's own tests on lgc, and how many of them pass.

    python tests/upstream/run.py [--write | --baseline] [pytest arguments]

The tests come from the sdist on PyPI of the langgraph that is installed, are copied below build/
and run against it; `lgc.backend` compiles its StateGraphs, and in strict mode no run of a
StateGraph can reach LangGraph's own loop unnoticed.

The lists are about the newest version (`sdist.NEWEST`). With an older one (`make upstream
VERSION=1.2.22`) what differs from them is reported and fails nothing: some tests are not there.

A test counts if it runs a StateGraph, as 2,118 do (uncounted.txt lists the rest). It is
  refused  if lgc refused anything in it, or it reached LangGraph's loop, whatever its outcome;
  passed   if it passed and lgc made at least one run (BEFORE_A_RUN names eight exceptions);
  failed   otherwise.
Of the rest, 52 build a StateGraph without running it; they can be refused too, and all others
have to pass. expected.txt lists every test that is refused or fails, with the reason.

Some tests are about time and can fail on a busy machine. So tests that are at odds with
expected.txt run a second time, alone, and what they do then is what counts.

With pytest arguments (`-k`, test ids) only that part runs, with tracebacks and without the count.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from sdist import BUILD, NEWEST, SHA256, Sdist

SETTINGS = "addopts = --strict-markers --snapshot-warn-unused\n"
# Tests that run a StateGraph, and what plain LangGraph makes of all tests. Both hold from
# Python 3.11 on: on 3.10 LangGraph itself skips many that need a task's context variables.
COUNTED = 2118
BASELINE = {"passed": 2952, "skipped": 42}
# Eight of the counted tests: `stream_events` raises over its arguments, or nobody reads what it
# returns, so nothing runs on LangGraph either. They pass if the graph is one of lgc's.
BEFORE_A_RUN = {
    f"tests/{file}.py::{test}"
    for file, tests in {
        "test_pregel_stream_events_v3": (
            "TestCustomTransformer::test_projection_key_conflict_raises",
            "TestCustomTransformer::test_stream_events_v3_rejects_transformer_instances",
            "TestStreamV2Sync::test_extensions_is_read_only",
            "TestStreamV2Sync::test_interleave_unknown_projection",
        ),
        "test_stream_events_v3_kwarg_forwarding": (
            "TestKwargForwardingAsync::test_rejects_stream_mode",
            "TestKwargForwardingAsync::test_rejects_subgraphs",
            "TestKwargForwardingSync::test_rejects_stream_mode",
            "TestKwargForwardingSync::test_rejects_subgraphs",
        ),
    }.items()
    for test in tests
}
# Seconds a test may take; on plain LangGraph the slowest needs less than three.
TIMEOUT = 30
# More tests than this at odds with expected.txt are no accident and do not run again.
AGAIN = 60
# So many lines say what is wrong.
SHOWN = 100
LOOP = "LangGraph's own loop"

HERE = Path(__file__).resolve().parent
EXPECTED = HERE / "expected.txt"
HEADER = f"""\
# The tests of langgraph {NEWEST} that do not pass on lgc yet: test id, tab, reason.
# Written by `make upstream UPSTREAM_ARGS=--write`. "refused" names the first missing feature.
"""
# What differs from run to run in a message: addresses, uuids, temporary directories, numbers.
_UNSTABLE = (
    (re.compile(r"0x[0-9a-f]{6,}"), "0x..."),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<hash>"),
    (re.compile(r"/[\w./-]*/(?=[\w.-]+)"), ""),
    (re.compile(r"\d+\.\d{3,}"), "<number>"),
)


@dataclass(frozen=True)
class Result:
    """What became of one test; `reason` is empty if it passed."""

    test: str
    outcome: str
    reason: str
    counted: bool
    runs: int

    @property
    def listable(self) -> bool:
        """Whether expected.txt may hold the test: lgc has part in it."""
        return self.counted or self.outcome == "refused"


def main() -> None:
    """Runs the tests and reports; exits with 1 if anything is not as expected.txt says."""
    parser = argparse.ArgumentParser(
        usage="%(prog)s [--write | --baseline] [pytest arguments]",
        description="LangGraph's own tests on lgc.",
        allow_abbrev=False,
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--write", action="store_true", help="rewrite expected.txt")
    mode.add_argument("--baseline", action="store_true", help="plain LangGraph, without lgc")
    options, chosen = parser.parse_known_args()
    version = metadata.version("langgraph")
    if version not in SHA256:
        sys.exit(f"upstream: langgraph {version} is installed; sdist.py has {', '.join(SHA256)}")
    newest = version == NEWEST
    if options.write and (chosen or not newest):
        parser.error(f"--write needs all tests of langgraph {NEWEST}")

    Sdist("langgraph", version, SHA256[version], BUILD, SETTINGS).unpack()
    if options.baseline:
        sys.exit(report_baseline(run(chosen, backend=False), complete=newest and not chosen))
    uncounted = read_uncounted((HERE / "uncounted.txt").read_text(encoding="utf-8"))
    rows = run(chosen)
    results = {row["test"]: classify(row, uncounted) for row in rows}
    expected = read_expected()
    if not chosen:
        run_again(results, expected, uncounted)
        report(version, results.values())
        if options.write:
            write_expected(results.values())
            expected = read_expected()
    wrong = problems(results, expected, complete=not chosen)
    if chosen:
        for result in results.values():
            if result.reason:
                print(f"{result.outcome}: {result.test}: {result.reason}")
        print(figures(Counter(result.outcome for result in results.values())))
    for line in wrong[:SHOWN]:
        print(f"upstream: {line}")
    if len(wrong) > SHOWN:
        print(f"upstream: and {len(wrong) - SHOWN} more")
    if wrong and not newest:
        print(f"upstream: that is how langgraph {version} differs from the lists of {NEWEST}")
    sys.exit(bool(wrong) and newest)


def run(chosen: Sequence[str], *, backend: bool = True) -> list[dict[str, Any]]:
    """Runs all tests on two workers, or the `chosen` ones; returns their accounts, by test id.

    Args:
        chosen: pytest's arguments.
        backend: on lgc; without, on plain LangGraph.
    """
    # The account of a whole run stays when a part runs afterwards.
    audit = BUILD / ("audit-part.jsonl" if chosen else "audit.jsonl")
    # Tracing that is on in the user's shell would make another run of it.
    tracing = ("LANGSMITH_", "LANGCHAIN_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(tracing)}
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    environment.update(NO_DOCKER="true", LGC_AUDIT=str(audit), PYTHONPATH=path)
    # LangGraph's order of channels and edges is that of sets of strings.
    environment.setdefault("PYTHONHASHSEED", "0")
    command = [sys.executable, "-m", "pytest", f"--timeout={TIMEOUT}", "-q", "-p", "no:asyncio"]
    command += ["-p", "audit"]
    if backend:
        environment.update(LANGGRAPH_BACKEND="lgc", LGC_STRICT="1")
        command += ["-p", "lgc.backend"]
    if not chosen:
        command += ["-n2", "--dist=worksteal", "--tb=no", "-rN", "--continue-on-collection-errors"]
    if not any(argument.startswith("tests/") for argument in chosen):
        command.append("tests")
    audit.unlink(missing_ok=True)
    status = subprocess.run([*command, *chosen], cwd=BUILD, env=environment, check=False)
    # 1 is a failed test and 5 that there is none; the rest is no test run at all.
    if status.returncode not in (0, 1, 5):
        sys.exit(f"upstream: pytest ended with status {status.returncode}")
    lines = audit.read_text(encoding="utf-8").splitlines()
    return sorted(map(json.loads, lines), key=lambda row: str(row["test"]))


def classify(row: dict[str, Any], uncounted: set[str]) -> Result:
    """What the account of one test means.

    Args:
        row: an object of the audit.
        uncounted: files and test functions that do not count.
    """
    test, outcome = row["test"], row["outcome"]
    file, _, function = test.partition("[")[0].partition("::")
    # Without a function it is a file that cannot be imported.
    counted = bool(function) and uncounted.isdisjoint((file, f"{file}::{function}"))
    before = test in BEFORE_A_RUN
    reason = ""
    if row["refused"]:
        outcome, reason = "refused", row["refused"][0]
    elif row["guarded"]:
        outcome, reason = "refused", LOOP
    elif outcome in ("failed", "error"):
        outcome, reason = "failed", stable(row["message"])
    elif outcome == "passed" and counted and not row["compiled" if before else "runs"]:
        outcome, reason = "failed", "passed without lgc"
    return Result(test, outcome, reason, counted, row["runs"])


def stable(message: str) -> str:
    """`message` without what differs from run to run, at most 120 characters of it."""
    for pattern, replacement in _UNSTABLE:
        message = pattern.sub(replacement, message)
    message = " ".join(message.split())
    return message if len(message) <= 120 else f"{message[:117]}..."


def read_uncounted(text: str) -> set[str]:
    """The files and functions of uncounted.txt: `tests/test_x.py`, `tests/test_x.py::test_y`."""
    functions: dict[str, list[str]] = {}
    file = ""
    for line in text.splitlines():
        if line.startswith(" "):
            functions[file].append(f"{file}::{line.strip()}")
        elif not line.startswith("#"):
            file = line
            functions[file] = []
    return {name for file, names in functions.items() for name in names or [file]}


def read_expected() -> dict[str, str]:
    """Test id -> "refused: feature" or "failed: message", of every test that is not to pass."""
    if not EXPECTED.exists():
        return {}
    lines = EXPECTED.read_text(encoding="utf-8").splitlines()
    rows = (line.partition("\t") for line in lines if line and not line.startswith("#"))
    return {test: reason for test, _, reason in rows}


def write_expected(results: Iterable[Result]) -> None:
    """Writes expected.txt: every test that does not pass and in which lgc has part."""
    rows = sorted((r.test, f"{r.outcome}: {r.reason}") for r in results if r.reason and r.listable)
    text = HEADER + "".join(f"{test}\t{reason}\n" for test, reason in rows)
    EXPECTED.write_text(text, encoding="utf-8")
    print(f"wrote {len(rows)} tests to {EXPECTED.relative_to(HERE.parent.parent)}")


def run_again(results: dict[str, Result], expected: dict[str, str], uncounted: set[str]) -> None:
    """Runs the tests that are at odds with `expected` alone; `results` then holds what they did."""
    tests = [test for test, result in results.items() if bool(result.reason) != (test in expected)]
    if not 0 < len(tests) <= AGAIN:
        return
    print(f"running {len(tests)} tests that are at odds with expected.txt again")
    changed = []
    for row in run([*tests, "--tb=short"]):
        result = classify(row, uncounted)
        before = results.get(result.test)
        if before is not None and before.outcome != result.outcome:
            changed.append(f"{result.test}: {before.outcome}, then {result.outcome}")
        results[result.test] = result
    print("".join(f"unstable: {line}\n" for line in changed), end="")


def problems(results: dict[str, Result], expected: dict[str, str], *, complete: bool) -> list[str]:
    """What is not as it should be, a line each.

    Args:
        results: by test id.
        expected: the reason for each test that is not to pass.
        complete: all tests were run.
    """
    wrong = []
    for test, result in results.items():
        if result.reason and not result.listable:
            wrong.append(f"{test} fails, and lgc refused nothing in it: {result.reason}")
        elif result.reason and test not in expected:
            wrong.append(f"{test} is not listed: {result.outcome}: {result.reason}")
        elif not result.reason and test in expected:
            wrong.append(f"{test} passes and is still listed: {expected[test]}")
        elif result.runs and not result.counted:
            wrong.append(f"{test} ran on lgc and stands in uncounted.txt")
    if not complete:
        return wrong
    wrong += [f"{test} is listed and does not exist" for test in sorted(expected.keys() - results)]
    counted = sum(result.counted and result.outcome != "skipped" for result in results.values())
    if counted < COUNTED and sys.version_info >= (3, 11):
        wrong.append(f"{counted} tests counted, not {COUNTED}")
    stale = sum(
        f"{result.outcome}: {result.reason}" != expected[test]
        for test, result in results.items()
        if result.reason and test in expected
    )
    if stale:
        print(f"note: {stale} reasons in expected.txt are no longer the ones given; --write them")
    return wrong


def report(version: str, results: Iterable[Result]) -> None:
    """Prints the figures of a version of LangGraph by file and by missing feature."""
    results = [result for result in results if result.outcome != "skipped" or result.counted]
    counted = [result for result in results if result.counted]
    files: dict[str, Counter[str]] = {}
    for result in counted:
        files.setdefault(result.test.partition("::")[0], Counter())[result.outcome] += 1
    files["all"] = total = Counter(result.outcome for result in counted)

    width = max(map(len, files))
    print(f"\n{'':{width}}  passed  failed refused   of")
    for file, outcomes in files.items():
        columns = "".join(f"{outcomes[name]:8}" for name in ("passed", "failed", "refused"))
        print(f"{file:{width}}{columns}{outcomes.total():5}")
    refused = Counter(result.reason for result in counted if result.outcome == "refused")
    if refused:
        print("\nrefused, by the first feature that is missing")
        for reason, number in refused.most_common():
            print(f"{number:6}  {reason}")
    failed = Counter(result.reason for result in counted if result.outcome == "failed")
    if failed:
        print("\nfailed, by message")
        for reason, number in failed.most_common(25):
            print(f"{number:6}  {reason}")
        if len(failed) > 25:
            print(f"        and {len(failed) - 25} other messages; expected.txt has them all")
    others = Counter(result.outcome for result in results if not result.counted)
    print(
        f"\nLangGraph {version}'s tests on lgc: of {total.total()} that run a StateGraph "
        f"{total['passed']} pass, {total['failed']} fail, {total['refused']} are refused\n"
        f"(beside them, {others['passed']} that run none pass, {others['failed']} fail, "
        f"{others['refused']} are refused)"
    )


def figures(outcomes: Counter[str]) -> str:
    """`outcomes` in words."""
    return ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common())


def report_baseline(rows: Sequence[dict[str, Any]], *, complete: bool) -> int:
    """Prints what plain LangGraph made of the tests; returns the exit status.

    Args:
        rows: the accounts.
        complete: all tests were run.
    """
    outcomes = Counter(row["outcome"] for row in rows)
    for row in rows:
        if row["outcome"] in ("failed", "error"):
            print(f"{row['outcome']:8} {row['test']}  {row['message']}")
    print(f"plain LangGraph: {figures(outcomes)}")
    if complete and outcomes != BASELINE:
        print(f"upstream: that is not the baseline, {BASELINE} and one file skipped as a whole")
        return 1
    return 0


if __name__ == "__main__":
    main()
