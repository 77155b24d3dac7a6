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
    "CachePolicy": ("public.types", "langgraph.types"),
    "Command": ("public.types", "langgraph.types"),
    "EmptyChannelError": ("public.errors", ""),
    "EmptyInputError": ("public.errors", ""),
    "GraphBubbleUp": ("public.errors", ""),
    "GraphDrained": ("public.errors", ""),
    "GraphInterrupt": ("public.errors", ""),
    "GraphRecursionError": ("public.errors", ""),
    "Interrupt": ("public.types", "langgraph.types"),
    "InvalidUpdateError": ("public.errors", ""),
    "MessagesState": ("public.types", "langgraph.graph.message"),
    "NodeCancelledError": ("public.errors", ""),
    "Overwrite": ("public.types", "langgraph.types"),
    "ParentCommand": ("public.errors", ""),
    "RetryPolicy": ("public.types", "langgraph.types"),
    "RunControl": ("public.types", "langgraph.runtime"),
    "Runtime": ("public.types", "langgraph.runtime"),
    "Send": ("public.types", "langgraph.types"),
    "StateSnapshot": ("checkpointing.state_snapshots", "langgraph.types"),
    "StateUpdate": ("checkpointing.state_updates", "langgraph.types"),
    "StreamWriter": ("public.types", "langgraph.types"),
    "TimeoutPolicy": ("public.types", "langgraph.types"),
    "UnknownInterruptError": ("public.errors", ""),
    "Unsupported": ("public.errors", ""),
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
    import sys
    from importlib import import_module

    # Nothing is cached here: what stands behind a name depends on what is loaded by now.
    home, upstream = _PUBLIC[name]
    owner = import_module(f"lgc.runtime.{home}")
    if home == "public.errors":
        return owner.public(name)
    theirs = getattr(sys.modules.get(upstream), name, None)
    return getattr(owner, name) if theirs is None else theirs


def __dir__() -> list[str]:
    return sorted(__all__)
