"""Random tests whose seeds are committed, so that chance decides nothing in CI.

`from_seeds` makes a test of a function that checks one drawn case. The test runs once for every
seed of `tests/seeds/<name>.txt`, and a seed draws the same cases in every process: what is drawn
depends on the seed, the strategy and the version of hypothesis alone. `make explore` draws from
seeds that nobody has tried yet.

LGC_SCALE says how much of it runs: 1 is the whole file, 0.1 its first tenth (at least one seed),
and 4 as many seeds again three times, counted up from 1,000,000.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import engine
from hypothesis.internal.conjecture.providers import HypothesisProvider

FOLDER = Path(__file__).resolve().parents[1] / "seeds"
SCALE = float(os.environ.get("LGC_SCALE", "1"))
SUITES: dict[str, Suite] = {}
"""Every suite of the test modules that are imported, by name."""

_EXTRA = 1_000_000
"""The first seed that LGC_SCALE adds to a file's."""
_SHRINKING = 60
"""Seconds for reducing a failure; a test that takes 300 is ended."""


@dataclass(frozen=True)
class Suite:
    """One random test.

    Attributes:
        name: of the file of its seeds.
        strategy: what draws a case.
        examples: how many cases a seed draws.
        check: raises if a case is not as it should be.
        by_itself: whether it runs without pytest's fixtures, as `make explore` does it.
    """

    name: str
    strategy: st.SearchStrategy[Any]
    examples: int
    check: Callable[[Any], None]
    by_itself: bool

    @property
    def file(self) -> Path:
        """The committed seeds."""
        return FOLDER / f"{self.name}.txt"

    def seeds(self, scale: float = SCALE) -> list[int]:
        """The seeds that a run with LGC_SCALE=`scale` draws from."""
        committed = read_seeds(self.file.read_text(encoding="utf-8"))
        wanted = max(1, round(len(committed) * scale))
        return [*committed, *islice(count(_EXTRA), max(0, wanted - len(committed)))][:wanted]

    def run(self, number: int) -> None:
        """Checks the cases of a seed.

        Raises:
            Exception: what `check` raised for the smallest case that fails, as its notes show.
        """
        self._run(number, self.check, (Phase.generate, Phase.shrink))

    def drawn(self, number: int) -> list[Any]:
        """The cases of a seed, unchecked."""
        cases: list[Any] = []
        self._run(number, cases.append, (Phase.generate,))
        return cases

    def _run(self, number: int, check: Callable[[Any], None], phases: tuple[Phase, ...]) -> None:
        @seed(number)
        @settings(
            # Hypothesis begins with the smallest case there is, with every seed.
            max_examples=self.examples + 1,
            phases=phases,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        )
        @given(self.strategy)
        def body(case: Any) -> None:
            check(case)

        # Hypothesis reports a failure under this name.
        body.__name__ = body.__qualname__ = self.name
        with only_strategies(), patch.object(engine, "MAX_SHRINKING_SECONDS", _SHRINKING):
            body()


def from_seeds(
    name: str, strategy: st.SearchStrategy[Any], *, examples: int, by_itself: bool = True
) -> Callable[[Callable[[Any], None]], Callable[[int], None]]:
    """Makes a test of a function that checks one case.

    Args:
        name: of the file in tests/seeds.
        strategy: what draws a case.
        examples: how many cases a seed draws: a second's worth, so that workers share them.
        by_itself: False when the test needs a fixture.
    """

    def decorate(check: Callable[[Any], None]) -> Callable[[int], None]:
        if name in SUITES and SUITES[name].check.__qualname__ != check.__qualname__:
            raise ValueError(f"two suites are called {name}")
        suite = SUITES[name] = Suite(name, strategy, examples, check, by_itself)

        def test(seed: int) -> None:
            suite.run(seed)

        test.__name__, test.__qualname__ = check.__name__, check.__qualname__
        test.__doc__, test.__module__ = check.__doc__, check.__module__
        return pytest.mark.parametrize("seed", suite.seeds())(test)

    return decorate


def read_seeds(text: str) -> list[int]:
    """The seeds of a file's text: the first word of every line that is not empty or a comment."""
    words = (line.partition("#")[0].split() for line in text.splitlines())
    return [int(line_words[0]) for line_words in words if line_words]


@contextmanager
def only_strategies() -> Iterator[None]:
    """Keeps hypothesis from drawing constants out of whatever modules happen to be loaded."""
    with patch.object(HypothesisProvider, "_maybe_draw_constant", lambda *_, **__: None):
        yield
