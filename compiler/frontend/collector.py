"""Collects what is wrong with a graph, so that one run of the compiler reports all of it."""

from __future__ import annotations

from collections.abc import Callable

from lgc.compiler.diagnostics import Diagnostic, Span, advice, error, in_node
from lgc.compiler.literals import NotLiteral
from lgc.compiler.target import Target


class DiagnosticCollector:
    """The errors and notes on one graph.

    Args:
        target: where the graph comes from; None for a builder in this process.
        has_name: whether the graph can be named by the target, so that advice may speak of an
            attribute of it. The result of a function cannot.
    """

    def __init__(self, target: Target | None, has_name: bool) -> None:
        self.errors: list[Diagnostic] = []
        self.notes: list[Diagnostic] = []
        self._target = target
        self._has_name = has_name
        self._titled: Callable[[str], str] = str

    def inside(self, holder: str) -> DiagnosticCollector:
        """One for the graph that is the node `holder`; what it collects is in this one, too."""
        inner = DiagnosticCollector(self._target, has_name=False)
        inner.errors, inner.notes = self.errors, self.notes
        inner._titled = lambda message: self._titled(in_node(holder, message))
        return inner

    def fail(self, code: str, message: str, help: str, span: Span | None) -> None:
        """Adds an error."""
        self.errors.append(error(code, self._titled(message), help=help, span=span))

    def not_literal(self, title: str, reason: NotLiteral, span: Span | None) -> None:
        """Adds the error for a setting of a compiled graph that has no source."""
        self.fail(
            "LGC219",
            f"{title} cannot be written as source: {reason}",
            "pass it when running, or set it on the exported graph",
            span,
        )

    def unsupported(self, code: str, feature: str, span: Span | None) -> None:
        """Adds the error for a feature that lgc does not execute yet, with its code's advice."""
        help = advice(code)
        if self._has_name:
            help = help.replace("TARGET", str(self._target))
        self.fail(code, f"{feature}: not supported yet", help, span)
