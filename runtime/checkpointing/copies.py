"""Copies of what a run stores, for savers that do not turn it into bytes at once.

Nodes may change their state in place, and channels do so with containers of their own, while a
saver on another thread has yet to serialise what it was handed (spec, trap 63).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from lgc.runtime.constants import CONF
from lgc.runtime.public.wrapped_values import unwrap_snapshot
from lgc.runtime.upstream import is_a

_LEVELS: Final = 300

_UNCHANGING: Final = frozenset((str, int, float, bool, bytes, type(None), complex))


def copied(value: Any) -> Any:
    """A value whose lists, dicts, sets, deques and bytearrays are copies, at every depth.

    Containers of the exact classes only: a copy of another object may be no such object. What a
    Send carries is copied, too.

    Args:
        value: what a channel holds, or a task wrote. One that contains itself, or has more than
            `_LEVELS` levels, is left as it is: no msgpack of it can be made.
    """
    try:
        return _copied(value, 0)
    except RecursionError:
        return value


def _copied(value: Any, depth: int) -> Any:
    # Native code that goes on would end the process.
    if depth > _LEVELS:
        raise RecursionError(f"More than {_LEVELS} levels")
    kind = type(value)
    if kind in _UNCHANGING:
        return value
    if kind is list:
        return [item if type(item) in _UNCHANGING else _copied(item, depth + 1) for item in value]
    if kind is dict:
        return {
            key: item if type(item) in _UNCHANGING else _copied(item, depth + 1)
            for key, item in value.items()
        }
    if kind is tuple:
        items = [_copied(item, depth + 1) for item in value]
        # A tuple of what does not change is not copied, so that it stays the same object.
        for item, old in zip(items, value, strict=True):
            if item is not old:
                return tuple(items)
        return value
    if kind is set:
        # The items of a set do not change.
        return value.copy()
    if kind is deque:
        return deque((_copied(item, depth + 1) for item in value), value.maxlen)
    if kind is bytearray:
        return bytearray(value)
    inner = unwrap_snapshot(value)
    if inner is not value:
        return kind(_copied(inner, depth + 1))
    if is_a(value, "Send"):
        arg = _copied(value.arg, depth + 1)
        return value if arg is value.arg else kind(value.node, arg, timeout=value.timeout)
    return value


def copied_checkpoint(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint that shares no container with the run (_checkpoint.py:copy_checkpoint)."""
    return {
        **checkpoint,
        "channel_values": {
            key: copied(value) for key, value in checkpoint["channel_values"].items()
        },
        "channel_versions": checkpoint["channel_versions"].copy(),
        "versions_seen": {node: seen.copy() for node, seen in checkpoint["versions_seen"].items()},
    }


def copied_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config as a saver reads it: the scalars in `configurable` and `metadata`."""
    copy = dict(config)
    for key in (CONF, "metadata"):
        if isinstance(copy.get(key), dict):
            copy[key] = copy[key].copy()
    return copy
