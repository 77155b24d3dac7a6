"""check_ir: checks that an IR is consistent, to find a bug of the compiler before it emits code.

Runs before the first pass and after each. Whether the user's graph is valid is another question,
which the frontend puts to LangGraph's own `validate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from lgc.compiler.ir import GraphIR

_SPECIAL = {"__start__", "__end__"}


class InvalidIR(AssertionError):
    """The IR contradicts itself; the message says after which pass."""


def check(ir: GraphIR, after: str) -> None:
    """Raises InvalidIR when names of `ir` do not resolve or are not unique.

    Args:
        ir: what to check.
        after: the pass that returned it, for the message.
    """
    problems = [
        "".join(f"in node {name}: " for name in path) + problem
        for path, graph in ir.graphs()
        for problem in _problems(graph)
    ]
    if problems:
        raise InvalidIR(f"after {after}: {'; '.join(problems)}")


def _problems(ir: GraphIR) -> list[str]:
    """What is wrong with one graph."""
    problems: list[str] = []
    names = [node.name for node in ir.nodes]
    nodes = set(names)
    keys = {channel.key for channel in ir.channels} | {value.key for value in ir.managed}
    joins = {join.key for join in ir.joins}
    if names[:1] != ["__start__"]:
        problems.append("the first node is not __start__")
    if len(nodes) != len(names):
        problems.append("two nodes have one name")
    keyed = len(ir.channels) + len(ir.managed)
    if len(keys) != keyed or len(joins) != len(ir.joins):
        problems.append("two channels have one name")
    for node in ir.nodes:
        unknown = (set(node.edges) | set(node.targets)) - nodes - _SPECIAL
        unknown |= {end for b in node.branches for end in b.targets} - nodes - _SPECIAL
        unknown |= set(node.joins) - joins
        unknown |= set(node.reads or ()) - keys
        unknown |= {key for b in node.branches for key in b.reads or ()} - keys
        if unknown:
            problems.append(f"node {node.name} names unknown {sorted(unknown)}")
        if (node.call is None) != (node.name == "__start__" or bool(node.child)):
            problems.append(f"node {node.name}: only __start__ calls nothing")
    children = {name: child.name for child in ir.children for name in child.nodes}
    if children != {node.name: node.child for node in ir.nodes if node.child}:
        problems.append("the nodes that are graphs are not those that the graphs name")
    for join in ir.joins:
        unknown = ({join.end} | set(join.starts)) - nodes
        if unknown:
            problems.append(f"join {join.key} names unknown {sorted(unknown)}")
    for projection in (ir.inputs, ir.outputs):
        if unknown := set(projection or ()) - keys:
            problems.append(f"a projection names unknown {sorted(unknown)}")
    problems += _superstep_problems(ir, nodes)
    if list(ir.allowlist) != sorted(set(ir.allowlist)):
        problems.append("the allow-list is not sorted, or has a class twice")
    return problems


def _superstep_problems(ir: GraphIR, nodes: set[str]) -> Iterator[str]:
    """What is wrong with the superstep automaton, if there is one yet."""
    supersteps = {superstep.nodes for superstep in ir.supersteps}
    if len(supersteps) != len(ir.supersteps):
        yield "a superstep is there twice"
    for superstep in ir.supersteps:
        lists = (
            superstep.nodes,
            *superstep.next,
            superstep.joins,
            superstep.deferred,
            superstep.together,
        )
        named = {*chain.from_iterable(lists)}
        if named - nodes:
            yield f"superstep {superstep.nodes} names unknown {sorted(named - nodes)}"
        if any(list(names) != sorted({*names}) for names in (superstep.nodes, *superstep.next)):
            yield f"superstep {superstep.nodes} is not sorted, or has a node twice"
    alone = {name for name in nodes if (name,) not in supersteps}
    if supersteps and alone:
        yield f"nodes without a superstep of their own: {sorted(alone)}"
