"""Small graphs as the frontend reads them, written out for the tests of passes."""

from __future__ import annotations

from lgc.compiler.ir import BranchIR, Call, ChannelIR, GraphIR, JoinIR, NodeIR
from lgc.compiler.ir_refs import Ref, SymbolRef


def node(
    name: str,
    *edges: str,
    joins: tuple[str, ...] = (),
    branches: tuple[BranchIR, ...] = (),
    defer: bool = False,
    function: Ref | None = None,
    gotos: tuple[str, ...] | None = None,
) -> NodeIR:
    """A node; `gotos` is where its Command may lead, () for anywhere, None for no Command."""
    call = None if name == "__start__" else Call(function or SymbolRef("app", f"f_{name}"))
    reads = None if call is None else ("x",)
    goes = gotos is not None
    return NodeIR(name, call, reads, edges, joins, branches, defer, goes, gotos or ())


def graph(
    *nodes: NodeIR, joins: tuple[JoinIR, ...] = (), channels: tuple[ChannelIR, ...] = ()
) -> GraphIR:
    """A graph with the state key `x`, and with `channels`."""
    keys = ("x",)
    return GraphIR(
        target="app.graph:builder",
        name="LangGraph",
        langgraph="1.2.22",
        channels=(ChannelIR("x", "LastValue"), *channels),
        nodes=nodes,
        joins=joins,
        inputs=keys,
        outputs=keys,
    )


def router(*targets: str) -> BranchIR:
    """A router that leads to one of `targets`, or to any node when there are none."""
    return BranchIR("r", Call(SymbolRef("app", "r")), ("x",), True, targets=targets)


def join(*starts: str, end: str) -> JoinIR:
    """A join, whose key the pass `order` gives to its starts."""
    return JoinIR(f"join:{'+'.join(starts)}:{end}", starts, end)


def start(*edges: str, ends: tuple[str, ...] = ()) -> NodeIR:
    """START, with a router when there are `ends`."""
    return node("__start__", *edges, branches=(router(*ends),) if ends else ())
