"""The drop-in backend: a StateGraph compiled as ever, and everything about it."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any

import pytest
from async_twins import CALLERS
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from langgraph.store.memory import InMemoryStore
from langgraph.types import RetryPolicy
from typing_extensions import TypedDict

import lgc
from lgc import backend


class State(TypedDict):
    """One key that is reduced, one that is not."""

    log: Annotated[list[Any], operator.add]
    last: Any


def built(**options: Any) -> StateGraph[Any, Any, Any, Any]:
    """Two nodes, the second by a router."""

    def first(state: State) -> Any:
        return {"log": ["first"]}

    def second(state: State) -> Any:
        return {"log": ["second"], "last": len(state["log"])}

    def route(state: State) -> str:
        return "second"

    builder: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    builder.add_node("first", first, **options)
    builder.add_node("second", second)
    builder.add_edge(START, "first")
    builder.add_conditional_edges("first", route, ["second"])
    return builder


@pytest.fixture
def installed() -> Iterator[None]:
    """The backend, for one test."""
    assert not backend._originals
    backend.install()
    yield
    backend.uninstall()
    assert not backend._originals


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The backend in strict mode, for one test."""
    monkeypatch.setenv("LGC_STRICT", "1")
    backend.install()
    yield
    backend.uninstall()


@pytest.fixture
def both() -> tuple[Any, Any]:
    """The same graph from LangGraph and from the backend."""
    theirs = built().compile(name="both")
    backend.install()
    try:
        return theirs, built().compile(name="both")
    finally:
        backend.uninstall()


def test_runs(both: tuple[Any, Any]) -> None:
    """Results and chunks, by every inherited way to run a graph too."""
    given = {"log": ["in"], "last": None}
    for run in (
        lambda graph: graph.invoke(given),
        lambda graph: graph.invoke(given, output_keys="log"),
        lambda graph: list(graph.stream(given)),
        lambda graph: list(graph.stream(given, stream_mode=["values", "updates"])),
        lambda graph: graph.batch([given, given]),
        lambda graph: list(graph.batch_as_completed([given])),
        lambda graph: (graph | (lambda state: state["last"])).invoke(given),
        lambda graph: list(graph.transform(iter([given]))),
        lambda graph: graph.with_config(recursion_limit=3).invoke(given),
    ):
        theirs, ours = (run(graph) for graph in both)
        assert ours == theirs


def test_drawing_and_schemas(both: tuple[Any, Any]) -> None:
    """What LangGraph draws and describes is not told from LangGraph's own."""
    for look in (
        lambda graph: graph.get_graph().draw_mermaid(),
        lambda graph: graph.get_graph(xray=True).to_json(),
        lambda graph: graph.get_input_jsonschema(),
        lambda graph: graph.get_output_jsonschema(),
        lambda graph: graph.get_name(),
        lambda graph: sorted(graph.nodes),
        lambda graph: (type(graph).__module__, type(graph).__qualname__),
        lambda graph: sorted(set(vars(graph)) - {"_lgc", "_lgc_nodes"}),
    ):
        theirs, ours = (look(graph) for graph in both)
        assert ours == theirs
    assert isinstance(both[1], CompiledStateGraph)


@pytest.mark.usefixtures("installed")
def test_compile_is_upstreams_own() -> None:
    """Its complaints are upstream's, and its arguments reach it."""
    with pytest.raises(TypeError, match="Invalid checkpointer"):
        built().compile(checkpointer="memory")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nowhere"):
        built().compile(interrupt_before=["nowhere"])
    assert built().compile(debug=True).debug is True


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("attribute", "value", "feature"),
    [
        ("retry_policy", (RetryPolicy(),), "retry_policy"),
    ],
)
def test_attributes_set_after_compile(attribute: str, value: Any, feature: str) -> None:
    """What a run uses is read when it starts, so what lgc cannot do is refused then."""
    graph = built().compile()
    assert graph.invoke({"log": []})["log"] == ["first", "second"]
    setattr(graph, attribute, value)
    for run in (graph.invoke, lambda given: next(graph.stream(given))):
        with pytest.raises(lgc.Unsupported) as caught:
            run({"log": []})
        assert caught.value.feature == feature


@pytest.mark.usefixtures("installed")
def test_attributes_that_a_run_uses(both: tuple[Any, Any]) -> None:
    """The name, the streamed mode and keys, and a bound config, as set last."""
    seen: list[Any] = []
    for graph in both:
        graph.name = "renamed"
        graph.stream_mode = "values"
        graph.output_channels = ["last"]
        graph.stream_channels = ["log"]
        seen.append((graph.invoke({"log": []}), list(graph.stream({"log": []}))))
    assert seen[0] == seen[1]
    limited = both[1].with_config({"recursion_limit": 1})
    with pytest.raises(lgc.GraphRecursionError):
        limited.invoke({"log": []})
    assert limited.copy({"name": "copied"}).name == "copied"


@pytest.mark.usefixtures("installed")
def test_nodes_changed_after_compile() -> None:
    """A compiled program does not follow; it says so instead of running what was."""
    graph = built().compile()
    graph.nodes["first"] = graph.nodes["second"]
    with pytest.raises(lgc.Unsupported, match="nodes changed after compile"):
        graph.invoke({"log": []})


@pytest.mark.usefixtures("installed")
def test_the_builder_may_go_on() -> None:
    """As upstream: a graph stays what it was when it was compiled, its copies too."""
    builder = built()
    graph = builder.compile()
    builder.add_edge("second", "first")
    for run in (graph, graph.with_config(tags=["copy"])):
        assert run.invoke({"log": []})["log"] == ["first", "second"]


@pytest.mark.usefixtures("installed")
def test_unsupported_when_it_runs() -> None:
    """A graph that lgc cannot run can still be drawn; running it names the feature."""
    graph = built(retry_policy=RetryPolicy(max_interval=float("inf"))).compile()
    assert "first" in graph.get_graph().draw_mermaid()
    with pytest.raises(lgc.Unsupported) as caught:
        graph.invoke({"log": []})
    assert caught.value.feature == "retry policy"
    assert caught.value.where == "retry policy (its max_interval is inf) of node `first`"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("caller", CALLERS)
def test_state_methods(caller: Any) -> None:
    """Without a saver upstream's own error; with one they tell of the thread."""
    config: Any = {"configurable": {"thread_id": "1"}}
    for call in (
        lambda graph: graph.get_state(config),
        lambda graph: next(graph.get_state_history(config)),
        lambda graph: graph.update_state(config, {}),
    ):
        with pytest.raises(ValueError, match="No checkpointer set"):
            call(caller(built().compile()))
    graph = caller(built().compile(checkpointer=InMemorySaver()))
    graph.invoke({"log": []}, config)
    graph.update_state(config, {"log": ["update"]})
    assert graph.get_state(config).values["log"] == ["first", "second", "update"]
    assert [state.metadata["source"] for state in graph.get_state_history(config)] == [
        "update",
        *["loop"] * 3,
        "input",
    ]


@pytest.mark.usefixtures("installed")
def test_savers_stores_and_breakpoints_set_after_compile() -> None:
    """A run uses those that the object has when it starts."""
    config: Any = {"configurable": {"thread_id": "1"}}
    graph = built().compile()
    graph.checkpointer = InMemorySaver()
    graph.store = InMemoryStore()
    graph.interrupt_before_nodes = ["second"]
    assert graph.invoke({"log": []}, config)["log"] == ["first"]
    assert graph.get_state(config).next == ("second",)
    graph.interrupt_before_nodes, graph.interrupt_after_nodes = (), "*"
    assert graph.invoke(None, config)["log"] == ["first", "second"]


@pytest.mark.usefixtures("strict")
def test_strict_mode_guards_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of a StateGraph that reaches it raises, and is counted."""
    told: list[str] = []
    monkeypatch.setattr(backend.listener, "guarded", lambda: told.append("guarded"))
    graph = built().compile()
    with pytest.raises(AssertionError, match="LangGraph's own loop"):
        list(Pregel.stream(graph, {"log": []}))
    assert told == ["guarded"]


@pytest.mark.usefixtures("strict")
def test_strict_mode_notes_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when somebody swallows the exception."""
    told: list[str] = []
    monkeypatch.setattr(backend.listener, "refused", lambda feature, where: told.append(feature))
    with suppress(lgc.Unsupported):
        list(built().compile().stream({"log": []}, stream_mode="messages"))
    assert told == ["stream_mode='messages'"]


def test_replaced_symbols(strict: None) -> None:
    """All that is replaced is in the list, and `uninstall` puts it back."""
    replaced = {backend._path(*symbol) for symbol in backend._originals}
    assert replaced == set(backend.REPLACED_SYMBOLS)
    backend.install()
    backend.uninstall()
    assert type(built().compile()) is CompiledStateGraph
    backend.install()


@pytest.mark.parametrize(("value", "ours"), [("lgc", True), ("", False)])
def test_environment(value: str, ours: bool) -> None:
    """`LANGGRAPH_BACKEND=lgc` and an import are enough."""
    program = (
        "import lgc.backend; from langgraph.graph import StateGraph; "
        "from langgraph.graph.state import CompiledStateGraph; "
        "builder = StateGraph(dict).add_node('a', lambda state: state).set_entry_point('a'); "
        "graph = builder.compile(); "
        "print(type(graph) is not CompiledStateGraph)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "LANGGRAPH_BACKEND": value},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(ours)
