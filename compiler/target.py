"""From TARGET text to the user's live object: parse, import, call the factory.

Importing runs the user's code, so an error in it is reported at their line, and no module is
imported a second time. Whether the object is a graph is for the frontend to say.
"""

from __future__ import annotations

import asyncio
import difflib
import functools
import importlib
import inspect
import keyword
import linecache
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NoReturn

from lgc.compiler.diagnostics import CompileError, Span, display_path, error
from lgc.compiler.source_map import SourceMap
from lgc.compiler.watch import watching

_FORM = "write pkg.mod:attr or path/file.py:attr, for example app.graph:builder"
_RUNS_CODE = "lgc imports the module, which runs its code (keys, clients, network included)"


@dataclass(frozen=True)
class Target:
    """An object by its dotted module and its attribute, which may be dotted too."""

    module: str
    attr: str

    def __str__(self) -> str:
        return f"{self.module}:{self.attr}"


@dataclass(frozen=True)
class Loaded:
    """The object of a target.

    Attributes:
        called: "" for the attribute itself, "call" for the result of a function, "async" for that
            of a coroutine function.
    """

    obj: object
    module: ModuleType
    target: Target
    called: Literal["", "call", "async"]


def parse_target(text: str, root: Path) -> Target:
    """The target that `pkg.mod:attr` or `path/file.py:attr` names.

    A path, relative to the working directory or else to `root`, becomes its dotted name below
    `root`. Raises CompileError (LGC105) when the text is malformed or the file is not there.
    """
    where, _, attr = text.rpartition(":")
    if not where or not attr:
        _fail("LGC105", f"malformed target {text!r}: it needs a module and an attribute", _FORM)
    is_path = _is_path(where)
    parts = _parts_of_path(text, where, root) if is_path else where.split(".")
    for part in [*parts, *attr.split(".")]:
        if not part.isidentifier() or keyword.iskeyword(part):
            problem = f"{part!r} is not a Python name" if part else "a name is empty"
            advice = "rename it to an identifier, or import it from a module that has such a name"
            _fail("LGC105", f"malformed target {text!r}: {problem}", advice if is_path else _FORM)
    return Target(".".join(parts), attr)


def file_of_target(text: str, *directories: Path) -> Path | None:
    """The file that a target names, below the first of `directories` that has it.

    None for a dotted target. Raises CompileError (LGC105) when there is no such file.
    """
    where, _, attr = text.rpartition(":")
    if not attr or not _is_path(where):
        return None
    if not where.endswith(".py"):
        _fail("LGC105", f"malformed target {text!r}: {where} is not a .py file", _FORM)
    file = next((p for d in directories if (p := d / where).is_file()), None)
    if file is None:
        _fail("LGC105", f"no such file: {where}", _FORM)
    return file


def load(target: Target, root: Path, project: Path | None = None) -> Loaded:
    """The object of `target`, its module imported with `root` first on `sys.path`.

    A function is called without arguments and, when async, run to its end.

    Args:
        target: which object.
        root: goes first on `sys.path`.
        project: the top of the user's project; goes second on `sys.path` when it is not `root`.

    Raises:
        CompileError: no such module (LGC101), no such attribute (LGC102), the user's code failed
            while it was imported (LGC104), the function failed or needs arguments (LGC106).
    """
    root = Path(os.path.abspath(root))
    first = [str(root)]
    if project is not None and project != root:
        first.append(str(project))
    if sys.path[: len(first)] != first:
        sys.path[:0] = first
    users = root if project is None or not root.is_relative_to(project) else project

    def is_users(file: str) -> bool:
        return is_users_file(file, users)

    with watching(f"importing {target.module}", is_users):
        module = _import(target, root, users)
    obj = _attribute(target, module, users)
    if not _is_factory(obj):
        return Loaded(obj, module, target, "")
    with watching(f"calling {target}", is_users):
        return _call(target, module, obj, users)


# Usual names for the only graph of a module; they are left out of the name of the generated one.
_USUAL = ("app", "builder", "graph", "workflow")


def default_name(target: Target) -> str:
    """The name of the generated module: `target`'s module, and its attribute unless usual."""
    name = target.module.replace(".", "_")
    if target.attr not in _USUAL:
        return f"{name}_{target.attr.replace('.', '_')}"
    return f"{name}_graph" if name == target.module else name


def _fail(
    code: str,
    message: str,
    help: str,
    span: Span | None = None,
    cause: BaseException | None = None,
) -> NoReturn:
    raise CompileError(error(code, message, help=help, span=span)) from cause


def _is_path(where: str) -> bool:
    return where.endswith(".py") or "/" in where or os.sep in where


def _parts_of_path(text: str, where: str, root: Path) -> list[str]:
    file = file_of_target(text, Path(), root)
    assert file is not None
    # Links are resolved only when needed: a package that is a link has its name below the root.
    for form in (os.path.abspath, os.path.realpath):
        try:
            parts = Path(form(file)).relative_to(form(root)).with_suffix("").parts
        except ValueError:
            continue
        return list(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
    _fail(
        "LGC105",
        f"{where} is outside the root {display_path(os.path.abspath(root))}",
        "name the directory that its imports start from with --root",
    )


def _import(target: Target, root: Path, users: Path) -> ModuleType:
    importlib.invalidate_caches()  # files may be younger than the import system's listings
    try:
        module = importlib.import_module(target.module)
    except (KeyboardInterrupt, CompileError):
        raise
    except BaseException as exc:  # SystemExit too: scripts without a main guard end with it
        span = _user_span(exc, users)
        missing = exc.name if isinstance(exc, ModuleNotFoundError) else None
        if span is None and missing and f"{target.module}.".startswith(f"{missing}."):
            _check_not_hidden(target, root)
            _fail("LGC101", f"no module named {missing!r}", _module_help(target, root), None, exc)
        message = f"importing {target.module} failed: {_text_of(exc)}"
        _fail("LGC104", message, _RUNS_CODE, span, exc)
    _check_not_hidden(target, root)
    return module


def _check_not_hidden(target: Target, root: Path) -> None:
    """Raise LGC101 when the root has the module but another one was imported under its name."""
    parts = target.module.split(".")
    base = root.joinpath(*parts)
    if not (base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()):
        return
    for end in range(1, len(parts) + 1):
        name, place = ".".join(parts[:end]), root.joinpath(*parts[:end])
        file = getattr(sys.modules.get(name), "__file__", None)
        places = (os.path.realpath(place), os.path.realpath(place.parent))
        if file and os.path.dirname(os.path.realpath(file)) not in places:
            _fail(
                "LGC101",
                f"{target.module} below {display_path(root)} is hidden: "
                f"{name} is already imported from {display_path(file)}",
                f"rename {name} below the root",
            )


def _module_help(target: Target, root: Path) -> str:
    parts = target.module.split(".")
    directory = root
    for i, part in enumerate(parts):
        below = directory / part
        if below.is_dir() or (directory / f"{part}.py").is_file():
            directory = below
            continue
        close = difflib.get_close_matches(part, _modules_in(directory))
        if close:
            names = [".".join([*parts[:i], match, *parts[i + 1 :]]) for match in close]
            return _did_you_mean(f"{name}:{target.attr}" for name in names)
        break
    if (root / "src" / parts[0]).exists() or (root / "src" / f"{parts[0]}.py").exists():
        return f"it is below {display_path(root / 'src')}: name that directory with --root"
    return (
        f"modules are looked up below {display_path(root)} first; "
        "name another directory with --root"
    )


def _modules_in(directory: Path) -> list[str]:
    try:
        entries = sorted(directory.iterdir())
    except OSError:
        return []
    return [e.stem for e in entries if e.suffix == ".py" or (e.is_dir() and not e.suffix)]


def _attribute(target: Target, module: ModuleType, root: Path) -> object:
    obj: object = module
    prefix = ""
    for part in target.attr.split("."):
        try:
            obj = getattr(obj, part)
        except (KeyboardInterrupt, CompileError):
            raise
        except AttributeError as exc:
            names = [name for name in dir(obj) if not name.startswith("_")]
            close = difflib.get_close_matches(part, names)
            advice = "name the StateGraph, the compiled graph or the function returning one"
            if close:
                advice = _did_you_mean(f"{target.module}:{prefix}{name}" for name in close)
            owner = f"{target.module}.{prefix}"[:-1] if prefix else target.module
            _fail("LGC102", f"{owner} has no attribute {part!r}", advice, None, exc)
        except BaseException as exc:
            message = f"getting {target} failed: {_text_of(exc)}"
            _fail("LGC104", message, _RUNS_CODE, _user_span(exc, root), exc)
        prefix += f"{part}."
    return obj


def _is_factory(obj: object) -> bool:
    """Functions, also cached or decorated ones; no classes, and no objects with nodes."""
    if inspect.isclass(obj) or not callable(obj) or hasattr(obj, "nodes"):
        return False
    is_partial = isinstance(obj, functools.partial)
    return is_partial or inspect.isroutine(obj) or hasattr(obj, "__wrapped__")


def _call(target: Target, module: ModuleType, factory: Any, root: Path) -> Loaded:
    required = _required_parameters(factory)
    if required:
        source = SourceMap.of_file(Path(module.__file__)) if module.__file__ else SourceMap()
        arguments = ", ".join(f"{name}=..." for name in required)
        _fail(
            "LGC106",
            f"{target} cannot be called without arguments: it needs {', '.join(required)}",
            "write a one-line entry function beside it and compile that: "
            f"def entry(): return {target.attr}({arguments})",
            source.definition(target.attr),
        )
    try:
        obj = factory()
        if inspect.iscoroutine(obj):
            return Loaded(asyncio.run(obj), module, target, "async")
    except (KeyboardInterrupt, CompileError):
        raise
    except BaseException as exc:
        message = f"calling {target} failed: {_text_of(exc)}"
        advice = "lgc calls the function to get its graph; make it work without arguments"
        _fail("LGC106", message, advice, _user_span(exc, root), exc)
    return Loaded(obj, module, target, "call")


def _required_parameters(factory: Callable[..., object]) -> list[str]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature
        return []
    optional_kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in optional_kinds]


def _text_of(exc: BaseException) -> str:
    text = str(exc)
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


def _user_span(exc: BaseException, root: Path) -> Span | None:
    """The line of the user's own code that raised `exc`: its deepest frame below `root`."""
    if isinstance(exc, SyntaxError) and is_users_file(exc.filename or "", root):
        return _line_span(exc.filename or "", exc.lineno or 1, exc.offset)  # it has no frame
    deepest: tuple[str, int] | None = None
    for frame, line in traceback.walk_tb(exc.__traceback__):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package not in ("lgc", "importlib") and is_users_file(frame.f_code.co_filename, root):
            deepest = (frame.f_code.co_filename, line)
    return _line_span(*deepest) if deepest else None


def is_users_file(file: str, root: Path) -> bool:
    """Whether `file` is below `root` and no library's."""
    if not os.path.isfile(file):  # "<string>" and the like
        return False
    for form in (os.path.abspath, os.path.realpath):
        path = Path(form(file))
        if path.is_relative_to(form(root)):
            # A virtual environment often lies below the root.
            return not {"site-packages", "dist-packages"} & set(path.parts)
    return False


def _line_span(file: str, line: int, offset: int | None = None) -> Span:
    text = linecache.getline(file, line).rstrip("\r\n")
    first, last = len(text) - len(text.lstrip()) + 1, len(text.rstrip()) + 1
    if offset is not None and 0 < offset <= len(text):
        first, last = offset, offset + 1
    return Span(file, line, first, max(first + 1, last), text)


def _did_you_mean(names: Iterable[str]) -> str:
    return f"did you mean {' or '.join(names)}?"
