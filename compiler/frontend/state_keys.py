"""The state keys of a builder as ChannelIR and ManagedIR."""

from __future__ import annotations

import inspect
from typing import Any

from langgraph._internal._typing import MISSING
from langgraph.channels.any_value import AnyValue
from langgraph.channels.binop import BinaryOperatorAggregate, _strip_extras
from langgraph.channels.delta import DeltaChannel
from langgraph.channels.ephemeral_value import EphemeralValue
from langgraph.channels.last_value import LastValue
from langgraph.channels.topic import Topic
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.graph.message import _messages_delta_reducer, add_messages
from langgraph.managed.is_last_step import IsLastStepManager, RemainingStepsManager

from lgc.compiler.ir import ChannelIR, ChannelKind, ManagedIR, ManagedKind
from lgc.compiler.ir_refs import BuilderRef, Ref, SymbolRef
from lgc.compiler.references import References
from lgc.runtime.channels import whole_frequency

ADD_MESSAGES = SymbolRef("lgc.runtime.messages", "add_messages")
"""The runtime's own `add_messages`, so that the reducer does not bring in langgraph."""
MESSAGES_DELTA = SymbolRef("lgc.runtime.messages", "messages_delta_reducer")
"""The same for the reducer of messages that LangGraph has for a DeltaChannel."""

_KINDS: dict[type, ChannelKind] = {
    LastValue: "LastValue",
    AnyValue: "AnyValue",
    EphemeralValue: "EphemeralValue",
    UntrackedValue: "UntrackedValue",
    Topic: "Topic",
    BinaryOperatorAggregate: "BinaryOperatorAggregate",
    DeltaChannel: "DeltaChannel",
}

_MANAGED_KINDS: dict[type, ManagedKind] = {
    IsLastStepManager: "is_last_step",
    RemainingStepsManager: "remaining_steps",
}


def channel_ir(key: str, channel: Any, references: References) -> ChannelIR:
    """The IR of the channel that a builder has for a state key."""
    kind = _KINDS.get(type(channel), "custom")
    custom = reducer = seed = None
    if kind == "custom":
        custom = references.of(channel, BuilderRef("channel", key=key))
    elif kind == "BinaryOperatorAggregate":
        reducer = _reducer(key, channel.operator, references)
        if channel.value is not MISSING:
            seed = _seed(key, channel, references)
    elif kind == "DeltaChannel":
        reducer = _reducer(key, channel.reducer, references)
        # The type is called when a run starts, where it may fail.
        seed = references.of(channel.typ, BuilderRef("seed", key=key))
    return ChannelIR(
        key=key,
        kind=kind,
        custom=custom,
        reducer=reducer,
        seed=seed,
        guard=bool(getattr(channel, "guard", True)),
        accumulate=bool(getattr(channel, "accumulate", False)),
        snapshot_frequency=whole_frequency(channel.snapshot_frequency)
        if kind == "DeltaChannel"
        else 100,
    )


def managed_ir(key: str, cls: Any, references: References) -> ManagedIR:
    """The IR of the managed value that a builder has for a state key."""
    kind = _MANAGED_KINDS.get(cls, "custom")
    if kind != "custom":
        return ManagedIR(key, kind)
    return ManagedIR(key, kind, references.of(cls, BuilderRef("managed", key=key)))


def _reducer(key: str, reducer: Any, references: References) -> Ref:
    if reducer is add_messages:
        return ADD_MESSAGES
    if reducer is _messages_delta_reducer:
        return MESSAGES_DELTA
    return references.of(reducer, BuilderRef("reducer", key=key))


def _seed(key: str, channel: BinaryOperatorAggregate[Any], references: References) -> Ref:
    """What makes the first value: the concrete type that upstream calls."""
    annotated = _strip_extras(channel.typ)  # type: ignore[no-untyped-call]
    # An abstract type such as Sequence stands for a concrete one, which the value shows.
    for candidate in (annotated, type(channel.value)):
        ref = references.by_symbol(candidate)
        if ref is not None and callable(candidate) and not inspect.isabstract(candidate):
            return ref
    return BuilderRef("seed", key=key)
