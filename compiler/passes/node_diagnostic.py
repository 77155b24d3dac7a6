"""The diagnostics of the passes. The IR has no positions, so a pass names a node instead of a line,
and the pipeline looks up where that node is."""

from __future__ import annotations

from typing import NamedTuple

from lgc.compiler.diagnostics import Diagnostic


class NodeDiagnostic(NamedTuple):
    """A diagnostic and the node that it is about, or ""."""

    diagnostic: Diagnostic
    node: str = ""
