"""The old path of `lgc.serde.Serializer`."""

from lgc.runtime.serde.serializer import Serializer

__all__ = ["Serializer"]
