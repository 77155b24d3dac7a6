"""Random graphs that ask, and random scripts of calls on a thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from channel_kinds import values_of
from graph_builder import build, real
from graph_spec import Ask, GraphSpec
from graph_strategy import cases, chance, draw_input, draw_order
from hypothesis import strategies as st
from langgraph.graph import END, START
from parity import COUNTS
from random_graphs import Case
from threads import Answers, Script, Step, compare_scripts

_AS_NODES = (None, None, START, END, "__input__", "__copy__", "nowhere")
_ANSWERS = st.integers(0, 3) | st.sampled_from(({"n": 1}, {"n": "2"}, {"n": "x"}, "yes", [1]))
_DURABILITIES = ("sync", "sync", "async", "exit")


@dataclass(frozen=True)
class Thread:
    """A graph, and what is done on a thread with it."""

    graph: GraphSpec
    script: Script

    @property
    def tries(self) -> int:
        """How often both engines run that differ.

        Which tasks LangGraph does not start after one has failed is chance, and so is which of
        several refused answers it reports, and, everywhere, whether the writes of a Command are
        stored already when a run fails over them: nobody waits for that.
        """
        graph = self.graph
        chancy = any(node.fault or node.asks for node in graph.nodes)
        return 30 if chancy or any(r.fails or r.fault for r in graph.routers) else 5


def check(case: Thread, pairs: Any, folder: Any = None, *, pin: bool = True) -> None:
    """Wants lgc to do what LangGraph does, in every call, and to store the same.

    The arguments but `case` are those of `compare_scripts`.
    """
    graph = case.graph
    for feature in graph.features():
        COUNTS[f"threads {feature}"] += 1
    if any(node.asks for node in graph.nodes):
        COUNTS["threads with interrupt"] += 1
    compare_scripts(
        lambda log: build(graph, log),
        case.script,
        pairs,
        folder=folder,
        pin=pin,
        tries=case.tries,
    )


@st.composite
def threads(draw: Any) -> Thread:
    """Threads over everything a run with a saver can do."""
    # A state without keys, which Any is: LangGraph then shows its triggers.
    drawn: Case = draw(cases().filter(lambda case: case.graph.keys != (("__root__", "last_any"),)))
    graph = _asking(draw, drawn.graph)
    config = dict(drawn.config or {})
    config.setdefault("recursion_limit", 12)
    if graph.in_place or chance(draw, 50):
        config["max_concurrency"] = 1
    durability = draw(st.sampled_from(_DURABILITIES))
    kinds = {graph.hidden, *(kind for _, kind in graph.keys)}
    if graph.in_place or graph.joins or "accumulated" in kinds:
        # In the background LangGraph stores what a list or a join's set has become meanwhile.
        durability = "sync"
    names = [node.name for node in graph.nodes]
    compiled = tuple(
        (which, draw(_stops(names)))
        for which in ("interrupt_before", "interrupt_after")
        if chance(draw, 15)
    )
    if drawn.input_class == "annotated":
        # It has no form in a checkpoint.
        drawn = replace(drawn, input_class="")
    first = Step(
        "invoke",
        replace(drawn, graph=None, calls=()).new_input,
        options=(("durability", durability),),
    )
    more = draw(st.integers(1, 6))
    steps = [first, *(_draw_step(draw, graph, names, durability) for _ in range(more))]
    return Thread(graph, Script(tuple(steps), config, compiled))


def _asking(draw: Any, graph: GraphSpec) -> GraphSpec:
    """The graph with nodes that ask; none changes what others hold."""
    asks = st.lists(
        st.builds(
            Ask,
            st.integers(0, 9) | st.just({"q": [1]}),
            st.sampled_from(("", "", "", "model", "typed")),
            st.sampled_from((False, False, False, True)),
        ),
        min_size=1,
        max_size=3,
    ).map(tuple)
    nodes = []
    # A chunk beside a question shows a list that is changed in place sooner or later.
    percent = 0 if graph.in_place else draw(st.sampled_from((0, 30, 60)))
    for node in graph.nodes:
        acts = tuple(replace(a, kind="dict") if a.kind == "mutate" else a for a in node.acts)
        asked = draw(asks) if chance(draw, percent) and node.body != "dict" else ()
        nodes.append(replace(node, acts=acts, asks=asked))
    # An update from outside gives routers no runtime, and callbacks that nobody uses.
    routers = tuple(replace(router, wants=()) for router in graph.routers)
    return replace(graph, nodes=tuple(nodes), routers=routers, saved=True)


def _stops(names: list[str]) -> st.SearchStrategy[Any]:
    return st.just("*") | st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)


def _draw_step(draw: Any, graph: GraphSpec, names: list[str], durability: str) -> Step:
    method = draw(
        st.sampled_from(("run",) * 6 + ("get_state", "get_state_history") + ("update",) * 2)
    )
    at = draw(st.integers(0, 6)) if chance(draw, 25) else None
    configurable: list[tuple[str, Any]] = []
    metadata: list[tuple[str, Any]] = []
    if chance(draw, 10):
        draw(st.sampled_from((configurable, metadata))).append(("run_id", "run"))
    if chance(draw, 5):
        configurable.append(("user", "w"))
    extra = {"at": at, "configurable": tuple(configurable), "metadata": tuple(metadata)}
    if method == "run":
        return _draw_run(draw, graph, names, durability, extra)
    if method == "get_state":
        return Step(method, **extra)
    if method == "get_state_history":
        options: list[tuple[str, Any]] = []
        if chance(draw, 40):
            choice = ({"source": "loop"}, {"step": 1}, {"user": "u"}, {"source": "fork"})
            options.append(("filter", draw(st.sampled_from(choice))))
        if chance(draw, 40):
            options.append(("before", draw(st.integers(0, 4))))
        if chance(draw, 40):
            options.append(("limit", draw(st.integers(0, 3))))
        return Step(method, options=tuple(options), **extra)
    if chance(draw, 70):
        values, as_node = _draw_update(draw, graph, names, alone=True)
        return Step("update_state", values, options=(("as_node", as_node),), **extra)
    supersteps = []
    for _ in range(draw(st.integers(1, 3))):
        updates = [
            _draw_update(draw, graph, names, alone=False) for _ in range(draw(st.integers(1, 3)))
        ]
        supersteps.append(updates)
    return Step("bulk_update_state", partial(_new_supersteps, supersteps), **extra)


def _new_supersteps(supersteps: Any) -> Any:
    return [
        [(each() if callable(each) else each, as_node) for each, as_node in updates]
        for updates in supersteps
    ]


def _draw_update(draw: Any, graph: GraphSpec, names: list[str], alone: bool) -> tuple[Any, Any]:
    odd = chance(draw, 40 if alone else 10)
    as_node = draw(st.sampled_from(_AS_NODES if odd else names))
    if as_node == "__copy__":
        count = draw(st.integers(0, 2))
        pairs = [(_draw_values(draw, graph), draw(st.sampled_from(names))) for _ in range(count)]
        return (pairs or None), as_node
    if as_node == END and chance(draw, 80):
        return None, as_node
    if chance(draw, 15):
        return partial(real, draw_order(draw, graph.keys, names)), as_node
    return _draw_values(draw, graph), as_node


def _draw_values(draw: Any, graph: GraphSpec) -> Any:
    if chance(draw, 10):
        return None
    if graph.keys[0][0] == "__root__":
        return draw(values_of(graph.keys[0][1]))
    chosen = draw(st.lists(st.sampled_from(graph.keys), unique=True))
    return {key: draw(values_of(kind)) for key, kind in chosen}


def _draw_run(
    draw: Any, graph: GraphSpec, names: list[str], durability: str, extra: dict[str, Any]
) -> Step:
    kind = draw(st.sampled_from(("none", "none", "input", "resume", "resume", "map", "command")))
    input: Any = None
    if kind == "input":
        input = draw_input(draw, graph.keys)
    elif kind == "command":
        input = partial(real, draw_order(draw, graph.keys, names))
    elif kind != "none":
        order = draw_order(draw, graph.keys, names) if chance(draw, 20) else None
        values = draw(st.lists(_ANSWERS, min_size=1, max_size=3).map(tuple))
        # With "exit" LangGraph stores an answer without an id, or not, by chance: one task may
        # take it while another's writes are taken down.
        by_id = kind == "map" or durability == "exit"
        input = Answers(values, by_id, partial(real, order) if order else None)
    options: list[tuple[str, Any]] = [("durability", durability)]
    for which in ("interrupt_before", "interrupt_after"):
        if chance(draw, 15):
            options.append((which, draw(_stops(names))))
    if chance(draw, 60):
        return Step("invoke", input, options=tuple(options), **extra)
    modes = ("values", ["values", "updates"], ["values", "updates"])
    options.append(("stream_mode", draw(st.sampled_from(modes))))
    return Step("stream", input, options=tuple(options), **extra)
