"""Calls functions of the support modules in a process of their own, with a limit of time.

For what spins or waits for ever when it fails: its process is ended from a thread that needs no
Python to run, and says on which line it was. As a script this is the process that forks the others,
so that modules are imported once.
"""

from __future__ import annotations

import atexit
import faulthandler
import gc
import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SECONDS = 10
"""How long a function may take, or go on after `at`."""


def at(label: str) -> None:
    """Notes what a function is at, for the message of its failure, and starts its time anew."""
    os.ftruncate(_NOTE.fileno(), 0)
    os.pwrite(_NOTE.fileno(), label.encode(), 0)
    faulthandler.dump_traceback_later(SECONDS, exit=True)


def limited(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns that another process calls.

    Args:
        function: of a module in tests/support.
        arguments: JSON values, as its result.

    Raises:
        AssertionError: it raised, did not end, or something was written to stderr.
    """
    server = _server()
    with TemporaryDirectory() as folder:
        request = [function.__module__, function.__qualname__, arguments, folder]
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        said = Path(folder, "stderr").read_text()
        if status != 0 or said:
            raise AssertionError(f"at {Path(folder, 'note').read_text()}: status {status}\n{said}")
        return json.loads(Path(folder, "result").read_text())


@cache
def _server() -> subprocess.Popen[str]:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    server = subprocess.Popen([sys.executable, __file__], text=True, **pipes)
    atexit.register(server.communicate)
    return server


def _child(function: Callable[..., Any], arguments: list[Any], folder: str) -> int:
    """Calls the function; the exit status."""
    global _NOTE
    stderr = os.open(f"{folder}/stderr", os.O_WRONLY | os.O_CREAT)
    os.dup2(stderr, 2)
    _NOTE = open(f"{folder}/note", "wb")  # noqa: SIM115  (the process ends soon)
    at(function.__qualname__)
    try:
        result = function(*arguments)
    except BaseException:
        traceback.print_exc()
        return 1
    Path(folder, "result").write_text(json.dumps(result))
    return 0


_NOTE: Any = None


def main() -> None:
    """Answers requests until there are no more."""
    # The functions call `at` of the module that they import, not of the script.
    module = importlib.import_module("limited")
    for line in sys.stdin:
        name, function, arguments, folder = json.loads(line)
        called = getattr(importlib.import_module(name), function)
        # A collection in a child would look at, and copy, all that it shares with this process.
        gc.freeze()
        child = os.fork()
        if child == 0:
            os._exit(module._child(called, arguments, folder))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
