"""The superstep automaton as text, for `lgc explain`.

A block for each superstep. Its lines follow from its own nodes and from what these lead to, so a
change elsewhere in the graph leaves them as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from lgc.compiler.ir import GraphIR, NodeIR, Superstep

_LISTED: Final = 8
"""More nodes than these that a join still waits for are counted, not listed."""

_LEGEND: Final = (
    "supersteps",
    "  The nodes of one line run in parallel; | separates what may be next. Where that is __end__,",
    "  deferred nodes that wait run first. A set without lines of its own leads where each of its",
    "  nodes leads.",
)


def superstep_lines(ir: GraphIR) -> Iterator[str]:
    """The lines of the section."""
    yield from _LEGEND
    joins = {join.key: (set(join.starts), join.end) for join in ir.joins}
    for superstep in ir.supersteps:
        nodes = [ir.node(name) for name in superstep.nodes]
        yield ""
        yield f"  {', '.join(superstep.nodes)}"
        if len(nodes) > 1 or superstep.deferred or _decides(nodes[0]):
            for node in nodes:
                yield from _leads(ir, node)
        for key in dict.fromkeys(key for node in nodes for key in node.joins):
            starts, end = joins[key]
            ran = [name for name in superstep.nodes if name in starts]
            yield f"    {' + '.join(ran)} -> {_names(ir, [end])}{missing(starts, ran)}"
        yield from _next(ir, superstep)


def _decides(node: NodeIR) -> bool:
    """Whether there is more to say of where a node leads than its edges."""
    return node.gotos or bool(node.branches)


def _leads(ir: GraphIR, node: NodeIR) -> Iterator[str]:
    """Where the edges, the Command and the routers of a node lead."""
    if node.edges:
        yield f"    {node.name} -> {_names(ir, node.edges)}"
    if node.gotos:
        yield f"    {node.name} -> Command? {_names(ir, node.targets) or 'any node'}"
    for branch in node.branches:
        ends = _names(ir, branch.targets) or "any node"
        yield f"    {node.name} -> {branch.name}? {ends}"


def missing(starts: set[str], ran: list[str]) -> str:
    """What a join that has seen `ran` still waits for."""
    number = len(starts) - len(ran)
    if not number:
        return ""
    names = f"{number} others" if number > _LISTED else ", ".join(sorted(starts - {*ran}))
    return f", once {names} {'has' if number == 1 else 'have'} run"


def _next(ir: GraphIR, superstep: Superstep) -> Iterator[str]:
    """The sets that may be next, those that a run puts together last."""
    possible = [_names(ir, names) or "__end__" for names in superstep.next]
    if superstep.any_node:
        is_alone = any(all(ir.node(name).defer for name in names) for names in superstep.next)
        possible.append("any node" if is_alone else "any node besides")
    if superstep.together:
        possible.append(f"put together by the run, of {_names(ir, superstep.together)}")
    if possible:
        yield f"    next: {' | '.join(possible)}"


def _names(ir: GraphIR, names: Iterable[str]) -> str:
    """Names in a row, those of deferred nodes marked."""
    return ", ".join(
        f"{name} (deferred)" if name != "__end__" and ir.node(name).defer else name
        for name in names
    )
