"""The root of a target: the directory that it is imported from, which decides its module's name.

A file has a dotted name below every directory above it, and only one of them is the name by which
its own code imports it. Under another name the file would be executed twice, with two copies of
every class. The rules, first match:

1. the directory of `--root`;
2. the directory below which the file has the name that it has been imported by already;
3. the directory that the imports of the file, else of its neighbours, start from;
4. for a file in a package, the directory of the topmost package;
5. else the longest of the entries of `sys.path`, the working directory, its `src` (as PyPA's
   "src layout" has it) and the local `dependencies` of `langgraph.json`; also a directory that an
   editable installation maps by an import hook.
"""

from __future__ import annotations

import ast
import keyword
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from lgc.compiler.diagnostics import CompileError, display_path, error
from lgc.compiler.module_spec import spec_of
from lgc.compiler.project import local_dependencies, project_of
from lgc.compiler.target import Target, file_of_target, parse_target

_MOST_NEIGHBOURS = 200
"""The imports of at most so many files are read."""


@dataclass(frozen=True)
class Rooted:
    """A target and the directory that goes first on `sys.path` for it."""

    target: Target
    root: Path


def root_target(text: str, root: Path | None, working: Path) -> Rooted:
    """The target that `text` names, and its root.

    Args:
        text: `pkg.mod:attr` or `path/file.py:attr`.
        root: the directory of `--root`, absolute, or None.
        working: the working directory.

    Raises:
        CompileError: the text is malformed, or there is no such file (LGC105).
    """
    if root is not None:
        return Rooted(parse_target(text, root), root)
    file = file_of_target(text, working)
    if file is None:
        target = parse_target(text, working)
        return Rooted(target, _root_of_module(target.module, working))
    real = Path(os.path.realpath(file))
    file = Path(os.path.abspath(file))
    if not file.is_relative_to(working) and real.is_relative_to(working):
        file = real
    directory = _root_of_file(file, working)
    return Rooted(parse_target(text, directory), directory)


def check_imported_once(module: ModuleType, before: Iterable[str]) -> None:
    """Checks that importing a target has executed none of the user's files under two names.

    Args:
        module: the module of the target.
        before: the names that were in `sys.modules` when the import began.

    Raises:
        CompileError: a file has been executed twice (LGC115).
    """
    old = set(before)
    names: dict[str, list[str]] = {}
    for name, each in list(sys.modules.items()):
        file = getattr(each, "__file__", None)
        if isinstance(file, str) and name != "__main__":
            names.setdefault(_real(file), []).append(name)
    target = getattr(module, "__file__", None)
    for file, aliases in names.items():
        distinct = {id(sys.modules[name]): name for name in reversed(aliases)}
        # Files that had two names before, and modules that a plug-in loader names freely, do not
        # count.
        if len(distinct) < 2 or old.issuperset(aliases):
            continue
        first, second = sorted(distinct.values(), key=len)[:2]
        if second.endswith(f".{first}") or (target and _real(target) == file):
            raise CompileError(
                error(
                    "LGC115",
                    f"{display_path(file)} was imported twice, as {first} and as {second}",
                    help="import it by one name everywhere, and name the directory that this name "
                    "starts from with --root",
                )
            )


def _root_of_module(name: str, working: Path) -> Path:
    """The root of a dotted name: in the project if the module is there, else `working`."""
    with _first_on_path(working):
        spec = spec_of(name)
    origin = spec.origin if spec is not None else None
    if origin is None or not os.path.isfile(origin):
        return working
    path = Path(os.path.abspath(origin))
    if path.stem == "__init__":
        path = path.parent
    parts = name.split(".")
    project = project_of(working) or working
    if path.with_suffix("").parts[-len(parts) :] != tuple(parts):
        return working
    root = path.parents[len(parts) - 1]
    # An installed library needs no root of its own.
    is_of_project = root.is_relative_to(project) and not _is_installed(root)
    return root if is_of_project else working


def _root_of_file(file: Path, working: Path) -> Path:
    candidates = list(_candidates(file))
    lowest = candidates[0]
    for root in candidates:
        loaded = sys.modules.get(_dotted(file, root))
        if _real(getattr(loaded, "__file__", None) or "") == _real(str(file)):
            return root
    packaged = lowest != file.parent
    limit = working if working in candidates else project_of(file.parent)
    nearby = candidates
    if limit in candidates:
        nearby = candidates[: candidates.index(limit) + 1]
    # The imports of a file may also start from a directory inside of its topmost package.
    inner = [each for each in file.parents if each != lowest and each.is_relative_to(lowest)]
    nearby = nearby + inner[:0:-1]
    for names in (_imported([file]), _imported(_neighbours(file, lowest))):
        for root in nearby:
            if root == file.parent and not packaged:
                # A script imports the files beside it.
                used = any(_has_module(root, name) for name in names)
            else:
                top = file.relative_to(root).with_suffix("").parts[0]
                used = top in names and _has_module(root, top)
            if used:
                return root
    if packaged and (lowest / file.relative_to(lowest).parts[0] / "__init__.py").is_file():
        return lowest
    entries = {_real(entry or str(working)) for entry in sys.path} | {_real(str(working))}
    if not (working / "src" / "__init__.py").exists():
        entries.add(_real(str(working / "src")))
    project = project_of(working)
    if project is not None:
        entries.update(_real(str(path)) for path in local_dependencies(project))
    for root in candidates:
        if _real(str(root)) in entries or _is_importable(file, root):
            return root
    return lowest


def _candidates(file: Path) -> Iterator[Path]:
    """The directories below which `file` has a dotted name, from the topmost package upwards."""
    directory = file.parent
    # The relative imports of an `__init__.py` start in its own package.
    levels = max(1, _relative_level(file)) if file.name == "__init__.py" else _relative_level(file)
    for _ in range(levels):
        directory = directory.parent
    while (directory / "__init__.py").is_file() and directory != directory.parent:
        directory = directory.parent
    yield directory
    while directory != directory.parent and _is_name(directory.name):
        directory = directory.parent
        yield directory


def _dotted(file: Path, root: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def _is_importable(file: Path, root: Path) -> bool:
    spec = spec_of(_dotted(file, root))
    return spec is not None and _real(spec.origin or "") == _real(str(file))


def _has_module(root: Path, name: str) -> bool:
    """Whether importing `name` leads to what is below `root`, once that is on `sys.path`."""
    if name in sys.stdlib_module_names:
        return False
    source, folder = root / f"{name}.py", root / name
    if not source.is_file() and next(folder.glob("**/*.py"), None) is None:
        return False
    spec = spec_of(name)
    if spec is None or spec.origin is None:
        return True
    return _real(spec.origin) in (_real(str(source)), _real(str(folder / "__init__.py")))


def _neighbours(file: Path, root: Path) -> list[Path]:
    """The sources in the topmost package of `file`, or in its directory."""
    parts = file.relative_to(root).parts
    top = root / parts[0] if len(parts) > 1 else root
    sources: list[Path] = []
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if _is_name(name) and name != "node_modules")
        sources += [Path(folder, name) for name in sorted(files) if name.endswith(".py")]
        if len(sources) >= _MOST_NEIGHBOURS:
            break
    return sources[:_MOST_NEIGHBOURS]


def _imported(files: Iterable[Path]) -> set[str]:
    """The top-level names that `files` import absolutely, anywhere in them."""
    return {name for file in files for name, level in _imports(file) if not level}


def _relative_level(file: Path) -> int:
    """How many packages `file` must be in, for its relative imports."""
    return max((level for _, level in _imports(file)), default=0)


def _imports(file: Path) -> tuple[tuple[str, int], ...]:
    """(first name, number of leading dots) of each import in `file`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(file.read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError):
        return ()
    imports: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(alias.name.partition(".")[0], 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imports.append(((node.module or "").partition(".")[0], node.level))
    return tuple(imports)


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _is_installed(directory: Path) -> bool:
    return not {"site-packages", "dist-packages"}.isdisjoint(directory.parts)


def _real(path: str) -> str:
    return os.path.realpath(path) if path else ""


@contextmanager
def _first_on_path(directory: Path) -> Iterator[None]:
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        sys.path.remove(str(directory))
