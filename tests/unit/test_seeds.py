"""What makes every run of the tests the same: seeds, ids, and threads that end."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
import seeds
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a suite whose file holds some seeds."""
    monkeypatch.setattr(seeds, "FOLDER", tmp_path)

    def make(text: str, check: Any = lambda case: None) -> seeds.Suite:
        (tmp_path / "some.txt").write_text(text, encoding="utf-8")
        return seeds.Suite("some", st.integers(0, 1000), 20, check, True)

    return make


def test_scale_is_a_share_of_the_file(suite: Any) -> None:
    made = suite("7  # a router that raises\n# why\n\n" + "".join(f"{i}\n" for i in range(1, 10)))
    assert made.seeds(1) == [7, *range(1, 10)]
    assert made.seeds(0.3) == [7, 1, 2]
    assert made.seeds(0.001) == [7]
    assert made.seeds(1.2) == [7, *range(1, 10), 1_000_000, 1_000_001]


def test_a_seed_draws_the_same_cases(suite: Any) -> None:
    made = suite("1\n")
    assert made.drawn(5) == made.drawn(5) != made.drawn(6)


def test_a_failure_shows_the_smallest_case(suite: Any) -> None:
    def check(case: int) -> None:
        assert case < 100

    with pytest.raises(AssertionError) as caught:
        suite("1\n", check).run(3)
    if sys.version_info >= (3, 11):
        assert "case=100," in "".join(caught.value.__notes__)


def test_every_suite_has_a_file_and_every_file_a_suite() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in TESTS.glob("*/test_*.py"))
    for path in (TESTS / "seeds").glob("*.txt"):
        assert f'"{path.stem}"' in source, path
        numbers = seeds.read_seeds(path.read_text(encoding="utf-8"))
        assert numbers and len({*numbers}) == len(numbers), path


def test_collected_and_drawn_alike_in_every_process() -> None:
    """pytest-xdist needs equal ids in its workers, and a seed is worth something if it is kept."""
    code = (
        "import sys, pytest\n"
        "from dataclasses import replace\n"
        "class Show:\n"
        "    def pytest_collection_finish(self, session):\n"
        "        import re, seeds\n"
        "        for item in session.items:\n"
        "            print('id', item.nodeid)\n"
        "        for name, suite in sorted(seeds.SUITES.items()):\n"
        "            with seeds.only_strategies():\n"
        "                cases = replace(suite, examples=5).drawn(5)\n"
        "            print('cases', name, *sorted(re.sub(r'0x[0-9a-f]+', '', repr(cases))))\n"
        "sys.exit(pytest.main(['--collect-only', '-qq', '-p', 'no:cacheprovider', sys.argv[1]],"
        " [Show()]))\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(TESTS)],
            env={**os.environ, "PYTHONHASHSEED": hashes},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for hashes in ("1", "2")
    ]
    first, second = ([line for line in run.communicate()[0].splitlines()] for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert sum(line.startswith("id ") for line in first) > 2000
    assert sum(line.startswith("cases ") for line in first) == len(
        [*(TESTS / "seeds").glob("*.txt")]
    )
    assert first == second


def refuse(old: list[int], new: list[int]) -> list[int]:
    """A reducer that raises over a 0."""
    return [*old, *(1 // value for value in new)]


class State(TypedDict):
    """One key."""

    x: Annotated[list[int], refuse]


def test_a_run_of_langgraph_that_cannot_start_leaves_no_thread() -> None:
    """The garbage collector is not asked, for it may wait under a lock of `threading`."""
    builder = StateGraph(State)
    builder.add_node("a", lambda state: None)
    builder.add_edge(START, "a")
    graph = builder.compile(checkpointer=InMemorySaver(), interrupt_before=["a"])
    config: Any = {"configurable": {"thread_id": "t"}}
    graph.invoke({"x": [1]}, config)
    before = {*threading.enumerate()}
    gc.disable()
    try:
        with pytest.raises(ZeroDivisionError):
            # The write is stored by a thread; then the reducer raises.
            graph.invoke(Command(update={"x": [0]}), config)
        left = {*threading.enumerate()} - before
    finally:
        gc.enable()
    assert not left
