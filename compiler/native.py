"""Builds one generated module natively, with mypyc and the C compiler of the machine.

The work happens in a child process with a temporary directory of its own: mypy keeps hundreds of
megabytes and global state that must not stay in ours, and two builds never share a file. This file
imports only the standard library until it is that child, so that ``setup.py`` can use it too.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# User code is never type-checked: `skip` keeps mypy out of the user's modules. Without site
# packages it does not see installed ones either, whose stubs `skip` would still read. So what a
# generated module imports is Any. The empty config file keeps out the user's own settings.
MYPY_OPTIONS = (
    "--config-file=",
    "--no-site-packages",
    "--follow-imports=skip",
    "--ignore-missing-imports",
)

_IGNORE_ERRORS = b"# mypy: ignore-errors\n"


class NativeError(Exception):
    """A native build is impossible or failed; the message says why and what to do.

    ``log`` is everything the build printed, mypy's lines included, or empty if none was started.
    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


def find_compiler() -> str | None:
    """Return the path of the C compiler setuptools would use, or None if none is usable.

    It is ``CC`` of the environment, else the one Python was built with. Nothing is compiled: it is
    enough that the compiler runs and that Python's C headers, which every build needs, exist.
    """
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return None
    if sys.platform == "win32":
        return shutil.which("cl")
    try:
        words = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    except ValueError:  # an open quote
        return None
    path = shutil.which(words[0]) if words else None
    if path is None:
        return None
    try:
        probe = subprocess.run(
            [path, *words[1:], "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    return path if probe.returncode == 0 else None


@contextmanager
def building(
    source: Path,
    name: str,
    *,
    opt_level: str = "1",
    shown_in: str = "",
    on_line: Callable[[str], None] | None = None,
) -> Iterator[Path]:
    """Compile the generated file ``source`` as module ``name`` and yield the path of the result.

    The caller moves the yielded file away; the directory it lies in is removed on exit. The file
    keeps the name Python expects (``name`` plus the platform's suffix) and may be imported from any
    package. ``opt_level`` is the C compiler's; the tables and small functions of a module gain
    nothing from more than 1, and take up to twice as long to build. ``shown_in`` is the folder,
    relative to the project's root, that tracebacks show before ``name.py``; run from that root,
    they quote the source lines too. ``on_line`` gets every line the build prints, as it comes.

    Raises NativeError if there is no C compiler or no mypyc, or if the build fails, and ValueError
    if ``shown_in`` is absolute or leads upwards.
    """
    if Path(shown_in).is_absolute() or ".." in Path(shown_in).parts:
        raise ValueError(f"shown_in must lie below the project's root: {shown_in}")
    _require_tools()
    # Not imported at module level: setup.py runs this file where lgc cannot be imported yet.
    from lgc.compiler.workspace import workspace

    with workspace() as (work, kept_open):
        staged = work / "source" / shown_in / f"{name}.py"
        staged.parent.mkdir(parents=True)
        staged.write_bytes(for_mypyc(source.read_bytes()))
        log: list[str] = []
        code = _run_child(work, staged, opt_level, log, on_line, kept_open)
        built = work / "out" / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
        if code != 0 or not built.is_file():
            raise NativeError(
                f"the native build of {name}.py failed: {_reason(log)}", "\n".join(log)
            )
        yield built


def embedded_marker(so: Path, prefix: bytes) -> str | None:
    """Return the 16 to 64 hex digits that follow ``prefix`` in a string constant of ``so``.

    The constant must be exactly the prefix and the digits. mypyc lays constants end to end, each
    after one byte with its length, and that length is honoured: the length byte of the next
    constant may happen to be a digit. Returns None if there is no such constant.
    """
    data = so.read_bytes()
    for match in re.finditer(b"(?s)(.)" + re.escape(prefix), data):
        digits = data[match.end() : match.end() + match[1][0] - len(prefix)]
        if re.fullmatch(rb"[0-9a-f]{16,64}", digits):
            return digits.decode()
    return None


def for_mypyc(source: bytes) -> bytes:
    """The text of a generated module for mypyc, with the same line numbers.

    ``ignore-errors`` is for the user's own mypy; the build must not ignore errors.
    """
    return source.replace(_IGNORE_ERRORS, b"#\n", 1)


def mypyc_extensions(options: list[str], **settings: Any) -> list[Any]:
    """Return mypyc's setuptools extensions for ``options`` (mypy's flags and files).

    ``settings`` go to ``mypycify``. Its ``-Werror`` is dropped, because a new C compiler that warns
    about generated code must not break an installation. Exits the process if mypyc finds errors.
    """
    # setuptools first: mypyc decides by its presence which Extension class it returns.
    import setuptools  # noqa: F401
    from mypyc.build import mypycify

    extensions = mypycify([*options, "--cache-dir=" + os.devnull], debug_level="0", **settings)
    for extension in extensions:
        flags = extension.extra_compile_args
        extension.extra_compile_args = [flag for flag in flags if flag != "-Werror"]
    return list(extensions)


def _require_tools() -> None:
    """Raise NativeError unless a C compiler, mypyc and setuptools can be used."""
    if find_compiler() is None:
        raise NativeError(
            "no C compiler with Python's headers was found: install one (for example gcc and "
            "python3-dev), or use --no-native"
        )
    missing = [name for name in ("mypyc", "setuptools") if importlib.util.find_spec(name) is None]
    if missing:
        raise NativeError(
            f"{' and '.join(missing)} cannot be imported: pip install 'lgc[compiler]', "
            "or use --no-native"
        )


def _run_child(
    work: Path,
    staged: Path,
    opt_level: str,
    log: list[str],
    on_line: Callable[[str], None] | None,
    kept_open: tuple[int, ...],
) -> int:
    """Compile ``staged`` in a child process, collect its lines in ``log``, return its exit code."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("MYPY")}
    env |= {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        [sys.executable, "-m", __name__, str(staged.relative_to(work / "source")), opt_level],
        cwd=work,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        pass_fds=kept_open,
    ) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                log.append(line.rstrip("\n"))
                if on_line is not None:
                    on_line(log[-1])
        except BaseException:
            child.kill()
            raise
    return child.returncode


def _reason(log: list[str]) -> str:
    """Return the line of ``log`` that tells best why a build failed."""
    errors = (line for line in log if re.search(r"\berror\b", line, re.IGNORECASE))
    last = deque((line for line in log if line.strip()), maxlen=1)
    return next(errors, last[0] if last else "the build printed nothing").strip()


def _build_here(source: str, opt_level: str) -> None:
    """Compile ``source/<source>`` below the working directory into ``out/`` (the child's part)."""
    work = Path.cwd()
    os.chdir(work / "source")  # mypyc writes the path of its argument into tracebacks
    extensions = mypyc_extensions(
        [*MYPY_OPTIONS, source], opt_level=opt_level, target_dir=str(work / "c")
    )
    os.chdir(work)
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        for extension in extensions:
            for c_file in extension.sources:
                _take_name_from_importer(Path(c_file), Path(source).stem)

    from setuptools import setup

    setup(
        name="lgc-native",
        py_modules=[],
        ext_modules=extensions,
        script_args=["build_ext", "--build-lib", "out", "--build-temp", "objects"],
    )


def _take_name_from_importer(c_file: Path, name: str) -> None:
    """Make the module enter ``sys.modules`` under the name it is imported as.

    mypyc writes the name it compiled under into the init function, which registers the module as
    top-level ``name`` as well, over a module of the user's that has this name, and leaves
    ``__package__`` empty. The module object itself already knows its full name. (Free-threaded
    Python initialises modules in another way, which does not have this flaw.)
    """
    head, start, body = c_file.read_text(encoding="utf-8").partition(f"PyInit_{name}(void)\n{{")
    created = f'modname = PyUnicode_FromString("{name}");'
    # The name is kept until the end, because a failing import removes it from sys.modules.
    dropped = "Py_CLEAR(modname);\n"
    if not start or created not in body or dropped not in body:
        sys.exit(f"error: {c_file.name} is not what the pinned mypyc generates: check its version")
    full_name = f"modname = PyModule_GetNameObject(CPyModule_{name}__internal);"
    body = body.replace(created, full_name, 1)
    body = body.replace(dropped, "\n", 1)
    c_file.write_text(head + start + body, encoding="utf-8")


if __name__ == "__main__":
    _build_here(*sys.argv[1:])
