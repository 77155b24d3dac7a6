"""Random StateGraphs: drawn as plain data, and built from it as often as needed."""

from __future__ import annotations

import asyncio
import copy
import inspect
import keyword
import operator
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, make_dataclass
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langgraph.channels import AnyValue, EphemeralValue, Topic, UntrackedValue
from langgraph.config import get_config, get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.types import Overwrite
from parity import BOTH, INVOKE, UPDATES, VALUES, Call, Log, plain_config
from pydantic import create_model

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
    "ephemeral": (lambda: Annotated[int, EphemeralValue], "int"),
    "unguarded": (lambda: Annotated[int, EphemeralValue(int, guard=False)], "int"),
    "topic": (lambda: Annotated[list, Topic(int)], "topic"),
    "accumulated": (lambda: Annotated[list, Topic(int, accumulate=True)], "topic"),
    "any_value": (lambda: Annotated[int, AnyValue], "int"),
    "untracked": (lambda: Annotated[int, UntrackedValue], "int"),
}
_REDUCED = ("add_list", "add_int", "in_place", "lambda", "function", "no_seed", "sequence", "dict")

_ints = st.integers(0, 3)
_lists = st.lists(_ints, max_size=2)
_VALUES = {
    "int": _ints,
    "list": _lists,
    "dict": st.dictionaries(st.sampled_from("ab"), _ints, max_size=2),
    "topic": _ints | _lists,
    "any": st.none() | _ints | _lists | st.just("text"),
}

_KEYS = ("x", "items", "k 1", "ключ", "class", "messages")
_NAMES = ("n10", "n2", "b", "a b", "ü", "Z", "x'y", '"q"\\', "{{j}}", "😀", "a+b", "def")
_STRAY = "stray"


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
class Act:
    """What a node does when it is run.

    Attributes:
        kind: return a dict, an instance of a dataclass, of a pydantic model or of an annotated
            class, or `value` as it is; or raise; or append to every list of the state.
        writes: for the first four kinds.
        value: for the kind "value"; and the root value.
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


@dataclass(frozen=True)
class NodeSpec:
    """A node; it does `acts` in turn."""

    name: str
    acts: tuple[Act, ...]
    reads: tuple[str, ...] | None = None
    defer: bool = False
    wants: tuple[str, ...] = ()


@dataclass(frozen=True)
class GraphSpec:
    """A graph; `keys` are `(name, kind)`, the only one of a root-value graph is `__root__`."""

    keys: tuple[tuple[str, str], ...]
    nodes: tuple[NodeSpec, ...]
    edges: tuple[tuple[str, str], ...]
    joins: tuple[tuple[tuple[str, ...], str], ...]
    routers: tuple[RouterSpec, ...]
    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Case:
    """A graph and how to run it."""

    graph: GraphSpec
    input: Any
    config: dict[str, Any] | None
    calls: tuple[Call, ...]


# -- building ---------------------------------------------------------------------------------


def build(spec: GraphSpec, log: Log) -> StateGraph[Any, Any, Any, Any]:
    """A new builder, sharing nothing with another one made from `spec`."""
    types = {key: _KINDS[kind][0]() for key, kind in spec.keys}

    def schema(name: str, keys: Sequence[str]) -> Any:
        if "__root__" in types:
            return types["__root__"]
        return TypedDict(name, {key: types[key] for key in keys})  # type: ignore[operator]

    builder = StateGraph(
        schema("State", list(types)),
        input_schema=schema("Input", spec.inputs) if spec.inputs else None,
        output_schema=schema("Output", spec.outputs) if spec.outputs else None,
    )
    for node in spec.nodes:
        reads = schema(f"Reads{len(node.name)}", node.reads) if node.reads else None
        builder.add_node(node.name, _node(node, reads, log), defer=node.defer)
    for start, end in spec.edges:
        builder.add_edge(start, end)
    for starts, end in spec.joins:
        builder.add_edge(list(starts), end)
    for number, router in enumerate(spec.routers):
        reads = schema(f"Routes{number}", router.reads) if router.reads else None
        path = _router(router, f"route_{number}", reads, log)
        builder.add_conditional_edges(router.source, path, router.ends)
    return builder


_INJECTED = {"config": RunnableConfig}


def _signed(function: Any, reads: Any, wants: Sequence[str], returns: Any = None) -> Any:
    """`function(state, **injected)` with the signature of one that asks for `wants` by name."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    annotations = {"state": reads, "return": returns, **{w: _INJECTED.get(w) for w in wants}}
    function.__annotations__ = {k: v for k, v in annotations.items() if v is not None}
    empty = inspect.Parameter.empty
    function.__signature__ = inspect.Signature(
        [
            inspect.Parameter(name, kind, annotation=function.__annotations__.get(name, empty))
            for name in ("state", *wants)
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
    if "ambient" in wants:
        log.note(who, "ambient", plain_config(get_config()))
        get_stream_writer()("nobody listens")


def _node(spec: NodeSpec, reads: Any, log: Log) -> Any:
    def node(state: Any, **injected: Any) -> Any:
        act = spec.acts[log.visits(spec.name, "state") % len(spec.acts)]
        _note(log, spec.name, state, injected, spec.wants)
        return _perform(act, spec.name, state)

    return _signed(node, reads, spec.wants)


def _perform(act: Act, name: str, state: Any) -> Any:
    if act.kind == "raise":
        raise ValueError(f"{name} fails") from KeyError("deeper")
    if act.kind == "cancel":
        raise asyncio.CancelledError(name)
    if act.kind == "mutate":
        for value in state.values() if isinstance(state, dict) else [state]:
            if isinstance(value, list):
                value.append(name)
    if act.kind == "value":
        return act.value.made() if isinstance(act.value, Replace) else copy.deepcopy(act.value)
    written = {
        key: value.made() if isinstance(value, Replace) else copy.deepcopy(value)
        for key, value in act.writes
    }
    plainly_named = {key: value for key, value in written.items() if _is_field(key)}
    if act.kind == "dataclass":
        return make_dataclass("Made", plainly_named)(**plainly_named)
    if act.kind == "model":
        fields: dict[str, Any] = {k: (Any, None) for k in (*plainly_named, "items")}
        return create_model("Made", **fields)(**plainly_named)
    if act.kind == "annotated":
        annotations = dict.fromkeys(written, Any)
        made = type("Made", (), {"__annotations__": annotations, "__repr__": lambda _: "Made"})()
        vars(made).update(written)
        return made
    return written


def _router(spec: RouterSpec, name: str, reads: Any, log: Log) -> Any:
    who = f"{spec.source}?{name}"

    def route(state: Any, **injected: Any) -> Any:
        returned = spec.returns[log.visits(who, "state") % len(spec.returns)]
        _note(log, who, state, injected, spec.wants)
        if spec.fails:
            raise LookupError(f"{who} fails")
        return list(returned) if isinstance(returned, tuple) else returned

    route.__name__ = name
    returns = Literal[spec.literal] if spec.literal else None
    return _signed(route, reads, spec.wants, returns)


# -- drawing ----------------------------------------------------------------------------------


def _subsets(items: Sequence[str], least: int = 1) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(items), min_size=least, unique=True).map(tuple)


def _chance(draw: Any, percent: int) -> bool:
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
    loops = _chance(draw, 30)
    edges, joins = _draw_edges(draw, names, loops)
    routers = _draw_routers(draw, names, keys, loops)
    nodes = [_draw_node(draw, name, keys) for name in names]
    if _chance(draw, 25):
        nodes, routers = _with_fault(draw, nodes, routers, keys)
    if not any(start == START for start, _ in edges):
        edges += ((START, names[0]),)
    known = [key for key, _ in keys]
    is_root = known == ["__root__"]
    graph = GraphSpec(
        keys,
        tuple(nodes),
        edges,
        joins,
        routers,
        inputs=draw(_subsets(known)) if not is_root and _chance(draw, 20) else None,
        outputs=draw(_subsets(known)) if not is_root and _chance(draw, 20) else None,
    )
    in_place = any(kind == "in_place" for _, kind in keys) or any(
        act.kind == "mutate" for node in nodes for act in node.acts
    )
    config = _draw_config(draw, loops, in_place)
    return Case(graph, _draw_input(draw, keys), config, _draw_calls(draw, known))


def _draw_keys(draw: Any) -> tuple[tuple[str, str], ...]:
    if _chance(draw, 15):
        return (("__root__", draw(st.sampled_from(("last_int", "add_list", "last_any")))),)
    names = draw(st.lists(st.sampled_from(_KEYS), min_size=1, max_size=4, unique=True))
    return tuple((name, draw(st.sampled_from(tuple(_KINDS)))) for name in names)


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
        later = names if loops and _chance(draw, 30) else names[start + 1 :]
        edges[names[start], draw(st.sampled_from((END, *later)))] = None
    if _chance(draw, 10):
        joins[draw(_subsets(names)), END] = None
    return tuple(edges), tuple(joins)


def _draw_routers(draw: Any, names: list[str], keys: Any, loops: bool) -> tuple[RouterSpec, ...]:
    routers = []
    known = [key for key, _ in keys]
    for source in draw(st.lists(st.sampled_from((START, *names)), max_size=3)):
        after = names if loops else names[names.index(source) + 1 if source != START else 0 :]
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
        one = st.sampled_from(choices)
        several = st.lists(one, max_size=3).map(tuple)
        routers.append(
            RouterSpec(
                source,
                draw(st.lists(one | one | several, min_size=1, max_size=3).map(tuple)),
                ends,
                literal=tuple(targets) if way == "literal" else (),
                reads=draw(_subsets(known))
                if known != ["__root__"] and _chance(draw, 30)
                else None,
                wants=draw(_wants) if _chance(draw, 30) else (),
            )
        )
    return tuple(routers)


def _draw_node(draw: Any, name: str, keys: Any) -> NodeSpec:
    known = [key for key, _ in keys]
    is_root = known == ["__root__"]
    return NodeSpec(
        name,
        tuple(_draw_act(draw, keys) for _ in range(draw(st.integers(1, 2)))),
        reads=draw(_subsets(known)) if not is_root and _chance(draw, 20) else None,
        defer=_chance(draw, 10),
        wants=draw(_wants) if _chance(draw, 30) else (),
    )


_ACTS = ("dict",) * 12 + ("dataclass", "model", "annotated", "value", "mutate")


def _draw_act(draw: Any, keys: Any) -> Act:
    if keys[0][0] == "__root__":
        return Act("value", value=draw(st.none() | _VALUES[_KINDS[keys[0][1]][1]]))
    kind = draw(st.sampled_from(_ACTS))
    chosen = [] if kind == "value" else draw(st.lists(st.sampled_from(keys), unique=True))
    writes = [(key, _draw_value(draw, of)) for key, of in chosen]
    if kind in ("dataclass", "annotated") and not any(_is_field(key) for key, _ in writes):
        # A class without annotations is an error, and two nodes might make it.
        kind = "dict"
    if _chance(draw, 10):
        writes.append((_STRAY, 1))
    return Act(kind, tuple(writes))


def _is_field(key: str) -> bool:
    return key.isidentifier() and not keyword.iskeyword(key)


def _draw_value(draw: Any, kind: str) -> Any:
    value = draw(_VALUES[_KINDS[kind][1]])
    if kind in _REDUCED and _chance(draw, 10):
        return Replace(draw(st.sampled_from(("object", "key", "json"))), value)
    return value


def _with_fault(
    draw: Any, nodes: list[NodeSpec], routers: tuple[RouterSpec, ...], keys: Any
) -> tuple[list[NodeSpec], tuple[RouterSpec, ...]]:
    """One node or one router fails, perhaps only when it is run for the second time."""
    if routers and _chance(draw, 40):
        at = draw(st.integers(0, len(routers) - 1))
        router = routers[at]
        how = draw(st.sampled_from(("raises", "None", "missing")))
        returns = (*router.returns, None if how == "None" else "missing")
        if router.ends is None and how == "missing":
            how = "raises"
        broken = RouterSpec(
            router.source,
            router.returns if how == "raises" else returns,
            router.ends,
            router.literal,
            router.reads,
            router.wants,
            how == "raises",
        )
        return nodes, (*routers[:at], broken, *routers[at + 1 :])
    at = draw(st.integers(0, len(nodes) - 1))
    node = nodes[at]
    bad: Iterator[Act] = iter(())
    if keys[0][0] != "__root__":
        bad = (Act("value", value=value) for value in ("x", 5, [], [{"x": 1}], {1}, object))
    faults = [Act("raise"), Act("cancel"), *bad]
    faults += [Act("dict", ((key, ["bad"]),)) for key, kind in keys if kind == "function"]
    acts = (*(node.acts if _chance(draw, 50) else ()), draw(st.sampled_from(faults)))
    broken_node = NodeSpec(node.name, acts, node.reads, node.defer, node.wants)
    return [*nodes[:at], broken_node, *nodes[at + 1 :]], routers


def _draw_input(draw: Any, keys: Any) -> Any:
    if keys[0][0] == "__root__":
        return draw(_VALUES[_KINDS[keys[0][1]][1]])
    if _chance(draw, 3):
        return draw(st.sampled_from((None, "text", [], 7)))
    chosen = draw(st.lists(st.sampled_from(keys), unique=True))
    given = {key: draw(_VALUES[_KINDS[kind][1]]) for key, kind in chosen}
    return {**given, _STRAY: 1} if _chance(draw, 10) else given


def _draw_config(draw: Any, loops: bool, in_place: bool) -> dict[str, Any] | None:
    config: dict[str, Any] = {}
    if loops or _chance(draw, 30):
        config["recursion_limit"] = draw(st.integers(1, 12))
    if in_place:
        # Nodes that change shared values race unless they run one after the other.
        config["max_concurrency"] = 1
    elif _chance(draw, 20):
        config["max_concurrency"] = draw(st.integers(1, 3))
    if _chance(draw, 40):
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


def _draw_calls(draw: Any, known: list[str]) -> tuple[Call, ...]:
    outputs = st.sampled_from(known) | st.lists(st.sampled_from(known), unique=True)
    modes = st.sampled_from(("values", "updates", ["updates", "values"], ("updates", "values")))
    output_keys = draw(outputs)
    stream = (("stream_mode", draw(modes)),)
    extra = draw(
        st.sampled_from(
            (
                Call("invoke", (("output_keys", output_keys),)),
                Call("invoke", (("stream_mode", ["updates", "values"]),)),
                Call("stream", (*stream, ("output_keys", output_keys))),
                Call("stream", stream),
            )
        )
    )
    return (INVOKE, UPDATES, VALUES, BOTH, extra, Call("stream", stream, draw(st.integers(1, 5))))
