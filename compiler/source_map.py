"""Where in the user's source a graph is built, for diagnostics.

A live builder does not know the lines that made it, so they are looked up in the source. All
answers are best effort: None means "not written literally". Nothing that executes may depend on
them.
"""

from __future__ import annotations

import functools
import linecache
import os
import re
import sysconfig
from collections.abc import Set
from pathlib import Path
from types import CodeType

from lgc.compiler.call_positions import BuilderCall, SourceFile, scan
from lgc.compiler.diagnostics import Span


class SourceMap:
    """The calls that build graphs in one source file.

    Lookups take `scope`, the attribute of the TARGET (a builder, a compiled graph or a
    factory), and look at the calls that belong to it: those on its variable, in the function
    or class that makes it, and in the functions that the builder is passed to. Another call is
    taken only when it alone passes something called by one of `names` (the node's function, the
    state's class): no span is better than a wrong one.
    """

    def __init__(self, source: SourceFile | None = None) -> None:
        """The map of a scanned file; an empty one by default."""
        self._source = SourceFile() if source is None else source
        self._by_node: dict[str, list[BuilderCall]] = {}
        for call in self._source.calls:
            for node in call.nodes:
                self._by_node.setdefault(node, []).append(call)

    @staticmethod
    def of_file(path: Path) -> SourceMap:
        """The map of the file at `path`, read once a process; empty when it cannot be parsed."""
        return _of_file(path)

    def node(
        self, name: str, *, scope: str = "", keyword: str = "", names: Set[str] = frozenset()
    ) -> Span | None:
        """Where the node `name` is added; the argument `keyword` of that call if it has it."""
        call = self._first(self._by_node.get(name, []), scope, names)
        return call.keywords.get(keyword, call.nodes[name]) if call else None

    def constructor(self, *, scope: str = "", names: Set[str] = frozenset()) -> Span | None:
        """Where the `StateGraph`, or an object of a subclass in this file, is made."""
        return self.call("StateGraph", scope=scope, names=names)

    def call(self, method: str, *, scope: str = "", names: Set[str] = frozenset()) -> Span | None:
        """Where `method` of the builder (such as "compile") is first called."""
        call = self._first([c for c in self._source.calls if c.method == method], scope, names)
        return call.span if call else None

    def definition(self, attr: str) -> Span | None:
        """The name in the last module-level assignment, def or class of `attr`, may be dotted."""
        return self._source.definitions.get(attr)

    def _first(
        self, calls: list[BuilderCall], scope: str, names: Set[str] = frozenset()
    ) -> BuilderCall | None:
        if not scope:
            return calls[0] if calls else None
        owners: set[str] = set()
        pending = [scope.partition(".")[0]]
        while pending:
            name = pending.pop()
            if name not in owners:
                owners.add(name)
                pending += self._source.leads_to.get(name, ())
        own = [c for c in calls if owners & c.owners]
        passing = [c for c in own or calls if c.passed & names]
        if own and (len(own) == 1 or not names):
            return own[0]
        return passing[0] if len(passing) == 1 else None


@functools.cache
def _of_file(path: Path) -> SourceMap:
    return SourceMap(scan(path))


def span_of_code(code: CodeType) -> Span | None:
    """The line of the user's file on which a function begins; None for one of a library."""
    file = os.path.abspath(code.co_filename)
    places = {os.path.abspath(place) for place in sysconfig.get_paths().values()}
    library = any(file.startswith(place + os.sep) for place in places)
    if library or {"site-packages", "dist-packages"} & set(Path(file).parts):
        return None
    lines = linecache.getlines(file)
    number = code.co_firstlineno
    if code.co_name != "<lambda>":
        # Code begins at its first decorator.
        head = re.compile(rf"\s*(async\s+)?def\s+{re.escape(code.co_name)}\b")
        after = range(number, min(number + 50, len(lines) + 1))
        number = next((n for n in after if head.match(lines[n - 1])), number)
    if not 0 < number <= len(lines):
        return None
    text = lines[number - 1].rstrip("\r\n")
    begin, end = len(text) - len(text.lstrip()) + 1, len(text.rstrip()) + 1
    return Span(file, number, begin, max(begin + 1, end), text)
