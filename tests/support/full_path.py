"""Has an invoke take the full path, where it would take the fast one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from lgc.runtime import graph
from lgc.runtime.drivers.fast_path import invoke


@contextmanager
def full_path() -> Iterator[None]:
    """Every `invoke` inside it is the loop's from its first superstep on."""

    def without_fast_path(scope: Any, value: Any, thread: Any, recorder: Any) -> Any:
        return invoke(scope, value, thread, recorder, False)

    with patch.object(graph, "invoke", without_fast_path):
        yield
