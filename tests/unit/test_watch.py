"""What is said while the user's code takes long."""

from __future__ import annotations

import re
import sys
import threading
import time
from pathlib import Path

import pytest
from command_line import GRAPH, lgc, root, write

from lgc.compiler import watch
from lgc.compiler.watch import watching

__all__ = ["root"]

SLOW = "import time\n\ndef connect():\n    time.sleep({seconds})\n\nconnect()\n"


def test_import_that_hangs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "FIRST", 0.2)
    write(root, {"app/client.py": SLOW.format(seconds=1.2)})
    write(root, {"app/graph.py": "import app.client\n" + GRAPH})
    result = lgc("explain", "app.graph:graph")
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    # After 0.2, 0.4 and 0.8 seconds.
    assert len(lines) >= 2, lines
    for line in lines:
        wanted = r"importing app\.graph, at app/client\.py:4, takes long: \d+ s so far"
        assert re.fullmatch(wanted, line), line


def test_factory_that_hangs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "FIRST", 0.2)
    source = GRAPH + "\ndef slow():\n    import time\n    time.sleep(0.5)\n    return graph\n"
    write(root, {"app/graph.py": source})
    line = 1 + source[: source.index("    time.sleep")].count("\n")
    said = lgc("explain", "app.graph:slow").stderr
    assert f"calling app.graph:slow, at app/graph.py:{line}, takes long: " in said


def test_what_is_quick_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    with watching("importing x", lambda file: False):
        pass
    assert capsys.readouterr().err == ""
    assert threading.active_count() == before


def test_where_no_line_is_the_users(capsys: pytest.CaptureFixture[str]) -> None:
    with watching("importing x", lambda file: False, first=0.01):
        deadline = time.monotonic() + 5
        while not (said := capsys.readouterr().err) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert said.startswith("importing x takes long: 0 s so far\n")


def test_exceptions_pass(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), watching("importing x", lambda file: True):
        raise KeyError
    assert "lgc-watch" not in {thread.name for thread in threading.enumerate()}
    assert sys.exc_info() == (None, None, None)
