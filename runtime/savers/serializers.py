"""What savers need to know of serializers: which interface one has, and who has an allow-list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lgc.runtime.savers.types import Typed
from lgc.runtime.serde.encrypted import EncryptedSerializer
from lgc.runtime.serde.serializer import Serializer
from lgc.runtime.upstream import loaded


class _WithTags:
    """Gives a serializer that has only `dumps` and `loads` the methods that savers call.

    Upstream's class is serde/base.py:SerializerCompat.

    Args:
        serde: the serializer.
    """

    def __init__(self, serde: Any) -> None:
        self.serde = serde

    def dumps_typed(self, obj: Any) -> Typed:
        """The name of the value's class, which nobody reads, and the value's bytes."""
        return type(obj).__name__, self.serde.dumps(obj)

    def loads_typed(self, data: Typed) -> Any:
        """The value of a tag and bytes."""
        return self.serde.loads(data[1])


def with_typed_methods(serde: Any) -> Any:
    """`serde` itself if it has `dumps_typed` and `loads_typed`, else an adapter that does."""
    if hasattr(serde, "dumps_typed") and hasattr(serde, "loads_typed"):
        return serde
    return _WithTags(serde)


def with_allowlist(serde: Any, extra: Iterable[tuple[str, ...]]) -> Any:
    """A serializer that may make these classes, too (checkpoint/base:_with_msgpack_allowlist).

    Args:
        serde: the serializer, possibly encrypted.
        extra: the classes as `(module, name)`.

    Returns:
        `serde` itself if that changes nothing, or if it knows no allow-list, with a warning.
    """
    if _has_allowlist(serde):
        return serde.with_msgpack_allowlist(extra)
    encrypted = loaded("langgraph.checkpoint.serde.encrypted", "EncryptedSerializer")
    for kind in (EncryptedSerializer, encrypted):
        if kind is not None and isinstance(serde, kind) and _has_allowlist(serde.serde):
            inner = serde.serde.with_msgpack_allowlist(extra)
            return serde if inner is serde.serde else kind(serde.cipher, inner)
    import logging

    logging.getLogger("langgraph.checkpoint.base").warning(
        "Serializer %s does not support msgpack allowlist. "
        "Strict msgpack deserialization will not be enforced.",
        type(serde).__name__,
    )
    return serde


def _has_allowlist(serde: Any) -> bool:
    """Whether a serializer is lgc's or LangGraph's own."""
    theirs = loaded("langgraph.checkpoint.serde.jsonplus", "JsonPlusSerializer")
    return isinstance(serde, Serializer) or (theirs is not None and isinstance(serde, theirs))
