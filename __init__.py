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
    "CachePolicy": ("types", "langgraph.types"),
    "Command": ("types", "langgraph.types"),
    "EmptyChannelError": ("errors", ""),
    "EmptyInputError": ("errors", ""),
    "GraphBubbleUp": ("errors", ""),
    "GraphDrained": ("errors", ""),
    "GraphInterrupt": ("errors", ""),
    "GraphRecursionError": ("errors", ""),
    "Interrupt": ("types", "langgraph.types"),
    "InvalidUpdateError": ("errors", ""),
    "MessagesState": ("types", "langgraph.graph.message"),
    "NodeCancelledError": ("errors", ""),
    "Overwrite": ("types", "langgraph.types"),
    "ParentCommand": ("errors", ""),
    "RetryPolicy": ("types", "langgraph.types"),
    "RunControl": ("types", "langgraph.runtime"),
    "Runtime": ("types", "langgraph.runtime"),
    "Send": ("types", "langgraph.types"),
    "StateSnapshot": ("snapshots", "langgraph.types"),
    "StateUpdate": ("updates", "langgraph.types"),
    "StreamWriter": ("types", "langgraph.types"),
    "TimeoutPolicy": ("types", "langgraph.types"),
    "UnknownInterruptError": ("errors", ""),
    "Unsupported": ("errors", ""),
    "add_messages": ("messages", "langgraph.graph.message"),
    "get_config": ("context", "langgraph.config"),
    "get_runtime": ("context", "langgraph.runtime"),
    "get_store": ("context", "langgraph.config"),
    "get_stream_writer": ("context", "langgraph.config"),
    "interrupt": ("context", "langgraph.types"),
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
    if home == "errors":
        return owner.public(name)
    theirs = getattr(sys.modules.get(upstream), name, None)
    return getattr(owner, name) if theirs is None else theirs


def __dir__() -> list[str]:
    return sorted(__all__)
