"""Has a run take the full path, where it would take the fast one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from lgc.runtime import graph, graph_async
from lgc.runtime.drivers import async_fast_path
from lgc.runtime.drivers.fast_path import invoke


@contextmanager
def full_path() -> Iterator[None]:
    """Every run that begins inside it is the loop's from its first superstep on."""
    ainvoke = async_fast_path.ainvoke

    def without_fast_path(scope: Any, value: Any, thread: Any, recorder: Any) -> Any:
        return invoke(scope, value, thread, recorder, False)

    def async_without_fast_path(scope: Any, value: Any, thread: Any, recorder: Any) -> Any:
        return ainvoke(scope, value, thread, recorder, False)

    def no_fast_stream(*_: Any) -> None:
        return None

    with (
        patch.object(graph, "invoke", without_fast_path),
        patch.object(async_fast_path, "ainvoke", async_without_fast_path),
        patch.object(graph, "fast_stream", no_fast_stream),
        patch.object(graph_async, "fast_stream", no_fast_stream),
    ):
        yield
