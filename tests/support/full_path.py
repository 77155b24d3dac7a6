"""The one place that knows how an `invoke` of lgc is made to take the full path throughout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from lgc.runtime.drivers import generators
from lgc.runtime.engine.loop import Run


@contextmanager
def full_path() -> Iterator[None]:
    """Has every run of lgc begin, and stay, on the full path; LangGraph has one path only."""

    def drain(run: Run, value: Any) -> Any:
        run.start(value)
        return run.drain()

    with patch.object(generators, "drain", drain):
        yield
