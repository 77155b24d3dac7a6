"""Which classes are loaded: lgc's own stand in for LangGraph's until langgraph is imported."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path

import langgraph.errors
import langgraph.types
import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.config import var_child_runnable_config

import lgc
from lgc.runtime import upstream
from lgc.runtime.public import commands, errors, policies, records, wrapped_values
from lgc.runtime.public import runtime as runtimes

RUNTIME = Path(lgc.__file__).parent / "runtime"
ASKED = re.compile(
    r"\b(?:error_class|current_class|is_a|is_instance_of_error|_is_error)\("
    r'(?:[^()"]*,\s*)?"(\w+)"\)'
)


def test_loaded() -> None:
    assert upstream.loaded("langgraph.types", "Send") is langgraph.types.Send
    assert upstream.loaded("langgraph.types", "nothing") is None
    assert upstream.loaded("no.such.module", "Send") is None


def test_is_a() -> None:
    class Derived(commands.Send):
        pass

    for send in (commands.Send("n", 1), langgraph.types.Send("n", 1), Derived("n", 1)):
        assert upstream.is_a(send, "Send")
        assert not upstream.is_a(send, "Command")
    assert not upstream.is_a({}, "Send")


def test_is_a_without_langgraph(monkeypatch: pytest.MonkeyPatch) -> None:
    class Derived(commands.Send):
        pass

    monkeypatch.setattr(upstream, "loaded", lambda module, name: None)
    assert upstream.is_a(commands.Send("n", 1), "Send")
    assert upstream.is_a(Derived("n", 1), "Send")
    assert not upstream.is_a(langgraph.types.Send("n", 1), "Send")
    assert not upstream.is_a("n", "Send")


def test_classes_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert upstream.own_class("langgraph.types", "Send") is commands.Send
    assert upstream.own_class("langgraph.runtime", "Send") is None
    assert upstream.own_class("langgraph.types", "nothing") is None
    assert upstream.current_class("Send") is langgraph.types.Send
    monkeypatch.setattr(upstream, "loaded", lambda module, name: None)
    assert upstream.current_class("Send") is commands.Send


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    own, theirs = errors.GraphInterrupt(), langgraph.errors.GraphInterrupt()
    for error in (own, theirs):
        for name in ("GraphInterrupt", "GraphBubbleUp"):
            assert upstream.is_instance_of_error(error, name)
        assert not upstream.is_instance_of_error(error, "ParentCommand")
    monkeypatch.setattr(upstream, "loaded", lambda module, name: None)
    assert upstream.is_instance_of_error(own, "GraphBubbleUp")
    assert not upstream.is_instance_of_error(theirs, "GraphBubbleUp")


def test_langchain() -> None:
    assert upstream.is_runnable(RunnableLambda(len))
    assert not upstream.is_runnable(len)
    assert upstream.langchain_var() is var_child_runnable_config


def test_langgraph_is_loaded_late(tmp_path: Path) -> None:
    """The same questions get other answers once it is; an object of lgc's stays what it is."""
    script = """
import sys
from lgc.runtime import upstream
from lgc.runtime.public.commands import Command, Send
send = Send("n", 1)
print(upstream.is_a(send, "Send"), upstream.current_class("Send") is Send, upstream.langchain_var())
print(upstream.is_runnable(len), [name for name in sys.modules if name.startswith("lang")])
import langgraph.types
print(upstream.is_a(send, "Send"), upstream.is_a(langgraph.types.Send("n", 1), "Send"))
print(upstream.current_class("Send") is langgraph.types.Send, upstream.langchain_var() is not None)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["True True None", "False []", "True True", "True True"]


def test_whoever_asks_by_name_has_registered_it(tmp_path: Path) -> None:
    """Also when it is the first module of lgc that is imported."""
    asking = {}
    for path in sorted(RUNTIME.rglob("*.py")):
        names = sorted(set(ASKED.findall(path.read_text(encoding="utf-8"))))
        if names:
            module = ".".join(("lgc.runtime", *path.relative_to(RUNTIME).with_suffix("").parts))
            asking[module.removesuffix(".__init__")] = names
    assert len(asking) > 10
    script = f"""
import sys
from importlib import import_module
for module, names in {asking}.items():
    for loaded in [name for name in sys.modules if name.partition(".")[0] == "lgc"]:
        del sys.modules[loaded]
    import_module(module)
    missing = set(names) - set(sys.modules["lgc.runtime.upstream"]._COUNTERPARTS)
    if missing:
        print(module, *sorted(missing))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_pickles_of_lgc_0_1() -> None:
    """They name the modules of that version."""
    data = "clgc.runtime.types\n_restore\n(clgc.runtime.types\nSend\n"
    data += "(dS'node'\nS'n'\nsS'arg'\nI1\nsS'timeout'\nNstR."
    assert pickle.loads(data.encode()) == commands.Send("n", 1)
    types = (
        (commands, "Command Interrupt Overwrite Send"),
        (policies, "CachePolicy RetryPolicy TimeoutPolicy default_cache_key default_retry_on"),
        (records, "_restore"),
        (runtimes, "ExecutionInfo RunControl Runtime ServerInfo no_heartbeat no_writer"),
        (wrapped_values, "Snapshot"),
    )
    for module, names in types:
        for name in names.split():
            assert pickle.loads(f"clgc.runtime.types\n{name}\n.".encode()) is getattr(module, name)
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, BaseException):
            assert pickle.loads(f"clgc.runtime.errors\n{name}\n.".encode()) is value
