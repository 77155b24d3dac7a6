"""Reports on standard error that the user's code takes long: the import, its line, the seconds."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lgc.compiler.diagnostics import display_path

FIRST = 2.0
"""Seconds until the first report; the next ones come after 4, 8, 16 ... seconds."""


@contextmanager
def watching(
    activity: str, is_users: Callable[[str], bool], first: float | None = None
) -> Iterator[None]:
    """Reports to standard error while the body runs.

    Args:
        activity: the subject of the report, such as "importing app.graph".
        is_users: whether a file is the user's; the innermost such line is shown.
        first: seconds until the first report; `FIRST` by default.
    """
    started = time.monotonic()
    stream = sys.stderr
    watched = threading.get_ident()
    over = threading.Event()

    def write() -> None:
        wait = FIRST if first is None else first
        while not over.wait(started + wait - time.monotonic()):
            where = _line_of(sys._current_frames().get(watched), is_users)
            seconds = time.monotonic() - started
            print(f"{activity}{where} takes long: {seconds:.0f} s so far", file=stream, flush=True)
            wait *= 2

    thread = threading.Thread(target=write, name="lgc-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _line_of(frame: FrameType | None, is_users: Callable[[str], bool]) -> str:
    while frame is not None:
        file = frame.f_code.co_filename
        if is_users(file):
            return f", at {display_path(Path(file))}:{frame.f_lineno},"
        frame = frame.f_back
    return ""
