"""The node names in the calls `Command(goto=...)` and `Send(...)`."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from lgc.compiler.destinations.frame import Frame
from lgc.compiler.destinations.live_objects import is_named
from lgc.compiler.destinations.reach import ANYWHERE, Reach, reach_of_command


def command_reach(node: ast.Call, frame: Frame) -> Reach:
    """Where a Command that is made by this call leads."""
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    if node.args or None in keywords:
        return ANYWHERE
    names = _node_names(keywords["goto"], frame) if "goto" in keywords else frozenset()
    graph = frame.resolve(keywords["graph"]) if "graph" in keywords else None
    return reach_of_command(names, graph)


def send_targets(node: ast.Call, frame: Frame) -> frozenset[str] | None:
    """Where a Send that is made by this call leads; None when it may be any node."""
    by_keyword = [keyword.value for keyword in node.keywords if keyword.arg == "node"]
    target = node.args[0] if node.args else by_keyword[0] if by_keyword else None
    return None if target is None else _node_names(target, frame)


def _node_names(node: ast.AST | None, frame: Frame) -> frozenset[str] | None:
    """The node names that an expression can be; None when it may be any."""
    parts: list[ast.AST]
    match node:
        case ast.List(elts=items) | ast.Tuple(elts=items):
            parts = [*items]
        case ast.BoolOp(values=items):
            parts = [*items]
        case ast.IfExp(body=body, orelse=other):
            parts = [body, other]
        case ast.ListComp(elt=value) | ast.NamedExpr(value=value):
            parts = [value]
        case ast.Starred(value=ast.List() | ast.Tuple() as value):
            parts = [*value.elts]
        case ast.Starred():
            return None
        case ast.Call():
            live = frame.resolve(node.func)
            if isinstance(live, type) and is_named(live, "Send"):
                return send_targets(node, frame)
            return None
        case ast.Name(id=name) if name in frame.bindings:
            assigned = frame.bindings[name]
            if name in frame.resolving or name in frame.arguments or None in assigned:
                return None
            frame.resolving.add(name)
            names = _all_names(assigned, frame)
            frame.resolving.discard(name)
            return names
        case _:
            live = node.value if isinstance(node, ast.Constant) else frame.resolve(node)
            if live is None:
                return frozenset()
            return frozenset([live]) if isinstance(live, str) else None
    return _all_names(parts, frame)


def _all_names(nodes: Iterable[ast.AST | None], frame: Frame) -> frozenset[str] | None:
    """The names that any of several expressions can be; None when one may be any."""
    union: frozenset[str] = frozenset()
    for node in nodes:
        names = _node_names(node, frame)
        if names is None:
            return None
        union |= names
    return union
