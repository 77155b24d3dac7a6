"""Nodes and routers find their config, whoever loads langchain-core, and whenever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lgc.runtime.config import langchain_import as interop

# A module like a generated one, whose nodes are those of the script above it.
GRAPH = """
import sys
from lgc.runtime import abi
from lgc.runtime.config import langchain_import as interop

def compiled(nodes, route):
    names = tuple(nodes)

    def supersteps(run, due):
        if due == "__start__":
            due = run.start(then=" | ".join(names[:-1]))
        if " | " in due:
            due = run.parallel(due)
        if due == names[0]:
            due = run.routed(due, "route")
        for name in names[1:]:
            if due == name:
                due = run.node(name)
        return due

    def apply(run, values, update):
        for key, written in update.items():
            run.write(key, written)

    return abi.compiled(
        "test",
        supersteps,
        apply,
        keys=(abi.aggregate("log", list, lambda old, new: old + new),),
        nodes=tuple(
            abi.Node(
                name,
                nodes[name],
                branches=(abi.Branch("route", route),) * (name == names[0]),
            )
            for name in names
        ),
    )

def run(nodes, route):
    graph = compiled(nodes, route)
    assert "langchain_core" not in sys.modules
    for line in graph.invoke({"log": []}, {"configurable": {"mine": 1}})["log"]:
        print(line)
"""

AFTERWARDS = """
finders = [type(finder).__module__ for finder in sys.meta_path]
loader = type(sys.modules[CONFIG].__spec__.loader).__name__
print("lgc.runtime.config.langchain_import" in finders, loader)
print(sys.modules[CONFIG].__loader__ is sys.modules[CONFIG].__spec__.loader)
"""


def run(script: str, folder: Path) -> list[str]:
    """The lines a script printed in a fresh interpreter."""
    text = 'CONFIG = "langchain_core.runnables.config"\n' + GRAPH + script
    done = subprocess.run([sys.executable, "-c", text], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_first_import_inside_a_node(tmp_path: Path) -> None:
    """For that node, its router, the node beside it, which had started, and the next one."""
    lines = run(
        """
from threading import Event
started, imported = Event(), Event()

def seen(who):
    from langchain_core.runnables import RunnableLambda
    from langgraph.config import get_config
    inner = RunnableLambda(lambda value, config: config["metadata"]["langgraph_node"])
    config = get_config()
    assert get_config() is config
    return f"{who} {config['metadata']['langgraph_node']} {config['configurable']['mine']} " \
        f"{inner.invoke(1)}"

def first(state):
    assert started.wait(60)
    try:
        return {"log": [seen("first")]}
    finally:
        imported.set()

def beside(state):
    started.set()
    assert imported.wait(60)
    return {"log": [seen("beside")]}

def last(state):
    return {"log": [*routed, seen("last")]}

routed = []

def route(state):
    routed.append(seen("router"))
    return "last"

run({"first": first, "beside": beside, "last": last}, route)
"""
        + AFTERWARDS,
        tmp_path,
    )
    assert lines == [
        "beside beside 1 beside",
        "first first 1 first",
        "router first 1 first",
        "last last 1 last",
        "False SourceFileLoader",
        "True",
    ]


def test_first_import_below_a_node(tmp_path: Path) -> None:
    """In a context copied from the node's and in a thread of its own; then the node asks itself."""
    lines = run(
        """
from contextvars import copy_context
from threading import Thread

def seen():
    from langgraph.config import get_config
    return get_config()["metadata"]["langgraph_node"]

def first(state):
    found = [copy_context().run(seen)]
    thread = Thread(target=copy_context().run, args=(lambda: found.append(seen()),))
    thread.start()
    thread.join()
    return {"log": [*found, seen()]}

def last(state):
    return {"log": [seen()]}

run({"first": first, "last": last}, lambda state: "last")
from langgraph.config import get_config
try:
    get_config()
except RuntimeError as error:
    print(error)
""",
        tmp_path,
    )
    assert lines == ["first"] * 3 + ["last", "Called get_config outside of a runnable context"]


def test_without_langchain_core(tmp_path: Path) -> None:
    """lgc's own functions, and nothing gets loaded by them."""
    lines = run(
        """
from lgc import GraphInterrupt, get_config, get_runtime, get_store, get_stream_writer, interrupt

def seen(who):
    config = get_config()
    assert get_runtime() is config["configurable"]["__pregel_runtime"] is get_runtime(dict)
    assert get_stream_writer() is get_runtime().stream_writer
    return f"{who} {config['metadata']['langgraph_node']} {get_store()}"

def first(state):
    return {"log": [seen("first")]}

def last(state):
    try:
        interrupt("question")
    except GraphInterrupt as error:
        return {"log": [*routed, seen("last"), error.args[0][0].value]}

routed = []

def route(state):
    routed.append(seen("router"))
    return "last"

run({"first": first, "last": last}, route)
print([name for name in sys.modules if name.startswith("lang")])
""",
        tmp_path,
    )
    assert lines == [
        "first first None",
        "router first None",
        "last last None",
        "question",
        "[]",
    ]


def test_functions_taken_before_langchain_core_was_loaded(tmp_path: Path) -> None:
    lines = run(
        """
from lgc import get_config, get_runtime, interrupt

def first(state):
    before = get_config()
    from langchain_core.runnables import RunnableLambda
    inner = RunnableLambda(lambda value: get_config()["metadata"]["langgraph_node"])
    assert get_config() == before
    return {"log": [inner.invoke(1)]}

def last(state):
    import langgraph.types
    langgraph.types.interrupt = lambda value, response_schema: (value, response_schema)
    return {"log": [interrupt("question", response_schema=1), get_runtime().context]}

run({"first": first, "last": last}, lambda state: "last")
""",
        tmp_path,
    )
    assert lines == ["first", "('question', 1)", "None"]


def test_nothing_is_watched_for_once_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    import langchain_core.runnables.config

    before = list(sys.meta_path)
    interop.watch()
    assert sys.meta_path == before
    assert not isinstance(
        langchain_core.runnables.config.var_child_runnable_config, interop.AmbientVar
    )


def test_an_import_that_fails_is_waited_for_again(tmp_path: Path) -> None:
    """And watching twice is watching once; other modules are found as ever."""
    (tmp_path / "langchain_core/runnables").mkdir(parents=True)
    (tmp_path / "langchain_core/__init__.py").touch()
    (tmp_path / "langchain_core/runnables/__init__.py").touch()
    (tmp_path / "langchain_core/runnables/config.py").write_text(
        "import sys, json\n"
        "if not hasattr(sys, 'second'):\n"
        "    sys.second = 1\n"
        "    raise ImportError('first time')\n"
        "from contextvars import ContextVar\n"
        "var_child_runnable_config = ContextVar('child', default=None)\n"
    )
    lines = run(
        """
interop.watch()
interop.watch()
for _ in range(2):
    try:
        import langchain_core.runnables.config as config
        break
    except ImportError as error:
        print(error, CONFIG in sys.modules)
var = config.var_child_runnable_config
print(type(var).__name__, var.name, var.get(), var.get("other"))
token = var.set("value")
print(var.get(), var.reset(token), var.get())
"""
        + AFTERWARDS,
        tmp_path,
    )
    assert lines == [
        "first time False",
        "AmbientVar child None other",
        "value None None",
        "False SourceFileLoader",
        "True",
    ]
