"""supersteps: the superstep automaton, the graph's control flow over sets of nodes due together.

After `order`, whose order of edges, joins and nodes it keeps; nothing before the emitter reads it.
Which sets of nodes are in it follows from the structure (`compiler/due_sets.py`), what one of them
leads to from its own nodes alone (architecture §2.5.1).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from lgc.compiler.decisions import Decision, decisions_of, may_all_end, names_any_node
from lgc.compiler.due_sets import due_sets
from lgc.compiler.ir import GraphIR, NodeIR, Superstep
from lgc.compiler.passes.node_diagnostic import NodeDiagnostic


def run(ir: GraphIR) -> tuple[GraphIR, list[NodeDiagnostic]]:
    """Sets `supersteps`, in an order in which they may run, and nodes in the builder's."""
    position = {name: i for i, name in enumerate(execution_order(ir))}
    sets = sorted(due_sets(ir), key=lambda names: sorted(map(position.__getitem__, names)))
    superstep = _Supersteps(ir).of
    return dataclasses.replace(ir, supersteps=tuple(map(superstep, sets))), []


def execution_order(ir: GraphIR) -> list[str]:
    """The nodes so that each comes behind those that lead to it, where no cycle forbids it.

    Of several that may be next, it is the first in the builder's order that is next: a builder that
    adds its nodes in an order in which they may run keeps it.
    """
    position = {node.name: i for i, node in enumerate(ir.nodes)}
    joined = {join.key: join.end for join in ir.joins}
    followers = {node.name: _followers(node, joined) for node in ir.nodes}
    before = dict.fromkeys(position, 0)
    for ends in followers.values():
        for end in ends:
            before[end] += 1
    ready = [i for i, node in enumerate(ir.nodes) if not before[node.name]]
    # Nodes that something has led to, for the way into a cycle; then those that nothing leads to.
    reached: list[int] = []
    rest = iter(range(len(ir.nodes)))
    order: list[str] = []
    placed: set[int] = set()
    while len(order) < len(ir.nodes):
        if ready:
            place = heappop(ready)
        elif reached:
            place = heappop(reached)
        else:
            place = next(rest)
        if place in placed:
            continue
        placed.add(place)
        name = ir.nodes[place].name
        order.append(name)
        for end in followers[name]:
            before[end] -= 1
            heappush(reached if before[end] else ready, position[end])
    return order


def _followers(node: NodeIR, ends_of_joins: dict[str, str]) -> list[str]:
    """The nodes that a node is known to lead to, each once."""
    ends = [*node.edges, *(end for decision in decisions_of(node) for end in decision.ends)]
    ends += [ends_of_joins[key] for key in node.joins]
    if node.error_handler:
        ends.append(node.error_handler)
    return [end for end in dict.fromkeys(ends) if end not in ("__end__", node.name)]


class _Supersteps:
    """Describes the supersteps of one graph."""

    def __init__(self, ir: GraphIR) -> None:
        self._ir = ir
        self._joins = {join.key: (len(set(join.starts)), join.end) for join in ir.joins}

    def of(self, names: tuple[str, ...]) -> Superstep:
        """The superstep of these nodes."""
        nodes = [self._ir.node(name) for name in names]
        started = [end for node in nodes for end in node.edges if end != "__end__"]
        waiting: list[str] = []
        # A node that a join names twice has its key twice.
        keys = (key for node in nodes for key in dict.fromkeys(node.joins))
        for key, ran in Counter(keys).items():
            size, end = self._joins[key]
            (started if ran == size else waiting).append(end)
        decisions = [decision for node in nodes for decision in decisions_of(node)]
        possible = dict.fromkeys([*started, *(e for decision in decisions for e in decision.ends)])
        joins = tuple(end for end in dict.fromkeys(waiting) if end not in started)
        is_more_due = any(not self._ir.node(end).defer for end in started)
        choices = _choices(is_more_due, decisions, joins)
        due = dict.fromkeys(self._due({*started, *chosen}) for chosen in choices)
        is_handled = any(node.error_handler for node in nodes)
        if is_handled:
            # A node that fails starts nothing, and its handler may start anything.
            due[()] = None
        return Superstep(
            names,
            next=tuple(due),
            joins=joins,
            deferred=tuple(end for end in possible if self._ir.node(end).defer),
            any_node=is_handled or any(map(names_any_node, nodes)),
            together=tuple(possible) if len(decisions) > 1 else (),
        )

    def _due(self, started: Iterable[str]) -> tuple[str, ...]:
        """The nodes that run next; deferred ones only when there are no others."""
        names = sorted(started)
        return tuple(n for n in names if not self._ir.node(n).defer) or tuple(names)


def _choices(
    is_more_due: bool, decisions: list[Decision], joins: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    """What decisions, and joins that still wait, may add to what is due anyhow.

    Of several of them each by itself, where nothing else is due then: the set is a single node.
    """
    if len(decisions) == 1:
        yield from ((end,) for end in decisions[0].ends)
    elif not is_more_due:
        unending = [decision for decision in decisions if not decision.may_end]
        # Of two that have to lead somewhere, neither does so alone.
        for decision in (unending or decisions) if len(unending) < 2 else []:
            yield from ((end,) for end in decision.ends)
    if may_all_end(decisions):
        if not is_more_due:
            yield from ((end,) for end in joins)
        yield ()
