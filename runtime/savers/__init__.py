"""lgc's savers, which `lgc.savers` exports; this path stays for what imports them from here.

The names are resolved when they are first read (PEP 562): PostgresSaver needs psycopg.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lgc.runtime.savers.base import BaseSaver as BaseSaver
    from lgc.runtime.savers.memory import MemorySaver as MemorySaver
    from lgc.runtime.savers.postgres import AsyncPostgresSaver as AsyncPostgresSaver
    from lgc.runtime.savers.postgres import PostgresSaver as PostgresSaver
    from lgc.runtime.savers.sqlite import AsyncSqliteSaver as AsyncSqliteSaver
    from lgc.runtime.savers.sqlite import SqliteSaver as SqliteSaver

_HOMES = {
    "AsyncPostgresSaver": "postgres",
    "AsyncSqliteSaver": "sqlite",
    "BaseSaver": "base",
    "MemorySaver": "memory",
    "PostgresSaver": "postgres",
    "SqliteSaver": "sqlite",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lgc.runtime.savers' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"lgc.runtime.savers.{_HOMES[name]}"), name)
