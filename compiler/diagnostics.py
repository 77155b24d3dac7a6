"""The compiler's messages to the user: coded, and pointing at a line of their source.

Codes are stable, documented in docs/diagnostics.md, and grouped: LGC1xx the input, LGC2xx a
feature of the graph that is not executed yet, LGC3xx linking and output, LGC4xx lint.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lgc.compiler.ir import GraphIR

Severity = Literal["error", "warning", "note"]

CODES: dict[str, str] = {
    "LGC101": "no such module",
    "LGC102": "no such attribute",
    "LGC103": "not a graph",
    "LGC104": "importing the module raised an exception",
    "LGC105": "malformed target",
    "LGC106": "the factory cannot be called",
    "LGC107": "two targets with one name",
    "LGC108": "output directory not usable",
    "LGC109": "no C compiler",
    "LGC110": "native build failed",
    "LGC111": "the graph does not validate",
    "LGC112": "unsupported LangGraph version",
    "LGC113": "module name not usable",
    "LGC114": "LangGraph newer than tested",
    "LGC115": "module imported under two names",
    "LGC116": "environment not read",
    "LGC206": "retry policy not supported",
    "LGC207": "cache policy not supported",
    "LGC218": "state key named like an internal channel not supported",
    "LGC219": "bound value not supported",
    "LGC221": "graph changed after compile",
    "LGC301": "callable linked through the builder",
    "LGC303": "output directory is ignored by git",
    "LGC304": "bound saver, store or cache is not baked in",
    "LGC305": "file was not written by lgc",
    "LGC306": "module of another source",
    "LGC307": "output directory has no importable name",
    "LGC308": "output directory hides a package",
    "LGC401": "unreachable node",
}


@dataclass(frozen=True)
class Span:
    """A stretch of one source line.

    `line` and the columns are 1-based and count characters; `end_column` is the first column
    after the span. `text` is the whole line, without its line break.
    """

    file: str
    line: int
    column: int
    end_column: int
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """One message. Raises ValueError when `code` is not in `CODES`."""

    code: str
    severity: Severity
    message: str
    help: str = ""
    span: Span | None = None

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"unregistered diagnostic code {self.code!r}")


class CompileError(Exception):
    """Input that cannot be compiled; carries one Diagnostic or more, and prints as them.

    Args:
        diagnostics: what is wrong.
        ir: the graph, as far as it was read.
        span_of: where a node is added: its name, and the nodes that lead to its graph.
    """

    def __init__(
        self,
        *diagnostics: Diagnostic,
        ir: GraphIR | None = None,
        span_of: Callable[[str, tuple[str, ...]], Span | None] | None = None,
    ) -> None:
        if not diagnostics:
            raise ValueError("a CompileError needs a diagnostic")
        super().__init__(*diagnostics)
        self.diagnostics: tuple[Diagnostic, ...] = diagnostics
        self.ir = ir
        self.span_of = span_of

    def __reduce__(self) -> tuple[type[CompileError], tuple[Diagnostic, ...]]:
        # `ir` and `span_of` are dropped: spans are looked up with live objects, which cannot be
        # pickled.
        return CompileError, self.diagnostics

    def __str__(self) -> str:
        return render_all(self.diagnostics)


def error(code: str, message: str, *, help: str = "", span: Span | None = None) -> Diagnostic:
    """A Diagnostic that ends compilation. Raises ValueError for an unregistered code."""
    return Diagnostic(code, "error", message, help, span)


def warning(code: str, message: str, *, help: str = "", span: Span | None = None) -> Diagnostic:
    """A Diagnostic about something likely wrong. Raises ValueError for an unregistered code."""
    return Diagnostic(code, "warning", message, help, span)


def note(code: str, message: str, *, help: str = "", span: Span | None = None) -> Diagnostic:
    """A Diagnostic for information only. Raises ValueError for an unregistered code."""
    return Diagnostic(code, "note", message, help, span)


@cache
def _sections() -> dict[str, str]:
    """The sections of docs/diagnostics.md by code; the file is part of the package."""
    text = (Path(__file__).parents[1] / "docs" / "diagnostics.md").read_text(encoding="utf-8")
    parts = re.split(r"^##+ ", text, flags=re.MULTILINE)
    return {part[:6]: part.strip() + "\n" for part in parts if part[:6] in CODES}


def section(code: str) -> str:
    """What docs/diagnostics.md says of a code, its heading first.

    Raises:
        KeyError: there is no such code.
    """
    return _sections()[code]


def advice(code: str) -> str:
    """The "Do" of a code's section on one line, without its full stop.

    Raises:
        KeyError: there is no such code.
    """
    _, _, text = section(code).partition("**Do.** ")
    words = " ".join(text.split()).removesuffix(".")
    return words[:1].lower() + words[1:]


def in_node(holder: str, message: str) -> str:
    """A message on a graph that is the node `holder` of another."""
    return f"in node `{holder}`: {message}"


def display_path(path: str | Path) -> str:
    """`path` as messages show it: relative when it lies below the working directory."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the working directory is gone
        return str(path)


def render(d: Diagnostic) -> str:
    """The text of `d`, without colours or a final line break.

    `file:line:column: severity CODE: message`, then the source line with carets under the
    span, then the help; without a span only the message and the help.
    """
    # Continuation lines are indented, so that every line at the margin starts a diagnostic.
    lines = [f"{d.severity} {d.code}: {d.message}".replace("\n", "\n  ")]
    if d.span is not None:
        lines[0] = f"{display_path(d.span.file)}:{d.span.line}:{d.span.column}: {lines[0]}"
        lines += _snippet(d.span)
    if d.help:
        lines.append("  help: " + d.help.replace("\n", "\n        "))
    return "\n".join(lines)


def render_all(diagnostics: Iterable[Diagnostic]) -> str:
    """The texts of `diagnostics` in their order, an empty line between two."""
    return "\n\n".join(render(d) for d in diagnostics)


def _snippet(span: Span) -> list[str]:
    number = str(span.line)
    gutter = " " * len(number) + " |"
    before, marked = span.text[: span.column - 1], span.text[span.column - 1 : span.end_column - 1]
    # A tab stays a tab, so that the carets line up at any tab width.
    indent = "".join("\t" if c == "\t" else " " * _width(c) for c in before)
    carets = "^" * max(1, sum(map(_width, marked)))
    return [gutter, f"{number} | {span.text}".rstrip(), f"{gutter} {indent}{carets}", gutter]


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
