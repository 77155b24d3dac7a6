"""Says which lgc is under test, refuses the wrong one, and sets up hypothesis.

``LGC_EXPECT=native`` demands the compiled runtime of an installed wheel, ``interpreted`` the source
of the checkout: without that, a run that was meant for one could quietly test the other.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

import lgc
import lgc.runtime.channels

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# A module of the runtime that wheels hold natively stands for all of them.
_WITNESS = Path(lgc.runtime.channels.__file__)
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
