"""An event loop whose time passes only while everybody waits for it, so timeouts cost nothing.

Both engines read `time.monotonic`, asyncio too. Where the loop would sleep until its next timer, it
waits for its threads, if some run, and otherwise moves the clock on to that timer.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any
from unittest.mock import patch

_MOMENT = 5.0
"""Real seconds that a thread of the loop's has at most, before a timer goes off."""


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events = super().select(_MOMENT if self.threads else 0)
        if not events:
            self.now += timeout
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, selector: _Selector) -> None:
        super().__init__(selector)
        self._own_selector = selector

    def run_in_executor(self, executor: Any, function: Any, *args: Any) -> Any:
        self._own_selector.threads += 1
        future = super().run_in_executor(executor, function, *args)
        future.add_done_callback(self._note_done)
        return future

    def _note_done(self, future: Any) -> None:
        self._own_selector.threads -= 1


def run_in_virtual_time(main: Coroutine[Any, Any, Any]) -> Any:
    """Runs `main` to its end, and what it leaves behind; what it returns.

    Raises:
        BaseException: what it raises.
    """
    selector = _Selector()
    with patch.object(time, "monotonic", lambda: selector.now):
        loop = _Loop(selector)
        try:
            try:
                return loop.run_until_complete(main)
            finally:
                while left := asyncio.all_tasks(loop):
                    loop.run_until_complete(asyncio.wait(left))
                loop.run_until_complete(loop.shutdown_asyncgens())
                loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()
