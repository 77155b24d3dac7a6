"""The frontend: a LangGraph builder becomes a GraphIR.

The only place that imports langgraph. It reads the user's builder and never
writes to it: LangGraph's own `compile` mutates it (spec §1.6).
"""

from __future__ import annotations

import copy
import inspect
import json
import sys
from contextlib import suppress
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

from langgraph._internal._constants import RESERVED
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

from lgc.compiler.diagnostics import CompileError, Diagnostic, Span, error, note
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
from lgc.compiler.requirements import wrong_langgraph
from lgc.compiler.source import SourceMap
from lgc.compiler.target import Loaded, Target
from lgc.runtime.allowlist import SAFE_TYPES

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


Builder = StateGraph[Any, Any, Any, Any]
"""A builder, whatever its types."""


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
    installed = version("langgraph")
    _check_version(installed)
    file = getattr(loaded.module, "__file__", None)
    source = SourceMap.of_file(Path(file)) if file else SourceMap()
    reader = _Reader(loaded.target, Linker(loaded.module), source, installed)
    builder = loaded.obj
    if isinstance(builder, CompiledStateGraph):
        reader.read_compiled(builder)
        builder = builder.builder
    if isinstance(builder, StateGraph):
        reader.validate(builder)
        return reader.read(builder)
    what = f"{loaded.target} " + ("returned" if loaded.called else "is")
    raise CompileError(
        error(
            "LGC103",
            f"{what} an object of type {type(loaded.obj).__name__}, not a graph",
            help="name a StateGraph, what its compile() returned, or a function that returns one",
            span=source.definition(loaded.target.attr),
        )
    )


def require_valid(builder: object) -> None:
    """Has LangGraph check a builder of this process.

    Raises:
        TypeError: it is no StateGraph.
        ValueError: LangGraph finds the graph invalid.
    """
    if not isinstance(builder, StateGraph):
        raise TypeError(f"a StateGraph was expected, not {type(builder).__name__}")
    # validate() marks the builder as compiled; a copy takes the mark.
    copy.copy(builder).validate()


def analyse_live(builder: Builder) -> Analysis:
    """Reads a builder whose module is made, run and bound in this process (design §3, linking 4).

    Args:
        builder: a valid one; no source is read. The graph is called as the caller likes.

    Raises:
        CompileError: it uses what lgc cannot execute yet; places are not told.
    """
    _check_version(_installed())
    return _Reader(None, Linker(None), SourceMap(), _installed()).read(builder)


@cache
def _installed() -> str:
    return version("langgraph")


def _check_version(text: str) -> None:
    wrong = wrong_langgraph(text)
    if wrong is not None:
        raise CompileError(error("LGC112", wrong[0], help=wrong[1]))


class _Reader:
    """Reads one builder, collecting everything there is to complain about."""

    builder: Builder

    def __init__(
        self, target: Target | None, linker: Linker, source: SourceMap, langgraph: str
    ) -> None:
        self.target = target
        self.scope = "" if target is None else target.attr
        self.errors: list[Diagnostic] = []
        self.notes: list[Diagnostic] = []
        self.linker = linker
        self.source = source
        self.langgraph = langgraph
        self.name = "LangGraph"

    def read(self, builder: Builder) -> Analysis:
        self.builder = builder
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
        )
        spans = {name: span for name in names if (span := self._node_span(name))}
        return Analysis(ir, tuple(self.notes), spans)

    def validate(self, builder: Builder) -> None:
        """Has LangGraph check the builder.

        Raises:
            CompileError: it finds the graph invalid.
        """
        try:
            require_valid(builder)
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

    def read_compiled(self, graph: CompiledStateGraph[Any, Any, Any, Any]) -> None:
        """What a compiled graph has beyond its builder."""
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
        compile_span = self.source.call("compile", scope=self.scope)
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
        defaults = builder._node_defaults
        span = self.source.call("set_node_defaults", scope=self.scope) or where
        for field, code in _DEFAULTS.items():
            if getattr(defaults, field) is not None:
                self._error(code, f"set_node_defaults({field}=...)", span)

    def _channel(self, key: str, channel: Any) -> ChannelIR | None:
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
            guard=getattr(channel, "guard", True),
            accumulate=getattr(channel, "accumulate", False),
            snapshot_frequency=channel.snapshot_frequency if kind == "DeltaChannel" else 100,
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
                f"nodes[{_q(name)}].runnable",
                f"node `{name}`",
                self._node_span(name),
                "LGC202",
            ),
            reads=self._keys(spec.input_schema),
            schema=self._schema(spec.input_schema, f"nodes[{_q(name)}].input_schema"),
            gotos=_may_goto(spec.runnable) or bool(spec.ends),
            targets=tuple(spec.ends or ()),
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
            "metadata": ("LGC217", spec.metadata),
        }
        for keyword, (code, value) in asked.items():
            if value:
                span = self.source.node(name, scope=self.scope, keyword=keyword)
                self._error(code, f"{keyword} of node `{name}`", span or self._node_span(name))

    def _call(
        self, runnable: Any, on_builder: str, what: str, span: Span | None, async_code: str
    ) -> Call:
        """The call of a node or a router; complains about what is no plain function."""
        plain = type(runnable) is RunnableCallable and not runnable.kwargs
        if isinstance(runnable, Pregel) or (not plain and _holds_graph(runnable)):
            self._error("LGC212", f"{what} is or holds a graph", span)
        elif not plain:
            if _has_async_code_only(runnable):
                self._error(async_code, f"{what} is async", span)
            return Call(self.linker.ref(runnable, on_builder), invoke=True)
        elif runnable.func is None:
            self._error(async_code, f"{what} is async", span)
        else:
            return Call(
                self.linker.ref(runnable.func, f"{on_builder}.func"),
                tuple((parameter, parameter) for parameter in runnable.func_accepts),
            )
        return Call(Ref("", on_builder))

    def _branch(self, source: str, name: str, spec: Any) -> BranchIR:
        on_builder = f"branches[{_q(source)}][{_q(name)}]"
        span = self.source.branch(source, name, scope=self.scope)
        path = self._call(
            spec.path, f"{on_builder}.path", f"router `{name}` of `{source}`", span, "LGC216"
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
            "the README's feature table says what works",
            span,
        )

    def _fail(self, code: str, message: str, help: str, span: Span | None) -> None:
        self.errors.append(error(code, message, help=help, span=span))

    def _constructor(self) -> Span | None:
        return self.source.constructor(scope=self.scope)

    def _node_span(self, name: str) -> Span | None:
        return self.source.node(name, scope=self.scope)


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


def _has_async_code_only(runnable: Any) -> bool:
    """Whether a RunnableCallable or a RunnableLambda was made of a coroutine function alone."""
    return getattr(runnable, "func", None) is None and getattr(runnable, "afunc", None) is not None


def _may_goto(runnable: Any) -> bool:
    """Whether a node may return a Command or a Send; only a plain function can tell it does not.

    A function that makes one names its class, uses one that is there, or gets it
    from a function it calls by name.
    """
    function = getattr(runnable, "func", None)
    return not hasattr(function, "__code__") or _names_goto(function, set())


def _names_goto(function: Any, seen: set[Any]) -> bool:
    function = getattr(function, "__func__", function)
    code = function.__code__
    if function in seen:
        return False
    seen.add(function)
    names = _names(code)
    if not names.isdisjoint(_GOTO):
        return True
    known = {name: function.__globals__[name] for name in names & function.__globals__.keys()}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # a variable that has no value yet
            known[name] = cell.cell_contents
    return any(
        _names_goto(value, seen) if _is_users(value) else _is_goto(value)
        for value in known.values()
    )


def _is_users(value: Any) -> bool:
    """Whether `value` is a Python function outside the standard library."""
    package = (getattr(value, "__module__", None) or "").partition(".")[0]
    return (
        isinstance(value, (FunctionType, MethodType))
        and hasattr(value, "__code__")
        and package not in sys.stdlib_module_names
    )


def _is_goto(value: Any) -> bool:
    """Whether `value` is a Command or a Send, or such a class under another name."""
    cls = value if isinstance(value, type) else type(value)
    return not {base.__name__ for base in cls.__mro__}.isdisjoint(_GOTO)


def _names(code: Any) -> set[str]:
    """The global and attribute names in a function's code and in the functions inside it."""
    found = set(code.co_names) | set(code.co_freevars)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            found |= _names(constant)
    return found


_GOTO = {"Command", "Send", "types"}

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
