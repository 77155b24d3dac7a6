"""Trees of graphs, and what is done with them on a thread, as plain data.

A graph's keys are `log`, a list that grows, `last`, `count`, and a list of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

LANGGRAPH, LGC = "langgraph", "lgc"
Engines = tuple[str, str, str]
"""The engine of the root, of its children and of theirs."""
ORACLE: Engines = (LANGGRAPH, LANGGRAPH, LANGGRAPH)
ALONE: Engines = (LGC, LGC, LGC)


@dataclass(frozen=True)
class ChildCall:
    """A call of the child inside a node.

    Attributes:
        streamed: whether it is streamed.
        modes, subgraphs: of the stream.
        config: "ambient" for none, "passed" for the node's own, "thread" for one with a thread of
            its own, "tags" for one that has only tags.
    """

    streamed: bool = False
    modes: Any = "values"
    subgraphs: bool = False
    config: Literal["ambient", "passed", "thread", "tags"] = "ambient"


@dataclass(frozen=True)
class NodeSpec:
    """A node.

    Attributes:
        name: its name.
        child: a graph that it is, or that it calls.
        calls: how it calls it, one after the other; empty for a node that is the graph.
        bound: the child is bound to a config first.
        hidden: the child stands where LangGraph does not look for it.
        asks, asks_later: how many questions it asks before and after the calls.
        fails_at: which of its visits fails, counted from 1; 0 for none.
        goto: where its Command leads; None for a node that returns a dict.
        leaves: its Command is for the parent.
        sends: where that leads, it leads by a Send.
        catches: it goes on when a call of the child fails.
        writes: it writes to the stream.
        is_async: it is an async function where the graph is called so.
    """

    name: str
    child: TreeSpec | None = None
    calls: tuple[ChildCall, ...] = ()
    bound: bool = False
    hidden: bool = False
    asks: int = 0
    asks_later: int = 0
    fails_at: int = 0
    goto: str | None = None
    leaves: bool = False
    sends: bool = False
    catches: bool = False
    writes: bool = False
    is_async: bool = True

    @property
    def is_child(self) -> bool:
        """Whether the child is the node itself."""
        return self.child is not None and not self.calls


@dataclass(frozen=True)
class TreeSpec:
    """A graph with its children.

    Attributes:
        name: of the graph, unlike all others of the tree.
        nodes: its nodes, in order.
        shape: "line" for one after the other; "loop" for a line that begins again; "pair" for
            the first two at once; "sends" for two Sends to the first; "routed" for a router at the
            start.
        rounds: the count at which a loop ends.
        keys: besides its own list.
        outputs: the keys of its output; empty for all.
        checkpointer: of a child; "own" for a saver that nobody else has.
        interrupt_before, interrupt_after: as for `compile`.
    """

    name: str
    nodes: tuple[NodeSpec, ...]
    shape: Literal["line", "loop", "pair", "sends", "routed"] = "line"
    rounds: int = 2
    keys: tuple[str, ...] = ("log", "last", "count")
    outputs: tuple[str, ...] = ()
    checkpointer: Any = None
    interrupt_before: tuple[str, ...] = ()
    interrupt_after: tuple[str, ...] = ()

    def graphs(self) -> Iterator[TreeSpec]:
        """This graph and all below it."""
        yield self
        for node in self.nodes:
            if node.child is not None:
                yield from node.child.graphs()

    def all_nodes(self) -> Iterator[NodeSpec]:
        """The nodes of this graph and of all below it."""
        for graph in self.graphs():
            yield from graph.nodes

    @property
    def depth(self) -> int:
        """How many levels there are."""
        return 1 + max((n.child.depth for n in self.nodes if n.child is not None), default=0)

    @property
    def is_parallel(self) -> bool:
        """Whether tasks may run at once on any level."""
        if any(node.leaves for node in self.all_nodes()):
            return True
        return any(graph.shape in ("pair", "sends") for graph in self.graphs())


@dataclass(frozen=True)
class Answer:
    """A Command that answers what the thread asks.

    Attributes:
        value: what the answers begin with.
        to: "one" without an id, "all" by their ids, "first" the first by its id.
    """

    value: str
    to: Literal["one", "all", "first"] = "one"


@dataclass(frozen=True)
class Place:
    """What a call addresses, by its place.

    Attributes:
        kind: "thread"; "root", a checkpoint of the root's; "child", the state of a task as
            get_state shows it; "child past", a state of the child's history; "namespace", a
            namespace of a child's without a checkpoint; "unknown", one that is not there.
        child, age: which child, and which checkpoint, counted from the newest.
    """

    kind: Literal["thread", "root", "child", "child past", "namespace", "unknown"] = "thread"
    child: int = 0
    age: int = 0


@dataclass(frozen=True)
class Turn:
    """One call on the thread.

    Attributes:
        method: of the graph.
        input: of a run, or the values of an update; an Answer becomes a Command.
        place: what it addresses.
        options: keyword arguments.
    """

    method: str
    input: Any = None
    place: Place = Place()
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class NestedCase:
    """A tree, the calls, and what stands beside them.

    Attributes:
        tree, turns: the graphs and the calls.
        saved: whether there is a saver.
        mixed: the engines that are compared besides lgc's on all levels.
        seed: draws the order in which nodes of async runs come to their ends.
        own_saver: under lgc the saver is lgc's, too.
    """

    tree: TreeSpec
    turns: tuple[Turn, ...]
    saved: bool
    mixed: Engines
    seed: int = 0
    own_saver: bool = False
