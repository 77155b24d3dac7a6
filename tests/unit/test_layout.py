"""Expressions laid out as the formatter leaves them."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgc.compiler.layout import (
    WIDTH,
    Expr,
    brackets,
    call,
    flat,
    lay_out,
    literal,
    names,
    quote,
    table_of,
    tuple_of,
    width,
)


def formatted(*sources: str) -> str:
    """The sources, one after the other, as ruff formats them."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "-"],
        input="\n".join(sources).encode("utf-8"),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8")


@given(st.text() | st.text("ab'\"\\\n\0"))
def test_quote_gives_the_string_back(text: str) -> None:
    assert ast.literal_eval(quote(text)) == text
    assert quote(text).isprintable()


@settings(max_examples=20)
@given(st.lists(st.text("ab'\"\\\n{}é😀"), min_size=1, max_size=50))
def test_quote_is_what_the_formatter_prefers(texts: list[str]) -> None:
    source = "".join(f"x = {quote(text)}\n" for text in texts)
    assert formatted(source) == source


@pytest.mark.parametrize("value", [None, True, False, 0, -1, 1.5, "a", "'\"", ""])
def test_literal(value: object) -> None:
    assert ast.literal_eval(literal(value)) == value


def test_flat() -> None:
    assert flat(tuple_of(["1"])) == "(1,)"
    assert flat(tuple_of([])) == "()"
    assert flat(call("f", "1", names(["a", "b"], "x="))) == 'f(1, x=("a", "b"))'
    assert names(None, "x=") == "x=None"


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("length", [1, WIDTH - 14, WIDTH - 13, WIDTH - 4])
def test_table(rows: int, length: int) -> None:
    laid = lay_out(table_of(["x" * length] * rows), 4)
    assert ("\n" in laid) == (rows > 1 or length > WIDTH - 14)
    source = f"def f():\n{laid}\n"
    assert formatted(source) == source


def test_brackets() -> None:
    assert brackets("f(x)") == 0
    assert brackets(table_of([call("f", names(["a"], "x=")), "1"])) == 3


def test_width_counts_columns() -> None:
    assert [width(text) for text in ("", "abc", "é", "名", "😀", "e\u0301")] == [0, 3, 1, 2, 2, 2]


@pytest.mark.parametrize("suffix", ["", ":"])
@pytest.mark.parametrize("length", [WIDTH - 1, WIDTH, WIDTH + 1])
def test_limit(length: int, suffix: str) -> None:
    expr = call("f", "x" * (length - 3 - len(suffix)))
    laid = lay_out(expr, 0, suffix)
    assert ("\n" in laid) == (length > WIDTH)
    assert laid.endswith(")" + suffix)


def expressions() -> st.SearchStrategy[Expr]:
    strings = st.text("abc 名é'\"", max_size=100).map(quote)
    return st.recursive(
        strings,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map(tuple_of),
            st.lists(inner, max_size=4).map(lambda items: call("function", *items)),
        ),
        max_leaves=8,
    )


@settings(max_examples=60)
@given(
    st.lists(expressions(), min_size=5, max_size=30),
    st.integers(1, WIDTH + 5),
    st.integers(1, WIDTH + 5) | st.integers(1, 10),
)
def test_any_statement_is_a_fixed_point(items: list[Expr], target: int, function: int) -> None:
    statements = [
        lay_out(call("f" * function, item, statement=f"{'x' * target} = ")) for item in items
    ]
    source = "\n".join(statements) + "\n"
    assert formatted(source) == source
    body = "def f():\n" + "".join(
        lay_out(call("g" * function, item, statement="return "), 4) + "\n" for item in items
    )
    assert formatted(body) == body
