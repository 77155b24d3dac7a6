"""Savers on SQLite files, which LangGraph's SQLite savers read and write, too (spec §12).

Each call of a saver is two halves: rows are read and written by the thread that has the connection
to itself (`database`), and values become bytes, or bytes values, before or after it (`rows`).
SqliteSaver (`sync`) gives the connection to the caller's thread, behind a lock; AsyncSqliteSaver
(`aio`) has a thread for it, which coroutines wait for (`connection_thread`).
"""

from __future__ import annotations

from lgc.runtime.savers.sqlite.aio import AsyncSqliteSaver
from lgc.runtime.savers.sqlite.sync import SqliteSaver

__all__ = ["AsyncSqliteSaver", "SqliteSaver"]
