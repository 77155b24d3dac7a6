"""LangGraph's reducers of messages (graph/message.py), without importing langgraph.

langchain-core is imported when the first value that is not a message object has to be converted
into one; a program that has message objects has loaded it already. A history is long and what is
added to it is short. The ids of a history have to be read every time, because users may change
them; everything else about it is looked up by class, or searched only for the ids that are added.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from lgc.runtime.public.wrapped_values import overwritten
from lgc.runtime.upstream import current_class, loaded

REMOVE_ALL_MESSAGES: Final = "__remove_all__"
"""The id of a RemoveMessage that removes everything before it."""

_SEARCHES: Final = 4
"""How many searches through the ids of a history cost less than a dict of them."""


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
        NotImplementedError: a value cannot be converted into a message.
    """
    if left is None and right is None:
        return partial(_merge, **options)
    if left is None or right is None:
        only = "left" if left else "right"
        raise ValueError(
            f"Must specify non-null arguments for both 'left' and 'right'. Only received: '{only}'."
        )
    return _merge(left, right, **options) if options else _merge(left, right)


def _merge(left: Any, right: Any, *, format: str | None = None) -> list[Any]:
    before = _messages(left if isinstance(left, list) else [left])
    after = _messages(right if isinstance(right, list) else [right])
    removals = [message for message in after if type(message) in _removal_classes]
    if removals:
        rest = _after_remove_all(after)
        if rest is not None:
            _assign_ids(before)
            _assign_ids(after)
            return rest
    ids = _assign_ids(before)
    after_ids = _assign_ids(after)
    if removals or len(after) > _SEARCHES:
        merged = _merge_by_index(before, ids, after, after_ids)
    else:
        merged = _merge_by_search(before, ids, after, after_ids)
    if not format:
        return merged
    if format != "langchain-openai":
        raise ValueError(f"Unrecognized {format=}. Expected one of 'langchain-openai', None.")
    core = _core()
    formatted: list[Any] = core.convert_to_messages(core.convert_to_openai_messages(merged))
    return formatted


def _after_remove_all(messages: list[Any]) -> list[Any] | None:
    """What follows the last RemoveMessage of everything; None when there is none."""
    for i in range(len(messages) - 1, -1, -1):
        if type(messages[i]) in _removal_classes and messages[i].id == REMOVE_ALL_MESSAGES:
            return messages[i + 1 :]
    return None


def _merge_by_search(
    before: list[Any], ids: list[Any], after: list[Any], after_ids: list[Any]
) -> list[Any]:
    """As `_merge_by_index`, for a few messages that remove nothing; `ids` grows with the result."""
    merged = before.copy()
    for i in range(len(after)):
        id = after_ids[i]
        if id in ids:
            # Of several messages with one id the last is replaced.
            merged[len(ids) - 1 - ids[::-1].index(id)] = after[i]
        else:
            merged.append(after[i])
            ids.append(id)
    return merged


def _merge_by_index(
    before: list[Any], ids: list[Any], after: list[Any], after_ids: list[Any]
) -> list[Any]:
    """`before` with `after` replaced, removed or appended by id, in a new list."""
    merged = before.copy()
    positions: dict[Any, int] = dict(zip(ids, range(len(ids)), strict=True))
    removed: set[Any] = set()
    for message, id in zip(after, after_ids, strict=True):
        known = positions.get(id)
        if type(message) in _removal_classes:
            if known is None:
                raise ValueError(
                    f"Attempting to delete a message with an ID that doesn't exist ('{id}')"
                )
            removed.add(id)
        elif known is None:
            positions[id] = len(merged)
            merged.append(message)
        else:
            removed.discard(id)
            merged[known] = message
    if not removed:
        return merged
    return [message for message in merged if message.id not in removed]


def _assign_ids(messages: list[Any]) -> list[Any]:
    """Gives an id to every message that has none; the ids of all."""
    ids = [message.id for message in messages]
    for i, id in enumerate(ids):
        if id is None:
            # It has one by now if it is in the list twice.
            if messages[i].id is None:
                messages[i].id = _new_id()
            ids[i] = messages[i].id
    return ids


def _new_id() -> str:
    import uuid  # slow to import, and called through its module: tests patch it there

    return str(uuid.uuid4())


def messages_delta_reducer(state: Any, writes: Any) -> Any:
    """Merges several writes of messages by id: `_messages_delta_reducer` of pregel/_messages.py.

    For a DeltaChannel. Unlike `add_messages` it gives no ids, and ignores a RemoveMessage
    whose id does not exist. One with id `__remove_all__` removes all before it, as since
    LangGraph 1.2.24.

    Args:
        state: the messages so far, or what can be converted into messages.
        writes: each a list of messages or one message: objects, dicts, pairs, strings.

    Returns:
        A new list of message objects.

    Raises:
        NotImplementedError, ValueError: a value cannot be converted into a message.
    """
    written: list[Any] = []
    for write in writes:
        if isinstance(write, list):
            written.extend(write)
        else:
            written.append(write)
    before = state
    if not state or not _is_message(state[0]):
        before = _core().convert_to_messages(state)
    after = written
    if not _are_messages(written):
        after = _core().convert_to_messages(written)
        _are_messages(after)
    rest = _after_remove_all(after)
    if rest is not None:
        before, after = [], rest
    merged: list[Any] = list(before)
    positions: dict[Any, int] = {}
    for i, message in enumerate(merged):
        if message.id is not None:
            positions[message.id] = i
    removed = False
    for message in after:
        if message.id is None:
            merged.append(message)
        elif type(message) in _removal_classes:
            if message.id in positions:
                merged[positions.pop(message.id)] = None
                removed = True
        elif message.id in positions:
            merged[positions[message.id]] = message
        else:
            positions[message.id] = len(merged)
            merged.append(message)
    return [message for message in merged if message is not None] if removed else merged


def ensure_message_ids(writes: list[tuple[str, Any]], keys: dict[str, bool]) -> None:
    """Gives ids to the messages that are written to DeltaChannels (pregel/_messages.py).

    Called once for all writes of a task, when it has finished or failed, so that the chunks, the
    checkpoint and the state have the same ids. Message objects get theirs in place; a list or
    dict that has to change is replaced in `writes`.

    Args:
        writes: a task's writes, in order.
        keys: what `channels.delta_keys` gives. Where the reducer is
            `messages_delta_reducer`, everything it would convert into a message is converted;
            elsewhere only dicts that look like a message, and those only in a list.

    Raises:
        Exception: a dict in a list that looks like a message cannot be converted into one.
    """
    for i in range(len(writes)):
        key, value = writes[i]
        if key in keys:
            changed = _with_ids(value, keys[key])
            if changed is not value:
                writes[i] = (key, changed)


def _with_ids(value: Any, coerce: bool) -> Any:
    """The value to write instead of `value`; the same object when only ids inside it change."""
    is_overwrite, new = overwritten(value)
    if is_overwrite:
        if not isinstance(new, (list, tuple)):
            return value
        items = [_item_with_id(item, coerce) for item in new]
        if _are_same(items, new):
            return value
        overwrite = current_class("Overwrite")
        return overwrite(items if isinstance(new, list) else tuple(items))
    if isinstance(value, list):
        items = []
        for item in value:
            if isinstance(item, dict) and _looks_like_message(item):
                items.append(_message_with_id(item))
            else:
                items.append(_item_with_id(item, coerce))
        return value if _are_same(items, value) else items
    if not coerce and isinstance(value, dict):
        if _looks_like_message(value) and not value.get("id"):
            return {**value, "id": _new_id()}
        return value
    return _item_with_id(value, coerce)


def _item_with_id(item: Any, coerce: bool) -> Any:
    """`item` with an id, if it is a message; with `coerce`, converted into one if that works."""
    if _is_message(item):
        _assign_ids([item])
        return item
    if not coerce:
        return item
    try:
        return _message_with_id(item)
    except Exception:
        return item  # the reducer raises the error


def _message_with_id(item: Any) -> Any:
    message = _core().convert_to_messages([item])[0]
    if not message.id:
        message.id = _new_id()
    return message


def _looks_like_message(item: dict[Any, Any]) -> bool:
    return item.get("role") in _ROLES or item.get("type") in _TYPES


def _are_same(items: list[Any], others: Any) -> bool:
    """Whether two sequences of one length hold the same objects."""
    return all(item is other for item, other in zip(items, others, strict=True))


_ROLES: Final = frozenset(("ai", "assistant", "function", "human", "system", "tool", "user"))
_TYPES: Final = frozenset(("ai", "function", "human", "remove", "system", "tool"))

# The classes met so far whose objects are messages and no chunks, and those of them that remove:
# asking an abstract class costs more than the rest of a short merge.
_message_classes: Final[set[type]] = set()
_removal_classes: Final[set[type]] = set()


def _messages(items: list[Any]) -> list[Any]:
    """The items as message objects; the same list when they all are."""
    if _are_messages(items):
        return items
    core = _core()
    to_message: Callable[[Any], Any] = core.message_chunk_to_message
    messages = [to_message(message) for message in core.convert_to_messages(items)]
    _are_messages(messages)
    return messages


def _are_messages(items: list[Any]) -> bool:
    """Whether all items are messages and no chunks; their classes are remembered."""
    for item in items:
        if type(item) not in _message_classes:
            return _are_message_classes(set(map(type, items)) - _message_classes)
    return True


def _are_message_classes(kinds: set[type]) -> bool:
    """As `_are_messages`, for classes of which nothing is known yet."""
    # All classes are asked: one that removes has to be known even where others are no messages.
    result = True
    for kind in kinds:
        result = _is_message_class(kind) and result
    return result


def _is_message_class(kind: type) -> bool:
    base = loaded("langchain_core.messages", "BaseMessage")
    if base is None or not issubclass(kind, base):
        return False
    core = _core()
    if issubclass(kind, core.RemoveMessage):
        _removal_classes.add(kind)
    if issubclass(kind, core.BaseMessageChunk):
        return False
    _message_classes.add(kind)
    return True


def _is_message(item: Any) -> bool:
    base = loaded("langchain_core.messages", "BaseMessage")
    return base is not None and isinstance(item, base)


def _core() -> Any:
    import langchain_core.messages

    return langchain_core.messages
