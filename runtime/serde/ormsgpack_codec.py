"""The codec over ormsgpack, which LangGraph packs with: plain data in less than half the time.

It is used with `LGC_FAST=1` (extra `lgc[fast]`) and never unasked: langgraph brings ormsgpack with
it, and what lgc does must not hang on what else is installed; importing it takes 20 ms, too.

The encoders and the hook for Exts are lgc's, so that what is no plain data is as fast as over
msgpack. What ormsgpack refuses goes that way and is refused by it. Bytes are read just as upstream
reads them. bench/codec.py has the figures. This file stays interpreted: the work is done by C code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgpack import ExtType

from lgc.runtime.serde import msgpack_encode as ordinary
from lgc.runtime.serde.type_encoders import learn, table

try:
    import ormsgpack
except ImportError as error:
    raise ImportError("LGC_FAST is set and needs ormsgpack: pip install 'lgc[fast]'") from error

# Malformed bytes end the process with older ones.
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
        depth: how many containers are around it, of which ormsgpack knows nothing.

    Raises:
        Refused: upstream cannot write it either.
    """
    try:
        data = ormsgpack.packb(value, default=_hook, option=_OPTION)
    except Exception:
        return ordinary.encode(value, depth)
    if depth and len(data) >= ordinary.LEVELS - depth:
        # It may have too many levels.
        return ordinary.encode(value, depth)
    return data


def _hook(value: Any) -> Any:
    cls = type(value)
    _, plain, encoder = table.get(cls) or learn(cls)
    made = encoder(value, encode) if plain is None else plain(value)
    return ormsgpack.Ext(made.code, made.data) if type(made) is ExtType else made


def unpack(data: Any, hook: Callable[[int, bytes], Any]) -> Any:
    """The value of msgpack bytes.

    Args:
        data: bytes, a bytearray or a contiguous memoryview.
        hook: makes the objects of Exts.

    Raises:
        ValueError: it is no msgpack, or the hook failed.
    """
    return ormsgpack.unpackb(data, ext_hook=hook, option=ormsgpack.OPT_NON_STR_KEYS)
