"""A cache in the memory of the process."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any

from lgc.runtime.caches.base import BaseCache, Key, Namespace, expiry


class MemoryCache(BaseCache):
    """Keeps bytes, so that what a node does to a value that it got changes nothing here.

    Any number of threads and event loops may use it.

    Args:
        serde: as of BaseCache.
    """

    def __init__(self, *, serde: Any = None) -> None:
        super().__init__(serde=serde)
        self._kept: dict[Namespace, dict[str, tuple[tuple[str, bytes], float | None]]] = {}
        self._lock = Lock()

    def get(self, keys: Iterable[Key]) -> dict[Key, Any]:
        now = time.time()
        found = {}
        with self._lock:
            for key in keys:
                namespace = self._kept.get(key[0], {})
                dumped, until = namespace.get(key[1], (None, None))
                if dumped is None:
                    continue
                if until is not None and until <= now:
                    del namespace[key[1]]
                else:
                    found[key] = dumped
        return {key: self.serde.loads_typed(dumped) for key, dumped in found.items()}

    def set(self, pairs: Mapping[Key, tuple[Any, float | None]]) -> None:
        dumped = {
            key: (self.serde.dumps_typed(value), expiry(ttl)) for key, (value, ttl) in pairs.items()
        }
        with self._lock:
            for (namespace, key), entry in dumped.items():
                self._kept.setdefault(namespace, {})[key] = entry

    def clear(self, namespaces: Iterable[Namespace] | None = None) -> None:
        with self._lock:
            for namespace in list(self._kept) if namespaces is None else namespaces:
                self._kept.pop(namespace, None)

    async def aget(self, keys: Iterable[Key]) -> dict[Key, Any]:
        return self.get(keys)

    async def aset(self, pairs: Mapping[Key, tuple[Any, float | None]]) -> None:
        self.set(pairs)

    async def aclear(self, namespaces: Iterable[Namespace] | None = None) -> None:
        self.clear(namespaces)
