"""The intermediate representation: a graph as channels, nodes, triggers and branches.

Frozen dataclasses that know nothing of langgraph. They hold what a graph means
and nothing else: no paths, positions, times or object identities, so that the
content hash depends on meaning only.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from xxhash import xxh3_64_hexdigest

from lgc.compiler.ir_refs import BuilderRef, Ref, SymbolRef

ChannelKind = Literal[
    "LastValue",
    "AnyValue",
    "EphemeralValue",
    "UntrackedValue",
    "Topic",
    "BinaryOperatorAggregate",
    "DeltaChannel",
    "custom",
]

ManagedKind = Literal["is_last_step", "remaining_steps", "custom"]


@dataclass(frozen=True)
class Call:
    """A call of a user's function with the arguments it asks for by name.

    Attributes:
        function: the function or Runnable.
        inject: `(parameter, source)` pairs; source is one of config, runtime,
            writer, store, optional_store, previous, error (spec §7.1).
        invoke: `function` is a langchain-core Runnable, to be invoked.
        is_async: what `function` returns is awaited; sync runs cannot call it.
    """

    function: Ref
    inject: tuple[tuple[str, str], ...] = ()
    invoke: bool = False
    is_async: bool = False


@dataclass(frozen=True)
class ChannelIR:
    """A state key.

    Attributes:
        key: the key; `__root__` for a state that is one value.
        kind: the channel class; "custom" for a class of the user's own.
        custom: the channel itself, of a class of the user's own.
        reducer: of a BinaryOperatorAggregate, a function of the value and one write; of a
            DeltaChannel, a function of the value and the list of writes.
        seed: what makes its first value; None for none.
        operator: the reducer as Python's operator; "" for a call
            (set by the pass `reducers`).
        guard: of EphemeralValue and UntrackedValue.
        accumulate: of Topic.
        snapshot_frequency: of DeltaChannel.
    """

    key: str
    kind: ChannelKind
    reducer: Ref | None = None
    seed: Ref | None = None
    operator: str = ""
    guard: bool = True
    accumulate: bool = False
    custom: Ref | None = None
    snapshot_frequency: int = 100


@dataclass(frozen=True)
class ManagedIR:
    """A managed value of the state: computed for every task, never stored.

    Attributes:
        key: the key.
        kind: which managed value; "custom" for a class of the user's own.
        cls: that class.
    """

    key: str
    kind: ManagedKind
    cls: Ref | None = None


@dataclass(frozen=True)
class BranchIR:
    """A conditional edge.

    Attributes:
        name: as the builder calls it.
        path: the router.
        reads: the keys of its input; None for the root value.
        schema: the pydantic model or dataclass that its input is made into; None for a dict.
        merges: whether the node's raw output is merged into its input (spec §2.5).
        ends: `(returned value, node)` pairs; None when the router names nodes itself.
        ends_ref: where the map is taken from when a returned value has no literal.
        targets: the nodes that it can lead to; empty when that may be any node.
        anonymous: the router has no name of its own, and is async or injected something;
            LangGraph's errors call it None.
    """

    name: str
    path: Call
    reads: tuple[str, ...] | None
    merges: bool
    ends: tuple[tuple[str | int | float | bool | None, str], ...] | None = None
    ends_ref: Ref | None = None
    targets: tuple[str, ...] = ()
    schema: Ref | None = None
    anonymous: bool = False


@dataclass(frozen=True)
class RetryIR:
    """A retry policy of a node.

    Attributes:
        fields: `(name, Python source)` of the fields that are not the default, but for `retry_on`.
        retry_on: the exception classes, or the function, that say what is retried; None for
            LangGraph's own function.
        is_sequence: `retry_on` is a sequence of classes, of any number.
    """

    fields: tuple[tuple[str, str], ...] = ()
    retry_on: tuple[Ref, ...] | None = None
    is_sequence: bool = False


@dataclass(frozen=True)
class CacheIR:
    """The cache policy of a node.

    Attributes:
        function: module and name of the node's function, as LangGraph's caches have it.
        ttl: seconds, as Python source; "None" for ever.
        key_func: what makes keys of inputs; None for LangGraph's own function.
    """

    function: str
    ttl: str = "None"
    key_func: Ref | None = None


@dataclass(frozen=True)
class TimeoutIR:
    """The timeout of a node.

    Attributes:
        run, idle: the seconds of an attempt, and those without progress, as Python source; "None"
            for any.
        refresh_on: "auto" or "heartbeat": what counts as progress.
    """

    run: str = "None"
    idle: str = "None"
    refresh_on: str = "auto"


@dataclass(frozen=True)
class NodeIR:
    """A node; `__start__` is one, without a call.

    Attributes:
        name: as in the builder.
        call: the user's function; None for `__start__`, and for a node that is a graph.
        reads: the keys of its input; None for the root value (and for `__start__`).
        schema: the pydantic model or dataclass that its input is made into; None for a dict.
        edges: the nodes its static edges lead to.
        joins: the join channels it writes to.
        branches: its conditional edges, in the builder's order.
        defer: it waits until the run has no other trigger left.
        gotos: it may return a Command, as far as its code tells.
        targets: where a Command of it may lead, declared or read from its code; empty when that
            may be any node.
        subgraph: it is a graph or calls one, as far as its code tells (spec §9.1).
        child: the name of the ChildIR that it runs; "" for none.
        retries: its retry policies; the first that matches counts.
        error_handler: the node that runs when it has failed for good; "" for none.
        cache: how its writes are kept, or None.
        timeout: how long an attempt of it may take, or None.
        metadata: what the metadata of its tasks have besides, as Python source; "" for nothing.
        metadata_ref: where the module takes it from when it has no source.
        triggers: the channels that start it, sorted (set by the pass `triggers`).
    """

    name: str
    call: Call | None
    reads: tuple[str, ...] | None
    edges: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    branches: tuple[BranchIR, ...] = ()
    defer: bool = False
    gotos: bool = False
    targets: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    schema: Ref | None = None
    subgraph: bool = False
    retries: tuple[RetryIR, ...] = ()
    error_handler: str = ""
    cache: CacheIR | None = None
    timeout: TimeoutIR | None = None
    metadata: str = ""
    metadata_ref: Ref | None = None
    child: str = ""


@dataclass(frozen=True)
class JoinIR:
    """A barrier: `end` starts when every one of `starts` has run.

    Attributes:
        key: the channel's name.
        starts: the first argument of `add_edge`.
        end: the second.
        defer: `end` is a deferred node.
    """

    key: str
    starts: tuple[str, ...]
    end: str
    defer: bool = False


@dataclass(frozen=True)
class Schedule:
    """The supersteps that are known before the run (set by the pass `schedule`).

    Attributes:
        supersteps: the nodes of each, sorted as they are scheduled; the first holds
            `__start__` alone.
        then: what comes after them: the run "ends", a "branch" decides, or they
            "repeat" for ever; or there are "more" than the pass lists.
    """

    supersteps: tuple[tuple[str, ...], ...]
    then: Literal["ends", "branch", "repeat", "more"]


@dataclass(frozen=True)
class Superstep:
    """One superstep of the automaton: nodes that run together, and what may be due then.

    It tells what its own nodes lead to and nothing else, so it stays the same when the graph
    changes elsewhere. A set of nodes that the automaton leaves out runs as its nodes do alone.

    Attributes:
        nodes: sorted as they are scheduled.
        next: the sets that may be due next; `()` when nothing is. A set of deferred nodes is due
            because nothing else is; with it, or with `()`, all other deferred nodes that wait run.
        joins: nodes that are due as well once the other starts of their joins have run.
        deferred: the deferred nodes among what its nodes start; they run when nothing else is due.
        any_node: a router or Command of its nodes may also lead to any node by name.
        together: the nodes of which a run puts together other sets, because several routers or
            Commands lead to one node each.
    """

    nodes: tuple[str, ...]
    next: tuple[tuple[str, ...], ...]
    joins: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()
    any_node: bool = False
    together: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Superstep:
        """The superstep that is, perhaps after a way through JSON, one of `GraphIR.to_dict`."""
        names = {key: tuple(data[key]) for key in ("nodes", "joins", "deferred", "together")}
        return cls(next=tuple(map(tuple, data["next"])), any_node=data["any_node"], **names)


@dataclass(frozen=True)
class Import:
    """One imported name of the generated module (set by the pass `imports`).

    Attributes:
        module, name: the object to import.
        alias: its name in the generated module.
        is_for_types: only type checkers import it.
    """

    module: str
    name: str
    alias: str
    is_for_types: bool = False


@dataclass(frozen=True)
class GraphTypes:
    """The schemas by which type checkers know a graph; the order is that of CompiledStateGraph.

    Attributes:
        state, context, input, output: a class, or None of builtins for no context; None where a
            type checker could not find what the builder has.
    """

    state: SymbolRef | None = None
    context: SymbolRef | None = None
    input: SymbolRef | None = None
    output: SymbolRef | None = None

    def refs(self) -> tuple[SymbolRef | None, ...]:
        """The types, in their order."""
        return self.state, self.context, self.input, self.output


@dataclass(frozen=True)
class GraphIR:
    """A whole graph.

    Attributes:
        target: the TARGET, as `module:attribute`; "" for a builder in this process, and for a
            graph that is a node.
        name: the graph's name.
        langgraph: the version that was analysed; "" for a graph that is a node.
        channels: the state keys, in the builder's order.
        nodes: `__start__` first, the others in the builder's order.
        joins: in the order of the pass `order`.
        inputs: the keys an input may set; None for the root value.
        outputs: the keys `invoke` returns; None for the root value.
        output_schema, state_schema: the pydantic models or dataclasses that dicts of the output
            and of the state are made into in typed chunks; None for a dict.
        managed: the managed values, in the builder's order.
        context_schema: the pydantic model or dataclass that a context is made into.
        allowlist: the classes, (module, name), that its schemas allow in a checkpoint besides
            those that are always safe; sorted.
        types: what type checkers know of it.
        settings: what a compiled target, or a graph that is a node, has beyond its builder, as
            keywords of `abi.compiled` and Python source of their values; defaults are left out.
        takes_config: the config bound to it has no source: the module takes it from the object.
        children: the compiled graphs that are nodes of this one, in the order of their first nodes.
        schedule, imports: set by passes.
        supersteps: the superstep automaton (set by the pass `supersteps`), in the order of the
            first of their nodes; the first one is that of `__start__`.
    """

    target: str
    name: str
    langgraph: str
    channels: tuple[ChannelIR, ...]
    nodes: tuple[NodeIR, ...]
    joins: tuple[JoinIR, ...]
    inputs: tuple[str, ...] | None
    outputs: tuple[str, ...] | None
    managed: tuple[ManagedIR, ...] = ()
    context_schema: Ref | None = None
    allowlist: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    takes_config: bool = False
    children: tuple[ChildIR, ...] = ()
    output_schema: Ref | None = None
    state_schema: Ref | None = None
    types: GraphTypes = GraphTypes()
    schedule: Schedule | None = None
    imports: tuple[Import, ...] = ()
    supersteps: tuple[Superstep, ...] = ()

    @property
    def is_root(self) -> bool:
        """Whether the state is one unnamed value."""
        return [c.key for c in self.channels] == ["__root__"]

    def node(self, name: str) -> NodeIR:
        """The node called `name`.

        Raises:
            KeyError: there is none.
        """
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, NodeIR]:
        return {node.name: node for node in self.nodes}

    def graphs(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], GraphIR]]:
        """The graphs of the module, each behind those that are its nodes; this one is the last.

        Args:
            path: the nodes that lead to this one from the outermost graph.

        Yields:
            For each, the nodes that lead to it, and the graph.
        """
        for child in self.children:
            yield from child.graph.graphs((*path, child.name))
        yield path, self

    def refs(self) -> tuple[Ref, ...]:
        """Every object of the user's that the section of this graph needs, in order of use."""
        refs: list[Ref | None] = []
        for channel in self.channels:
            refs += (channel.custom, channel.seed, channel.reducer)
        refs += [value.cls for value in self.managed]
        for node in self.nodes:
            refs += (None if node.call is None else node.call.function, node.schema)
            refs += (ref for retry in node.retries for ref in retry.retry_on or ())
            refs += (node.metadata_ref, None if node.cache is None else node.cache.key_func)
            for branch in node.branches:
                refs += (branch.path.function, branch.schema, branch.ends_ref)
        refs += (self.output_schema, self.state_schema, self.context_schema)
        return tuple(dict.fromkeys(ref for ref in refs if ref is not None))

    @property
    def uses_builder(self) -> bool:
        """Whether its section of the module takes something from a builder."""
        return self.takes_config or any(isinstance(ref, BuilderRef) for ref in self.refs())

    def to_dict(self) -> dict[str, Any]:
        """Plain data: dicts, lists, strings, numbers."""
        return dataclasses.asdict(self)

    @property
    def hash(self) -> str:
        """16 hex digits (XXH3-64) of what the graph means, whatever version was analysed."""
        text = json.dumps(self._meaning(), sort_keys=True, ensure_ascii=True)
        return xxh3_64_hexdigest(text.encode())

    def _meaning(self) -> dict[str, Any]:
        # The automaton says in other words what nodes and joins say.
        whole = dataclasses.replace(self, supersteps=(), children=()).to_dict()
        meaning = {k: v for k, v in whole.items() if k not in ("langgraph", "supersteps")}
        meaning["children"] = [(child.nodes, child.graph._meaning()) for child in self.children]
        # A join's key names all its starts, and each start has the key: the text would grow with
        # the square of their number. So a long join goes by its index.
        index = {join.key: i for i, join in enumerate(self.joins) if len(join.key) > _LONG}
        if index:
            for node in meaning["nodes"]:
                node["joins"] = [index.get(key, key) for key in node["joins"]]
                node["triggers"] = [index.get(key, key) for key in node["triggers"]]
        return meaning


@dataclass(frozen=True)
class ChildIR:
    """A compiled graph that is a node of another graph; several nodes may be the same one.

    Attributes:
        nodes: the nodes that it is, in the builder's order.
        graph: the graph, whose references go through its own builder.
    """

    nodes: tuple[str, ...]
    graph: GraphIR

    @property
    def name(self) -> str:
        """What it is called in its parent: the first of its nodes."""
        return self.nodes[0]


_LONG = 400
"""A join with a longer key goes by its index in the hash."""


def with_node_changes(ir: GraphIR, changes: Mapping[str, dict[str, Any]]) -> GraphIR:
    """`ir` with fields of some nodes replaced: `{node name: {field: value}}`."""
    nodes = tuple(dataclasses.replace(n, **changes.get(n.name, {})) for n in ir.nodes)
    return dataclasses.replace(ir, nodes=nodes)
