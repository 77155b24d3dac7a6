"""Which imports of the user would load langgraph in production.

A generated module imports the modules of the nodes, and these may import langgraph. The chain is
read from the module-level imports in their sources; nothing is imported or executed.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from lgc.compiler.module_spec import spec_of

_MODULE_LIMIT = 3000


def langgraph_chain(modules: Sequence[str]) -> tuple[str, ...] | None:
    """The shortest chain of imports from one of `modules` to langgraph, or None.

    `("app.nodes", "app.tools", "langgraph.types")`: each imports the next when it is imported;
    a submodule counts as importing its package. None also when more than 3000 modules would
    have to be read. Conditional imports count, except under `TYPE_CHECKING` and the main guard.
    Imports that the module can do without do not count: those in a `try` that handles ImportError
    without leaving the module, in `suppress(ImportError)`, and below `if find_spec("langgraph")`.
    """
    previous: dict[str, str | None] = dict.fromkeys(modules)
    queue = list(previous)
    for position, name in enumerate(queue):  # breadth first: the queue grows while it is walked
        if position == _MODULE_LIMIT:
            return None
        if name.partition(".")[0] == "langgraph":
            return _chain_to(name, previous)
        for imported in _imports_of(name):
            if imported not in previous:
                previous[imported] = name
                queue.append(imported)
    return None


def _chain_to(name: str, previous: dict[str, str | None]) -> tuple[str, ...]:
    chain = [name]
    while (before := previous[chain[-1]]) is not None:
        chain.append(before)
    return tuple(reversed(chain))


def _imports_of(name: str) -> Iterator[str]:
    """The modules that importing `name` imports, outside the standard library."""
    spec = spec_of(name)
    if spec is None:
        return
    if spec.parent and spec.parent != name:
        yield spec.parent
    for base, names in _statements(spec.origin or ""):
        try:
            module = importlib.util.resolve_name(base, spec.parent) if base[0] == "." else base
        except ImportError:  # beyond the top-level package
            continue
        if module.partition(".")[0] in sys.stdlib_module_names:
            continue
        yield module
        if module.partition(".")[0] != "langgraph":
            submodules = (f"{module}.{imported}" for imported in names)
            yield from (submodule for submodule in submodules if spec_of(submodule))


@functools.cache
def _statements(file: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The module-level imports in `file`: (module, with leading dots, and the names from it)."""
    if not file.endswith(".py"):
        return ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes and the like, in any dependency
            tree = ast.parse(Path(file).read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError):
        return ()
    statements: list[tuple[str, tuple[str, ...]]] = []
    for node in _executed(tree.body):
        if isinstance(node, ast.Import):
            statements += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            statements.append((base, tuple(alias.name for alias in node.names)))
    return tuple(statements)


def _executed(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """The statements that must run when the module is imported, in source order."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        yield node
        if isinstance(node, ast.Try) and _handles_import_error(node.handlers):
            # The module can do without the imports of the body, and then without the `else`.
            needs_langgraph = any(map(_names_langgraph, node.body))
            for handler in node.handlers:
                yield from _executed(handler.body)
            yield from _executed([] if needs_langgraph else node.orelse)
            yield from _executed(node.finalbody)
            continue
        skipped = isinstance(node, ast.If) and _is_false_on_import(node.test)
        skipped = skipped or (isinstance(node, (ast.If, ast.With)) and _is_optional(node))
        for block in () if skipped else ("body", "handlers", "cases"):
            yield from _executed(getattr(node, block, ()))
        for block in ("orelse", "finalbody"):
            yield from _executed(getattr(node, block, ()))


_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


def _handles_import_error(handlers: Sequence[ast.ExceptHandler]) -> bool:
    """Whether a missing module is caught and the module goes on."""
    for handler in handlers:
        if handler.type is None or _caught(handler.type) & _IMPORT_ERRORS:
            last = ast.unparse(handler.body[-1])
            return not re.match(r"raise\b|(sys\.exit|exit|quit)\(", last)
    return False


def _caught(expression: ast.expr) -> set[str]:
    """The last names of the exceptions in an `except` clause."""
    parts = expression.elts if isinstance(expression, ast.Tuple) else [expression]
    return {ast.unparse(part).rpartition(".")[2] for part in parts}


def _names_langgraph(node: ast.AST) -> bool:
    names: list[str] = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            names += [alias.name for alias in inner.names]
        elif isinstance(inner, ast.ImportFrom) and not inner.level:
            names.append(inner.module or "")
    return any(name.partition(".")[0] == "langgraph" for name in names)


def _is_optional(node: ast.If | ast.With) -> bool:
    """Whether the body is skipped, or left, where langgraph is not installed."""
    if isinstance(node, ast.If):
        return bool(_FINDS_LANGGRAPH.match(ast.unparse(node.test)))
    calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
    return any(
        ast.unparse(each.func).rpartition(".")[2] == "suppress"
        and any(_caught(argument) & _IMPORT_ERRORS for argument in each.args)
        for each in calls
    )


_FINDS_LANGGRAPH = re.compile(
    r"(?:[\w.]+\.)?find_spec\('langgraph(?:\.[\w.]+)?'\)(?: is not None)?$"
)


def _is_false_on_import(test: ast.expr) -> bool:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(map(_is_false_on_import, test.values))
    if isinstance(test, ast.Compare):
        return ast.unparse(test) == "__name__ == '__main__'"
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"
