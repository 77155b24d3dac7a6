"""Random StateGraphs: drawn as plain data, and built from it as often as needed."""

from __future__ import annotations

import asyncio
import copy
import inspect
import keyword
import operator
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, make_dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

from foreign import Biggest, Doubled, Tide
from hypothesis import strategies as st
from inprocess import compile_in_process
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.channels import AnyValue, DeltaChannel, EphemeralValue, Topic, UntrackedValue
from langgraph.config import get_config, get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.managed import IsLastStep, RemainingSteps
from langgraph.types import Command, Overwrite, Send, interrupt
from parity import COUNTS, UPDATES, VALUES, Call, Compile, Log, compare, plain_config
from pydantic import BaseModel, create_model
from typing_extensions import TypedDict as NewTypedDict

from lgc.runtime.public import commands as own

_MARK: ContextVar[str] = ContextVar("mark", default="clean")
"""Set by every node and router; none may see what another left."""


def extend(old: list[Any], new: list[Any]) -> list[Any]:
    """A reducer that has an importable name; refuses the write `["bad"]`."""
    if new == ["bad"]:
        raise TypeError("the reducer refuses it")
    return [*old, *new]


def pair(old: Any, new: Any) -> list[Any]:
    """A reducer whose channel has no first value."""
    return [old, new]


def batch(old: list[Any], writes: list[Any]) -> list[Any]:
    """A reducer of a DeltaChannel that has an importable name; shows how writes are batched."""
    if ["bad"] in writes:
        raise TypeError("the reducer refuses it")
    return [*old, len(writes), *(item for write in writes for item in write)]


def grown(old: list[Any], writes: list[Any]) -> list[Any]:
    """The same in place."""
    for write in writes:
        old += write
    return old


# kind of channel -> its annotation, and which of _VALUES it holds
_KINDS: dict[str, tuple[Callable[[], Any], str]] = {
    "last_int": (lambda: int, "int"),
    "last_any": (lambda: Any, "any"),
    "last_list": (lambda: list, "list"),
    "add_list": (lambda: Annotated[list, operator.add], "list"),
    "add_int": (lambda: Annotated[int, operator.add], "int"),
    "in_place": (lambda: Annotated[list, operator.iadd], "list"),
    "lambda": (lambda: Annotated[list, lambda old, new: [*old, "|", *new]], "list"),
    "function": (lambda: Annotated[list, extend], "list"),
    "no_seed": (lambda: Annotated[Any, pair], "any"),
    "sequence": (lambda: Annotated[Sequence[int], operator.add], "list"),
    "dict": (lambda: Annotated[dict, operator.or_], "dict"),
    "delta": (lambda: Annotated[list, DeltaChannel(batch)], "list"),
    "delta_in_place": (
        lambda: Annotated[
            Sequence[int], DeltaChannel(lambda old, writes: old.extend(writes) or old)
        ],
        "list",
    ),
    "ephemeral": (lambda: Annotated[int, EphemeralValue], "int"),
    "unguarded": (lambda: Annotated[int, EphemeralValue(int, guard=False)], "int"),
    "topic": (lambda: Annotated[list, Topic(int)], "topic"),
    "accumulated": (lambda: Annotated[list, Topic(int, accumulate=True)], "topic"),
    "any_value": (lambda: Annotated[int, AnyValue], "int"),
    "untracked": (lambda: Annotated[int, UntrackedValue], "int"),
    "biggest": (lambda: Annotated[int, Biggest], "int"),
    "tide": (lambda: Annotated[int, Tide], "int"),
    "is_last": (lambda: IsLastStep, "int"),
    "remaining": (lambda: RemainingSteps, "int"),
    "doubled": (lambda: Annotated[int, Doubled], "int"),
}
_MANAGED = ("is_last", "remaining", "doubled")
_CHANNELS = tuple(kind for kind in _KINDS if kind not in _MANAGED)
_DELTAS = ("delta", "delta_in_place")
_REDUCED = (
    *("add_list", "add_int", "in_place", "lambda", "function", "no_seed", "sequence", "dict"),
    *_DELTAS,
)

_ints = st.integers(0, 3)
_lists = st.lists(_ints, max_size=2)
_VALUES = {
    "int": _ints,
    "list": _lists,
    "dict": st.dictionaries(st.sampled_from("ab"), _ints, max_size=2),
    "topic": _ints | _lists,
    "any": st.none() | _ints | _lists | st.just("text"),
}

_KEYS = ("x", "items", "k 1", "ключ", "class", "messages", "node", "arg")
_HIDDEN = "hidden"
"""A key that only some nodes' schemas have."""
_LAST_SEND = 4
"""The superstep after which nodes and routers send no more, so that every run is small."""
_SENDS_AGAIN = 9
"""The one at which they begin again: a thread has many runs."""
_NAMES = ("n10", "n2", "b", "a b", "ü", "Z", "x'y", '"q"\\', "{{j}}", "😀", "a+b", "def")
_STRAY = "stray"
_PAUSE = 0.01
"""Seconds after which a task that fails finds its siblings finished."""


@dataclass(frozen=True)
class Replace:
    """An Overwrite to be written in one of its three forms."""

    form: Literal["object", "key", "json"]
    value: Any

    def made(self) -> Any:
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
    """A conditional edge; its function returns the entries of `returns` in turn."""

    source: str
    returns: tuple[Any, ...]
    ends: dict[Any, str] | list[str] | None = None
    literal: tuple[str, ...] = ()
    reads: tuple[str, ...] | None = None
    wants: tuple[str, ...] = ()
    fails: bool = False
    flavor: str = "typed"
    fault: Any = None


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
        """The answer, or what came in its place."""
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
        flavor: what `reads` is made into: "typed" (a TypedDict), "dataclass" or "model".
        body: what kind of object the node is.
        ends: the destinations it declares; `annotated` says as what.
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


@dataclass(frozen=True)
class GraphSpec:
    """A graph; `keys` are `(name, kind)`, the only one of a root-value graph is `__root__`.

    Attributes:
        flavor: what the state is, as in NodeSpec.
        hidden: the kind of the key that only nodes' schemas have, or "".
        context: what the context schema is: "", "typed", "dataclass" or "model".
        saved: the graph runs with a saver: what a node does goes by the superstep, not by how
            often this process ran it, and one that fails does so after its siblings.
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
        acts += [order.goto for order in _orders(acts)]
        return any(map(_has_sent, [*acts, *(router.returns for router in self.routers)]))

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

    def features(self) -> Iterator[str]:
        """What the summary of a run of the tests counts."""
        values = [act.value for node in self.nodes for act in node.acts]
        yield from ["with Send"] if self.sends else []
        yield from ["with Command"] if _orders(values) else []
        flavors = {self.flavor, *(node.flavor for node in self.nodes)}
        yield from ["with a dataclass or model"] if flavors != {"typed"} else []
        yield from ["with a DeltaChannel"] if {k for _, k in self.keys} & {*_DELTAS} else []
        yield from ["with managed values"] if {k for _, k in self.keys} & {*_MANAGED} else []
        bodies = {node.body for node in self.nodes}
        yield from ["with nodes that are no functions"] if bodies != {"function"} else []


def _has_sent(value: Any) -> bool:
    return isinstance(value, Sent) or (
        isinstance(value, (tuple, list)) and any(map(_has_sent, value))
    )


def _orders(values: Sequence[Any]) -> list[Order]:
    flat = [v for value in values for v in (value if isinstance(value, (tuple, list)) else [value])]
    return [value for value in flat if isinstance(value, Order)]


@dataclass(frozen=True)
class Case:
    """A graph and how to run it; `made_as` says what the input is an instance of, if not a dict."""

    graph: GraphSpec
    input: Any
    config: dict[str, Any] | None
    calls: tuple[Call, ...]
    made_as: str = ""

    def given(self) -> Any:
        """The input, as the caller gives it."""
        if not self.made_as:
            return self.input
        writes = tuple((key, value) for key, value in self.input.items() if _is_field(key))
        return _perform(Act(self.made_as, writes), "input", None)  # type: ignore[arg-type]


def check(case: Case, compiled: Compile = compile_in_process) -> None:
    """Wants lgc to do what LangGraph does, in every call of `case`.

    The first call is an invoke. It is made in the plain lane and once more in the full
    lane; both do what LangGraph does, so they are equal.

    Args:
        compiled: makes lgc's graph of a builder.
    """
    for feature in case.graph.features():
        COUNTS[f"graphs {feature}"] += 1
    calls = (*case.calls, replace(case.calls[0], full_lane=True))
    seen = compare(
        lambda log: build(case.graph, log), case.given(), case.config, *calls, compiled=compiled
    )
    invoked, streamed = seen[:2]
    assert invoked["error"] == streamed["error"]
    if invoked["error"] is None and not case.graph.in_place:
        values = [chunk for mode, chunk in streamed["chunks"] if mode == "values"]
        assert invoked["result"] == (values[-1] if values else None)
        assert invoked["log"] == streamed["log"]


# -- building ---------------------------------------------------------------------------------


def build(spec: GraphSpec, log: Log) -> StateGraph[Any, Any, Any, Any]:
    """A new builder, sharing nothing with another one made from `spec`."""
    types = {key: _KINDS[kind][0]() for key, kind in spec.keys}
    if spec.hidden:
        types[_HIDDEN] = _KINDS[spec.hidden][0]()

    def schema(name: str, keys: Sequence[str], flavor: str = "typed") -> Any:
        if "__root__" in types:
            return types["__root__"]
        return _schema(name, {key: types[key] for key in keys}, flavor)

    builder = StateGraph(
        schema("State", [key for key, _ in spec.keys], spec.flavor),
        _schema("Context", {"user": str, "n": int}, spec.context) if spec.context else None,
        input_schema=schema("Input", spec.inputs) if spec.inputs else None,
        output_schema=schema("Output", spec.outputs) if spec.outputs else None,
    )
    for node in spec.nodes:
        reads = schema(f"Reads{len(node.name)}", node.reads, node.flavor) if node.reads else None
        builder.add_node(
            node.name,
            _node(node, reads, log, spec),
            defer=node.defer,
            input_schema=reads if node.body in _NO_HINTS else None,
            destinations=node.ends if node.ends and not node.annotated else None,
        )
    for start, end in spec.edges:
        builder.add_edge(start, end)
    for starts, end in spec.joins:
        builder.add_edge(list(starts), end)
    for number, router in enumerate(spec.routers):
        reads = schema(f"Routes{number}", router.reads, router.flavor) if router.reads else None
        path = _router(router, f"route_{number}", reads, log, spec)
        builder.add_conditional_edges(router.source, path, router.ends)
    return builder


def _schema(name: str, types: dict[str, Any], flavor: str) -> Any:
    if flavor == "typed" or not all(map(_is_field, types)):
        return TypedDict(name, types)  # type: ignore[operator]
    if flavor == "dataclass":
        return make_dataclass(name, [(k, t, field(default=None)) for k, t in types.items()])
    required = flavor == "required"
    fields: dict[str, Any] = {k: (t, ... if required else None) for k, t in types.items()}
    return create_model(name, **fields)


_INJECTED = {"config": RunnableConfig}
_NO_HINTS = ("partial", "lambda", "sequence", "generator", "returns runnable", "dict")
_OF_RUNNABLES = ("lambda", "sequence", "generator")


def _signed(
    function: Any, reads: Any, wants: Sequence[str], returns: Any = None, bound: bool = False
) -> Any:
    """`function(state, **injected)` with the signature of one that asks for `wants` by name."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    annotations = {"state": reads, "return": returns, **{w: _INJECTED.get(w) for w in wants}}
    function.__annotations__ = {k: v for k, v in annotations.items() if v is not None}
    empty = inspect.Parameter.empty
    function.__signature__ = inspect.Signature(
        [
            inspect.Parameter(name, kind, annotation=function.__annotations__.get(name, empty))
            for name in (*(("self",) if bound else ()), "state", *wants)
            if name != "ambient"
        ]
    )
    return function


def _note(log: Log, who: str, state: Any, injected: dict[str, Any], wants: Sequence[str]) -> None:
    log.note(who, "state", state)
    log.note(who, "mark", _MARK.get())
    _MARK.set(who)
    for name, value in injected.items():
        log.note(who, name, plain_config(value) if name == "config" else value)
        if name == "writer":
            value(_chunk(who, 1))
            value(_chunk(who, 2))
        if name == "runtime":
            value.stream_writer(_chunk(who, 3))
    if "ambient" in wants:
        log.note(who, "ambient", plain_config(get_config()))
        get_stream_writer()(_chunk(who, 4))


def _chunk(who: str, number: int) -> dict[str, Any]:
    """What a node or router writes to the stream."""
    return {"custom": who, "step": get_config()["metadata"].get("langgraph_step"), "n": number}


def _turn(log: Log, who: str, by_step: bool) -> tuple[str, int, bool, bool]:
    """The name in the log, which of its acts a node does, and whether it may fail and send.

    Tasks of one node that run at once must not count each other: they go by their path.
    One task of a superstep fails at most, because which failure is reported is chance.
    """
    if not by_step:
        return who, log.visits(who, "state"), True, True
    metadata = get_config()["metadata"]
    # An update of a state runs routers outside of any superstep.
    step = metadata.get("langgraph_step", 0)
    path = metadata.get("langgraph_path", ("update",))
    pushed = path[0] == "__pregel_push"
    turn = step + (path[1] if pushed else 0)
    may_fail = path[1] == 0 if pushed and step % 2 else not pushed and not step % 2
    return f"{who} {step} {path}", turn, may_fail, step % _SENDS_AGAIN <= _LAST_SEND


def _node(spec: NodeSpec, reads: Any, log: Log, graph: GraphSpec) -> Any:
    def act(state: Any, injected: dict[str, Any]) -> Any:
        who, turn, may_fail, may_send = _turn(log, spec.name, graph.by_step)
        done = spec.acts[turn % len(spec.acts)]
        if spec.fault is not None and may_fail and (turn or len(spec.acts) == 1):
            done = spec.fault
        _note(log, who, state, injected, spec.wants)
        for ask in spec.asks:
            log.note(who, "answer", ask.put())
        if done is spec.fault and graph.saved:
            time.sleep(_PAUSE)
        return _perform(done, spec.name, state, may_send)

    def node(state: Any, **injected: Any) -> Any:
        return act(state, injected)

    returns = Command[Literal[spec.ends]] if spec.annotated else None  # type: ignore[valid-type]
    node = _signed(node, reads, spec.wants, returns)
    if spec.body == "partial":
        return partial(node)
    if spec.body == "lambda":
        return RunnableLambda(node)
    if spec.body == "sequence":
        return RunnableLambda(lambda state: state) | RunnableLambda(node) | (lambda made: made)
    if spec.body == "returns runnable":
        return lambda state: RunnableLambda(node)
    if spec.body == "generator":

        def generate(state: Any, **injected: Any) -> Any:
            yield {_STRAY: 0}
            yield act(state, injected)

        return _signed(generate, None, spec.wants)
    if spec.body == "dict":
        return {key: _constant(value) for key, value in spec.acts[0].writes}
    if spec.body in ("method", "callable"):

        def method(self: Any, state: Any, **injected: Any) -> Any:
            return act(state, injected)

        signed = _signed(method, reads, spec.wants, returns, bound=True)
        if spec.body == "callable":
            return type("Callable", (), {"__call__": signed})()
        return type("Holder", (), {"method": signed})().method
    return node


def _constant(value: Any) -> Callable[[Any], Any]:
    return lambda state: real(value)


def real(value: Any, may_send: bool = True) -> Any:
    """The value that stands for `value` in a spec, made anew."""
    if isinstance(value, Replace):
        return value.made()
    if isinstance(value, Sent):
        made = (own.Send if value.own else Send)(value.node, copy.deepcopy(value.arg))
        return made if may_send else None
    if isinstance(value, Order):
        return _command(value, may_send)
    if isinstance(value, list):
        return [real(item, may_send) for item in value]
    return copy.deepcopy(value)


def _command(order: Order, may_send: bool) -> Any:
    update: Any = None
    if order.writes is not None:
        pairs = [(key, real(value, may_send)) for key, value in order.writes]
        if order.form == "dict":
            update = dict(pairs)
        elif order.form == "pairs":
            update = pairs
        elif order.form == "value":
            update = "no state"
        else:
            named = {key: value for key, value in pairs if _is_field(key)}
            update = make_dataclass("Update", named)(**named)
    goto = order.goto
    if isinstance(goto, tuple):
        goto = [made for item in goto if (made := real(item, may_send)) is not None]
    else:
        goto = real(goto, may_send) or ()
    if not may_send:
        goto = ()
    cls = own.Command if order.own else Command
    return cls(graph=order.graph, update=update, goto=goto)


def _perform(act: Act, name: str, state: Any, may_send: bool = True) -> Any:
    if act.kind == "raise":
        raise ValueError(f"{name} fails") from KeyError("deeper")
    if act.kind == "cancel":
        raise asyncio.CancelledError(name)
    if act.kind == "mutate":
        fields = state if isinstance(state, dict) else getattr(state, "__dict__", {"": state})
        for value in fields.values():
            if isinstance(value, list):
                value.append(name)
    if act.kind == "value":
        return real(act.value, may_send)
    written = {key: real(value, may_send) for key, value in act.writes}
    plainly_named = {key: value for key, value in written.items() if _is_field(key)}
    if act.kind == "dataclass":
        return make_dataclass("Made", plainly_named)(**plainly_named)
    if act.kind == "model":
        fields = {k: (Any, None) for k in (*plainly_named, "items")}
        return create_model("Made", **fields)(**plainly_named)
    if act.kind == "annotated":
        annotations = dict.fromkeys(written, Any)
        made = type("Made", (), {"__annotations__": annotations, "__repr__": lambda _: "Made"})()
        vars(made).update(written)
        return made
    return written


def _router(spec: RouterSpec, name: str, reads: Any, log: Log, graph: GraphSpec) -> Any:
    source = f"{spec.source}?{name}"

    def route(state: Any, **injected: Any) -> Any:
        who, turn, may_fail, may_send = _turn(log, source, graph.by_step)
        returned = spec.returns[turn % len(spec.returns)]
        _note(log, who, state, injected, spec.wants)
        if (spec.fails or spec.fault is not None) and may_fail and graph.saved:
            time.sleep(_PAUSE)
        if spec.fails and may_fail:
            raise LookupError(f"{source} fails")
        if spec.fault is not None and may_fail and (turn or len(spec.returns) == 1):
            returned = spec.fault[0]
        if isinstance(returned, tuple):
            return [item for item in real([*returned], may_send) if may_send or item is not None]
        return real(returned, may_send) or ([] if isinstance(returned, Sent) else returned)

    route.__name__ = name
    returns = Literal[spec.literal] if spec.literal else None
    return _signed(route, reads, spec.wants, returns)


# -- drawing ----------------------------------------------------------------------------------


def _subsets(items: Sequence[str], least: int = 1) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(items), min_size=least, unique=True).map(tuple)


def values_of(kind: str) -> st.SearchStrategy[Any]:
    """What is written to a channel of that kind."""
    return _VALUES[_KINDS[kind][1]]


def chance(draw: Any, percent: int) -> bool:
    return bool(draw(st.integers(0, 99)) >= 100 - percent)


_wants = st.lists(
    st.sampled_from(("config", "runtime", "writer", "store", "previous", "ambient")),
    max_size=2,
    unique=True,
).map(tuple)


@st.composite
def cases(draw: Any) -> Case:
    """Cases over everything lgc executes; at most one task of a superstep fails by design."""
    keys = _draw_keys(draw)
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=6, unique=True))
    loops = chance(draw, 30)
    # In how many of a hundred places there is a Send or a Command.
    control = draw(st.sampled_from((0, 20, 50)))
    edges, joins = _draw_edges(draw, names, loops)
    routers = _draw_routers(draw, names, keys, loops, control)
    hidden = draw(st.sampled_from(_CHANNELS)) if chance(draw, 15) else ""
    nodes = [_draw_node(draw, name, keys, hidden, control, names, loops) for name in names]
    if chance(draw, 25):
        nodes, routers = _with_fault(draw, nodes, routers, keys)
    if not any(start == START for start, _ in edges):
        edges += ((START, names[0]),)
    is_root = keys[0][0] == "__root__"
    stored = _stored(keys)
    graph = GraphSpec(
        keys,
        tuple(nodes),
        edges,
        joins,
        routers,
        inputs=draw(_subsets(stored)) if not is_root and chance(draw, 20) else None,
        outputs=draw(_subsets(stored)) if not is_root and chance(draw, 20) else None,
        flavor=_draw_flavor(draw, 20),
        hidden="" if is_root else hidden,
        context=draw(st.sampled_from(("typed", "dataclass", "model"))) if chance(draw, 15) else "",
    )
    if graph.sends:
        # A Send to __start__ runs its routers beside nodes, and nobody sees how many.
        silent = tuple(replace(r, wants=()) if r.source == START else r for r in graph.routers)
        graph = replace(graph, routers=silent)
    config = _draw_config(draw, loops or control > 0, graph.in_place)
    made_as = draw(st.sampled_from(("dataclass", "model", "annotated")))
    given = draw_input(draw, keys)
    as_object = isinstance(given, dict) and not is_root and any(map(_is_field, given))
    return Case(
        graph,
        given,
        config,
        _draw_calls(draw, graph, config or {}),
        made_as if as_object and chance(draw, 10) else "",
    )


def _stored(keys: Any) -> list[str]:
    """The keys that have a channel."""
    return [key for key, kind in keys if kind not in _MANAGED]


def _draw_flavor(draw: Any, percent: int) -> str:
    if not chance(draw, percent):
        return "typed"
    return str(draw(st.sampled_from(("dataclass", "dataclass", "model", "model", "required"))))


def _draw_keys(draw: Any) -> tuple[tuple[str, str], ...]:
    if chance(draw, 15):
        return (("__root__", draw(st.sampled_from(("last_int", "add_list", "last_any")))),)
    names = draw(st.lists(st.sampled_from(_KEYS), min_size=1, max_size=4, unique=True))
    # What a returned Send is read for is of no type of ours: two nodes might fail at once.
    keys = [
        (name, "any_value" if name in ("node", "arg") else draw(st.sampled_from(_CHANNELS)))
        for name in names
    ]
    if chance(draw, 20):
        free = [name for name in _KEYS if name not in names]
        keys.append((draw(st.sampled_from(free)), draw(st.sampled_from(_MANAGED))))
    return tuple(keys)


def _draw_edges(
    draw: Any, names: list[str], loops: bool
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[tuple[str, ...], str], ...]]:
    """Every node but some is reached from an earlier one; backwards only in loops."""
    edges: dict[tuple[str, str], None] = {}
    joins: dict[tuple[tuple[str, ...], str], None] = {}
    for i, name in enumerate(names):
        how = draw(st.integers(0, 9))
        if how < 2 and i > 0:
            starts = draw(st.lists(st.sampled_from(names[:i]), min_size=1, max_size=3))
            joins[tuple(starts), name] = None
        elif how < 9:
            edges[draw(st.sampled_from((START, *names[:i]))), name] = None
    for start in draw(st.lists(st.integers(0, len(names) - 1), max_size=3)):
        later = names if loops and chance(draw, 30) else names[start + 1 :]
        edges[names[start], draw(st.sampled_from((END, *later)))] = None
    if chance(draw, 10):
        joins[draw(_subsets(names)), END] = None
    return tuple(edges), tuple(joins)


def _after(names: Sequence[str], source: str, loops: bool) -> list[str]:
    """The nodes that `source` may lead to."""
    return list(names if loops else names[names.index(source) + 1 if source != START else 0 :])


def _draw_sent(draw: Any, targets: Sequence[str], keys: Any) -> Sent:
    writes = {key: draw(values_of(kind)) for key, kind in draw(_some_of(keys))}
    odd = st.none() | _ints | _lists | st.just("text") | st.builds(Thing, _ints)
    node = draw(st.sampled_from(targets))
    arg = draw(odd) if chance(draw, 30) else {**writes, "unknown": draw(_ints)}
    if node == START:
        # Several of them that fail are several failures of one superstep.
        arg = writes.get("__root__") if "__root__" in dict(keys) else writes
    return Sent(node, arg, own=chance(draw, 10))


def _some_of(keys: Any) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(keys), unique=True, max_size=3)


def _draw_routers(
    draw: Any, names: list[str], keys: Any, loops: bool, control: int
) -> tuple[RouterSpec, ...]:
    routers = []
    known = [key for key, _ in keys]
    for source in draw(st.lists(st.sampled_from((START, *names)), max_size=3)):
        after = _after(names, source, loops)
        targets = [*after, END]
        way = draw(st.sampled_from(("plain", "unknown", "map", "list", "literal")))
        ends: Any = None
        choices: list[Any] = [*targets]
        if way == "unknown":
            choices.append("nowhere")
        elif way == "map":
            keys_of_map = draw(st.sampled_from((("p", "q", "r"), (True, False), (0, 1, 2))))
            ends = {key: draw(st.sampled_from(targets)) for key in keys_of_map}
            choices = list(ends)
        elif way == "list":
            ends = targets
        if chance(draw, control):
            receivers = [*after, "nowhere"]
            choices += [_draw_sent(draw, receivers, keys) for _ in range(draw(st.integers(1, 3)))]
        one = st.sampled_from(choices)
        several = st.lists(one, max_size=3).map(tuple)
        routers.append(
            RouterSpec(
                source,
                draw(st.lists(one | one | several, min_size=1, max_size=3).map(tuple)),
                ends,
                literal=tuple(targets) if way == "literal" else (),
                reads=draw(_subsets(known)) if known != ["__root__"] and chance(draw, 30) else None,
                wants=draw(_wants) if chance(draw, 30) else (),
                flavor=_draw_flavor(draw, 30),
            )
        )
    return tuple(routers)


_BODIES = ("method", "callable", *_NO_HINTS)


def _draw_node(
    draw: Any, name: str, keys: Any, hidden: str, control: int, names: list[str], loops: bool
) -> NodeSpec:
    known = [key for key, _ in keys]
    is_root = known == ["__root__"]
    if hidden and not is_root:
        keys = (*keys, (_HIDDEN, hidden))
        known.append(_HIDDEN)
    after = _after(names, name, loops)
    acts = tuple(
        _draw_control(draw, keys, [*after, "nowhere"], loops)
        if chance(draw, control)
        else _draw_act(draw, keys)
        for _ in range(draw(st.integers(1, 2)))
    )
    body = draw(st.sampled_from(_BODIES)) if chance(draw, 20) else "function"
    if body == "dict" and not (acts[0].kind == "dict" and acts[0].writes):
        body = "function"
    wants = draw(_wants) if chance(draw, 30) else ()
    if body in _OF_RUNNABLES or body == "returns runnable":
        # langchain-core gives them the config, and nothing else.
        wants = tuple(want for want in wants if want in ("config", "ambient"))
    return NodeSpec(
        name,
        acts,
        reads=draw(_subsets(known)) if not is_root and chance(draw, 25) else None,
        defer=chance(draw, 10),
        wants=wants,
        flavor=_draw_flavor(draw, 40),
        body=body,
        ends=tuple(draw(_subsets([*after, END]))) if chance(draw, control // 2) else (),
        annotated=chance(draw, 50),
    )


_ACTS = ("dict",) * 12 + ("dataclass", "model", "annotated", "value", "mutate")


def _draw_act(draw: Any, keys: Any) -> Act:
    if keys[0][0] == "__root__":
        return Act("value", value=draw(st.none() | values_of(keys[0][1])))
    kind = draw(st.sampled_from(_ACTS))
    chosen = [] if kind == "value" else draw(st.lists(st.sampled_from(keys), unique=True))
    writes = [(key, _draw_value(draw, of)) for key, of in chosen]
    if kind in ("dataclass", "annotated") and not any(_is_field(key) for key, _ in writes):
        # A class without annotations is an error, and two nodes might make it.
        kind = "dict"
    if chance(draw, 10):
        writes.append((_STRAY, 1))
    return Act(kind, tuple(writes))


def _draw_control(draw: Any, keys: Any, targets: Sequence[str], loops: bool) -> Act:
    """A node that returns a Send, a Command, or a list with a Command in it."""
    is_root = keys[0][0] == "__root__"
    # A bare Send is no update of a root graph that other nodes could read.
    if not is_root and chance(draw, 20):
        return Act("value", value=_draw_sent(draw, [*targets, START], keys))
    if not chance(draw, 25):
        return Act("value", value=draw_order(draw, keys, targets))
    several: list[Any] = [draw_order(draw, keys, targets)]
    for _ in range(draw(st.integers(0, 2))):
        what = draw(st.sampled_from(("order", "dict", "none", "sent")))
        if what == "order":
            several.append(draw_order(draw, keys, targets))
        elif what == "dict" and not is_root:
            several.append({key: draw(values_of(of)) for key, of in draw(_some_of(keys))})
        elif what == "sent" and not is_root:
            several.append(_draw_sent(draw, targets, keys))
        elif not is_root:
            several.append(None)
    return Act("value", value=draw(st.permutations(several)))


def draw_order(draw: Any, keys: Any, targets: Sequence[str]) -> Order:
    form = draw(st.sampled_from(("dict", "dict", "dict", "pairs", "pairs", "dataclass", "value")))
    writes = None
    if keys[0][0] == "__root__":
        form = "pairs"
        if chance(draw, 60):
            writes = (("__root__", draw(values_of(keys[0][1]))),)
    elif chance(draw, 80):
        chosen = draw(st.lists(st.sampled_from(keys), unique=form != "pairs", max_size=3))
        writes = tuple((key, _draw_value(draw, of)) for key, of in chosen)
    one = st.sampled_from([*targets, END]) | st.builds(lambda: None)
    gotos: list[Any] = []
    for _ in range(draw(st.integers(0, 3))):
        gotos.append(_draw_sent(draw, [*targets, START], keys) if chance(draw, 50) else draw(one))
    goto: Any = tuple(item for item in gotos if item is not None)
    if len(goto) == 1 and chance(draw, 70):
        goto = goto[0]
    graph = "elsewhere" if chance(draw, 5) else None
    return Order(writes, form, goto, graph, own=chance(draw, 10))


def _is_field(key: str) -> bool:
    return key.isidentifier() and not keyword.iskeyword(key)


def _draw_value(draw: Any, kind: str) -> Any:
    value = draw(values_of(kind))
    if kind == "last_int" and chance(draw, 10):
        # A model makes an int of it where it is read, or refuses it.
        return draw(st.sampled_from(("7", "seven")))
    if kind in _REDUCED and chance(draw, 10):
        return Replace(draw(st.sampled_from(("object", "key", "json"))), value)
    return value


def _with_fault(
    draw: Any, nodes: list[NodeSpec], routers: tuple[RouterSpec, ...], keys: Any
) -> tuple[list[NodeSpec], tuple[RouterSpec, ...]]:
    """One node or one router fails, perhaps only when it is run for the second time."""
    if routers and chance(draw, 40):
        at = draw(st.integers(0, len(routers) - 1))
        router = routers[at]
        how = draw(st.sampled_from(("raises", None, "missing", START, Sent(END, 1))))
        if router.ends is None and how == "missing":
            how = "raises"
        broken = replace(router, fails=how == "raises", fault=None if how == "raises" else (how,))
        return nodes, (*routers[:at], broken, *routers[at + 1 :])
    at = draw(st.integers(0, len(nodes) - 1))
    node = nodes[at]
    bad: Iterator[Act] = iter(())
    if keys[0][0] != "__root__":
        bad = (Act("value", value=value) for value in ("x", 5, [], [{"x": 1}], {1}, object))
    faults = [Act("raise"), Act("cancel"), *bad]
    faults.append(Act("value", value=Order((("x", 1),), "dict", "nowhere", "__parent__")))
    faults += [
        Act("dict", ((key, ["bad"]),)) for key, kind in keys if kind in ("function", "delta")
    ]
    broken_node = replace(
        node,
        acts=node.acts if chance(draw, 50) else node.acts[:1],
        fault=draw(st.sampled_from(faults)),
        body="function" if node.body == "dict" else node.body,
    )
    return [*nodes[:at], broken_node, *nodes[at + 1 :]], routers


def draw_input(draw: Any, keys: Any) -> Any:
    if keys[0][0] == "__root__":
        return draw(values_of(keys[0][1]))
    if chance(draw, 3):
        return draw(st.sampled_from((None, "text", [], 7)))
    chosen = draw(st.lists(st.sampled_from(keys), unique=True))
    given = {key: draw(values_of(kind)) for key, kind in chosen}
    return {**given, _STRAY: 1} if chance(draw, 10) else given


def _draw_config(draw: Any, loops: bool, in_place: bool) -> dict[str, Any] | None:
    config: dict[str, Any] = {}
    if loops or chance(draw, 30):
        config["recursion_limit"] = draw(st.just(12) | st.integers(5, 12) | st.integers(1, 12))
    if in_place:
        # Nodes that change shared values race unless they run one after the other.
        config["max_concurrency"] = 1
    elif chance(draw, 20):
        config["max_concurrency"] = draw(st.integers(1, 3))
    if chance(draw, 40):
        optional = {
            "tags": ["t1", "t2"],
            "metadata": {"m": 1, "deep": {"a": [1]}},
            "configurable": {"user": "u", "thread_id": "1"},
            "run_name": "named",
            "run_id": UUID(int=7),
            "unknown": {"k": 1},
        }
        for key in draw(_subsets(tuple(optional))):
            config[key] = optional[key]
    return config or None


def _draw_calls(draw: Any, graph: GraphSpec, config: dict[str, Any]) -> tuple[Call, ...]:
    """Invoke, a stream of everything, one call of another kind, and a stream left early."""
    stored = _stored(graph.keys)
    # With one place for a task, LangGraph waits forever for custom chunks (spec §8).
    custom = ["custom"] if config.get("max_concurrency") != 1 else []
    every = ["values", "updates", *custom]
    outputs = st.sampled_from(stored) | st.lists(st.sampled_from(stored), unique=True)
    modes = ["values", "updates", ["updates", "values"], ("updates", "values"), every]
    modes += ["custom", ["custom", "values"]] if custom else []
    output_keys = draw(outputs)
    stream = (("stream_mode", draw(st.sampled_from(modes))),)
    context = {"user": "u", "n": "1"} if chance(draw, 70) else {"n": 1}
    with_context = (("context", context),) if graph.context else ()
    extra = draw(
        st.sampled_from(
            (
                Call("invoke", (("output_keys", output_keys),)),
                Call("invoke", (("stream_mode", ["updates", "values"]),)),
                Call("stream", (*stream, ("output_keys", output_keys))),
                Call("stream", (*stream, *with_context)),
                UPDATES,
                VALUES,
            )
        )
    )
    # What invoke reports by default; a stream reports every key.
    same_keys = (("output_keys", [*(graph.outputs or stored)]),)
    if graph.keys[0][0] == "__root__" or not (graph.outputs or graph.hidden):
        same_keys = ()
    return (
        Call("invoke", with_context),
        Call("stream", (("stream_mode", every), *same_keys, *with_context)),
        extra,
        Call("stream", stream, draw(st.integers(1, 5))),
    )
