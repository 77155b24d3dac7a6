"""reducers: which reducers the module writes as an operator."""

from __future__ import annotations

import dataclasses

from lgc.compiler.ir import ChannelIR, GraphIR
from lgc.compiler.ir_refs import Ref, SymbolRef
from lgc.compiler.passes.node_diagnostic import NodeDiagnostic

_OPERATORS: dict[Ref, str] = {
    SymbolRef("operator", "add"): "+",
    SymbolRef("operator", "or_"): "|",
    SymbolRef("operator", "mul"): "*",
}


def run(ir: GraphIR) -> tuple[GraphIR, list[NodeDiagnostic]]:
    """Sets `operator` of the channels whose reducer is a known operator."""

    def with_operator(channel: ChannelIR) -> ChannelIR:
        if channel.reducer is None or channel.reducer not in _OPERATORS:
            return channel
        return dataclasses.replace(channel, operator=_OPERATORS[channel.reducer])

    return dataclasses.replace(ir, channels=tuple(with_operator(c) for c in ir.channels)), []
