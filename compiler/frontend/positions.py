"""Where in the user's source the parts of a builder are, for the frontend's diagnostics."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from lgc.compiler.diagnostics import Span
from lgc.compiler.frontend.runnables import bodies_of
from lgc.compiler.frontend.validity import Builder
from lgc.compiler.source_map import SourceMap, span_of_code
from lgc.compiler.target import Target

_LIBRARIES = frozenset(("langchain", "langchain_core", "langgraph"))
"""The packages whose files are none of the user's: no message points into them."""

_NO_SCOPE: Final = "."
"""No variable: of the calls in a file, only one that passes the node's own function counts."""


class Positions:
    """Spans for one builder; None where the source does not tell.

    Args:
        builder: the builder.
        target: where it comes from; None for a builder in this process, which has no spans.
        source: the file of the target.
        graph: what was compiled of the builder, if that is a node; None for the target's.
    """

    def __init__(
        self, builder: Builder, target: Target | None, source: SourceMap, graph: object = None
    ) -> None:
        self._builder = builder
        self._target = target
        self._source = source
        self._graph = graph

    def of_graph(self, graph: Any) -> Positions:
        """The spans of a compiled graph that is a node."""
        return Positions(graph.builder, self._target, self._source, graph)

    def constructor(self) -> Span | None:
        """Where the builder is made."""
        schema = getattr(self._builder.state_schema, "__name__", "")
        for source, scope in self._places(type(self._builder)):
            span = source.constructor(scope=scope, names={schema})
            if span is not None:
                return span
        return None

    def call(self, method: str) -> Span | None:
        """Where a method of the builder is called."""
        spans = (source.call(method, scope=scope) for source, scope in self._places())
        return next((span for span in spans if span is not None), None)

    def node(self, name: str, keyword: str = "") -> Span | None:
        """Where a node is added, else where its function is defined.

        Args:
            name: the node; a name that is none has no span.
            keyword: the argument of the call to point at, when it is written there.
        """
        spec = self._builder.nodes.get(name)
        if spec is None:
            return None
        bodies = bodies_of(spec.runnable)
        for source, scope in self._places(type(self._builder), *bodies):
            span = source.node(name, scope=scope, keyword=keyword, names=self._names_of(bodies))
            if span is not None:
                return span
        return self._function(spec.runnable)

    def _function(self, runnable: Any) -> Span | None:
        codes = (getattr(body, "__code__", None) for body in bodies_of(runnable))
        code = next((code for code in codes if code is not None), None)
        return None if self._target is None or code is None else span_of_code(code)

    def _places(self, *objects: object) -> list[tuple[SourceMap, str]]:
        """The files where the graph may be built, each with the scope of its calls there.

        They are the target's file, those that define `objects`, and, for a graph that is a node,
        before them those in which it has a name.
        """
        if self._target is None:
            return []
        modules = [getattr(obj, "__module__", None) or "" for obj in objects]
        files = [SourceMap.of_file(file) for file in map(_file_of, modules) if file is not None]
        scope = self._target.attr if self._graph is None else _NO_SCOPE
        return [*self._named, *((source, scope) for source in (self._source, *files))]

    @cached_property
    def _named(self) -> list[tuple[SourceMap, str]]:
        """The files in which a graph that is a node has a name, and the name."""
        if self._graph is None or self._target is None:
            return []
        places = []
        own = self._target.module
        names = sorted(sys.modules, key=lambda name: name != own)
        for file, module in ((_file_of(name), sys.modules[name]) for name in names):
            if file is None:
                continue
            for name, value in vars(module).items():
                if value is self._builder or value is self._graph:
                    places.append((SourceMap.of_file(file), name))
        return places

    def _names_of(self, bodies: list[Any]) -> set[str]:
        """What a call may call a node by: the names of its function, and the module's for it."""
        module = sys.modules.get(self._target.module) if self._target is not None else None
        own_names = {getattr(body, "__name__", type(body).__name__) for body in bodies}
        by_module = vars(module).items() if module is not None else ()
        return own_names | {name for name, value in by_module if any(value is b for b in bodies)}


def _file_of(name: str) -> Path | None:
    """The file of a loaded module of the user's."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return Path(file) if file and name.partition(".")[0] not in _LIBRARIES else None
