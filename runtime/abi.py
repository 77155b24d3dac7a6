"""The contract between a generated module and the runtime (design §4).

A module calls `require` first and then builds its tables with the constructors
below; it uses nothing else of the runtime. Change `ABI` whenever one of them
changes its meaning.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from lgc.runtime.channels import (
    AnyValue,
    BinaryOperatorAggregate,
    Channel,
    EphemeralValue,
    LastValue,
    LastValueAfterFinish,
    NamedBarrierValue,
    Topic,
    UntrackedValue,
)
from lgc.runtime.constants import BRANCH_TO, ROOT, START
from lgc.runtime.engine import Branch, Node, Program
from lgc.runtime.graph import CompiledGraph
from lgc.runtime.state import update, update_root

__all__ = [
    "ABI",
    "Branch",
    "Node",
    "aggregate",
    "any_value",
    "compiled",
    "ephemeral",
    "from_builder",
    "join",
    "last_value",
    "require",
    "seed_from",
    "topic",
    "trigger",
    "untracked",
    "update",
    "update_root",
]

ABI: Final = 1
BODY_PREFIX: Final = "lgc-body:"
"""Precedes the body hash, as a constant that can be found in a native module's file too."""


def require(abi: int, body: str, file: str, command: str) -> None:
    """Checks a generated module while it is imported.

    Args:
        abi: the ABI the module was generated for.
        body: `lgc-body:<hash>` of the generated source this code was made from.
        file: the module's `__file__`.
        command: how the module is made again.

    Raises:
        ImportError: the runtime speaks another ABI, or the native module was
            built from other source than the `.py` beside it.
    """
    if abi != ABI:
        raise ImportError(
            f"{os.path.basename(file)} was generated for ABI {abi} of lgc; this lgc has ABI {ABI}. "
            f"Generate it again: {command}"
        )
    if file.endswith((".so", ".pyd")):
        source = f"{file[: -len(os.path.basename(file))]}{os.path.basename(file).split('.')[0]}.py"
        if os.path.exists(source):
            with open(source, encoding="utf-8") as lines:
                head = lines.read(2048)
            if f"# body: {body}\n" not in head:
                raise ImportError(
                    f"{os.path.basename(file)} was not built from the {os.path.basename(source)} "
                    f"beside it. Build it again: {command}"
                )


def last_value(key: str) -> Channel:
    """A key without a reducer."""
    return LastValue(key)


def aggregate(
    key: str,
    seed: Callable[[], object] | None,
    reducer: Callable[[Any, Any], Any],
) -> Channel:
    """A key with a reducer; `seed()` is its first value, None for none."""
    return BinaryOperatorAggregate(key, seed, reducer)


def any_value(key: str) -> Channel:
    """A key of channel class AnyValue."""
    return AnyValue(key)


def ephemeral(key: str, guard: bool = True) -> Channel:
    """A key of channel class EphemeralValue."""
    return EphemeralValue(key, guard)


def untracked(key: str, guard: bool = True) -> Channel:
    """A key of channel class UntrackedValue."""
    return UntrackedValue(key, guard)


def topic(key: str, accumulate: bool = False) -> Channel:
    """A key of channel class Topic."""
    return Topic(key, accumulate)


def trigger(node: str, defer: bool = False) -> Channel:
    """The channel that starts `node`."""
    key = BRANCH_TO + node
    return LastValueAfterFinish(key) if defer else EphemeralValue(key, False)


def join(key: str, names: tuple[str, ...], defer: bool = False) -> Channel:
    """The barrier that waits for every node in `names`."""
    return NamedBarrierValue(key, frozenset(names), defer)


def compiled(
    name: str,
    *,
    channels: tuple[Channel, ...],
    triggers: tuple[Channel, ...],
    nodes: tuple[Node, ...],
    outputs: tuple[str, ...] | None,
    streamed: tuple[str, ...] | None,
) -> CompiledGraph:
    """The graph of a generated module.

    Args:
        name: the graph's name.
        channels: the state keys, in the builder's order.
        triggers: node triggers in node order, then joins.
        nodes: `__start__` first, the others in the builder's order.
        outputs: the output schema's keys; None for the root value.
        streamed: all state keys; None for the root value.
    """
    tables = (*channels, EphemeralValue(START), *triggers)
    root = ROOT if any(c.key == ROOT for c in channels) else ""
    return CompiledGraph(Program(name, tables, nodes, outputs, streamed, root))


def from_builder(target: Any) -> Any:
    """The builder that callables without an importable name are taken from.

    Args:
        target: what the module's TARGET names: a StateGraph, a compiled graph, or a
            function without arguments, sync or async, that returns one.
    """
    if not hasattr(target, "nodes") and callable(target):
        target = target()
        if hasattr(target, "__await__"):
            import asyncio

            target = asyncio.run(_result(target))
    return getattr(target, "builder", target)


def seed_from(channel: Any) -> Callable[[], object]:
    """The seed of a builder's reducer channel whose type has no importable name."""
    return lambda: type(channel)(channel.typ, channel.operator).value


async def _result(awaitable: Any) -> Any:
    return await awaitable
