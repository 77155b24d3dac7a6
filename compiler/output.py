"""Files on disk: writing modules, and telling whether they are current.

The native file wins over the `.py` at import, so the order of writing is: remove
old native files, replace the `.py`, then rename the new native file into place.
Everything is copied into the directory before the first file is replaced, so that
a full disk changes nothing.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from lgc.compiler.diagnostics import CompileError, display_path, error
from lgc.compiler.emit import body_hash, is_edited, is_generated
from lgc.compiler.native import embedded_marker
from lgc.runtime.abi import BODY_PREFIX

_PACKAGE = '"""Graphs compiled by lgc."""\n'


@dataclass(frozen=True)
class Module:
    """A module to be written.

    Attributes:
        name: its name.
        text: its source.
        native: the built file to put beside it, or None for an interpreted module.
    """

    name: str
    text: str
    native: Path | None = None


def module_path(directory: Path, name: str) -> Path:
    """The path of the module `name` in `directory`."""
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


def check_writable(directory: Path, sources: Sequence[Source], *, force: bool = False) -> None:
    """Checks that modules can be written, and changes nothing.

    Args:
        directory: the output directory, which need not exist.
        sources: where each of the modules comes from.
        force: replace a module of another source, too.

    Raises:
        CompileError: the directory is not writable (LGC108), or files there were not written by
            lgc (LGC305) or from another source (LGC306).
    """
    shown = display_path(directory)
    nearest = directory
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    if not nearest.is_dir():
        _fail(f"cannot write to {shown}: {display_path(nearest)} is not a directory")
    if not os.access(nearest, os.W_OK | os.X_OK):
        _fail(f"cannot write to {shown}: {display_path(nearest)} is not writable")
    problems = []
    for source in sources:
        text = read(directory, source.name)
        file = display_path(module_path(directory, source.name))
        if text is not None and not is_generated(text):
            problems.append(
                error(
                    "LGC305",
                    f"{file} was not written by lgc",
                    help="choose another directory with -o, or another name with --name",
                )
            )
        elif text is not None and not force and not source.wrote(text, directory):
            problems.append(
                error(
                    "LGC306",
                    f"{file} was generated from {_source_of(text)}, not from {source.target}",
                    help="give this one a name with --name, or replace that one with --force",
                )
            )
    if problems:
        raise CompileError(*problems)


@dataclass(frozen=True)
class Source:
    """Where a module comes from.

    Attributes:
        name: the name of the module.
        target: the TARGET it was compiled from, as its header says.
        root: the first entry of `sys.path` when it was compiled.
    """

    name: str
    target: str
    root: Path

    def wrote(self, text: str, directory: Path) -> bool:
        """Whether a module in `directory` was generated from this source, by its header."""
        if _source_of(text) not in ("", self.target):
            return False
        root = _root_of(text, directory)
        return root is None or os.path.realpath(root) == os.path.realpath(self.root)


def _source_of(text: str) -> str:
    line = _SOURCE.search(text)
    return "" if line is None else line["target"]


def _root_of(text: str, directory: Path) -> Path | None:
    """The root a module in `directory` was compiled with, read from the command in its header."""
    line = _REGENERATE.search(text)
    if line is None:
        return None
    try:
        words = shlex.split(line[1])
    except ValueError:
        return None
    options = dict(pairwise(words))
    out, root = Path(options.get("-o", "..")), Path(options.get("--root", "."))
    if {"..", "DIR"} & set(out.parts) or {"..", "ROOT"} & set(root.parts):
        return None
    start = directory.joinpath(*[".."] * len(out.parts))
    # The module may have been moved since.
    return (
        start / root if directory.parts[-len(out.parts) :] == out.parts or not out.parts else None
    )


_SOURCE = re.compile(r"^# source: (?P<target>\S+) \(langgraph (?P<version>[^)]*)\)$", re.MULTILINE)
_REGENERATE = re.compile(r"^# regenerate: (.*)$", re.MULTILINE)
_PATCH = re.compile(r"(^# source: .* \(langgraph \d+\.\d+)[^)]*\)$", re.MULTILINE)


def same_module(text: str, expected: str) -> bool:
    """Whether two texts are the same module, apart from the analysed patch version of LangGraph."""
    return _PATCH.sub(r"\1)", text, count=1) == _PATCH.sub(r"\1)", expected, count=1)


def own_native_files(directory: Path, name: str) -> list[Path]:
    """The native files of a module that this Python would import, the first one first."""
    paths = [directory / f"{name}{suffix}" for suffix in EXTENSION_SUFFIXES]
    return [path for path in paths if path.is_file()]


def is_current(directory: Path, name: str, text: str, *, native: bool | None) -> bool:
    """Whether a module on disk is the one that would be written (`same_module`).

    Args:
        directory: its directory.
        name: its name.
        text: the text that would be written.
        native: whether a native file for this Python should be beside it; None if either will do.

    Raises:
        CompileError: a file cannot be read (LGC108).
    """
    old = read(directory, name)
    if old is None or not same_module(old, text) or is_edited(old):
        return False
    if any(built_from(file) != body_hash(old) for file in native_files(directory, name)):
        return False
    own = own_native_files(directory, name)
    return native is None or len(own) == native


def built_from(native: Path) -> str | None:
    """The body hash of the module that a native file was built from; None for another file.

    Raises:
        CompileError: the file cannot be read (LGC108).
    """
    try:
        return embedded_marker(native, BODY_PREFIX.encode())
    except OSError as exc:
        _fail(f"cannot read {display_path(native)}: {exc.strerror or exc}")


def write(directory: Path, modules: Sequence[Module], *, package: bool = True) -> None:
    """Replaces modules and their native files.

    A native file for another Python stays when it was built from the same module, because that
    Python uses it. Built from another module, it would refuse to be imported, and is removed.

    Args:
        directory: the output directory, made when it is missing.
        modules: the modules.
        package: make `directory` a package. Without `__init__.py`, a directory called `build` is
            hidden by an installed package of that name.

    Raises:
        CompileError: a file cannot be written (LGC108).
    """
    new_directories = [p for p in (directory, *directory.parents) if not os.path.lexists(p)]
    staged: dict[Path, Path] = {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        init = directory / "__init__.py"
        if package and not init.exists():
            _stage(init, staged).write_text(_PACKAGE, encoding="utf-8", newline="\n")
        for module in modules:
            path = module_path(directory, module.name)
            _remove_abandoned(path)
            _stage(path, staged).write_bytes(module.text.encode("utf-8"))
            if module.native is not None:
                # Copied first, because a move from another file system is not atomic.
                shutil.copyfile(module.native, _stage(directory / module.native.name, staged))
        for module in modules:
            own = own_native_files(directory, module.name)
            for old in native_files(directory, module.name):
                if old in own or built_from(old) != body_hash(module.text):
                    old.unlink(missing_ok=True)
            # Python takes bytecode for current when the time (in seconds) and the size agree.
            for old in directory.glob(f"__pycache__/{module.name}.*.pyc"):
                old.unlink(missing_ok=True)
        for path, temporary in staged.items():
            os.replace(temporary, path)
    except OSError as exc:
        for temporary in staged.values():
            with suppress(OSError):
                temporary.unlink()
        for path in new_directories:
            with suppress(OSError):
                path.rmdir()
        _fail(f"cannot write to {display_path(directory)}: {exc.strerror or exc}")


def problems(
    directory: Path,
    source: Source,
    expected: str,
    *,
    require_native: bool = False,
    package: bool = True,
) -> Iterator[str]:
    """The problems of a module on disk, one sentence each; none when it is current.

    Args:
        directory: its directory.
        source: where it comes from.
        expected: the text that compiling would write now.
        require_native: this Python must have a native file of it.
        package: `directory` must be a package.

    Raises:
        CompileError: a file cannot be read (LGC108).
    """
    name = source.name
    shown = display_path(module_path(directory, name))
    text = read(directory, name)
    if text is None:
        yield f"{shown} is missing"
        return
    if is_edited(text):
        yield f"{shown} was edited by hand"
    elif not source.wrote(text, directory):
        yield f"{shown} was generated from {_source_of(text)}, not from {source.target}"
    elif not same_module(text, expected):
        if body_hash(text) == body_hash(expected):
            yield f"{shown} is stale: its header is not what lgc writes now"
        else:
            yield f"{shown} is stale: the graph or lgc has changed"
    if package and not (directory / "__init__.py").exists():
        yield f"{display_path(directory)} is no package: __init__.py is missing"
    for native in native_files(directory, name):
        if built_from(native) != body_hash(text):
            yield f"{display_path(native)} was not built from {name}.py"
    if require_native and not own_native_files(directory, name):
        yield f"{shown} is {without_native(directory, name)}"


def without_native(directory: Path, name: str) -> str:
    """How messages describe a module without a native file for this Python."""
    others = [path.name for path in native_files(directory, name)]
    file = f"{name}{EXTENSION_SUFFIXES[0]}"
    beside = f" (there is {', '.join(others)})" if others else ""
    return f"not native for this Python: {file} is missing{beside}"


def _stage(path: Path, staged: dict[Path, Path]) -> Path:
    """A temporary path beside `path`; added to `staged`."""
    return staged.setdefault(path, path.with_name(f".{path.name}.{os.getpid()}"))


def _remove_abandoned(path: Path) -> None:
    """Removes files that a killed process has staged for `path`: older than staging ever takes."""
    for old in path.parent.glob(f".{path.stem}.*"):
        if _STAGED.search(old.name):
            with suppress(OSError):
                if time.time() - old.lstat().st_mtime > _STAGING_AGE:
                    old.unlink()


_STAGED = re.compile(r"\.(?:py|so|pyd)\.\d+$")
_STAGING_AGE = 600.0
"""Seconds after which a staged file is abandoned; staging takes a few."""


def _fail(message: str) -> NoReturn:
    raise CompileError(
        error("LGC108", message, help="name a directory that can be read and written with -o")
    )
