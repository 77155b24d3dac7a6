"""Lays out Python expressions the way ruff format leaves them.

An expression that fits stays on one line; another gets one element a line and a
trailing comma, which the formatter keeps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final
from unicodedata import category, east_asian_width

WIDTH: Final = 88
"""Columns; the formatter's default."""


@dataclass(frozen=True)
class Group:
    """Brackets around elements.

    Attributes:
        opening: the text before the elements, bracket included (`f(`, `x=(`).
        items: the elements.
        closing: the closing bracket.
        comma: a lone element keeps its comma on one line too (a tuple).
        statement: the text that makes the expression a statement (`x = `, `return `).
        table: two elements or more never share a line.
    """

    opening: str
    items: tuple[Expr, ...]
    closing: str
    comma: bool = False
    statement: str = ""
    table: bool = False


Expr = str | Group


def width(line: str) -> int:
    """The columns of a line as the formatter counts them: a wide character takes two."""
    if line.isascii():
        return len(line)
    return len(line) + sum(east_asian_width(c) in "WF" for c in line)


def quote(text: str) -> str:
    """`text` as a string literal, in the quotes the formatter prefers."""
    mark = '"' if text.count('"') <= text.count("'") else "'"
    body = text
    if "\\" in text or not text.isprintable():
        body = "".join(c if c in "'\"" else repr(c)[1:-1] for c in text)
    return mark + body.replace(mark, "\\" + mark) + mark


def literal(value: object) -> str:
    """A str, int, float, bool or None as Python source."""
    return quote(value) if isinstance(value, str) else repr(value)


def assigned(name: str, text: str) -> str:
    """The assignment of a string literal to a name."""
    line = f"{name} = {quote(text)}"
    parenthesized = f"    {quote(text)}"
    if width(line) <= WIDTH or width(parenthesized) > WIDTH:
        return line
    return f"{name} = (\n{parenthesized}\n)"


def tuple_of(items: Iterable[Expr], prefix: str = "") -> Group:
    """A tuple, after `prefix` (such as `reads=`)."""
    return Group(prefix + "(", tuple(items), ")", comma=True)


def names(keys: Iterable[str] | None, prefix: str = "") -> Expr:
    """A tuple of string literals, or None."""
    return f"{prefix}None" if keys is None else tuple_of(map(quote, keys), prefix)


def call(function: str, *items: Expr, statement: str = "", table: bool = False) -> Group:
    """A call of `function`; `statement` and `table` as in `Group`."""
    return Group(f"{function}(", items, ")", statement=statement, table=table)


def equals(keyword: str, left: str, right: str, indent: int) -> str:
    """The head of a block that runs if `left == right`.

    Args:
        keyword: `if` or `elif`.
        indent: the spaces before the block; the text has none on its first line.
    """
    outer, inner = " " * indent, " " * (indent + 4)
    line = f"{keyword} {left} == {right}:"
    # Without a comma to hold the lines apart, the formatter joins what it finds short enough.
    limit = WIDTH - indent + sum(category(c) in ("Mn", "Me") for c in right)
    if width(line) <= limit:
        return line
    comparison = f"{left} == {right}"
    if 4 + width(comparison) > limit:
        comparison = f"{left}\n{inner}== {right}"
    return f"{keyword} (\n{inner}{comparison}\n{outer}):"


def table_of(rows: Iterable[Expr]) -> Group:
    """`return` with a tuple that has a row a line."""
    return Group("(", tuple(rows), ")", comma=True, statement="return ", table=True)


def brackets(expr: Expr) -> int:
    """How many pairs of brackets an expression has: its calls, tuples and dicts."""
    return 0 if isinstance(expr, str) else 1 + sum(map(brackets, expr.items))


def flat(expr: Expr) -> str:
    """The expression on one line."""
    if isinstance(expr, str):
        return expr
    inner = ", ".join(flat(item) for item in expr.items)
    if expr.comma and len(expr.items) == 1:
        inner += ","
    return expr.statement + expr.opening + inner + expr.closing


def lay_out(expr: Expr, indent: int = 0, suffix: str = "") -> str:
    """The expression as source lines.

    Args:
        expr: the expression.
        indent: the columns of the first line's indentation, which is part of the result.
        suffix: the text after the expression on its last line.
    """
    space = " " * indent
    line = space + flat(expr) + suffix
    if isinstance(expr, str) or not expr.items:
        return line
    # A table of one row is laid out as any tuple: the formatter joins a lone element if it fits.
    if width(line) <= WIDTH and not (expr.table and len(expr.items) > 1):
        return line
    first = space + expr.statement + expr.opening
    if expr.statement and width(first) > WIDTH:
        # The formatter adds parentheses when every line fits with them.
        value = lay_out(replace(expr, statement=""), indent + 4)
        parenthesized = f"{space}{expr.statement}(\n{value}\n{space})"
        if all(width(line) <= WIDTH for line in parenthesized.split("\n")):
            return parenthesized
    inner = [lay_out(item, indent + 4, ",") for item in expr.items]
    return "\n".join([first, *inner, space + expr.closing + suffix])
