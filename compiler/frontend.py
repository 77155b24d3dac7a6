"""The frontend: a LangGraph builder becomes a GraphIR.

The only place that imports langgraph. It reads the user's builder and never
writes to it: LangGraph's own `compile` mutates it (spec §1.6).
"""

from __future__ import annotations

import copy
import inspect
import json
import re
from dataclasses import dataclass, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from langgraph._internal._constants import RESERVED
from langgraph._internal._runnable import RunnableCallable
from langgraph._internal._typing import MISSING
from langgraph.channels.any_value import AnyValue
from langgraph.channels.base import BaseChannel
from langgraph.channels.binop import BinaryOperatorAggregate, _strip_extras
from langgraph.channels.ephemeral_value import EphemeralValue
from langgraph.channels.last_value import LastValue
from langgraph.channels.topic import Topic
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.graph._node import StateNodeSpec
from langgraph.graph.state import CompiledStateGraph, StateGraph
from pydantic import BaseModel

from lgc.compiler.diagnostics import CompileError, Diagnostic, Span, error, note
from lgc.compiler.ir import BranchIR, Call, ChannelIR, GraphIR, JoinIR, NodeIR, Ref
from lgc.compiler.linking import Linker
from lgc.compiler.source import SourceMap
from lgc.compiler.target import Loaded

OLDEST = (1, 2, 22)
NEXT = (1, 3)

_KINDS = {
    LastValue: "LastValue",
    AnyValue: "AnyValue",
    EphemeralValue: "EphemeralValue",
    UntrackedValue: "UntrackedValue",
    Topic: "Topic",
    BinaryOperatorAggregate: "BinaryOperatorAggregate",
}


@dataclass(frozen=True)
class Analysis:
    """What the frontend found.

    Attributes:
        ir: the graph, before the passes.
        notes: diagnostics that do not stop the compiler.
        spans: where each node was added, when the source tells.
    """

    ir: GraphIR
    notes: tuple[Diagnostic, ...]
    spans: dict[str, Span]


def analyse(loaded: Loaded) -> Analysis:
    """Reads a loaded target.

    Args:
        loaded: the object and where it came from.

    Raises:
        CompileError: it is no graph, LangGraph finds it invalid, or it uses what
            lgc cannot execute yet; every such place is reported.
    """
    _check_version()
    return _Reader(loaded).read()


def _check_version() -> None:
    text = version("langgraph")
    numbers = tuple(map(int, re.findall(r"\d+", text)[:3]))
    if not OLDEST <= numbers < NEXT:
        wanted = f">={'.'.join(map(str, OLDEST))},<{'.'.join(map(str, NEXT))}"
        raise CompileError(
            error(
                "LGC112",
                f"langgraph {text} is installed; lgc knows {wanted}",
                help=f"pip install 'langgraph{wanted}'",
            )
        )


class _Reader:
    """Reads one builder, collecting everything there is to complain about."""

    def __init__(self, loaded: Loaded) -> None:
        self.target = loaded.target
        obj = loaded.obj
        self.errors: list[Diagnostic] = []
        self.notes: list[Diagnostic] = []
        self.linker = Linker(loaded.module)
        file = getattr(loaded.module, "__file__", None)
        self.source = SourceMap.of_file(Path(file)) if file else SourceMap()
        self.name = "LangGraph"
        if isinstance(obj, CompiledStateGraph):
            self._read_compiled(obj)
            self.builder: StateGraph[Any, Any, Any, Any] = obj.builder
        elif isinstance(obj, StateGraph):
            self.builder = obj
        else:
            what = f"{loaded.target} " + ("returned" if loaded.called else "is")
            raise CompileError(
                error(
                    "LGC103",
                    f"{what} an object of type {type(obj).__name__}, not a graph",
                    help="name a StateGraph, what its compile() returned, or a function that "
                    "returns one",
                    span=self.source.definition(loaded.target.attr),
                )
            )

    def read(self) -> Analysis:
        builder = self.builder
        try:
            # validate() marks the builder as compiled; a copy takes the mark.
            copy.copy(builder).validate()
        except ValueError as exc:
            raise CompileError(
                error(
                    "LGC111",
                    str(exc),
                    help="LangGraph's own compile() refuses this graph too",
                    span=self._constructor(),
                )
            ) from exc
        self._refuse_graph_features()
        channels = tuple(c for k, v in builder.channels.items() if (c := self._channel(k, v)))
        joins = tuple(
            JoinIR(f"join:{'+'.join(starts)}:{end}", tuple(starts), end, builder.nodes[end].defer)
            for starts, end in builder.waiting_edges
            if end != "__end__"
        )
        names = ["__start__", *builder.nodes]
        nodes = tuple(self._node(name, joins) for name in names)
        if self.errors:
            raise CompileError(*self.errors)
        ir = GraphIR(
            target=str(self.target),
            name=self.name,
            langgraph=version("langgraph"),
            channels=channels,
            nodes=nodes,
            joins=joins,
            inputs=self._keys(builder.input_schema),
            outputs=self._keys(builder.output_schema),
            streamed=None if list(builder.channels) == ["__root__"] else tuple(builder.channels),
        )
        spans = {name: span for name in names if (span := self._node_span(name))}
        return Analysis(ir, tuple(self.notes), spans)

    # -- the graph as a whole -------------------------------------------------------

    def _read_compiled(self, graph: CompiledStateGraph[Any, Any, Any, Any]) -> None:
        self.name = graph.name
        for attribute in ("checkpointer", "store", "cache"):
            if getattr(graph, attribute):
                self.notes.append(
                    note(
                        "LGC304",
                        f"{self.target} has a {attribute}; it is not baked into the module",
                        help="pass it to the generated module's compile()",
                    )
                )
        compile_span = self.source.call("compile", scope=self.target.attr)
        for attribute in ("interrupt_before_nodes", "interrupt_after_nodes"):
            if getattr(graph, attribute):
                self._error("LGC213", f"{attribute} of a compiled graph", compile_span)
        if graph.step_timeout is not None:
            self._error("LGC208", "step_timeout of a compiled graph", compile_span)
        if graph.config:
            self._error("LGC219", "a config bound with with_config()", compile_span)

    def _refuse_graph_features(self) -> None:
        builder = self.builder
        where = self._constructor()
        if builder.context_schema is not None:
            self._error("LGC214", "context_schema", where)
        for key in builder.managed:
            self._error("LGC205", f"managed value `{key}`", where)
        for schema in builder.schemas:
            if isinstance(schema, type) and (issubclass(schema, BaseModel) or is_dataclass(schema)):
                kind = "a dataclass" if is_dataclass(schema) else "a pydantic model"
                self._error("LGC203", f"schema `{schema.__name__}` is {kind}", where)
        defaults = builder._node_defaults
        span = self.source.call("set_node_defaults", scope=self.target.attr) or where
        for field, code in _DEFAULTS.items():
            if getattr(defaults, field) is not None:
                self._error(code, f"set_node_defaults({field}=...)", span)

    def _channel(self, key: str, channel: BaseChannel[Any, Any, Any]) -> ChannelIR | None:
        where = self._constructor()
        if key in RESERVED or key in ("__start__", "__pregel_tasks"):
            self._fail("LGC111", f"channel name '{key}' is reserved", "rename the key", where)
            return None
        if key.startswith(("branch:to:", "join:")):
            self._fail(
                "LGC218",
                f"state key `{key}` has the name of an internal channel",
                "rename the key",
                where,
            )
            return None
        kind = _KINDS.get(type(channel))
        if kind is None:
            self._error("LGC204", f"{type(channel).__name__} of state key `{key}`", where)
            return None
        reducer = seed = None
        if isinstance(channel, BinaryOperatorAggregate):
            reducer = self.linker.ref(channel.operator, f"channels[{_q(key)}].operator")
            if channel.value is not MISSING:
                seed = self._seed(key, channel)
        return ChannelIR(
            key=key,
            kind=kind,  # type: ignore[arg-type]
            reducer=reducer,
            seed=seed,
            guard=getattr(channel, "guard", True),
            accumulate=getattr(channel, "accumulate", False),
        )

    def _seed(self, key: str, channel: BinaryOperatorAggregate[Any]) -> Ref:
        """What makes the first value: the concrete type that upstream calls."""
        made = type(channel.value)
        typ = _strip_extras(channel.typ)  # type: ignore[no-untyped-call]
        # An abstract Sequence stands for list and so on, which the value shows.
        for candidate in (typ, made):
            ref = self.linker.by_symbol(candidate)
            if ref is not None and callable(candidate) and not inspect.isabstract(candidate):
                return ref
        return Ref("", f"channels[{_q(key)}]")

    def _keys(self, schema: Any) -> tuple[str, ...] | None:
        """The keys of a schema; None for the root value."""
        keys = tuple(self.builder.schemas[schema])
        return None if keys == ("__root__",) else keys

    # -- nodes --------------------------------------------------------------------------

    def _node(self, name: str, joins: tuple[JoinIR, ...]) -> NodeIR:
        builder = self.builder
        edges = tuple(end for start, end in builder.edges if start == name)
        branches = tuple(
            self._branch(name, branch_name, spec)
            for branch_name, spec in builder.branches.get(name, {}).items()
        )
        if name == "__start__":
            return NodeIR(name, None, None, edges=edges, branches=branches)
        spec = builder.nodes[name]
        self._refuse_node_features(name, spec)
        return NodeIR(
            name=name,
            call=self._call(
                spec.runnable,
                f"nodes[{_q(name)}].runnable.func",
                f"node `{name}`",
                self._node_span(name),
                "LGC202",
            ),
            reads=self._keys(spec.input_schema),
            edges=edges,
            joins=tuple(j.key for j in joins if name in j.starts),
            branches=branches,
            defer=spec.defer,
        )

    def _refuse_node_features(self, name: str, spec: StateNodeSpec[Any, Any]) -> None:
        asked = {
            "retry_policy": ("LGC206", spec.retry_policy),
            "cache_policy": ("LGC207", spec.cache_policy),
            "timeout": ("LGC208", spec.timeout),
            "error_handler": ("LGC209", spec.error_handler_node),
            "trace_policy": ("LGC215", spec.trace_policy),
            "metadata": ("LGC217", spec.metadata),
            "destinations": ("LGC220", spec.ends),
        }
        for keyword, (code, value) in asked.items():
            if value:
                span = self.source.node(name, scope=self.target.attr, keyword=keyword)
                self._error(code, f"{keyword} of node `{name}`", span or self._node_span(name))

    def _call(
        self, runnable: Any, on_builder: str, what: str, span: Span | None, async_code: str
    ) -> Call:
        """The call of a node or a router; complains about what is no plain function."""
        if isinstance(runnable, CompiledStateGraph):
            self._error("LGC212", f"{what} is a graph", span)
        elif type(runnable) is not RunnableCallable or runnable.kwargs or runnable.explode_args:
            self._error("LGC201", f"{what} is a {type(runnable).__name__}", span)
        elif runnable.func is None:
            self._error(async_code, f"{what} is async", span)
        else:
            return Call(
                self.linker.ref(runnable.func, on_builder),
                tuple((parameter, parameter) for parameter in runnable.func_accepts),
            )
        return Call(Ref("", on_builder))

    def _branch(self, source: str, name: str, spec: Any) -> BranchIR:
        on_builder = f"branches[{_q(source)}][{_q(name)}]"
        span = self.source.branch(source, name, scope=self.target.attr)
        path = self._call(
            spec.path, f"{on_builder}.path.func", f"router `{name}` of `{source}`", span, "LGC216"
        )
        schema = spec.input_schema or (
            self.builder.state_schema
            if source == "__start__"
            else self.builder.nodes[source].input_schema
        )
        ends = spec.ends or None
        literal = ends is not None and all(
            value is None or type(value) in (str, int, bool) for value in ends
        )
        targets = tuple(dict.fromkeys(ends.values())) if ends else ()
        return BranchIR(
            name=name,
            path=path,
            reads=self._keys(schema),
            merges=spec.input_schema is None,
            ends=tuple(ends.items()) if ends and literal else None,
            ends_ref=Ref("", f"{on_builder}.ends") if ends and not literal else None,
            targets=targets,
        )

    # -- complaints ---------------------------------------------------------------------

    def _error(self, code: str, what: str, span: Span | None) -> None:
        self._fail(
            code,
            f"{what}: not supported yet",
            "the README's feature table says what works",
            span,
        )

    def _fail(self, code: str, message: str, help: str, span: Span | None) -> None:
        self.errors.append(error(code, message, help=help, span=span))

    def _constructor(self) -> Span | None:
        return self.source.constructor(scope=self.target.attr)

    def _node_span(self, name: str) -> Span | None:
        return self.source.node(name, scope=self.target.attr)


_DEFAULTS = {
    "retry_policy": "LGC206",
    "cache_policy": "LGC207",
    "timeout": "LGC208",
    "error_handler": "LGC209",
}


def _q(text: str) -> str:
    """`text` in double quotes, as JSON that people can read."""
    return json.dumps(text, ensure_ascii=False)
