"""`lgc.savers` and `lgc.serde`, and the older paths of what they export."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import lgc.savers
import lgc.serde

MEMORY_AND_SQLITE = ["AsyncSqliteSaver", "BaseSaver", "MemorySaver", "SqliteSaver"]
POSTGRES = ["AsyncPostgresSaver", "PostgresSaver"]

ALIASES = [
    ("lgc.runtime.savers", "lgc.savers", MEMORY_AND_SQLITE + POSTGRES),
    ("lgc.runtime.savers.base", "lgc.savers", ["BaseSaver"]),
    ("lgc.runtime.savers.memory", "lgc.savers", ["MemorySaver"]),
    ("lgc.runtime.savers.sqlite", "lgc.savers", ["AsyncSqliteSaver", "SqliteSaver"]),
    ("lgc.runtime.savers.postgres", "lgc.savers", POSTGRES),
    ("lgc.runtime.codec", "lgc.serde", ["Serializer"]),
    ("lgc.runtime.encrypted", "lgc.serde", ["EncryptedSerializer"]),
    (
        "lgc.runtime.messages",
        "lgc.runtime.public.messages",
        ["add_messages", "messages_delta_reducer"],
    ),
]
"""A documented path, the place of today, and the names that both have."""


@pytest.mark.parametrize(("alias", "place", "names"), ALIASES, ids=[row[0] for row in ALIASES])
def test_an_alias_has_the_same_objects(alias: str, place: str, names: list[str]) -> None:
    for name in names:
        assert getattr(import_module(alias), name) is getattr(import_module(place), name)


def test_names() -> None:
    assert lgc.savers.__all__ == dir(lgc.savers) == sorted(MEMORY_AND_SQLITE + POSTGRES)
    assert lgc.serde.__all__ == ["EncryptedSerializer", "Serializer"]
    with pytest.raises(AttributeError, match=r"module 'lgc\.savers' has no attribute 'nothing'"):
        _ = lgc.savers.nothing


@pytest.mark.parametrize("name", MEMORY_AND_SQLITE + POSTGRES)
def test_the_methods_of_a_saver_are_documented(name: str) -> None:
    """What `help` shows: a documentation, and the signature that the interface has."""
    saver = getattr(lgc.savers, name)
    for method, function in inspect.getmembers(saver, inspect.isfunction):
        if method.startswith("_"):
            continue
        assert inspect.getdoc(function), method
        interface = getattr(lgc.savers.BaseSaver, method, function)
        assert inspect.signature(function) == inspect.signature(interface), method


@pytest.mark.parametrize("statement", ["import lgc.savers", "from lgc.savers import MemorySaver"])
def test_savers_load_no_database(tmp_path: Path, statement: str) -> None:
    assert _loaded(statement, tmp_path) == set()


def test_serializers_load_nothing_slow(tmp_path: Path) -> None:
    assert _loaded("import lgc.serde", tmp_path) == set()


SLOW = (
    "asyncio concurrent.futures dataclasses inspect json langchain_core langgraph logging"
    " ormsgpack pickle psycopg sqlite3 uuid lgc.runtime.savers.postgres lgc.runtime.savers.sqlite"
)


def _loaded(statement: str, folder: Path) -> set[str]:
    """Which of the `SLOW` modules a statement loads in a fresh interpreter."""
    script = f"import sys; {statement}; print(*{set(SLOW.split())}.intersection(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())
