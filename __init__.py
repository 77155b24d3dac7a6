"""lgc: an ahead-of-time compiler for LangGraph.

`import lgc` loads nothing of the compiler and nothing of the engine: the public
names are resolved when they are first read (PEP 562).
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

# Public name -> the runtime module that defines it, and the module whose object is handed out
# instead once that is loaded: nodes have to see the classes their libraries know.
_PUBLIC = {
    "END": ("constants", ""),
    "START": ("constants", ""),
    "CachePolicy": ("public.policies", "langgraph.types"),
    "CheckpointPayload": ("public.outputs", "langgraph.types"),
    "CheckpointStreamPart": ("public.outputs", "langgraph.types"),
    "CheckpointTask": ("public.outputs", "langgraph.types"),
    "Command": ("public.commands", "langgraph.types"),
    "CustomStreamPart": ("public.outputs", "langgraph.types"),
    "DebugPayload": ("public.outputs", "langgraph.types"),
    "DebugStreamPart": ("public.outputs", "langgraph.types"),
    "EmptyChannelError": ("public.errors", "langgraph.errors"),
    "EmptyInputError": ("public.errors", "langgraph.errors"),
    "GraphBubbleUp": ("public.errors", "langgraph.errors"),
    "GraphDrained": ("public.errors", "langgraph.errors"),
    "GraphInterrupt": ("public.errors", "langgraph.errors"),
    "GraphOutput": ("public.outputs", "langgraph.types"),
    "GraphRecursionError": ("public.errors", "langgraph.errors"),
    "Interrupt": ("public.commands", "langgraph.types"),
    "InvalidUpdateError": ("public.errors", "langgraph.errors"),
    "MessagesState": ("public.state", "langgraph.graph.message"),
    "MessagesStreamPart": ("public.outputs", "langgraph.types"),
    "NodeCancelledError": ("public.errors", "langgraph.errors"),
    "NodeError": ("public.policies", "langgraph.errors"),
    "NodeTimeoutError": ("public.errors", "langgraph.errors"),
    "Overwrite": ("public.commands", "langgraph.types"),
    "ParentCommand": ("public.errors", "langgraph.errors"),
    "RetryPolicy": ("public.policies", "langgraph.types"),
    "RunControl": ("public.runtime", "langgraph.runtime"),
    "Runtime": ("public.runtime", "langgraph.runtime"),
    "Send": ("public.commands", "langgraph.types"),
    "StateSnapshot": ("checkpointing.state_snapshots", "langgraph.types"),
    "StateUpdate": ("checkpointing.state_updates", "langgraph.types"),
    "StreamPart": ("public.outputs", "langgraph.types"),
    "StreamWriter": ("public.runtime", "langgraph.types"),
    "TaskPayload": ("public.outputs", "langgraph.types"),
    "TaskResultPayload": ("public.outputs", "langgraph.types"),
    "TasksStreamPart": ("public.outputs", "langgraph.types"),
    "TimeoutPolicy": ("public.policies", "langgraph.types"),
    "UnknownInterruptError": ("public.errors", "langgraph.errors"),
    "Unsupported": ("public.errors", ""),
    "UpdatesStreamPart": ("public.outputs", "langgraph.types"),
    "ValuesStreamPart": ("public.outputs", "langgraph.types"),
    "add_messages": ("public.messages", "langgraph.graph.message"),
    "get_config": ("public.context", "langgraph.config"),
    "get_runtime": ("public.context", "langgraph.runtime"),
    "get_store": ("public.context", "langgraph.config"),
    "get_stream_writer": ("public.context", "langgraph.config"),
    "interrupt": ("public.context", "langgraph.types"),
}

__all__ = ["RemoveMessage", "__version__", "compile_graph", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name == "RemoveMessage":
        from langchain_core.messages import RemoveMessage

        return RemoveMessage
    if name == "compile_graph":
        import sys

        if "lgc.compiler.inprocess" not in sys.modules:
            from lgc.compiler.requirements import require

            require()
        from lgc.compiler.inprocess import compile_graph

        return compile_graph
    if name not in _PUBLIC:
        raise AttributeError(f"module 'lgc' has no attribute {name!r}")
    from importlib import import_module

    from lgc.runtime.upstream import hand_out_error, loaded

    # Nothing is cached here: what stands behind a name depends on what is loaded by now.
    home, upstream = _PUBLIC[name]
    owner = import_module(f"lgc.runtime.{home}")
    if upstream == "langgraph.errors":
        return hand_out_error(name)
    theirs = loaded(upstream, name)
    return getattr(owner, name) if theirs is None else theirs


def __dir__() -> list[str]:
    return sorted(__all__)
