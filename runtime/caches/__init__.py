"""What keeps the results of nodes with a cache policy (spec §4.11); `lgc.caches` exports them."""

from __future__ import annotations

from lgc.runtime.caches.base import BaseCache
from lgc.runtime.caches.memory import MemoryCache
from lgc.runtime.caches.sqlite import SqliteCache

__all__ = ["BaseCache", "MemoryCache", "SqliteCache"]
