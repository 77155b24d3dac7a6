"""Awaitables as coroutines; this file stays interpreted, because of its coroutine."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any


def coroutine_of(awaitable: Any) -> Coroutine[Any, Any, Any]:
    """What an async function returned, as something that an asyncio task can run.

    Args:
        awaitable: a coroutine, of Python or of compiled code, or any other awaitable.
    """
    return awaitable if isinstance(awaitable, Coroutine) else _result(awaitable)


async def _result(awaitable: Any) -> Any:
    return await awaitable
