"""`Serializer`: LangGraph's `JsonPlusSerializer` without LangGraph (serde/jsonplus.py; spec §11).

What it writes is equal byte for byte, see `encode`; what it reads becomes LangGraph's objects when
langgraph is loaded and lgc's own otherwise. It can be the `serde` of LangGraph's savers, and once
those are loaded it passes for a `JsonPlusSerializer`, so that `with_allowlist` of a saver works.

Reading, too, is left to msgpack's C code, and what it sees otherwise than ormsgpack is read again
by `_Reader`: arrays as keys (they become tuples) and the Ext type -1 (to upstream no timestamp).
Bytes after the first object are ignored, as upstream. Two kinds of bytes that upstream's encoder
never makes are read where upstream refuses them: an Ext as a key, and 1,023 or 1,024 containers
within each other.

With LGC_FAST=1 both ways go over ormsgpack (`fast`).

This file stays interpreted: the work is done by C code, and users derive from `Serializer`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from msgpack import ExtraData, OutOfData, StackError, Unpacker, unpackb

from lgc.runtime.public.wrapped_values import Snapshot
from lgc.runtime.serde.allowlist import (
    SAFE_TYPES,
    STRICT,
    Allowed,
    allows,
    allows_method,
    keys,
    logger,
    normalized,
    warn_once,
)
from lgc.runtime.serde.msgpack_encode import encode, encode_exactly
from lgc.runtime.serde.type_encoders import (
    KEYWORDS,
    METHOD,
    NUMPY,
    PYDANTIC_1,
    PYDANTIC_2,
    SINGLE,
    SNAPSHOT,
)
from lgc.runtime.upstream import loaded, own_class

Hook = Callable[[int, bytes], Any]
"""Makes an object of an Ext's code and payload."""

_unpack: Callable[[Any, Hook], Any] | None = None
"""Reads msgpack in place of this file."""

if os.getenv("LGC_FAST", "false").lower() in ("1", "true", "yes"):
    from lgc.runtime.serde.ormsgpack_codec import encode
    from lgc.runtime.serde.ormsgpack_codec import unpack as _unpack

_DEFAULT: Final[Any] = object()
_UPSTREAM: Final = "langgraph.checkpoint.serde.jsonplus"


class Serializer:
    """Values to `(tag, bytes)` and back.

    Args:
        pickle_fallback: whether pickle writes what msgpack cannot, and is read.
        allowed_json_modules: the classes, `(*module, name)`, that data with the old tag "json"
            may make besides the safe ones; True for all.
        allowed_msgpack_modules: the classes, or their (module, name), that an Ext may make
            besides the safe ones; None for no other, True for all, with a warning. True unless
            `LANGGRAPH_STRICT_MSGPACK` is set.
        __unpack_ext_hook__: makes the objects of all Exts instead, without an allow-list.
    """

    def __init__(
        self,
        *,
        pickle_fallback: bool = False,
        allowed_json_modules: Iterable[tuple[str, ...]] | Literal[True] | None = None,
        allowed_msgpack_modules: Iterable[tuple[str, ...] | type] | Literal[True] | None = _DEFAULT,
        __unpack_ext_hook__: Hook | None = None,
    ) -> None:
        if allowed_msgpack_modules is _DEFAULT:
            allowed_msgpack_modules = None if STRICT else True
        self.pickle_fallback = pickle_fallback
        self._allowed_json_modules = normalized(allowed_json_modules)
        self._allowed_msgpack_modules = normalized(allowed_msgpack_modules)
        self._custom_unpack_ext_hook = __unpack_ext_hook__ is not None
        self._unpack_ext_hook = __unpack_ext_hook__ or ExtHook(self._allowed_msgpack_modules)

    @property  # type: ignore[misc]  # object declares it writable
    def __class__(self) -> Any:
        return loaded(_UPSTREAM, "JsonPlusSerializer") or type(self)

    def with_msgpack_allowlist(self, extra_allowlist: Iterable[tuple[str, ...] | type]) -> Any:
        """A serializer that may make these classes, too; this one if that changes nothing."""
        allowed = self._allowed_msgpack_modules
        if allowed is True:
            return self
        merged = (allowed or set()) | keys(extra_allowlist)
        if merged == (allowed or set()):
            return self
        clone = object.__new__(type(self))
        vars(clone).update(vars(self), _allowed_msgpack_modules=merged)
        if not self._custom_unpack_ext_hook:
            clone._unpack_ext_hook = ExtHook(merged)
        return clone

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """The tag and the bytes of a value.

        Raises:
            TypeError: it cannot be written, and there is no `pickle_fallback`.
        """
        if obj is None:
            return "null", b""
        if isinstance(obj, bytes):
            return "bytes", obj
        if isinstance(obj, bytearray):
            return "bytearray", obj  # type: ignore[return-value]  # as upstream
        try:
            return "msgpack", encode(obj)
        except TypeError:
            pass
        try:
            return "msgpack", encode_exactly(obj)
        except TypeError as error:
            text = str(error)
        # Here, where no other exception is its context, and it that of pickle's: as upstream's.
        try:
            raise TypeError(text)
        except TypeError:
            if not self.pickle_fallback:
                raise
            import pickle

            return "pickle", pickle.dumps(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value of a tag and bytes.

        Raises:
            ValueError: the bytes are no msgpack.
            NotImplementedError: the tag is unknown.
        """
        tag, found = data
        if tag == "msgpack":
            return decode(found, self._unpack_ext_hook)
        if tag == "null":
            return None
        if tag == "bytes":
            return found
        if tag == "bytearray":
            return bytearray(found)
        if tag == "json":
            import json

            return json.loads(found, object_hook=self._revive)
        if tag == "pickle" and self.pickle_fallback:
            import pickle

            return pickle.loads(found)
        raise NotImplementedError(f"Unknown serialization type: {tag}")

    def _revive(self, value: dict[str, Any]) -> Any:
        """The object that a dict in the old JSON format stands for, or the dict."""
        version, path = value.get("lc"), value.get("id")
        if version == 2 and value.get("type") == "constructor" and path is not None:
            safe = len(path) > 1 and (".".join(path[:-1]), path[-1]) in SAFE_TYPES
            allowed = self._allowed_json_modules
            if safe or allowed is True or (allowed and tuple(path) in allowed):
                return _construct(value)
            if allowed:
                dotted, key = ".".join(path), tuple(path)
                logger().warning(
                    "Object %s is not in the deserialization allowlist.\n%s",
                    path,
                    f"Refused to deserialize JSON constructor: {dotted}. "
                    "Symbol is not in the deserialization allowlist.\n\n"
                    "Add exactly this symbol to unblock:\n"
                    f"  JsonPlusSerializer(allowed_json_modules=[{key!r}, ...])\n"
                    "Or, as a last resort (DANGEROUS):\n"
                    "  JsonPlusSerializer(allowed_json_modules=True)",
                )
        elif version == 1:
            # langchain-core's own format, which it alone knows.
            try:
                from langchain_core.load.load import Reviver
            except ImportError:
                return value
            return Reviver(allowed_objects="core")(value)
        return value


def _construct(value: dict[str, Any]) -> Any:
    """What the class in `id` makes of `args` and `kwargs`; None if it fails (_revive_lc2)."""
    *module, name = value["id"]
    try:
        cls = _find(".".join(module), name)
        if isinstance(cls, type) and issubclass(cls, BaseException):
            return None
        return cls(*(value.get("args") or ()), **(value.get("kwargs") or {}))
    except Exception as error:
        logger().warning(
            "Failed to revive lc:2 envelope %s (legacy_method_field=%s, error=%s); returning None",
            ".".join((*module, name)),
            "method" in value,
            type(error).__name__,
        )
        return None


# --- msgpack ---


def decode(data: Any, hook: Hook) -> Any:
    """The value of msgpack bytes.

    Args:
        data: bytes, a bytearray or a contiguous memoryview.
        hook: makes the objects of Exts.

    Raises:
        ValueError: it is no msgpack, or the hook failed.
    """
    if _unpack is not None:
        return _unpack(data, hook)
    if type(data) is not bytes:
        data = _as_bytes(data)
    if b"\xff" not in data or not any(head in data for head in _TIMESTAMPS):
        try:
            return unpackb(data, ext_hook=hook, strict_map_key=False)
        except ExtraData as extra:
            return extra.unpacked
        except Exception:
            pass
    return _decode_slowly(data, hook.thorough if isinstance(hook, ExtHook) else hook)


def _decode_slowly(data: bytes, hook: Hook) -> Any:
    try:
        return _Reader(data, hook).read()
    except _Malformed as error:
        text = str(error)
    except (OutOfData, IndexError):
        text = "unexpected end of file"
    except UnicodeDecodeError:
        text = "invalid UTF-8 string"
    except (RecursionError, StackError):
        text = "Recursion limit reached"
    except Exception:
        text = "invalid value"
    # Here, where no other exception is its context: as upstream's.
    raise ValueError(text)


class _Malformed(Exception):
    """The bytes are no msgpack that upstream reads; the text is what it says of them."""


def _as_bytes(data: Any) -> bytes:
    if isinstance(data, (bytes, bytearray)) or (isinstance(data, memoryview) and data.c_contiguous):
        return bytes(data)
    raise ValueError("Input must be bytes, bytearray, memoryview")


# What an Ext of type -1 begins with that msgpack would make a timestamp of; of others it complains.
_TIMESTAMPS: Final = (
    b"\xd6\xff",
    b"\xd7\xff",
    *(
        head + bytes((size, 0xFF))
        for head in (b"\xc7", b"\xc8\0", b"\xc9\0\0\0")
        for size in (4, 8, 12)
    ),
)


class _Reader:
    """Reads msgpack with arrays as keys and with every Ext type, step by step.

    Args:
        data: the bytes.
        hook: makes the objects of Exts.
    """

    def __init__(self, data: bytes, hook: Hook) -> None:
        self.data = data
        self.hook = hook
        self.unpacker = Unpacker(None, max_buffer_size=0, strict_map_key=False)
        self.unpacker.feed(data)

    def read(self, key: bool = False) -> Any:
        """The next object; of a key, arrays are tuples.

        Raises:
            Exception: the bytes are no msgpack, or the hook failed.
        """
        unpacker, start = self.unpacker, self.unpacker.tell()
        head = self.data[start]
        if 0x90 <= head <= 0x9F or head in (0xDC, 0xDD):
            items = [self.read(key) for _ in range(unpacker.read_array_header())]
            return tuple(items) if key else items
        is_map = 0x80 <= head <= 0x8F or head in (0xDE, 0xDF)
        is_ext = 0xC7 <= head <= 0xC9 or 0xD4 <= head <= 0xD8
        if key and (is_map or is_ext):
            # Upstream reads the length of this one first.
            is_cut = head == 0xC7 and start + 1 >= len(self.data)
            raise _Malformed("unexpected end of file" if is_cut else _no_key(head))
        if head == 0xC1:
            raise _Malformed("invalid type Reserved")
        if is_map:
            return {self.read(True): self.read() for _ in range(unpacker.read_map_header())}
        if is_ext:
            unpacker.skip()
            whole = self.data[start : unpacker.tell()]
            # Before the type stands the length where it is not implied.
            first = {0xC7: 2, 0xC8: 3, 0xC9: 5}.get(head, 1)
            try:
                return self.hook((whole[first] ^ 0x80) - 0x80, whole[first + 1 :])
            except Exception:
                raise _Malformed("ext_hook failed") from None
        return unpacker.unpack()


def _no_key(head: int) -> str:
    """What upstream says of a key that begins with the head of a map or an Ext."""
    if 0x80 <= head <= 0x8F:
        return f"invalid type FixMap({head - 0x80})"
    # An Ext of 8 or of 4 or 8 bytes could be a timestamp to it, which is no key either.
    return _NO_KEYS.get(head, "invalid value")


_NO_KEYS: Final = {
    0xC8: "invalid type Ext16",
    0xC9: "invalid type Ext32",
    0xD4: "invalid type FixExt1",
    0xD5: "invalid type FixExt2",
    0xD8: "invalid type FixExt16",
    0xDE: "invalid type Map16",
    0xDF: "invalid type Map32",
}


class ExtHook:
    """Makes the objects of Exts (jsonplus.py:_create_msgpack_ext_hook).

    Args:
        allowed: the classes that may be made besides the safe ones.
        slowly: whether payloads are read by `_Reader` at once. `thorough` is the hook that does;
            trying both ways at every level would take time that doubles with each.
    """

    __slots__ = ("allowed", "decode", "thorough")

    def __init__(self, allowed: Allowed, slowly: bool = False) -> None:
        self.allowed = allowed
        self.decode = _decode_slowly if slowly else decode
        self.thorough = self if slowly else ExtHook(allowed, True)

    def __call__(self, code: int, data: bytes) -> Any:
        """The object; None for an unknown code.

        If its class is not allowed or refuses what it is to be made of, just that.

        Raises:
            ValueError: the payload of a snapshot is no msgpack.
        """
        if code == PYDANTIC_2 or code == PYDANTIC_1:  # noqa: SIM109
            return self._model(code, data)
        if code == SNAPSHOT:
            cls = loaded("langgraph.checkpoint.serde.types", "_DeltaSnapshot") or Snapshot
            return cls(self.decode(data, self))
        if code == NUMPY:
            return self._array(data)
        if not SINGLE <= code <= METHOD:
            return None
        parts = None
        try:
            parts = self.decode(data, self)
            module, name = parts[0], parts[1]
            if code == METHOD:
                if not allows_method(module, name, parts[3]):
                    return parts[2]
                return getattr(_find(module, name), parts[3])(parts[2])
            if (module, name) not in SAFE_TYPES and not allows(self.allowed, module, name):
                return parts[2]
            cls, payload = _find(module, name), parts[2]
            if code == SINGLE:
                return cls(payload)
            if code == KEYWORDS:
                return cls(**payload)
            if name == "Send" and module == "langgraph.types" and len(payload) != 2:
                return cls(payload[0], payload[1], timeout=payload[2])
            return cls(*payload)
        except Exception as error:
            return _rest(parts, error)

    def _model(self, code: int, data: bytes) -> Any:
        try:
            parts = self.decode(data, self)
        except Exception:
            return None
        try:
            if allows(self.allowed, parts[0], parts[1]):
                cls = _find(parts[0], parts[1])
                try:
                    return cls(**parts[2])
                except Exception:
                    unchecked = cls.construct if code == PYDANTIC_1 else cls.model_construct
                    return unchecked(**parts[2])
        except Exception:
            pass
        return parts[2]

    def _array(self, data: bytes) -> Any:
        try:
            import numpy  # type: ignore[import-not-found,unused-ignore]

            dtype, shape, order, buffer = self.decode(data, self)
            return numpy.frombuffer(buffer, dtype=numpy.dtype(dtype)).reshape(shape, order=order)
        except Exception:
            return None


def _find(module: str, name: str) -> Any:
    """A class by its name; one of LangGraph's is lgc's own while langgraph is not loaded.

    Raises:
        Exception: there is none.
    """
    try:
        return getattr(sys.modules[module], name)
    except (KeyError, AttributeError):
        pass
    own = own_class(module, name)
    if own is not None and module not in sys.modules:
        return own
    from importlib import import_module

    return getattr(import_module(module), name)


def _rest(parts: Any, error: Exception) -> Any:
    """What an object was to be made of, when that failed; None if not even that can be read."""
    try:
        module, name, payload = parts[0], parts[1], parts[2]
    except Exception:
        return None
    warn_once(
        "lost",
        (str(module), str(name)),
        "Could not reconstruct %s.%s from checkpoint (%s); returning its serialized data instead.",
        module,
        name,
        type(error).__name__,
    )
    return payload
