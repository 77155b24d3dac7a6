"""The command line in this process, on a small project; what the tests of it share."""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lgc import cli
from lgc.compiler import native
from lgc.compiler.emit import body_hash

GRAPH = """
import operator
from typing import Annotated, TypedDict
from langgraph.graph import END, START, StateGraph
from app.nodes import plan, act, route

class State(TypedDict):
    log: Annotated[list, operator.add]
    turns: int

builder = StateGraph(State)
builder.add_node("plan", plan)
builder.add_node("act", act)
builder.add_edge(START, "plan")
builder.add_edge("plan", "act")
builder.add_conditional_edges("act", route, ["plan", END])
graph = builder.compile()

class Holder:
    class Inner:
        graph = builder

def make():
    return builder

async def amake():
    return graph

def needs(x):
    return builder

def fails():
    raise RuntimeError("no key")

broken = StateGraph(State)
broken.add_node("plan", plan)
broken.add_edge("plan", "nowhere")
number = 5
"""
NODES = """
def plan(state):
    return {"log": ["plan"], "turns": state.get("turns", 0) + 1}

def act(state):
    return {"log": ["act"]}

def route(state):
    return "plan" if state["turns"] < 2 else "__end__"
"""
EXT = importlib.machinery.EXTENSION_SUFFIXES[0]
needs_compiler = pytest.mark.skipif(native.find_compiler() is None, reason="no C compiler")


def write(folder: Path, files: dict[str, str]) -> None:
    """Writes files below `folder`, by their paths."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project that is the working directory; what it imports is forgotten afterwards."""
    root = tmp_path / "project"
    files = {
        "app/__init__.py": "",
        "app/graph.py": GRAPH,
        "app/nodes.py": NODES,
        "agent.py": "from app.graph import builder\n",
        "raises.py": "def f():\n    raise KeyError('OPENAI_API_KEY')\n\nf()\n",
        "prints.py": "print('loading')\nfrom app.graph import builder\n",
    }
    write(root, files)
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)
    yield root
    forget(before)


def forget(before: set[str]) -> None:
    for name in set(sys.modules) - before:
        if name.partition(".")[0] not in ("lgc", "langgraph", "langchain_core"):
            del sys.modules[name]


def lgc(*arguments: str | Path) -> Result:
    """One command, in this process; the user's modules are imported anew."""
    before = set(sys.modules)
    try:
        result = CliRunner().invoke(cli.main, [str(a) for a in arguments])
    finally:
        forget(before)
    # Nothing but a deliberate exit leaves a command.
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def compiled(*arguments: str | Path) -> str:
    result = lgc("compile", *arguments, "--no-native")
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(code: str, *arguments: str | Path) -> str:
    """The message of a command that fails with one diagnostic of that code, and exit code 2."""
    result = lgc(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.count(f"error {code}: ") == result.stderr.count("error LGC") == 1
    assert "Traceback" not in result.stderr
    assert "\n  help: " in result.stderr
    return result.stderr


def snapshot(folder: Path) -> dict[str, Any]:
    """Every file below `folder`; bytecode aside."""
    paths = [p for p in folder.rglob("*") if "__pycache__" not in p.parts]
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in paths}


@contextmanager
def nothing_written(folder: Path) -> Iterator[None]:
    before = snapshot(folder)
    yield
    assert snapshot(folder) == before


def fake_builds(monkeypatch: pytest.MonkeyPatch, fails: str = "") -> list[str]:
    """Replaces mypyc: the native file holds the body hash of its source. Returns what was built."""
    names: list[str] = []

    @contextmanager
    def building(source: Path, name: str, *, shown_in: str) -> Iterator[Path]:
        names.append(name)
        if name == fails:
            raise native.NativeError("mypyc said no", "line 1\nline 2")
        marker = f"lgc-body:{body_hash(source.read_text())}".encode()
        built = source.parent / f"{name}{EXT}"
        built.write_bytes(bytes([len(marker)]) + marker)
        yield built

    monkeypatch.setattr(cli, "building", building)
    monkeypatch.setattr(cli, "find_compiler", lambda: "cc")
    return names
