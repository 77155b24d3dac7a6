"""LangSmith tracing: what turns it on is what LangSmith says, and there is a way out."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextvars import Context
from typing import Any

import langsmith
import pytest
from inprocess import compile_in_process
from langchain_core.tracers.context import tracing_v2_callback_var
from langgraph.graph import START
from langsmith.utils import get_env_var, tracing_is_enabled
from small import Lists, wire, writes

from lgc.runtime.config import tracing
from lgc.runtime.public.errors import Unsupported

VARIABLES = [name for names in tracing._VARIABLES for name in names]
VALUES = ("", "true", "false", "1")


def graph() -> Any:
    return compile_in_process(wire(Lists, {"a": writes(x=["a"])}, (START, "a")))


def forget() -> None:
    """Lets both engines read the environment again."""
    get_env_var.cache_clear()
    tracing._environment_switch.cache_clear()
    tracing._warn_untraced.cache_clear()


@pytest.fixture(autouse=True)
def untraced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [*VARIABLES, tracing.OPT_OUT]:
        monkeypatch.delenv(name, raising=False)
    forget()
    yield
    monkeypatch.undo()
    forget()


def test_every_setting_of_the_environment_counts_as_langsmith_counts_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    switched_on = 0
    for settings in itertools.product(VALUES, repeat=len(VARIABLES)):
        for name, value in zip(VARIABLES, settings, strict=True):
            monkeypatch.setenv(name, value)
        forget()
        switch = tracing._environment_switch()
        assert bool(switch) == bool(tracing_is_enabled()), settings
        switched_on += bool(switch)
    assert 0 < switched_on < len(VALUES) ** len(VARIABLES)


def test_the_error_names_the_switch_and_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    forget()
    with pytest.raises(Unsupported) as caught:
        graph().invoke({"x": []})
    assert "environment variable LANGSMITH_TRACING" in str(caught.value)
    assert "LGC_TRACING=off" in str(caught.value)


def test_opting_out_runs_untraced_after_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LGC_TRACING", "off")
    forget()
    compiled = graph()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert compiled.invoke({"x": []}) == {"x": ["a"]}
        assert list(compiled.stream({"x": []})) == [{"a": {"x": ["a"]}}]
    assert len(caught) == 1
    assert "untraced" in str(caught[0].message)


def test_only_off_opts_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LGC_TRACING", "on")
    forget()
    with pytest.raises(Unsupported, match="LGC_TRACING=off"):
        graph().invoke({"x": []})


def test_the_switches_of_a_process_count_as_langsmith_counts_them() -> None:
    compiled = graph()
    with langsmith.tracing_context(enabled=True), pytest.raises(Unsupported, match="_context"):
        compiled.invoke({"x": []})
    with langsmith.tracing_context(enabled="local"), pytest.raises(Unsupported, match="_context"):
        compiled.invoke({"x": []})
    token = tracing_v2_callback_var.set(object())
    with pytest.raises(Unsupported, match="tracing_v2_enabled"):
        compiled.invoke({"x": []})
    tracing_v2_callback_var.reset(token)
    # In a context of its own: it switches that on, too.
    Context().run(langsmith.configure, enabled=True)
    try:
        with pytest.raises(Unsupported, match=r"langsmith\.configure"):
            compiled.invoke({"x": []})
        with langsmith.tracing_context(enabled=False):
            assert compiled.invoke({"x": []}) == {"x": ["a"]}
    finally:
        Context().run(langsmith.configure, enabled=None)
    assert compiled.invoke({"x": []}) == {"x": ["a"]}


def test_a_traced_caller_is_a_switch() -> None:
    """LangSmith traces what a run calls, unless the context says otherwise."""
    compiled = graph()
    parent = langsmith.run_trees.RunTree(name="outer")
    with (
        langsmith.tracing_context(parent=parent),
        pytest.raises(Unsupported, match="run around the call"),
    ):
        compiled.invoke({"x": []})


def test_a_switched_off_context_overrules_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    forget()
    with langsmith.tracing_context(enabled=False):
        assert graph().invoke({"x": []}) == {"x": ["a"]}


def test_production_without_langsmith_has_the_same_switch() -> None:
    script = """
import sys
from lgc.runtime.public.errors import Unsupported
from lgc.runtime.config.tracing import refuse_tracing
try:
    refuse_tracing()
except Unsupported as exc:
    print(exc)
print([name for name in ("langsmith", "langchain_core") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "LANGCHAIN_TRACING_V2": "true"},
        capture_output=True,
        text=True,
        check=True,
    )
    refusal, modules = done.stdout.splitlines()
    assert "environment variable LANGCHAIN_TRACING_V2" in refusal
    assert modules == "[]"
