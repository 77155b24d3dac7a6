"""A graph whose state methods are the async ones, for tests that are written with the sync ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

STATE_METHODS = ("get_state", "get_state_history", "update_state", "bulk_update_state")


class AsyncTwins:
    """A graph; its state methods wait for the async ones, on the event loop of its saver if any.

    Args:
        graph: of either engine; everything else is its own.
    """

    def __init__(self, graph: Any) -> None:
        self._graph = graph

    def __getattr__(self, name: str) -> Any:
        return getattr(self._graph, name)

    def get_state(self, *args: Any, **kwargs: Any) -> Any:
        return self._wait(self._graph.aget_state(*args, **kwargs))

    def get_state_history(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        return iter(self._wait(self._graph.aget_state_history(*args, **kwargs)))

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        return self._wait(self._graph.aupdate_state(*args, **kwargs))

    def bulk_update_state(self, *args: Any, **kwargs: Any) -> Any:
        return self._wait(self._graph.abulk_update_state(*args, **kwargs))

    def _wait(self, call: Any) -> Any:
        loop = getattr(self._graph.checkpointer, "loop", None)
        if loop is None:
            return asyncio.run(_result(call))
        return asyncio.run_coroutine_threadsafe(_result(call), loop).result()


def itself(graph: Any) -> Any:
    """The graph: its sync methods are called."""
    return graph


CALLERS = (itself, AsyncTwins)
"""What a test is parametrised with to call the state methods both ways."""


async def _result(call: Any) -> Any:
    if hasattr(call, "__aiter__"):
        return [item async for item in call]
    return await call
