"""The channel classes (spec §3; upstream `langgraph/channels/`), a family in each file.

A channel in a program is a prototype that is never written; every run works on `fresh()` copies.
Values are `object`: mypyc must not convert what users store.
"""

from lgc.runtime.channels.base import Channel
from lgc.runtime.channels.binop import BinaryOperatorAggregate, reduce
from lgc.runtime.channels.delta import DeltaChannel, whole_frequency
from lgc.runtime.channels.ephemeral_value import AnyValue, EphemeralValue
from lgc.runtime.channels.foreign import ForeignChannel
from lgc.runtime.channels.kinds import delta_keys, is_untracked
from lgc.runtime.channels.last_value import LastValue, LastValueAfterFinish
from lgc.runtime.channels.named_barrier_value import NamedBarrierValue
from lgc.runtime.channels.topic import Topic
from lgc.runtime.channels.untracked_value import UntrackedValue

__all__ = [
    "AnyValue",
    "BinaryOperatorAggregate",
    "Channel",
    "DeltaChannel",
    "EphemeralValue",
    "ForeignChannel",
    "LastValue",
    "LastValueAfterFinish",
    "NamedBarrierValue",
    "Topic",
    "UntrackedValue",
    "delta_keys",
    "is_untracked",
    "reduce",
    "whole_frequency",
]
