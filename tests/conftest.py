"""Says which lgc is under test, refuses the wrong one, and sees to it that every run is the same.

``LGC_EXPECT=native`` demands the compiled runtime of an installed wheel, ``interpreted`` the source
of the checkout: without that, a run that was meant for one could quietly test the other.

Tests run cheap ones first, have the same ids in every process, and draw the same random cases.

``LGC_SHARE=1/2`` and ``2/2`` part the tests of `golden`, `parity` and `crash` that are no random
ones: each runs in one of the two, interpreted or natively, in half the time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import settings
from seeds import only_strategies
from totals import receive, send
from upstream_loops import closing_failed_loops

import lgc
import lgc.runtime.channels.base

# What tests/seeds does not pin depends on the test's own source.
settings.register_profile("pinned", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("pinned")

# The cheap ones first: what fails there makes the others fail, too.
_ORDER = ("unit", "upstream", "golden", "parity", "crash")
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")

# A module of the runtime that wheels hold natively stands for all of them.
_WITNESS = Path(lgc.runtime.channels.base.__file__)
_MODE = "interpreted" if _WITNESS.suffix == ".py" else "native"


def pytest_report_header() -> str:
    """Return the header line that names the package under test and its mode."""
    return f"lgc: {Path(lgc.__file__).parent} ({_MODE})"


def pytest_configure() -> None:
    """Stop the run unless the package under test is the one ``LGC_EXPECT`` names."""
    expected = os.environ.get("LGC_EXPECT")
    if expected not in (None, "native", "interpreted"):
        raise pytest.UsageError(f"LGC_EXPECT must be native or interpreted, not {expected!r}")
    installed = "site-packages" in _WITNESS.parts
    if expected is not None and (_MODE, installed) != (expected, expected == "native"):
        raise pytest.UsageError(f"LGC_EXPECT={expected}, but lgc.runtime comes from {_WITNESS}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Orders the tests, and leaves those to another run that are not of this one's share.

    Raises:
        UsageError: an id differs from process to process.
    """
    here = Path(__file__).parent

    def position(item: pytest.Item) -> int:
        folder = item.path.relative_to(here).parts[0]
        return _ORDER.index(folder) if folder in _ORDER else len(_ORDER)

    items.sort(key=position)
    unstable = [item.nodeid for item in items if _ADDRESS.search(item.nodeid)]
    if unstable:
        raise pytest.UsageError(f"ids with a memory address, give them by `ids`: {unstable}")
    share, _, shares = os.environ.get("LGC_SHARE", "").partition("/")
    if share:
        others = [item for item in items if _is_left_to_others(item, int(share), int(shares))]
        config.hook.pytest_deselected(items=others)
        left = set(others)
        items[:] = [item for item in items if item not in left]


def _is_left_to_others(item: pytest.Item, share: int, shares: int) -> bool:
    """Whether a test belongs to another share of so many, counted from 1."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    # LGC_SCALE says how many of the random ones run.
    if folder not in ("golden", "parity", "crash") or "seed" in getattr(item, "fixturenames", ()):
        return False
    return crc32(item.nodeid.encode()) % shares + 1 != share


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Sends the counts of a worker of pytest-xdist to the process that prints them."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        send(output)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Adds up what the workers of pytest-xdist have counted."""
    receive(getattr(node, "workeroutput", {}))


@pytest.fixture(scope="session", autouse=True)
def _same_in_every_process() -> Iterator[None]:
    with only_strategies(), closing_failed_loops():
        yield
