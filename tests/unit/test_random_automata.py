"""The superstep automaton of random graphs: what it reaches, and what edits elsewhere change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from automaton import Automaton, Names, as_specified
from flow_strategy import flows
from graph_builder import build
from graph_strategy import cases
from hypothesis import strategies as st
from parity import Log
from random_graphs import Case
from seeds import from_seeds

from lgc.compiler.frontend import analyse_live
from lgc.compiler.ir import GraphIR, JoinIR, NodeIR, with_node_changes
from lgc.compiler.passes import run_passes
from lgc.compiler.superstep_text import superstep_lines


@from_seeds("automata", st.one_of(cases(), flows()), examples=25)
def test_random_automata(case: Case) -> None:
    """What the automaton reaches, and what edits elsewhere leave alone."""
    as_read = analyse_live(build(case.graph, Log())).ir
    for ir in (as_read, as_specified(as_read, case.graph)):
        automaton = Automaton(run_passes(ir)[0])
        assert automaton.reached() == reached(ir)
        for superstep in automaton.supersteps.values():
            assert all(automaton.allows(superstep.nodes, names) for names in superstep.next), (
                superstep
            )
        for edited in with_a_component(ir):
            compare_blocks(ir, edited, ())
        for leaf in leaves(ir):
            for edited in with_a_node_behind(ir, leaf):
                compare_blocks(ir, edited, (leaf,))


def reached(ir: GraphIR) -> set[str]:
    """The nodes that edges, joins, routers or Commands lead to, one way or another."""
    nodes, pending = {"__start__"}, ["__start__"]
    while pending:
        node = ir.node(pending.pop())
        ends = {*node.edges, *node.targets} | {j.end for j in ir.joins if node.name in j.starts}
        ends = ends.union(*(branch.targets for branch in node.branches))
        if (node.gotos and not node.targets) or any(not b.targets for b in node.branches):
            ends |= {other.name for other in ir.nodes}
        new = ends - nodes - {"__end__"}
        nodes |= new
        pending += new
    return nodes


def leaves(ir: GraphIR) -> list[str]:
    """The nodes that lead nowhere."""
    waited_for = {start for join in ir.joins for start in join.starts}
    return [
        node.name
        for node in ir.nodes[1:]
        if not (node.edges or node.branches or node.gotos or node.name in waited_for)
    ]


def with_a_node_behind(ir: GraphIR, leaf: str) -> Iterator[GraphIR]:
    """The graph with a further node, at every place of the builder's order."""
    edited = with_node_changes(ir, {leaf: {"edges": ("new",)}})
    for place in range(1, len(ir.nodes) + 1):
        yield _with_nodes(edited, place, NodeIR("new", ir.nodes[-1].call, ()))


def with_a_component(ir: GraphIR) -> Iterator[GraphIR]:
    """The graph with nodes that nothing leads to, at every place of the builder's order."""
    call = ir.nodes[-1].call
    join = JoinIR("join:new+new 2:new 3", ("new", "new 2"), "new 3", True)
    for place in range(1, len(ir.nodes) + 1):
        nodes = NodeIR("new", call, (), ("new 2",)), NodeIR("new 2", call, ())
        edited = _with_nodes(ir, place, *nodes, NodeIR("new 3", call, (), defer=True))
        yield dataclasses.replace(edited, joins=(*ir.joins, join))


def _with_nodes(ir: GraphIR, place: int, *nodes: NodeIR) -> GraphIR:
    return dataclasses.replace(ir, nodes=(*ir.nodes[:place], *nodes, *ir.nodes[place:]))


def compare_blocks(ir: GraphIR, edited: GraphIR, touched: Names) -> None:
    """Wants the supersteps in which no touched or new node runs to be as they were, in their order.

    Where a touched node runs beside others, what these lead to runs beside the new node, and sets
    of nodes come and go; those that stay are as they were.
    """
    old, new = blocks(ir, touched), blocks(edited, touched)
    supersteps = Automaton(run_passes(ir)[0]).supersteps
    beside = any(len(names) > 1 and {*names} & {*touched} for names in supersteps)
    if beside:
        old = {names: lines for names, lines in old.items() if names in new}
        new = {names: lines for names, lines in new.items() if names in old}
    assert [*old.items()] == [*new.items()]


def blocks(ir: GraphIR, touched: Names) -> dict[Names, tuple[Any, list[str]]]:
    """The supersteps in which no touched or new node runs, each with the lines of its block."""
    annotated = run_passes(ir)[0]
    lines, texts = [*superstep_lines(annotated), ""], []
    start = lines.index("") + 1
    while start < len(lines):
        end = lines.index("", start)
        texts.append(lines[start:end])
        start = end + 1
    assert len(texts) == len(annotated.supersteps)
    return {
        superstep.nodes: (superstep, text)
        for superstep, text in zip(annotated.supersteps, texts, strict=True)
        if not any(name in touched or name.startswith("new") for name in superstep.nodes)
    }
