"""schedule: the supersteps that are the same in every run.

After `triggers`. The pass steps through the graph without running it: as long as only
static edges and joins decide, the next superstep is known (spec §13.1). A node with a
conditional edge still runs in a known superstep; the superstep after it is not known.

A small graph may have many such supersteps: loops of 2, 3, 5, 7, … nodes side by
side repeat only after the product of their lengths. The list is therefore bounded by
the number of nodes.
"""

from __future__ import annotations

import dataclasses
from typing import Final, Literal

from lgc.compiler.barriers import Barriers
from lgc.compiler.ir import GraphIR, Schedule
from lgc.compiler.passes.node_diagnostic import NodeDiagnostic

_TASKS_PER_NODE: Final = 4
_TASKS: Final = 1_000
"""The list has at most `_TASKS` tasks, and `_TASKS_PER_NODE` more for each node."""


def run(ir: GraphIR) -> tuple[GraphIR, list[NodeDiagnostic]]:
    """Sets `schedule`."""
    nodes = {node.name: node for node in ir.nodes}
    left = _TASKS + _TASKS_PER_NODE * len(ir.nodes)
    barriers = Barriers(ir)
    current: tuple[str, ...] = ("__start__",)
    supersteps: list[tuple[str, ...]] = []
    history: set[tuple[tuple[str, ...], int]] = set()
    then: Literal["ends", "branch", "repeat", "more"] = "ends"
    while current:
        if (current, barriers.fingerprint) in history:
            then = "repeat"
            break
        left -= len(current)
        if left < 0:
            then = "more"
            break
        history.add((current, barriers.fingerprint))
        supersteps.append(current)
        if any(nodes[name].branches or nodes[name].gotos for name in current):
            then = "branch"
            break
        current = barriers.advance(current)
    return dataclasses.replace(ir, schedule=Schedule(tuple(supersteps), then)), []
