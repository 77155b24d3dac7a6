"""The interface of a cache, which is that of LangGraph's (langgraph.cache.base)."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from lgc.runtime.serde.serializer import Serializer

Namespace = tuple[str, ...]
Key = tuple[Namespace, str]
"""A namespace and a key in it."""


class BaseCache(ABC):
    """Keeps values by key, each for a number of seconds or for ever.

    Args:
        serde: makes bytes of values, a Serializer by default.
    """

    def __init__(self, *, serde: Any = None) -> None:
        self.serde = Serializer() if serde is None else serde

    @abstractmethod
    def get(self, keys: Iterable[Key]) -> dict[Key, Any]:
        """The values of those of `keys` that are kept and have not expired."""

    @abstractmethod
    def set(self, pairs: Mapping[Key, tuple[Any, float | None]]) -> None:
        """Keeps values.

        Args:
            pairs: by key, the value and for how many seconds; None for ever.
        """

    @abstractmethod
    def clear(self, namespaces: Iterable[Namespace] | None = None) -> None:
        """Forgets what is in `namespaces`, or everything."""

    @abstractmethod
    async def aget(self, keys: Iterable[Key]) -> dict[Key, Any]:
        """As `get`."""

    @abstractmethod
    async def aset(self, pairs: Mapping[Key, tuple[Any, float | None]]) -> None:
        """As `set`."""

    @abstractmethod
    async def aclear(self, namespaces: Iterable[Namespace] | None = None) -> None:
        """As `clear`."""


def expiry(ttl: float | None) -> float | None:
    """When a value expires that is kept for `ttl` seconds from now, in seconds since the epoch."""
    return None if ttl is None else time.time() + ttl
