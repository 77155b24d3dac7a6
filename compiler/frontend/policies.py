"""The policies of a builder's nodes, as LangGraph's `compile` deals them out (graph/state.py)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langgraph._internal._runnable import coerce_to_runnable
from langgraph._internal._timeout import coerce_timeout_policy
from langgraph.graph._node import StateNodeSpec
from langgraph.graph.state import StateGraph
from langgraph.pregel._call import identifier
from langgraph.pregel._utils import validate_timeout_supported
from langgraph.types import CachePolicy, RetryPolicy

from lgc.compiler.ir import CacheIR, RetryIR, TimeoutIR
from lgc.compiler.ir_refs import BuilderRef
from lgc.compiler.literals import NotLiteral, source_of
from lgc.compiler.references import References
from lgc.runtime.builder_parts import DEFAULT_HANDLER

Spec = StateNodeSpec[Any, Any]

_RETRY_DEFAULTS = RetryPolicy()
_CACHE_DEFAULTS: Any = CachePolicy()


def nodes_of(builder: StateGraph[Any, Any, Any, Any]) -> dict[str, Spec]:
    """The nodes with what `set_node_defaults` says of them, which leaves the builder as it is.

    A default error handler is one of them, as it is in a builder that was compiled before.
    """
    defaults = builder._node_defaults
    nodes = dict(builder.nodes)
    handler = None
    if defaults.error_handler is not None:
        handler = DEFAULT_HANDLER
        given: Any = defaults.error_handler
        runnable = coerce_to_runnable(given, name=handler, trace=False)
        nodes.setdefault(
            handler,
            StateNodeSpec(runnable, None, builder.state_schema, None, None, is_error_handler=True),
        )
    return {name: _with_defaults(spec, defaults, handler) for name, spec in nodes.items()}


def _with_defaults(spec: Spec, defaults: Any, handler: str | None) -> Spec:
    changes: dict[str, Any] = {}
    if spec.retry_policy is None:
        changes["retry_policy"] = defaults.retry_policy
    if spec.timeout is None:
        changes["timeout"] = defaults.timeout
    if not spec.is_error_handler:
        if spec.error_handler_node is None:
            changes["error_handler_node"] = handler
        if spec.cache_policy is None:
            changes["cache_policy"] = defaults.cache_policy
    return dataclasses.replace(spec, **changes)


def retries_of(
    name: str, spec: Spec, references: References, refuse: Callable[[str], None]
) -> tuple[RetryIR, ...]:
    """The retry policies of a node.

    Args:
        name, spec: the node.
        references: of the objects that policies hold.
        refuse: is told what of a policy has no source.
    """
    policies = spec.retry_policy or ()
    if isinstance(policies, RetryPolicy):
        policies = (policies,)
    return tuple(_retry(name, i, policy, references, refuse) for i, policy in enumerate(policies))


def cache_of(
    name: str, spec: Spec, references: References, refuse: Callable[[str], None]
) -> CacheIR | None:
    """The cache policy of a node; arguments as of `retries_of`."""
    policy = spec.cache_policy
    if not policy:
        return None
    ttl = "None"
    try:
        ttl = source_of(policy.ttl)
    except NotLiteral as exc:
        refuse(f"cache policy (its ttl {exc})")
    key_func = None
    if policy.key_func is not _CACHE_DEFAULTS.key_func:
        key_func = references.of(policy.key_func, BuilderRef("key_func", name))
    return CacheIR(identifier(spec.runnable) or "__dynamic__", ttl, key_func)


def timeout_of(spec: Spec) -> TimeoutIR | None:
    """The timeout of a node."""
    policy: Any = coerce_timeout_policy(spec.timeout)
    if policy is None:
        return None
    return TimeoutIR(_seconds(policy.run_timeout), _seconds(policy.idle_timeout), policy.refresh_on)


def _seconds(value: float | None) -> str:
    """Seconds as Python source; an infinite number has none of its own."""
    return repr(value) if value is None or math.isfinite(value) else f'float("{value}")'


def unsupported_timeouts(nodes: dict[str, Spec]) -> Iterator[tuple[str, str]]:
    """The nodes that have a timeout and are not async, with what LangGraph's `compile` says."""
    for name, spec in nodes.items():
        if spec.timeout is not None:
            runnable: Any = spec.runnable
            try:
                validate_timeout_supported(runnable, name=name)
            except ValueError as exc:
                yield name, str(exc)


def _retry(
    name: str, number: int, policy: Any, references: References, refuse: Callable[[str], None]
) -> RetryIR:
    fields = []
    for field, default in _RETRY_DEFAULTS._asdict().items():
        value = getattr(policy, field)
        if field == "retry_on" or (value == default and type(value) is type(default)):
            continue
        try:
            fields.append((field, source_of(value)))
        except NotLiteral as exc:
            refuse(f"retry policy (its {field} {exc})")
    retry_on = policy.retry_on
    if retry_on is _RETRY_DEFAULTS.retry_on:
        return RetryIR(tuple(fields))
    many = isinstance(retry_on, Sequence)
    kinds = retry_on if many else (retry_on,)
    places = [f"{number}.{i}" if many else str(number) for i in range(len(kinds))]
    refs = tuple(
        references.of(kind, BuilderRef("retry_on", name, key=place))
        for kind, place in zip(kinds, places, strict=True)
    )
    return RetryIR(tuple(fields), refs, many)
