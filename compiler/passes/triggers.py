"""triggers: which channels start which node.

After `order`, whose join order it relies on; before `schedule` and the emitter,
which read the sorted tuples (they are part of every task id, spec §4.6).
"""

from __future__ import annotations

from collections import defaultdict

from lgc.compiler.ir import GraphIR, with_node_changes
from lgc.compiler.passes.node_diagnostic import NodeDiagnostic


def run(ir: GraphIR) -> tuple[GraphIR, list[NodeDiagnostic]]:
    """Sets `triggers`: `branch:to:<node>` and the node's joins, sorted as strings."""
    joins_to: defaultdict[str, list[str]] = defaultdict(list)
    for join in ir.joins:
        joins_to[join.end].append(join.key)
    changes = {}
    for node in ir.nodes:
        if node.name == "__start__":
            channels = ["__start__"]
        else:
            channels = [f"branch:to:{node.name}", *joins_to[node.name]]
        changes[node.name] = {"triggers": tuple(sorted(channels))}
    return with_node_changes(ir, changes), []
