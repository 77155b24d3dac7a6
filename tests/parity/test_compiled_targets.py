"""A compiled graph as TARGET: what was bound to it is the exported graph's, on every way to lgc."""

from __future__ import annotations

import operator
from collections.abc import Callable
from time import sleep
from typing import Annotated, Any, TypedDict

import pytest
from inprocess import compile_in_process
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from parity import Call, Log, comparable, comparable_config, compare
from threads import Script, Step, compare_scripts

import lgc
from lgc import backend


class State(TypedDict):
    """A list that grows, and what a node found in its config."""

    x: Annotated[list, operator.add]


def builder(log: Log) -> StateGraph[Any]:
    """A loop of two nodes that ends when the list is long, each seeing its config."""

    def node(name: str) -> Callable[[State], Any]:
        def run(state: State) -> Any:
            config = get_config()
            shown = {k: v for k, v in comparable_config(config).items() if k != "callbacks"}
            conf = {k: v for k, v in shown["configurable"].items() if not k.startswith("__")}
            log.note(name, "config", {**shown, "configurable": conf})
            return {"x": [name]}

        return run

    graph = StateGraph(State)
    graph.add_node("a", node("a"))
    graph.add_node("b", node("b"))
    graph.add_edge(START, "a")
    graph.add_edge("a", "b")
    graph.add_conditional_edges("b", lambda state: END if len(state["x"]) > 7 else "a", ["a", END])
    return graph


_METADATA = {"team": "x", "nested": {"l": [1, (2.5, None), {"k": b"\x00"}]}, "f": True, 3: "three"}
TARGETS: dict[str, Callable[[StateGraph[Any]], Any]] = {
    "recursion limit": lambda b: b.compile().with_config({"recursion_limit": 5}),
    "tags": lambda b: b.compile().with_config(tags=["b", "a"]).with_config(tags=["c"]),
    "metadata": lambda b: b.compile().with_config(metadata=_METADATA),
    "configurable": lambda b: b.compile().with_config({"configurable": {"user": "ü'\"\n", "n": 1}}),
    "run name": lambda b: b.compile(name="mine").with_config(run_name="run", max_concurrency=3),
    "own keys": lambda b: b.compile().with_config(mine=[1, 2]),
    "interrupt before": lambda b: b.compile(interrupt_before=["b"]),
    "interrupt after": lambda b: b.compile(interrupt_after="*"),
    "interrupt both": lambda b: b.compile(interrupt_before="*", interrupt_after=["a", "b"]),
    "debug": lambda b: b.compile(debug=True),
    "stream mode": lambda b: b.compile().copy({"stream_mode": "values"}),
    "stream modes": lambda b: b.compile().copy({"stream_mode": ["updates", "values"]}),
    "all": lambda b: b.compile(interrupt_before=["b"], debug=True, name="all").with_config(
        {"recursion_limit": 4, "tags": ["t"], "metadata": {"m": 1}, "configurable": {"c": 2}}
    ),
    "binding": lambda b: (
        b.compile()
        .with_config({"recursion_limit": 12, "metadata": {"a": 1, "b": 1}})
        .with_types(input_type=dict)
        .with_config(metadata={"b": 2}, configurable={"c": 3})
    ),
    "limit of a binding": lambda b: b.compile().with_types().with_config(recursion_limit=3),
}


def through_backend(target: Any) -> Any:
    """The graph of the drop-in backend with what is bound to `target`."""
    backend.install()
    try:
        graph = target.builder.compile()
    finally:
        backend.uninstall()
    names = ("config", "name", "debug", "stream_mode", "interrupt_before_nodes")
    return graph.copy({n: getattr(target, n) for n in (*names, "interrupt_after_nodes")})


WAYS = {
    "ahead of time": compile_in_process,
    "in process": lgc.compile_graph,
    "backend": through_backend,
}
CALLS = [
    Call(),
    Call("stream"),
    Call("invoke", (("stream_mode", "updates"),)),
    Call("stream", (("interrupt_before", ["a"]),)),
    Call("stream", (("stream_mode", ["values", "updates"]),)),
]


@pytest.mark.parametrize(
    ("name", "way"),
    # A binding calls the graph that is bound; it is no target of the backend.
    [(name, way) for name in TARGETS for way in WAYS if "binding" not in name or way != "backend"],
)
def test_what_is_bound_is_the_exported_graphs(name, way):
    """Runs without a config, and with one that is merged into what is bound."""
    for config in (
        None,
        {"recursion_limit": 20, "tags": ["call"], "metadata": {"b": 3}, "configurable": {"c": 4}},
    ):
        if name == "binding" and config:
            # Tags of a binding and of a call are sorted together.
            config = {**config, "tags": []}
        seen = compare(
            lambda log: TARGETS[name](builder(log)),
            {"x": ["in"]},
            config,
            *CALLS,
            compiled=WAYS[way],
        )
        assert len(seen) == len(CALLS)
        assert all(s["error"] is None for s in seen) or "limit" in name or name == "all"


@pytest.mark.parametrize("name", ["interrupt before", "interrupt both", "all", "configurable"])
def test_what_is_bound_is_kept_with_a_saver(name):
    """A saver is given to the exported graph's compile; its other defaults stay."""
    goes_on = Step("stream", None)
    steps = (Step(input={"x": ["in"]}), Step("get_state"), goes_on, goes_on)
    history = Step("get_state_history")
    compare_scripts(
        lambda log: TARGETS[name](builder(log)),
        Script((*steps, Step("update_state", {"x": ["new"]}), goes_on, history)),
        [("UpstreamMemorySaver", "UpstreamMemorySaver")],
    )


def test_what_compile_is_given_stands_above_what_is_bound():
    """Interrupts, debug and name; an empty list is none."""
    target = TARGETS["all"](builder(Log()))
    for graph in (compile_in_process(target), lgc.compile_graph(target)):
        again = graph.compile()
        assert (again.name, again.debug) == ("all", True)
        assert again.interrupt_before_nodes == ["b"]
        assert again.config["recursion_limit"] == 4
        other = graph.compile(interrupt_before=[], interrupt_after=["a"], debug=False, name="other")
        assert (other.name, other.debug) == ("other", False)
        assert (other.interrupt_before_nodes, other.interrupt_after_nodes) == ([], ["a"])


def test_a_bound_saver_and_store():
    """In this process they are taken over, as they live; a module's graph has none."""
    saver, store = InMemorySaver(), InMemoryStore()
    target = builder(Log()).compile(checkpointer=saver, store=store)
    live = lgc.compile_graph(target)
    assert (live.checkpointer, live.store) == (saver, store)
    assert (through_backend(target).copy({"checkpointer": saver}).checkpointer) is saver
    other = InMemorySaver()
    assert lgc.compile_graph(target, checkpointer=other).checkpointer is other
    ahead = compile_in_process(target)
    assert (ahead.checkpointer, ahead.store) == (None, None)
    thread = {"configurable": {"thread_id": "1"}}
    assert live.invoke({"x": []}, thread) == target.get_state(thread).values


def test_a_bound_cache_is_kept():
    """In this process; another one that is passed takes its place."""
    target = builder(Log()).compile(cache=InMemoryCache())
    assert lgc.compile_graph(target).cache is target.cache
    other = InMemoryCache()
    assert lgc.compile_graph(target, cache=other).cache is other


@pytest.mark.parametrize("way", WAYS)
def test_a_step_timeout_holds_in_every_run(way):
    """It is the target's, until it is taken away."""
    slow = StateGraph(State)
    slow.add_node("a", lambda state: sleep(0.2))
    slow.add_edge(START, "a")
    target = slow.compile()
    target.step_timeout = 0.05
    graph = WAYS[way](target)
    if way == "backend":
        graph.step_timeout = target.step_timeout
    again = graph.copy() if way == "backend" else graph.compile()
    for run in (graph.invoke, again.invoke, lambda given: list(graph.stream(given))):
        with pytest.raises(TimeoutError, match=r"^Timed out$"):
            run({"x": []})
    for limit in (None, 0, 60.0):
        graph.step_timeout = limit
        assert graph.invoke({"x": ["in"]}) == {"x": ["in"]}


_CHANGED: dict[str, Callable[[Any], Any]] = {
    "output_channels": lambda g: g.copy({"output_channels": "x"}),
    "stream_channels": lambda g: g.copy({"stream_channels": "x"}),
    "nodes": lambda g: g.builder.add_node("late", lambda state: None) and g,
    "retry_policy": lambda g: g.copy({"retry_policy": [lgc.RetryPolicy()]}),
    "bind": lambda g: g.bind(stream_mode="values"),
    "listeners": lambda g: g.with_listeners(on_start=print),
}


@pytest.mark.parametrize("what", _CHANGED)
def test_what_cannot_be_taken_over_is_refused(what):
    """A graph that was changed after compile, and a binding with arguments, by name."""
    target = _CHANGED[what](builder(Log()).compile())
    with pytest.raises(lgc.Unsupported, match=what):
        lgc.compile_graph(target)


def test_the_target_is_not_changed():
    """Neither the compiled graph nor what is bound to it."""
    target = TARGETS["all"](builder(Log()))
    before = comparable(dict(target.config)), set(target.nodes), list(target.interrupt_before_nodes)
    for way in (compile_in_process, lgc.compile_graph):
        graph = way(target)
        graph.invoke({"x": []}, {"tags": ["u"], "metadata": {"z": 1}})
        assert graph.config == target.config
    assert before == (comparable(dict(target.config)), set(target.nodes), ["b"])
