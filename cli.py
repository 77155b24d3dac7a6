"""The command line: `lgc compile`, `explain`, `diff` and `check`.

Exit codes: 0 fine; 1 `diff` and `check` found a difference; 2 the input or the
tool failed. Results go to standard output, diagnostics to standard error.
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
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

try:
    import click
except ModuleNotFoundError:
    sys.exit("lgc: the compiler is not installed: pip install 'lgc[compiler]'")

from lgc import __version__
from lgc.compiler import output
from lgc.compiler.diagnostics import (
    CODES,
    CompileError,
    Diagnostic,
    display_path,
    error,
    render,
    section,
)
from lgc.compiler.ir import to_text
from lgc.compiler.native import NativeError, building, find_compiler
from lgc.compiler.pipeline import Compiled, Options, compile_targets

_TARGET = "TARGET is `package.module:attribute` or `path/file.py:attribute`."


def _targets(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and options that every command takes."""
    for decorate in (
        click.argument("targets", metavar="TARGET...", nargs=-1, required=True),
        click.option("--name", help="Name of the module (with one TARGET)."),
        click.option(
            "--root",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            default=".",
            help="What goes first on sys.path; the working directory by default.",
        ),
    ):
        command = decorate(command)
    return command


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
@_targets
@_OUT
@click.option("--no-native", is_flag=True, help="Write the Python module only.")
@click.option("--require-native", is_flag=True, help="Fail without a C compiler.")
def compile_command(
    targets: tuple[str, ...],
    name: str | None,
    root: Path,
    out: Path,
    no_native: bool,
    require_native: bool,
) -> None:
    """Compile graphs to modules in DIR, natively where there is a C compiler."""
    if no_native and require_native:
        raise click.UsageError("--no-native and --require-native exclude each other")
    with _reporting():
        options, out = _options(targets, name, root, out)
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
        for item in compiled:
            _show(item.diagnostics)
        names = [item.name for item in compiled]
        output.check_writable(out, names)
        with ExitStack() as stack:
            # Everything is built before anything is written.
            built = [stack.enter_context(_built(item, out, native)) for item in compiled]
            output.write(
                out,
                [
                    output.Module(item.name, item.text, file)
                    for item, (file, _) in zip(compiled, built, strict=True)
                ],
            )
        for item, (_, seconds) in zip(compiled, built, strict=True):
            click.echo(_report(item, out, emitted / len(compiled), seconds))
        _show(output.ignored(out, names))


@main.command(epilog=_TARGET)
@_targets
def explain(targets: tuple[str, ...], name: str | None, root: Path) -> None:
    """Print the intermediate representation of graphs, or what a code such as LGC202 means."""
    codes = [target for target in targets if re.fullmatch(r"LGC\d+", target)]
    with _reporting():
        for code in codes:
            if code not in CODES:
                _fail("LGC105", f"there is no diagnostic {code}", "messages name theirs")
            click.echo(section(code), nl=False)
        graphs = tuple(target for target in targets if target not in codes)
        try:
            for item in compile_targets(_options(graphs, name, root)[0]):
                _show(item.diagnostics)
                click.echo(to_text(item.ir), nl=False)
        except CompileError as exc:
            if exc.ir is not None:
                click.echo(to_text(exc.ir), nl=False)
            raise


@main.command(epilog=_TARGET)
@_targets
@_OUT
def diff(targets: tuple[str, ...], name: str | None, root: Path, out: Path) -> None:
    """Show what compiling would change in DIR; exit 1 when anything."""
    changed = False
    with _reporting():
        options, out = _options(targets, name, root, out)
        for item in compile_targets(options):
            shown = display_path(output.module_path(out, item.name))
            old = output.read(out, item.name)
            lines = difflib.unified_diff(
                (old or "").splitlines(keepends=True),
                item.text.splitlines(keepends=True),
                "/dev/null" if old is None else shown,
                shown,
            )
            for line in lines:
                changed = True
                whole = line.endswith("\n")
                click.echo(line if whole else f"{line}\n\\ No newline at end of file\n", nl=False)
    sys.exit(1 if changed else 0)


@main.command(epilog=_TARGET)
@_targets
@_OUT
def check(targets: tuple[str, ...], name: str | None, root: Path, out: Path) -> None:
    """Tell whether the modules in DIR are current; exit 1 when not."""
    stale = False
    with _reporting():
        options, out = _options(targets, name, root, out)
        for item in compile_targets(options):
            found = list(output.problems(out, item.name, item.text))
            for problem in found:
                click.echo(problem)
            if found:
                stale = True
            else:
                click.echo(f"{display_path(output.module_path(out, item.name))} is current")
    sys.exit(1 if stale else 0)


def _options(
    targets: tuple[str, ...], name: str | None, root: Path, out: Path = Path("build")
) -> tuple[Options, Path]:
    """The options of a command, and `out` as it stays when the user's code changes directory."""
    if name is not None and len(targets) > 1:
        raise click.UsageError("--name goes with one TARGET")
    if not str(out).isprintable():
        # It stands in the header of the modules.
        raise click.UsageError(f"-o {str(out)!r}: not a printable name")
    absolute = Path(os.path.realpath(out))
    return Options(targets, Path(os.path.realpath(root)), absolute, name), absolute


@contextmanager
def _built(item: Compiled, out: Path, native: bool) -> Iterator[tuple[Path | None, float]]:
    """The native file of one module and the seconds it took; (None, 0) without one."""
    if not native:
        yield None, 0.0
        return
    started = time.perf_counter()
    with TemporaryDirectory(prefix="lgc-source-") as folder, ExitStack() as stack:
        source = Path(folder, f"{item.name}.py")
        source.write_bytes(item.text.encode("utf-8"))
        try:
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
    """The directory as tracebacks are to show it."""
    shown = display_path(out)
    return "" if Path(shown).is_absolute() else shown


def _progress(title: str) -> AbstractContextManager[object]:
    """A spinner on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(title)


def _report(item: Compiled, out: Path, emitted: float, native: float) -> str:
    """What was done, for people."""
    ir = item.ir
    nodes = len(ir.nodes) - 1
    branches = sum(len(node.branches) for node in ir.nodes)
    lines = [
        f"{item.target} -> {display_path(output.module_path(out, item.name))}",
        f"  {_count(nodes, 'node')}, {_count(len(ir.channels), 'channel')}, "
        f"{_count(branches, 'branch', 'branches')}, {_count(len(ir.joins), 'join')}",
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
    built = "interpreted" if not native else f"native, built in {native:.1f} s"
    lines.append(f"  emitted in {emitted:.2f} s; {built}")
    return "\n".join(lines)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _show(diagnostics: Iterable[Diagnostic]) -> None:
    for diagnostic in diagnostics:
        click.echo(render(diagnostic), err=True)


@contextmanager
def _reporting() -> Iterator[None]:
    """Turns what the user did wrong into messages and exit code 2."""
    try:
        yield
    except CompileError as exc:
        _show(exc.diagnostics)
        sys.exit(2)
    except (click.ClickException, BrokenPipeError):  # click's to report
        raise
    except KeyboardInterrupt:
        # 1, as click has it, would say that a difference was found; so would Python's below.
        sys.exit(130)
    except Exception:
        traceback.print_exc()
        click.echo("this is an error in lgc: please report it", err=True)
        sys.exit(2)


def _fail(code: str, message: str, help: str) -> NoReturn:
    raise CompileError(error(code, message, help=help))


if __name__ == "__main__":
    main()
