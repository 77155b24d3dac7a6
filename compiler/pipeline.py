"""From a TARGET to the text of its module: the part that all commands share."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from keyword import iskeyword
from pathlib import Path

from lgc.compiler.diagnostics import CompileError, Diagnostic, error
from lgc.compiler.emit import emit
from lgc.compiler.environment import of_file, of_project, variables
from lgc.compiler.ir import GraphIR
from lgc.compiler.langgraph_chain import langgraph_chain
from lgc.compiler.passes import run_passes
from lgc.compiler.project import pasting_directory, project_of
from lgc.compiler.requirements import installed_langgraph, wrong_langgraph
from lgc.compiler.rooting import Rooted, check_imported_once, root_target
from lgc.compiler.target import Target, default_name, load


@dataclass(frozen=True)
class Options:
    """The options of a command; paths are absolute.

    Attributes:
        targets: TARGETs as written.
        root: `--root`, the first entry of `sys.path`; None when it follows from the target.
        working: the working directory.
        out: the output directory; None when nothing is written (`explain`).
        name: `--name`; only with one target.
        env_file: `--env-file`, in place of the file that `langgraph.json` names.
    """

    targets: tuple[str, ...]
    root: Path | None
    working: Path
    out: Path | None = None
    name: str | None = None
    env_file: Path | None = None


@dataclass(frozen=True)
class Compiled:
    """One compiled target.

    Attributes:
        target: the TARGET.
        name: the name of its module.
        root: the first entry of `sys.path` while it was imported.
        ir: annotated by the passes.
        text: the module.
        diagnostics: warnings and notes.
        langgraph_chain: the imports by which the module brings in langgraph; None if it does not.
    """

    target: Target
    name: str
    root: Path
    ir: GraphIR
    text: str
    diagnostics: tuple[Diagnostic, ...]
    langgraph_chain: tuple[str, ...] | None


def compile_targets(options: Options) -> list[Compiled]:
    """Compiles every target; nothing is written.

    Raises:
        CompileError: targets cannot be compiled, two get one name (LGC107), or a name cannot be
            used (LGC113). It holds the errors of all targets.
    """
    errors = Errors()
    # Before any module of the user's is imported: with another LangGraph that fails less clearly.
    with errors.collected():
        wrong = wrong_langgraph(installed_langgraph())
        if wrong is not None:
            raise CompileError(error("LGC112", wrong[0], help=wrong[1]))
    errors.raise_any()
    named: dict[str, Rooted] = {}
    for text in options.targets:
        with errors.collected():
            rooted = root_target(text, options.root, options.working)
            name = default_name(rooted.target) if options.name is None else options.name
            _check_name(name, rooted.target)
            if name in named:
                raise CompileError(
                    error(
                        "LGC107",
                        f"{named[name].target} and {rooted.target} would both be written as "
                        f"{name}.py",
                        help="compile one of them by itself with --name",
                    )
                )
            named[name] = rooted
    compiled = []
    for name, rooted in named.items():
        with errors.collected():
            compiled.append(_compile(name, rooted, options))
    errors.raise_any()
    return compiled


class Errors:
    """Collects the diagnostics of several attempts, each of which may raise a CompileError."""

    def __init__(self) -> None:
        self._diagnostics: dict[Diagnostic, None] = {}
        self._ir: GraphIR | None = None

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keeps the diagnostics of a CompileError that the body raises; equal ones once."""
        try:
            yield
        except CompileError as exc:
            self._diagnostics.update(dict.fromkeys(exc.diagnostics))
            self._ir = exc.ir

    def raise_any(self) -> None:
        """Raises CompileError with all diagnostics so far, and the IR of the last refused graph."""
        if self._diagnostics:
            raise CompileError(*self._diagnostics, ir=self._ir)


def _check_name(name: str, target: Target) -> None:
    """Raises CompileError unless a module called `name` can be imported and built."""
    special = name.startswith("__") and name.endswith("__")
    if name.isidentifier() and name.isascii() and not iskeyword(name) and not special:
        return
    raise CompileError(
        error(
            "LGC113",
            f"{target} cannot be written as {name}.py: a module needs an ASCII identifier for "
            "its name, not a keyword",
            help="give it another name with --name",
        )
    )


def _check_apart(name: str, target: Target, modules: tuple[str, ...]) -> None:
    """Raises CompileError when a module called `name` would hide one that it imports."""
    if any(module.partition(".")[0] == name for module in modules):
        raise CompileError(
            error(
                "LGC113",
                f"{target} cannot be written as {name}.py: it imports the user's {name}",
                help="give it another name with --name",
            )
        )


def _compile(name: str, rooted: Rooted, options: Options) -> Compiled:
    target, root = rooted.target, rooted.root
    project = project_of(root) or options.working
    if options.env_file is not None:
        values, notes = of_file(options.env_file)
    else:
        values, notes = of_project(project)
    before = set(sys.modules)
    # Output of the user's module must not mix with the results on standard output.
    with redirect_stdout(sys.stderr), variables(values):
        loaded = load(target, root, project)
        check_imported_once(loaded.module, before)
        # Imported here because it brings in langgraph, which takes a second: an error in the
        # TARGET is reported without it.
        from lgc.compiler.frontend import analyse

        try:
            analysis = analyse(loaded)
        except CompileError as exc:
            span_of = exc.span_of
            if exc.ir is None or span_of is None:
                raise
            # Lint is reported of a refused graph, too.
            ir, node_diagnostics = run_passes(exc.ir)
            lint = [
                replace(diagnostic, span=span_of(node, path))
                for diagnostic, node, path in node_diagnostics
                if diagnostic.code.startswith("LGC4")
            ]
            raise CompileError(*exc.diagnostics, *lint, ir=ir) from exc
    ir, node_diagnostics = run_passes(analysis.ir)
    text = emit(ir, _command(name, rooted, options))
    modules = tuple(dict.fromkeys(i.module for i in ir.imports if not i.is_for_types))
    _check_apart(name, target, modules)
    located = [replace(d, span=analysis.span_of(node, path)) for d, node, path in node_diagnostics]
    diagnostics = (*notes, *analysis.notes, *located)
    return Compiled(target, name, root, ir, text, diagnostics, langgraph_chain(modules))


def _command(name: str, rooted: Rooted, options: Options) -> str:
    """The command that regenerates the module, given in the top directory of the user's project.

    It has no absolute path: a placeholder stands for a path outside of the project.
    """
    out = options.working / "build" if options.out is None else options.out
    start = pasting_directory(rooted.root, out, options.working)
    words = ["lgc", "compile", str(rooted.target)]
    if rooted.root != start:
        words += ["--root", _portable(rooted.root, start, "ROOT")]
    words += ["-o", _portable(out, start, "DIR")]
    if name != default_name(rooted.target):
        words += ["--name", name]
    if options.env_file is not None:
        words += ["--env-file", _portable(options.env_file, start, "FILE")]
    return shlex.join(words)


def _portable(path: Path, start: Path, placeholder: str) -> str:
    """`path` relative to `start`, if it is below `start` or beside it; else `placeholder`."""
    relative = Path(os.path.relpath(path, start))
    return placeholder if relative.parts.count("..") > 1 else relative.as_posix()
