"""Draws random graphs, and how to run them, with hypothesis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from channel_kinds import CHANNELS, MANAGED, REDUCED, ints, lists, values_of
from graph_builder import NO_HINTS, OF_RUNNABLES
from graph_spec import (
    HIDDEN,
    STRAY,
    Act,
    GraphSpec,
    NodeSpec,
    Order,
    Replace,
    RouterSpec,
    Sent,
    Thing,
    is_field,
)
from hypothesis import strategies as st
from langgraph.graph import END, START
from parity import UPDATES, VALUES, Call
from random_graphs import Case

_KEYS = ("x", "items", "k 1", "ключ", "class", "messages", "node", "arg")
_NAMES = ("n10", "n2", "b", "a b", "ü", "Z", "x'y", '"q"\\', "{{j}}", "😀", "a+b", "def")


def _subsets(items: Sequence[str], least: int = 1) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(items), min_size=least, unique=True).map(tuple)


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
    hidden = draw(st.sampled_from(CHANNELS)) if chance(draw, 25) else ""
    nodes = [_draw_node(draw, name, keys, hidden, control, names, loops) for name in names]
    if hidden and keys[0][0] != "__root__":
        nodes = _with_private_reader(nodes, [key for key, _ in keys])
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
    input_class = draw(st.sampled_from(("dataclass", "model", "annotated")))
    input = draw_input(draw, keys)
    as_object = isinstance(input, dict) and not is_root and any(map(is_field, input))
    return Case(
        graph,
        input,
        config,
        _draw_calls(draw, graph, config or {}),
        input_class if as_object and chance(draw, 10) else "",
    )


def _with_private_reader(nodes: list[NodeSpec], known: Sequence[str]) -> list[NodeSpec]:
    """Has a node read the key that the state has not, or the key would be nobody's.

    Draws nothing: left to chance, hardly a graph had both such a node and a join.

    Args:
        nodes: one that reads some keys already is preferred to the last.
        known: the keys of the state.
    """
    if any(HIDDEN in (node.reads or ()) for node in nodes):
        return nodes
    at = next((i for i, node in enumerate(nodes) if node.reads), len(nodes) - 1)
    reads = (*(nodes[at].reads or known), HIDDEN)
    return [*nodes[:at], replace(nodes[at], reads=reads), *nodes[at + 1 :]]


def _stored(keys: Any) -> list[str]:
    """The keys that have a channel."""
    return [key for key, kind in keys if kind not in MANAGED]


def _draw_flavor(draw: Any, percent: int) -> str:
    if not chance(draw, percent):
        return "typed"
    return str(draw(st.sampled_from(("dataclass", "dataclass", "model", "model", "required"))))


def _draw_keys(draw: Any) -> tuple[tuple[str, str], ...]:
    if chance(draw, 15):
        return (("__root__", draw(st.sampled_from(("last_int", "add_list", "last_any")))),)
    names = draw(st.lists(st.sampled_from(_KEYS), min_size=1, max_size=4, unique=True))
    # A Send that a node returns is read by attribute, as a state: `node` and `arg` would get values
    # of types that other kinds refuse, and two nodes might fail at once.
    keys = [
        (name, "any_value" if name in ("node", "arg") else draw(st.sampled_from(CHANNELS)))
        for name in names
    ]
    if chance(draw, 20):
        free = [name for name in _KEYS if name not in names]
        keys.append((draw(st.sampled_from(free)), draw(st.sampled_from(MANAGED))))
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
    odd = st.none() | ints | lists | st.just("text") | st.builds(Thing, ints)
    node = draw(st.sampled_from(targets))
    arg = draw(odd) if chance(draw, 30) else {**writes, "unknown": draw(ints)}
    if node == START:
        # START refuses what is no input, and several such Sends would be several failures at once.
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


_BODIES = ("method", "callable", *NO_HINTS)


def _draw_node(
    draw: Any, name: str, keys: Any, hidden: str, control: int, names: list[str], loops: bool
) -> NodeSpec:
    known = [key for key, _ in keys]
    is_root = known == ["__root__"]
    if hidden and not is_root:
        keys = (*keys, (HIDDEN, hidden))
        known.append(HIDDEN)
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
    if body in OF_RUNNABLES or body == "returns runnable":
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
    if kind in ("dataclass", "annotated") and not any(is_field(key) for key, _ in writes):
        # A class without annotations is an error, and two nodes might fail over one at once.
        kind = "dict"
    if chance(draw, 10):
        writes.append((STRAY, 1))
    return Act(kind, tuple(writes))


def _draw_control(draw: Any, keys: Any, targets: Sequence[str], loops: bool) -> Act:
    """A node that returns a Send, a Command, or a list with a Command in it."""
    is_root = keys[0][0] == "__root__"
    # In a root graph a bare Send would become the value, which other nodes cannot read.
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


def _draw_value(draw: Any, kind: str) -> Any:
    value = draw(values_of(kind))
    if kind == "last_int" and chance(draw, 10):
        # A model that reads it converts it to an int, or refuses it.
        return draw(st.sampled_from(("7", "seven")))
    if kind in REDUCED and chance(draw, 10):
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
    values = {key: draw(values_of(kind)) for key, kind in chosen}
    return {**values, STRAY: 1} if chance(draw, 10) else values


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
