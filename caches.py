"""lgc's caches: for `compile(cache=...)`, where nodes have a cache policy.

    MemoryCache  in the process's memory
    SqliteCache  in an SQLite file, that of LangGraph's SqliteCache
    BaseCache    what a cache of one's own derives from

They are LangGraph's caches without LangGraph: each engine takes the other's.
"""

from __future__ import annotations

from lgc.runtime.caches import BaseCache, MemoryCache, SqliteCache

__all__ = ["BaseCache", "MemoryCache", "SqliteCache"]
