"""The passes: each reads the IR, adds facts to it, and returns it.

`PASSES` is the whole pipeline, in order; the reason for a pass's place is in its
docstring. Diagnostics are collected, not raised, so a user sees all of them.

A pass looks at one graph, and runs on each that is a node of another, too. But what the module
imports follows from all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from lgc.compiler.ir import GraphIR
from lgc.compiler.passes import imports, lint, order, reducers, schedule, supersteps, triggers
from lgc.compiler.passes.check_ir import check
from lgc.compiler.passes.node_diagnostic import NodeDiagnostic

Pass = Callable[[GraphIR], tuple[GraphIR, list[NodeDiagnostic]]]

PASSES: tuple[tuple[str, Pass], ...] = (
    ("order", order.run),
    ("triggers", triggers.run),
    ("schedule", schedule.run),
    ("supersteps", supersteps.run),
    ("reducers", reducers.run),
    ("imports", imports.run),
    ("lint", lint.run),
)


def run_passes(ir: GraphIR) -> tuple[GraphIR, list[NodeDiagnostic]]:
    """Runs every pass, with the IR checked before the first and after each.

    Returns:
        The annotated IR and the diagnostics of the passes.

    Raises:
        InvalidIR: a pass or the frontend made an IR that contradicts itself.
    """
    diagnostics: list[NodeDiagnostic] = []
    check(ir, "frontend")
    for name, run in PASSES:
        ir, new = run(ir) if run is imports.run else _on_each(run, ir)
        diagnostics += new
        check(ir, name)
    return ir, diagnostics


def _on_each(run: Pass, ir: GraphIR) -> tuple[GraphIR, list[NodeDiagnostic]]:
    """Runs a pass on a graph and on those that are its nodes."""
    children = []
    inner: list[NodeDiagnostic] = []
    for child in ir.children:
        graph, diagnostics = _on_each(run, child.graph)
        children.append(dataclasses.replace(child, graph=graph))
        inner += [diagnostic.inside(child.name) for diagnostic in diagnostics]
    ir, own = run(dataclasses.replace(ir, children=tuple(children)))
    return ir, [*own, *inner]
