"""The passes: each reads the IR, adds facts to it, and returns it.

`PASSES` is the whole pipeline, in order; the reason for a pass's place is in its
docstring. Diagnostics are collected, not raised, so a user sees all of them.
"""

from __future__ import annotations

from collections.abc import Callable

from lgc.compiler.ir import GraphIR
from lgc.compiler.passes import link, lint, order, reducers, schedule, triggers
from lgc.compiler.passes.finding import Finding
from lgc.compiler.passes.validate import check

Pass = Callable[[GraphIR], tuple[GraphIR, list[Finding]]]

PASSES: tuple[tuple[str, Pass], ...] = (
    ("order", order.run),
    ("triggers", triggers.run),
    ("schedule", schedule.run),
    ("reducers", reducers.run),
    ("link", link.run),
    ("lint", lint.run),
)


def run_passes(ir: GraphIR) -> tuple[GraphIR, list[Finding]]:
    """Runs every pass, with the IR checked before the first and after each.

    Returns:
        The annotated IR and what the passes had to say.

    Raises:
        InvalidIR: a pass or the frontend made an IR that cannot be.
    """
    found: list[Finding] = []
    check(ir, "frontend")
    for name, run in PASSES:
        ir, said = run(ir)
        found += said
        check(ir, name)
    return ir, found
