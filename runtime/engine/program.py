"""The declarations of a graph: what a generated module is made of, with names resolved.

Everything here is immutable once a `Program` is built, and shared by all runs.
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
    Topic,
    delta_keys,
    is_untracked,
)
from lgc.runtime.constants import BRANCH_TO, END, MISSING, PULL, START, TASKS
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
        ends: what a returned value stands for, or None.
        call: CALL, CALL_WITH_TASK, INVOKE, AWAIT or AWAIT_WITH_TASK.
        anonymous: the router has no name of its own; errors that name it call it None, and not by
            `name`.
    """

    def __init__(
        self,
        name: str,
        path: Any,
        *,
        reads: tuple[str, ...] | None,
        schema: Any = None,
        merges: bool = False,
        ends: dict[Any, str] | None = None,
        call: int = CALL,
        anonymous: bool = False,
    ) -> None:
        self.name: str = name
        self.anonymous: bool = anonymous
        self.path: Any = path
        self.view: View = View(reads, schema)
        self.merges: bool = merges
        self.ends: dict[Any, str] | None = ends
        self.call: int = call

    @property
    def own_name(self) -> str | None:
        """The router's name in errors."""
        return None if self.anonymous else self.name


class Node:
    """One node.

    Args:
        name: as in the builder.
        body: the user's function, a Runnable, or a generated function; None for
            `__start__`. What it is called with is said by `call`.
        reads, schema: what it is given of the state.
        edges: the nodes its static edges lead to.
        feeds: the barriers it writes to.
        joins: the barriers that start it, besides its own trigger channel.
        branches: its conditional edges, in the builder's order.
        defer: it waits until the run has no other trigger left.
        call: CALL, CALL_WITH_TASK, INVOKE, AWAIT or AWAIT_WITH_TASK.
        subgraph: it calls a graph, as far as its code tells (spec §9.1).

    Attributes:
        triggers: the channels that start it, sorted.
        static: the writes that follow whatever it returns.
        path_text: the path of its tasks that edges start, as text (ids.path_text).
    """

    def __init__(
        self,
        name: str,
        body: Any,
        *,
        reads: tuple[str, ...] | None,
        schema: Any = None,
        edges: tuple[str, ...] = (),
        feeds: tuple[str, ...] = (),
        joins: tuple[str, ...] = (),
        branches: tuple[Branch, ...] = (),
        defer: bool = False,
        call: int = CALL,
        subgraph: bool = False,
    ) -> None:
        self.name: str = name
        self.subgraph: bool = subgraph
        self.body: Any = body
        self.view: View = View(reads, schema)
        self.is_start: bool = name == START
        own = START if self.is_start else BRANCH_TO + name
        self.triggers: tuple[str, ...] = tuple(sorted((own, *joins)))
        static: list[tuple[str, object]] = [(BRANCH_TO + end, None) for end in edges if end != END]
        static.extend((key, name) for key in feeds)
        self.static: list[tuple[str, object]] = static
        self.edges: tuple[str, ...] = edges
        self.path_text: str = path_text((PULL, name))
        self.branches: tuple[Branch, ...] = branches
        self.defer: bool = defer
        self.call: int = call
        # Filled in by Program: the channels it empties when it runs, its own trigger, the
        # triggers its edges write, whether the fast path runs it, and the node that its
        # edges start when there is just one and the fast path runs that too.
        self.consumes: list[int] = []
        self.trigger: list[int] = []
        self.targets: list[int] = []
        self.has_fast_path: bool = False
        self.successor: Node | None = None


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
        keys: a prototype for every state key, in the builder's order.
        managed: the managed values.
        nodes: `__start__` first, the others in the builder's order.
        joins: the barriers.
        inputs: the keys an input may set; None for the root value.
        outputs: the keys `invoke` returns; None for the root value.
        output_schema, state_schema: what dicts of the output and of the state are made into in
            typed chunks, or None.
        context_schema: what a `context=` dict is made into, or None.
        allowlist: the classes, (module, name), that a checkpoint may hold besides the safe ones.
    """

    def __init__(
        self,
        name: str,
        *,
        keys: tuple[Channel, ...],
        managed: tuple[Managed, ...],
        nodes: tuple[Node, ...],
        joins: tuple[Channel, ...],
        inputs: tuple[str, ...] | None,
        outputs: tuple[str, ...] | None,
        context_schema: Any,
        output_schema: Any = None,
        state_schema: Any = None,
        allowlist: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.name: str = name
        self.allowlist: frozenset[tuple[str, str]] = frozenset(allowlist)
        self.context_schema: Any = context_schema
        self.output_schema: Any = output_schema
        self.state_schema: Any = state_schema
        names = tuple(channel.key for channel in keys)
        self.is_root: bool = names == ("__root__",)
        self.root_input: bool = inputs is None
        self.outputs: tuple[str, ...] | None = outputs
        self.managed: dict[str, Managed] = {value.key: value for value in managed}
        start = EphemeralValue(START)
        triggers = [_trigger(node) for node in nodes if not node.is_start]
        self.channels: list[Channel] = [*keys, start, Topic(TASKS), *triggers, *joins]
        channels = self.channels
        for channel in channels:
            channel.prototype = True
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
        self.seeded: list[int] = [i for i, c in enumerate(channels) if _is_seeded(c)]
        # The channels of the users' own classes.
        self.foreign: list[int] = [
            i for i, c in enumerate(channels) if isinstance(c, ForeignChannel)
        ]
        self.deferred: list[int] = [i for i, c in enumerate(channels) if c.deferred]
        self.start_slot: int = self.index[START]
        self.tasks_slot: int = self.index[TASKS]
        self.start: Node = nodes[0]
        self.by_name: dict[str, Node] = {node.name: node for node in nodes}
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
        self.unwritten: list[object] = [MISSING] * len(channels)
        # A dict that a node returns is its writes, key by key.
        self.direct: bool = not self.is_root and not managed and not self.root_input
        # The slots of the keys that a node and an input may write; managed values have none.
        written = [*names, *self.managed]
        self.slots: dict[str, int] = {key: self.index.get(key, -1) for key in written}
        input_keys = names if inputs is None else inputs
        self.input_slots: dict[str, int] = {key: self.index[key] for key in input_keys}
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
        self.delta_keys: dict[str, bool] = delta_keys(keys)
        # The keys whose values are not stored.
        self.untracked: dict[str, bool] = {c.key: True for c in keys if is_untracked(c)}
        self.edges: list[tuple[str, str]] = [(n.name, end) for n in nodes for end in n.edges]
        is_simple = not self.deferred and not self.delta_keys
        for node in nodes:
            node.targets = [self.index[name] for name, _ in node.static]
            triggers_only = all(self.transient_trigger[slot] for slot in node.targets)
            node.has_fast_path = is_simple and triggers_only and not node.consumes
        for node in nodes:
            if node.has_fast_path and len(node.targets) == 1:
                successor = self.nodes[self.triggered[node.targets[0]][0]]
                node.successor = successor if successor.has_fast_path else None

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
        reads = view.reads
        if reads is None:
            view.root = self.index.get("__root__", -1)
            view.keys = ["__root__"]
        else:
            view.keys = [key for key in reads if key not in self.managed]
            view.managed = [self.managed[key] for key in reads if key in self.managed]
        view.slots = [self.index[key] for key in view.keys if key in self.index]
        self.set_order(view)
        view.is_whole_state = self.is_simple_state and view.keys == self.state_keys
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


def _is_in_state(channel: Channel) -> bool:
    """Whether a channel's value is all there is to it: the last one, or what a reducer made."""
    return type(channel) is LastValue or type(channel) is BinaryOperatorAggregate
