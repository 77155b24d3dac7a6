"""A graph of LangGraph's that a node of lgc's calls: the same as all under LangGraph.

Each engine remembers its own last id only, so under a clock that stands still their ids would
differ: they are named by their turn here, and threads are played with the clock as it is.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from functools import partial
from pprint import pformat
from typing import Annotated, Any, TypedDict

import pytest
from agents import named
from async_twins import CALLERS
from inprocess import compile_in_process
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt
from parity import INVOKE, UPDATES, Call, Log, difference, observe, under_langgraph
from small import wire
from threads import THREAD, Answers, Script, Step, compare_scripts

_CHANCE = r"\d{4}-\d\d-\d\dT[\d:.+]+|0x[0-9a-f]+"


class State(TypedDict):
    """A list that grows."""

    x: Annotated[list, operator.add]


def child(log: Log, name: str, *, asks: bool = False, leaves: str = "", inner: Any = None) -> Any:
    """A graph of two nodes that write chunks; one may ask, leave its graph, or call another."""

    def first(state: State) -> Any:
        get_stream_writer()(f"{name} first")
        log.note(f"{name} first", "state", state)
        if inner is not None:
            return {"x": [*inner.invoke({"x": []})["x"], f"{name} first"]}
        return {"x": [f"{name} first"]}

    def second(state: State) -> Any:
        get_stream_writer()(f"{name} second")
        answer = interrupt(f"{name}?") if asks else "second"
        if leaves:
            goto = () if leaves == "stay" else leaves
            return Command(graph=Command.PARENT, goto=goto, update={"x": [f"{name} left"]})
        return {"x": [f"{name} {answer}"]}

    return wire(State, {"first": first, "second": second}, (START, "first"), ("first", "second"))


def parent(log: Log, *children: Any, **options: Any) -> StateGraph[Any]:
    """A graph whose second of three nodes calls graphs, one after the other."""

    def before(state: State) -> Any:
        get_stream_writer()("before")
        return {"x": ["before"]}

    def calls(state: State) -> Any:
        get_stream_writer()("calls")
        found = [each.invoke({"x": []}, **options)["x"] for each in children]
        return {"x": [item for items in found for item in items]}

    only = children[0]

    def calls_one(state: State) -> Any:
        get_stream_writer()("calls")
        # LangGraph sees a graph that stands in a variable, and none that stands in a tuple.
        return only.invoke({"x": []}, **options)

    calls = calls_one if len(children) == 1 else calls
    nodes = {"before": before, "calls": calls, "after": lambda state: {"x": [len(state["x"])]}}
    return wire(State, nodes, (START, "before"), ("before", "calls"), ("calls", "after"))


def fan(log: Log, one: Any) -> StateGraph[Any]:
    """Three tasks, each of which calls a graph."""
    builder = StateGraph(State)
    builder.add_node("task", lambda state: {"x": one.invoke({"x": [state["n"]]})["x"]})
    builder.add_node("join", lambda state: {"x": ["joined"]})
    builder.add_conditional_edges(
        START, lambda state: [Send("task", {"n": n}) for n in range(3)], ["task"]
    )
    builder.add_edge("task", "join")
    return builder


def streamed(log: Log, one: Any) -> StateGraph[Any]:
    """A node that streams a graph itself, and writes on what it gets."""

    def calls(state: State) -> Any:
        for chunk in one.stream({"x": []}, stream_mode=["updates", "custom"]):
            get_stream_writer()(("seen", chunk))
        return {"x": ["streamed"]}

    return wire(State, {"calls": calls}, (START, "calls"))


BUILDS: dict[str, Callable[[Log], StateGraph[Any]]] = {
    "one": lambda log: parent(log, child(log, "c").compile()),
    "two": lambda log: parent(log, child(log, "c").compile(), child(log, "d").compile()),
    "twice": lambda log: parent(log, *[child(log, "c").compile()] * 2),
    "deep": lambda log: parent(log, child(log, "c", inner=child(log, "i").compile()).compile()),
    "without a saver": lambda log: parent(log, child(log, "c").compile(checkpointer=False)),
    "streamed": lambda log: streamed(log, child(log, "c").compile()),
    "leaves": lambda log: parent(log, child(log, "c", leaves="after").compile()),
    "stays": lambda log: parent(log, child(log, "c", leaves="stay").compile()),
    "leaves twice": lambda log: parent(
        log, child(log, "c", inner=child(log, "i", leaves="after").compile()).compile()
    ),
    "static stop": lambda log: parent(log, child(log, "c").compile(interrupt_before=["second"])),
}
_MODES = (
    "updates",
    "values",
    "custom",
    "tasks",
    "debug",
    ["values", "updates", "custom"],
    ["updates", "tasks"],
    ["custom"],
)
CALLS = [
    *(
        Call("stream", (("stream_mode", mode), ("subgraphs", subgraphs)))
        for mode in _MODES
        if mode != "debug"
        for subgraphs in (True, False)
    ),
    INVOKE,
    UPDATES,
    Call("invoke", (("subgraphs", True),)),
    Call("invoke", (("subgraphs", True), ("stream_mode", ["updates", "custom"]))),
]


def compare_calls(build: Callable[[Log], StateGraph[Any]], *calls: Call) -> list[Any]:
    """What a caller and the nodes see of each call under LangGraph, the same as under lgc."""
    logs = Log(), Log()
    graphs = under_langgraph(build, logs[0]), compile_in_process(build(logs[1]))
    seen = []
    for call in calls:
        pair = [
            observe(graph, {"x": []}, None, call, log)
            for graph, log in zip(graphs, logs, strict=True)
        ]
        found = [named(pformat(each, width=100, sort_dicts=False)).splitlines() for each in pair]
        assert found[0] == found[1], f"{call}\n{difference(*found)}"
        seen.append(pair[0])
    return seen


@pytest.mark.parametrize("name", BUILDS)
def test_a_graph_in_a_node(name):
    """Results, and chunks in every mode, those of the inner graphs with their namespaces."""
    seen = compare_calls(BUILDS[name], *CALLS)
    assert all(each["error"] is None for each in seen)
    if name == "one":
        places = [chunk[0] for chunk in seen[0]["chunks"]]
        assert [len(place) for place in places] == [0, 1, 1, 0, 0]


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("take", [1, 2, 3, 4, 6])
def test_a_stream_that_is_left(name, take):
    """The consumer stops between the chunks of an inner graph; its node runs to its end."""
    modes = (("stream_mode", ["values", "updates"]), ("subgraphs", True))
    compare_calls(BUILDS[name], Call("stream", modes, take))


@pytest.mark.parametrize("subgraphs", [True, False])
def test_printed_chunks(subgraphs, capsys):
    """With the namespace of the graph they come from."""
    printed = []
    for engine in (lambda b: b.compile(), compile_in_process):
        graph = engine(BUILDS["deep"](Log()))
        list(graph.stream({"x": []}, print_mode=["updates", "custom"], subgraphs=subgraphs))
        printed.append(named(capsys.readouterr().out))
    assert printed[0] == printed[1]
    assert ("graph=" in printed[0]) == subgraphs


def test_graphs_in_parallel_tasks():
    """Each task's chunks keep their order, whatever the others' do."""
    found = []
    for engine in (lambda b: b.compile(), compile_in_process):
        graph = engine(fan(Log(), child(Log(), "c").compile()))
        chunks: dict[str, list[Any]] = {}
        for place, mode, payload in graph.stream(
            {"x": []}, stream_mode=["updates", "custom"], subgraphs=True
        ):
            chunks.setdefault(place[0].partition(":")[0] + place[0][-1] if place else "", [])
            chunks.setdefault(str(place), []).append((mode, payload))
        found.append(sorted(repr(each) for place, each in chunks.items() if each and place != "()"))
        assert len(found[-1]) == 3
    assert found[0] == found[1]


# -- on threads ----------------------------------------------------------------------------------

_EACH = (("UpstreamMemorySaver", "UpstreamMemorySaver"), ("UpstreamMemorySaver", "MemorySaver"))
_ALL = (("stream_mode", ["values", "updates", "custom", "tasks", "checkpoints"]),)
_LOOK = (Step("get_state"), Step("get_state_history"))

ON_THREADS: dict[str, Callable[[Log], StateGraph[Any]]] = {
    **BUILDS,
    "asks": lambda log: parent(log, child(log, "c", asks=True).compile()),
    "asks twice": lambda log: parent(
        log, child(log, "c", asks=True).compile(), child(log, "d", asks=True).compile()
    ),
    "asks deep": lambda log: parent(
        log, child(log, "c", inner=child(log, "i", asks=True).compile()).compile()
    ),
    "asks without a saver": lambda log: parent(
        log, child(log, "c", asks=True).compile(checkpointer=False)
    ),
    "remembers": lambda log: parent(log, child(log, "c").compile(checkpointer=True)),
    "remembers and asks": lambda log: parent(
        log, child(log, "c", asks=True).compile(checkpointer=True)
    ),
    "own saver": lambda log: parent(log, child(log, "c").compile(checkpointer=InMemorySaver())),
}


@pytest.mark.parametrize("subgraphs", [True, False])
@pytest.mark.parametrize("name", ON_THREADS)
def test_a_graph_in_a_node_on_a_thread(name, subgraphs):
    """Rows of both graphs, chunks, questions and answers, states, histories and a second run."""
    options = (*_ALL, ("subgraphs", subgraphs))
    given = Step("stream", {"x": []}, options=options)
    answers = [Step("stream", Answers((a,)), options=options) for a in ("yes", "no")]
    asked = answers if "asks" in name else ()
    goes_on = [Step("stream", None, options=options)] if name == "static stop" else ()
    steps = (given, Step("get_state"), *goes_on, *asked, *_LOOK, given, *_LOOK)
    for durability in ("sync", "exit"):
        made = tuple(
            Step(s.method, s.input, options=(*s.options, ("durability", durability)))
            if s.method == "stream"
            else s
            for s in steps
        )
        compare_scripts(ON_THREADS[name], Script(made), _EACH, pin=False)


def test_a_run_from_an_older_checkpoint():
    """The inner graph goes on from its own checkpoint of that time, as upstream."""
    invoke = Step("invoke", {"x": []}, options=(("durability", "sync"),))
    for at in (1, 2, 3):
        again = Step("stream", None, at=at, options=(*_ALL, ("subgraphs", True)))
        again = Step("stream", None, at, (*again.options, ("durability", "sync")))
        steps = (invoke, again, Step("get_state_history"))
        compare_scripts(ON_THREADS["remembers"], Script(steps), _EACH[:1], pin=False)
        compare_scripts(ON_THREADS["one"], Script(steps), _EACH[:1], pin=False)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("name", ["one", "remembers"])
def test_where_the_state_of_an_inner_graph_is(name, caller):
    """`state` of a task tells it; read, its history and updated as under LangGraph."""
    told = []
    for compiles in (lambda builder: builder, compile_in_process):
        target = compiles(ON_THREADS[name](Log()))
        graph = target.compile(checkpointer=InMemorySaver(), interrupt_before=["calls"])
        told.append(named(re.sub(_CHANCE, "", pformat(list(states_inside(caller(graph)))))))
    assert told[1] == told[0]


def states_inside(graph: Any) -> Iterator[Any]:
    """All that the state methods tell of a graph inside the node that is due."""
    config = {"configurable": {"thread_id": THREAD}}
    graph.invoke({"x": []}, config)
    (task,) = graph.get_state(config).tasks
    looks: list[Callable[[], Any]] = [
        partial(graph.get_state, config, subgraphs=True),
        partial(graph.get_state, task.state),
        lambda: list(graph.get_state_history(task.state)),
    ]
    for _ in range(2):
        yield [look() for look in looks]
        yield graph.update_state(task.state, {"x": [1]})
    yield [look() for look in looks]
    yield graph.invoke(None, config)
    yield [look() for look in looks]


def test_get_state_with_subgraphs_without_any():
    """A graph whose nodes call none: the same state, due or not."""
    builder = wire(State, {"a": lambda s: {"x": [1]}}, (START, "a"))
    graph = compile_in_process(builder).compile(
        checkpointer=InMemorySaver(), interrupt_before=["a"]
    )
    config = {"configurable": {"thread_id": THREAD}}
    graph.invoke({"x": []}, config)
    assert graph.get_state(config, subgraphs=True) == graph.get_state(config)
    assert graph.get_state(config).next == ("a",)


@pytest.mark.parametrize("outer", ["lgc", "langgraph"])
def test_a_graph_of_lgc_in_a_node(outer):
    """Under both engines, in the run of its caller and on a thread of its own."""
    inner = compile_in_process(child(Log(), "c"))
    for config in (None, {"configurable": {"thread_id": "own"}}):
        target = parent(Log(), inner, config=config)
        graph = compile_in_process(target) if outer == "lgc" else target.compile()
        whole = parent(Log(), child(Log(), "c").compile(), config=config).compile()
        assert graph.invoke({"x": []}) == whole.invoke({"x": []})
        told = [
            named(pformat(list(each.stream({"x": []}, subgraphs=True, stream_mode=["values"]))))
            for each in (whole, graph)
        ]
        assert told[1] == told[0]


@pytest.mark.parametrize("form", ["graph", "sequence", "bound"])
def test_a_graph_as_a_node(form):
    """In every form in which LangGraph takes it for a subgraph."""
    told = []
    for compiles in (StateGraph.compile, compile_in_process):
        inner = child(Log(), "c").compile()
        node: Any = inner
        if form == "sequence":
            node = RunnableLambda(lambda state: state) | inner
        elif form == "bound":
            node = inner.with_config(tags=["t"])
        builder = StateGraph(State)
        builder.add_node("inner", node)
        builder.add_edge(START, "inner")
        graph = compiles(builder)
        modes = ["values", "updates", "tasks"]
        chunks = list(graph.stream({"x": []}, subgraphs=True, stream_mode=modes))
        places = [place for place, _ in graph.get_subgraphs()]
        told.append(named(pformat((chunks, places))))
    assert told[1] == told[0]
