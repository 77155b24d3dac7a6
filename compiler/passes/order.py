"""order: puts edges and joins into the builder's node order.

LangGraph keeps them in sets, so that the order of a node's static writes depends
on PYTHONHASHSEED there (spec §13.3, trap 64). First of the passes, because every
later one walks these tuples.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict

from lgc.compiler.ir import GraphIR, with_node_changes
from lgc.compiler.passes.node_diagnostic import NodeDiagnostic


def run(ir: GraphIR) -> tuple[GraphIR, list[NodeDiagnostic]]:
    """Sorts edges by target, joins by end and starts, and each node's joins likewise."""
    position = {node.name: i for i, node in enumerate(ir.nodes)}
    # END is no node; it comes last.
    position["__end__"] = len(position)
    joins = tuple(
        sorted(ir.joins, key=lambda j: (position[j.end], [position[s] for s in j.starts]))
    )
    joins_from: defaultdict[str, list[str]] = defaultdict(list)
    for join in joins:
        for start in join.starts:
            joins_from[start].append(join.key)
    changes = {
        node.name: {
            "edges": tuple(sorted(node.edges, key=lambda end: position[end])),
            "joins": tuple(joins_from[node.name]),
        }
        for node in ir.nodes
    }
    return dataclasses.replace(with_node_changes(ir, changes), joins=joins), []
