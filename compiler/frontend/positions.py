"""Where in the user's source the parts of a builder are, for the frontend's diagnostics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from lgc.compiler.diagnostics import Span
from lgc.compiler.frontend.runnables import bodies_of
from lgc.compiler.frontend.validity import Builder
from lgc.compiler.source_map import SourceMap, span_of_code
from lgc.compiler.target import Target

_LIBRARIES = frozenset(("langchain", "langchain_core", "langgraph"))
"""The packages whose files are none of the user's: no message points into them."""


class Positions:
    """Spans for one builder; None where the source does not tell.

    Args:
        builder: the builder.
        target: where it comes from; None for a builder in this process, which has no spans.
        source: the file of the target.
    """

    def __init__(self, builder: Builder, target: Target | None, source: SourceMap) -> None:
        self._builder = builder
        self._target = target
        self._source = source
        self._scope = "" if target is None else target.attr

    def constructor(self) -> Span | None:
        """Where the builder is made."""
        schema = getattr(self._builder.state_schema, "__name__", "")
        for source in self._sources(type(self._builder)):
            span = source.constructor(scope=self._scope, names={schema})
            if span is not None:
                return span
        return None

    def call(self, method: str) -> Span | None:
        """Where a method of the builder is called."""
        return self._source.call(method, scope=self._scope)

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
        for source in self._sources(type(self._builder), *bodies):
            span = source.node(
                name, scope=self._scope, keyword=keyword, names=self._names_of(bodies)
            )
            if span is not None:
                return span
        return self._function(spec.runnable)

    def branch(self, node: str, name: str, path: Any) -> Span | None:
        """Where a conditional edge is added, else where its router is defined."""
        return self._source.branch(node, name, scope=self._scope) or self._function(path)

    def _function(self, runnable: Any) -> Span | None:
        codes = (getattr(body, "__code__", None) for body in bodies_of(runnable))
        code = next((code for code in codes if code is not None), None)
        return None if self._target is None or code is None else span_of_code(code)

    def _sources(self, *objects: object) -> list[SourceMap]:
        """The target's file, and those that define `objects`: a graph may be built there."""
        sources = [self._source]
        if self._target is not None:
            for obj in objects:
                name = getattr(obj, "__module__", None) or ""
                file = getattr(sys.modules.get(name), "__file__", None)
                if file and name.partition(".")[0] not in _LIBRARIES:
                    sources.append(SourceMap.of_file(Path(file)))
        return sources

    def _names_of(self, bodies: list[Any]) -> set[str]:
        """What a call may call a node by: the names of its function, and the module's for it."""
        module = sys.modules.get(self._target.module) if self._target is not None else None
        own_names = {getattr(body, "__name__", type(body).__name__) for body in bodies}
        by_module = vars(module).items() if module is not None else ()
        return own_names | {name for name, value in by_module if any(value is b for b in bodies)}
