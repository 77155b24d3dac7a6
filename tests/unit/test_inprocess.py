"""`lgc.compile_graph`: a live builder becomes a graph in this process."""

from __future__ import annotations

import gc
import linecache
import operator
import traceback
import weakref
from functools import partial
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import RetryPolicy

import lgc
from lgc.compiler import inprocess
from lgc.compiler.frontend import analysis
from lgc.compiler.native import find_compiler


class State(TypedDict):
    """One key that is reduced, one that is not."""

    log: Annotated[list[Any], operator.add]
    last: Any


def chain(*functions: Any, **options: Any) -> StateGraph[Any, Any, Any, Any]:
    """A builder whose nodes n0, n1, ... run one after the other."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    for number, function in enumerate(functions):
        builder.add_node(f"n{number}", function, **options)
        builder.add_edge(f"n{number - 1}" if number else START, f"n{number}")
    return builder


def test_runs_the_live_objects() -> None:
    """Closures, locals and what they close over are the objects of this process."""
    seen: list[Any] = []
    graph = lgc.compile_graph(chain(lambda state: seen.append(state) or {"log": [1]}), name="mine")
    assert graph.invoke({"log": [0]}) == {"log": [0, 1]}
    assert seen == [{"log": [0]}]
    assert graph.name == "mine"


def test_two_graphs_share_code_and_nothing_else() -> None:
    """Code is cached by what the graph means; functions are each graph's own."""
    first = lgc.compile_graph(chain(lambda state: {"log": ["first"]}))
    second = lgc.compile_graph(chain(lambda state: {"log": ["second"]}))
    assert first.invoke({"log": []}) == {"log": ["first"]}
    assert second.invoke({"log": []}) == {"log": ["second"]}
    flows = [graph.program.supersteps for graph in (first, second)]
    assert flows[0] is not flows[1]
    assert flows[0].__code__ is flows[1].__code__


def test_graphs_that_are_nodes_run_the_live_objects() -> None:
    """Of graphs whose code is shared, too: each has its own functions, and the bound config."""
    bound = [object(), object()]

    def outer(said: str, value: object) -> StateGraph[Any, Any, Any, Any]:
        deep = chain(lambda state: {"log": [said], "last": None})
        inner = chain(deep.compile(), lambda state: {"last": said}).compile()
        return chain(inner.with_config(configurable={"value": value}))

    builders = [outer(said, value) for said, value in zip("ab", bound, strict=True)]
    graphs = [lgc.compile_graph(builder) for builder in builders]
    for builder, graph, value in zip(builders, graphs, bound, strict=True):
        given: Any = {"log": ["0"], "last": 0}
        assert graph.invoke(given) == builder.compile().invoke(given)
        inner = graph.program.by_name["n0"].body
        assert inner.config == {"configurable": {"value": value}}
    flows = [g.program.by_name["n0"].body.program.supersteps.__code__ for g in graphs]
    assert flows[0] is flows[1]


def test_callbacks_bound_to_a_graph_that_is_a_node_are_refused() -> None:
    inner = chain(lambda state: {}).compile().with_config(callbacks=[BaseCallbackHandler()])
    with pytest.raises(lgc.Unsupported, match=r"in node `n0`: config .*callbacks"):
        lgc.compile_graph(chain(inner))


def test_langgraph_newer_than_tested_is_a_warning_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "_installed", lambda: "1.2.99")
    monkeypatch.setattr(analysis, "_noted", set())
    with pytest.warns(UserWarning, match="note LGC114: langgraph 1.2.99 is installed") as caught:
        for number in (1, 2):
            lgc.compile_graph(chain(lambda state, number=number: {"log": [number]}))
    assert [warning.filename for warning in caught] == [__file__]


def test_the_builder_is_not_marked() -> None:
    """LangGraph warns when a builder changes after its compile; this one may go on."""
    builder = chain(lambda state: None)
    graph = lgc.compile_graph(builder)
    assert not builder.compiled
    builder.add_node("later", lambda state: {"last": 1})
    builder.add_edge("n0", "later")
    assert graph.invoke({"last": 0}) == {"log": [], "last": 0}
    assert lgc.compile_graph(builder).invoke({"last": 0}) == {"log": [], "last": 1}


def test_tracebacks_show_the_module() -> None:
    """While a graph lives, the lines of its module are known."""

    def node(state: Any, runtime: Any) -> Any:
        raise LookupError("in the node")

    graph = lgc.compile_graph(chain(node))
    with pytest.raises(LookupError) as caught:
        graph.invoke({"log": []})
    text = "".join(traceback.format_exception(caught.value))
    assert 'File "<lgc ' in text
    assert ", in node_n0" in text and "(state, runtime=task.runtime)" in text
    del caught


def test_nothing_stays_behind() -> None:
    """Graph, builder and source are released; the cached code holds none of them."""

    def one() -> list[weakref.ref[Any]]:
        def node(state: Any) -> Any:
            return {"log": [1]}

        builder = chain(node, node)
        graph = lgc.compile_graph(builder)
        graph.invoke({"log": []})
        return [weakref.ref(graph), weakref.ref(builder), weakref.ref(node)]

    before = {name for name in linecache.cache if name.startswith("<lgc ")}
    references = [reference for _ in range(50) for reference in one()]
    gc.collect()
    assert not any(reference() for reference in references)
    assert {name for name in linecache.cache if name.startswith("<lgc ")} <= before


def test_code_is_kept_for_the_last_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache has a bound; what was dropped is written again."""
    monkeypatch.setattr(inprocess, "_CACHED_MODULES", 2)
    monkeypatch.setattr(inprocess, "_MODULES", inprocess._Modules())
    builders = [chain(*[lambda state: {"log": [1]}] * size) for size in (1, 2, 3, 1)]
    for builder in builders:
        wanted = [1] * len(builder.nodes)
        assert lgc.compile_graph(builder).invoke({"log": []}) == {"log": wanted}
    assert len(inprocess._MODULES._modules) == 2


def test_what_is_no_builder() -> None:
    """It is said what was expected; a Runnable around a graph that is no binding is none either."""
    for wrong in (object(), chain(lambda state: None).compile().with_retry()):
        with pytest.raises(TypeError, match=f"was expected, not {type(wrong).__name__}"):
            lgc.compile_graph(wrong)


def test_an_invalid_graph() -> None:
    """The error is LangGraph's own."""
    with pytest.raises(ValueError, match="Found edge ending at unknown node `nowhere`"):
        lgc.compile_graph(chain(lambda state: None).add_edge("n0", "nowhere"))


def test_arguments() -> None:
    """They are those of LangGraph's `compile`."""
    saver, store = InMemorySaver(), object()
    graph = lgc.compile_graph(
        chain(lambda state: None),
        checkpointer=saver,
        store=store,
        interrupt_before=["n0"],
        interrupt_after="*",
        name="named",
    )
    assert (graph.checkpointer, graph.store, graph.name) == (saver, store, "named")
    assert (graph.interrupt_before_nodes, graph.interrupt_after_nodes) == (["n0"], "*")


def test_wrong_arguments() -> None:
    """What no graph can be compiled with is said as LangGraph says it."""
    builder = chain(lambda state: None)
    for wrong in ({"interrupt_before": ["nowhere"]}, {"checkpointer": object()}):
        said = []
        for compiled in (builder.compile, partial(lgc.compile_graph, builder)):
            with pytest.raises((TypeError, ValueError)) as caught:
                compiled(**wrong)
            said.append((type(caught.value), str(caught.value)))
        assert said[0] == said[1]


def test_refused_nodes() -> None:
    """What a node uses is refused by name, with the node."""
    builder = chain(lambda state: None)
    policy = RetryPolicy(max_interval=float("inf"))
    builder.add_node("kept", lambda state: None, retry_policy=policy)
    with pytest.raises(lgc.Unsupported) as caught:
        lgc.compile_graph(builder)
    assert (caught.value.feature, caught.value.where) == (
        "retry policy",
        "retry policy (its max_interval is inf) of node `kept`",
    )


@pytest.mark.skipif(find_compiler() is None, reason="no C compiler with Python's headers")
def test_native() -> None:
    """The module is built; two graphs of one structure are two modules."""
    builders = [chain(lambda state, n=n: {"log": [n]}) for n in (1, 2)]
    graphs = [lgc.compile_graph(builder, native=True) for builder in builders]
    assert [graph.invoke({"log": []}) for graph in graphs] == [{"log": [1]}, {"log": [2]}]
    assert all(not hasattr(g.program.channels[0].reducer, "__code__") for g in graphs)
