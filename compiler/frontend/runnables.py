"""What the Runnable of a node or a router holds: its functions, a graph."""

from __future__ import annotations

from functools import partial
from typing import Any

from langchain_core.runnables.config import run_in_executor
from langgraph._internal._runnable import RunnableCallable
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel._utils import find_subgraph_pregel

from lgc.runtime.abi import CompiledGraph


def is_function_call(runnable: Any) -> bool:
    """Whether a Runnable does nothing but call functions with what they ask for by name."""
    return type(runnable) is RunnableCallable and not runnable.kwargs


def wrapped_function(runnable: Any, name: str | None) -> Any:
    """The function, sync or async, that LangGraph made a Runnable of (coerce_to_runnable).

    A RunnableCallable that somebody else made may have a sync and an async function, or a sync
    one that async runs call on the event loop's own thread.

    Args:
        runnable: the Runnable of a node or a router.
        name: the node; None for a router.

    Returns:
        The function; None for any other Runnable, which has to be invoked.
    """
    if not is_function_call(runnable) or runnable.tags is not None:
        return None
    if runnable.explode_args or not runnable.recurse or runnable.trace != (name is None):
        return None
    function, async_function = runnable.func, runnable.afunc
    if function is None:
        # LangGraph takes an async callable that is false, such as an empty container, for none.
        # The name is part of the error that sync runs raise.
        given = getattr(async_function, "__name__", None) if name is None else name
        return async_function if async_function and runnable.name == given else None
    is_on_thread = isinstance(async_function, partial) and async_function.func is run_in_executor
    return function if is_on_thread and async_function.args[-1] is function else None


def is_compiled_here(runnable: Any) -> bool:
    """Whether a Runnable is a graph that the module can contain: a StateGraph that LangGraph runs.

    A subclass may run otherwise; that of the backend is lgc's already.
    """
    return type(runnable) is CompiledStateGraph


def holds_graph(runnable: Any) -> bool:
    """Whether a Runnable would run a graph (spec §9.1), LangGraph's or lgc's."""
    if isinstance(runnable, CompiledGraph):
        return True
    try:
        return find_subgraph_pregel(runnable) is not None
    except Exception:
        # LangGraph, too, treats a Runnable that it fails to search as one without a graph.
        return False


def bodies_of(runnable: Any) -> list[Any]:
    """A Runnable and what is in it: its functions, without partials and bound methods."""
    bodies = [runnable, getattr(runnable, "func", None), getattr(runnable, "afunc", None)]
    inner = [body for body in bodies if body is not None]
    for body in inner:  # the list grows while it is walked
        for attribute in ("func", "__func__", "__wrapped__"):
            part = getattr(body, attribute, None)
            if callable(part) and not any(part is each for each in inner):
                inner.append(part)
    return [body for body in inner if not _is_langgraphs(body)]


def _is_langgraphs(body: Any) -> bool:
    """Whether LangGraph made it: its wrapper of a function, its call of one on a thread."""
    function = body.func if isinstance(body, partial) else body
    module = getattr(function, "__module__", None) or ""
    return type(body) is RunnableCallable or module.startswith(("langgraph._", "langchain_core."))
