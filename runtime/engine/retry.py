"""When a node that has failed runs again (spec §4.9; pregel/_retry.py:run_with_retry)."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import Any, Final

NEVER: Final = -1.0
"""In place of a delay: the node does not run again."""


def delay_before_retry(policies: tuple[Any, ...], failures: int, exc: Exception) -> float:
    """The seconds until a node that has failed runs again; NEVER for one that does not.

    Args:
        policies: its RetryPolicies; the first that matches counts.
        failures: how often the task has failed, this time included, whichever policy matched.
        exc: what it raised.

    Raises:
        TypeError: a policy's `retry_on` is of no kind that LangGraph takes.
        Exception: what a function that is asked has raised.
    """
    for policy in policies:
        if _matches(policy.retry_on, exc):
            break
    else:
        return NEVER
    if failures >= policy.max_attempts:
        return NEVER
    interval = policy.initial_interval * policy.backoff_factor ** (failures - 1)
    delay: float = min(policy.max_interval, interval)
    if policy.jitter:
        delay += random.uniform(0, 1)
    return delay


def log_retry(name: str, delay: float, failures: int, exc: Exception) -> None:
    """Tells whoever logs that a node runs again, as upstream; a program without logging does not.

    Args:
        name: of the node.
        delay, failures, exc: as of `delay_before_retry`.
    """
    logging = sys.modules.get("logging")
    if logging is not None:
        kind = type(exc).__name__
        logging.getLogger("langgraph.pregel._retry").info(
            f"Retrying task {name} after {delay:.2f} seconds (attempt {failures}) after "
            f"{kind} {exc}",
            exc_info=exc,
        )


def _matches(retry_on: Any, exc: Exception) -> bool:
    if isinstance(retry_on, Sequence):
        return isinstance(exc, tuple(retry_on))
    if isinstance(retry_on, type) and issubclass(retry_on, Exception):
        return isinstance(exc, retry_on)
    if callable(retry_on):
        return bool(retry_on(exc))
    raise TypeError(
        "retry_on must be an Exception class, a list or tuple of Exception classes, or a callable"
    )
