"""From a TARGET to the text of its module: what the commands have in common."""

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
    """What was asked for; the paths are absolute.

    Attributes:
        targets: TARGETs as written.
        root: `--root`, what goes first on `sys.path`; None when the target is to tell.
        working: the working directory.
        out: the output directory; None when nothing is written (`explain`).
        name: `--name`; only with one target.
        env_file: `--env-file`, in place of what `langgraph.json` names.
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
        target, name: what was compiled, and what its module is called.
        root: what went first on `sys.path`.
        ir: annotated by the passes.
        text: the module.
        diagnostics: warnings and notes.
        langgraph_chain: the imports by which the module brings in langgraph.
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
        CompileError: targets cannot be compiled, two get one name (LGC107), or a name is of no
            use (LGC113). All that is wrong with any of them is in it.
    """
    errors = Errors()
    # Before anything of the user's is imported, which another LangGraph breaks in its own way.
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
    """What is wrong, from several attempts that each may raise a CompileError."""

    def __init__(self) -> None:
        self._diagnostics: dict[Diagnostic, None] = {}
        self._ir: GraphIR | None = None

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keeps the diagnostics of a CompileError of the body; each is told once."""
        try:
            yield
        except CompileError as exc:
            self._diagnostics.update(dict.fromkeys(exc.diagnostics))
            self._ir = exc.ir

    def raise_any(self) -> None:
        """Raises CompileError with all diagnostics so far, and the IR of what was refused last."""
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
    """Raises CompileError when a module called `name` would stand for one that it imports."""
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
    # What the user's module prints is no result of ours.
    with redirect_stdout(sys.stderr), variables(values):
        loaded = load(target, root, project)
        check_imported_once(loaded.module, before)
        # Imported late: it brings in langgraph, which a malformed TARGET need not pay for.
        from lgc.compiler.frontend import analyse

        try:
            analysis = analyse(loaded)
        except CompileError as exc:
            span_of = exc.span_of
            if exc.ir is None or span_of is None:
                raise
            # What is wrong in the graph itself is said of one that is refused, too.
            ir, said = run_passes(exc.ir)
            lint = (replace(d, span=span_of(n)) for d, n in said if d.code.startswith("LGC4"))
            raise CompileError(*exc.diagnostics, *lint, ir=ir) from exc
    ir, said = run_passes(analysis.ir)
    text = emit(ir, _command(name, rooted, options))
    modules = tuple(dict.fromkeys(item.module for item in ir.imports))
    _check_apart(name, target, modules)
    located = (replace(d, span=analysis.span_of(node)) for d, node in said)
    diagnostics = (*notes, *analysis.notes, *located)
    return Compiled(target, name, root, ir, text, diagnostics, langgraph_chain(modules))


def _command(name: str, rooted: Rooted, options: Options) -> str:
    """The command that makes the module again, in the top directory of the user's project.

    It has no absolute path. What lies outside of the project is a placeholder.
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
    """`path` from `start`: below or beside it, which is the project's; else `placeholder`."""
    relative = Path(os.path.relpath(path, start))
    return placeholder if relative.parts.count("..") > 1 else relative.as_posix()
