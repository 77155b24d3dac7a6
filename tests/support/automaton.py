"""Holds the superstep automaton against the supersteps of runs under LangGraph."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from graph_spec import Act, GraphSpec, NodeSpec, Order, RouterSpec, Sent
from langgraph.pregel._loop import PregelLoop
from parity import logged, pinned

from lgc.compiler.ir import BranchIR, GraphIR, NodeIR, Superstep, with_node_changes

Names = tuple[str, ...]


def observed(graph: Any, input: Any, config: Mapping[str, Any] | None) -> list[Names]:
    """The supersteps of a run of LangGraph's `graph`: the nodes of each, sorted.

    Returns:
        The first one is that of `__start__`; when the run comes to its end, the last one is ().
    """
    steps: list[Names] = []
    original = PregelLoop.tick

    # No stream mode shows that `__start__` runs.
    def tick(loop: Any) -> bool:
        goes_on = original(loop)
        if goes_on or loop.status == "done":
            steps.append(tuple(sorted({task.name for task in loop.tasks.values()})))
        return goes_on

    with pinned(), logged(), patch.object(PregelLoop, "tick", tick), suppress(Exception):
        graph.invoke(copy.deepcopy(input), copy.deepcopy(config))
    return steps


class Automaton:
    """The automaton of one graph, to be asked about the supersteps of its runs.

    Attributes:
        ir: annotated by the passes.
        supersteps: those that the automaton knows, by their nodes.
    """

    def __init__(self, ir: GraphIR) -> None:
        self.ir = ir
        self.supersteps = {superstep.nodes: superstep for superstep in ir.supersteps}
        self._deferred = {node.name for node in ir.nodes if node.defer}

    def foresees(self, before: Names, after: Names) -> bool:
        """Whether it knows `before` and `after`, and that the one may follow the other."""
        superstep = self.supersteps.get(before)
        known = not after or after in self.supersteps
        return known and superstep is not None and self.follows(superstep, after)

    def follows(self, superstep: Superstep, after: Names) -> bool:
        """Whether `after` may be due after a superstep that it knows."""
        if superstep.any_node and len(after) == 1 and any(map(self._is_idle, superstep.next)):
            return True
        return any(self._is(names, superstep, {*after}) for names in superstep.next)

    def _is(self, names: Names, superstep: Superstep, after: set[str]) -> bool:
        """Whether `after` is the set `names` that is listed, with what only a run knows."""
        joined = {*superstep.joins} - self._deferred
        if not self._is_idle(names):
            return {*names} <= after <= {*names} | joined
        if after and after <= joined:
            return True
        return {*names} <= after <= self._deferred and (bool(after) or not names)

    def _is_idle(self, names: Iterable[str]) -> bool:
        """Whether nothing is due but, perhaps, deferred nodes."""
        return {*names} <= self._deferred

    def may_put_together(self, before: Names) -> bool:
        """Whether it says that a run makes other sets after `before` than those it lists."""
        superstep = self.supersteps.get(before)
        return superstep is None or superstep.any_node or bool(superstep.together)

    def reached(self) -> set[str]:
        """The nodes in the supersteps that START leads to."""
        nodes = {node.name for node in self.ir.nodes}
        pending: list[Names] = [("__start__",)]
        supersteps: set[Names] = set()
        while pending:
            names = pending.pop()
            if names in supersteps:
                continue
            supersteps.add(names)
            if names not in self.supersteps:
                # It runs as its nodes do by themselves.
                pending += ((name,) for name in names)
                continue
            superstep = self.supersteps[names]
            alone = {*superstep.joins, *superstep.deferred, *superstep.together}
            alone |= nodes if superstep.any_node else set()
            pending += (*superstep.next, *((name,) for name in alone))
        return {name for names in supersteps for name in names}

    def allows(self, before: Names, after: Names) -> bool:
        """Whether what the nodes of a superstep lead to, each by itself, can make `after`.

        Goes by the nodes of the IR; the automaton has no part in it.
        """
        nodes = [self.ir.node(name) for name in before]
        joins = [join for join in self.ir.joins if {*join.starts} & {*before}]
        due = {end for node in nodes for end in node.edges} - {"__end__"}
        due |= {join.end for join in joins if {*join.starts} <= {*before}}
        due -= self._deferred
        if any(_names_any_node(node) for node in nodes):
            return due <= {*after}
        possible = due | {join.end for join in joins}
        for node in nodes:
            possible |= {*node.targets, *(end for b in node.branches for end in b.targets)}
        # What waited before is due when nothing else is.
        return due <= {*after} <= (possible if due else possible | self._deferred)


def _names_any_node(node: NodeIR) -> bool:
    return (node.gotos and not node.targets) or not all(b.targets for b in node.branches)


def as_specified(ir: GraphIR, spec: GraphSpec) -> GraphIR:
    """`ir` with the Commands of nodes and the Sends of routers as `spec` has them.

    What nodes and routers of random graphs do is data, so their code tells nothing of it.
    """
    known = {node.name for node in ir.nodes}
    changes: dict[str, dict[str, Any]] = {node.name: {} for node in ir.nodes}
    for node in spec.nodes:
        control = [*_control(node)]
        ends = dict.fromkeys(map(_name, control))
        targets = (*(end for end in ends if end in known), "__end__") if control else ()
        changes[node.name] = {"gotos": bool(control), "targets": targets}
    routers = {f"route_{number}": router for number, router in enumerate(spec.routers)}
    for source in ir.nodes:
        branches = [_with_sends(b, routers[b.name], known) for b in source.branches]
        changes[source.name]["branches"] = tuple(branches)
    return with_node_changes(ir, changes)


def chooses_several(spec: GraphSpec, name: str) -> bool:
    """Whether a node or a router of it may send, or name several nodes at once, or none."""
    control = [[*_control_of(act)] for node in spec.nodes if node.name == name for act in node.acts]
    control += [[entry] for r in spec.routers if r.source == name for entry in r.returns]
    return any(len(ends) > 1 or isinstance(end, (Sent, tuple)) for ends in control for end in ends)


def _control(node: NodeSpec) -> Iterator[Any]:
    """Where the Commands and Sends of a node lead."""
    for act in node.acts:
        yield from _control_of(act)


def _control_of(act: Act) -> Iterator[Any]:
    for value in act.value if isinstance(act.value, list) else [act.value]:
        if isinstance(value, Sent):
            yield value
        elif isinstance(value, Order):
            gotos = value.goto if isinstance(value.goto, tuple) else (value.goto,)
            yield from gotos or ("__end__",)


def _with_sends(branch: BranchIR, router: RouterSpec, known: set[str]) -> BranchIR:
    entries = [e for r in router.returns for e in (r if isinstance(r, tuple) else [r])]
    sent = [e.node for e in entries if isinstance(e, Sent) and e.node in known]
    targets = dict.fromkeys([*branch.targets, *sent]) if branch.targets else ()
    return replace(branch, targets=tuple(targets))


def _name(end: Any) -> Any:
    return end.node if isinstance(end, Sent) else end
