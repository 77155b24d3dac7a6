"""Every diagnostic code has a golden case, which gives the text that was reviewed."""

from __future__ import annotations

import shutil

import diagnostic_cases
import pytest
from command_line import needs_compiler

from lgc.compiler.diagnostics import CODES

NEEDS = {
    "LGC110": needs_compiler,
    "LGC303": pytest.mark.skipif(shutil.which("git") is None, reason="no git"),
}


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=NEEDS.get(c, ())) for c in diagnostic_cases.cases()]
)
def test_case(case: str) -> None:
    """The diagnostics are the committed ones, and the case's code is among them."""
    text = diagnostic_cases.diagnostics(case)
    assert text == diagnostic_cases.wanted(case)
    assert f" {case[:6]}: " in text


def test_every_code_has_a_case() -> None:
    """And no case is about a code that is gone."""
    assert {case[:6] for case in diagnostic_cases.cases()} == set(CODES)
