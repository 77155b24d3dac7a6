"""What the Runnable of a node or a router holds: its functions, a graph, async code only."""

from __future__ import annotations

from functools import partial
from typing import Any

from langgraph._internal._runnable import RunnableCallable
from langgraph.pregel import Pregel
from langgraph.pregel._utils import find_subgraph_pregel


def is_function_call(runnable: Any) -> bool:
    """Whether a Runnable does nothing but call one function with what it asks for by name."""
    return type(runnable) is RunnableCallable and not runnable.kwargs


def is_graph(runnable: Any) -> bool:
    """Whether a Runnable is a graph itself."""
    return isinstance(runnable, Pregel)


def holds_graph(runnable: Any) -> bool:
    """Whether a Runnable would run a graph (spec §9.1)."""
    try:
        return find_subgraph_pregel(runnable) is not None
    except Exception:
        # LangGraph, too, treats a Runnable that it fails to search as one without a graph.
        return False


def has_async_code_only(runnable: Any) -> bool:
    """Whether a RunnableCallable or a RunnableLambda was made of a coroutine function alone."""
    return getattr(runnable, "func", None) is None and getattr(runnable, "afunc", None) is not None


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
