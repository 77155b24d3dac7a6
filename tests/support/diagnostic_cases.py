"""The golden cases of diagnostics: what the command line says of `golden/diagnostics/<case>`.

A case is a folder whose name begins with the code that it is about. Its files are copied to an
empty project, with `golden/diagnostics/graph.py` where it has no graph of its own, and its
`command` is given there; without one, that is COMMAND. `want/diagnostics.txt` is what follows.

A line of `command` has the form of a shell's, `NAME=value program argument ...`; `$PWD` is the
project. The command line runs in this process. What needs a directory on `sys.path` from the
start sets PYTHONPATH.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import command_line
import pytest

from lgc.compiler.frontend import analysis

FOLDER = Path(__file__).resolve().parents[2] / "golden" / "diagnostics"
COMMAND = "lgc compile graph.py:builder -o gen --no-native"

_FIRST = re.compile(r"^(?:\S+:\d+:\d+: )?(?:error|warning|note) LGC\d+: ", re.MULTILINE)


def cases() -> list[str]:
    """The names of all cases, sorted."""
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def wanted(case: str) -> str:
    """What is committed for a case."""
    return (FOLDER / case / "want" / "diagnostics.txt").read_text(encoding="utf-8")


def write(case: str, text: str) -> None:
    """Accepts `text` as what a case gives."""
    want = FOLDER / case / "want"
    want.mkdir(exist_ok=True)
    (want / "diagnostics.txt").write_text(text, encoding="utf-8")


def diagnostics(case: str) -> str:
    """The diagnostics that a case gives; they are the same in any directory.

    Raises:
        AssertionError: the exit code is not that of such diagnostics.
    """
    with tempfile.TemporaryDirectory() as folder:
        project = Path(os.path.realpath(folder), "project")
        ignored = shutil.ignore_patterns("want", "command", "__pycache__")
        shutil.copytree(FOLDER / case, project, ignore=ignored)
        if not list(project.rglob("graph.py")):
            shutil.copy(FOLDER / "graph.py", project)
        # Marks the top of the project, whatever is above the temporary directory.
        (project / "pyproject.toml").touch()
        command = FOLDER / case / "command"
        lines = command.read_text(encoding="utf-8") if command.exists() else COMMAND
        text = ""
        for line in lines.splitlines():
            text = _run(line, project)
        assert str(project) not in text, text
    return text


def _run(line: str, project: Path) -> str:
    """Gives one line of a command in a project; the diagnostics of `lgc`."""
    words = shlex.split(line.replace("$PWD", str(project)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setattr(sys, "path", sys.path[:])
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            patch.setenv(name, value)
            if name == "PYTHONPATH":
                patch.syspath_prepend(str(project / value))
        if words[0] != "lgc":
            subprocess.run(words, check=True)
            return ""
        # LGC114 is given once in a process.
        patch.setattr(analysis, "_noted", set())
        result = command_line.lgc(*words[1:])
    first = _FIRST.search(result.stderr)
    text = "" if first is None else result.stderr[first.start() :]
    assert result.exit_code == (2 if "error LGC" in text else 0), result.output
    return text
