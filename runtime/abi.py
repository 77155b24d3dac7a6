"""The contract between a generated module and the runtime (architecture §2.7).

A module calls `require` first and then builds its tables with the constructors
below; of the rest of the runtime it may use the reducers of `messages`.
Change `ABI` whenever one of them changes its meaning.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from xxhash import xxh3_64_hexdigest

from lgc.runtime.builder_parts import (
    builder_in,
    channel_of,
    config_of,
    context_schema_of,
    ends_of,
    from_builder,
    function_of,
    generated_source,
    graph_in,
    header,
    inject,
    injected,
    key_func_of,
    managed_of,
    metadata_of,
    path_of,
    reducer_of,
    retry_on_of,
    router_of,
    runnable_of,
    schema_of,
    seed_of,
)
from lgc.runtime.channels import (
    AnyValue,
    BinaryOperatorAggregate,
    Channel,
    DeltaChannel,
    EphemeralValue,
    ForeignChannel,
    LastValue,
    Topic,
    UntrackedValue,
    reduce,
)
from lgc.runtime.engine.flow import Run, label_of
from lgc.runtime.engine.node_cache import NodeCache
from lgc.runtime.engine.program import (
    AWAIT,
    AWAIT_WITH_TASK,
    CALL_WITH_TASK,
    EVERYTHING,
    GRAPH,
    INVOKE,
    Branch,
    Join,
    Managed,
    Node,
    Program,
)
from lgc.runtime.typed import CompiledGraph
from lgc.runtime.upstream import loaded

__all__ = [
    "ABI",
    "AWAIT",
    "AWAIT_WITH_TASK",
    "BLANK_BODY",
    "BODY_PREFIX",
    "CALL_WITH_TASK",
    "GRAPH",
    "INVOKE",
    "Branch",
    "Channel",
    "CompiledGraph",
    "Join",
    "Managed",
    "Node",
    "Run",
    "aggregate",
    "any_value",
    "builder_in",
    "cached",
    "channel_of",
    "compiled",
    "config_of",
    "context_schema_of",
    "custom",
    "delta",
    "ends_of",
    "ephemeral",
    "from_builder",
    "function_of",
    "graph_in",
    "inject",
    "injected",
    "is_last_step",
    "join",
    "key_func_of",
    "last_value",
    "managed",
    "managed_of",
    "metadata_of",
    "path_of",
    "reduce",
    "reducer_of",
    "remaining_steps",
    "require",
    "retry",
    "retry_on_of",
    "router_of",
    "runnable_of",
    "schema_of",
    "seed_of",
    "source_hash",
    "timeout",
    "together",
    "topic",
    "untracked",
]

ABI: Final = 7
BODY_PREFIX: Final = "lgc-body:"
"""Precedes the body hash, as a constant that can be found in a native module's file too."""
BLANK_BODY: Final = BODY_PREFIX + "0" * 16
"""Stands for the body hash while it is computed."""


def require(abi: int, body: str, file: str, command: str = "") -> None:
    """Checks a generated module while it is imported.

    Args:
        abi: the ABI the module was generated for.
        body: `lgc-body:<hash>` of the generated source this code was made from.
        file: the module's `__file__`.
        command: how the module is made again, from a module of ABI 5 or older; newer ones say it
            in their header.

    Raises:
        ImportError: the runtime speaks another ABI, or the native module was
            built from other source than the `.py` beside it.
    """
    name = os.path.basename(file)
    if abi != ABI:
        raise ImportError(
            f"{name} was generated for ABI {abi} of lgc; this lgc has ABI {ABI}. "
            f"Generate it again: {command or header(file, 'regenerate')}"
        )
    if file.endswith((".so", ".pyd")):
        source = generated_source(file)
        if os.path.exists(source):
            with open(source, "rb") as text:
                same = body == BODY_PREFIX + source_hash(text.read(), body)
            if not same:
                raise ImportError(
                    f"{name} was not built from the {os.path.basename(source)} beside it. "
                    f"Build it again: {header(file, 'regenerate')}"
                )


def source_hash(source: bytes, body: str) -> str:
    """The body hash of a generated module: 16 hex digits for all below its header.

    Args:
        source: the module, with any line endings.
        body: `lgc-body:<hash>` as it stands there; it is blanked first.
    """
    below = source.replace(b"\r\n", b"\n").partition(b"\n\n")[2]
    digest: str = xxh3_64_hexdigest(below.replace(body.encode(), BLANK_BODY.encode()))
    return digest


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


def delta(
    key: str,
    seed: Callable[[], object],
    reducer: Callable[[Any, Any], Any],
    snapshot_frequency: int = 100,
) -> Channel:
    """A key of channel class DeltaChannel; `seed()` is its first value."""
    return DeltaChannel(key, seed, reducer, snapshot_frequency)


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


def join(key: str, starts: tuple[str, ...], end: str) -> Join:
    """The barrier that starts `end` when every node in `starts` has run."""
    return Join(key, starts, end)


def together(*names: str) -> str:
    """The label of a superstep of several nodes."""
    return label_of(names)


def custom(key: str, channel: Any) -> Channel:
    """A key whose channel is of a class of the user's own."""
    return ForeignChannel(key, channel)


def is_last_step(key: str) -> Managed:
    """The managed value IsLastStep."""
    return Managed(key, lambda step, stop, scratchpad: step == stop - 1)


def remaining_steps(key: str) -> Managed:
    """The managed value RemainingSteps."""
    return Managed(key, lambda step, stop, scratchpad: stop - step)


def managed(key: str, cls: Any) -> Managed:
    """A managed value of the user's own class."""
    return Managed(key, lambda step, stop, scratchpad: cls.get(scratchpad()))


def cached(function: str, node: str, *, key_func: Any = None, ttl: int | None = None) -> NodeCache:
    """The cache policy of a node.

    Args:
        function, node, ttl: as of `NodeCache`.
        key_func: likewise; None for LangGraph's own, by the pickled input.
    """
    if key_func is None:
        # Imported when it is first used: most modules have none.
        from lgc.runtime.public.policies import default_cache_key

        key_func = default_cache_key
    return NodeCache(function, node, key_func, ttl)


def retry(**fields: Any) -> Any:
    """A RetryPolicy, of LangGraph's class when that is loaded (spec §4.9).

    Args:
        fields: those that are not the default.
    """
    # Imported when it is first used: most modules have none.
    from lgc.runtime.public.policies import RetryPolicy

    policy: Any = loaded("langgraph.types", "RetryPolicy") or RetryPolicy
    return policy(**fields)


def timeout(
    *, run: float | None = None, idle: float | None = None, refresh_on: str = "auto"
) -> Any:
    """A TimeoutPolicy, of LangGraph's class when that is loaded (spec §4.9).

    Args:
        run: the seconds that an attempt may take; None for any.
        idle: those that it may take without progress; None for any.
        refresh_on: "auto" or "heartbeat": what counts as progress.
    """
    # Imported when it is first used: most modules have none.
    from lgc.runtime.public.policies import TimeoutPolicy

    policy: Any = loaded("langgraph.types", "TimeoutPolicy") or TimeoutPolicy
    return policy(run_timeout=run, idle_timeout=idle, refresh_on=refresh_on)


def compiled(
    name: str,
    supersteps: Callable[[Any, str], str],
    apply: Callable[[Any, dict[str, Any], dict[Any, Any]], None],
    *,
    keys: tuple[Channel, ...] = (),
    nodes: tuple[Node, ...],
    managed: tuple[Managed, ...] = (),
    joins: tuple[Join, ...] = (),
    inputs: tuple[str, ...] | None = EVERYTHING,
    outputs: tuple[str, ...] | None = EVERYTHING,
    output_schema: Any = None,
    state_schema: Any = None,
    context_schema: Any = None,
    allowlist: tuple[tuple[str, str], ...] = (),
    config: dict[str, Any] | None = None,
    checkpointer: bool | None = None,
    interrupt_before: Any = (),
    interrupt_after: Any = (),
    debug: bool = False,
    stream_mode: Any = "updates",
    step_timeout: Any = None,
) -> CompiledGraph[Any, Any, Any, Any]:
    """The graph of a generated module.

    Args:
        name: the graph's name.
        supersteps: the control flow, as `Run` says.
        apply: `(run, values, update)`: writes to the values of the state what a node returned.
        keys: the state keys, in the builder's order.
        nodes: in the builder's order; `__start__` only if it has routers.
        managed: the managed values.
        joins: the barriers.
        inputs: the keys an input may set, all of the state's by default; None for the root value.
        outputs: the output schema's keys, likewise.
        output_schema, state_schema: what dicts of the output and of the state are made into in
            typed chunks, or None.
        context_schema: what a context is made into, or None.
        allowlist: the classes, (module, name), that a checkpoint may hold besides the safe ones.
        config: what every run's config starts from.
        checkpointer: of a graph that is a node: None, it has the saver of the outer graph; True,
            likewise, and it goes on where its last call ended; False, it has none.
        interrupt_before, interrupt_after: the nodes to stop at, or "*".
        debug: every run prints its updates and values.
        stream_mode: what `stream` yields by default.
        step_timeout: how long a superstep may take, in seconds; None for any time.

    Raises:
        ImportError: `supersteps` leads to what is not declared, as after an edit by hand.
    """
    graph: CompiledGraph[Any, Any, Any, Any] = CompiledGraph(
        Program(
            name,
            supersteps,
            apply,
            keys=keys,
            managed=managed,
            nodes=nodes,
            joins=joins,
            inputs=inputs,
            outputs=outputs,
            output_schema=output_schema,
            state_schema=state_schema,
            context_schema=context_schema,
            allowlist=allowlist,
        ),
        config=config,
    )
    graph.checkpointer = checkpointer
    graph.interrupt_before_nodes = interrupt_before
    graph.interrupt_after_nodes = interrupt_after
    graph.debug = debug
    graph.stream_mode = stream_mode
    graph.step_timeout = step_timeout
    return graph
