"""Keeps sync methods of async savers out of the thread of the saver's own event loop.

They wait for that loop, or for a thread that it started; called in the loop's thread they would
wait for ever.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def running_loop() -> Any:
    """The event loop that runs in this thread, or None."""
    from asyncio import get_running_loop

    with suppress(RuntimeError):
        return get_running_loop()
    return None


def refuse_in_own_loop(loop: Any, saver: str, method: str) -> None:
    """Checks that this is not the thread of a saver's event loop.

    Args:
        loop: the event loop that the saver belongs to; None for no loop.
        saver: the name of the saver's class.
        method: the method that the error recommends instead.

    Raises:
        asyncio.InvalidStateError: it is.
    """
    if loop is None or running_loop() is not loop:
        return
    from asyncio import InvalidStateError

    example = f"`await checkpointer.{method}(...)`"
    if method == "alist":
        example = "`checkpointer.alist(...)` or `await graph.ainvoke(...)`"
    elif method == "aget_tuple":
        example += " or `await graph.ainvoke(...)`"
    raise InvalidStateError(
        f"Synchronous calls to {saver} are only allowed from a different thread. From the main "
        f"thread, use the async interface. For example, use {example}."
    )
