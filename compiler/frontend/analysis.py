"""The entries of the frontend: a loaded target, or a live builder, becomes an Analysis."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from langgraph.graph.state import StateGraph
from langgraph.pregel import Pregel

from lgc.compiler.diagnostics import CompileError, Diagnostic, Span, error, note
from lgc.compiler.frontend.builder import BuilderReader
from lgc.compiler.frontend.collector import DiagnosticCollector
from lgc.compiler.frontend.compiled import Settings, is_compiled, settings_of
from lgc.compiler.frontend.positions import Positions
from lgc.compiler.frontend.validity import Builder, validate
from lgc.compiler.ir import GraphIR
from lgc.compiler.references import References
from lgc.compiler.requirements import untested_langgraph, wrong_langgraph
from lgc.compiler.source_map import SourceMap
from lgc.compiler.target import Loaded, Target
from lgc.runtime.graph import CompiledGraph


@dataclass(frozen=True)
class Analysis:
    """A graph that the compiler can handle.

    Attributes:
        ir: the graph, before the passes.
        notes: diagnostics that do not stop the compiler.
        span_of: where a node was added, or else where its function is, when the source tells; of
            a node's name and the nodes that lead to its graph.
    """

    ir: GraphIR
    notes: tuple[Diagnostic, ...]
    span_of: Callable[[str, tuple[str, ...]], Span | None]


def analyse(loaded: Loaded) -> Analysis:
    """Reads a loaded target.

    Args:
        loaded: the object and where it came from.

    Raises:
        CompileError: it is no graph, LangGraph finds it invalid, or it uses what
            lgc cannot execute yet; every such place is reported.
    """
    installed = version("langgraph")
    untested = _check_version(installed)
    target = loaded.target
    file = getattr(loaded.module, "__file__", None)
    source = SourceMap.of_file(Path(file)) if file else SourceMap()
    collector = DiagnosticCollector(target, has_name=not loaded.called)
    collector.notes += untested
    builder = loaded.obj
    facts: dict[str, Any] = {"target": str(target), "langgraph": installed}
    if is_compiled(builder):
        span = source.call("compile", scope=target.attr)
        settings = settings_of(
            builder, lambda code, feature: collector.unsupported(code, feature, span)
        )
        builder = settings.builder
        facts |= settings.facts(
            lambda keyword, exc: collector.not_literal(f"{keyword} of {target}", exc, span)
        )
        collector.notes += _left_out(settings, target)
    if not isinstance(builder, StateGraph):
        raise CompileError(_not_a_graph(loaded, builder, source.definition(target.attr)))
    positions = Positions(builder, target, source)
    try:
        validate(builder)
    except ValueError as exc:
        raise CompileError(
            error(
                "LGC111",
                str(exc),
                help="LangGraph's own compile() refuses this graph too",
                span=positions.constructor(),
            )
        ) from exc
    references = References(loaded.module)
    return _read(BuilderReader(builder, references, positions, collector), facts)


def analyse_live(builder: Builder) -> Analysis:
    """Reads a builder whose module is rendered, executed and bound in this process.

    Args:
        builder: a valid one; no source is read, and nothing has a position.

    Raises:
        CompileError: it uses what lgc cannot execute yet; no diagnostic has a span.
    """
    collector = DiagnosticCollector(None, has_name=False)
    collector.notes += _check_version(_installed())
    positions = Positions(builder, None, SourceMap())
    reader = BuilderReader(builder, References(None), positions, collector)
    return _read(reader, {"langgraph": _installed()})


def _read(reader: BuilderReader, facts: dict[str, Any]) -> Analysis:
    """What a builder is read as.

    Args:
        reader: reads the builder.
        facts: fields of the GraphIR that the builder does not know.
    """
    ir = dataclasses.replace(reader.graph(), **facts)
    span_of = reader.span_of
    if reader.collector.errors:
        raise CompileError(*reader.collector.errors, ir=ir, span_of=span_of)
    return Analysis(ir, tuple(reader.collector.notes), span_of)


def _left_out(settings: Settings, target: Target) -> Iterator[Diagnostic]:
    """The notes on a bound saver, store or cache: those of the exported graph are given at run
    time."""
    for attribute in ("checkpointer", "store", "cache"):
        if getattr(settings, attribute):
            yield note(
                "LGC304",
                f"{target} has a {attribute}; it is not baked into the module",
                help="pass it to the generated module's compile()",
            )


def _not_a_graph(loaded: Loaded, obj: object, span: Span | None) -> Diagnostic:
    subject = f"{loaded.target} " + ("returned" if loaded.called else "is")
    if isinstance(obj, CompiledGraph):
        return error(
            "LGC103",
            f"{subject} a graph that lgc has compiled",
            help="name the builder that it was compiled from",
            span=span,
        )
    if not isinstance(obj, Pregel):
        return error(
            "LGC103",
            f"{subject} an object of type {type(loaded.obj).__name__}, not a graph",
            help="name a StateGraph, what its compile() returned, or a function that returns one",
            span=span,
        )
    # What @entrypoint makes stores what the function returned last.
    functional = "__previous__" in obj.channels
    kind = "an @entrypoint of LangGraph's functional API" if functional else "a Pregel object"
    return error(
        "LGC103",
        f"{subject} {kind}; lgc compiles what a StateGraph makes",
        help="write it as a StateGraph whose nodes are its tasks"
        if functional
        else "build it with a StateGraph",
        span=span,
    )


@cache
def _installed() -> str:
    return version("langgraph")


_noted: set[str] = set()
"""The versions that LGC114 was reported for: once each in a process."""


def _check_version(text: str) -> list[Diagnostic]:
    """Refuses a LangGraph that lgc does not know, and notes one that is newer than all tested."""
    wrong = wrong_langgraph(text)
    if wrong is not None:
        raise CompileError(error("LGC112", wrong[0], help=wrong[1]))
    untested = untested_langgraph(text)
    if untested is None or text in _noted:
        return []
    _noted.add(text)
    return [note("LGC114", untested, help="upgrade lgc, or test your graphs on both engines")]
