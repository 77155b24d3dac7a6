"""Compiles a live builder without files: frontend, passes, emitter, and the text as a module."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


def module_text(builder: StateGraph[Any, Any, Any, Any], home: str) -> str:
    """The module lgc writes for `builder`, which stands for the name `builder` in module `home`.

    Raises:
        CompileError: lgc refuses the graph.
    """
    analysis = analyse(Loaded(builder, _module(home, builder), Target(home, "builder"), ""))
    ir, _ = run_passes(analysis.ir)
    return emit(ir, f"lgc compile {analysis.ir.target}")


@contextmanager
def importable(builder: StateGraph[Any, Any, Any, Any], home: str) -> Iterator[None]:
    """Lets a generated module import `builder` from module `home`."""
    sys.modules[home] = _module(home, builder)
    try:
        yield
    finally:
        del sys.modules[home]


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
    home = f"{name}_{next(_numbers)}"
    text = module_text(builder, home)
    module = ModuleType(f"{home}_lgc")
    module.__file__ = f"{module.__name__}.py"
    with importable(builder, home):
        exec(compile(text, module.__file__, "exec"), vars(module))
    graph: CompiledGraph = module.graph
    return graph


def _module(home: str, builder: StateGraph[Any, Any, Any, Any]) -> ModuleType:
    module = ModuleType(home)
    module.builder = builder  # type: ignore[attr-defined]
    return module
