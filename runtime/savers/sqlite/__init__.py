"""Savers on SQLite files, which LangGraph's SQLite savers read and write, too (spec §12)."""

from __future__ import annotations

from lgc.runtime.savers.sqlite.savers import AsyncSqliteSaver, SqliteSaver

__all__ = ["AsyncSqliteSaver", "SqliteSaver"]
