"""What a generated module takes from the builder that it was made from (architecture §2.4)."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from lgc.runtime.config.merge import overlay_configs

DEFAULT_HANDLER: Final = "__default_error_handler__"
"""The node of the error handler that `set_node_defaults` gives (graph/state.py)."""


def generated_source(file: str) -> str:
    """The generated source of a module, beside its native file."""
    name = os.path.basename(file)
    return f"{file[: -len(name)]}{name.split('.')[0]}.py"


def header(file: str, what: str) -> str:
    """What the header of a generated module says: its `source`, or how to `regenerate` it."""
    try:
        with open(generated_source(file), encoding="utf-8") as text:
            for line in text:
                if line.startswith(f"# {what}: "):
                    return line.partition(": ")[2].rstrip("\n")
                if not line.startswith("#"):
                    break
    except OSError:
        pass
    return "lgc compile" if what == "regenerate" else "the builder"


class _Builder:
    """A builder that was imported, and what the module that takes from it says when it is stale.

    Args:
        builder: the StateGraph.
        file: the module's `__file__`.
        place: the nodes that lead to it, for messages; "" for that of the TARGET.
        config: what is bound to the TARGET.
    """

    def __init__(
        self, builder: Any, file: str, place: str = "", config: dict[str, Any] | None = None
    ) -> None:
        self.builder = builder
        self.file = file
        self.place = place
        self.config = config or {}


def _take(source: Any, what: str, get: Callable[[Any], Any]) -> Any:
    """What `get` takes from a builder, an imported one or that of `injected`.

    Raises:
        ImportError: an imported builder has no `what` any more.
    """
    if not isinstance(source, _Builder):
        return get(source)
    try:
        return get(source.builder)
    except (KeyError, AttributeError) as exc:
        raise ImportError(
            f"{os.path.basename(source.file)} is stale: "
            f"{header(source.file, 'source').partition(' (')[0]} has no {what}{source.place}, "
            f"which it had when the module was generated. "
            f"Generate it again: {header(source.file, 'regenerate')}"
        ) from exc


def from_builder(target: Any, file: str) -> Any:
    """The builder that callables without an importable name are taken from.

    Args:
        target: what the module's TARGET names: a StateGraph, a compiled graph, or a
            function without arguments, sync or async, that returns one.
        file: the module's `__file__`.
    """
    if not hasattr(target, "nodes") and callable(target):
        target = target()
        if hasattr(target, "__await__"):
            import asyncio

            target = asyncio.run(_result(target))
    bound: list[Any] = []
    while "bound" in getattr(target, "__dict__", {}):
        # A binding of langchain-core around the graph.
        bound.append(target.config)
        target = target.bound
    config = overlay_configs(getattr(target, "config", None), *reversed(bound))
    return _Builder(getattr(target, "builder", target), file, config=config)


def builder_in(builder: Any, *nodes: str) -> Any:
    """The builder of a graph that is a node.

    Args:
        builder: that of the outermost graph.
        nodes: the node of that, then the one of the graph in it, and so on.
    """
    inner = _take(builder, _graph_at(nodes), lambda b: _graph_in(b, nodes).builder)
    if not isinstance(builder, _Builder):
        return inner
    return _Builder(inner, builder.file, "".join(f" in node {node!r}" for node in reversed(nodes)))


def config_of(builder: Any, *nodes: str) -> dict[str, Any]:
    """The config that is bound to a graph.

    Args:
        builder, nodes: as of `builder_in`; without nodes, the graph is that of the TARGET.
    """
    if not nodes:
        bound: Any = builder.config
    else:
        bound = _take(builder, _graph_at(nodes), lambda b: _graph_in(b, nodes).config)
    return {k: v for k, v in bound.items() if v is not None and v not in ([], {}, ())}


def graph_in(body: Any) -> Any:
    """The graph that the body of a node calls, as far as its code tells; or None (spec §9.1)."""
    # Imported when it is first used: few modules have such a node.
    from lgc.runtime.subgraphs import graph_in as find

    return find(body)


def inject(builder: Any, execute: Callable[[], Any]) -> Any:
    """Executes a generated module whose builder is an object of this process.

    Args:
        builder: what `injected` gives meanwhile.
        execute: runs the module.

    Returns:
        What `execute` returns.
    """
    token = _INJECTED.set(builder)
    try:
        return execute()
    finally:
        _INJECTED.reset(token)


def injected() -> Any:
    """The builder of a module that was compiled in this process.

    Raises:
        LookupError: the module was not executed by `inject`.
    """
    return _INJECTED.get()


def function_of(builder: Any, node: str) -> Any:
    """The function of a node of the builder, sync or async."""
    return _take(builder, f"function of node {node!r}", lambda b: _function(_runnable(b, node)))


def retry_on_of(builder: Any, node: str, place: str) -> Any:
    """What a retry policy of a node of the builder, or of its defaults, retries.

    Args:
        place: the number of the policy; behind a dot, that of one of its classes.
    """
    number, _, which = place.partition(".")

    def get(builder: Any) -> Any:
        spec = builder.nodes.get(node)
        policies = (spec and spec.retry_policy) or builder._node_defaults.retry_policy
        policy = policies if hasattr(policies, "retry_on") else policies[int(number)]
        return policy.retry_on[int(which)] if which else policy.retry_on

    return _take(builder, f"retry policy of node {node!r}", get)


def metadata_of(builder: Any, node: str) -> dict[str, Any]:
    """The metadata of a node of the builder."""
    metadata: dict[str, Any] = _take(
        builder, f"metadata of node {node!r}", lambda b: b.nodes[node].metadata
    )
    return metadata


def router_of(builder: Any, node: str, branch: str) -> Any:
    """The router of a conditional edge of the builder, sync or async."""
    what = f"function of router {branch!r} of node {node!r}"
    return _take(builder, what, lambda b: _function(b.branches[node][branch].path))


def runnable_of(builder: Any, node: str) -> Any:
    """The Runnable of a node of the builder."""
    return _take(builder, f"node {node!r}", lambda b: _runnable(b, node))


def path_of(builder: Any, node: str, branch: str) -> Any:
    """The Runnable of a conditional edge of the builder."""
    what = f"router {branch!r} of node {node!r}"
    return _take(builder, what, lambda b: b.branches[node][branch].path)


def schema_of(builder: Any, node: str, branch: str = "") -> Any:
    """The schema of what a node of the builder, or its router `branch`, is given.

    That of `__start__` is the schema of the state, that of `__end__` is that of the output.
    """
    if branch:
        what = f"router {branch!r} of node {node!r}"
        return _take(builder, what, lambda b: b.branches[node][branch].input_schema)
    if node == "__start__":
        return _take(builder, "state schema", lambda b: b.state_schema)
    if node == "__end__":
        return _take(builder, "output schema", lambda b: b.output_schema)
    return _take(builder, f"node {node!r}", lambda b: b.nodes[node].input_schema)


def managed_of(builder: Any, key: str) -> Any:
    """The class of a managed value of the builder."""
    return _take(builder, f"managed value {key!r}", lambda b: b.managed[key])


def context_schema_of(builder: Any) -> Any:
    """The builder's context schema."""
    return _take(builder, "context schema", lambda b: b.context_schema)


def ends_of(builder: Any, node: str, branch: str) -> Any:
    """The destinations map of a conditional edge of the builder."""
    what = f"router {branch!r} of node {node!r}"
    return _take(builder, what, lambda b: b.branches[node][branch].ends)


def channel_of(builder: Any, key: str) -> Any:
    """The channel of a state key of the builder."""
    return _take(builder, f"state key {key!r}", lambda b: b.channels[key])


def reducer_of(builder: Any, key: str) -> Any:
    """The reducer of a state key of the builder."""
    return _take(builder, f"reducer of state key {key!r}", lambda b: _reducer(b.channels[key]))


def seed_of(builder: Any, key: str) -> Callable[[], object]:
    """What makes the first value of a state key whose type has no importable name."""
    seed: Callable[[], object] = _take(
        builder, f"reducer of state key {key!r}", lambda b: _seed(b.channels[key])
    )
    return seed


def _graph_at(nodes: tuple[str, ...]) -> str:
    return "graph in " + " in ".join(f"node {node!r}" for node in reversed(nodes))


def _graph_in(builder: Any, nodes: tuple[str, ...]) -> Any:
    """The compiled graph that `nodes` lead to."""
    graph = builder.nodes[nodes[0]].runnable
    for node in nodes[1:]:
        graph = graph.builder.nodes[node].runnable
    return graph


def _runnable(builder: Any, node: str) -> Any:
    """The Runnable of a node; of the default error handler, which only `compile` adds, likewise."""
    if node == DEFAULT_HANDLER and node not in builder.nodes:
        # Whoever has a builder of LangGraph's has loaded it.
        from langgraph._internal._runnable import coerce_to_runnable

        return coerce_to_runnable(builder._node_defaults.error_handler, name=node, trace=False)
    return builder.nodes[node].runnable


def _function(runnable: Any) -> Any:
    return runnable.afunc if runnable.func is None else runnable.func


def _reducer(channel: Any) -> Any:
    return channel.reducer if _is_delta(channel) else channel.operator


def _seed(channel: Any) -> Any:
    if _is_delta(channel):
        return channel.typ
    cls, typ, operator = type(channel), channel.typ, channel.operator
    return lambda: cls(typ, operator).value


def _is_delta(channel: Any) -> bool:
    return hasattr(channel, "snapshot_frequency")


_INJECTED: ContextVar[Any] = ContextVar("lgc_builder")


async def _result(awaitable: Any) -> Any:
    return await awaitable
