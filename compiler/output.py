"""Files on disk: what `lgc compile` leaves behind, and whether it is still true (design §4).

The native file wins over the `.py` at import, so the order of writing is: remove
old native files, replace the `.py`, then put the new native file in its place.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from lgc.compiler.diagnostics import CompileError, Diagnostic, display_path, error, warning
from lgc.compiler.emit import body_hash, is_edited
from lgc.compiler.native import embedded_marker
from lgc.runtime.abi import BODY_PREFIX

_PACKAGE = '"""Graphs compiled by lgc."""\n'


def module_path(directory: Path, name: str) -> Path:
    """Where the module called `name` stands in `directory`."""
    return directory / f"{name}.py"


def native_files(directory: Path, name: str) -> list[Path]:
    """The native files of a module, of any Python version or platform, sorted."""
    found = [*directory.glob(f"{name}.*.so"), *directory.glob(f"{name}.*.pyd")]
    return sorted([*found, *directory.glob(f"{name}.so")])


def prepare(directory: Path) -> list[Diagnostic]:
    """Makes `directory` a package that can be written to.

    Without `__init__.py` a directory called `build` is hidden by an installed
    package of that name.

    Returns:
        A warning when git ignores the directory: its modules are to be reviewed.

    Raises:
        CompileError: it cannot be made or written to (LGC108).
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        init = directory / "__init__.py"
        if not init.exists():
            _replace(init, _PACKAGE)
        elif not os.access(directory, os.W_OK):
            raise PermissionError(13, "not writable", str(directory))
    except OSError as exc:
        raise CompileError(
            error(
                "LGC108",
                f"cannot write to {display_path(directory)}: {exc.strerror or exc}",
                help="name a directory that can be written to with -o",
            )
        ) from exc
    if _is_ignored(directory / "__init__.py"):
        return [
            warning(
                "LGC303",
                f"git ignores {display_path(directory)}, so nobody will review its modules",
                help="take it out of .gitignore, or choose another directory",
            )
        ]
    return []


def write(directory: Path, name: str, text: str, native: Path | None) -> None:
    """Replaces a module and its native file.

    Args:
        directory: a directory that `prepare` has seen.
        name: the module.
        text: its source.
        native: the built file to move in, or None for an interpreted module.

    Raises:
        CompileError: a file cannot be written (LGC108).
    """
    path = module_path(directory, name)
    try:
        staged = None
        if native is not None:
            # Copied first: from another file system a move is not atomic.
            staged = directory / f".{native.name}.{os.getpid()}"
            shutil.copyfile(native, staged)
        for old in native_files(directory, name):
            old.unlink()
        _replace(path, text)
        if staged is not None and native is not None:
            os.replace(staged, directory / native.name)
    except OSError as exc:
        raise CompileError(
            error(
                "LGC108",
                f"cannot write {display_path(path)}: {exc.strerror or exc}",
                help="check its permissions and the free space",
            )
        ) from exc


def problems(directory: Path, name: str, expected: str) -> Iterator[str]:
    """What is wrong with a module on disk, one sentence each; nothing when it is current.

    Args:
        directory: where it stands.
        name: the module.
        expected: what compiling would write now.
    """
    path = module_path(directory, name)
    shown = display_path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        yield f"{shown} is missing"
        return
    except (OSError, UnicodeDecodeError) as exc:
        yield f"{shown} cannot be read: {exc}"
        return
    if is_edited(text):
        yield f"{shown} was edited by hand"
    elif text != expected:
        yield f"{shown} is stale: the graph or lgc has changed"
    for native in native_files(directory, name):
        if embedded_marker(native, BODY_PREFIX.encode()) != body_hash(text):
            yield f"{display_path(native)} was not built from {path.name}"


def current_native(directory: Path, name: str) -> Path | None:
    """The native file this Python would import, if there is one."""
    path = directory / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
    return path if path.exists() else None


def _replace(path: Path, text: str) -> None:
    """Writes a file at once or not at all."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        staged.write_bytes(text.encode("utf-8"))
        os.replace(staged, path)
    finally:
        staged.unlink(missing_ok=True)


def _is_ignored(path: Path) -> bool:
    git = shutil.which("git")
    if git is None:
        return False
    command = [git, "-C", str(path.parent), "check-ignore", "-q", str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode == 0
