"""Which classes a checkpoint may make when it is read, and who hears of it (spec §11.4).

The upstream files are serde/_msgpack.py, serde/event_hooks.py and the closures of
jsonplus.py:_create_msgpack_ext_hook. Events go to listeners of lgc and, once it is loaded, of
LangGraph. This file stays interpreted, as `codec`, which calls it, does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from lgc.runtime.upstream import loaded

STRICT: Final = os.getenv("LANGGRAPH_STRICT_MSGPACK", "false").lower() in ("1", "true", "yes")
"""Whether only safe types are made unless a serializer is told more; read once, as upstream."""

Allowed = set[tuple[str, ...]] | bool | None
"""True: every class, with a warning. A set: these and the safe ones. None: the safe ones."""

_SAFE: Final = {
    "datetime": "datetime date time timedelta timezone",
    "uuid": "UUID",
    "decimal": "Decimal",
    "builtins": "set frozenset",
    "collections": "deque",
    "ipaddress": ("IPv4Address IPv4Interface IPv4Network IPv6Address IPv6Interface IPv6Network"),
    "pathlib": "Path PosixPath WindowsPath",
    "pathlib._local": "Path PosixPath WindowsPath",
    "zoneinfo": "ZoneInfo",
    "re": "compile",
    "langchain_core.messages.base": "BaseMessage BaseMessageChunk",
    "langchain_core.messages.human": "HumanMessage HumanMessageChunk",
    "langchain_core.messages.ai": "AIMessage AIMessageChunk",
    "langchain_core.messages.system": "SystemMessage SystemMessageChunk",
    "langchain_core.messages.chat": "ChatMessage ChatMessageChunk",
    "langchain_core.messages.tool": "ToolMessage ToolMessageChunk",
    "langchain_core.messages.function": "FunctionMessage FunctionMessageChunk",
    "langchain_core.messages.modifier": "RemoveMessage",
    "langchain_core.documents.base": "Document",
    "langgraph.types": ("Send TimeoutPolicy Interrupt Command StateSnapshot PregelTask Overwrite"),
    "langgraph.store.base": "Item GetOp",
}

SAFE_TYPES: Final = frozenset(
    (module, name) for module, names in _SAFE.items() for name in names.split()
)
SAFE_METHODS: Final = frozenset({("datetime", "datetime", "fromisoformat")})

Listener = Callable[[dict[str, str]], None]

_listeners: list[Listener] = []


def add_listener(listener: Listener) -> Callable[[], None]:
    """Calls `listener` with every event from now on.

    Args:
        listener: gets a dict with `kind`, `module`, `name` and, for a method, `method`.

    Returns:
        What ends it; calling it again does nothing.
    """
    _listeners.append(listener)

    def remove() -> None:
        if listener in _listeners:
            _listeners.remove(listener)

    return remove


def _emit(kind: str, module: str, name: str, **more: str) -> None:
    hooks = sys.modules.get("langgraph.checkpoint.serde.event_hooks")
    # Nearly always nobody listens, and this is asked for every object that is made.
    if not _listeners and (hooks is None or not hooks._listeners):
        return
    event = {"kind": kind, "module": module, "name": name, **more}
    for listener in tuple(_listeners):
        try:
            listener(event)
        except Exception:
            logger().warning("Serde listener failed", exc_info=True)
    if hooks is not None:
        hooks.emit_serde_event(event)  # type: ignore[arg-type, unused-ignore]


def logger() -> Any:
    """The logger that upstream warns with, so that filters set for it stay good."""
    import logging

    return logging.getLogger("langgraph.checkpoint.serde.jsonplus")


# Each class is warned of once; the bound is upstream's.
_MOST: Final = 1000
_warned: dict[str, set[tuple[str, str]]] = {"allowed": set(), "blocked": set(), "lost": set()}


def warn_once(about: str, key: tuple[str, str], message: str, *args: Any) -> None:
    """Logs a warning unless this one was logged for `key` before."""
    seen = _warned[about]
    if key in seen or len(seen) >= _MOST:
        return
    seen.add(key)
    logger().warning(message, *args)


def is_strict() -> bool:
    """Whether classes of unknown origin are not made (LANGGRAPH_STRICT_MSGPACK)."""
    bound = loaded("langgraph._internal._serde", "STRICT_MSGPACK_ENABLED")
    return STRICT if bound is None else bool(bound)


def allows(allowed: Allowed, module: str, name: str) -> bool:
    """Whether an object of this class may be made; tells listeners when it is not a safe one.

    Raises:
        TypeError: the names cannot be hashed, so they are none.
    """
    key = (module, name)
    if key in SAFE_TYPES:
        return True
    if allowed is True:
        _emit("msgpack_unregistered_allowed", module, name)
        warn_once(
            "allowed",
            key,
            "Deserializing unregistered type %s.%s from checkpoint. "
            "This will be blocked in a future version. "
            "Set LANGGRAPH_STRICT_MSGPACK=true to block now, or add "
            "to allowed_msgpack_modules to allow explicitly: [(%r, %r)]",
            *(key + key),
        )
        return True
    if allowed and key in allowed:
        return True
    _emit("msgpack_blocked", module, name)
    warn_once(
        "blocked",
        key,
        "Blocked deserialization of %s.%s - not in allowed_msgpack_modules. "
        "Add to allowed_msgpack_modules to allow: [(%r, %r)]",
        *(key + key),
    )
    return False


def allows_method(module: str, name: str, method: str) -> bool:
    """Whether this method of a class may be called with what a checkpoint holds."""
    if (module, name, method) in SAFE_METHODS:
        return True
    _emit("msgpack_method_blocked", module, name, method=method)
    logger().warning(
        "Blocked deserialization of method call %s.%s.%s - not in allowed methods set.",
        module,
        name,
        method,
    )
    return False


def normalized(allowed: Any) -> Allowed:
    """An allow-list as it is kept: classes become (module, name); an empty one None."""
    if allowed is True:
        return True
    return keys(allowed) if allowed else None


def keys(modules: Iterable[Any]) -> set[tuple[str, ...]]:
    """The (module, name) of every class; what is none is taken for such a pair."""
    return {
        (item.__module__, item.__name__) if isinstance(item, type) else item for item in modules
    }
