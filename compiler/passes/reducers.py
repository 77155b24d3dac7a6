"""reducers: which reducers are written into the module as an expression.

Before `imports`, because a reducer that is written inline is not imported.
"""

from __future__ import annotations

import dataclasses

from lgc.compiler.ir import ChannelIR, GraphIR, Ref, SymbolRef
from lgc.compiler.passes.node_diagnostic import NodeDiagnostic

_INLINE: dict[Ref, str] = {
    SymbolRef("operator", "add"): "value + write",
    SymbolRef("operator", "or_"): "value | write",
    SymbolRef("operator", "mul"): "value * write",
}


def run(ir: GraphIR) -> tuple[GraphIR, list[NodeDiagnostic]]:
    """Sets `inline` of the channels whose reducer is a known operator."""

    def inlined(channel: ChannelIR) -> ChannelIR:
        if channel.reducer is None or channel.reducer not in _INLINE:
            return channel
        return dataclasses.replace(channel, inline=_INLINE[channel.reducer])

    return dataclasses.replace(ir, channels=tuple(inlined(c) for c in ir.channels)), []
