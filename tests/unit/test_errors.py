"""Exceptions: LangGraph's classes where langgraph is loaded, caught by either hierarchy."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import langgraph.errors
import pytest

import lgc.runtime.public.errors as errors
from lgc.runtime import upstream

SHARED = sorted(
    name
    for name, value in vars(errors).items()
    if getattr(value, "__module__", "") == errors.__name__
    and inspect.isclass(value)
    and name != "Unsupported"
)
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "NodeCancelledError": ("node",),
    "NodeTimeoutError": ("node", 1.25),
    "ParentCommand": ("command",),
    "GraphInterrupt": (["question"],),
}
KEYWORDS: dict[str, dict[str, Any]] = {
    "NodeTimeoutError": {"kind": "idle", "idle_timeout": 1.0, "run_timeout": 2.5},
    "UnknownInterruptError": {
        "reason": "not_pending",
        "interrupt_ids": ["a"],
        "pending_ids": ["b", "c"],
    },
}


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has been handed a class yet."""
    monkeypatch.setattr(upstream, "_handed_out", set())
    monkeypatch.setattr(upstream, "_both", {})


def take(name: str, monkeypatch: pytest.MonkeyPatch) -> type[BaseException]:
    """The class that is handed out before langgraph is loaded."""
    with monkeypatch.context() as patch:
        patch.setattr(upstream, "loaded", lambda module, name: None)
        return upstream.hand_out_error(name)


def make(cls: type[BaseException], name: str) -> BaseException:
    return cls(*ARGUMENTS.get(name, ("text",)), **KEYWORDS.get(name, {}))


def test_all_have_langgraphs_name_and_bases() -> None:
    assert len(SHARED) == 11
    for name in SHARED:
        mine, theirs = getattr(errors, name), getattr(langgraph.errors, name)
        assert [base.__name__ for base in mine.__mro__] == [b.__name__ for b in theirs.__mro__]
        assert str(make(mine, name)) == str(make(theirs, name))
        assert make(mine, name).args == make(theirs, name).args
        assert vars(make(mine, name)) == vars(make(theirs, name))


@pytest.mark.parametrize("name", SHARED)
def test_langgraphs_class_while_it_is_loaded(fresh: None, name: str) -> None:
    theirs = getattr(langgraph.errors, name)
    assert upstream.hand_out_error(name) is theirs
    assert upstream.error_class(name) is theirs


@pytest.mark.parametrize("name", SHARED)
def test_own_class_while_it_is_not(fresh: None, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(upstream, "loaded", lambda module, name: None)
    own = getattr(errors, name)
    assert upstream.hand_out_error(name) is upstream.error_class(name) is own
    again = pickle.loads(pickle.dumps(make(own, name)))
    assert type(again) is own and str(again) == str(make(own, name))


@pytest.mark.parametrize("name", SHARED)
def test_both_once_own_was_handed_out(
    fresh: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    own, theirs = take(name, monkeypatch), getattr(langgraph.errors, name)
    assert own is not theirs
    cls = upstream.error_class(name)
    for caught in (own, theirs):
        with pytest.raises(caught) as info:
            raise make(cls, name)
    assert upstream.error_class(name) is cls
    assert cls.__name__ == name and cls.__module__ == theirs.__module__
    assert str(info.value) == str(make(theirs, name))
    again = pickle.loads(pickle.dumps(info.value))
    assert type(again) is theirs and vars(again) == vars(info.value)


def test_who_waits_for_the_base_gets_what_derives_from_it(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = take("GraphBubbleUp", monkeypatch)
    assert issubclass(upstream.error_class("GraphInterrupt"), base)
    assert upstream.error_class("GraphRecursionError") is langgraph.errors.GraphRecursionError


def test_with_code() -> None:
    code = langgraph.errors.ErrorCode.INVALID_CHAT_HISTORY
    expected = langgraph.errors.create_error_message(message="Text", error_code=code)
    assert errors.with_code("Text", code.value) == expected


def test_unsupported() -> None:
    error = errors.Unsupported("a thing", "node 'a'")
    assert (error.feature, error.where) == ("a thing", "node 'a'")
    assert str(error) == "lgc does not support a thing yet (node 'a')"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.feature, str(again)) == (type(error), error.feature, str(error))


def test_a_handler_written_before_langgraph_was_loaded(tmp_path: Path) -> None:
    script = """
from lgc import GraphRecursionError
from lgc.runtime.upstream import error_class
import langgraph.errors
for caught in (GraphRecursionError, langgraph.errors.GraphRecursionError, RecursionError):
    try:
        raise error_class("GraphRecursionError")("text")
    except caught as error:
        print(type(error).__module__, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "langgraph.errors text\n" * 3
