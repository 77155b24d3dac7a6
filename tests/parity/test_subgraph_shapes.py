"""Less common ways for graphs to meet, by hand, under every assignment of engines (spec §9)."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import get_runtime
from langgraph.types import Command, Send, interrupt
from nested_scenarios import CONFIG, State, asked, scenario
from parity import comparable
from small import wire
from typing_extensions import TypedDict

_MODES = ["values", "updates", "custom", "tasks", "checkpoints"]


@scenario(False)
def test_a_graph_that_calls_itself(made):
    """Each call has a namespace in that of the one before; the innermost asks."""
    graphs: list[Any] = []

    def calls(state: Any) -> Any:
        made.ran.append(f"at {len(state['x'])}")
        if len(state["x"]) > 2:
            return {"x": [interrupt("deep enough?")]}
        return {"x": graphs[0].invoke({"x": [*state["x"], "down"]})["x"][-1:]}

    graphs.append(made.root(wire(State, {"self": calls}, (START, "self"))))
    first = list(graphs[0].stream({"x": ["in"]}, CONFIG, stream_mode=_MODES, subgraphs=True))
    last = list(graphs[0].stream(Command(resume="yes"), CONFIG, stream_mode=_MODES, subgraphs=True))
    values = graphs[0].get_state(CONFIG).values["x"]
    assert values == ["in", "yes"]
    return first, last, list(graphs[0].get_state_history(CONFIG))


@scenario(False)
def test_a_graph_in_a_tool(made):
    """Its question reaches the caller of the parent, and the answer the tool."""
    child = made.child(wire(State, {"ask": made.asks("ask", "sure?")}, (START, "ask")))

    @tool
    def consult(topic: str) -> str:
        """Consults."""
        made.ran.append(topic)
        result: list[str] = child.invoke({"x": [topic]})["x"]
        return " ".join(result)

    call = {"name": "consult", "args": {"topic": "rain"}, "id": "1", "type": "tool_call"}
    message = AIMessage("", id="a", tool_calls=[call])
    graph = made.root(wire(MessagesState, {"tools": ToolNode([consult])}, (START, "tools")))
    first = graph.invoke({"messages": [message]}, CONFIG)
    assert asked(first) == ["sure?"]
    last = graph.invoke(Command(resume="yes"), CONFIG)
    assert last["messages"][-1].content == "rain sure? yes"
    return asked(first), last["messages"][-1].content, made.ran


@scenario(False)
def test_a_child_whose_failure_is_caught(made):
    """The node goes on; the child can be called again, and is another one then."""

    def fails(state: Any) -> Any:
        made.ran.append("fails")
        if state["x"] == ["bad"]:
            raise ValueError("no good")
        return {"x": ["good"]}

    child = made.child(wire(State, {"fails": fails}, (START, "fails")))

    def calls(state: Any) -> Any:
        try:
            child.invoke({"x": ["bad"]})
        except ValueError as exc:
            return {"x": [str(exc), *child.invoke({"x": ["fine"]})["x"]]}

    graph = made.root(wire(State, {"sub": calls}, (START, "sub")))
    chunks = list(graph.stream({"x": ["in"]}, CONFIG, stream_mode=_MODES, subgraphs=True))
    assert graph.get_state(CONFIG).values["x"] == ["in", "no good", "fine", "good"]
    return chunks


@scenario(True)
def test_a_command_for_the_parent_with_sends(made):
    """Each becomes a task of the parent's."""

    def leaves(state: Any) -> Any:
        goto = [Send("left", {"x": [f"sent {n}"]}) for n in range(2)]
        return Command(graph=Command.PARENT, goto=goto, update={"x": ["leaves"]})

    def left(state: Any) -> Any:
        made.ran.append(str(state["x"]))
        return {"x": ["left"]}

    child = made.child(wire(State, {"leaves": leaves}, (START, "leaves")))
    graph = made.root(wire(State, {"sub": made.node(child), "left": left}, (START, "sub")))
    config = {**CONFIG, "max_concurrency": 1}
    result = graph.invoke({"x": ["in"]}, config)
    assert made.ran == ["['sent 0']", "['sent 1']"]
    assert result["x"] == ["in", "leaves", "left", "left"]
    return result, list(graph.get_state_history(CONFIG))


@scenario(False)
def test_a_child_called_on_a_thread_of_the_nodes_own(made):
    """With the node's context it is a child as any other; twice, and each asks."""
    child = made.child(wire(State, {"ask": made.asks("ask", "sure?")}, (START, "ask")))

    def calls(state: Any) -> Any:
        found = []
        with ThreadPoolExecutor(1) as pool:
            for n in range(2):
                context = contextvars.copy_context()
                job = pool.submit(context.run, child.invoke, {"x": [f"call {n}"]})
                found += job.result()["x"]
        return {"x": found}

    graph = made.root(wire(State, {"sub": calls}, (START, "sub")))
    seen = [graph.invoke({"x": ["in"]}, CONFIG)]
    seen += [graph.invoke(Command(resume=answer), CONFIG) for answer in ("1st", "2nd")]
    assert seen[-1]["x"] == ["in", "call 0", "sure? 1st", "call 1", "sure? 2nd"]
    return seen


class Context(TypedDict):
    """What a run is told."""

    user: str


@scenario()
def test_the_context_reaches_the_child(made):
    """Unless it is called with one of its own."""

    def tells(state: Any) -> Any:
        return {"x": [str(get_runtime().context)]}

    builder = StateGraph(State, Context)
    builder.add_node("tells", tells)
    builder.add_edge(START, "tells")
    child = made.child(builder)

    def calls(state: Any) -> Any:
        return {"x": child.invoke({"x": []}, context={"user": "other"})["x"]}

    parent = StateGraph(State, Context)
    parent.add_node("sub", made.node(child))
    parent.add_node("calls", calls)
    parent.add_edge(START, "sub")
    parent.add_edge("sub", "calls")
    graph = made.root(parent)
    result = graph.invoke({"x": []}, CONFIG, context={"user": "me"})
    assert result["x"] == ["{'user': 'me'}", "{'user': 'other'}"]
    return result


@scenario()
def test_a_child_that_is_streamed_and_left(made):
    """The consumer stops in the middle of the child; the thread goes on from there."""
    nodes = {"a": made.notes("a"), "b": made.notes("b")}
    child = made.child(wire(State, nodes, (START, "a"), ("a", "b")))
    graph = made.root(wire(State, {"sub": made.node(child)}, (START, "sub")))
    stream = graph.stream({"x": ["in"]}, CONFIG, stream_mode="updates", subgraphs=True)
    first = next(iter(stream))
    stream.close()
    assert first[1] == {"a": {"x": ["a"]}}
    result = graph.invoke(None, CONFIG)
    return first, result


@scenario()
def test_children_on_an_event_loop(made):
    """Two ask at once under `ainvoke`, and a map answers them; states are read by `aget_state`."""
    nodes = {}
    for name in ("a", "b"):
        child = made.child(wire(State, {"q": made.asks(name, f"{name}?")}, (START, "q")))

        async def calls(state: Any, child: Any = child) -> Any:
            return await child.ainvoke(state)

        nodes[name] = child if made.as_node else calls
    graph = made.root(wire(State, nodes, (START, "a"), (START, "b")))

    async def main() -> Any:
        first = await graph.ainvoke({"x": []}, CONFIG)
        ids = {each.value: each.id for each in first["__interrupt__"]}
        with pytest.raises(RuntimeError, match="multiple pending interrupts"):
            await graph.ainvoke(Command(resume="which"), CONFIG)
        state = await graph.aget_state(CONFIG, subgraphs=True)
        last = await graph.ainvoke(Command(resume={ids["a?"]: "A", ids["b?"]: "B"}), CONFIG)
        history = [each async for each in graph.aget_state_history(CONFIG)]
        found = [name async for name, _ in graph.aget_subgraphs()]
        return [len(state.tasks), sorted(ids), last, len(history), found]

    seen = asyncio.run(main())
    assert seen[2]["x"] == ["a? A", "b? B"]
    made.ran.sort()
    return seen


@scenario()
def test_a_deferred_node_behind_children(made):
    """It waits for children of different lengths."""
    short = made.child(wire(State, {"s": made.notes("s")}, (START, "s")))
    long = made.child(
        wire(State, {"l": made.notes("l"), "m": made.notes("m")}, (START, "l"), ("l", "m"))
    )
    builder = StateGraph(State)
    builder.add_node("short", made.node(short))
    builder.add_node("long", made.node(long))
    builder.add_node("more", made.notes("more"))
    builder.add_node("last", made.notes("last"), defer=True)
    for start, end in (
        (START, "short"),
        (START, "long"),
        ("long", "more"),
        ("short", "last"),
        ("more", "last"),
        ("last", END),
    ):
        builder.add_edge(start, end)
    graph = made.root(builder)
    config = {**CONFIG, "max_concurrency": 1}
    result = graph.invoke({"x": []}, config)
    assert made.ran[-2:] == ["more", "last"]
    return comparable(result), list(graph.get_state_history(CONFIG))


@scenario(False)
def test_a_child_with_a_memory_that_is_called_twice(made):
    """Each of the calls has a history of its own, which goes on in the next run."""
    child = made.child(wire(State, {"a": made.notes("a")}, (START, "a")), checkpointer=True)

    def calls(state: Any) -> Any:
        return {"x": [str(len(child.invoke({"x": [f"to {n}"]})["x"])) for n in range(2)]}

    graph = made.root(wire(State, {"sub": calls}, (START, "sub")))
    results = [graph.invoke({"x": ["in"]}, CONFIG)["x"] for _ in range(2)]
    assert results[1] == ["in", "2", "2", "in", "4", "4"]
    spaces = sorted(space for space in graph.checkpointer.storage["t"] if space)
    assert spaces == ["sub", "sub|1"]
    states = []
    for space in spaces:
        config = {"configurable": {"thread_id": "t", "checkpoint_ns": space}}
        states.append(graph.get_state(config))
        states += graph.get_state_history(config)
    return results, states


@scenario(False)
def test_a_command_for_the_parent_from_the_second_call(made):
    """It leaves the node that made the calls, though its namespace has a number."""

    def leaves(state: Any) -> Any:
        made.ran.append(str(state["x"]))
        if state["x"] == ["to 1"]:
            return Command(graph=Command.PARENT, goto="left", update={"x": ["leaves"]})
        return {"x": ["stays"]}

    inner = made.child(wire(State, {"i": leaves}, (START, "i")), 2)

    def calls(state: Any) -> Any:
        return {"x": [inner.invoke({"x": [f"to {n}"]})["x"][-1] for n in range(3)]}

    child = made.child(wire(State, {"calls": calls, "left": made.notes("left")}, (START, "calls")))

    def outer(state: Any) -> Any:
        return {"x": [each for n in range(2) for each in child.invoke({"x": [str(n)]})["x"]]}

    graph = made.root(wire(State, {"sub": outer}, (START, "sub")))
    result = graph.invoke({"x": ["in"]}, CONFIG)
    assert made.ran == ["['to 0']", "['to 1']", "left"] * 2
    assert result["x"] == ["in", "0", "leaves", "left", "1", "leaves", "left"]
    return result
