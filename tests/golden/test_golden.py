"""Every golden case emits what was reviewed, and prints on every engine what it printed then."""

from __future__ import annotations

import pytest

import golden
from lgc.compiler.native import find_compiler


@pytest.mark.parametrize("case", golden.cases())
def test_case(case: str) -> None:
    """IR text, module and output are the committed ones; LangGraph prints the same output."""
    got = golden.build(case, native=find_compiler() is not None)
    assert got.files == golden.wanted(case).files
