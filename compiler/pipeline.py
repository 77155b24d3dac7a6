"""From a TARGET to the text of its module: what the commands have in common."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from keyword import iskeyword
from pathlib import Path

from lgc.compiler.diagnostics import CompileError, Diagnostic, error
from lgc.compiler.emit import emit
from lgc.compiler.imports import langgraph_chain
from lgc.compiler.ir import GraphIR
from lgc.compiler.passes import run_passes
from lgc.compiler.target import Target, default_name, load, parse_target


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Attributes:
        targets: TARGETs as written.
        root: what goes first on `sys.path`.
        out: the output directory; None when nothing is written (`explain`).
        name: `--name`; only with one target.
    """

    targets: tuple[str, ...]
    root: Path
    out: Path | None = None
    name: str | None = None


@dataclass(frozen=True)
class Compiled:
    """One compiled target.

    Attributes:
        target, name: what was compiled, and what its module is called.
        ir: annotated by the passes.
        text: the module.
        diagnostics: warnings and notes.
        langgraph_chain: the imports by which the module brings in langgraph.
    """

    target: Target
    name: str
    ir: GraphIR
    text: str
    diagnostics: tuple[Diagnostic, ...]
    langgraph_chain: tuple[str, ...] | None


def compile_targets(options: Options) -> list[Compiled]:
    """Compiles every target; nothing is written.

    Raises:
        CompileError: a target cannot be compiled, two get one name (LGC107), or a
            name is of no use (LGC113).
    """
    targets = [parse_target(text, options.root) for text in options.targets]
    named = [
        (default_name(target) if options.name is None else options.name, target)
        for target in targets
    ]
    seen: dict[str, Target] = {}
    for name, target in named:
        _check_name(name, target)
        if name in seen:
            raise CompileError(
                error(
                    "LGC107",
                    f"{seen[name]} and {target} would both be written as {name}.py",
                    help="compile one of them by itself with --name",
                )
            )
        seen[name] = target
    return [_compile(name, target, options) for name, target in named]


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


def _compile(name: str, target: Target, options: Options) -> Compiled:
    # What the user's module prints is no result of ours.
    with redirect_stdout(sys.stderr):
        loaded = load(target, options.root)
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
    text = emit(ir, _command(name, target, options))
    modules = tuple(dict.fromkeys(item.module for item in ir.imports))
    _check_apart(name, target, modules)
    located = (replace(d, span=analysis.span_of(node)) for d, node in said)
    diagnostics = (*analysis.notes, *located)
    return Compiled(target, name, ir, text, diagnostics, langgraph_chain(modules))


def _command(name: str, target: Target, options: Options) -> str:
    """The command that makes the module again, from the root; no absolute path."""
    out = options.root / "build" if options.out is None else options.out
    words = ["lgc", "compile", str(target), "-o", _portable(out, options)]
    if name != default_name(target):
        words += ["--name", name]
    return shlex.join(words)


def _portable(path: Path, options: Options) -> str:
    """`path` from the root: below or beside it, which is the project's; else a placeholder."""
    relative = Path(os.path.relpath(path, options.root))
    return "DIR" if relative.parts.count("..") > 1 else relative.as_posix()
