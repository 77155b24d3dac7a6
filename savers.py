"""lgc's savers: they store what LangGraph's store, and each reads the other's (docs/semantics.md).

    MemorySaver                        in the process's memory
    SqliteSaver, AsyncSqliteSaver      in an SQLite file
    PostgresSaver, AsyncPostgresSaver  in PostgreSQL; they need psycopg (`lgc[postgres]`)
    BaseSaver                          what a saver of one's own derives from

The names are resolved when they are first read (PEP 562): each saver's database module is imported
only when that saver is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lgc.runtime import savers as _savers

if TYPE_CHECKING:
    from lgc.runtime.savers import AsyncPostgresSaver as AsyncPostgresSaver
    from lgc.runtime.savers import AsyncSqliteSaver as AsyncSqliteSaver
    from lgc.runtime.savers import BaseSaver as BaseSaver
    from lgc.runtime.savers import MemorySaver as MemorySaver
    from lgc.runtime.savers import PostgresSaver as PostgresSaver
    from lgc.runtime.savers import SqliteSaver as SqliteSaver

__all__ = [
    "AsyncPostgresSaver",
    "AsyncSqliteSaver",
    "BaseSaver",
    "MemorySaver",
    "PostgresSaver",
    "SqliteSaver",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_savers, name)


def __dir__() -> list[str]:
    return sorted(__all__)
