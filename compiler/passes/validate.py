"""validate: an IR that cannot be is a bug of the compiler, found here and not in the emitted code.

Runs before the first pass and after each; that the user's graph is sound was
LangGraph's own `validate`, in the frontend.
"""

from __future__ import annotations

from lgc.compiler.ir import GraphIR

_SPECIAL = {"__start__", "__end__"}


class InvalidIR(AssertionError):
    """The IR contradicts itself; says after which pass."""


def check(ir: GraphIR, after: str) -> None:
    """Raises InvalidIR when names of `ir` do not resolve or are not unique.

    Args:
        ir: what to check.
        after: the pass that made it, for the message.
    """
    problems: list[str] = []
    names = [node.name for node in ir.nodes]
    known = set(names)
    keys = {channel.key for channel in ir.channels} | {value.key for value in ir.managed}
    joins = {join.key for join in ir.joins}
    if names[:1] != ["__start__"]:
        problems.append("the first node is not __start__")
    if len(known) != len(names):
        problems.append("two nodes have one name")
    keyed = len(ir.channels) + len(ir.managed)
    if len(keys) != keyed or len(joins) != len(ir.joins):
        problems.append("two channels have one name")
    for node in ir.nodes:
        unknown = (set(node.edges) | set(node.targets)) - known - _SPECIAL
        unknown |= {end for b in node.branches for end in b.targets} - known - _SPECIAL
        unknown |= set(node.joins) - joins
        unknown |= set(node.reads or ()) - keys
        unknown |= {key for b in node.branches for key in b.reads or ()} - keys
        if unknown:
            problems.append(f"node {node.name} names unknown {sorted(unknown)}")
        if (node.call is None) != (node.name == "__start__"):
            problems.append(f"node {node.name}: only __start__ calls nothing")
    for join in ir.joins:
        unknown = ({join.end} | set(join.starts)) - known
        if unknown:
            problems.append(f"join {join.key} names unknown {sorted(unknown)}")
    for projection in (ir.inputs, ir.outputs):
        if unknown := set(projection or ()) - keys:
            problems.append(f"a projection names unknown {sorted(unknown)}")
    if list(ir.allowlist) != sorted(set(ir.allowlist)):
        problems.append("the allow-list is not sorted, or has a class twice")
    if problems:
        raise InvalidIR(f"after {after}: {'; '.join(problems)}")
