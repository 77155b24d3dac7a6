"""The public object: its names, its signatures and its breakpoints, beside LangGraph's."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypedDict

import pytest
from async_twins import CALLERS
from inprocess import compile_in_process
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph

import lgc
import lgc.backend
import lgc.runtime.missing_surface
from lgc.runtime.graph import CompiledGraph

CONFIG = {"configurable": {"thread_id": "1"}}


class State(TypedDict, total=False):
    """Two keys."""

    x: int
    y: int


def builder() -> Any:
    """Two nodes, one after the other."""
    made = StateGraph(State)
    made.add_node("a", lambda state: {"x": 1})
    made.add_node("b", lambda state: {"y": 2})
    made.add_edge(START, "a")
    made.add_edge("a", "b")
    return made


def through_backend(**options: Any) -> Any:
    """LangGraph's `compile` with lgc installed in it."""
    lgc.backend.install()
    try:
        return builder().compile(**options)
    finally:
        lgc.backend.uninstall()


ENGINES: dict[str, Callable[..., Any]] = {
    "in-process": lambda **options: lgc.compile_graph(builder(), **options),
    "module": lambda **options: compile_in_process(builder()).compile(**options),
    "backend": through_backend,
}

engines = pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns or raises, and the warnings of its caller."""
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        try:
            result: Any = call()
        except Exception as exc:
            result = type(exc), str(exc).replace("CompiledGraph", "Pregel")
    return result, [(entry.category, str(entry.message)) for entry in shown]


# -- names ----------------------------------------------------------------------------------------


def public_names() -> list[str]:
    """What LangGraph's class and its objects have."""
    names = {*dir(CompiledStateGraph), *vars(builder().compile())}
    return sorted(name for name in names if not name.startswith("_"))


@pytest.mark.parametrize("name", public_names())
def test_a_public_name_is_there_or_refused_by_its_name(name: str) -> None:
    graph = lgc.compile_graph(builder())
    if hasattr(graph, name):
        return
    with pytest.raises(lgc.Unsupported, match=rf"\b{name}\b") as refused:
        getattr(graph, name)
    assert isinstance(refused.value, AttributeError), "hasattr() and getattr() with a default"
    assert getattr(graph, name, None) is None


def test_no_name_is_refused_that_langgraph_has_not() -> None:
    assert sorted(lgc.runtime.missing_surface.NOT_YET) == sorted(
        name for name in public_names() if not hasattr(lgc.compile_graph(builder()), name)
    )


def test_other_names_are_plain_attribute_errors() -> None:
    """As everything expects that tries what an object can: IPython, copy, pickle, langchain."""
    graph = lgc.compile_graph(builder())
    for name in ("_repr_mimebundle_", "_ipython_display_", "__deepcopy__", "__fspath__", "invok"):
        with pytest.raises(AttributeError) as missing:
            getattr(graph, name)
        assert not isinstance(missing.value, lgc.Unsupported)
    assert copy.copy(graph).invoke({}) == {"x": 1, "y": 2}
    # A graph in itself is not to be pickled: nodes are functions; the error names one of them.
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)) as refused:
        pickle.dumps(graph)
    assert not isinstance(refused.value, lgc.Unsupported)


@pytest.mark.parametrize("combine", [lambda graph: graph | str, lambda graph: str | graph])
def test_the_operator_of_runnables_is_refused_by_its_name(combine: Any) -> None:
    with pytest.raises(lgc.Unsupported, match=r"\|"):
        combine(lgc.compile_graph(builder()))


# -- signatures -----------------------------------------------------------------------------------

METHODS = [
    (CompiledStateGraph, CompiledGraph, name)
    for name in public_names()
    if callable(getattr(CompiledStateGraph, name, None)) and hasattr(CompiledGraph, name)
] + [(StateGraph, CompiledGraph, "compile"), (StateGraph, lgc, "compile")]


# None stands for what is bound to the target; LangGraph's builder has nothing bound to it.
OTHER_DEFAULTS = {("compile", "debug"): None}


@pytest.mark.parametrize(("theirs", "ours", "name"), METHODS, ids=lambda value: str(value))
def test_a_signature_is_langgraphs(theirs: Any, ours: Any, name: str) -> None:
    """Parameter by parameter: name, kind, default; lgc's own come beside, in the list."""
    mine = lgc.compile_graph if ours is lgc else getattr(ours, name)
    expected = list(inspect.signature(getattr(theirs, name)).parameters.values())[1:]
    actual = list(inspect.signature(mine).parameters.values())[1:]
    if ours is lgc:
        # The builder stands in the place of `self`; beside it all is by keyword.
        actual = [parameter for parameter in actual if parameter.name != "native"]
        expected[0] = expected[0].replace(kind=inspect.Parameter.KEYWORD_ONLY)
    assert [(p.name, p.kind, p.default) for p in actual] == [
        (p.name, p.kind, OTHER_DEFAULTS.get((name, p.name), p.default)) for p in expected
    ]


@engines
@pytest.mark.parametrize("saver", [None, InMemorySaver], ids=["no saver", "saver"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"anything": 1},
        {"input_keys": "x"},
        {"input_keys": None, "checkpoint_during": None},
        {"checkpoint_during": False},
        {"checkpoint_during": True},
        {"checkpoint_during": 0},
        {"checkpoint_during": True, "durability": "sync"},
        {"checkpoint_during": False, "durability": "exit", "stream_mode": "values"},
        {"subgraphs": True},
        {"subgraphs": 1, "stream_mode": ["values"]},
        {"debug": False},
        {"config": CONFIG, "debug": ""},
    ],
    ids=str,
)
def test_keyword_arguments_are_taken_as_langgraph_takes_them(
    engine: Any, saver: Any, arguments: dict[str, Any]
) -> None:
    """Unknown ones without effect, deprecated ones with their warning and their error."""

    def seen(graph: Any, method: str) -> Any:
        def call() -> Any:
            result = getattr(graph, method)({}, **{"config": CONFIG, **arguments})
            return list(result) if isinstance(result, Iterator) else result

        kept = saver and [len(list(graph.checkpointer.list(CONFIG)))]
        return outcome(call), kept

    theirs = builder().compile(checkpointer=saver and saver())
    ours = engine(checkpointer=saver and saver())
    for method in ("invoke", "stream"):
        assert seen(ours, method) == seen(theirs, method)


@engines
def test_checkpoint_during_says_when_checkpoints_are_stored(engine: Any) -> None:
    for during, stored in ((False, 1), (True, 4)):
        graph = engine(checkpointer=InMemorySaver())
        with pytest.warns(DeprecationWarning, match="checkpoint_during"):
            graph.invoke({}, CONFIG, checkpoint_during=during)
        assert len(list(graph.get_state_history(CONFIG))) == stored


@engines
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("get_state", (CONFIG,)),
        ("get_state_history", (CONFIG,)),
        ("update_state", (CONFIG, {"x": 1})),
        ("bulk_update_state", (CONFIG, [])),
    ],
)
def test_state_methods_take_no_other_keyword(
    engine: Any, method: str, arguments: Any, caller: Any
) -> None:
    """Where LangGraph's raise a TypeError."""

    def seen(graph: Any) -> Any:
        def call() -> Any:
            result = getattr(caller(graph), method)(*arguments, anything=1)
            return list(result) if isinstance(result, Iterator) else result

        with pytest.raises(TypeError) as refused:
            call()
        return str(refused.value).split("()")[1]

    theirs = builder().compile(checkpointer=InMemorySaver())
    assert seen(engine(checkpointer=InMemorySaver())) == seen(theirs)


# -- breakpoints ----------------------------------------------------------------------------------


def generated(*names: str) -> Any:
    """A generator of names."""
    yield from names


BREAKPOINTS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "star": lambda: "*",
    "list": lambda: ["a"],
    "empty list": lambda: [],
    "two": lambda: ["a", "b"],
    "str": lambda: "a",
    "long str": lambda: "ab",
    "unknown str": lambda: "zz",
    "empty str": lambda: "",
    "tuple": lambda: ("b",),
    "empty tuple": lambda: (),
    "set": lambda: {"a"},
    "dict": lambda: {"a": 1},
    "generator": lambda: generated("a"),
    "int": lambda: 1,
    "zero": lambda: 0,
    "unknown": lambda: ["zz"],
    "unknown tuple": lambda: ("zz",),
    "start": lambda: ["__start__"],
    "end": lambda: ["__end__"],
    "list of lists": lambda: [["a"]],
    "None in a list": lambda: [None],
}


def stops(graph: Any, **options: Any) -> Any:
    """What a run with breakpoints streams, and where the thread waits."""

    def call() -> Any:
        chunks = list(graph.stream({}, CONFIG, stream_mode=["updates", "values"], **options))
        again = list(graph.stream(None, CONFIG, stream_mode=["updates"], **options))
        return chunks, again, graph.get_state(CONFIG).next

    return outcome(call)


@engines
@pytest.mark.parametrize("before", BREAKPOINTS)
def test_breakpoints_of_compile_are_checked_as_langgraph_does(engine: Any, before: str) -> None:
    """Only lists can be added to a list; beside "*" nothing is added."""

    def seen(compiled: Any, after: str) -> Any:
        def call() -> Any:
            return stops(
                compiled(
                    checkpointer=InMemorySaver(),
                    interrupt_before=BREAKPOINTS[before](),
                    interrupt_after=BREAKPOINTS[after](),
                )
            )

        return outcome(call)

    for after in BREAKPOINTS:
        theirs = seen(lambda **options: builder().compile(**options), after)
        assert seen(engine, after) == theirs, after


@engines
@pytest.mark.parametrize("before", BREAKPOINTS)
def test_breakpoints_of_a_call_are_tested_for_membership_only(engine: Any, before: str) -> None:
    def seen(graph: Any, after: str) -> Any:
        return stops(
            graph, interrupt_before=BREAKPOINTS[before](), interrupt_after=BREAKPOINTS[after]()
        )

    for after in BREAKPOINTS:
        theirs = seen(builder().compile(checkpointer=InMemorySaver()), after)
        assert seen(engine(checkpointer=InMemorySaver()), after) == theirs, after
