"""Values to bytes, equal to what langgraph-checkpoint 4.3.2 writes (spec §11.2, §11.3).

Upstream packs with ormsgpack, lgc with the C Packer of msgpack. In its strict mode the Packer
writes values whose exact type is None, bool, int, float, str, bytes, list or dict as ormsgpack
does, and passes everything else to a hook, which looks up the encoder of the value's type
(`type_encoders`). Where the two packers differ, the Packer either fails or leaves a trace, and the
value is written again, slowly and exactly (`encode_exactly`):

* upstream writes a lone surrogate as `?` in a value and refuses it in a key; the Packer fails;
* upstream writes an Enum as a key as its value, a UUID or a date as text, and refuses most other
  keys; the hook cannot see whether it is called for a key, so it notes types that may be one;
* upstream refuses more than 255 nested containers, counted anew in every Ext; the Packer allows
  more, so results that are long enough for that are searched for their depth.

One difference goes unnoticed: an `msgpack.ExtType` or `msgpack.Timestamp` in a user's data is
written by the Packer, while upstream makes a named tuple of the first and refuses the second.

Compiled, this file and `type_encoders` take 6 to 25 % less time for values that need the hook
(bench/codec.py: 1.6 instead of 2.1 µs for a Send).
"""

from __future__ import annotations

from typing import Any, Final

from msgpack import ExtType, Packer, Unpacker

from lgc.runtime.serde.type_encoders import Refused, refusal, register_encoder, registered
from lgc.runtime.upstream import loaded

MAX_LEVELS: Final = 255
"""How many containers may be nested."""

# How many packers are kept for later calls, and how long a result may be for its packer to be kept:
# a packer's buffer never shrinks.
_POOL_SIZE: Final = 32
_POOLED_BYTES: Final = 1 << 16


class _PooledPacker:
    """A msgpack Packer, which one call uses at a time.

    Attributes:
        pack: the Packer's method.
        check_keys: the hook was called for a value of a type that is written differently as a
            key. It is up to the caller to look for such keys and to reset this.
    """

    __slots__ = ("check_keys", "pack")

    def __init__(self) -> None:
        self.check_keys = False
        self.pack = Packer(default=self._hook, strict_types=True, buf_size=1024).pack

    def _hook(self, value: Any) -> Any:
        cls = type(value)
        differs_as_key, downcast, encoder = registered.get(cls) or register_encoder(cls)
        if differs_as_key:
            self.check_keys = True
        try:
            return encoder(value, encode) if downcast is None else downcast(value)
        except Exception as error:
            raise refusal(value, error)


_pool: list[_PooledPacker] = []


def encode(value: Any, depth: int = 0) -> bytes:
    """The msgpack form of a value.

    Args:
        value: anything.
        depth: how many containers are around it.

    Raises:
        Refused: upstream cannot write it either.
    """
    # A Packer cannot be entered again while it packs: calls from its hook and from other threads
    # take another one. One that failed is not kept.
    try:
        packer = _pool.pop()
    except IndexError:
        packer = _PooledPacker()
    try:
        data: bytes = packer.pack(value)
    except Refused:
        raise
    except Exception:
        return encode_exactly(value, depth)
    if packer.check_keys:
        packer.check_keys = False
        if _has_special_key(value):
            return encode_exactly(value, depth)
    # Each level takes a byte at least, so short data cannot be too deep.
    if len(data) < MAX_LEVELS - depth:
        _pool.append(packer)
        return data
    if len(data) < _POOLED_BYTES and len(_pool) < _POOL_SIZE:
        _pool.append(packer)
    return encode_exactly(value, depth) if _may_be_too_deep(data) else data


_KEY_TYPES: Final = frozenset((str, int, float, bool, bytes, memoryview, type(None)))
_CONTAINERS: Final = (dict, list, tuple)


def _has_special_key(value: Any) -> bool:
    """Whether a dict in `value` has a key of a type that the hook was called for.

    What is inside of Exts is not looked at: their payloads were packed by calls of their own.
    """
    stack = [value]
    while stack:
        container = stack.pop()
        if isinstance(container, dict):
            if not _KEY_TYPES.issuperset(map(type, dict.keys(container))):
                return True
            children: Any = dict.values(container)
        elif isinstance(container, list):
            # What a list subclass iterates over may differ from what is written.
            exact = type(container) is list
            children = container if exact else list(list.__iter__(container))
        elif type(container) is tuple:
            children = container
        else:
            continue
        if any(issubclass(cls, _CONTAINERS) for cls in set(map(type, children))):
            stack.extend([child for child in children if isinstance(child, _CONTAINERS)])
    return False


# All bytes but those that can begin an array or a map.
_NO_CONTAINER: Final = bytes(b for b in range(256) if not (0x80 <= b <= 0x9F or 0xDC <= b <= 0xDF))
# How long data may be for such bytes to be counted first, which is faster than to unpack it.
_COUNTED_BYTES: Final = 1 << 14
# The Unpacker gives up at 1,025 levels. It is fed this first, which leaves 253 for the data: two
# less than are allowed, because it does not count an empty container, and because a caller may put
# an array around the data.
_PADDING: Final = b"\x91" * (1024 - MAX_LEVELS + 2)


def _may_be_too_deep(data: bytes) -> bool:
    """Whether there may be more than 255 levels; never False when there are."""
    if len(data) < _COUNTED_BYTES and len(data.translate(None, _NO_CONTAINER)) < MAX_LEVELS - 1:
        return False
    unpacker = Unpacker(None, max_buffer_size=0)
    try:
        unpacker.feed(_PADDING)
        unpacker.feed(data)
        unpacker.skip()
    except Exception:
        return True
    return False


# --- exactly and slowly ---


def encode_exactly(value: Any, depth: int = 0) -> bytes:
    """`encode` step by step in Python, which refuses first what upstream refuses first.

    Args:
        value: anything.
        depth: how many containers are around it.

    Raises:
        Refused: upstream cannot write it either; the text is upstream's.
    """
    out: list[bytes] = []
    try:
        _write(value, depth, out)
    except RecursionError:
        raise Refused("Recursion limit reached")
    return b"".join(out)


_ATOMS: Final = _KEY_TYPES | {bytearray}


def _write(value: Any, depth: int, out: list[bytes]) -> None:
    """Appends the parts of a value's msgpack form to `out`."""
    cls = type(value)
    if cls in _ATOMS:
        out.append(_pack(value))
    elif cls is dict:
        out.append(Packer().pack_map_header(len(value)))
        depth = _deeper(depth)
        for key, item in list(value.items()):
            _write_key(key, depth, out, False)
            _write(item, depth, out)
    elif cls is list or cls is tuple:
        out.append(Packer().pack_array_header(len(value)))
        depth = _deeper(depth)
        for item in list(value):
            _write(item, depth, out)
    else:
        try:
            _, downcast, encoder = registered.get(cls) or register_encoder(cls)
            packable = encoder(value, encode_exactly) if downcast is None else downcast(value)
        except RecursionError:
            raise
        except Exception as error:
            raise refusal(value, error)
        if type(packable) is ExtType:
            out.append(_pack(packable))
        else:
            _write(packable, depth, out)


def _write_key(key: Any, depth: int, out: list[bytes], inside: bool) -> None:
    """Appends a key as ormsgpack's OPT_NON_STR_KEYS writes it.

    Args:
        key: the key.
        depth: how many containers are around it.
        out: what is appended to.
        inside: whether it is the value of an Enum or an item of a tuple, and that is the key.
    """
    cls = type(key)
    if type(cls) is loaded("enum", "EnumMeta"):
        _write_key(key.value, depth, out, True)
    elif cls is str:
        if not inside and any(0xD800 <= ord(c) <= 0xDFFF for c in key):
            raise Refused("string contains surrogates")
        out.append(_pack(key))
    elif cls in _KEY_TYPES:
        out.append(_pack(key))
    elif issubclass(cls, str):
        out.append(_pack(str.__str__(key)))
    elif issubclass(cls, int):
        out.append(_pack(int.__int__(key)))
    elif cls is tuple:
        out.append(Packer().pack_array_header(len(key)))
        depth = _deeper(depth)
        for item in key:
            _write_key(item, depth, out, True)
    elif cls is loaded("uuid", "UUID"):
        out.append(_pack(str(key)))
    elif cls is loaded("datetime", "datetime"):
        out.append(_pack(_instant(key)))
    elif cls is loaded("datetime", "date") or (
        cls is loaded("datetime", "time") and key.tzinfo is None
    ):
        out.append(_pack(key.isoformat()))
    else:
        raise Refused("Dict key must a type serializable with OPT_NON_STR_KEYS")


def _instant(value: Any) -> str:
    """A datetime in RFC 3339. Offsets have no seconds there: they are rounded, as by ormsgpack."""
    text: str = value.replace(tzinfo=None).isoformat()
    offset = value.utcoffset()
    if offset is None:
        return text
    total = offset.days * 86400 + offset.seconds
    minutes, seconds = divmod(abs(total), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{text}{'-' if total < 0 else '+'}{hours:02}:{minutes + (seconds >= 30):02}"


def _deeper(depth: int) -> int:
    """The depth inside of a container; raises `Refused` if that is one too many."""
    if depth >= MAX_LEVELS:
        raise Refused("Recursion limit reached")
    return depth + 1


def _pack(value: Any) -> bytes:
    """The msgpack form of a value that the Packer knows; lone surrogates become `?`."""
    try:
        data: bytes = Packer(strict_types=True, unicode_errors="replace", buf_size=256).pack(value)
    except Exception as error:
        raise refusal(value, error)
    return data
