"""Several runs at once on an event loop (langchain_core.runnables.base: abatch).

This file stays interpreted, as `drivers/aio` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

Run = Coroutine[Any, Any, Any]


async def gathered(
    runs: list[Run], configs: Sequence[Mapping[str, Any]], return_exceptions: bool
) -> list[Any]:
    """The results of runs, in their order.

    Args:
        runs: not started yet.
        configs: theirs; `max_concurrency` in the first limits how many run at once.
        return_exceptions: the exception of a run that fails takes its result's place.
    """
    results = await asyncio.gather(*_numbered(runs, configs, return_exceptions))
    return [result for _, result in results]


async def as_completed(
    runs: list[Run], configs: Sequence[Mapping[str, Any]], return_exceptions: bool
) -> AsyncIterator[tuple[int, Any]]:
    """The number and result of each run as it finishes; arguments as of `gathered`."""
    for run in asyncio.as_completed(_numbered(runs, configs, return_exceptions)):
        yield await run


def _numbered(
    runs: list[Run], configs: Sequence[Mapping[str, Any]], return_exceptions: bool
) -> list[Coroutine[Any, Any, tuple[int, Any]]]:
    places = configs[0].get("max_concurrency") if configs else None
    gate: Any = asyncio.Semaphore(places) if places else nullcontext()

    async def numbered(number: int, run: Run) -> tuple[int, Any]:
        async with gate:
            try:
                return number, await run
            except Exception as exc:
                if not return_exceptions:
                    raise
                return number, exc

    return [numbered(number, run) for number, run in enumerate(runs)]
