"""The value types under the name that pickles made by lgc 0.1 refer to them by.

Such a pickle is in a checkpoint when a serializer with `pickle_fallback` wrote it while langgraph
was not loaded. Nothing imports this module by name.
"""

from lgc.runtime.public.commands import Command, Interrupt, Overwrite, Send
from lgc.runtime.public.policies import (
    CachePolicy,
    RetryPolicy,
    TimeoutPolicy,
    default_cache_key,
    default_retry_on,
)
from lgc.runtime.public.records import _restore
from lgc.runtime.public.runtime import (
    ExecutionInfo,
    RunControl,
    Runtime,
    ServerInfo,
    no_heartbeat,
    no_writer,
)
from lgc.runtime.public.wrapped_values import Snapshot

__all__ = [
    "CachePolicy",
    "Command",
    "ExecutionInfo",
    "Interrupt",
    "Overwrite",
    "RetryPolicy",
    "RunControl",
    "Runtime",
    "Send",
    "ServerInfo",
    "Snapshot",
    "TimeoutPolicy",
    "_restore",
    "default_cache_key",
    "default_retry_on",
    "no_heartbeat",
    "no_writer",
]
