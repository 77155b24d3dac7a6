"""The syntax trees of functions: which code is whose, and what a function assigns."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import CodeType
from typing import Any, Final

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

NAMED_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


def functions_of(code: CodeType) -> list[Function]:
    """The functions in the source that the code may be of; none without source.

    Lambdas of one line cannot be told apart: code of one of them gets all of them.
    """
    file = code.co_filename
    linecache.checkcache(file)
    linecache.getlines(file)
    entry: Any = linecache.cache.get(file) or (0, 0)
    return _functions_in(file, entry[0], entry[1]).get((code.co_firstlineno, code.co_name), [])


def own_nodes(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of a function's body, without those of functions and classes inside it."""
    pending = list(body)
    for node in pending:  # the list grows while it is walked
        yield node
        if not isinstance(node, (*NAMED_FUNCTIONS, ast.Lambda, ast.ClassDef)):
            pending += ast.iter_child_nodes(node)


def bindings(function: Function) -> dict[str, list[ast.AST | None]]:
    """What a function assigns to each of its variables; None for what no expression says."""
    bound: dict[str, list[ast.AST | None]] = {}

    def bind(target: ast.AST, value: ast.AST | None) -> None:
        if isinstance(target, ast.Name):
            bound.setdefault(target.id, []).append(value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for element in target.elts:
                bind(element, None)
        elif isinstance(target, ast.Starred):
            bind(target.value, None)
        elif isinstance(target, (ast.Attribute, ast.Subscript)):
            # What is put into a variable is a part of it.
            bind(target.value, value)

    for node in () if isinstance(function, ast.Lambda) else own_nodes(function.body):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    bind(target, value)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                bind(target, value)
            case (
                ast.AugAssign(target=target, value=value)
                | ast.NamedExpr(target=target, value=value)
            ):
                bind(target, value)
            case (
                ast.For(target=target, iter=value)
                | ast.AsyncFor(target=target, iter=value)
                | ast.comprehension(target=target, iter=value)
            ):
                # The target is bound to the elements, one by one.
                bind(target, ast.Starred(value))
            case ast.withitem(optional_vars=target) if target is not None:
                bind(target, None)
            case ast.ExceptHandler(name=str(name)):
                bound.setdefault(name, []).append(None)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                for alias in names:
                    name = alias.asname or alias.name.partition(".")[0]
                    bound.setdefault(name, []).append(node)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.setdefault(name, []).append(node)
            case ast.ClassDef(name=name) | ast.MatchAs(name=str(name)):
                bound.setdefault(name, []).append(None)
            case ast.Expr(
                value=ast.Call(
                    func=ast.Attribute(value=ast.Name(id=name), attr="append" | "extend"),
                    args=[value],
                )
            ):
                bound.setdefault(name, []).append(value)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                for name in names:
                    bound.setdefault(name, []).append(None)
    return bound


@lru_cache(maxsize=64)
def _functions_in(file: str, size: object, time: object) -> dict[tuple[int, str], list[Function]]:
    """The functions and lambdas of a source file, by first line and name of their code.

    Args:
        file: its name, as code has it.
        size, time: of the version that `linecache` holds.
    """
    functions: dict[tuple[int, str], list[Function]] = {}
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (ValueError, SyntaxError, RecursionError):
        return functions
    for node in ast.walk(tree):
        if isinstance(node, NAMED_FUNCTIONS):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            functions.setdefault((first, node.name), []).append(node)
        elif isinstance(node, ast.Lambda):
            functions.setdefault((node.lineno, "<lambda>"), []).append(node)
    return functions
