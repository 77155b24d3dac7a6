"""The graphs inside nodes: how one is found, and which one a namespace addresses (spec §9.1).

This file stays interpreted: it looks into users' functions, and no run needs it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from lgc.runtime.config.nested import without_task_ids
from lgc.runtime.constants import CONF, CONF_CHECKPOINTER, NS_SEP


def graph_in(body: Any) -> Any:
    """The graph that the body of a node is or calls, as far as its code tells; or None.

    It is the first one found, as upstream (pregel/_utils.py:find_subgraph_pregel). A graph that
    was compiled to keep no checkpoints does not count: nothing of it is to be found on a thread.

    Args:
        body: a function, a Runnable or a graph.
    """
    utils = sys.modules.get("langgraph.pregel._utils")
    candidates = _reached(body) if isinstance(_function_of(body), FunctionType) else [body]
    for candidate in candidates:
        if _is_own_graph(candidate):
            if candidate.checkpointer is not False:
                return candidate
        elif utils is not None:
            try:
                found = utils.find_subgraph_pregel(candidate)
            except Exception:
                # LangGraph, too, takes a Runnable that it fails to search for one without a graph.
                continue
            if found is not None:
                return found
    return None


def _is_own_graph(value: Any) -> bool:
    # Who has one has loaded its class.
    module = sys.modules.get("lgc.runtime.graph")
    return module is not None and isinstance(value, module.CompiledGraph)


def _function_of(body: Any) -> Any:
    """The function behind a method, or behind a decorator that says what it wraps."""
    function = getattr(body, "__func__", body)
    wrapped = getattr(function, "__wrapped__", None)
    return getattr(wrapped, "__func__", wrapped) if callable(wrapped) else function


def _reached(body: Any) -> list[Any]:
    """What a function may use from outside of itself; of a bound method, whom it is bound to.

    That is all that it closes over, and what its code names: globals, and attributes of both.
    """
    function = _function_of(body)
    cells = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            cells[name] = cell.cell_contents
        except ValueError:
            # A function that is not defined yet, because it calls itself.
            continue
    values = [*cells.values(), *_named(function.__code__, cells, function.__globals__)]
    return [getattr(value, "__self__", value) for value in values]


def _named(code: CodeType, cells: dict[str, Any], module: dict[str, Any]) -> Iterator[Any]:
    """The values that code, and the functions inside it, name from outside."""
    # Imported when it is first used: few programs look for graphs.
    from dis import get_instructions

    value: Any = None
    for instruction in get_instructions(code):
        name = instruction.argval
        if instruction.opname == "LOAD_GLOBAL":
            value = module.get(name)
        elif instruction.opname == "LOAD_DEREF":
            value = cells.get(name)
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            value = getattr(value, name, None)
        else:
            value = None
        if value is not None:
            yield value
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _named(constant, cells, module)


def subgraphs(graph: Any, namespace: str | None, recurse: bool) -> Iterator[tuple[str, Any]]:
    """The graphs inside the nodes of a graph of lgc's, with their nodes' names (get_subgraphs).

    Args:
        graph: the CompiledGraph.
        namespace: the only one that is wanted, nodes joined by "|"; None for all.
        recurse: those inside them, too.
    """
    program = graph.program
    for position in program.defined:
        node = program.nodes[position]
        name, child = node.name, node.subgraph
        if child is None or child.checkpointer is False:
            continue
        if namespace == name:
            yield name, child
            return
        if namespace is None:
            yield name, child
        elif not namespace.startswith(name + NS_SEP):
            continue
        if recurse and hasattr(child, "get_subgraphs"):
            rest = None if namespace is None else namespace[len(name) + 1 :]
            for inner, found in child.get_subgraphs(namespace=rest, recurse=True):
                yield f"{name}{NS_SEP}{inner}", found


def addressed(graph: Any, config: Any, saver: Any, *, for_update: bool) -> tuple[Any, Any]:
    """The graph whose state a config addresses (pregel/main.py:_subgraph_for_namespace).

    Args:
        graph: whose method was called.
        config: the caller's.
        saver: that of `graph`, which it lends.
        for_update: the state is to be written.

    Returns:
        The graph and the config to call it with. A namespace of no known graph, such as one that a
        tool calls, is read by the channels of `graph`.

    Raises:
        ValueError: an update addresses a graph that is not known.
        AttributeError: the namespace is no text.
    """
    conf = config[CONF]
    namespace = conf.get("checkpoint_ns", "")
    if not namespace or CONF_CHECKPOINTER in conf:
        return graph, config
    names = without_task_ids(namespace)
    for _, child in graph.get_subgraphs(namespace=names, recurse=True):
        return child, {**config, CONF: {**conf, CONF_CHECKPOINTER: saver}}
    if for_update:
        raise ValueError(f"Subgraph {names} not found")
    return graph, config
