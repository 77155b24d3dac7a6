"""lint: what is legal and probably a mistake. Last, because it only reads."""

from __future__ import annotations

from lgc.compiler.diagnostics import warning
from lgc.compiler.ir import GraphIR
from lgc.compiler.passes.node_diagnostic import NodeDiagnostic


def run(ir: GraphIR) -> tuple[GraphIR, list[NodeDiagnostic]]:
    """Warns of nodes that no edge, join, conditional edge or Command leads to (LGC401).

    Says nothing when a node that is reached may lead anywhere.
    """
    join_ends = {join.key: join.end for join in ir.joins}
    reached: set[str] = {"__start__"}
    pending = ["__start__"]
    while pending:
        node = ir.node(pending.pop())
        if node.gotos and not node.targets:
            # A Command of this node may lead anywhere.
            return ir, []
        ends = set(node.edges) | set(node.targets)
        for branch in node.branches:
            if not branch.targets:
                # The router may name any node.
                return ir, []
            ends |= set(branch.targets)
        ends |= {join_ends[key] for key in node.joins}
        if node.error_handler:
            ends.add(node.error_handler)
        for end in ends - reached - {"__end__"}:
            reached.add(end)
            pending.append(end)
    return ir, [
        NodeDiagnostic(
            warning(
                "LGC401",
                f"no edge leads to node `{node.name}`",
                help="remove it, or add the edge that is missing",
            ),
            node.name,
        )
        for node in ir.nodes
        if node.name not in reached
    ]
