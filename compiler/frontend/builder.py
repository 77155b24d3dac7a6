"""Reads a StateGraph: its state keys, nodes, edges and conditional edges as IR."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Set
from functools import partial
from typing import Any

from langgraph.graph._node import StateNodeSpec

from lgc.compiler.destinations.follow import reach_of, sends_of
from lgc.compiler.diagnostics import Span
from lgc.compiler.frontend.collector import DiagnosticCollector
from lgc.compiler.frontend.compiled import Settings, settings_of
from lgc.compiler.frontend.injection import injection_plan
from lgc.compiler.frontend.policies import (
    cache_of,
    nodes_of,
    retries_of,
    timeout_of,
    unsupported_timeouts,
)
from lgc.compiler.frontend.positions import Positions
from lgc.compiler.frontend.runnables import (
    holds_graph,
    is_compiled_here,
    wrapped_function,
)
from lgc.compiler.frontend.schema_allowlist import allowlist, is_instantiated
from lgc.compiler.frontend.state_keys import channel_ir, managed_ir
from lgc.compiler.frontend.validity import INTERNAL, Builder, reserved_names
from lgc.compiler.ir import BranchIR, Call, ChildIR, GraphIR, GraphTypes, JoinIR, NodeIR
from lgc.compiler.ir_refs import BuilderRef, Ref, SymbolRef
from lgc.compiler.literals import NotLiteral, source_of
from lgc.compiler.references import References


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
        self.nodes = nodes_of(builder)
        self._refused_defaults: set[str] = set()
        # By the first of their nodes, the graphs that are nodes, and who reads them.
        self._children: dict[str, ChildIR] = {}
        self._readers: dict[str, BuilderReader] = {}
        self._child_of: dict[int, str] = {}
        self._order = {name: i for i, name in enumerate((*self.nodes, "__end__"))}
        self._edges_from: defaultdict[str, list[str]] = defaultdict(list)
        for start, end in builder.edges:
            self._edges_from[start].append(end)
        self._joins = tuple(
            JoinIR(
                f"join:{'+'.join(starts)}:{end}", tuple(starts), end, bool(self.nodes[end].defer)
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
        self._refuse_sync_timeouts()
        nodes = tuple(map(self._node, ["__start__", *self.nodes]))
        context_schema = None
        if is_instantiated(builder.context_schema):
            context_schema = references.of(builder.context_schema, BuilderRef("context_schema"))
        return GraphIR(
            target="",
            name="LangGraph",
            langgraph="",
            channels=tuple(channel_ir(k, c, references) for k, c in builder.channels.items()),
            nodes=nodes,
            joins=self._joins,
            inputs=self._stored_keys(builder.input_schema),
            outputs=self._stored_keys(builder.output_schema),
            output_schema=self._schema(builder.output_schema, BuilderRef("schema", "__end__")),
            state_schema=self._schema(builder.state_schema, BuilderRef("schema", "__start__")),
            managed=tuple(managed_ir(k, cls, references) for k, cls in builder.managed.items()),
            context_schema=context_schema,
            allowlist=allowlist(builder),
            children=tuple(self._children.values()),
            types=GraphTypes(
                self._type(builder.state_schema),
                self._type(builder.context_schema),
                self._type(builder.input_schema),
                self._type(builder.output_schema),
            ),
        )

    def span_of(self, node: str, path: tuple[str, ...] = ()) -> Span | None:
        """Where a node is added: one of this builder, or of the graph that `path` leads to."""
        if path:
            return self._readers[path[0]].span_of(node, path[1:])
        return self.positions.node(node)

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

    def _refuse_sync_timeouts(self) -> None:
        for name, text in unsupported_timeouts(self.nodes):
            self.collector.fail(
                "LGC111",
                text,
                "make it async: LangGraph's own compile() refuses this graph too",
                self.positions.node(name, "timeout"),
            )

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
        spec = self.nodes[name]
        child = self._child(name, spec.runnable)
        call = None
        if not child:
            places = BuilderRef("runnable", name), BuilderRef("function", name)
            call = self._call(spec.runnable, name, *places)
        reach = reach_of(spec.runnable)
        declared = tuple(spec.ends or ())
        # Declared destinations are complete, unless the code has a Command that leads elsewhere.
        names = reach.names if declared or not reach.anywhere else frozenset()
        targets = declared + self._nodes_in(names - set(declared))
        return NodeIR(
            name=name,
            call=call,
            reads=self._keys(spec.input_schema),
            schema=self._schema(spec.input_schema, BuilderRef("schema", name)),
            gotos=bool(targets) or reach.anywhere,
            targets=targets,
            edges=edges,
            joins=tuple(self._joins_from[name]),
            branches=branches,
            defer=bool(spec.defer),
            subgraph=holds_graph(spec.runnable),
            child=child,
            retries=retries_of(name, spec, self.references, partial(self._refuse_retry, name)),
            cache=cache_of(name, spec, self.references, partial(self._refuse_cache, name)),
            timeout=timeout_of(spec),
            error_handler=spec.error_handler_node or "",
            **self._metadata(name, spec),
        )

    def _refuse_retry(self, name: str, what: str) -> None:
        self._refuse_policy("LGC206", "retry_policy", name, what)

    def _refuse_cache(self, name: str, what: str) -> None:
        self._refuse_policy("LGC207", "cache_policy", name, what)

    def _refuse_policy(self, code: str, keyword: str, name: str, what: str) -> None:
        own = self.builder.nodes.get(name)
        if own is not None and getattr(own, keyword) is not None:
            span = self.positions.node(name, keyword)
            self.collector.unsupported(code, f"{what} of node `{name}`", span)
        elif keyword not in self._refused_defaults:
            # Once, although every node has it.
            self._refused_defaults.add(keyword)
            span = self.positions.call("set_node_defaults") or self.positions.constructor()
            self.collector.unsupported(code, f"{what} of set_node_defaults", span)

    def _metadata(self, name: str, spec: StateNodeSpec[Any, Any]) -> dict[str, Any]:
        if not spec.metadata:
            return {}
        try:
            return {"metadata": source_of(spec.metadata)}
        except NotLiteral:
            return {"metadata_ref": BuilderRef("metadata", name)}

    def _child(self, name: str, runnable: Any) -> str:
        """The name of the child that a node is; "" when the module does not contain the node's
        graph, or the node is none."""
        if not is_compiled_here(runnable):
            return ""
        first = self._child_of.get(id(runnable))
        if first is not None:
            child = self._children[first]
            self._children[first] = dataclasses.replace(child, nodes=(*child.nodes, name))
            return first
        collector = self.collector.inside(name)
        positions = self.positions.of_graph(runnable)
        settings = self._settings(name, runnable, collector)
        if settings is None:
            return ""
        reader = BuilderReader(runnable.builder, self.references, positions, collector)
        facts = settings.facts(
            lambda keyword, exc: collector.not_literal(keyword, exc, self.positions.node(name))
        )
        if isinstance(settings.checkpointer, bool):
            # A saver, store or cache gives way to that of the outer graph, which lends it in the
            # config of every task, and is left out.
            facts["settings"] += (("checkpointer", str(settings.checkpointer)),)
        # Only the outermost graph is annotated for type checkers.
        graph = dataclasses.replace(reader.graph(), types=GraphTypes(), **facts)
        self._child_of[id(runnable)] = name
        self._children[name] = ChildIR((name,), graph)
        self._readers[name] = reader
        return name

    def _settings(self, name: str, graph: Any, collector: DiagnosticCollector) -> Settings | None:
        """What a graph that is a node was compiled with; None when it is no longer so."""
        refused: set[str] = set()

        def refuse(code: str, feature: str) -> None:
            refused.add(code)
            collector.unsupported(code, feature, self.positions.node(name))

        settings = settings_of(graph, refuse)
        # A graph that was put into its own builder differs from that, too, and has no end.
        return None if "LGC221" in refused else settings

    def _nodes_in(self, names: Set[str]) -> tuple[str, ...]:
        """Those of `names` that are nodes, or END, in the builder's order."""
        return tuple(sorted(names & self._order.keys(), key=self._order.__getitem__))

    def _call(
        self,
        runnable: Any,
        node: str | None,
        on_builder: BuilderRef,
        function_on_builder: BuilderRef,
    ) -> Call:
        """The call of a node or a router.

        Args:
            runnable: its Runnable.
            node: the node; None for a router.
            on_builder, function_on_builder: where the builder has the Runnable, and the function
                of that.
        """
        function = wrapped_function(runnable, node)
        if function is None:
            return Call(self.references.of(runnable, on_builder), invoke=True)
        return Call(
            self.references.of(function, function_on_builder),
            injection_plan(runnable),
            is_async=runnable.func is None,
        )

    def _branch(self, source: str, name: str, spec: Any) -> BranchIR:
        places = BuilderRef("path", source, name), BuilderRef("router", source, name)
        path = self._call(spec.path, None, *places)
        merges = spec.input_schema is None
        if not merges:
            schema = spec.input_schema
        elif source == "__start__":
            schema = self.builder.state_schema
        else:
            schema = self.nodes[source].input_schema
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
