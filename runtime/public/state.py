"""What a state is written with: MessagesState, and the keys and attributes of annotated classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

from lgc.runtime import upstream
from lgc.runtime.public.messages import add_messages


class MessagesState(TypedDict):
    """A state of messages merged by id (graph/message.py:MessagesState)."""

    # Any, because the class of messages would have to be imported; nobody looks at it at run time.
    messages: Annotated[list[Any], add_messages]


def annotated_keys(cls: type) -> tuple[str, ...]:
    """The annotated names of a class and its bases (_fields.py:get_cached_annotated_keys)."""
    keys: list[str] = []
    for base in reversed(cls.__mro__):
        own = vars(base).get("__annotations__")
        if own is None:
            # Python 3.14 and pydantic keep them behind a descriptor.
            own = getattr(base, "__annotations__", None)
        if isinstance(own, dict):
            keys.extend(own)
    return tuple(keys)


def attributes(value: Any, keys: Any) -> Iterator[tuple[str, Any]]:
    """The known keys of an annotated object as writes (_fields.py:get_update_as_tuples).

    Args:
        value: what a node returned, or the update of a Command.
        keys: the keys to look for.
    """
    model = upstream.loaded("pydantic", "BaseModel")
    fields = type(value).model_fields if model is not None and isinstance(value, model) else None
    for key in keys:
        attribute = getattr(value, key, _ABSENT)
        if attribute is _ABSENT:
            continue
        if attribute is None and fields is not None and key not in value.model_fields_set:
            # The default None of a model's field that was not set is no write (trap 15).
            field = fields.get(key)
            if field is not None and field.default is None:
                continue
        yield key, attribute


_ABSENT = object()
