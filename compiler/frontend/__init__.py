"""The frontend: a LangGraph builder becomes a GraphIR.

The only part of the compiler that imports langgraph. It reads the user's builder and never writes
to it: LangGraph's own `compile` mutates it (spec §1.6).
"""

from lgc.compiler.frontend.analysis import Analysis, analyse, analyse_live
from lgc.compiler.frontend.compiled import is_compiled, settings_of
from lgc.compiler.frontend.validity import Builder, require_valid

__all__ = [
    "Analysis",
    "Builder",
    "analyse",
    "analyse_live",
    "is_compiled",
    "require_valid",
    "settings_of",
]
