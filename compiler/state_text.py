"""What an update does to the state, as text: the function `apply` of a generated module.

Keys whose update replaces their value come first, then those that are reduced, those with one
reducer together (architecture §2.6.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from lgc.compiler.flow_text import Function
from lgc.compiler.ir import ChannelIR, GraphIR
from lgc.compiler.ir_refs import SymbolRef
from lgc.compiler.layout import Expr, Group, call, equals, lay_out, quote

_PLAIN: Final = {"int", "list", "str"}
"""Types of which no value is an Overwrite, and which operators do not change in place."""

_PARAMETERS: Final = ("run: abi.Run", "values: dict[str, Any]", "update: dict[Any, Any]")
_DOC: Final = '    """Writes to the values of the state what a node has returned."""'


def apply_function(
    ir: GraphIR, reducer_of: Callable[[ChannelIR], Expr], name: str = "apply"
) -> Function:
    """`apply` of a graph.

    Args:
        ir: annotated by every pass.
        reducer_of: the expression for the reducer of a channel.
        name: the function's.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for channel in ir.channels:
        groups.setdefault(_lines(channel, reducer_of), []).append(channel.key)
    branches = sorted(groups.items(), key=lambda item: item[0] != _REPLACED)
    lines = [_DOC]
    if branches and not ir.is_root:
        lines.append("    for key, written in update.items():")
        keyword = "if"
        for what, keys in branches:
            lines.append(_condition(keyword, keys))
            lines += what
            keyword = "elif"
    head = lay_out(Group(f"def {name}(", _PARAMETERS, ") -> None"), 0, ":")
    return Function(head, tuple(lines))


_REPLACED: Final = ("            values[key] = written",)


def _condition(keyword: str, keys: list[str]) -> str:
    """The head of the branch for `keys`."""
    if len(keys) == 1:
        return " " * 8 + equals(keyword, "key", quote(keys[0]), 8)
    return lay_out(Group(f"{keyword} key in {{", tuple(map(quote, keys)), "}"), 8, ":")


def _lines(channel: ChannelIR, reducer_of: Callable[[ChannelIR], Expr]) -> tuple[str, ...]:
    """What is done with what is written to a channel."""
    if channel.kind == "LastValue":
        return _REPLACED
    if channel.kind != "BinaryOperatorAggregate":
        return ("            run.write(key, written)",)
    return tuple(_reduced(channel, reducer_of(channel)))


def _reduced(channel: ChannelIR, reducer: Expr) -> Iterator[str]:
    seed = channel.seed
    plain = ""
    if isinstance(seed, SymbolRef) and seed.module == "builtins" and seed.name in _PLAIN:
        plain = seed.name
    indent = 12
    if plain and channel.operator:
        yield f"            if type(written) is {plain}:"
        yield f"                values[key] = values[key] {channel.operator} written"
        yield "            else:"
        indent = 16
    reduced = call("abi.reduce", "values", "key", reducer, "written", statement="values[key] = ")
    yield from lay_out(reduced, indent).split("\n")
