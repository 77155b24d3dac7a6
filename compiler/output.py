"""Files on disk: what `lgc compile` leaves behind, and whether it is still true (design §4).

The native file wins over the `.py` at import, so the order of writing is: remove
old native files, replace the `.py`, then put the new native file in its place.
Everything is copied into the directory before the first file is replaced, so that
a full disk changes nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from lgc.compiler.diagnostics import CompileError, Diagnostic, display_path, error, warning
from lgc.compiler.emit import body_hash, is_edited, is_generated
from lgc.compiler.native import embedded_marker
from lgc.runtime.abi import BODY_PREFIX

_PACKAGE = '"""Graphs compiled by lgc."""\n'


@dataclass(frozen=True)
class Module:
    """What is to be written.

    Attributes:
        name: what the module is called.
        text: its source.
        native: the built file to put beside it, or None for an interpreted module.
    """

    name: str
    text: str
    native: Path | None = None


def module_path(directory: Path, name: str) -> Path:
    """Where the module called `name` stands in `directory`."""
    return directory / f"{name}.py"


def native_files(directory: Path, name: str) -> list[Path]:
    """The native files of a module, of any Python version or platform, sorted."""
    patterns = (f"{name}.so", f"{name}.*.so", f"{name}.pyd", f"{name}.*.pyd")
    return sorted(path for pattern in patterns for path in directory.glob(pattern))


def read(directory: Path, name: str) -> str | None:
    """The text of a module on disk; None when it is missing.

    Raises:
        CompileError: it cannot be read (LGC108).
    """
    path = module_path(directory, name)
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as exc:
        _fail(f"cannot read {display_path(path)}: {exc.strerror or exc}")


def check_writable(directory: Path, names: Iterable[str]) -> None:
    """Looks whether modules can be written, and changes nothing.

    Args:
        directory: where to; it need not exist.
        names: the modules.

    Raises:
        CompileError: the directory cannot be made or written to (LGC108), or a
            module would replace a file that lgc did not write (LGC305).
    """
    shown = display_path(directory)
    nearest = directory
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    if not nearest.is_dir():
        _fail(f"cannot write to {shown}: {display_path(nearest)} is not a directory")
    if not os.access(nearest, os.W_OK | os.X_OK):
        _fail(f"cannot write to {shown}: {display_path(nearest)} is not writable")
    for name in names:
        text = read(directory, name)
        if text is not None and not is_generated(text):
            raise CompileError(
                error(
                    "LGC305",
                    f"{display_path(module_path(directory, name))} was not written by lgc",
                    help="choose another directory with -o, or another name with --name",
                )
            )


def write(directory: Path, modules: Sequence[Module]) -> None:
    """Replaces modules and their native files, and makes `directory` a package.

    Without `__init__.py` a directory called `build` is hidden by an installed
    package of that name.

    Raises:
        CompileError: a file cannot be written (LGC108).
    """
    made = [path for path in (directory, *directory.parents) if not os.path.lexists(path)]
    staged: dict[Path, Path] = {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        init = directory / "__init__.py"
        if not init.exists():
            _stage(init, staged).write_text(_PACKAGE, encoding="utf-8", newline="\n")
        for module in modules:
            path = module_path(directory, module.name)
            _stage(path, staged).write_bytes(module.text.encode("utf-8"))
            if module.native is not None:
                # From another file system a move is not atomic.
                shutil.copyfile(module.native, _stage(directory / module.native.name, staged))
        for module in modules:
            for old in native_files(directory, module.name):
                old.unlink(missing_ok=True)
            # Python takes bytecode for current when time (in seconds) and size agree.
            for old in directory.glob(f"__pycache__/{module.name}.*.pyc"):
                old.unlink(missing_ok=True)
        for path, temporary in staged.items():
            os.replace(temporary, path)
    except OSError as exc:
        for temporary in staged.values():
            with suppress(OSError):
                temporary.unlink()
        for path in made:
            with suppress(OSError):
                path.rmdir()
        _fail(f"cannot write to {display_path(directory)}: {exc.strerror or exc}")


def ignored(directory: Path, names: Iterable[str]) -> list[Diagnostic]:
    """A warning when git ignores modules of `directory`: they are to be reviewed."""
    git = shutil.which("git")
    if git is None:
        return []
    paths = [str(module_path(directory, name)) for name in names]
    command = [git, "-C", str(directory), "check-ignore", *paths]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        return []
    return [
        warning(
            "LGC303",
            f"git ignores {display_path(directory)}, so nobody will review its modules",
            help="take it out of .gitignore, or choose another directory",
        )
    ]


def problems(directory: Path, name: str, expected: str) -> Iterator[str]:
    """What is wrong with a module on disk, one sentence each; nothing when it is current.

    Args:
        directory: where it stands.
        name: the module.
        expected: what compiling would write now.

    Raises:
        CompileError: a file cannot be read (LGC108).
    """
    shown = display_path(module_path(directory, name))
    text = read(directory, name)
    if text is None:
        yield f"{shown} is missing"
        return
    if is_edited(text):
        yield f"{shown} was edited by hand"
    elif text != expected:
        if body_hash(text) == body_hash(expected):
            yield f"{shown} is stale: its header is not what lgc writes now"
        else:
            yield f"{shown} is stale: the graph or lgc has changed"
    if not (directory / "__init__.py").exists():
        yield f"{display_path(directory)} is no package: __init__.py is missing"
    for native in native_files(directory, name):
        try:
            built_from = embedded_marker(native, BODY_PREFIX.encode())
        except OSError as exc:
            _fail(f"cannot read {display_path(native)}: {exc.strerror or exc}")
        if built_from != body_hash(text):
            yield f"{display_path(native)} was not built from {name}.py"


def _stage(path: Path, staged: dict[Path, Path]) -> Path:
    """A temporary name beside `path`, remembered in `staged`."""
    return staged.setdefault(path, path.with_name(f".{path.name}.{os.getpid()}"))


def _fail(message: str) -> NoReturn:
    raise CompileError(
        error("LGC108", message, help="name a directory that can be read and written with -o")
    )
