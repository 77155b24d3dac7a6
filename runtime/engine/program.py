"""The declarations of a graph: what a generated module is made of, with names resolved.

Everything here is immutable once a `Program` is built, and shared by all runs.

The file has more than 500 lines because a declaration and what `Program` makes of it belong
together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from lgc.runtime.channels import (
    BinaryOperatorAggregate,
    Channel,
    DeltaChannel,
    EphemeralValue,
    ForeignChannel,
    LastValue,
    LastValueAfterFinish,
    NamedBarrierValue,
    Topic,
    delta_keys,
    is_untracked,
)
from lgc.runtime.constants import BRANCH_TO, END, MISSING, PULL, START, TASKS
from lgc.runtime.engine.flow import Block, FlowReader, label_of, names_of
from lgc.runtime.engine.node_cache import NodeCache
from lgc.runtime.ids import path_text

CALL: Final = 0
"""A node's body takes the state."""
CALL_WITH_TASK: Final = 1
"""A node's body takes the state and the task: a generated function that injects."""
INVOKE: Final = 2
"""A node's body is a langchain-core Runnable."""
AWAIT: Final = 3
"""A node's body is an async function that takes the state."""
AWAIT_WITH_TASK: Final = 4
"""A node's body takes the state and the task, and returns what an async function does."""
GRAPH: Final = 5
"""A node's body is a compiled graph of lgc's."""


EVERYTHING: Final[tuple[str, ...]] = ("",)
"""In place of the keys that something reads or writes: all of the state's, or the root value."""


class Managed:
    """A managed value: computed for a task, never stored (spec §3.2).

    Args:
        key: the state key.
        get: `(step, stop, scratchpad)` to the value; `stop` is a number of any kind,
            `scratchpad` is a function that makes the task's scratchpad.
    """

    def __init__(self, key: str, get: Callable[[int, Any, Any], object]) -> None:
        self.key: str = key
        self.get: Callable[[int, Any, Any], object] = get


class View:
    """What a node or router is given of the state.

    Args:
        reads: state keys, channels before managed values; None for the root value.
        schema: called with them as keywords (pydantic models and dataclasses), or None.

    Attributes:
        order: the slots in the order in which a fresh read updates copies of their channels;
            those of the users' own classes are among them, whether they are read or not.
        is_whole_state: it reads all of the state, and all of that is in `ChannelValues.state`.
        is_copied: a copy of that is what is given.
    """

    def __init__(self, reads: tuple[str, ...] | None, schema: Any) -> None:
        self.schema: Any = schema
        self.reads: tuple[str, ...] | None = reads
        # Filled in by Program.
        self.root: int = -1
        self.keys: list[str] = []
        self.slots: list[int] = []
        self.order: list[int] = []
        self.is_whole_state: bool = False
        self.is_copied: bool = False
        self.managed: list[Managed] = []
        # What the shared input of a superstep goes by (spec §4.6, step 3).
        self.group: int = 0


class Branch:
    """A conditional edge.

    Args:
        name: the router's name.
        path: the router; what it is called with is said by `call`.
        reads, schema: what it is given of the state.
        merges: whether the node's raw output is merged in (the router's first
            parameter has no schema of its own, spec §2.5).
        ends: what a returned value stands for, a dict; a set of the nodes that are returned by
            name; or None.
        call: CALL, CALL_WITH_TASK, INVOKE, AWAIT or AWAIT_WITH_TASK.
        anonymous: the router has no name of its own; errors that name it call it None, and not by
            `name`.
    """

    def __init__(
        self,
        name: str,
        path: Any,
        *,
        reads: tuple[str, ...] | None = EVERYTHING,
        schema: Any = None,
        merges: bool = False,
        ends: Any = None,
        call: int = CALL,
        anonymous: bool = False,
    ) -> None:
        self.name: str = name
        self.anonymous: bool = anonymous
        self.path: Any = path
        self.view: View = View(reads, schema)
        self.merges: bool = merges
        self.ends: dict[Any, str] | None
        if isinstance(ends, (set, frozenset)):
            self.ends = {end: end for end in ends}
        else:
            self.ends = ends
        self.call: int = call

    @property
    def own_name(self) -> str | None:
        """The router's name in errors."""
        return None if self.anonymous else self.name


class Node:
    """One node. Where it leads is said by the module's `supersteps`.

    Args:
        name: as in the builder.
        body: the user's function, a Runnable, or a generated function; None for
            `__start__`. What it is called with is said by `call`.
        reads, schema: what it is given of the state.
        branches: its conditional edges.
        destinations: the nodes that a Command of it is declared to lead to.
        defer: it waits until the run has no other trigger left.
        call: CALL, CALL_WITH_TASK, INVOKE, AWAIT, AWAIT_WITH_TASK or GRAPH.
        subgraph: the graph that it calls, as far as its code tells (spec §9.1), or None; of GRAPH
            it is the body.
        metadata: what the metadata of its tasks' configs have besides, or None.
        retry: its RetryPolicies.
        error_handler: the node that runs when it has failed for good; "" for none.
        cache: how its results are kept, where the graph has a cache; None for not at all.
        timeout: how long an attempt of it may take, a TimeoutPolicy; None for any time.

    Attributes:
        triggers: the channels that start it, sorted.
        static: the writes that follow whatever it returns.
        path_text: the path of its tasks that edges start, as text (ids.path_text).
    """

    def __init__(
        self,
        name: str,
        body: Any = None,
        *,
        reads: tuple[str, ...] | None = EVERYTHING,
        schema: Any = None,
        branches: tuple[Branch, ...] = (),
        destinations: tuple[str, ...] = (),
        defer: bool = False,
        call: int = CALL,
        subgraph: Any = None,
        metadata: dict[str, Any] | None = None,
        retry: tuple[Any, ...] = (),
        error_handler: str = "",
        cache: NodeCache | None = None,
        timeout: Any = None,
    ) -> None:
        # In a builder of LangGraph's, a graph of lgc's is a Runnable.
        if call == INVOKE and hasattr(body, "invoke_inside"):
            call = GRAPH
        self.name: str = name
        self.metadata: dict[str, Any] | None = metadata
        self.retry: tuple[Any, ...] = retry
        self.error_handler: str = error_handler
        self.cache: NodeCache | None = cache
        self.timeout: Any = timeout
        self.subgraph: Any = body if call == GRAPH else subgraph
        self.body: Any = body
        self.is_start: bool = name == START
        self.view: View = View(None if self.is_start else reads, schema)
        self.path_text: str = path_text((PULL, name))
        self.branches: tuple[Branch, ...] = branches
        self.destinations: tuple[str, ...] = destinations
        self.defer: bool = defer
        self.call: int = call
        # Filled in by Program: what `supersteps` says of it, the channels that start it, the
        # barriers that it empties when it runs, its own trigger, and what its edges and joins
        # write, as slots.
        self.label: str = label_of((name,))
        self.then: str = ""
        self.edges: tuple[str, ...] = ()
        self.triggers: tuple[str, ...] = ()
        self.static: list[tuple[str, object]] = []
        self.consumes: list[int] = []
        self.trigger: list[int] = []
        self.targets: list[int] = []
        # A dict that it returns is all that it writes besides the triggers of `then`, and
        # `apply` of the module does it; or its only router chooses the one node that is next.
        self.is_plain: bool = False
        self.has_plain_router: bool = False

    def lead(self, block: Block) -> None:
        """Takes over where it leads.

        Raises:
            ImportError: the block asks other routers than the node has.
        """
        self.then = block.then
        self.edges = block.edges
        by_name = {branch.name: branch for branch in self.branches}
        if sorted(block.routers) != sorted(by_name):
            raise ImportError(
                f"supersteps asks the routers {block.routers!r} of node {self.name!r}, which has "
                f"{tuple(by_name)!r}"
            )
        self.branches = tuple([by_name[name] for name in block.routers])
        static: list[tuple[str, object]] = [(BRANCH_TO + end, None) for end in block.edges]
        static.extend((key, self.name) for key in block.joins)
        self.static = static


class Join:
    """A barrier.

    Args:
        key: of its channel.
        starts: the nodes that it waits for.
        end: the node that it starts.
    """

    def __init__(self, key: str, starts: tuple[str, ...], end: str) -> None:
        self.key: str = key
        self.starts: tuple[str, ...] = starts
        self.end: str = end


class Output:
    """What a run reports of the state.

    Args:
        keys: the keys.
        is_single: the value of the only key is reported instead of a dict.
        index: the slot of every channel.
        channels: the prototypes.

    Attributes:
        slots: the slots of the keys.
        slot_of: the slot of each key.
        contains: whether a slot is one of them.
        is_whole_state: as of a View.
        readable_at_end: the values may be read when the run is over: no output key can lose
            its value without being written.
    """

    def __init__(
        self, keys: tuple[str, ...], is_single: bool, index: dict[str, int], channels: list[Channel]
    ) -> None:
        self.keys: tuple[str, ...] = keys
        self.single_value: bool = is_single
        self.slots: list[int] = [index[key] for key in keys]
        self.contains: list[bool] = [False] * len(channels)
        for slot in self.slots:
            self.contains[slot] = True
        self.is_whole_state: bool = False
        self.slot_of: dict[str, int] = {key: index[key] for key in keys}
        self.readable_at_end: bool = not any(
            channels[slot].changes_without_write for slot in self.slots
        )


class Program:
    """The tables of one graph.

    Args:
        name: the graph's name.
        supersteps: the control flow (engine/flow.py).
        apply: `(run, values, update)`: writes a node's update to the values of the state.
        keys: a prototype for every state key, in the builder's order.
        managed: the managed values.
        nodes: in the builder's order; `__start__` only if it has routers.
        joins: the barriers.
        inputs: the keys an input may set; None for the root value.
        outputs: the keys `invoke` returns; None for the root value.
        output_schema, state_schema: what dicts of the output and of the state are made into in
            typed chunks, or None.
        context_schema: what a `context=` dict is made into, or None.
        allowlist: the classes, (module, name), that a checkpoint may hold besides the safe ones.

    Raises:
        ImportError: `supersteps` does not fit to the nodes.
    """

    def __init__(
        self,
        name: str,
        supersteps: Callable[[Any, str], str],
        apply: Callable[[Any, dict[str, Any], dict[Any, Any]], None],
        *,
        keys: tuple[Channel, ...],
        managed: tuple[Managed, ...],
        nodes: tuple[Node, ...],
        joins: tuple[Join, ...],
        inputs: tuple[str, ...] | None,
        outputs: tuple[str, ...] | None,
        context_schema: Any,
        output_schema: Any = None,
        state_schema: Any = None,
        allowlist: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.name: str = name
        self.supersteps: Callable[[Any, str], str] = supersteps
        self.apply: Callable[[Any, dict[str, Any], dict[Any, Any]], None] = apply
        self.allowlist: frozenset[tuple[str, str]] = frozenset(allowlist)
        self.context_schema: Any = context_schema
        self.output_schema: Any = output_schema
        self.state_schema: Any = state_schema
        names = tuple(channel.key for channel in keys)
        self.is_root: bool = names == ("__root__",)
        everything = None if self.is_root else names
        if inputs == EVERYTHING:
            inputs = everything
        if outputs == EVERYTHING:
            outputs = everything
        self.root_input: bool = inputs is None
        self.outputs: tuple[str, ...] | None = outputs
        self.managed: dict[str, Managed] = {value.key: value for value in managed}
        # What a node is given that reads everything: channels before managed values.
        self.everything: tuple[str, ...] | None = None if self.is_root else (*names, *self.managed)
        if not nodes[0].is_start:
            nodes = (Node(START), *nodes)
        self.by_name: dict[str, Node] = {node.name: node for node in nodes}
        self.by_label: dict[str, Node] = {node.label: node for node in nodes}
        self._reader: FlowReader = FlowReader(supersteps)
        # By the sorted names of nodes that run together, what `supersteps` calls them.
        self._labels: dict[tuple[str, ...], str] = {}
        self._read_flow(joins)
        start = EphemeralValue(START)
        triggers = [_trigger(node) for node in nodes if not node.is_start]
        barriers = [_barrier(join, self.by_name) for join in joins]
        self.channels: list[Channel] = [*keys, start, Topic(TASKS), *triggers, *barriers]
        channels = self.channels
        for each in channels:
            each.prototype = True
        self.index: dict[str, int] = {c.key: i for i, c in enumerate(channels)}
        # The channels whose value is in the dict of a run's values, and their keys in order.
        self.in_state: list[bool] = [
            i < len(keys) and _is_in_state(c) for i, c in enumerate(channels)
        ]
        self.state_keys: list[str] = [c.key for i, c in enumerate(channels) if self.in_state[i]]
        self.channels_in_state: dict[str, Channel] = {
            c.key: c for i, c in enumerate(channels) if self.in_state[i]
        }
        self.is_simple_state: bool = len(self.state_keys) == len(keys)
        # What makes the first values of keys in `state`, in order, and the other channels that
        # may have a value from the start.
        self.seeds: list[tuple[str, Callable[[], object]]] = []
        self.seeded: list[int] = []
        for i, channel in enumerate(channels):
            if self.in_state[i] and isinstance(channel, BinaryOperatorAggregate):
                if channel.seed is not None:
                    self.seeds.append((channel.key, channel.seed))
            elif _is_seeded(channel):
                self.seeded.append(i)
        # The channels of the users' own classes.
        self.foreign: list[int] = [
            i for i, c in enumerate(channels) if isinstance(c, ForeignChannel)
        ]
        self.deferred: list[int] = [i for i, c in enumerate(channels) if c.deferred]
        self.start_slot: int = self.index[START]
        self.tasks_slot: int = self.index[TASKS]
        self.start: Node = nodes[0]
        # Triggers that hold None for one superstep: `updated` says all there is to know.
        self.transient_trigger: list[bool] = [False] * len(channels)
        # A run with checkpoints stores those, too, and has none of that kind.
        self.no_transient_trigger: list[bool] = [False] * len(channels)
        # The nodes whose trigger is of that kind, by name.
        self.successors: dict[str, Node] = {}
        for node in nodes:
            if not node.is_start:
                node.trigger = [self.index[BRANCH_TO + node.name]]
                if not node.defer:
                    self.transient_trigger[node.trigger[0]] = True
                    self.successors[node.name] = node
        # A reducer is called in the order of the schema where a router reads, and in the order of
        # an update where that is applied: with one reducer, these are the same.
        reducers = [c for c in self.channels_in_state.values() if not c.keeps_last]
        self._has_one_order: bool = self.is_simple_state and len(reducers) < 2
        self.unwritten: list[object] = [MISSING] * len(channels)
        # A dict that a node returns is its writes, key by key.
        self.direct: bool = (
            not self.is_root and not managed and not self.root_input and not delta_keys(keys)
        )
        # The slots of the keys that a node and an input may write; managed values have none.
        written = [*names, *self.managed]
        self.slots: dict[str, int] = {key: self.index.get(key, -1) for key in written}
        input_keys = names if inputs is None else inputs
        self.input_slots: dict[str, int] = {key: self.index[key] for key in input_keys}
        self.takes_everything: bool = inputs is not None and inputs == everything
        self._outputs: dict[tuple[tuple[str, ...], bool], Output] = {}
        self.default_output: Output = self.output(
            ("__root__",) if outputs is None else outputs, outputs is None
        )
        self.streamed_output: Output = self.output(
            ("__root__",) if self.is_root else names, self.is_root
        )
        # Scheduling and write application both go by name (spec §4.4, §4.6).
        self.nodes: list[Node] = sorted(nodes, key=_node_name)
        self.triggered: list[list[int]] = [[] for _ in channels]
        self.groups: dict[Any, int] = {}
        for position, node in enumerate(self.nodes):
            for trigger in node.triggers:
                slot = self.index[trigger]
                self.triggered[slot].append(position)
                if channels[slot].consumable:
                    node.consumes.append(slot)
            self._resolve(node.view)
            for branch in node.branches:
                self._resolve(branch.view)
        self.start.view.root = self.start_slot
        # The input is read by no other node, though the nodes of a root state read no keys either.
        self.start.view.group = self.groups.setdefault((START, None), len(self.groups))
        # By channel, the nodes it starts; as names, in the builder's order.
        self.subscribers: dict[str, list[str]] = {}
        for node in nodes:
            for trigger in node.triggers:
                self.subscribers.setdefault(trigger, []).append(node.name)
        places = {node.name: place for place, node in enumerate(self.nodes)}
        # The positions of the nodes in the builder's order.
        self.defined: list[int] = [places[node.name] for node in nodes]
        self.has_cached_nodes: bool = any(node.cache is not None for node in nodes)
        self.has_timeouts: bool = any(node.timeout is not None for node in nodes)
        self.delta_keys: dict[str, bool] = delta_keys(keys)
        # The keys whose values are not stored.
        self.untracked: dict[str, bool] = {c.key: True for c in keys if is_untracked(c)}
        self.edges: list[tuple[str, str]] = [(n.name, end) for n in nodes for end in n.edges]
        for node in nodes:
            node.targets = [self.index[name] for name, _ in node.static]
            self._set_plain(node)

    def _read_flow(self, joins: tuple[Join, ...]) -> None:
        """Takes over where every node leads.

        Raises:
            ImportError: as the class.
        """
        starts = {join.key: set(join.starts) for join in joins}
        for join in joins:
            if join.end not in self.by_name:
                raise ImportError(f"join {join.key!r} leads to no node {join.end!r}")
        for node in self.by_name.values():
            block = self._reader.block(node.name)
            node.lead(block)
            for names, is_deferred in ((names_of(block.then), False), (block.deferred, True)):
                for name in names:
                    if name == START or name not in self.by_name:
                        raise ImportError(f"supersteps: {node.name!r} leads to no node {name!r}")
                    if self.by_name[name].defer != is_deferred:
                        wrong = "no deferred node" if is_deferred else "a deferred node"
                        raise ImportError(f"supersteps: {node.name!r} leads to {wrong}, {name!r}")
            if sorted(block.edges) != sorted((*names_of(block.then), *block.deferred)):
                raise ImportError(f"supersteps: the edges of {node.name!r} are not where it leads")
            for key in block.joins:
                if node.name not in starts.get(key, ()):
                    raise ImportError(f"supersteps: {node.name!r} is no start of a join {key!r}")
            together = tuple(sorted(names_of(block.then)))
            if len(set(block.edges)) != len(block.edges):
                raise ImportError(f"supersteps: {node.name!r} leads to a node twice")
            if len(together) > 1:
                label = self._labels.get(together, block.then)
                if label != block.then:
                    raise ImportError(f"supersteps calls a set {label!r} and {block.then!r}")
                if self._reader.has_parallel(label):
                    self._labels[together] = label
                elif not block.routers and not block.joins:
                    # Else something more may be due in any case.
                    raise ImportError(f"supersteps has no block for {block.then!r}")
        for join in joins:
            for name in join.starts:
                if name not in self.by_name or (join.key, name) not in self.by_name[name].static:
                    raise ImportError(f"supersteps: {name!r} does not write to {join.key!r}")
        for node in self.by_name.values():
            for branch in node.branches:
                for end in (branch.ends or {}).values():
                    if end != END and end not in self.by_name:
                        raise ImportError(f"router {branch.name!r} leads to no node {end!r}")
            own = START if node.is_start else BRANCH_TO + node.name
            ending = [join.key for join in joins if join.end == node.name]
            node.triggers = tuple(sorted((own, *ending)))

    def _set_plain(self, node: Node) -> None:
        is_plain = self.direct and not node.consumes
        triggers_only = all(self.transient_trigger[slot] for slot in node.targets)
        # Where nothing is due next, deferred nodes are.
        leads_on = len(node.targets) > 0 or not self.deferred
        node.is_plain = is_plain and not node.branches and triggers_only and leads_on
        if is_plain and len(node.branches) == 1 and not node.static and self._has_one_order:
            branch = node.branches[0]
            node.has_plain_router = (
                branch.view.is_copied and not branch.merges and not self.deferred
            )

    def label_of(self, positions: list[int]) -> str:
        """What `supersteps` calls the superstep of these nodes; "" if it has no block for them.

        Args:
            positions: their places in `nodes`.
        """
        if len(positions) == 1:
            return self.nodes[positions[0]].label
        names = tuple([self.nodes[position].name for position in positions])
        label = self._labels.get(names)
        if label is None:
            label = label_of(names)
            if not self._reader.has_parallel(label):
                return ""
            self._labels[names] = label
        return label

    def output(self, keys: tuple[str, ...], is_single: bool) -> Output:
        """What a run that reports `keys` reports; made once.

        Raises:
            KeyError: a key is no channel of the graph.
        """
        output = self._outputs.get((keys, is_single))
        if output is None:
            output = Output(keys, is_single, self.index, self.channels)
            output.is_whole_state = self.is_simple_state and list(keys) == self.state_keys
            self._outputs[(keys, is_single)] = output
        return output

    def set_order(self, view: View) -> None:
        """Sets the order in which a fresh read of the view's slots updates channels."""
        view.order = sorted({*view.slots, *self.foreign})

    def _resolve(self, view: View) -> None:
        reads = self.everything if view.reads == EVERYTHING else view.reads
        view.reads = reads
        if reads is None:
            view.root = self.index.get("__root__", -1)
            view.keys = ["__root__"]
        else:
            view.keys = [key for key in reads if key not in self.managed]
            view.managed = [self.managed[key] for key in reads if key in self.managed]
        view.slots = [self.index[key] for key in view.keys if key in self.index]
        self.set_order(view)
        view.is_whole_state = self.is_simple_state and view.keys == self.state_keys
        view.is_copied = (
            view.is_whole_state and reads is not None and view.schema is None and not view.managed
        )
        identity = (reads, None if view.schema is None else id(view.schema))
        view.group = self.groups.setdefault(identity, len(self.groups))


def _node_name(node: Node) -> str:
    return node.name


def _is_seeded(channel: Channel) -> bool:
    """Whether an unwritten channel of this kind may have a value."""
    return isinstance(channel, (BinaryOperatorAggregate, DeltaChannel, ForeignChannel))


def _trigger(node: Node) -> Channel:
    """The channel that starts a node by an edge."""
    key = BRANCH_TO + node.name
    return LastValueAfterFinish(key) if node.defer else EphemeralValue(key, False)


def _barrier(join: Join, by_name: dict[str, Node]) -> Channel:
    """The channel of a join."""
    return NamedBarrierValue(join.key, frozenset(join.starts), by_name[join.end].defer)


def _is_in_state(channel: Channel) -> bool:
    """Whether a channel's value is all there is to it: the last one, or what a reducer made."""
    return type(channel) is LastValue or type(channel) is BinaryOperatorAggregate
