"""What the text of a module says of the control flow is what runs, on every path.

The text is changed by hand; the graph then does what LangGraph does of a builder with that change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import pytest
from inprocess import importable, module_text
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from parity import Log, comparable, difference, pinned, under_langgraph
from small import Lists, wire, writes
from threads import THREAD_CONFIG, readable, stored

Builder = StateGraph[Any, Any, Any, Any]
MODES = ["values", "updates", "tasks", "checkpoints", "debug"]


def graph(*edges: tuple[str, str], deferred: str = "") -> Builder:
    """Nodes that say their name, with edges; `e` leads to several nodes in parallel."""
    builder = wire(Lists, {name: writes(x=[name]) for name in "abc"})
    builder.add_node("d", writes(x=["d"], last="d"), defer=deferred == "d")
    builder.add_node("e", writes(x=["e"]))
    for start, end in (*edges, ("e", "b"), ("e", "c")):
        builder.add_edge(start, end)
    return builder


def routed(ends: dict[Any, str], *edges: tuple[str, str]) -> Builder:
    """A graph whose node `a` has a router that says True."""
    builder = graph((START, "a"), *edges)
    return builder.add_conditional_edges("a", lambda state: "d" not in state["x"], ends)


WHOLE = ((START, "a"), ("a", "b"), ("b", "d"))
BOTH = ((START, "a"), ("a", "b"), ("a", "c"))

# The graph, the lines of its module as they are and as they become, and the graph they are of then.
CHANGES: dict[str, tuple[Callable[[], Builder], dict[str, str], Callable[[], Builder]]] = {
    "another node": (
        lambda: graph(*WHOLE),
        {'run.node("a", then="b")': 'run.node("a", then="c")'},
        lambda: graph((START, "a"), ("a", "c"), ("b", "d")),
    ),
    "another first node": (
        lambda: graph(*WHOLE),
        {'run.start(then="a")': 'run.start(then="b")'},
        lambda: graph((START, "b"), ("a", "b"), ("b", "d")),
    ),
    "the end": (
        lambda: graph(*WHOLE),
        {'run.node("a", then="b")': 'run.node("a")'},
        lambda: graph((START, "a"), ("b", "d")),
    ),
    "no end": (
        lambda: graph(*WHOLE),
        {'run.node("d")': 'run.node("d", then="c")'},
        lambda: graph(*WHOLE, ("d", "c")),
    ),
    "several nodes": (
        lambda: graph(*WHOLE),
        {'run.node("a", then="b")': 'run.node("a", then="b | c")'},
        lambda: graph(*WHOLE, ("a", "c")),
    ),
    "several nodes from the start": (
        lambda: graph(*WHOLE),
        {'run.start(then="a")': 'run.start(then="b | c")'},
        lambda: graph((START, "b"), (START, "c"), ("a", "b"), ("b", "d")),
    ),
    "one of several nodes": (
        lambda: graph(*WHOLE, ("a", "c")),
        {'run.node("a", then="b | c")': 'run.node("a", then="c")'},
        lambda: graph((START, "a"), ("a", "c"), ("b", "d")),
    ),
    "a deferred node": (
        lambda: graph(*BOTH, deferred="d"),
        {'run.node("c")': 'run.node("c", deferred=("d",))'},
        lambda: graph(*BOTH, ("c", "d"), deferred="d"),
    ),
    "no deferred node": (
        lambda: graph(*BOTH, ("a", "d"), deferred="d"),
        {'run.node("a", then="b | c", deferred=("d",))': 'run.node("a", then="b | c")'},
        lambda: graph(*BOTH, deferred="d"),
    ),
    "another end of a router": (
        lambda: routed({True: "b", False: END}, ("b", "d")),
        {'ends={True: "b", False: "__end__"}': 'ends={True: "c", False: "__end__"}'},
        lambda: routed({True: "c", False: END}, ("b", "d")),
    ),
    "an edge beside a router": (
        lambda: routed({True: "b", False: END}, ("b", "d")),
        {'run.routed("a", "condition")': 'run.routed("a", "condition", then="c")'},
        lambda: routed({True: "b", False: END}, ("a", "c"), ("b", "d")),
    ),
}


def edited(builder: Builder, lines: dict[str, str], home: str) -> Any:
    """The graph of a builder's module in which some text is replaced, once each."""
    text = module_text(builder, home)
    for old, new in lines.items():
        assert text.count(old) == 1, text
        text = text.replace(old, new)
    module = ModuleType(f"{home}_graph")
    module.__file__ = f"{home}_graph.py"
    with importable(builder, home):
        exec(compile(text, module.__file__, "exec"), vars(module))
    return module.graph


def runs(compiled: Callable[..., Any]) -> dict[str, Any]:
    """What a graph without a saver shows; `compiled` makes it with the arguments of `compile`."""
    graph, modes = compiled(), ["values", "updates"]
    return {
        "invoke": graph.invoke({"x": []}),
        "stream": in_order(graph.stream({"x": []}, stream_mode=modes)),
        "ainvoke": asyncio.run(graph.ainvoke({"x": []})),
        "astream": asyncio.run(chunks(graph, stream_mode=modes)),
    }


def streams(compiled: Callable[..., Any]) -> dict[str, Any]:
    """What a graph with a saver streams and stores; `compiled` as in `runs`."""
    seen: dict[str, Any] = {}
    for durability in ("sync", "exit"):
        options = {"stream_mode": MODES, "durability": durability}
        saver = InMemorySaver()
        stream = compiled(checkpointer=saver).stream({"x": []}, THREAD_CONFIG, **options)
        seen[durability] = in_order(stream), readable(stored(saver), saver)
        saver = InMemorySaver()
        stream = chunks(compiled(checkpointer=saver), THREAD_CONFIG, **options)
        seen["async", durability] = asyncio.run(stream), readable(stored(saver), saver)
    return seen


def states(compiled: Callable[..., Any]) -> dict[str, Any]:
    """The states of a thread that stops, goes on and is updated; `compiled` as in `runs`."""
    saver = InMemorySaver()
    graph = compiled(checkpointer=saver, interrupt_after=["a"])
    seen = {
        "stopped": graph.invoke({"x": []}, THREAD_CONFIG),
        "next": graph.get_state(THREAD_CONFIG).next,
        "went on": graph.invoke(None, THREAD_CONFIG),
    }
    for node in "abd":
        graph.update_state(THREAD_CONFIG, {"x": ["new"]}, as_node=node)
        seen["updated", node] = comparable(graph.get_state(THREAD_CONFIG))
        seen["after", node] = graph.invoke(None, THREAD_CONFIG)
    seen["history"] = comparable(list(graph.get_state_history(THREAD_CONFIG)))
    seen["rows"] = readable(stored(saver), saver)
    return seen


UPDATED = [(when, node) for when in ("updated", "after") for node in "abd"]


def in_order(chunks: Iterable[Any]) -> list[Any]:
    """Chunks to compare: which of two nodes that run in parallel ends first is chance."""
    return sorted(map(comparable, chunks), key=repr)


async def chunks(graph: Any, config: Any = None, **options: Any) -> list[Any]:
    """Those of `astream`."""
    return in_order([chunk async for chunk in graph.astream({"x": []}, config, **options)])


@pytest.mark.parametrize("show", [runs, streams, states], ids=lambda show: show.__name__)
@pytest.mark.parametrize("change", CHANGES)
def test_every_path_follows_the_text(
    change: str, show: Callable[[Callable[..., Any]], dict[str, Any]]
) -> None:
    before, lines, after = CHANGES[change]
    ours = edited(before(), lines, f"edited_{list(CHANGES).index(change)}")

    def seen(compiled: Callable[..., Any]) -> dict[str, Any]:
        with pinned():
            return show(compiled)

    def of_langgraph(build: Callable[[], Builder]) -> dict[str, Any]:
        return seen(lambda **options: under_langgraph(lambda log: build(), Log(), **options))

    expected = of_langgraph(after)
    found = difference(expected, seen(ours.compile))
    assert found is None, found
    # What is compared shows the change; where a thread stops, it need not yet.
    unchanged = of_langgraph(before)
    changed = [key for key in expected if expected[key] != unchanged[key]]
    assert set(expected) - {*changed} <= {"stopped", "next", *UPDATED}
