"""The diagnostics of the passes. The IR has no positions, so a pass names a node instead of a line,
and the pipeline looks up where that node is."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from lgc.compiler.diagnostics import Diagnostic, in_node


class NodeDiagnostic(NamedTuple):
    """A diagnostic and what it is about.

    Attributes:
        node: the node that it is about, or "".
        path: the nodes that lead to the graph of that node, the outermost first.
    """

    diagnostic: Diagnostic
    node: str = ""
    path: tuple[str, ...] = ()

    def inside(self, holder: str) -> NodeDiagnostic:
        """The same of a graph that is the node `holder` of another."""
        message = in_node(holder, self.diagnostic.message)
        return NodeDiagnostic(
            replace(self.diagnostic, message=message), self.node, (holder, *self.path)
        )
