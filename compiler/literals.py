"""Values of a compiled target as Python source, to be written into a module.

Only values whose source reads back as the same value of the same type: None, bools,
finite numbers, text, bytes, and lists, tuples and dicts of those.
"""

from __future__ import annotations

import math
from typing import Any

from lgc.compiler.layout import Expr, Group, flat, literal, tuple_of

_ATOMS = (str, int, bool, bytes, type(None))


class NotLiteral(ValueError):
    """A value has no source; the message says where in the whole it is, and of what type."""


def source_of(value: Any) -> str:
    """A value as source on one line.

    Raises:
        NotLiteral: it, or something in it, has no source.
    """
    try:
        return flat(_expression(value, "", ""))
    except RecursionError:
        raise NotLiteral("it holds itself, or is nested too deeply") from None


def expression(value: Any, prefix: str = "") -> Expr:
    """A value as an expression that can be laid out.

    Args:
        value: a value for which `source_of` does not raise.
        prefix: the text before it (such as `config=`).
    """
    return _expression(value, prefix, "")


def _expression(value: Any, prefix: str, where: str) -> Expr:
    kind = type(value)
    if kind in _ATOMS or (kind is float and math.isfinite(value)):
        return prefix + literal(value)
    if kind is list:
        return Group(f"{prefix}[", _items(value, where), "]")
    if kind is tuple:
        return tuple_of(_items(value, where), prefix)
    if kind is dict:
        items = []
        for key, item in value.items():
            # A key stays on one line: the layout breaks lines only in values.
            name = flat(_expression(key, "", f"{where}, a key"))
            items.append(_expression(item, f"{name}: ", f"{where}[{key!r}]"))
        return Group(f"{prefix}{{", tuple(items), "}")
    text = repr(value) if kind is float else f"of type {kind.__module__}.{kind.__qualname__}"
    raise NotLiteral(f"{where} is {text}".strip())


def _items(values: Any, where: str) -> tuple[Expr, ...]:
    return tuple(_expression(item, "", f"{where}[{i}]") for i, item in enumerate(values))
