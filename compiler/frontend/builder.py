"""Reads a StateGraph: its state keys, nodes, edges and conditional edges as IR."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

from langgraph.graph._node import StateNodeSpec

from lgc.compiler.destinations.follow import reach_of, sends_of
from lgc.compiler.diagnostics import Span
from lgc.compiler.frontend.collector import DiagnosticCollector
from lgc.compiler.frontend.injection import injection_plan
from lgc.compiler.frontend.positions import Positions
from lgc.compiler.frontend.runnables import (
    holds_graph,
    is_function_call,
    is_graph,
    wrapped_function,
)
from lgc.compiler.frontend.schema_allowlist import allowlist, is_instantiated
from lgc.compiler.frontend.state_keys import channel_ir, managed_ir
from lgc.compiler.frontend.validity import INTERNAL, Builder, reserved_names
from lgc.compiler.ir import (
    BranchIR,
    BuilderRef,
    Call,
    GraphIR,
    GraphTypes,
    JoinIR,
    NodeIR,
    Ref,
    SymbolRef,
)
from lgc.compiler.references import References

_NODE_DEFAULTS = {
    "retry_policy": "LGC206",
    "cache_policy": "LGC207",
    "timeout": "LGC208",
    "error_handler": "LGC209",
}


class BuilderReader:
    """Reads one valid builder; what lgc cannot execute goes to the collector."""

    def __init__(
        self,
        builder: Builder,
        references: References,
        positions: Positions,
        collector: DiagnosticCollector,
    ) -> None:
        self.builder = builder
        self.references = references
        self.positions = positions
        self.collector = collector
        self._order = {name: i for i, name in enumerate((*builder.nodes, "__end__"))}
        self._edges_from: defaultdict[str, list[str]] = defaultdict(list)
        for start, end in builder.edges:
            self._edges_from[start].append(end)
        self._joins = tuple(
            JoinIR(
                f"join:{'+'.join(starts)}:{end}", tuple(starts), end, bool(builder.nodes[end].defer)
            )
            for starts, end in builder.waiting_edges
            if end != "__end__"
        )
        self._joins_from: defaultdict[str, list[str]] = defaultdict(list)
        for join in self._joins:
            for start in dict.fromkeys(join.starts):
                self._joins_from[start].append(join.key)

    def graph(self) -> GraphIR:
        """The builder's IR, as of a builder in this process that nothing is bound to."""
        builder, references = self.builder, self.references
        self._refuse_names()
        self._refuse_graph_features()
        context_schema = None
        if is_instantiated(builder.context_schema):
            context_schema = references.of(builder.context_schema, BuilderRef("context_schema"))
        return GraphIR(
            target="",
            name="LangGraph",
            langgraph="",
            channels=tuple(channel_ir(k, c, references) for k, c in builder.channels.items()),
            nodes=tuple(map(self._node, ["__start__", *builder.nodes])),
            joins=self._joins,
            inputs=self._stored_keys(builder.input_schema),
            outputs=self._stored_keys(builder.output_schema),
            output_schema=self._schema(builder.output_schema, BuilderRef("schema", "__end__")),
            state_schema=self._schema(builder.state_schema, BuilderRef("schema", "__start__")),
            managed=tuple(managed_ir(k, cls, references) for k, cls in builder.managed.items()),
            context_schema=context_schema,
            allowlist=allowlist(builder),
            types=GraphTypes(
                self._type(builder.state_schema),
                self._type(builder.context_schema),
                self._type(builder.input_schema),
                self._type(builder.output_schema),
            ),
        )

    # -- the graph as a whole -------------------------------------------------------

    def _refuse_names(self) -> None:
        reserved = list(reserved_names(self.builder))
        for name in reserved:
            self.collector.fail(
                "LGC111",
                name.text,
                "rename it: LangGraph's own compile() refuses this graph too",
                self.positions.node(name.node) if name.node else self.positions.constructor(),
            )
        for key in () if reserved else (*self.builder.channels, *self.builder.managed):
            if key in INTERNAL or key.startswith(("branch:to:", "join:")):
                self.collector.fail(
                    "LGC218",
                    f"state key `{key}` has the name of an internal channel",
                    "rename the key",
                    self.positions.constructor(),
                )

    def _refuse_graph_features(self) -> None:
        constructor = self.positions.constructor()
        span = self.positions.call("set_node_defaults") or constructor
        for keyword, code in _NODE_DEFAULTS.items():
            if getattr(self.builder._node_defaults, keyword) is not None:
                self.collector.unsupported(code, f"set_node_defaults({keyword}=...)", span)

    def _keys(self, schema: Any) -> tuple[str, ...] | None:
        """The keys of a schema, managed ones last; None for the root value."""
        keys = tuple(self.builder.schemas[schema])
        return None if keys == ("__root__",) else keys

    def _stored_keys(self, schema: Any) -> tuple[str, ...] | None:
        """The keys of a schema that are not managed; None for the root value."""
        keys = self._keys(schema)
        return None if keys is None else tuple(k for k in keys if k not in self.builder.managed)

    def _schema(self, schema: Any, on_builder: BuilderRef) -> Ref | None:
        """The class that a dict of the state is made into (graph/state.py:_pick_mapper)."""
        if not is_instantiated(schema) or self._keys(schema) is None:
            return None
        return self.references.of(schema, on_builder)

    def _type(self, schema: Any) -> SymbolRef | None:
        """What a type checker finds a schema by; None when it is no class with a name."""
        if schema is None:
            return SymbolRef("builtins", "None")
        return self.references.by_symbol(schema) if isinstance(schema, type) else None

    # -- nodes --------------------------------------------------------------------------

    def _node(self, name: str) -> NodeIR:
        edges = tuple(self._edges_from[name])
        branches = tuple(
            self._branch(name, branch_name, spec)
            for branch_name, spec in self.builder.branches.get(name, {}).items()
        )
        if name == "__start__":
            return NodeIR(name, None, None, edges=edges, branches=branches)
        spec = self.builder.nodes[name]
        self._refuse_node_features(name, spec)
        callee = _Callee(
            title=f"node `{name}`",
            runnable=BuilderRef("runnable", name),
            function=BuilderRef("function", name),
            node=name,
            span=lambda: self.positions.node(name),
        )
        reach = reach_of(spec.runnable)
        declared = tuple(spec.ends or ())
        # Declared destinations are complete, unless the code has a Command that leads elsewhere.
        names = reach.names if declared or not reach.anywhere else frozenset()
        targets = declared + self._nodes_in(names - set(declared))
        return NodeIR(
            name=name,
            call=self._call(spec.runnable, callee),
            reads=self._keys(spec.input_schema),
            schema=self._schema(spec.input_schema, BuilderRef("schema", name)),
            gotos=bool(targets) or reach.anywhere,
            targets=targets,
            edges=edges,
            joins=tuple(self._joins_from[name]),
            branches=branches,
            defer=bool(spec.defer),
            subgraph=holds_graph(spec.runnable),
        )

    def _nodes_in(self, names: Set[str]) -> tuple[str, ...]:
        """Those of `names` that are nodes, or END, in the builder's order."""
        return tuple(sorted(names & self._order.keys(), key=self._order.__getitem__))

    def _refuse_node_features(self, name: str, spec: StateNodeSpec[Any, Any]) -> None:
        features = {
            "retry_policy": ("LGC206", spec.retry_policy),
            "cache_policy": ("LGC207", spec.cache_policy),
            "timeout": ("LGC208", spec.timeout),
            "error_handler": ("LGC209", spec.error_handler_node),
            "metadata": ("LGC217", spec.metadata),
        }
        for keyword, (code, value) in features.items():
            if value:
                span = self.positions.node(name, keyword)
                self.collector.unsupported(code, f"{keyword} of node `{name}`", span)

    def _call(self, runnable: Any, callee: _Callee) -> Call:
        """The call of a node or a router; refuses graphs."""
        if is_graph(runnable) or (not is_function_call(runnable) and holds_graph(runnable)):
            title = f"{callee.title} is or holds a graph"
            self.collector.unsupported("LGC212", title, callee.span())
            return Call(callee.runnable)
        function = wrapped_function(runnable, callee.node)
        if function is None:
            return Call(self.references.of(runnable, callee.runnable), invoke=True)
        return Call(
            self.references.of(function, callee.function),
            injection_plan(runnable),
            is_async=runnable.func is None,
        )

    def _branch(self, source: str, name: str, spec: Any) -> BranchIR:
        callee = _Callee(
            title=f"router `{name}` of `{source}`",
            runnable=BuilderRef("path", source, name),
            function=BuilderRef("router", source, name),
            node=None,
            span=lambda: self.positions.branch(source, name, spec.path),
        )
        path = self._call(spec.path, callee)
        merges = spec.input_schema is None
        if not merges:
            schema = spec.input_schema
        elif source == "__start__":
            schema = self.builder.state_schema
        else:
            schema = self.builder.nodes[source].input_schema
        ends = spec.ends or None
        # A subclass of dict may answer for keys that it has not.
        is_literal = type(ends) is dict and all(
            value is None or type(value) in (str, int, bool) for value in ends
        )
        targets: tuple[str, ...] = ()
        if ends:
            # The map says nothing of the Sends that the router returns.
            sent = sends_of(spec.path)
            ends_of_map = dict.fromkeys(ends.values())
            names = sent.names - ends_of_map.keys()
            targets = () if sent.anywhere else (*ends_of_map, *self._nodes_in(names))
        return BranchIR(
            name=name,
            path=path,
            reads=self._keys(schema),
            merges=merges,
            schema=self._schema(schema, BuilderRef("schema", source, None if merges else name)),
            ends=tuple(ends.items()) if ends and is_literal else None,
            ends_ref=BuilderRef("ends", source, name) if ends and not is_literal else None,
            targets=targets,
            anonymous=(path.is_async or bool(path.inject)) and spec.path.name is None,
        )


@dataclass(frozen=True)
class _Callee:
    """A node or a router, to read the call of it or to refuse it.

    Attributes:
        title: what messages call it.
        runnable, function: where the builder has its Runnable, and the function of that.
        node: the node; None for a router.
        span: where it is added.
    """

    title: str
    runnable: BuilderRef
    function: BuilderRef
    node: str | None
    span: Callable[[], Span | None]
