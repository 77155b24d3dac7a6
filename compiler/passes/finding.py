"""What a pass has to say: a diagnostic, and the node it is about.

The IR has no positions, so a pass cannot point at a line; the pipeline can.
"""

from __future__ import annotations

from typing import NamedTuple

from lgc.compiler.diagnostics import Diagnostic


class Finding(NamedTuple):
    """A diagnostic and the node it is about, or ""."""

    diagnostic: Diagnostic
    node: str = ""
