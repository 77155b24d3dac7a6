"""A cache in an SQLite file, which LangGraph's SqliteCache reads and writes, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any, TypeVar

from lgc.runtime.caches.base import BaseCache, Key, Namespace, expiry

T = TypeVar("T")

_TABLE = """
CREATE TABLE IF NOT EXISTS cache (
    ns TEXT,
    key TEXT,
    expiry REAL,
    encoding TEXT NOT NULL,
    val BLOB NOT NULL,
    PRIMARY KEY (ns, key)
)
"""


class SqliteCache(BaseCache):
    """Keeps values in a file; processes may share it.

    Args:
        path: of the file, which is made where there is none.
        serde: as of BaseCache.

    Raises:
        sqlite3.Error: the file cannot be opened, or is no database.
    """

    def __init__(self, *, path: str, serde: Any = None) -> None:
        # Imported when it is first used: it takes longer to import than the rest of the room.
        import sqlite3

        super().__init__(serde=serde)
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._lock = Lock()
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(_TABLE)
        self._connection.commit()

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

    def get(self, keys: Iterable[Key]) -> dict[Key, Any]:
        now = time.time()
        rows = {}
        with self._lock:
            for key in keys:
                cursor = self._connection.execute(
                    "SELECT encoding, val FROM cache"
                    " WHERE ns = ? AND key = ? AND (expiry IS NULL OR expiry > ?)",
                    (_stored(key[0]), key[1], now),
                )
                row = cursor.fetchone()
                if row is not None:
                    rows[key] = row
        return {key: self.serde.loads_typed(row) for key, row in rows.items()}

    def set(self, pairs: Mapping[Key, tuple[Any, float | None]]) -> None:
        rows = [
            (_stored(namespace), key, expiry(ttl), *self.serde.dumps_typed(value))
            for (namespace, key), (value, ttl) in pairs.items()
        ]
        with self._lock, self._connection:
            self._connection.execute("DELETE FROM cache WHERE expiry <= ?", (time.time(),))
            self._connection.executemany(
                "INSERT OR REPLACE INTO cache VALUES (?, ?, ?, ?, ?)", rows
            )

    def clear(self, namespaces: Iterable[Namespace] | None = None) -> None:
        with self._lock, self._connection:
            if namespaces is None:
                self._connection.execute("DELETE FROM cache")
            else:
                rows = [(_stored(namespace),) for namespace in namespaces]
                self._connection.executemany("DELETE FROM cache WHERE ns = ?", rows)

    async def aget(self, keys: Iterable[Key]) -> dict[Key, Any]:
        return await _in_thread(self.get, keys)

    async def aset(self, pairs: Mapping[Key, tuple[Any, float | None]]) -> None:
        await _in_thread(self.set, pairs)

    async def aclear(self, namespaces: Iterable[Namespace] | None = None) -> None:
        await _in_thread(self.clear, namespaces)


def _stored(namespace: Namespace) -> str:
    return ",".join(namespace)


async def _in_thread(function: Callable[[Any], T], argument: Any) -> T:
    from asyncio import to_thread

    return await to_thread(function, argument)
