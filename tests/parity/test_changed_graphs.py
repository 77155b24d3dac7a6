"""A thread is parked, the graph changes, and the thread goes on.

`defer` on or off, another join, another channel class under the same key: what the thread has
stored was written by the graph of before. Where LangGraph goes on, lgc does what it does; where
it raises or strands the thread, lgc goes on (docs/differences.md).
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from inprocess import compile_in_process
from langgraph.channels import (
    AnyValue,
    EphemeralValue,
    LastValue,
    NamedBarrierValue,
    Topic,
    UntrackedValue,
)
from langgraph.channels.delta import DeltaChannel
from langgraph.channels.last_value import LastValueAfterFinish
from langgraph.channels.named_barrier_value import NamedBarrierValueAfterFinish
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from parity import comparable, difference, failure
from threads import opened
from typing_extensions import TypedDict

CONFIG: Any = {"configurable": {"thread_id": "t"}}

Builder = StateGraph[Any, Any, Any, Any]
Engine = Callable[..., Any]


class State(TypedDict):
    """Who ran, in order."""

    log: Annotated[list[str], operator.add]


def _upstream(builder: Builder, saver: Any, **options: Any) -> Any:
    return builder.compile(checkpointer=saver, **options)


def _ours(builder: Builder, saver: Any, **options: Any) -> Any:
    return compile_in_process(builder).compile(checkpointer=saver, **options)


ENGINES: dict[str, Engine] = {"langgraph": _upstream, "lgc": _ours}


def _nodes(builder: Builder, names: str, defer: bool) -> Builder:
    for name in names:
        builder.add_node(
            name, lambda state, name=name: {"log": [name]}, defer=defer and name == "d"
        )
    return builder


def _edge(defer: bool) -> Builder:
    """`d` follows `a`, beside the holder and what follows that."""
    builder = _nodes(StateGraph(State), "ahzd", defer)
    for start, end in ((START, "a"), ("a", "h"), ("a", "d"), ("h", "z")):
        builder.add_edge(start, end)
    return builder


def _router(defer: bool) -> Builder:
    builder = _nodes(StateGraph(State), "ahzd", defer)
    builder.add_edge(START, "a")
    builder.add_conditional_edges("a", lambda state: ["h", "d"], ["h", "d"])
    builder.add_edge("h", "z")
    return builder


def _open_join(defer: bool) -> Builder:
    """The join has seen one of its two when the holder waits."""
    builder = _nodes(StateGraph(State), "ahzd", defer)
    builder.add_edge(START, "a")
    builder.add_edge("a", "h")
    builder.add_edge("h", "z")
    builder.add_edge(["a", "z"], "d")
    return builder


def _full_join(defer: bool) -> Builder:
    """The join has seen all when the holder waits."""
    builder = _nodes(StateGraph(State), "abhzd", defer)
    builder.add_edge(START, "a")
    builder.add_edge(START, "b")
    builder.add_edge("a", "h")
    builder.add_edge("h", "z")
    builder.add_edge(["a", "b"], "d")
    return builder


SHAPES: dict[str, Callable[[bool], Builder]] = {
    "edge": _edge,
    "router": _router,
    "open join": _open_join,
    "full join": _full_join,
}
HELD: dict[str, dict[bool, set[str]]] = {
    "edge": {True: {"h"}, False: {"h", "d"}},
    "router": {True: {"h"}, False: {"h", "d"}},
    "open join": {True: {"h"}, False: {"h"}},
    "full join": {True: {"h"}, False: {"h", "d"}},
}
"""What is due at the holder by whether `d` is deferred then."""

SAVERS = {
    "langgraph": ("UpstreamMemorySaver", "UpstreamSqliteSaver"),
    "lgc": ("MemorySaver", "SqliteSaver", "UpstreamMemorySaver", "UpstreamSqliteSaver"),
}


@pytest.mark.parametrize("first", ENGINES)
@pytest.mark.parametrize("defer", [True, False], ids=["on", "off"])
@pytest.mark.parametrize("shape", SHAPES)
def test_defer_changes_under_a_parked_thread(
    tmp_path: Path, shape: str, defer: bool, first: str
) -> None:
    """The deferred node runs once, in its place, whichever engine and saver parked the thread."""
    build = SHAPES[shape]
    for number, kind in enumerate(SAVERS[first]):
        place = tmp_path / f"{number}.db"
        with opened(kind, place) as saver:
            parked = ENGINES[first](build(not defer), saver, interrupt_before=["h"])
            parked.invoke({"log": []}, CONFIG)
            assert set(parked.get_state(CONFIG).next) == HELD[shape][not defer]
            reader = "SqliteSaver" if "Sqlite" in kind else kind
            with opened(reader, place) if "Sqlite" in kind else _same(saver) as other:
                graph = _ours(build(defer), other)
                assert set(graph.get_state(CONFIG).next) == HELD[shape][defer]
                log = graph.invoke(None, CONFIG)["log"]
                expected = _ours(build(defer), InMemorySaver()).invoke({"log": []}, CONFIG)["log"]
                assert sorted(log) == sorted(expected)
                if defer:
                    assert log[-1] == "d"
                assert graph.get_state(CONFIG).next == ()
                # The thread goes on as any of the changed graph's.
                again = graph.invoke({"log": []}, CONFIG)["log"]
                assert sorted(again) == sorted(expected * 2)


class _same:
    def __init__(self, saver: Any) -> None:
        self.saver = saver

    def __enter__(self) -> Any:
        return self.saver

    def __exit__(self, *raised: Any) -> None:
        pass


def _alone(shape: str, defer: bool) -> Builder:
    """Nothing but `d` is left when it is stopped at."""
    builder = _nodes(StateGraph(State), "abd", defer)
    builder.add_edge(START, "a")
    builder.add_edge(START, "b")
    if shape == "edge":
        builder.add_edge("a", "d")
    elif shape == "router":
        builder.add_conditional_edges("a", lambda state: "d", ["d"])
    else:
        builder.add_edge(["a", "b"], "d")
    return builder


@pytest.mark.parametrize("first", ENGINES)
@pytest.mark.parametrize("defer", [True, False], ids=["on", "off"])
@pytest.mark.parametrize("shape", ["edge", "router", "join"])
def test_a_node_that_waits_alone_runs_whatever_defer_is_since(
    shape: str, defer: bool, first: str
) -> None:
    """Nothing else is due, so it is not waited for."""
    saver = InMemorySaver()
    parked = ENGINES[first](_alone(shape, not defer), saver, interrupt_before=["d"])
    parked.invoke({"log": []}, CONFIG)
    assert parked.get_state(CONFIG).next == ("d",)
    graph = _ours(_alone(shape, defer), saver)
    assert graph.get_state(CONFIG).next == ("d",)
    assert graph.invoke(None, CONFIG)["log"] == ["a", "b", "d"]
    assert graph.get_state(CONFIG).next == ()


@pytest.mark.parametrize("shape", SHAPES)
def test_langgraph_shows_the_same_once_a_node_is_no_longer_deferred(shape: str) -> None:
    """It is right about what is due, though not all of its threads go on from there."""
    saver = InMemorySaver()
    parked = _upstream(SHAPES[shape](True), saver, interrupt_before=["h"])
    parked.invoke({"log": []}, CONFIG)
    theirs = _upstream(SHAPES[shape](False), saver).get_state(CONFIG).next
    mine = _ours(SHAPES[shape](False), saver).get_state(CONFIG).next
    if shape != "full join":
        assert mine == theirs
    else:
        # Its barrier takes the pair that is stored for the names it has seen.
        assert (theirs, set(mine)) == (("h",), {"h", "d"})


@pytest.mark.parametrize("engine", ENGINES)
def test_a_join_with_other_members_is_another_join(engine: str) -> None:
    """It has seen nobody: the same under both engines."""
    saver = InMemorySaver()
    parked = ENGINES[engine](_open_join(False), saver, interrupt_before=["h"])
    parked.invoke({"log": []}, CONFIG)
    told = {}
    for name, members in (("more", ["a", "h", "z"]), ("fewer", ["z"]), ("others", ["h", "z"])):
        for other, compiled in ENGINES.items():
            builder = _nodes(StateGraph(State), "ahzd", False)
            builder.add_edge(START, "a")
            builder.add_edge("a", "h")
            builder.add_edge("h", "z")
            builder.add_edge(members, "d")
            graph = compiled(builder, copy.deepcopy(saver))
            told[name, other] = (graph.get_state(CONFIG).next, graph.invoke(None, CONFIG))
    for name in ("more", "fewer", "others"):
        assert told[name, "lgc"] == told[name, "langgraph"]


@pytest.mark.parametrize("names", [("a+b", "c"), ("c", "a+b")])
def test_a_join_whose_channel_is_called_the_same(names: tuple[str, str]) -> None:
    """`["a", "b+c"]` for `["a+b", "c"]`: it is full when all names are its own."""
    told = []
    for compiled in ENGINES.values():
        saver = InMemorySaver()
        builder = StateGraph(State)
        for name in ("a+b", "c", "h", "d", "a", "b+c"):
            builder.add_node(name, lambda state, name=name: {"log": [name]})
        builder.add_edge(START, names[0])
        builder.add_edge(names[0], "h")
        builder.add_edge("h", names[1])
        other = copy.deepcopy(builder)
        builder.add_edge(["a+b", "c"], "d")
        other.add_edge(["a", "b+c"], "d")
        parked = compiled(builder, saver, interrupt_before=["h"])
        parked.invoke({"log": []}, CONFIG)
        # Both have been seen, but neither is a name of the new join.
        parked.update_state(CONFIG, {"log": []}, as_node=names[1])
        graph = compiled(other, saver)
        told.append((graph.get_state(CONFIG).next, _outcome(graph)))
    assert told[0] == told[1]


# -- another channel class under the same key ---------------------------------------------------


def _gathered(old: list[str], writes: list[list[str]]) -> list[str]:
    return [*old, *(item for write in writes for item in write)]


_NAMES = frozenset(("p", "q"))
CLASSES: dict[str, tuple[Any, Any]] = {
    "last": (list, ["p"]),
    "last str": (str, "p"),
    "list": (Annotated[list[str], operator.add], ["p"]),
    "other reducer": (Annotated[list[str], lambda old, new: [*new, *old]], ["p"]),
    "str": (Annotated[str, operator.add], "p"),
    "topic": (Annotated[list[str], Topic(str)], "p"),
    "accumulating topic": (Annotated[list[str], Topic(str, accumulate=True)], "p"),
    "ephemeral": (Annotated[list[str], EphemeralValue(list)], ["p"]),
    "any": (Annotated[list[str], AnyValue(list)], ["p"]),
    "untracked": (Annotated[list[str], UntrackedValue(list)], ["p"]),
    "last value": (Annotated[Any, LastValue(tuple)], ("p", True)),
    "delta": (Annotated[list[str], DeltaChannel(_gathered)], ["p"]),
    "snapshots": (Annotated[list[str], DeltaChannel(_gathered, snapshot_frequency=1)], ["p"]),
    "barrier": (Annotated[Any, NamedBarrierValue(str, set(_NAMES))], "p"),
    "deferred barrier": (Annotated[Any, NamedBarrierValueAfterFinish(str, set(_NAMES))], "p"),
    "wider barrier": (Annotated[Any, NamedBarrierValue(str, {"p", "q", "r"})], "p"),
    "narrow barrier": (Annotated[Any, NamedBarrierValue(str, {"p"})], "p"),
    "after finish": (Annotated[Any, LastValueAfterFinish(list)], ["p"]),
}
DEFERRED = {"deferred barrier", "after finish"}


def _with_class(name: str) -> Builder:
    kind, value = CLASSES[name]
    schema: Any = TypedDict("Schema", {"k": kind, "log": Annotated[list[str], operator.add]})  # type: ignore[misc]
    builder = StateGraph(schema)
    builder.add_node("w", lambda state: {"k": copy.copy(value), "log": ["w"]})
    builder.add_node("h", lambda state: {"k": copy.copy(value), "log": [repr(state.get("k"))]})
    builder.add_node("z", lambda state: {"log": [repr(state.get("k"))]})
    builder.add_edge(START, "w")
    builder.add_edge("w", "h")
    builder.add_edge("h", "z")
    return builder


def _outcome(graph: Any) -> Any:
    """The end of a thread that goes on, or how it fails."""
    try:
        state = graph.get_state(CONFIG)
        result = comparable(graph.invoke(None, CONFIG))
        after = graph.get_state(CONFIG)
    except Exception as exc:
        error = failure(exc)
        return {"error": error["class"], "text": error["text"]}
    return comparable([state.values, state.next, result, after.values, after.next])


@pytest.mark.parametrize("new", CLASSES)
@pytest.mark.parametrize("old", CLASSES)
def test_another_channel_class_under_a_parked_thread(old: str, new: str) -> None:
    """Both engines make the same of what another class has stored, or lgc goes on."""
    saver = InMemorySaver()
    parked = _upstream(_with_class(old), saver, interrupt_before=["h"])
    parked.invoke({"log": []}, CONFIG, durability="sync")
    theirs, mine = (
        _outcome(compiled(_with_class(new), copy.deepcopy(saver))) for compiled in ENGINES.values()
    )
    if "error" in theirs and "error" not in mine:
        # One of the two is deferred, and stores its flag beside its value.
        assert (old in DEFERRED) != (new in DEFERRED)
        return
    found = difference(theirs, mine)
    assert found is None, found
