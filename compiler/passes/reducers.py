"""reducers: which reducers are written into the module as an expression.

Before `link`, so that what is written inline is not imported.
"""

from __future__ import annotations

import dataclasses

from lgc.compiler.ir import ChannelIR, GraphIR, Ref
from lgc.compiler.passes.finding import Finding

_INLINE = {
    Ref("operator", "add"): "value + write",
    Ref("operator", "or_"): "value | write",
    Ref("operator", "mul"): "value * write",
}


def run(ir: GraphIR) -> tuple[GraphIR, list[Finding]]:
    """Sets `inline` of the channels whose reducer is a known operator."""

    def inlined(channel: ChannelIR) -> ChannelIR:
        if channel.reducer is None or channel.reducer not in _INLINE:
            return channel
        return dataclasses.replace(channel, inline=_INLINE[channel.reducer])

    return dataclasses.replace(ir, channels=tuple(inlined(c) for c in ir.channels)), []
