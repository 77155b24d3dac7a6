"""The encoder of each type that is no plain data, found once and kept in a table (spec §11.3).

Upstream asks every object 23 questions (jsonplus.py:_msgpack_default). `_ladder` asks the same in
the same order; for most types the answers follow from the class, and their objects are not asked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import attrgetter, methodcaller
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType
from typing import Any, Final

from msgpack import ExtType, Packer

from lgc.runtime.public.records import RecordMeta
from lgc.runtime.public.wrapped_values import Snapshot
from lgc.runtime.upstream import loaded

SINGLE: Final = 0
POSITIONAL: Final = 1
KEYWORDS: Final = 2
METHOD: Final = 3
PYDANTIC_1: Final = 4
PYDANTIC_2: Final = 5
NUMPY: Final = 6
SNAPSHOT: Final = 7

Encode = Callable[[Any, int], bytes]
"""`encode.encode`, or `encode._walk` for what is inside of what `_walk` writes: trying both at
every level would take time that doubles with each."""

Encoder = Callable[[Any, Encode], Any]
"""Makes an ExtType, or a str, of a value the Packer does not know."""

Plain = Callable[[Any], Any]
"""Makes a str, int, list or dict of an object of a subclass."""


# Upstream refuses this value, too; the error of its packer is a plain TypeError. It is no class
# statement because mypyc compiles none that derives from a builtin.
Refused: Final[Any] = type("Refused", (TypeError,), {"__module__": __name__})


def refusal(value: Any, cause: Exception | None = None) -> Any:
    if type(value) is int:
        return Refused("Integer exceeds 64-bit range")
    error = Refused(f"Type is not msgpack serializable: {type(value).__name__}")
    error.__cause__ = cause
    return error


# What upstream's default hook asks every object for, before it looks at its class.
_METHODS: Final = ("model_dump", "get_secret_value", "dict", "_asdict")
_METHOD_SET: Final = frozenset(_METHODS)
_TYPES: Final = 4096

table: dict[type, tuple[bool, Plain | None, Encoder]] = {}


def learn(cls: Any) -> tuple[bool, Plain | None, Encoder]:
    """Whether a `cls` is written otherwise as a key, and what makes something packable of it."""
    plain = _native(cls)
    odd = cls.__hash__ is not None and (plain is None or not issubclass(cls, (str, int, tuple)))
    found = (odd, plain, _encoder(cls) if plain is None else _ladder)
    if len(table) >= _TYPES:
        table.clear()
    table[cls] = found
    return found


def _refuse(value: Any) -> Any:
    raise refusal(value)


def _native(cls: Any) -> Plain | None:
    """What makes something plain of what ormsgpack knows without a hook, None for all else."""
    if cls is tuple:
        return list
    if cls is int:
        return _refuse
    if type(cls) is loaded("enum", "EnumMeta"):
        return None
    if issubclass(cls, str):
        return str.__str__
    if issubclass(cls, int):
        return int.__int__
    # The object's own memory is read, whatever its methods say.
    if issubclass(cls, list):
        return lambda value: list(list.__iter__(value))
    if issubclass(cls, dict):
        return lambda value: dict(dict.items(value))
    return None


def _encoder(cls: Any) -> Encoder:
    """The encoder of a type: `_ladder` itself, or the step of it that is right for all its objects.

    It is right when nothing of what the ladder asks can differ from one object to another.
    """
    if own := _own(cls):
        return own
    if is_snapshot(cls):
        return _snapshot
    bases = cls.__mro__[:-1]
    if issubclass(cls, type) or any(
        "__getattribute__" in vars(base) or "__class__" in vars(base) for base in bases
    ):
        return _ladder
    fast: Encoder | None = None
    for name in _METHODS:
        defined = _defines(bases, name)
        if defined is None:
            return _ladder
        if defined:
            fast = _fixed(cls, _CODES[name], methodcaller(name))
            if name == "model_dump":
                return fast
            break
    else:
        if _defines(bases, "__getattr__") is not False:
            return _ladder
        step = next((step for step in _STEPS if issubclass(cls, _classes(step))), None)
        if step is not None:
            fast = _by_step(cls, step)
        elif cls is loaded("langgraph.types", "Send"):
            fast = _send_encoder(cls)
        elif cls is loaded("numpy", "ndarray"):
            fast = _array
        elif hasattr(cls, "__dataclass_fields__"):
            return _dataclass_encoder(cls)
    if fast is None:
        return _ladder
    return _guarded(fast) if cls.__dictoffset__ else fast


def _defines(bases: Any, name: str) -> bool | None:
    """Whether a class has the method `name`; None when only its objects can tell."""
    for base in bases:
        if name in vars(base):
            kinds = (FunctionType, BuiltinFunctionType, MethodDescriptorType)
            found = vars(base)[name]
            return True if isinstance(found, (*kinds, classmethod, staticmethod)) else None
    return False


def _guarded(fast: Encoder) -> Encoder:
    """`fast`, unless an attribute of the object itself hides what its class says."""

    def encoder(value: Any, encode: Encode) -> Any:
        shown = _METHOD_SET.isdisjoint(value.__dict__)
        return fast(value, encode) if shown else _ladder(value, encode)

    return encoder


_new: Final = tuple.__new__


_TAILS: Final = {
    METHOD: b"\xadfromisoformat",
    PYDANTIC_2: b"\xb3model_validate_json",
}


def _head(code: int, module: Any, name: Any) -> bytes:
    """The first bytes of an Ext's payload: an array that begins with a class."""
    pack = Packer(strict_types=True, buf_size=256).pack
    head: bytes = (b"\x94" if code in _TAILS else b"\x93") + pack(module) + pack(name)
    return head


def _ext(code: int, module: Any, name: Any, payload: Any, encode: Encode) -> Any:
    data = _head(code, module, name) + encode(payload, 1) + _TAILS.get(code, b"")
    return _new(ExtType, (code, data))


def _fixed(cls: Any, code: int, payload: Callable[[Any], Any]) -> Encoder:
    """An encoder that knows the class's name beforehand."""
    head, tail = _head(code, cls.__module__, cls.__name__), _TAILS.get(code, b"")

    def encoder(value: Any, encode: Encode) -> Any:
        return _new(ExtType, (code, head + encode(payload(value), 1) + tail))

    return encoder


_CODES: Final = {
    "model_dump": PYDANTIC_2,
    "get_secret_value": SINGLE,
    "dict": PYDANTIC_1,
    "_asdict": KEYWORDS,
}


def _time_fields(value: Any) -> dict[str, Any]:
    names = ("hour", "minute", "second", "microsecond", "tzinfo", "fold")
    return {name: getattr(value, name) for name in names}


_IP: Final = ("IPv4Address", "IPv4Interface", "IPv4Network")
_IP6: Final = ("IPv6Address", "IPv6Interface", "IPv6Network")

# Steps 6 to 18 of upstream's hook: the module, its classes, the code and the payload.
_STEPS: Final[tuple[tuple[str, tuple[str, ...], int, Callable[[Any], Any]], ...]] = (
    ("pathlib", ("Path",), POSITIONAL, attrgetter("parts")),
    ("re", ("Pattern",), POSITIONAL, attrgetter("pattern", "flags")),
    ("uuid", ("UUID",), SINGLE, attrgetter("hex")),
    ("decimal", ("Decimal",), SINGLE, str),
    ("builtins", ("set", "frozenset"), SINGLE, list),
    ("collections", ("deque",), SINGLE, list),
    ("ipaddress", _IP, SINGLE, str),
    ("ipaddress", _IP6, SINGLE, str),
    ("datetime", ("datetime",), METHOD, lambda value: value.isoformat()),
    ("datetime", ("timedelta",), POSITIONAL, attrgetter("days", "seconds", "microseconds")),
    ("datetime", ("date",), POSITIONAL, attrgetter("year", "month", "day")),
    ("datetime", ("time",), KEYWORDS, _time_fields),
    ("datetime", ("timezone",), POSITIONAL, lambda value: value.__getinitargs__()),
    ("zoneinfo", ("ZoneInfo",), SINGLE, attrgetter("key")),
    ("enum", ("Enum",), SINGLE, attrgetter("value")),
)


def _classes(step: tuple[str, tuple[str, ...], int, Any]) -> tuple[type, ...]:
    """The classes of a step; who has an object of them has loaded their module."""
    module = sys.modules.get(step[0])
    return () if module is None else tuple(getattr(module, name) for name in step[1])


def _by_step(cls: Any, step: tuple[str, tuple[str, ...], int, Any]) -> Encoder:
    if step[0] == "re":
        return _pattern
    return _fixed(cls, step[2], step[3])


def _pattern(value: Any, encode: Encode) -> Any:
    return _ext(POSITIONAL, "re", "compile", (value.pattern, value.flags), encode)


def is_snapshot(cls: Any) -> bool:
    """Whether a class is lgc's or LangGraph's snapshot of a DeltaChannel."""
    theirs = loaded("langgraph.checkpoint.serde.types", "_DeltaSnapshot")
    return issubclass(cls, Snapshot) or (theirs is not None and issubclass(cls, theirs))


def _snapshot(value: Any, encode: Encode) -> Any:
    return _new(ExtType, (SNAPSHOT, encode(value.value, 0)))


def _own(cls: Any) -> Encoder | None:
    """The encoder of a record of lgc's (runtime/public/records.py), under LangGraph's name for it.

    None for other classes, and for those that users derive from records.
    """
    if not isinstance(cls, RecordMeta):
        return None
    counterpart = cls._counterpart
    if counterpart.own is not cls:
        return None
    if counterpart.name == "Send":
        return _send_encoder(cls, counterpart.module)
    names = cls._fields if issubclass(cls, tuple) else cls.__slots__
    return _fields_encoder(_head(KEYWORDS, counterpart.module, counterpart.name), tuple(names))


def _send_encoder(cls: Any, home: str | None = None) -> Encoder:
    head = _head(POSITIONAL, home or cls.__module__, cls.__name__)

    def encoder(value: Any, encode: Encode) -> Any:
        timeout = value.timeout
        args = [value.node, value.arg] if timeout is None else [value.node, value.arg, timeout]
        return _new(ExtType, (POSITIONAL, head + encode(args, 1)))

    return encoder


def _fields_encoder(head: bytes, names: tuple[str, ...]) -> Encoder:
    # Of one name, attrgetter gives no tuple.
    get = attrgetter(*names) if len(names) > 1 else None

    def encoder(value: Any, encode: Encode) -> Any:
        values = [getattr(value, name) for name in names] if get is None else get(value)
        return _new(ExtType, (KEYWORDS, head + encode(dict(zip(names, values, strict=True)), 1)))

    return encoder


def _dataclass_encoder(cls: Any) -> Encoder:
    from dataclasses import fields

    names = tuple(field.name for field in fields(cls))
    every = {*names, *dir(cls)}
    if ("node" in every and "arg" in every and cls.__hash__) or not _METHOD_SET.isdisjoint(names):
        return _ladder
    head = _head(KEYWORDS, cls.__module__, cls.__name__)
    if not cls.__dictoffset__:
        return _fields_encoder(head, names)
    if any(hasattr(getattr(cls, name, None), "__set__") for name in names):
        return _ladder

    def encoder(value: Any, encode: Encode) -> Any:
        attributes = value.__dict__
        if tuple(attributes) == names:
            # The dict of its attributes is what would be built.
            return _new(ExtType, (KEYWORDS, head + encode(attributes, 1)))
        return _ladder(value, encode)

    return encoder


def _array(value: Any, encode: Encode) -> Any:
    flags = value.flags
    order = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
    buffer = memoryview(value) if flags.c_contiguous else value.tobytes(order="A")
    return _new(ExtType, (NUMPY, encode([value.dtype.str, value.shape, order, buffer], 0)))


def _ladder(value: Any, encode: Encode) -> Any:
    """Upstream's default hook, question by question (jsonplus.py:_msgpack_default; spec §11.3)."""
    if is_snapshot(type(value)):
        return _snapshot(value, encode)
    cls = value.__class__
    for name in _METHODS:
        method = getattr(value, name, None)
        if callable(method):
            return _ext(_CODES[name], cls.__module__, cls.__name__, method(), encode)
    for step in _STEPS:
        if isinstance(value, _classes(step)):
            if step[0] == "re":
                return _pattern(value, encode)
            return _ext(step[2], cls.__module__, cls.__name__, step[3](value), encode)
    if _is_send(value):
        args = [value.node, value.arg]
        timeout = getattr(value, "timeout", None)
        if timeout is not None:
            args.append(timeout)
        return _ext(POSITIONAL, cls.__module__, cls.__name__, args, encode)
    if hasattr(value if isinstance(value, type) else type(value), "__dataclass_fields__"):
        from dataclasses import fields

        payload = {field.name: getattr(value, field.name) for field in fields(value)}
        return _ext(KEYWORDS, cls.__module__, cls.__name__, payload, encode)
    item = loaded("langgraph.store.base", "Item")
    if item is not None and isinstance(value, item):
        payload = {name: getattr(value, name) for name in value.__slots__}
        return _ext(KEYWORDS, cls.__module__, cls.__name__, payload, encode)
    array = loaded("numpy", "ndarray")
    if array is not None and isinstance(value, array):
        return _array(value, encode)
    if isinstance(value, BaseException):
        return repr(value)
    raise TypeError(f"no encoder for {cls.__name__}")


def _is_send(value: Any) -> bool:
    """What `isinstance(value, SendProtocol)` says (serde/types.py)."""
    if sys.version_info >= (3, 12):
        from inspect import getattr_static

        absent = object()
        found = all(getattr_static(value, name, absent) is not absent for name in ("node", "arg"))
    else:
        found = hasattr(value, "node") and hasattr(value, "arg")
    return found and value.__hash__ is not None
