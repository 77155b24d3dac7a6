"""Which classes reading a checkpoint may make objects of, and the events about it (spec §11.4).

Upstream has this in serde/_msgpack.py, serde/event_hooks.py and the closures of
jsonplus.py:_create_msgpack_ext_hook. Events go to lgc's listeners and, once langgraph is loaded, to
LangGraph's. This file stays interpreted, as `serializer`, which calls it, does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from lgc.runtime.upstream import loaded

STRICT: Final = os.getenv("LANGGRAPH_STRICT_MSGPACK", "false").lower() in ("1", "true", "yes")
"""Whether serializers allow safe types only by default; read once at import, as upstream."""

Allowed = set[tuple[str, ...]] | bool | None
"""True: all classes, with a warning. A set: its classes and the safe ones. None: the safe ones."""

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
        listener: is passed a dict with `kind`, `module`, `name` and, for a method, `method`.

    Returns:
        A function that ends this; further calls of it do nothing.
    """
    _listeners.append(listener)

    def remove() -> None:
        if listener in _listeners:
            _listeners.remove(listener)

    return remove


def _emit(kind: str, module: str, name: str, **more: str) -> None:
    """Passes an event to all listeners."""
    hooks = sys.modules.get("langgraph.checkpoint.serde.event_hooks")
    # This comes up for every object of an unregistered class, and there is rarely a listener.
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
    """The logger that upstream warns with: users have configured filters for it."""
    import logging

    return logging.getLogger("langgraph.checkpoint.serde.jsonplus")


# How many classes are remembered as warned of; the bound is upstream's.
_MOST_WARNED: Final = 1000
_warned: dict[str, set[tuple[str, str]]] = {"allowed": set(), "blocked": set(), "lost": set()}


def warn_once(about: str, key: tuple[str, str], message: str, *args: Any) -> None:
    """Logs a warning, once for each class and for 1,000 classes at most.

    Args:
        about: what it is about: "allowed", "blocked" or "lost".
        key: the class, as (module, name).
        message, args: those of `Logger.warning`.
    """
    seen = _warned[about]
    if key in seen or len(seen) >= _MOST_WARNED:
        return
    seen.add(key)
    logger().warning(message, *args)


def is_strict() -> bool:
    """Whether graphs limit their savers to the classes of their schemas (LANGGRAPH_STRICT_MSGPACK).

    LangGraph's own variable counts once it is loaded.
    """
    theirs = loaded("langgraph._internal._serde", "STRICT_MSGPACK_ENABLED")
    return STRICT if theirs is None else bool(theirs)


def allows(allowed: Allowed, module: str, name: str) -> bool:
    """Whether objects of a class may be made. For any but a safe or listed one, listeners and the
    log are told of the answer.

    Args:
        allowed: the allow-list.
        module, name: the class, as the checkpoint names it.

    Raises:
        TypeError: the checkpoint holds something unhashable in place of a name.
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
    """Whether a method of a class may be called to make an object; otherwise listeners are told."""
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
    """A user's allow-list in the form of `Allowed`: classes become (module, name)."""
    if allowed is True:
        return True
    return keys(allowed) if allowed else None


def keys(modules: Iterable[Any]) -> set[tuple[str, ...]]:
    """The (module, name) of every class; other items are taken for such pairs."""
    return {
        (item.__module__, item.__name__) if isinstance(item, type) else item for item in modules
    }
