"""schedule: the supersteps that are the same in every run.

After `triggers`. It plays the graph without running it: as long as only static
edges and joins decide, the next superstep is known (spec §13.1). A node with a
branch still runs in a known superstep; the one after it is not known.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from lgc.compiler.ir import GraphIR, Schedule
from lgc.compiler.passes.finding import Finding


def run(ir: GraphIR) -> tuple[GraphIR, list[Finding]]:
    """Sets `schedule`."""
    nodes = {node.name: node for node in ir.nodes}
    seen: dict[str, set[str]] = {join.key: set() for join in ir.joins}
    waiting: set[str] = set()
    current: tuple[str, ...] = ("__start__",)
    supersteps: list[tuple[str, ...]] = []
    history: set[object] = set()
    then: Literal["ends", "branch", "repeat"] = "ends"
    while current:
        state = (
            current,
            tuple(frozenset(names) for names in seen.values()),
            frozenset(waiting),
        )
        if state in history:
            then = "repeat"
            break
        history.add(state)
        supersteps.append(current)
        if any(nodes[name].branches or nodes[name].gotos for name in current):
            then = "branch"
            break
        for join in ir.joins:
            if join.end in current and seen[join.key] >= set(join.starts):
                seen[join.key] = set()
        chosen: set[str] = set()
        for name in current:
            for end in nodes[name].edges:
                if end != "__end__":
                    (waiting if nodes[end].defer else chosen).add(end)
            for key in nodes[name].joins:
                seen[key].add(name)
        for join in ir.joins:
            if seen[join.key] >= set(join.starts):
                (waiting if join.defer else chosen).add(join.end)
        if not chosen:
            # Deferred nodes start when nothing else is left to start.
            chosen, waiting = waiting, set()
        current = tuple(sorted(chosen))
    return dataclasses.replace(ir, schedule=Schedule(tuple(supersteps), then)), []
