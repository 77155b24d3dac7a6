"""Graphs in graphs, by hand: what a user relies on, under every assignment of engines (spec §9).

Each scenario says what LangGraph does, is run under LangGraph alone, and then with lgc for the
parent, the child or both; all that was observed is equal.
"""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState, ToolNode
from langgraph.types import Command, Send, StateUpdate, interrupt
from nested_scenarios import CONFIG, State, asked, scenario
from small import wire
from typing_extensions import TypedDict


@scenario(False)
def test_an_answer_reaches_only_its_own_question(made):
    """A node asks, and then calls a child that asks twice; so does the child's own child."""
    inner = made.child(wire(State, {"i": made.asks("i", "hat?")}, (START, "i")), 2)

    def calls(state: Any) -> Any:
        made.ran.append("second")
        return {"x": [interrupt("shoe?"), *inner.invoke({"x": []})["x"]]}

    child = made.child(
        wire(
            State,
            {"first": made.asks("first", "name?", "age?"), "second": calls},
            (START, "first"),
            ("first", "second"),
        )
    )

    def outer(state: Any) -> Any:
        made.ran.append("outer")
        sure = interrupt("sure?")
        result = child.invoke({"x": [sure]})
        return {"x": [*result["x"], interrupt("done?")]}

    graph = made.root(wire(State, {"outer": outer}, (START, "outer")))
    questions = []
    result = graph.invoke({"x": ["in"]}, CONFIG)
    for answer in ("yes", "Ann", "7", "42", "red", "bye"):
        questions += asked(result)
        result = graph.invoke(Command(resume=answer), CONFIG)
    assert questions == ["sure?", "name?", "age?", "shoe?", "hat?", "done?"]
    assert result["x"] == ["in", "yes", "name? Ann", "age? 7", "42", "hat? red", "bye"]
    return result


@scenario()
def test_a_child_that_stops_before_a_node_goes_on_where_it_stood(made):
    """Its first node runs once, whatever the run goes on with."""
    child = made.child(
        wire(
            State,
            {"first": made.notes("first"), "second": made.notes("second")},
            (START, "first"),
            ("first", "second"),
        ),
        interrupt_before=["second"],
    )
    graph = made.root(wire(State, {"sub": made.node(child)}, (START, "sub")))
    seen = [graph.invoke({"x": ["in"]}, CONFIG)]
    state = graph.get_state(CONFIG, subgraphs=True)
    assert state.next == ("sub",) and state.tasks[0].state.next == ("second",)
    seen.append(graph.invoke(None, CONFIG))
    assert made.ran == ["first", "second"]
    assert seen[-1]["x"][-2:] == ["first", "second"]
    return seen, state, list(graph.get_state_history(CONFIG))


@scenario()
def test_a_task_that_finished_before_a_question_is_not_run_again(made):
    """Beside the node that asks, in the child and in the parent."""
    child = made.child(
        wire(
            State,
            {"quick": made.notes("quick"), "asks": made.asks("asks", "ok?")},
            (START, "quick"),
            (START, "asks"),
        )
    )
    nodes = {"beside": made.notes("beside"), "sub": made.node(child)}
    graph = made.root(wire(State, nodes, (START, "beside"), (START, "sub")))
    first = graph.invoke({"x": ["in"]}, CONFIG)
    assert asked(first) == ["ok?"]
    assert sorted(made.ran) == ["asks", "beside", "quick"]
    last = graph.invoke(Command(resume="sure"), CONFIG)
    assert made.ran[3:] == ["asks"]
    assert last["x"].count("beside") == 1 and last["x"].count("quick") == 1
    assert last["x"].count("ok? sure") == 1
    made.ran.sort()
    return sorted(last["x"])


@scenario()
def test_a_resume_at_the_head_does_not_restart_the_child(made):
    """The config of the newest checkpoint goes with the answer."""
    child = made.child(
        wire(
            State,
            {"first": made.notes("first"), "second": made.asks("second", "ok?")},
            (START, "first"),
            ("first", "second"),
        )
    )
    nodes = {"before": made.notes("before"), "sub": made.node(child)}
    graph = made.root(wire(State, nodes, (START, "before"), ("before", "sub")))
    graph.invoke({"x": ["in"]}, CONFIG)
    head = graph.get_state(CONFIG).config
    assert head["configurable"]["checkpoint_id"]
    result = graph.invoke(Command(resume="sure"), head)
    assert made.ran == ["before", "first", "second", "second"]
    assert result["x"][-1] == "ok? sure"
    return result, list(graph.get_state_history(CONFIG))


class Secret(MessagesState):
    """Messages, and what only the parent is told."""

    secret: str


@scenario(True)
def test_a_graph_that_is_sent_to_sees_nothing_of_its_parents_state(made):
    """Not through a tool that reads the state either."""

    @tool
    def look(state: Annotated[Any, InjectedState]) -> str:
        """Looks at the state."""
        made.ran.append(f"{sorted(state)} {state.get('secret')}")
        return "looked"

    child = made.child(wire(Secret, {"tools": ToolNode([look])}, (START, "tools")))
    call = {"name": "look", "args": {}, "id": "1", "type": "tool_call"}
    message = AIMessage("", id="a", tool_calls=[call])
    builder = StateGraph(Secret)
    builder.add_node("start", lambda state: {"secret": "word"})
    builder.add_node("sub", child)
    builder.add_edge(START, "start")
    builder.add_conditional_edges(
        "start", lambda state: [Send("sub", {"messages": [message]})], ["sub"]
    )
    graph = made.root(builder)
    result = graph.invoke({"messages": []}, CONFIG)
    assert made.ran == ["['messages'] None"]
    return [each.content for each in result["messages"]], result["secret"]


@scenario()
def test_children_that_ask_at_once(made):
    """Their ids differ, an answer for either is refused, and a map answers both."""
    nodes = {
        name: made.node(made.child(wire(State, {"q": made.asks(name, f"{name}?")}, (START, "q"))))
        for name in ("a", "b")
    }
    graph = made.root(wire(State, nodes, (START, "a"), (START, "b")))
    config = {**CONFIG, "max_concurrency": 1}
    first = graph.invoke({"x": []}, config)
    ids = {each.value: each.id for each in first["__interrupt__"]}
    assert sorted(ids) == ["a?", "b?"] and len({*ids.values()}) == 2
    with pytest.raises(RuntimeError, match="multiple pending interrupts"):
        graph.invoke(Command(resume="which"), config)
    states = graph.get_state(config, subgraphs=True)
    last = graph.invoke(Command(resume={ids["a?"]: "A", ids["b?"]: "B"}), config)
    assert last["x"] == ["a? A", "b? B"]
    return last, [task.state for task in states.tasks]


@scenario()
def test_one_of_two_questions_is_answered_first(made):
    """By its id; the child that was answered does not run again for the other's answer."""
    nodes = {
        name: made.node(made.child(wire(State, {"q": made.asks(name, f"{name}?")}, (START, "q"))))
        for name in ("a", "b")
    }
    graph = made.root(wire(State, nodes, (START, "a"), (START, "b")))
    config = {**CONFIG, "max_concurrency": 1}
    first = graph.invoke({"x": []}, config)
    ids = {each.value: each.id for each in first["__interrupt__"]}
    second = graph.invoke(Command(resume={ids["b?"]: "B"}), config)
    assert asked(second) == ["a?"]
    last = graph.invoke(Command(resume="A"), config)
    assert last["x"] == ["a? A", "b? B"]
    assert made.ran[-1] == "a"
    return second, last


@scenario()
def test_cancelling_the_parent_stops_the_child(made):
    """Nothing of it runs on, and nothing is left on the event loop."""

    async def waits(state: Any) -> Any:
        made.ran.append("waits")
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            made.ran.append("cancelled")
            raise
        made.ran.append("too late")

    nodes = {"waits": waits, "after": made.notes("after")}
    child = made.child(wire(State, nodes, (START, "waits"), ("waits", "after")))

    async def calls(state: Any) -> Any:
        return await child.ainvoke(state)

    sub = child if made.as_node else calls
    graph = made.root(wire(State, {"sub": sub}, (START, "sub")))

    async def main() -> list[Any]:
        run = asyncio.ensure_future(graph.ainvoke({"x": ["in"]}, CONFIG))
        while not made.ran:
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await asyncio.sleep(0.01)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        return [len(left), await graph.aget_state(CONFIG)]

    left, state = asyncio.run(main())
    assert left == 0
    assert made.ran == ["waits", "cancelled"]
    assert state.next == ("sub",)
    return state.values, state.next


@scenario()
def test_a_replay_to_before_a_childs_question_takes_the_new_answer(made):
    """The old one is not used again."""
    child = made.child(
        wire(
            State,
            {"first": made.notes("first"), "second": made.asks("second", "ok?")},
            (START, "first"),
            ("first", "second"),
        )
    )
    nodes = {"before": made.notes("before"), "sub": made.node(child)}
    graph = made.root(wire(State, nodes, (START, "before"), ("before", "sub")))
    graph.invoke({"x": ["in"]}, CONFIG)
    done = graph.invoke(Command(resume="old"), CONFIG)
    assert done["x"][-1] == "ok? old"
    (past,) = [each for each in graph.get_state_history(CONFIG) if each.next == ("sub",)]
    again = graph.invoke(None, past.config)
    assert asked(again) == ["ok?"]
    last = graph.invoke(Command(resume="new"), CONFIG)
    assert last["x"][-1] == "ok? new"
    return again, last, list(graph.get_state_history(CONFIG))


@scenario()
def test_a_replay_of_a_childs_own_checkpoint(made):
    """Found in its history; the parent goes on behind it."""
    child = made.child(
        wire(
            State,
            {"first": made.notes("first"), "second": made.asks("second", "ok?")},
            (START, "first"),
            ("first", "second"),
        )
    )
    nodes = {"sub": made.node(child), "after": made.notes("after")}
    graph = made.root(wire(State, nodes, (START, "sub"), ("sub", "after")))
    graph.invoke({"x": ["in"]}, CONFIG)
    (task,) = graph.get_state(CONFIG, subgraphs=True).tasks
    space = {"thread_id": "t", "checkpoint_ns": task.state.config["configurable"]["checkpoint_ns"]}
    history = list(graph.get_state_history({"configurable": space}))
    assert [state.next for state in history] == [("second",), ("first",), ("__start__",)]
    made.ran.clear()
    again = graph.invoke(None, history[1].config)
    assert made.ran == ["first", "second"]
    last = graph.invoke(Command(resume="sure"), CONFIG)
    assert last["x"][-2:] == ["ok? sure", "after"]
    return again, last, history, list(graph.get_state_history(CONFIG))


@scenario()
def test_a_child_with_a_memory_that_is_looped(made):
    """What it counts goes on from round to round, and from run to run."""

    class Memory(TypedDict):
        """What only the child has, and the parent's list."""

        seen: Annotated[int, operator.add]
        x: list[str]

    def counts(state: Any) -> Any:
        return {"seen": 1, "x": [f"round {state['seen'] + 1}"]}

    child = made.child(wire(Memory, {"counts": counts}, (START, "counts")), checkpointer=True)
    builder = StateGraph(State)
    builder.add_node("sub", made.node(child))
    builder.add_node("turn", lambda state: {"n": 1})
    builder.add_edge(START, "sub")
    builder.add_edge("sub", "turn")
    builder.add_conditional_edges(
        "turn", lambda state: "sub" if state["n"] % 3 else END, ["sub", END]
    )
    graph = made.root(builder)
    results = [graph.invoke({"x": []}, CONFIG) for _ in range(2)]
    assert results[0]["x"] == ["round 1", "round 2", "round 3"]
    assert results[1]["x"] == [f"round {n}" for n in range(1, 7)]
    return results, list(graph.get_state_history(CONFIG))


@scenario()
def test_which_graphs_a_graph_has(made):
    """By namespace, and those of the children, too."""
    inner = made.child(wire(State, {"i": made.notes("i")}, (START, "i")), 2)
    child = made.child(wire(State, {"deep": made.node(inner)}, (START, "deep")))
    nodes = {"sub": made.node(child), "alone": made.notes("alone")}
    graph = made.root(wire(State, nodes, (START, "sub"), ("sub", "alone")))
    chosen: list[dict[str, Any]] = [
        {},
        {"recurse": True},
        {"namespace": "sub"},
        {"namespace": "sub|deep", "recurse": True},
        {"namespace": "sub|deep"},
        {"namespace": "alone"},
        {"namespace": "nowhere", "recurse": True},
    ]
    found = [[name for name, _ in graph.get_subgraphs(**options)] for options in chosen]
    assert found == [["sub"], ["sub", "sub|deep"], ["sub"], ["sub|deep"], [], [], []]
    return found


@scenario()
def test_an_update_of_a_namespace_that_is_not_there(made):
    """Refused by name; a look at it sees nothing."""
    child = made.child(wire(State, {"first": made.notes("first")}, (START, "first")))
    graph = made.root(wire(State, {"sub": made.node(child)}, (START, "sub")))
    graph.invoke({"x": []}, CONFIG)
    nowhere = {"configurable": {"thread_id": "t", "checkpoint_ns": "nowhere:1"}}
    with pytest.raises(ValueError, match="Subgraph nowhere not found"):
        graph.update_state(nowhere, {"x": ["u"]})
    with pytest.raises(ValueError, match="Subgraph nowhere not found"):
        graph.bulk_update_state(nowhere, [[StateUpdate({"x": ["u"]}, "first")]])
    state = graph.get_state(nowhere)
    assert state.values == {} and state.next == ()
    return state, list(graph.get_state_history(nowhere)), list(graph.get_state_history(CONFIG))


@scenario()
def test_an_update_of_a_childs_state(made):
    """The child goes on with it, from the node that it was written as."""
    child = made.child(
        wire(
            State,
            {"first": made.notes("first"), "second": made.notes("second")},
            (START, "first"),
            ("first", "second"),
        ),
        interrupt_before=["first"],
    )
    graph = made.root(wire(State, {"sub": made.node(child)}, (START, "sub")))
    graph.invoke({"x": ["in"]}, CONFIG)
    (task,) = graph.get_state(CONFIG, subgraphs=True).tasks
    assert task.state.next == ("first",)
    config = graph.update_state(task.state.config, {"x": ["by hand"]}, as_node="first")
    (task,) = graph.get_state(CONFIG, subgraphs=True).tasks
    assert task.state.next == ("second",)
    last = graph.invoke(None, CONFIG)
    assert made.ran == ["second"]
    assert last["x"][-2:] == ["by hand", "second"]
    return config, task.state, last


@scenario()
def test_a_command_for_the_parent(made):
    """Its update is the parent's, which goes where it says."""
    inner = made.child(
        wire(
            State,
            {"i": lambda state: Command(graph=Command.PARENT, goto="left", update={"x": ["i"]})},
            (START, "i"),
        ),
        2,
    )
    nodes = {"deep": made.node(inner), "left": made.notes("left"), "not": made.notes("not")}
    child = made.child(wire(State, nodes, (START, "deep"), ("deep", "not")))
    graph = made.root(wire(State, {"sub": made.node(child)}, (START, "sub")))
    result = graph.invoke({"x": ["in"]}, CONFIG)
    assert made.ran == ["left"] or "not" in made.ran
    return result, list(graph.get_state_history(CONFIG))


@scenario()
def test_chunks_of_three_levels(made):
    """Every mode, with the namespaces of tasks, each with the id of its own."""
    inner = made.child(wire(State, {"i": made.notes("i")}, (START, "i")), 2)
    child = made.child(wire(State, {"deep": made.node(inner)}, (START, "deep")))
    graph = made.root(wire(State, {"sub": made.node(child)}, (START, "sub")))
    modes = ["values", "updates", "custom", "tasks", "checkpoints", "debug"]
    chunks = list(graph.stream({"x": ["in"]}, CONFIG, stream_mode=modes, subgraphs=True))
    spaces = {tuple(name.partition(":")[0] for name in space) for space, _, _ in chunks}
    assert spaces == {(), ("sub",), ("sub", "deep")}
    return chunks, list(graph.stream({"x": ["in"]}, CONFIG, stream_mode=modes))
