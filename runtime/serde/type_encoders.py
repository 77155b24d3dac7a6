"""The encoder of each type that msgpack does not know, worked out once for a type (spec §11.3).

Upstream asks every object 23 questions (jsonplus.py:_msgpack_default). `_encode_by_inspection` asks
the same in the same order. For most types the answers follow from the class: such a type gets an
encoder that asks its objects nothing.
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

# The codes of Exts, by how the object is made again of the payload.
SINGLE: Final = 0
POSITIONAL: Final = 1
KEYWORDS: Final = 2
METHOD: Final = 3
PYDANTIC_1: Final = 4
PYDANTIC_2: Final = 5
NUMPY: Final = 6
SNAPSHOT: Final = 7

Encode = Callable[[Any, int], bytes]
"""What encodes the payload, given how many containers are around it.

It is `msgpack_encode.encode`, or within `encode_exactly` that function itself: if each level tried
the fast way before the exact one, the time would double with every level.
"""

Encoder = Callable[[Any, Encode], Any]
"""Makes an ExtType, or a str, of a value that the Packer does not know."""

Downcast = Callable[[Any], Any]
"""Makes a str, int, list or dict of an object of a subclass."""


# Raised where upstream refuses the value, too, with a TypeError of its packer. It is no class
# statement because mypyc compiles no class that derives from TypeError.
Refused: Final[Any] = type("Refused", (TypeError,), {"__module__": __name__})


def refusal(value: Any, cause: Exception | None = None) -> Any:
    """The `Refused` for a value, in upstream's words."""
    if type(value) is int:
        return Refused("Integer exceeds 64-bit range")
    error = Refused(f"Type is not msgpack serializable: {type(value).__name__}")
    error.__cause__ = cause
    return error


# The methods that upstream's default hook asks every object for, before it looks at its class.
_METHODS: Final = ("model_dump", "get_secret_value", "dict", "_asdict")
_METHOD_SET: Final = frozenset(_METHODS)
# When so many types are registered all are dropped, for the sake of programs that make types.
_MOST_TYPES: Final = 4096

registered: dict[type, tuple[bool, Downcast | None, Encoder]] = {}
"""By type, what `register_encoder` returned."""


def register_encoder(cls: Any) -> tuple[bool, Downcast | None, Encoder]:
    """Works out how objects of a type are written, and registers it.

    Returns:
        Whether such objects may be keys and are written differently then; their downcast if
        ormsgpack writes them without a hook, else None; their encoder where there is no downcast.
    """
    downcast = _find_downcast(cls)
    differs_as_key = cls.__hash__ is not None and (
        downcast is None or not issubclass(cls, (str, int, tuple))
    )
    encoder = _find_encoder(cls) if downcast is None else _encode_by_inspection
    entry = (differs_as_key, downcast, encoder)
    if len(registered) >= _MOST_TYPES:
        registered.clear()
    registered[cls] = entry
    return entry


def _refuse(value: Any) -> Any:
    """The "downcast" of an int, which the hook gets only if it has more than 64 bits."""
    raise refusal(value)


def _find_downcast(cls: Any) -> Downcast | None:
    """The downcast of a type that ormsgpack writes without a hook, None for all other types."""
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
    # As ormsgpack, which reads the object's memory whatever methods its class overrides.
    if issubclass(cls, list):
        return lambda value: list(list.__iter__(value))
    if issubclass(cls, dict):
        return lambda value: dict(dict.items(value))
    return None


def _find_encoder(cls: Any) -> Encoder:
    """The encoder of a type.

    It is `_encode_by_inspection`, or the one step of it that is right for all objects of the type
    because nothing that the inspection asks can differ from one object to another.
    """
    if own := _record_encoder(cls):
        return own
    if is_snapshot(cls):
        return _snapshot
    bases = cls.__mro__[:-1]
    if issubclass(cls, type) or any(
        "__getattribute__" in vars(base) or "__class__" in vars(base) for base in bases
    ):
        return _encode_by_inspection
    by_class: Encoder | None = None
    for name in _METHODS:
        defined = _defines(bases, name)
        if defined is None:
            return _encode_by_inspection
        if defined:
            by_class = _class_encoder(cls, _CODES[name], methodcaller(name))
            if name == "model_dump":
                return by_class
            break
    else:
        if _defines(bases, "__getattr__") is not False:
            return _encode_by_inspection
        step = next((step for step in _STEPS if issubclass(cls, _classes(step))), None)
        if step is not None:
            by_class = _step_encoder(cls, step)
        elif cls is loaded("langgraph.types", "Send"):
            by_class = _send_encoder(cls)
        elif cls is loaded("numpy", "ndarray"):
            by_class = _array
        elif hasattr(cls, "__dataclass_fields__"):
            return _dataclass_encoder(cls)
    if by_class is None:
        return _encode_by_inspection
    return _unless_hidden(by_class) if cls.__dictoffset__ else by_class


def _defines(bases: Any, name: str) -> bool | None:
    """Whether a class has the method `name`; None when only its objects can tell.

    Args:
        bases: the class and its bases in the order of method resolution, without object.
        name: the method.
    """
    for base in bases:
        if name in vars(base):
            kinds = (FunctionType, BuiltinFunctionType, MethodDescriptorType)
            attribute = vars(base)[name]
            return True if isinstance(attribute, (*kinds, classmethod, staticmethod)) else None
    return False


def _unless_hidden(by_class: Encoder) -> Encoder:
    """`by_class`, except for objects of which an attribute has the name of a method asked for."""

    def encoder(value: Any, encode: Encode) -> Any:
        if _METHOD_SET.isdisjoint(value.__dict__):
            return by_class(value, encode)
        return _encode_by_inspection(value, encode)

    return encoder


# Makes an ExtType without the checks of its own `__new__`.
_new: Final = tuple.__new__

# The last item of the payload of Exts that name a method.
_TAILS: Final = {
    METHOD: b"\xadfromisoformat",
    PYDANTIC_2: b"\xb3model_validate_json",
}


def _head(code: int, module: Any, name: Any) -> bytes:
    """The first bytes of an Ext's payload: an array that begins with the class's name."""
    pack = Packer(strict_types=True, buf_size=256).pack
    head: bytes = (b"\x94" if code in _TAILS else b"\x93") + pack(module) + pack(name)
    return head


def _ext(code: int, module: Any, name: Any, payload: Any, encode: Encode) -> Any:
    """The Ext of an object.

    Args:
        code: the code.
        module, name: where upstream finds the class again.
        payload: what the object is made of again.
        encode: encodes the payload.
    """
    data = _head(code, module, name) + encode(payload, 1) + _TAILS.get(code, b"")
    return _new(ExtType, (code, data))


def _class_encoder(cls: Any, code: int, payload: Callable[[Any], Any]) -> Encoder:
    """The encoder of a class whose objects differ in their payload alone."""
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

# Steps 6 to 18 of upstream's hook: a module, its classes, the code, and what makes the payload.
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
    """The classes of a step; none while their module is not loaded, when no objects exist."""
    module = sys.modules.get(step[0])
    return () if module is None else tuple(getattr(module, name) for name in step[1])


def _step_encoder(cls: Any, step: tuple[str, tuple[str, ...], int, Any]) -> Encoder:
    """The encoder of a class that a step is for."""
    if step[0] == "re":
        return _pattern
    return _class_encoder(cls, step[2], step[3])


def _pattern(value: Any, encode: Encode) -> Any:
    return _ext(POSITIONAL, "re", "compile", (value.pattern, value.flags), encode)


def is_snapshot(cls: Any) -> bool:
    """Whether a class is lgc's or LangGraph's snapshot of a DeltaChannel."""
    theirs = loaded("langgraph.checkpoint.serde.types", "_DeltaSnapshot")
    return issubclass(cls, Snapshot) or (theirs is not None and issubclass(cls, theirs))


def _snapshot(value: Any, encode: Encode) -> Any:
    return _new(ExtType, (SNAPSHOT, encode(value.value, 0)))


def _record_encoder(cls: Any) -> Encoder | None:
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
    # With a single name, attrgetter returns the value and no tuple.
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
        return _encode_by_inspection
    head = _head(KEYWORDS, cls.__module__, cls.__name__)
    if not cls.__dictoffset__:
        return _fields_encoder(head, names)
    if any(hasattr(getattr(cls, name, None), "__set__") for name in names):
        return _encode_by_inspection

    def encoder(value: Any, encode: Encode) -> Any:
        attributes = value.__dict__
        if tuple(attributes) == names:
            # The object's own dict equals the payload that would be built.
            return _new(ExtType, (KEYWORDS, head + encode(attributes, 1)))
        return _encode_by_inspection(value, encode)

    return encoder


def _array(value: Any, encode: Encode) -> Any:
    flags = value.flags
    order = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
    buffer = memoryview(value) if flags.c_contiguous else value.tobytes(order="A")
    return _new(ExtType, (NUMPY, encode([value.dtype.str, value.shape, order, buffer], 0)))


def _encode_by_inspection(value: Any, encode: Encode) -> Any:
    """Upstream's default hook, question by question (jsonplus.py:_msgpack_default; spec §11.3).

    Raises:
        TypeError: upstream has no encoder for it either.
    """
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
        matches = all(getattr_static(value, name, absent) is not absent for name in ("node", "arg"))
    else:
        matches = hasattr(value, "node") and hasattr(value, "arg")
    return matches and value.__hash__ is not None
