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
from collections import defaultdict
from typing import Final, Literal

from xxhash import xxh3_128_intdigest

from lgc.compiler.ir import GraphIR, JoinIR, Schedule
from lgc.compiler.passes.node_diagnostic import NodeDiagnostic

_TASKS_PER_NODE: Final = 4
_TASKS: Final = 1_000
"""The list has at most `_TASKS` tasks, and `_TASKS_PER_NODE` more for each node."""


def run(ir: GraphIR) -> tuple[GraphIR, list[NodeDiagnostic]]:
    """Sets `schedule`."""
    nodes = {node.name: node for node in ir.nodes}
    barriers = {join.key: _Barrier(join, i) for i, join in enumerate(ir.joins)}
    joins_to: defaultdict[str, list[_Barrier]] = defaultdict(list)
    for join in ir.joins:
        joins_to[join.end].append(barriers[join.key])
    left = _TASKS + _TASKS_PER_NODE * len(ir.nodes)
    waiting: set[str] = set()
    # A hash of what barriers have seen and of which nodes wait: comparing these sets in every
    # superstep would take the square of the graph's size.
    fingerprint = 0
    current: tuple[str, ...] = ("__start__",)
    supersteps: list[tuple[str, ...]] = []
    history: set[tuple[tuple[str, ...], int]] = set()
    then: Literal["ends", "branch", "repeat", "more"] = "ends"
    while current:
        if (current, fingerprint) in history:
            then = "repeat"
            break
        left -= len(current)
        if left < 0:
            then = "more"
            break
        history.add((current, fingerprint))
        supersteps.append(current)
        if any(nodes[name].branches or nodes[name].gotos for name in current):
            then = "branch"
            break
        for name in current:
            for barrier in joins_to[name]:
                fingerprint ^= barrier.consume()
        chosen: set[str] = set()
        late: set[str] = set()
        for name in current:
            for end in nodes[name].edges:
                if end != "__end__":
                    (late if nodes[end].defer else chosen).add(end)
            for key in nodes[name].joins:
                barrier = barriers[key]
                fingerprint ^= barrier.add(name)
                if barrier.is_full:
                    (late if barrier.join.defer else chosen).add(barrier.join.end)
        for name in late - waiting:
            fingerprint ^= _digest(_WAITING, name)
        waiting |= late
        if not chosen:
            # Deferred nodes start when nothing else is left to start.
            for name in waiting:
                fingerprint ^= _digest(_WAITING, name)
            chosen, waiting = waiting, set()
        current = tuple(sorted(chosen))
    return dataclasses.replace(ir, schedule=Schedule(tuple(supersteps), then)), []


class _Barrier:
    """The starts that a join has seen; `add` and `consume` return the change of the fingerprint."""

    def __init__(self, join: JoinIR, number: int) -> None:
        self.join = join
        self.number = number
        self.missing = set(join.starts)
        self.seen = 0

    @property
    def is_full(self) -> bool:
        return not self.missing

    def add(self, name: str) -> int:
        if name not in self.missing:
            return 0
        self.missing.discard(name)
        change = _digest(self.number, name)
        self.seen ^= change
        return change

    def consume(self) -> int:
        """Empties a full barrier."""
        if self.missing:
            return 0
        self.missing = set(self.join.starts)
        change, self.seen = self.seen, 0
        return change


_WAITING: Final = -1
"""In place of a barrier's number."""


def _digest(barrier: int, name: str) -> int:
    """128 bits that stand for "this barrier has seen `name`"; with `_WAITING`, for "it waits"."""
    return xxh3_128_intdigest(f"{barrier} {name}".encode("utf-8", "surrogatepass"))
