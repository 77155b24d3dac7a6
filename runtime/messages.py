"""`add_messages`, equal to LangGraph's (graph/message.py), without importing langgraph.

langchain-core is imported when the first thing that is not a message object has
to be made into one; who writes message objects has loaded it already. A history
is long and what is added to it is short: `left` is walked as little as can be.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

REMOVE_ALL_MESSAGES: Final = "__remove_all__"
"""The id of a RemoveMessage that removes everything before it."""


def add_messages(left: Any = None, right: Any = None, **options: Any) -> Any:
    """Merges `right` into `left`, by message id; usable as a reducer.

    Messages without an id are given one in place, as upstream does.

    Args:
        left: a message or a list of them: objects, dicts, `(role, text)` pairs, strings.
        right: the same; a message whose id is in `left` replaces that one, a
            RemoveMessage removes it, and one with id `__remove_all__` removes all before it.
        options: `format="langchain-openai"` for contents in that format.

    Returns:
        A new list of message objects, every one with an id. Without `left` and
        `right`: the reducer with these options.

    Raises:
        ValueError: one side is None, a message to remove does not exist, or the
            format is unknown.
        NotImplementedError: something cannot be made into a message.
    """
    if left is None and right is None:
        return partial(_merge, **options)
    if left is None or right is None:
        only = "left" if left else "right"
        raise ValueError(
            f"Must specify non-null arguments for both 'left' and 'right'. Only received: '{only}'."
        )
    return _merge(left, right, **options)


def _merge(left: Any, right: Any, *, format: str | None = None) -> list[Any]:
    before = _messages(left if isinstance(left, list) else [left])
    after = _messages(right if isinstance(right, list) else [right])
    removals = set(map(type, after)) & _removals
    if removals:
        for i in range(len(after) - 1, -1, -1):
            if type(after[i]) in removals and after[i].id == REMOVE_ALL_MESSAGES:
                _assign_ids(before)
                _assign_ids(after)
                rest: list[Any] = after[i + 1 :]
                return rest
    ids = [message.id for message in before]
    if None in ids:
        _assign_ids(before)
        ids = [message.id for message in before]
    _assign_ids(after)
    if len(after) == 1 and not removals and after[0].id not in ids:
        merged = [*before, after[0]]
    else:
        merged = _apply(before, ids, after, removals)
    if not format:
        return merged
    if format != "langchain-openai":
        raise ValueError(f"Unrecognized {format=}. Expected one of 'langchain-openai', None.")
    core = _core()
    formatted: list[Any] = core.convert_to_messages(core.convert_to_openai_messages(merged))
    return formatted


def _apply(before: list[Any], ids: list[Any], after: list[Any], removals: set[type]) -> list[Any]:
    """`before`, whose ids are `ids`, with `after` replaced, removed or appended by id."""
    merged = before.copy()
    positions: dict[Any, int] = dict(zip(ids, range(len(ids)), strict=True))
    removed: set[Any] = set()
    for message in after:
        known = positions.get(message.id)
        if type(message) in removals:
            if known is None:
                raise ValueError(
                    f"Attempting to delete a message with an ID that doesn't exist ('{message.id}')"
                )
            removed.add(message.id)
        elif known is None:
            positions[message.id] = len(merged)
            merged.append(message)
        else:
            removed.discard(message.id)
            merged[known] = message
    if not removed:
        return merged
    return [message for message in merged if message.id not in removed]


def _assign_ids(messages: list[Any]) -> None:
    for message in messages:
        if message.id is None:
            import uuid  # slow to import, and called through its module: tests patch it there

            message.id = str(uuid.uuid4())


# The classes met so far whose objects are messages and no chunks, and those of them that remove:
# asking an abstract class costs more than the rest of a short merge.
_plain: set[type] = set()
_removals: set[type] = set()


def _messages(items: list[Any]) -> list[Any]:
    """The items as message objects; the same list when they all are."""
    if _are_plain(items):
        return items
    core = _core()
    to_message: Callable[[Any], Any] = core.message_chunk_to_message
    messages = [to_message(message) for message in core.convert_to_messages(items)]
    _are_plain(messages)
    return messages


def _are_plain(items: list[Any]) -> bool:
    """Whether all items are messages and no chunks; their classes are remembered."""
    plain = True
    for kind in set(map(type, items)) - _plain:
        plain = _learn(kind) and plain
    return plain


def _learn(kind: type) -> bool:
    core = sys.modules.get("langchain_core.messages")
    if core is None or not issubclass(kind, core.BaseMessage):
        return False
    if issubclass(kind, core.RemoveMessage):
        _removals.add(kind)
    if issubclass(kind, core.BaseMessageChunk):
        return False
    _plain.add(kind)
    return True


def _core() -> Any:
    import langchain_core.messages

    return langchain_core.messages
