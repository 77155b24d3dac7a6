"""The names of this module before it was split, for files that have not been changed yet."""

from lgc.runtime.config.scratchpad import Scratchpad
from lgc.runtime.public.commands import Command, Interrupt, Overwrite, Send, update_as_tuples
from lgc.runtime.public.policies import CachePolicy, RetryPolicy, TimeoutPolicy
from lgc.runtime.public.runtime import (
    ExecutionInfo,
    RunControl,
    Runtime,
    ServerInfo,
    StreamWriter,
    no_heartbeat,
    no_writer,
)
from lgc.runtime.public.state import MessagesState, annotated_keys, attributes
from lgc.runtime.public.wrapped_values import Snapshot, overwritten
from lgc.runtime.public.wrapped_values import unwrap_snapshot as whole
from lgc.runtime.upstream import is_a, loaded

__all__ = [
    "CachePolicy",
    "Command",
    "ExecutionInfo",
    "Interrupt",
    "MessagesState",
    "Overwrite",
    "RetryPolicy",
    "RunControl",
    "Runtime",
    "Scratchpad",
    "Send",
    "ServerInfo",
    "Snapshot",
    "StreamWriter",
    "TimeoutPolicy",
    "annotated_keys",
    "attributes",
    "is_a",
    "loaded",
    "no_heartbeat",
    "no_writer",
    "overwritten",
    "update_as_tuples",
    "whole",
]
