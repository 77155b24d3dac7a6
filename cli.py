"""The command line: `lgc compile`, `explain`, `diff` and `check`.

Exit codes: 0 success; 1 a difference, from `diff` and `check`; 2 an error in the
input or in lgc; 130 interrupted. Results go to standard output, diagnostics to
standard error.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import wraps
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import click

from lgc import __version__
from lgc.compiler import output, placement
from lgc.compiler.diagnostics import (
    CODES,
    CompileError,
    Diagnostic,
    display_path,
    error,
    render,
    section,
)
from lgc.compiler.ir_text import to_text
from lgc.compiler.native import NativeError, building, find_compiler
from lgc.compiler.pipeline import Compiled, Errors, Options, compile_targets
from lgc.compiler.project import project_of
from lgc.compiler.workspace import workspace

_TARGET = "TARGET is `package.module:attribute` or `path/file.py:attribute`."


@dataclass(frozen=True)
class _Request:
    """The argument and the options that every command takes, as written."""

    targets: tuple[str, ...]
    name: str | None
    root: Path | None
    env_file: Path | None

    def options(self, out: Path = Path("build")) -> Options:
        """The options of the compiler, with absolute paths: the user's code may change directory.

        Args:
            out: the output directory, as written.
        """
        if self.name is not None and len(self.targets) > 1:
            raise click.UsageError("--name goes with one TARGET")
        for option, path in (("-o", out), ("--root", self.root), ("--env-file", self.env_file)):
            # The paths are part of the header of the modules.
            if path is not None and not str(path).isprintable():
                raise click.UsageError(f"{option} {str(path)!r}: not a printable name")
        return Options(
            self.targets,
            None if self.root is None else _absolute(self.root),
            Path(os.path.realpath(os.curdir)),
            _absolute(out),
            self.name,
            None if self.env_file is None else _absolute(self.env_file),
        )


def _takes_targets(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the common argument and options; its first argument is a `_Request`."""

    @wraps(command)
    def with_request(
        *,
        targets: tuple[str, ...],
        name: str | None,
        root: Path | None,
        env_file: Path | None,
        **rest: Any,
    ) -> None:
        command(_Request(targets, name, root, env_file), **rest)

    decorated: Callable[..., None] = with_request
    for decorate in (
        click.argument("targets", metavar="TARGET...", nargs=-1, required=True),
        click.option("--name", help="Name of the module (with one TARGET)."),
        click.option(
            "--root",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="What goes first on sys.path; by default where the packages of a file begin, "
            "else the working directory.",
        ),
        click.option(
            "--env-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Sets environment variables while the graph is imported; by default the file "
            "that `env` of langgraph.json names.",
        ),
    ):
        decorated = decorate(decorated)
    return decorated


_OUT = click.option(
    "-o",
    "out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    required=True,
    help="The package directory of the generated modules.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lgc")
def main() -> None:
    """An ahead-of-time compiler for LangGraph."""
    for stream in (sys.stdout, sys.stderr):
        # Names in a graph may be what the terminal's encoding cannot show.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@main.command("compile", epilog=_TARGET)
@_takes_targets
@_OUT
@click.option("--no-native", is_flag=True, help="Write the Python module only.")
@click.option("--require-native", is_flag=True, help="Fail without a C compiler.")
@click.option(
    "--force",
    is_flag=True,
    help="Build unchanged modules, and replace those that were generated from another TARGET.",
)
def compile_command(
    request: _Request, out: Path, no_native: bool, require_native: bool, force: bool
) -> None:
    """Compile graphs to modules in DIR, natively where there is a C compiler."""
    if no_native and require_native:
        raise click.UsageError("--no-native and --require-native exclude each other")
    with _reporting():
        options, out = request.options(out), _absolute(out)
        native = not no_native
        if native and find_compiler() is None:
            if require_native:
                _fail(
                    "LGC109",
                    "no C compiler was found",
                    "install one, or leave out --require-native",
                )
            native = False
            click.echo("no C compiler was found: the modules will be interpreted", err=True)
        started = time.perf_counter()
        compiled = compile_targets(options)
        emitted = time.perf_counter() - started
        _show(item.diagnostics for item in compiled)
        output.check_writable(out, [_source(item) for item in compiled], force=force)
        roots = _roots(compiled, options)
        package = not placement.is_import_root(out, roots)
        # Without a C compiler, a native file that was built from the same module stays.
        wants_native = True if native else False if no_native else None
        current = {
            item.name
            for item in compiled
            if not force and output.is_current(out, item.name, item.text, native=wants_native)
        }
        stale = [item for item in compiled if item.name not in current]
        new = [item.name for item in stale if not output.module_path(out, item.name).exists()]
        seconds = dict.fromkeys(current, 0.0)
        with ExitStack() as stack:
            # Everything is built before anything is written.
            errors = Errors()
            modules = []
            for item in stale:
                with errors.collected():
                    file, seconds[item.name] = stack.enter_context(_built(item, out, native))
                    modules.append(output.Module(item.name, item.text, file))
            errors.raise_any()
            output.write(out, modules, package=package)
        for item in compiled:
            is_native = bool(output.own_native_files(out, item.name))
            how = "native" if is_native else "interpreted"
            if item.name in current:
                how = f"unchanged, {how}"
            elif is_native:
                how = f"native, built in {seconds[item.name]:.1f} s"
            click.echo(_report(item, out, emitted / len(compiled), how))
        _show([list(placement.remarks(out, new, roots))])


@main.command(epilog=_TARGET)
@_takes_targets
def explain(request: _Request) -> None:
    """Print the intermediate representation of graphs, or what a code such as LGC401 means."""
    codes = [target for target in request.targets if re.fullmatch(r"LGC\d+", target)]
    errors = Errors()
    with _reporting():
        for code in codes:
            if code not in CODES:
                _fail("LGC105", f"there is no diagnostic {code}", "messages name theirs")
            click.echo(section(code), nl=False)
        for target in request.targets:
            if target not in codes:
                with errors.collected():
                    _explain(replace(request, targets=(target,)).options())
        errors.raise_any()


def _explain(options: Options) -> None:
    """Prints the intermediate representation of one target, as far as it can be read."""
    try:
        for item in compile_targets(options):
            _show([item.diagnostics])
            click.echo(to_text(item.ir), nl=False)
    except CompileError as exc:
        if exc.ir is not None:
            click.echo(to_text(exc.ir), nl=False)
        raise


@main.command(epilog=_TARGET)
@_takes_targets
@_OUT
def diff(request: _Request, out: Path) -> None:
    """Show what compiling would change in DIR; exit 1 when anything."""
    changed = False
    with _reporting():
        options, out = request.options(out), _absolute(out)
        for item in compile_targets(options):
            file = display_path(output.module_path(out, item.name))
            old = output.read(out, item.name)
            if old is not None and output.same_module(old, item.text):
                continue
            lines = difflib.unified_diff(
                (old or "").splitlines(keepends=True),
                item.text.splitlines(keepends=True),
                "/dev/null" if old is None else file,
                file,
            )
            for line in lines:
                changed = True
                if not line.endswith("\n"):
                    line = f"{line}\n\\ No newline at end of file\n"
                click.echo(line, nl=False)
    sys.exit(1 if changed else 0)


@main.command(epilog=_TARGET)
@_takes_targets
@_OUT
@click.option(
    "--require-native",
    is_flag=True,
    help="A module without a native file for this Python is not current.",
)
def check(request: _Request, out: Path, require_native: bool) -> None:
    """Tell whether the modules in DIR are current; exit 1 when not."""
    stale = False
    with _reporting():
        options, out = request.options(out), _absolute(out)
        compiled = compile_targets(options)
        package = not placement.is_import_root(out, _roots(compiled, options))
        for item in compiled:
            problems = list(
                output.problems(
                    out,
                    _source(item),
                    item.text,
                    require_native=require_native,
                    package=package,
                )
            )
            for problem in problems:
                click.echo(problem)
            if problems:
                stale = True
                continue
            file = display_path(output.module_path(out, item.name))
            native = output.own_native_files(out, item.name)
            but = "" if native else f", but {output.without_native(out, item.name)}"
            click.echo(f"{file} is current{but}")
    sys.exit(1 if stale else 0)


def _source(item: Compiled) -> output.Source:
    return output.Source(item.name, str(item.target), item.root)


def _roots(compiled: Iterable[Compiled], options: Options) -> list[Path]:
    """The directories that imports start from: the targets' roots, and the top of the project."""
    roots = [item.root for item in compiled]
    return list(dict.fromkeys([*roots, project_of(options.working) or options.working]))


def _absolute(path: Path) -> Path:
    return Path(os.path.realpath(path))


@contextmanager
def _built(item: Compiled, out: Path, native: bool) -> Iterator[tuple[Path | None, float]]:
    """The native file of one module and the seconds its build took; (None, 0) without one."""
    if not native:
        yield None, 0.0
        return
    started = time.perf_counter()
    with ExitStack() as stack:
        try:
            folder, _ = stack.enter_context(workspace())
            source = folder / f"{item.name}.py"
            source.write_bytes(item.text.encode("utf-8"))
            with _progress(f"building {item.name} natively"):
                file = stack.enter_context(building(source, item.name, shown_in=_shown_in(out)))
        except NativeError as exc:
            if exc.log:
                click.echo(exc.log, err=True)
            _fail("LGC110", str(exc), "use --no-native for an interpreted module")
        except OSError as exc:
            _fail("LGC110", f"the native build of {item.name}.py failed: {exc}", "check TMPDIR")
        yield file, time.perf_counter() - started


def _shown_in(out: Path) -> str:
    """The directory that tracebacks show; "" when it is not below the working directory."""
    path = display_path(out)
    return "" if Path(path).is_absolute() else path


def _progress(title: str) -> AbstractContextManager[object]:
    """A spinner on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(title)


def _report(item: Compiled, out: Path, emitted: float, how: str) -> str:
    """The summary of one compiled target."""
    ir = item.ir
    nodes = len(ir.nodes) - 1
    branches = sum(len(node.branches) for node in ir.nodes)
    inside = len(list(ir.graphs())) - 1
    counts = [
        _count(nodes, "node"),
        _count(len(ir.channels), "channel"),
        _count(branches, "branch", "branches"),
        _count(len(ir.joins), "join"),
        *([_count(inside, "graph in a node", "graphs in nodes")] if inside else []),
    ]
    lines = [
        f"{item.target} -> {display_path(output.module_path(out, item.name))}",
        f"  {', '.join(counts)}",
    ]
    if ir.schedule is not None:
        then = {
            "ends": "the end",
            "branch": "a branch decides",
            "repeat": "they repeat",
            "more": "more that are not listed",
        }
        count = _count(len(ir.schedule.supersteps), "superstep")
        lines.append(f"  static: {count}, then {then[ir.schedule.then]}")
    if item.langgraph_chain is None:
        lines.append("  production imports no langgraph")
    else:
        lines.append(f"  production imports langgraph: {' -> '.join(item.langgraph_chain)}")
    lines.append(f"  emitted in {emitted:.2f} s; {how}")
    return "\n".join(lines)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _show(groups: Iterable[Iterable[Diagnostic]]) -> None:
    """Writes diagnostics to standard error; one that several targets have is written once."""
    for diagnostic in dict.fromkeys(chain.from_iterable(groups)):
        click.echo(render(diagnostic), err=True)


@contextmanager
def _reporting() -> Iterator[None]:
    """Turns errors of the user's and of lgc into messages and exit code 2."""
    try:
        yield
    except CompileError as exc:
        _show([exc.diagnostics])
        sys.exit(2)
    except (click.ClickException, BrokenPipeError):  # click reports them itself
        raise
    except KeyboardInterrupt:
        # Exit code 1, which click would give, means a difference.
        sys.exit(130)
    except Exception:
        traceback.print_exc()
        click.echo("this is an error in lgc: please report it", err=True)
        sys.exit(2)


def _fail(code: str, message: str, help: str) -> NoReturn:
    raise CompileError(error(code, message, help=help))


if __name__ == "__main__":
    main()
