"""Compiles a live builder without files: frontend, passes, emitter, and the text as a module."""

from __future__ import annotations

import sys
from itertools import count
from types import ModuleType
from typing import Any

from langgraph.graph.state import StateGraph

from lgc.compiler.emit import emit
from lgc.compiler.frontend import analyse
from lgc.compiler.passes import run_passes
from lgc.compiler.target import Loaded, Target
from lgc.runtime.graph import CompiledGraph

_numbers = count(1)


def compile_in_process(
    builder: StateGraph[Any, Any, Any, Any], name: str = "case"
) -> CompiledGraph:
    """The lgc graph of `builder`, which stands for a module-level name of the user's.

    Args:
        builder: a StateGraph, or what its compile() returned.
        name: shows in the names of the user's and of the generated module.

    Raises:
        CompileError: lgc refuses the graph.
    """
    home = ModuleType(f"{name}_{next(_numbers)}")
    home.builder = builder  # type: ignore[attr-defined]
    analysis = analyse(Loaded(builder, home, Target(home.__name__, "builder"), ""))
    ir, _ = run_passes(analysis.ir)
    text = emit(ir, f"lgc compile {analysis.ir.target}")
    module = ModuleType(f"{home.__name__}_lgc")
    module.__file__ = f"{module.__name__}.py"
    sys.modules[home.__name__] = home
    try:
        exec(compile(text, module.__file__, "exec"), vars(module))
    finally:
        del sys.modules[home.__name__]
    graph: CompiledGraph = module.graph
    return graph
