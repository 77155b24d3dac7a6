"""lgc: an ahead-of-time compiler for LangGraph.

`import lgc` loads nothing of the compiler and nothing of the engine: the public
names are resolved when they are first read (PEP 562).
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

# Public name -> the runtime module that defines it.
_PUBLIC = {
    "END": "constants",
    "START": "constants",
    "EmptyInputError": "errors",
    "GraphRecursionError": "errors",
    "InvalidUpdateError": "errors",
    "NodeCancelledError": "errors",
    "Overwrite": "types",
    "Unsupported": "errors",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'lgc' has no attribute {name!r}")
    from importlib import import_module

    owner = import_module(f"lgc.runtime.{module}")
    # Never cached here: which class stands behind a name depends on whether
    # langgraph is loaded by the time it is asked for.
    return owner.public(name) if hasattr(owner, "public") else getattr(owner, name)


def __dir__() -> list[str]:
    return list(__all__)
