"""Projects whose graphs have graphs as nodes, compiled as the command line does."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lgc.compiler import source_map
from lgc.compiler.pipeline import Compiled, Options, compile_targets

HEAD = """
import operator
from typing import Annotated, TypedDict
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import CachePolicy, Command
class State(TypedDict):
    x: Annotated[list[str], operator.add]
FOREVER = float("inf")
def work(state): return {"x": ["work"]}
def other(state): return {"x": ["other"]}
def one(name, node, **kwargs):
    return StateGraph(State).add_node(name, node, **kwargs).add_edge(START, name)
"""

THREE = """
deep = one("look", work).compile(checkpointer=True, name="deep")
inner = one("search", deep).add_node("write", other).add_edge("search", "write")
builder = one("research", inner.compile())
"""

Compile = Callable[..., Compiled]


def compiling(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compile]:
    """Yields what compiles a target of a project with these modules, `app:builder` by default."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", sys.path[:])

    def compile_project(target: str = "app:builder", **modules: str) -> Compiled:
        for name, text in modules.items():
            write(folder, name, HEAD + textwrap.dedent(text))
        source_map._of_file.cache_clear()
        (compiled,) = compile_targets(Options((target,), folder, working=folder))
        return compiled

    yield compile_project
    for name in ("app", "parts", "app_graph"):
        sys.modules.pop(name, None)


def write(folder: Path, name: str, text: str) -> None:
    """Writes a module, which is imported anew."""
    (folder / f"{name}.py").write_text(text)
    sys.modules.pop(name, None)
    importlib.invalidate_caches()


def loaded(compiled: Compiled, folder: Path) -> Any:
    """The graph of a compiled module."""
    write(folder, "app_graph", compiled.text)
    return importlib.import_module("app_graph").graph
