"""Which imports of the user would load langgraph in production.

A generated module imports the modules of the nodes, and they may import langgraph again. This
follows their module-level imports through the sources, importing and executing nothing.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

_MODULE_LIMIT = 3000


def langgraph_chain(modules: Sequence[str]) -> tuple[str, ...] | None:
    """The shortest chain of imports from one of `modules` to langgraph, or None.

    `("app.nodes", "app.tools", "langgraph.types")`: each imports the next when it is imported;
    a submodule counts as importing its package. None also when more than 3000 modules would
    have to be read. Conditional imports count, except under `TYPE_CHECKING` and the main guard.
    """
    previous: dict[str, str | None] = dict.fromkeys(modules)
    queue = list(previous)
    for position, name in enumerate(queue):  # the queue grows meanwhile: breadth first
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
    spec = _spec_of(name)
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
            yield from (submodule for submodule in submodules if _spec_of(submodule))


def _spec_of(name: str) -> ModuleSpec | None:
    """The spec of a loaded or importable module; unlike `find_spec`, never imports its parent."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return getattr(loaded, "__spec__", None)
    parent, _, _ = name.rpartition(".")
    path = None
    if parent:
        parent_spec = _spec_of(parent)
        if parent_spec is None or parent_spec.submodule_search_locations is None:
            return None
        path = parent_spec.submodule_search_locations
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # a finder of somebody else's: it only costs us this module
            continue
        if spec is not None:
            return spec
    return None


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
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in _executed(tree.body):
        if isinstance(node, ast.Import):
            found += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            found.append((base, tuple(alias.name for alias in node.names)))
    return tuple(found)


def _executed(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """The statements that may run when the module is imported, in source order."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        yield node
        skipped = isinstance(node, ast.If) and _is_false_on_import(node.test)
        for block in () if skipped else ("body", "handlers", "cases"):
            yield from _executed(getattr(node, block, ()))
        for block in ("orelse", "finalbody"):
            yield from _executed(getattr(node, block, ()))


def _is_false_on_import(test: ast.expr) -> bool:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(map(_is_false_on_import, test.values))
    if isinstance(test, ast.Compare):
        return ast.unparse(test) == "__name__ == '__main__'"
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"
