"""A pytest plugin that keeps an account of a run: what lgc compiled, ran and refused in each test.

`-p lgc.backend -p audit`, with this folder on PYTHONPATH. The backend, when it is loaded, reports
to `LISTENER`, from any thread; its reports belong to the test that runs now. The figures of the
workers of pytest-xdist are added up. The run ends with one line of totals, and with
``LGC_AUDIT=<file>`` there is one JSON object a test in that file:

    {"test": id, "outcome": "passed|failed|skipped|error", "message": first line of the failure,
     "compiled": n, "runs": n, "refused": [features in the order of their first refusal],
     "where": what asked for the first of them, "guarded": n}

What is compiled while test modules are imported belongs to no test: the line counts it, the file
does not. A module that cannot be imported is one object with outcome "error".
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

# The key of an account in the user properties of a report and in a worker's output.
_KEY = "lgc"


@dataclass
class Account:
    """What lgc did in one test, or in several.

    Attributes:
        compiled: graphs compiled.
        runs: runs begun.
        features: refusals by feature, in the order of the first one of each.
        where: what asked for the first feature refused.
        guarded: how often LangGraph's own loop was reached.
    """

    compiled: int = 0
    runs: int = 0
    features: dict[str, int] = field(default_factory=dict)
    where: str = ""
    guarded: int = 0

    def add(self, other: Account) -> None:
        """Adds the figures of `other`."""
        self.compiled += other.compiled
        self.runs += other.runs
        self.guarded += other.guarded
        for feature, count in other.features.items():
            self.features[feature] = self.features.get(feature, 0) + count

    def line(self) -> str:
        """The figures in one line, the feature refused most often first."""
        ranked = sorted(self.features.items(), key=lambda item: (-item[1], item[0]))
        names = ", ".join(f"{feature}: {count}" for feature, count in ranked)
        return (
            f"lgc: {self.compiled} graphs compiled, {self.runs} runs made by lgc, "
            f"{sum(self.features.values())} refused as unsupported{f' ({names})' * bool(names)}, "
            f"{self.guarded} stopped at LangGraph's own loop"
        )


_lock = Lock()
_outside = Account()
_current = _outside


class _Listener:
    """Takes the backend's reports into the current account (`lgc.backend.Listener`)."""

    def compiled(self) -> None:
        with _lock:
            _current.compiled += 1

    def ran(self) -> None:
        with _lock:
            _current.runs += 1

    def refused(self, feature: str, where: str = "") -> None:
        with _lock:
            if not _current.features:
                _current.where = where
            _current.features[feature] = _current.features.get(feature, 0) + 1

    def guarded(self) -> None:
        with _lock:
            _current.guarded += 1


LISTENER = _Listener()


def pytest_configure(config: pytest.Config) -> None:
    """Has pytest and the backend keep the account."""
    # Looked up, not imported: plain LangGraph is audited without the backend.
    backend = sys.modules.get("lgc.backend")
    if backend is not None:
        backend.listener = LISTENER
    plugins = config.pluginmanager
    plugins.register(_Plugin(config), "lgc-audit")
    if hasattr(plugins.hook, "pytest_testnodedown"):
        plugins.register(_Controller(), "lgc-audit-controller")


class _Plugin:
    """pytest's hooks, in the process of the tests, in a worker or in the controller of workers.

    Registered last, its hooks are called before those of pytest itself.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._worker_output: dict[str, Any] | None = getattr(config, "workeroutput", None)
        self._total = Account()
        self._tests: dict[str, dict[str, Any]] = {}
        self._broken: set[str] = set()
        name = os.environ.get("LGC_AUDIT")
        # Absolute, because a test may change the working directory. Emptied at once, so that the
        # account of an earlier run is not taken for this one's.
        self._file = Path(name).absolute() if name and self._worker_output is None else None
        if self._file is not None:
            self._file.write_text("", encoding="utf-8")

    def pytest_runtest_protocol(self) -> None:
        """Opens the account of a test."""
        _switch(Account())

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """Closes it when the test is torn down; the report takes it to the controller."""
        if call.when == "teardown":
            item.user_properties.append((_KEY, asdict(_switch(_outside))))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes one phase of a test into the account, and writes a test that is over."""
        if self._worker_output is not None:
            return
        test = self._tests.setdefault(report.nodeid, {"outcome": "passed", "message": ""})
        if report.failed and test["outcome"] not in ("failed", "error"):
            # xdist reports a worker that crashed in the phase "???".
            test["outcome"] = "error" if report.when in ("setup", "teardown") else "failed"
            test["message"] = _first_line(report)
        elif report.skipped and test["outcome"] == "passed":
            test["outcome"] = "skipped"
        if report.when not in ("setup", "call"):
            properties: dict[str, Any] = dict(report.user_properties)
            account = Account(**properties.get(_KEY, {}))
            self._total.add(account)
            self._write(report.nodeid, account, **self._tests.pop(report.nodeid))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Takes a module that cannot be imported into the file; once, not for each worker."""
        if self._worker_output is None and report.failed and report.nodeid not in self._broken:
            self._broken.add(report.nodeid)
            self._write(report.nodeid, Account(), outcome="error", message=_first_line(report))

    def pytest_sessionfinish(self) -> None:
        """Hands the controller what belongs to no test."""
        if self._worker_output is not None:
            self._worker_output[_KEY] = asdict(_outside)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Writes the line of totals."""
        self._total.add(_outside)
        terminalreporter.write_line(self._total.line())

    def _write(self, test: str, account: Account, *, outcome: str, message: str) -> None:
        """Appends one test to the file."""
        if self._file is None:
            return
        row = {
            "test": test,
            "outcome": outcome,
            "message": message,
            "compiled": account.compiled,
            "runs": account.runs,
            "refused": list(account.features),
            "where": account.where,
            "guarded": account.guarded,
        }
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


class _Controller:
    """A hook of pytest-xdist, which pytest would refuse without it."""

    def __init__(self) -> None:
        self._seen = False

    def pytest_testnodedown(self, node: Any) -> None:
        """Adds what belongs to no test, of one worker: each of them imports the same modules."""
        output = getattr(node, "workeroutput", {}).get(_KEY)
        if output is not None and not self._seen:
            self._seen = True
            _outside.add(Account(**output))


def _switch(account: Account) -> Account:
    """Makes `account` the current one; returns the one it replaces."""
    global _current
    with _lock:
        before, _current = _current, account
    return before


def _first_line(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The first line with text of the reason that `report` gives for a failure."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr if crash is None else crash.message)
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
