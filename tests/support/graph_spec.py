"""Random graphs as plain data: what `graph_strategy` draws and `graph_builder` builds from."""

from __future__ import annotations

import copy
import keyword
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from channel_kinds import DELTAS, MANAGED
from langgraph.types import Overwrite, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict as NewTypedDict

HIDDEN = "hidden"
"""A key that only some nodes' schemas have."""
STRAY = "stray"
"""A key that no schema has."""


def is_field(key: str) -> bool:
    return key.isidentifier() and not keyword.iskeyword(key)


@dataclass(frozen=True)
class Replace:
    """An Overwrite to be written in one of its three forms."""

    form: Literal["object", "key", "json"]
    value: Any

    def written(self) -> Any:
        """What a node writes."""
        value = copy.deepcopy(self.value)
        if self.form == "object":
            return Overwrite(value)
        if self.form == "key":
            return {"__overwrite__": value}
        return {"type": "__overwrite__", "value": value}


@dataclass(frozen=True)
class Sent:
    """A Send; `own` says that it is one of lgc's class."""

    node: str
    arg: Any
    own: bool = False


@dataclass(frozen=True)
class Order:
    """A Command; `form` is how the update is written."""

    writes: tuple[tuple[str, Any], ...] | None
    form: Literal["dict", "pairs", "dataclass", "value"]
    goto: Any = ()
    graph: str | None = None
    own: bool = False


@dataclass(frozen=True)
class Thing:
    """An argument of a Send that is no state."""

    size: int


@dataclass(frozen=True)
class Act:
    """What a node does when it is run.

    Attributes:
        kind: return a dict, an instance of a dataclass, of a pydantic model or of an annotated
            class, or `value` as it is; or raise; or append to every list of the state.
        writes: for the first four kinds.
        value: for the kind "value": also a Sent, an Order, or a list with an Order in it;
            and the root value.
    """

    kind: Literal["dict", "dataclass", "model", "annotated", "value", "raise", "cancel", "mutate"]
    writes: tuple[tuple[str, Any], ...] = ()
    value: Any = None


@dataclass(frozen=True)
class RouterSpec:
    """A conditional edge; its function returns the entries of `returns` in turn.

    Attributes:
        is_async, suspends: as in NodeSpec.
    """

    source: str
    returns: tuple[Any, ...]
    ends: dict[Any, str] | list[str] | None = None
    literal: tuple[str, ...] = ()
    reads: tuple[str, ...] | None = None
    wants: tuple[str, ...] = ()
    fails: bool = False
    flavor: str = "typed"
    fault: Any = None
    is_async: bool = False
    suspends: int = 0


@dataclass(frozen=True)
class Ask:
    """A call of `interrupt`.

    Attributes:
        value: what is asked.
        schema: what the answer has to be: "", "model" or "typed".
        swallowed: the node goes on without an answer.
    """

    value: Any
    schema: str = ""
    swallowed: bool = False

    def put(self) -> Any:
        """Calls `interrupt`; the answer, or the name of the exception that was swallowed."""
        if not self.swallowed:
            return interrupt(self.value, response_schema=_ANSWERS[self.schema])
        try:
            return interrupt(self.value, response_schema=_ANSWERS[self.schema])
        except Exception as exc:
            return type(exc).__name__


class Answer(BaseModel):
    """The answer to a question with a schema."""

    n: int = 0


_ANSWERS: dict[str, Any] = {
    "": None,
    "model": Answer,
    "typed": NewTypedDict("Answers", {"n": int}),  # type: ignore[operator]
}


@dataclass(frozen=True)
class NodeSpec:
    """A node; it does `acts` in turn, and `fault` when it may fail.

    Attributes:
        asks: what it asks before.
        flavor: the class that `reads` becomes: "typed" (a TypedDict), "dataclass" or "model".
        body: what kind of object the node is.
        ends: the destinations it declares; `annotated` says as what.
        is_async: its function is a coroutine function, or an async generator function.
        suspends: how often that one gives way to the loop before it returns.
    """

    name: str
    acts: tuple[Act, ...]
    reads: tuple[str, ...] | None = None
    defer: bool = False
    wants: tuple[str, ...] = ()
    flavor: str = "typed"
    body: str = "function"
    ends: tuple[str, ...] = ()
    annotated: bool = False
    fault: Act | None = None
    asks: tuple[Ask, ...] = ()
    is_async: bool = False
    suspends: int = 0


@dataclass(frozen=True)
class GraphSpec:
    """A graph; `keys` are `(name, kind)`, the only one of a root-value graph is `__root__`.

    Attributes:
        flavor: what the state is, as in NodeSpec.
        hidden: the kind of the key that only nodes' schemas have, or "".
        context: what the context schema is: "", "typed", "dataclass" or "model".
        saved: the graph runs with a saver: which act a node performs depends on the superstep, not
            on how often this process ran it, and a node that fails does so after its siblings.
    """

    keys: tuple[tuple[str, str], ...]
    nodes: tuple[NodeSpec, ...]
    edges: tuple[tuple[str, str], ...]
    joins: tuple[tuple[tuple[str, ...], str], ...]
    routers: tuple[RouterSpec, ...]
    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    flavor: str = "typed"
    hidden: str = ""
    context: str = ""
    saved: bool = False

    @property
    def sends(self) -> bool:
        """Whether a node may run several times in one superstep."""
        acts = [act.value for node in self.nodes for act in node.acts]
        acts += [order.goto for order in orders_in(acts)]
        return any(map(_has_sent, [*acts, *(router.returns for router in self.routers)]))

    @property
    def commands(self) -> bool:
        """Whether a node returns a Command."""
        return bool(orders_in([act.value for node in self.nodes for act in node.acts]))

    @property
    def by_step(self) -> bool:
        """Whether the superstep tells what a node does next."""
        return self.saved or self.sends

    @property
    def in_place(self) -> bool:
        """Whether a node or a reducer changes values that others hold."""
        kinds = {self.hidden, *(kind for _, kind in self.keys)}
        return bool({"in_place", "delta_in_place"} & kinds) or any(
            a.kind == "mutate" for n in self.nodes for a in n.acts
        )

    @property
    def is_async(self) -> bool:
        """Whether only the async methods run it."""
        return any(part.is_async for part in (*self.nodes, *self.routers))

    def features(self) -> Iterator[str]:
        """What the summary of a run of the tests counts."""
        yield from ["with Send"] if self.sends else []
        yield from ["with Command"] if self.commands else []
        flavors = {self.flavor, *(node.flavor for node in self.nodes)}
        yield from ["with a dataclass or model"] if flavors != {"typed"} else []
        yield from ["with a DeltaChannel"] if {k for _, k in self.keys} & {*DELTAS} else []
        yield from ["with managed values"] if {k for _, k in self.keys} & {*MANAGED} else []
        bodies = {node.body for node in self.nodes}
        yield from ["with nodes that are no functions"] if bodies != {"function"} else []


def _has_sent(value: Any) -> bool:
    return isinstance(value, Sent) or (
        isinstance(value, (tuple, list)) and any(map(_has_sent, value))
    )


def orders_in(values: Sequence[Any]) -> list[Order]:
    flat = [v for value in values for v in (value if isinstance(value, (tuple, list)) else [value])]
    return [value for value in flat if isinstance(value, Order)]
