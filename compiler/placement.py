"""Warnings about an output directory: no importable name, a package that it hides, ignored by git.

They are given once, by the command that writes the first file of a module there.
"""

from __future__ import annotations

import keyword
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from lgc.compiler.diagnostics import Diagnostic, display_path, note, warning
from lgc.compiler.module_spec import spec_of
from lgc.compiler.output import module_path


def is_import_root(directory: Path, roots: Iterable[Path]) -> bool:
    """Whether modules in `directory` are imported by their own names: it is on `sys.path`."""
    real = os.path.realpath(directory)
    return real in {os.path.realpath(root) for root in roots}


def remarks(directory: Path, names: Iterable[str], roots: Iterable[Path]) -> Iterator[Diagnostic]:
    """The diagnostics for a directory in which the modules `names` are new.

    Args:
        directory: the output directory, which exists.
        names: its new modules.
        roots: the directories of the project that imports start from.
    """
    names, roots = list(names), list(roots)
    if not names:
        return
    if not is_import_root(directory, roots):
        yield from _importable(directory, names[0], roots)
        yield from _hides(directory, roots)
    yield from _ignored(directory, names)


def _importable(directory: Path, name: str, roots: list[Path]) -> Iterator[Diagnostic]:
    above = [root for root in roots if directory.is_relative_to(root)]
    parts = directory.relative_to(max(above)).parts if above else (directory.name,)
    bad = [part for part in parts if not part.isidentifier() or keyword.iskeyword(part)]
    if not bad:
        return
    shown = display_path(directory)
    better = "".join(c if c.isalnum() or c == "_" else "_" for c in bad[0])
    if not better.isidentifier() or keyword.iskeyword(better):
        better = f"{better}_" if better[:1].isalpha() else f"_{better}"
    yield warning(
        "LGC307",
        f"{shown} cannot be imported by name: {bad[0]!r} is not a Python name",
        help=f"call it {better}, or put {shown} on sys.path and write: from {name} import graph",
    )


def _hides(directory: Path, roots: list[Path]) -> Iterator[Diagnostic]:
    """The package of the directory's own name that its `__init__.py` hides."""
    if not any(directory.parent == root for root in roots):
        return
    shown, name = display_path(directory), directory.name
    if name == "build":
        yield note(
            "LGC308",
            f"{shown} has an __init__.py now, which hides PyPA's build: "
            "`python -m build` fails where it is the working directory's",
            help="run `pyproject-build` instead, or choose another directory such as -o gen",
        )
    elif name in sys.stdlib_module_names or _is_elsewhere(directory):
        yield warning(
            "LGC308",
            f"{shown} has an __init__.py now, which hides the package {name} that is installed",
            help="choose another directory such as -o gen",
        )


def _is_elsewhere(directory: Path) -> bool:
    path = sys.path[:]
    here = os.path.realpath(directory.parent)
    sys.path[:] = [entry for entry in path if os.path.realpath(entry or os.curdir) != here]
    try:
        spec = spec_of(directory.name)
    finally:
        sys.path[:] = path
    origin = None if spec is None else spec.origin
    if origin is None:
        return False
    return os.path.realpath(os.path.dirname(origin)) != os.path.realpath(directory)


def _ignored(directory: Path, names: list[str]) -> Iterator[Diagnostic]:
    """A warning when git ignores modules of the directory, which are meant to be reviewed."""
    git = shutil.which("git")
    if git is None:
        return
    command = [git, "-C", str(directory)]
    paths = [str(module_path(directory, name)) for name in names]
    if not _output_of([*command, "check-ignore", *paths]):
        return
    top = _output_of([*command, "rev-parse", "--show-toplevel"])
    help = "choose another directory such as -o gen"
    line = _exception(command, Path(paths[0]), Path(top)) if top else ""
    if line:
        help = f"add the line {line} to .gitignore, or {help}"
    shown = display_path(directory)
    yield warning("LGC303", f"git ignores {shown}, so nobody will review its modules", help=help)


def _exception(git: list[str], file: Path, top: Path) -> str:
    """The line for `.gitignore` in `top` that re-includes modules such as `file`; "" if none can.

    git re-includes an ignored directory, but nothing inside of one.
    """
    try:
        parts = Path(os.path.realpath(file.parent)).relative_to(os.path.realpath(top)).parts
    except ValueError:
        return ""
    for end in range(1, len(parts) + 1):
        path = top.joinpath(*parts[:end])
        rule = _output_of([*git, "check-ignore", "--verbose", str(path)])
        if rule:
            can_re_include = _is_overruled(rule) and end == len(parts)
            return f"!/{'/'.join(parts)}/" if can_re_include else ""
    rule = _output_of([*git, "check-ignore", "--verbose", str(file)])
    return f"!/{'/'.join([*parts, '*.py'])}" if _is_overruled(rule) else ""


def _is_overruled(rule: str) -> bool:
    """Whether the topmost `.gitignore` overrules a rule that `check-ignore --verbose` prints."""
    source = rule.split(":", 1)[0]
    return Path(source).name != ".gitignore" or source == ".gitignore"


def _output_of(command: list[str]) -> str:
    """The standard output of a command; empty when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
