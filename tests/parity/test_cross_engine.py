"""A thread begun by one engine is continued by the other, as if one had done it all.

Every thread is played by LangGraph alone first. Then, for every k, one engine makes the first k
calls and the other the rest, over the same saver or over each one's own on the same file or
database; with pinned time and chance every id and every byte has to come out the same.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from graph_builder import build
from hypothesis import assume
from parity import COUNTS, Build, difference
from random_threads import Thread, threads
from seeds import from_seeds
from threads import (
    Played,
    Player,
    Script,
    Step,
    content,
    first_difference,
    opened,
    ours,
    played,
    upstream,
)

from golden import GOLDEN
from golden import cases as golden_cases

DSN = os.environ.get("LGC_POSTGRES", "")

needs_server = pytest.mark.skipif(not DSN, reason="LGC_POSTGRES is not set: make test-postgres")

_NUMBERS = count(1)

Opens = Callable[[ExitStack], tuple[Any, Any]]
"""Opens a saver for LangGraph and one for lgc, which hold the same threads."""


def _same(kind: str) -> Opens:
    def opens(stack: ExitStack) -> tuple[Any, Any]:
        saver = stack.enter_context(opened(kind, None))
        return saver, saver

    return opens


def _on_file(stack: ExitStack) -> tuple[Any, Any]:
    file = Path(stack.enter_context(TemporaryDirectory()), "threads.db")
    kinds = ("UpstreamSqliteSaver", "SqliteSaver")
    theirs, mine = (stack.enter_context(opened(kind, file)) for kind in kinds)
    return theirs, mine


def _in_database(stack: ExitStack) -> tuple[Any, Any]:
    place = stack.enter_context(_database())
    kinds = ("UpstreamPostgresSaver", "PostgresSaver")
    theirs, mine = (stack.enter_context(opened(kind, place)) for kind in kinds)
    return theirs, mine


@contextmanager
def _database() -> Iterator[str]:
    import psycopg
    from psycopg.conninfo import make_conninfo

    name = f"lgc_cross_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(DSN, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield make_conninfo(DSN, dbname=name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def cross(build: Build, script: Script, opens: Opens, tries: int = 1, *, exact: bool = True) -> Any:
    """Wants no difference, whoever makes the first calls of a script, and however many.

    Args:
        build: makes the builder.
        script: the calls.
        opens: opens the savers.
        tries: how often a thread is played that differs.
        exact: the rows are equal; else what they hold is, but for ids that nodes draw.

    Returns:
        What LangGraph alone did, step by step.
    """
    with ExitStack() as alone:
        savers = opens(alone)
        expected = _play(savers, (upstream,), build, script)
        held = [] if exact else content(savers[0], expected)
        for k in range(1, len(script.steps) + 1):
            for turns in ((upstream, ours), (ours, upstream)):
                for _ in range(tries):
                    with ExitStack() as both:
                        others = opens(both)
                        engines = [turns[0]] * k + [turns[1]]
                        actual = _play(others, engines, build, script)
                        if exact:
                            found = first_difference(expected, actual, savers[0], others[0], script)
                        else:
                            found = difference(held, content(others[0], actual))
                    if found is None:
                        break
                assert found is None, f"{turns[0].__name__} for {k} calls\n{found}"
                COUNTS["threads on both engines"] += 1
    return [seen for seen, _ in expected]


def _play(savers: Any, engines: Any, build: Build, script: Script) -> Played:
    players = {
        engine: Player(engine, build, script, savers[engine is ours]) for engine in {*engines}
    }
    return played([players[engine] for engine in engines], script)


@from_seeds("cross_engine", threads(), examples=2)
def test_random_threads(case: Thread) -> None:
    """Any call of any script may be the one that changes engines."""
    cross(lambda log: build(case.graph, log), case.script, _same("UpstreamMemorySaver"), case.tries)


@from_seeds("cross_engine_own_saver", threads(), examples=2)
def test_random_threads_with_the_saver_of_lgc(case: Thread) -> None:
    """LangGraph, too, keeps its threads in lgc's saver."""
    cross(lambda log: build(case.graph, log), case.script, _same("MemorySaver"), case.tries)


@from_seeds("cross_engine_file", threads(), examples=2)
def test_random_threads_in_a_file(case: Thread) -> None:
    """Each engine with its own saver, on one file."""
    assume(not case.script.answers_again)
    cross(lambda log: build(case.graph, log), case.script, _on_file, case.tries)


@needs_server
@from_seeds("cross_engine_postgres", threads(), examples=2, by_itself=False)
def test_random_threads_in_postgres(case: Thread) -> None:
    """Each engine with its own saver, on one database."""
    # LangGraph's cannot read a channel whose name has a backslash; lgc's can.
    assume(not any("\\" in node.name for node in case.graph.nodes))
    assume(not case.script.answers_again)
    cross(lambda log: build(case.graph, log), case.script, _in_database, case.tries)


_INPUTS: dict[str, Any] = {
    "agent": {"messages": [{"role": "user", "content": "sums?", "id": "human"}]},
    "branches": {"number": 7},
    "chain": {"text": "  Hello  "},
    "commands": {"ticket": "it crashes: crash"},
    "deferred": {"log": [], "rounds": 3},
    "join": {"log": []},
    "loop": {"n": 6, "steps": 0},
    "map_reduce": {"texts": ["two words", "  one ", "", "these are four words"]},
    "messages": {"messages": [{"role": "user", "content": "6 * 7 * 10?", "id": "human"}]},
    "nested": {"topic": "owls"},
    "nested_agent": {"messages": [], "log": []},
    "policies": {"order": -1},
    "private_schemas": {"question": "why?", "answer": "given", "draft": "given"},
    "production": {"tasks": ["read", "write", "test"], "log": []},
    "pydantic_state": {"price": "3"},
    "react": {"messages": [{"role": "human", "text": "(19 + 23) * 10?"}]},
    "root": ["input"],
    "side_by_side": {"log": [], "drafts": 3, "mail": True},
}
_DRAWS = ("agent", "messages", "nested_agent", "react")
"""Those whose nodes draw ids."""


def _builder(case: str) -> Any:
    if str(GOLDEN) not in sys.path:
        sys.path.insert(0, str(GOLDEN))
    return importlib.import_module(f"{case}.graph").builder


def _options(case: str) -> tuple[tuple[str, Any], ...]:
    return (
        ("durability", "sync"),
        *([("context", {"user": "Ada"})] if case == "production" else []),
    )


def _step_by_step(case: str) -> Script:
    """A golden case, stopped before every superstep."""
    options = (*_options(case), ("interrupt_before", "*"))
    first, again = Step("invoke", _INPUTS[case], options=options), Step("invoke", options=options)
    look = (Step("get_state"), Step("get_state_history"))
    return Script((first, *[again] * 12, *look), {"max_concurrency": 1})


@pytest.mark.parametrize("case", [c for c in golden_cases() if c in _INPUTS])
@pytest.mark.parametrize("place", ["memory", "file", "postgres"])
def test_golden(case: str, place: str) -> None:
    """A golden case superstep by superstep: the history, and the end of an undisturbed run."""
    if place == "postgres" and not DSN:
        pytest.skip("LGC_POSTGRES is not set: make test-postgres")
    opens = {
        "memory": _same("UpstreamMemorySaver"),
        "file": _on_file,
        "postgres": _in_database,
    }[place]
    builder = _builder(case)
    script = _step_by_step(case)
    seen = cross(lambda log: builder, script, opens, exact=case not in _DRAWS)
    with ExitStack() as stack:
        savers = opens(stack)
        alone = Script((Step("invoke", _INPUTS[case], options=_options(case)), Step("get_state")))
        ends = _play(savers, (upstream,), lambda log: builder, alone)[1][0]["result"]
    if case not in _DRAWS:
        values = [end["<StateSnapshot>"]["values"] for end in (seen[-2]["result"], ends)]
        assert values[0] == values[1]


@pytest.mark.parametrize("case", [c for c in golden_cases() if c in _INPUTS and c not in _DRAWS])
def test_golden_left_early(case: str) -> None:
    """The consumer of the first call's stream stops after any number of chunks."""
    builder = _builder(case)
    for take in (1, 2, 4):
        options = (*_options(case), ("stream_mode", "values"))
        steps = (
            Step("stream", _INPUTS[case], options=options, take=take),
            Step("get_state"),
            Step("invoke", options=_options(case)),
            Step("get_state_history"),
        )
        script = Script(steps, {"max_concurrency": 1})
        cross(lambda log: builder, script, _same("UpstreamMemorySaver"))


def test_every_golden_case_is_here() -> None:
    """The cases without an entry print something of their own only, or do not run without a loop.

    The threads of async graphs are compared row by row in test_async_graphs.py.
    """
    absent = {*golden_cases()} - {*_INPUTS}
    assert absent == {"imports_inside", "async_agent", "async_fan_out", "async_mixed"}
