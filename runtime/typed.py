"""The class of a generated module's graph, by the name under which type checkers know its schemas.

`typed.pyi` beside this file says what they know.
"""

from __future__ import annotations

from lgc.runtime.graph import CompiledGraph

__all__ = ["CompiledGraph"]
