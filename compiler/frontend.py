"""The frontend: a LangGraph builder becomes a GraphIR.

The only place that imports langgraph. It reads the user's builder and never
writes to it: LangGraph's own `compile` mutates it (spec §1.6).
"""

from __future__ import annotations

import copy
import inspect
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, is_dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableBinding
from langgraph._internal._config import merge_configs
from langgraph._internal._constants import PREVIOUS, RESERVED, RETURN, TASKS
from langgraph._internal._runnable import RunnableCallable
from langgraph._internal._serde import collect_allowlist_from_schemas
from langgraph._internal._typing import MISSING
from langgraph.channels.any_value import AnyValue
from langgraph.channels.binop import BinaryOperatorAggregate, _strip_extras
from langgraph.channels.delta import DeltaChannel
from langgraph.channels.ephemeral_value import EphemeralValue
from langgraph.channels.last_value import LastValue
from langgraph.channels.topic import Topic
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.graph._node import StateNodeSpec
from langgraph.graph.message import _messages_delta_reducer, add_messages
from langgraph.graph.state import CompiledStateGraph, StateGraph
from langgraph.managed.is_last_step import IsLastStepManager, RemainingStepsManager
from langgraph.pregel import Pregel
from langgraph.pregel._utils import find_subgraph_pregel
from pydantic import BaseModel

from lgc.compiler.destinations import reach_of, sends_of
from lgc.compiler.diagnostics import (
    CompileError,
    Diagnostic,
    Span,
    advice,
    error,
    note,
    warning,
)
from lgc.compiler.ir import (
    BranchIR,
    Call,
    ChannelIR,
    ChannelKind,
    GraphIR,
    JoinIR,
    ManagedIR,
    NodeIR,
    Ref,
)
from lgc.compiler.linking import Linker
from lgc.compiler.literals import NotLiteral, source_of
from lgc.compiler.requirements import untested_langgraph, wrong_langgraph
from lgc.compiler.source import SourceMap, span_of_code
from lgc.compiler.target import Loaded, Target
from lgc.runtime.channels import whole_frequency
from lgc.runtime.serde.allowlist import SAFE_TYPES

_LIBRARIES = frozenset(("langchain", "langchain_core", "langgraph"))
"""The packages whose files are none of the user's: no message points into them."""

ADD_MESSAGES = Ref("lgc.runtime.messages", "add_messages")
"""The runtime's own `add_messages`, so that the reducer does not bring in langgraph."""
MESSAGES_DELTA = Ref("lgc.runtime.messages", "messages_delta_reducer")
"""The same for the reducer of messages that LangGraph has for a DeltaChannel."""

_KINDS: dict[type, ChannelKind] = {
    LastValue: "LastValue",
    AnyValue: "AnyValue",
    EphemeralValue: "EphemeralValue",
    UntrackedValue: "UntrackedValue",
    Topic: "Topic",
    BinaryOperatorAggregate: "BinaryOperatorAggregate",
    DeltaChannel: "DeltaChannel",
}


_INTERNAL = frozenset(("__start__", TASKS, RETURN, PREVIOUS))
"""State keys that LangGraph takes, and writes to or reads from for purposes of its own."""

Builder = StateGraph[Any, Any, Any, Any]
"""A builder, whatever its types."""


@dataclass(frozen=True)
class Analysis:
    """What the frontend found.

    Attributes:
        ir: the graph, before the passes.
        notes: diagnostics that do not stop the compiler.
        span_of: where a node was added, or else where its function is, when the source tells.
    """

    ir: GraphIR
    notes: tuple[Diagnostic, ...]
    span_of: Callable[[str], Span | None]


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
    file = getattr(loaded.module, "__file__", None)
    source = SourceMap.of_file(Path(file)) if file else SourceMap()
    reader = _Reader(loaded.target, Linker(loaded.module), source, installed)
    reader.has_name = not loaded.called
    reader.notes += untested
    builder = loaded.obj
    if is_compiled(builder):
        builder = reader.read_compiled(builder)
    if isinstance(builder, StateGraph):
        reader.validate(builder)
        return reader.read(builder)
    what = f"{loaded.target} " + ("returned" if loaded.called else "is")
    if isinstance(builder, Pregel):
        # What @entrypoint makes stores what the function returned last.
        functional = "__previous__" in builder.channels
        kind = "an @entrypoint of LangGraph's functional API" if functional else "a Pregel object"
        raise CompileError(
            error(
                "LGC103",
                f"{what} {kind}; lgc compiles what a StateGraph makes",
                help="write it as a StateGraph whose nodes are its tasks"
                if functional
                else "build it with a StateGraph",
                span=source.definition(loaded.target.attr),
            )
        )
    raise CompileError(
        error(
            "LGC103",
            f"{what} an object of type {type(loaded.obj).__name__}, not a graph",
            help="name a StateGraph, what its compile() returned, or a function that returns one",
            span=source.definition(loaded.target.attr),
        )
    )


@dataclass(frozen=True)
class Settings:
    """What a compiled graph has beyond its builder.

    Attributes:
        builder: the builder.
        config: what is bound to the graph; what says nothing is left out.
        The rest as on the graph.
    """

    builder: Builder
    name: str
    config: dict[str, Any]
    checkpointer: Any
    store: Any
    cache: Any
    interrupt_before_nodes: Any
    interrupt_after_nodes: Any
    debug: bool
    stream_mode: Any
    step_timeout: Any


def is_compiled(target: object) -> bool:
    """Whether `target` is a compiled StateGraph, bound to something or not."""
    while isinstance(target, RunnableBinding):
        target = target.bound
    return isinstance(target, CompiledStateGraph)


def settings_of(target: Any, complain: Callable[[str, str], None]) -> Settings:
    """Reads a compiled graph.

    Args:
        target: `is_compiled`.
        complain: is told, with a diagnostic's code, of what lgc cannot take over.
    """
    bound: list[Any] = []
    while isinstance(target, RunnableBinding):
        if target.kwargs:
            complain("LGC219", f"bind({', '.join(target.kwargs)}) on a compiled graph")
        if target.config_factories:
            complain("LGC219", "listeners of a compiled graph")
        if target.config.get("tags"):
            # There they are sorted together with the caller's.
            complain("LGC219", "tags bound to a binding of a compiled graph")
        bound.append(target.config)
        target = target.bound
    config = merge_configs(target.config, *reversed(bound))
    for attribute, code in (("retry_policy", "LGC206"), ("cache_policy", "LGC207")):
        if getattr(target, attribute):
            complain(code, f"{attribute} of a compiled graph")
    _check_unchanged(target, complain)
    return Settings(
        builder=target.builder,
        name=target.name,
        # An empty value says nothing in a config.
        config={k: v for k, v in config.items() if v is not None and v not in ([], {}, ())},
        checkpointer=target.checkpointer,
        store=target.store,
        cache=target.cache,
        interrupt_before_nodes=target.interrupt_before_nodes,
        interrupt_after_nodes=target.interrupt_after_nodes,
        debug=target.debug,
        stream_mode=target.stream_mode,
        step_timeout=target.step_timeout,
    )


def _check_unchanged(graph: Any, complain: Callable[[str, str], None]) -> None:
    """Complains of what `compile` would not make of the builder as it is now."""
    builder = graph.builder
    made = {name: spec.runnable for name, spec in builder.nodes.items()}
    if {name: node.bound for name, node in graph.nodes.items() if name != "__start__"} != made:
        complain("LGC221", "nodes changed after compile()")
    stored = [key for key in builder.schemas[builder.output_schema] if key not in builder.managed]
    for attribute, keys in (
        ("output_channels", stored),
        ("stream_channels", list(builder.channels)),
        ("input_channels", "__start__"),
    ):
        if getattr(graph, attribute) != ("__root__" if keys == ["__root__"] else keys):
            complain("LGC221", f"{attribute} changed after compile()")


def require_valid(builder: object) -> None:
    """Has LangGraph check a builder of this process.

    Raises:
        TypeError: it is no StateGraph.
        ValueError: LangGraph finds the graph invalid.
    """
    if not isinstance(builder, StateGraph):
        raise TypeError(f"a StateGraph was expected, not {type(builder).__name__}")
    _validate(builder)
    for reserved in _reserved_names(builder):
        raise ValueError(reserved.text)


def _validate(builder: Builder) -> None:
    # validate() marks the builder as compiled; a copy takes the mark.
    copy.copy(builder).validate()


@dataclass(frozen=True)
class _Reserved:
    """A name that LangGraph keeps for itself.

    Attributes:
        text: what its `compile` says of it.
        node: the node that has the name; None of a state key.
    """

    text: str
    node: str | None = None


def _reserved_names(builder: Builder) -> Iterator[_Reserved]:
    """The reserved names in use, in the order in which LangGraph's `compile` comes to them.

    Source: pregel/main.py:Pregel.__init__ and pregel/_validate.py:validate_graph.
    """
    tasks = builder.managed.get(TASKS, builder.channels.get(TASKS))
    if tasks is not None and not isinstance(tasks, Topic):
        yield _Reserved(f"Channel '{TASKS}' is reserved and cannot be used in the graph.")
    for key in builder.channels:
        if key in RESERVED:
            yield _Reserved(f"Channel name '{key}' is reserved")
    for key in builder.managed:
        if key in RESERVED:
            yield _Reserved(f"Managed name '{key}' is reserved")
    for name in builder.nodes:
        if name in RESERVED:
            yield _Reserved(f"Node name '{name}' is reserved", name)


def analyse_live(builder: Builder) -> Analysis:
    """Reads a builder whose module is made, run and bound in this process (design §3, linking 4).

    Args:
        builder: a valid one; no source is read. The graph is called as the caller likes.

    Raises:
        CompileError: it uses what lgc cannot execute yet; places are not told.
    """
    untested = _check_version(_installed())
    reader = _Reader(None, Linker(None), SourceMap(), _installed())
    reader.notes += untested
    return reader.read(builder)


@cache
def _installed() -> str:
    return version("langgraph")


_noted: set[str] = set()
"""The versions that LGC114 was given for: each is noted once in a process."""


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


class _Reader:
    """Reads one builder, collecting everything there is to complain about."""

    builder: Builder

    def __init__(
        self, target: Target | None, linker: Linker, source: SourceMap, langgraph: str
    ) -> None:
        self.target = target
        self.scope = "" if target is None else target.attr
        # Whether attributes of the TARGET can be named; not those of what a function returns.
        self.has_name = target is not None
        self.errors: list[Diagnostic] = []
        self.notes: list[Diagnostic] = []
        self.linker = linker
        self.source = source
        self.langgraph = langgraph
        self.name = "LangGraph"
        self.places: dict[str, int] = {}
        self.edges_from: defaultdict[str, list[str]] = defaultdict(list)
        self.joins_from: defaultdict[str, list[str]] = defaultdict(list)
        self.settings: tuple[tuple[str, str], ...] = ()

    def read(self, builder: Builder) -> Analysis:
        self.builder = builder
        self._refuse_names()
        self._refuse_graph_features()
        channels = tuple(self._channel(key, channel) for key, channel in builder.channels.items())
        joins = tuple(
            JoinIR(
                f"join:{'+'.join(starts)}:{end}", tuple(starts), end, bool(builder.nodes[end].defer)
            )
            for starts, end in builder.waiting_edges
            if end != "__end__"
        )
        names = ["__start__", *builder.nodes]
        self.places = {name: place for place, name in enumerate((*builder.nodes, "__end__"))}
        for start, end in builder.edges:
            self.edges_from[start].append(end)
        for join in joins:
            for start in dict.fromkeys(join.starts):
                self.joins_from[start].append(join.key)
        nodes = tuple(map(self._node, names))
        ir = GraphIR(
            target="" if self.target is None else str(self.target),
            name=self.name,
            langgraph=self.langgraph,
            channels=channels,
            nodes=nodes,
            joins=joins,
            inputs=self._stored_keys(builder.input_schema),
            outputs=self._stored_keys(builder.output_schema),
            managed=tuple(self._managed(key, cls) for key, cls in builder.managed.items()),
            context_schema=self.linker.ref(builder.context_schema, "context_schema")
            if _is_made(builder.context_schema)
            else None,
            allowlist=_allowlist(builder),
            settings=self.settings,
        )
        if self.errors:
            raise CompileError(*self.errors, ir=ir, span_of=self._node_span)
        return Analysis(ir, tuple(self.notes), self._node_span)

    def validate(self, builder: Builder) -> None:
        """Has LangGraph check the builder.

        Raises:
            CompileError: it finds the graph invalid.
        """
        self.builder = builder
        try:
            _validate(builder)
        except ValueError as exc:
            raise CompileError(
                error(
                    "LGC111",
                    str(exc),
                    help="LangGraph's own compile() refuses this graph too",
                    span=self._constructor(),
                )
            ) from exc

    # -- the graph as a whole -------------------------------------------------------

    def read_compiled(self, target: Any) -> Builder:
        """What a compiled graph has beyond its builder; the builder."""
        span = self.source.call("compile", scope=self.scope)
        found = settings_of(target, lambda code, what: self._error(code, what, span))
        self.name = found.name
        for attribute in ("checkpointer", "store", "cache"):
            if getattr(found, attribute):
                self.notes.append(
                    note(
                        "LGC304",
                        f"{self.target} has a {attribute}; it is not baked into the module",
                        help="pass it to the generated module's compile()",
                    )
                )
        if found.step_timeout is not None:
            self.notes.append(
                warning(
                    "LGC208",
                    f"{self.target} has a step_timeout; every run of the module raises Unsupported",
                    help="set step_timeout = None on the exported graph, or compile without it",
                    span=span,
                )
            )
        self.settings = tuple(
            (keyword, source)
            for keyword, value in _baked(found).items()
            if (source := self._source(keyword, value, span))
        )
        return found.builder

    def _source(self, keyword: str, value: Any, span: Span | None) -> str:
        """A setting as Python source; complains, and gives nothing, when it has none."""
        try:
            return source_of(value)
        except NotLiteral as exc:
            self._fail(
                "LGC219",
                f"{keyword} of {self.target} cannot be written as source: {exc}",
                "pass it when running, or set it on the exported graph",
                span,
            )
            return ""

    def _refuse_names(self) -> None:
        reserved_names = list(_reserved_names(self.builder))
        for reserved in reserved_names:
            where = self._constructor() if reserved.node is None else self._node_span(reserved.node)
            self._fail(
                "LGC111",
                reserved.text,
                "rename it: LangGraph's own compile() refuses this graph too",
                where,
            )
        for key in () if reserved_names else (*self.builder.channels, *self.builder.managed):
            if key in _INTERNAL or key.startswith(("branch:to:", "join:")):
                self._fail(
                    "LGC218",
                    f"state key `{key}` has the name of an internal channel",
                    "rename the key",
                    self._constructor(),
                )

    def _refuse_graph_features(self) -> None:
        builder = self.builder
        where = self._constructor()
        defaults = builder._node_defaults
        span = self.source.call("set_node_defaults", scope=self.scope) or where
        for field, code in _DEFAULTS.items():
            if getattr(defaults, field) is not None:
                self._error(code, f"set_node_defaults({field}=...)", span)

    def _channel(self, key: str, channel: Any) -> ChannelIR:
        kind = _KINDS.get(type(channel), "custom")
        custom = self.linker.ref(channel, f"channels[{_q(key)}].channel")
        reducer = seed = None
        if kind == "BinaryOperatorAggregate":
            reducer = self._reducer(channel.operator, f"channels[{_q(key)}].operator")
            if channel.value is not MISSING:
                seed = self._seed(key, channel)
        elif kind == "DeltaChannel":
            reducer = self._reducer(channel.reducer, f"channels[{_q(key)}].reducer")
            # It is called when a run starts, and may fail there.
            seed = self.linker.ref(channel.typ, f"channels[{_q(key)}]")
        return ChannelIR(
            key=key,
            kind=kind,
            custom=custom if kind == "custom" else None,
            reducer=reducer,
            seed=seed,
            guard=bool(getattr(channel, "guard", True)),
            accumulate=bool(getattr(channel, "accumulate", False)),
            snapshot_frequency=whole_frequency(channel.snapshot_frequency)
            if kind == "DeltaChannel"
            else 100,
        )

    def _reducer(self, reducer: Any, on_builder: str) -> Ref:
        if reducer is add_messages:
            return ADD_MESSAGES
        if reducer is _messages_delta_reducer:
            return MESSAGES_DELTA
        return self.linker.ref(reducer, on_builder)

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

    def _managed(self, key: str, cls: Any) -> ManagedIR:
        kind = _MANAGED.get(cls, "custom")
        if kind != "custom":
            return ManagedIR(key, kind)  # type: ignore[arg-type]
        return ManagedIR(key, "custom", self.linker.ref(cls, f"managed[{_q(key)}].cls"))

    def _keys(self, schema: Any) -> tuple[str, ...] | None:
        """The keys of a schema, managed ones last; None for the root value."""
        keys = tuple(self.builder.schemas[schema])
        return None if keys == ("__root__",) else keys

    def _stored_keys(self, schema: Any) -> tuple[str, ...] | None:
        """The keys of a schema that are not managed; None for the root value."""
        keys = self._keys(schema)
        return None if keys is None else tuple(k for k in keys if k not in self.builder.managed)

    def _schema(self, schema: Any, on_builder: str) -> Ref | None:
        """The class a dict of the state is made into (graph/state.py:_pick_mapper)."""
        if not _is_made(schema) or self._keys(schema) is None:
            return None
        return self.linker.ref(schema, on_builder)

    # -- nodes --------------------------------------------------------------------------

    def _node(self, name: str) -> NodeIR:
        builder = self.builder
        edges = tuple(self.edges_from[name])
        branches = tuple(
            self._branch(name, branch_name, spec)
            for branch_name, spec in builder.branches.get(name, {}).items()
        )
        if name == "__start__":
            return NodeIR(name, None, None, edges=edges, branches=branches)
        spec = builder.nodes[name]
        self._refuse_node_features(name, spec)
        reach = reach_of(spec.runnable)
        declared = tuple(spec.ends or ())
        # What is declared is complete, but for a Command that says otherwise.
        names = reach.names if declared or not reach.anywhere else frozenset()
        targets = declared + self._nodes_in(names - set(declared))
        return NodeIR(
            name=name,
            call=self._call(
                spec.runnable,
                f"nodes[{_q(name)}].runnable",
                f"node `{name}`",
                lambda: self._node_span(name),
                "LGC202",
            ),
            reads=self._keys(spec.input_schema),
            schema=self._schema(spec.input_schema, f"nodes[{_q(name)}].input_schema"),
            gotos=bool(targets) or reach.anywhere,
            targets=targets,
            edges=edges,
            joins=tuple(self.joins_from[name]),
            branches=branches,
            defer=bool(spec.defer),
            subgraph=_holds_graph(spec.runnable),
        )

    def _nodes_in(self, names: Set[str]) -> tuple[str, ...]:
        """Those of `names` that are nodes, or END, in the builder's order; no other can be met."""
        return tuple(sorted(names & self.places.keys(), key=self.places.__getitem__))

    def _refuse_node_features(self, name: str, spec: StateNodeSpec[Any, Any]) -> None:
        asked = {
            "retry_policy": ("LGC206", spec.retry_policy),
            "cache_policy": ("LGC207", spec.cache_policy),
            "timeout": ("LGC208", spec.timeout),
            "error_handler": ("LGC209", spec.error_handler_node),
            "metadata": ("LGC217", spec.metadata),
        }
        for keyword, (code, value) in asked.items():
            if value:
                self._error(code, f"{keyword} of node `{name}`", self._node_span(name, keyword))

    def _call(
        self,
        runnable: Any,
        on_builder: str,
        what: str,
        span: Callable[[], Span | None],
        async_code: str,
    ) -> Call:
        """The call of a node or a router; complains about what is no plain function."""
        plain = type(runnable) is RunnableCallable and not runnable.kwargs
        if isinstance(runnable, Pregel) or (not plain and _holds_graph(runnable)):
            self._error("LGC212", f"{what} is or holds a graph", span())
        elif not plain:
            if _has_async_code_only(runnable):
                self._error(async_code, f"{what} is async", span())
            return Call(self.linker.ref(runnable, on_builder), invoke=True)
        elif runnable.func is None:
            self._error(async_code, f"{what} is async", span())
        else:
            return Call(
                self.linker.ref(runnable.func, f"{on_builder}.func"),
                tuple((parameter, parameter) for parameter in runnable.func_accepts),
            )
        return Call(Ref("", on_builder))

    def _branch(self, source: str, name: str, spec: Any) -> BranchIR:
        on_builder = f"branches[{_q(source)}][{_q(name)}]"

        def span() -> Span | None:
            added = self.source.branch(source, name, scope=self.scope)
            return added or self._code_span(spec.path)

        path = self._call(
            spec.path, f"{on_builder}.path", f"router `{name}` of `{source}`", span, "LGC216"
        )
        schema = spec.input_schema or (
            self.builder.state_schema
            if source == "__start__"
            else self.builder.nodes[source].input_schema
        )
        ends = spec.ends or None
        # A dict of a class of its own may answer for keys that it has not.
        literal = type(ends) is dict and all(
            value is None or type(value) in (str, int, bool) for value in ends
        )
        targets: tuple[str, ...] = ()
        if ends:
            # A Send does not go by the map.
            sent = sends_of(spec.path)
            ends_of_map = dict.fromkeys(ends.values())
            names = sent.names - ends_of_map.keys()
            targets = () if sent.anywhere else (*ends_of_map, *self._nodes_in(names))
        return BranchIR(
            name=name,
            path=path,
            reads=self._keys(schema),
            merges=spec.input_schema is None,
            schema=self._schema(
                schema,
                f"nodes[{_q(source)}].input_schema"
                if spec.input_schema is None
                else f"{on_builder}.input_schema",
            ),
            ends=tuple(ends.items()) if ends and literal else None,
            ends_ref=Ref("", f"{on_builder}.ends") if ends and not literal else None,
            targets=targets,
        )

    # -- complaints ---------------------------------------------------------------------

    def _error(self, code: str, what: str, span: Span | None) -> None:
        self._fail(
            code,
            f"{what}: not supported yet",
            advice(code).replace("TARGET", str(self.target)) if self.has_name else advice(code),
            span,
        )

    def _fail(self, code: str, message: str, help: str, span: Span | None) -> None:
        self.errors.append(error(code, message, help=help, span=span))

    def _constructor(self) -> Span | None:
        schema = getattr(self.builder.state_schema, "__name__", "")
        for source in self._sources(type(self.builder)):
            span = source.constructor(scope=self.scope, names={schema})
            if span is not None:
                return span
        return None

    def _node_span(self, name: str, keyword: str = "") -> Span | None:
        spec = self.builder.nodes.get(name)
        if spec is None:
            return None
        bodies = _bodies(spec.runnable)
        for source in self._sources(type(self.builder), *bodies):
            span = source.node(
                name, scope=self.scope, keyword=keyword, names=self._names_of(bodies)
            )
            if span is not None:
                return span
        return self._code_span(spec.runnable)

    def _code_span(self, runnable: Any) -> Span | None:
        """Where the function of a node or a router is."""
        codes = (getattr(body, "__code__", None) for body in _bodies(runnable))
        code = next((code for code in codes if code is not None), None)
        return None if self.target is None or code is None else span_of_code(code)

    def _sources(self, *objects: object) -> list[SourceMap]:
        """The target's file, and those of other objects that a graph may be built beside."""
        sources = [self.source]
        if self.target is not None:
            for obj in objects:
                name = getattr(obj, "__module__", None) or ""
                file = getattr(sys.modules.get(name), "__file__", None)
                if file and name.partition(".")[0] not in _LIBRARIES:
                    sources.append(SourceMap.of_file(Path(file)))
        return sources

    def _names_of(self, bodies: list[Any]) -> set[str]:
        """What a call may call a node by: the names of its function, and the module's for it."""
        module = sys.modules.get(self.target.module) if self.target is not None else None
        known = {getattr(body, "__name__", type(body).__name__) for body in bodies}
        by_module = vars(module).items() if module is not None else ()
        return known | {name for name, value in by_module if any(value is b for b in bodies)}


def _baked(found: Settings) -> dict[str, Any]:
    """The settings that are not `compile`'s own defaults, by the keyword that sets them."""
    asked = {
        "config": (found.config, {}),
        "interrupt_before": (found.interrupt_before_nodes, ()),
        "interrupt_after": (found.interrupt_after_nodes, ()),
        "debug": (found.debug, False),
        "stream_mode": (found.stream_mode, "updates"),
        "step_timeout": (found.step_timeout, None),
    }
    return {
        keyword: value
        for keyword, (value, default) in asked.items()
        if value != default and not (default == () and not value)
    }


def _allowlist(builder: Builder) -> tuple[tuple[str, str], ...]:
    """The classes of the schemas that no serializer makes unasked (graph/state.py:compile).

    Upstream adds the messages of langchain-core, which are safe, too.
    """
    schemas: list[Any] = [builder.state_schema, builder.input_schema, builder.output_schema]
    schemas.append(builder.context_schema)
    schemas += [spec.input_schema for spec in builder.nodes.values()]
    for branches in builder.branches.values():
        schemas += [branch.input_schema for branch in branches.values()]
    found: set[Any] = collect_allowlist_from_schemas(schemas=schemas, channels=builder.channels)
    return tuple(sorted(found - SAFE_TYPES))


def _is_made(schema: Any) -> bool:
    """Whether LangGraph makes a dict into an object of this schema; not of a TypedDict."""
    return inspect.isclass(schema) and (issubclass(schema, BaseModel) or is_dataclass(schema))


def _holds_graph(runnable: Any) -> bool:
    """Whether a Runnable would run a graph (spec §9.1)."""
    try:
        return find_subgraph_pregel(runnable) is not None
    except Exception:
        # Upstream takes this for no graph as well.
        return False


def _bodies(runnable: Any) -> list[Any]:
    """A node's Runnable and what is in it: its functions, without partials and bound methods."""
    bodies = [runnable, getattr(runnable, "func", None), getattr(runnable, "afunc", None)]
    inner = [body for body in bodies if body is not None]
    for body in inner:  # grows meanwhile
        for attribute in ("func", "__func__", "__wrapped__"):
            part = getattr(body, attribute, None)
            if callable(part) and not any(part is each for each in inner):
                inner.append(part)
    return [body for body in inner if not _is_langgraphs(body)]


def _is_langgraphs(body: Any) -> bool:
    """Whether LangGraph made it: its wrapper of a function, what runs one on a thread."""
    function = body.func if isinstance(body, partial) else body
    module = getattr(function, "__module__", None) or ""
    return type(body) is RunnableCallable or module.startswith(("langgraph._", "langchain_core."))


def _has_async_code_only(runnable: Any) -> bool:
    """Whether a RunnableCallable or a RunnableLambda was made of a coroutine function alone."""
    return getattr(runnable, "func", None) is None and getattr(runnable, "afunc", None) is not None


_MANAGED = {IsLastStepManager: "is_last_step", RemainingStepsManager: "remaining_steps"}

_DEFAULTS = {
    "retry_policy": "LGC206",
    "cache_policy": "LGC207",
    "timeout": "LGC208",
    "error_handler": "LGC209",
}


def _q(text: str) -> str:
    """`text` in double quotes, as JSON that people can read."""
    return json.dumps(text, ensure_ascii=False)
