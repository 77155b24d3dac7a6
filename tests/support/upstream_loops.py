"""LangGraph's loops that fail when they start, whose threads would be left to chance.

`SyncPregelLoop.__enter__` opens an executor and may raise afterwards, over a checkpoint or an
input. Nobody closes the executor then: the garbage collector does, and waits for its threads
wherever it happens to run. In `Thread.start`, which holds a lock that a thread needs to end,
it waits for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from langgraph.pregel._loop import SyncPregelLoop


@contextmanager
def closing_failed_loops() -> Iterator[None]:
    """Has a loop that cannot start close its executor at once."""
    original = SyncPregelLoop.__enter__

    def enter(self: Any) -> Any:
        try:
            return original(self)
        except BaseException:
            submit = vars(self).get("submit")
            if submit is not None:
                # Only the executor: the stack's other callbacks are for loops that have run.
                submit.__self__.stack.close()
            raise

    with patch.object(SyncPregelLoop, "__enter__", enter):
        yield
