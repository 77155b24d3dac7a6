"""Packs and unpacks with ormsgpack, as LangGraph does, when `LGC_FAST=1` is set (`lgc[fast]`).

Values that msgpack knows by itself take less than half the time that way (bench/codec.py). It is
never used unasked, although langgraph installs ormsgpack: what lgc does must not depend on what
else is installed, and importing it takes 20 ms.

The encoders and the hook for Exts are those of the msgpack codec. A value that ormsgpack refuses is
encoded by `msgpack_encode`, which raises the errors. Bytes are read exactly as upstream reads them.

This file stays interpreted: the work is done by the library's native code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgpack import ExtType

from lgc.runtime.serde import msgpack_encode
from lgc.runtime.serde.type_encoders import register_encoder, registered

try:
    import ormsgpack
except ImportError as error:
    raise ImportError("LGC_FAST is set and needs ormsgpack: pip install 'lgc[fast]'") from error

# Older versions crash the process on malformed bytes.
if tuple(map(int, ormsgpack.__version__.split(".")[:2])) < (1, 13):
    raise ImportError(f"LGC_FAST is set and needs ormsgpack 1.13, not {ormsgpack.__version__}")

# jsonplus.py:_option
_OPTION: Final = (
    ormsgpack.OPT_NON_STR_KEYS
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_UUID
    | ormsgpack.OPT_REPLACE_SURROGATES
)


def encode(value: Any, depth: int = 0) -> bytes:
    """The msgpack form of a value.

    Args:
        value: anything.
        depth: how many containers are around it.

    Raises:
        Refused: upstream cannot write it either.
    """
    try:
        data = ormsgpack.packb(value, default=_hook, option=_OPTION)
    except Exception:
        return msgpack_encode.encode(value, depth)
    if depth and len(data) >= msgpack_encode.MAX_LEVELS - depth:
        # Together with the containers around it, which ormsgpack does not count, there may be too
        # many levels.
        return msgpack_encode.encode(value, depth)
    return data


def _hook(value: Any) -> Any:
    cls = type(value)
    _, downcast, encoder = registered.get(cls) or register_encoder(cls)
    packable = encoder(value, encode) if downcast is None else downcast(value)
    if type(packable) is ExtType:
        return ormsgpack.Ext(packable.code, packable.data)
    return packable


def unpack(data: Any, hook: Callable[[int, bytes], Any]) -> Any:
    """The value of msgpack bytes.

    Args:
        data: bytes, a bytearray or a contiguous memoryview.
        hook: makes the objects of Exts.

    Raises:
        ValueError: the bytes are no msgpack, or the hook failed.
    """
    return ormsgpack.unpackb(data, ext_hook=hook, option=ormsgpack.OPT_NON_STR_KEYS)
