"""One small graph for each trap of the semantic specification (§13.3), named by its number."""

from __future__ import annotations

import asyncio
import copy
import operator
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from inprocess import compile_in_process
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.channels import AnyValue, DeltaChannel, EphemeralValue, Topic
from langgraph.config import get_config
from langgraph.errors import (
    EmptyChannelError,
    GraphBubbleUp,
    InvalidUpdateError,
    ParentCommand,
)
from langgraph.graph import END, START
from langgraph.managed import IsLastStep, RemainingSteps
from langgraph.types import Command, Overwrite, Send
from parity import BOTH, INVOKE, UPDATES, VALUES, Call, Log, comparable, comparable_config, compare
from pydantic import BaseModel, Field
from small import Lists, error, result, wire, writes


class Short(TypedDict):
    """Keys that last one superstep, and one that stays."""

    e: Annotated[int, EphemeralValue]
    t: Annotated[list, Topic(int)]
    v: Annotated[int, AnyValue]
    x: int


class Private(TypedDict):
    """One node's schema, with a key that the graph's does not have."""

    last: Any
    private: Any


class Counted(TypedDict):
    """Managed values beside a key."""

    x: Annotated[list, operator.add]
    is_last: IsLastStep
    remaining: RemainingSteps


class Bag(list[Any]):
    """A type of a key's values."""


class First(TypedDict):
    """Reduced by one lambda."""

    x: Annotated[list, lambda old, new: [*old, *new]]


class Second(TypedDict):
    """Reduced by another."""

    x: Annotated[list, lambda old, new: ["second"]]


def test_trap_1_branch_reads_its_own_task_fresh() -> None:
    """A router sees its node's write and no parallel node's."""

    def build(log: Log) -> Any:
        def route(state: Lists) -> str:
            log.note("a", "route", state["x"])
            return END

        nodes = {"a": writes(x=["A"]), "c": writes(x=["C"])}
        return wire(Lists, nodes, (START, "a"), (START, "c"), ("a", route))

    seen = compare(build, {"x": ["i"]})
    assert seen[0]["log"] == [("a", "route", ["i", "A"])]
    assert seen[0]["result"] == {"x": ["i", "A", "C"]}


def test_trap_2_branch_merges_raw_output() -> None:
    """A router without a schema of its own gets unknown keys of the node's output too."""

    def build(log: Log) -> Any:
        def route(state):  # type: ignore[no-untyped-def]
            log.note("a", "route", state)
            return END

        return wire(Lists, {"a": writes(last=5, extra=1)}, (START, "a"), ("a", route))

    assert compare(build, {})[0]["log"] == [("a", "route", {"last": 5, "extra": 1, "x": []})]


def test_trap_3_fresh_read_runs_reducers_again() -> None:
    """A reducer that changes its argument does so once per router, and once more in the end."""

    class InPlace(TypedDict):
        x: Annotated[list, operator.iadd]

    def build(log: Log) -> Any:
        return wire(InPlace, {"a": writes(x=["a"])}, (START, "a"), ("a", lambda state: END))

    assert result(build, {"x": ["i"]}) == {"x": ["i", "a", "a"]}


def test_trap_3_fresh_read_of_a_delta_channel() -> None:
    """It is read from a copy: a reducer that works in place is not applied twice."""

    def grow(old: list[Any], writes: list[Any]) -> list[Any]:
        for write in writes:
            old += write
        return old

    keys = {"x": Annotated[list, DeltaChannel(grow)]}

    def build(log: Log) -> Any:
        def route(state: Any) -> str:
            log.note("a", "route", state)
            return END

        return wire(TypedDict("S", keys), {"a": writes(x=["a"])}, (START, "a"), ("a", route))

    assert result(build, {"x": ["i"]}) == {"x": ["i", "a"]}


def test_trap_4_fresh_read_clears_ephemerals() -> None:
    """What lasts one superstep is gone for the router unless its node wrote it."""

    def build(log: Log) -> Any:
        def node(state: Short) -> Any:
            log.note("a", "node", state)
            return {"x": 2}

        def route(state: Short) -> str:
            log.note("a", "route", state)
            return END

        return wire(Short, {"a": node}, (START, "a"), ("a", route))

    everything = {"e": 1, "t": [1], "v": 1, "x": 1}
    seen = compare(build, everything)[0]["log"]
    assert seen == [("a", "node", everything), ("a", "route", {"x": 2})]


def test_trap_5_writes_apply_by_name() -> None:
    """`n10` comes before `n2`, whatever the order of definition and of completion."""

    def build(log: Log) -> Any:
        def slow(state: Lists) -> Any:
            time.sleep(0.02)
            return {"x": ["n10"]}

        return wire(Lists, {"n2": writes(x=["n2"]), "n10": slow}, (START, "n2"), (START, "n10"))

    assert result(build, {}) == {"x": ["n10", "n2"]}


@pytest.mark.parametrize("first", [1, Overwrite(1), {"__overwrite__": 1}])
def test_trap_7_first_value_is_not_reduced(first: Any) -> None:
    """Without a seed the first write is the value, even when it is an Overwrite."""

    class Unseeded(TypedDict):
        x: Annotated[Any, lambda old, new: (old, new)]

    def build(log: Log) -> Any:
        return wire(Unseeded, {"a": writes(x=2)}, (START, "a"))

    assert result(build, {"x": first}) == {"x": (comparable(first), 2)}


@pytest.mark.parametrize(
    "typ", [list, Sequence[int], set, dict, int, list | None, Any, Bag], ids=str
)
@pytest.mark.parametrize("first", [None, Overwrite(None), [1], Overwrite([1])], ids=str)
def test_trap_7_delta_channel_starts_with_its_type(typ: Any, first: Any) -> None:
    """It always has a value to reduce, of the annotated type; one that makes none fails the run."""
    keys = {"x": Annotated[typ, DeltaChannel(lambda old, new: [old, new])]}

    def build(log: Log) -> Any:
        def node(seen: Any) -> Any:
            log.note("a", "state", seen)
            return {"x": [2]}

        return wire(TypedDict("S", keys), {"a": node}, (START, "a"))

    compare(build, {} if first is None else {"x": first})


def test_trap_8_conflict_is_within_one_superstep() -> None:
    """Two nodes may write a plain key one after the other, but not at once."""

    def after(log: Log) -> Any:
        nodes = {"a": writes(last=1), "b": writes(last=2)}
        return wire(Lists, nodes, (START, "a"), ("a", "b"))

    def at_once(log: Log) -> Any:
        nodes = {"a": writes(last=1), "b": writes(last=2)}
        return wire(Lists, nodes, (START, "a"), (START, "b"))

    assert result(after, {})["last"] == 2
    assert error(at_once, {})["class"].endswith("InvalidUpdateError")


@pytest.mark.parametrize(
    "form",
    [Overwrite, lambda v: {"__overwrite__": v}, lambda v: {"type": "__overwrite__", "value": v}],
)
def test_trap_9_overwrite(form: Callable[[Any], Any]) -> None:
    """It beats later writes of its superstep, two of them are an error, LastValue keeps it."""

    def beats(log: Log) -> Any:
        nodes = {"a": writes(x=["a"]), "b": writes(x=form(["b"])), "c": writes(x=["c"])}
        return wire(Lists, nodes, *((START, name) for name in nodes))

    def twice(log: Log) -> Any:
        nodes = {"a": writes(x=form(["a"])), "b": writes(x=form(["b"]))}
        return wire(Lists, nodes, *((START, name) for name in nodes))

    def last(log: Log) -> Any:
        return wire(Lists, {"a": writes(last=form(1))}, (START, "a"))

    assert result(beats, {"x": ["i"]}) == {"x": ["b"]}
    assert "one Overwrite" in error(twice, {})["text"]
    assert result(last, {})["last"] != 1


@pytest.mark.parametrize(
    "form",
    [Overwrite, lambda v: {"__overwrite__": v}, lambda v: {"type": "__overwrite__", "value": v}],
)
@pytest.mark.parametrize("value", [["b"], [], None, "text", 5])
def test_trap_9_overwrite_of_a_delta_channel(form: Callable[[Any], Any], value: Any) -> None:
    """It drops the writes before it too, is copied, and None stands for an empty value."""

    class Delta(TypedDict):
        x: Annotated[list, DeltaChannel(lambda old, writes: [*old, *writes])]

    def build(log: Log) -> Any:
        def grows(state: Any) -> None:
            log.note("d", "same", state["x"] is value)
            if isinstance(state["x"], list):
                state["x"].append("d")

        nodes = {"a": writes(x="a"), "b": writes(x=form(value)), "c": writes(x="c"), "d": grows}
        return wire(Delta, nodes, *((START, name) for name in "abc"), (list("abc"), "d"))

    def twice(log: Log) -> Any:
        nodes = {"a": writes(x=form(value)), "b": writes(x=form(value))}
        return wire(Delta, nodes, *((START, name) for name in nodes))

    compare(build, {"x": ["i"]})
    assert "one Overwrite" in error(twice, {})["text"]


def test_trap_10_unknown_names_are_dropped() -> None:
    """Keys without a word, destinations with a warning."""

    def build(log: Log) -> Any:
        return wire(
            Lists, {"a": writes(last=1, other=2)}, (START, "a"), ("a", lambda state: "nowhere")
        )

    seen = compare(build, {"other": 1})[0]
    assert seen["result"] == {"x": [], "last": 1}
    assert len(seen["warnings"]) == 1


@pytest.mark.parametrize("returned", [None, {}, [], [{"x": [1]}], "x", 5, {1}, object, Exception()])
def test_trap_13_what_a_node_may_return(returned: Any) -> None:
    """None and an empty dict are no update; a list, even an empty one, is an error."""

    def build(log: Log) -> Any:
        return wire(Lists, {"a": lambda state: returned}, (START, "a"))

    failed = error(build, {"x": [1]})
    assert (failed is None) == (returned in (None, {}))


@pytest.mark.parametrize(
    ("returned", "x"),
    [
        ([], None),
        ([{"x": ["dict"]}], None),
        ([Send("b", 1)], None),
        (({"x": ["dict"]}, Command(update={"x": ["command"]})), ["dict", "command", "b"]),
        ([Command(goto="b"), None, Send("c", 1)], ["b"]),
        (Send("c", {"x": ["sent"]}), ["b", "c"]),
        ([Command(update=[("x", [1]), ("x", [2])], goto=("b", "c"))], [1, 2, "b", "c"]),
        ([Command(update={"x": [1]}), 5], None),
        ([Command(update={"x": [1]}), [Command(update={"x": [2]})]], [1, 2, "b"]),
        (Command(update=5), ["b"]),
        (Command(update=Lists, goto=5), None),
    ],
)
def test_trap_13_lists_and_commands(returned: Any, x: Any) -> None:
    """A list needs a Command in it; a Send beside one is lost, a list of Sends is an error."""

    def build(log: Log) -> Any:
        nodes = {"a": lambda state: returned, "b": writes(x=["b"]), "c": writes(x=["c"])}
        return wire(Lists, nodes, (START, "a"), ("a", "b"))

    seen = compare(build, {"last": 1})[0]
    assert (seen["error"] is not None) == (x is None)
    if x is not None:
        assert seen["result"]["x"] == x


def test_trap_14_objects_are_read_by_attribute() -> None:
    """Also a returned Send, when the state has keys of its fields' names."""

    class Packet(TypedDict):
        node: str
        arg: Any
        timeout: Any
        x: Annotated[list, operator.add]

    @dataclass
    class Update:
        x: list[str]
        arg: Any = None
        other: int = 1

    def build(log: Log) -> Any:
        nodes = {"a": lambda state: Send("b", 5), "b": lambda state: Update([f"b{state}"])}
        return wire(Packet, nodes, (START, "a"))

    assert result(build, {"arg": 0}) == {"node": "b", "arg": None, "timeout": None, "x": ["b5"]}


def test_trap_15_pydantic_updates() -> None:
    """Defaults that are not None are written, None only when it was set."""

    class Update(BaseModel):
        last: Any = None
        x: list[str] = ["default"]

    def build(log: Log) -> Any:
        nodes = {
            "a": lambda state: Update(),
            "b": lambda state: Update(last=None, x=["set"]),
        }
        return wire(Lists, nodes, (START, "a"), ("a", "b"))

    seen = compare(build, {"last": 1}, None, INVOKE, UPDATES)
    assert seen[0]["result"] == {"x": ["default", "set"], "last": None}
    assert seen[1]["chunks"][0] == {"a": {"x": ["default"]}}


def test_trap_16_no_coercion_on_write() -> None:
    """A value of the wrong type stays what it is."""

    class Typed(TypedDict):
        n: int

    def build(log: Log) -> Any:
        return wire(Typed, {"a": writes(n="7")}, (START, "a"))

    assert result(build, {"n": "1"}) == {"n": "7"}


def test_trap_16_models_are_made_where_they_are_read() -> None:
    """The value stays as it was written; what a schema refuses fails the next reader."""

    class Model(BaseModel):
        n: int = 0
        items: Annotated[list, operator.add] = Field(default=["never"])

    def coerced(log: Log) -> Any:
        def look(state: Model) -> Any:
            log.note("b", "state", state)
            return {"items": [state.n]}

        return wire(Model, {"a": writes(n="7"), "b": look}, (START, "a"), ("a", "b"))

    def refused(log: Log) -> Any:
        nodes = {"a": writes(n="seven"), "b": writes(n=1)}
        return wire(Model, nodes, (START, "a"), ("a", "b"))

    seen = compare(coerced, {})[0]
    assert seen["result"] == {"n": "7", "items": [7]}
    assert seen["log"] == [("b", "state", "Model(n=7, items=[])")]
    failed = error(refused, {})
    # Python 3.10 has no notes.
    for text in failed["notes"]:
        assert text == "Before task with name 'b' and path '('__pregel_pull', 'b')'"


def test_trap_16_out_of_steps_after_a_refused_value() -> None:
    """The next superstep is prepared although there is none left: the value is reported."""

    class Model(BaseModel):
        n: int = 0

    def build(log: Log) -> Any:
        nodes = {"a": writes(n="seven"), "b": writes(n=1)}
        return wire(Model, nodes, (START, "a"), ("a", "b"))

    assert error(build, {}, {"recursion_limit": 1})["class"].endswith("ValidationError")


def test_trap_17_send_argument_is_raw() -> None:
    """The schema of the node it goes to is not applied, and no key is dropped."""

    class Model(BaseModel):
        last: int = 0

    def build(log: Log) -> Any:
        def look(state: Model) -> None:
            log.note("b", "state", state)

        nodes = {"a": lambda state: Command(goto=Send("b", {"last": "7", "more": 1})), "b": look}
        return wire(Lists, nodes, (START, "a"))

    assert compare(build, {})[0]["log"] == [("b", "state", {"last": "7", "more": 1})]


def test_trap_18_nested_values_are_shared() -> None:
    """A list changed in place changes the state; the dict around it is a copy of the node's own."""

    def build(log: Log) -> Any:
        def change(state: Lists) -> None:
            state["x"].append("changed")
            state["last"] = "not seen"

        def look(state: Lists) -> None:
            log.note("b", "state", state)

        return wire(Lists, {"a": change, "b": look}, (START, "a"), (START, "b"))

    seen = compare(build, {"x": [1]}, {"max_concurrency": 1})
    assert seen[0]["log"] == [("b", "state", {"x": [1, "changed"]})]
    assert seen[0]["result"] == {"x": [1, "changed"]}


def test_trap_19_no_output_key_written() -> None:
    """The result is None, not an empty dict."""

    def build(log: Log) -> Any:
        return wire(Lists, {"a": writes()}, (START, "a"))

    assert result(build, {}) is None


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4])
def test_trap_20_recursion_limit(limit: int) -> None:
    """It is used up before the run is found to be over: two nodes need three."""

    def build(log: Log) -> Any:
        nodes = {"a": writes(last=1), "b": writes(last=2)}
        return wire(Lists, nodes, (START, "a"), ("a", "b"))

    assert (error(build, {}, {"recursion_limit": limit}) is None) == (limit >= 3)


def test_trap_21_no_input() -> None:
    """None asks to resume, and there is nothing to; an empty dict is an input."""

    def build(log: Log) -> Any:
        return wire(Lists, {"a": writes(last=1)}, (START, "a"))

    assert error(build, None)["class"].endswith("EmptyInputError")
    assert result(build, {}) == {"x": [], "last": 1}


def test_trap_25_start_is_a_superstep() -> None:
    """It is step 0, hidden from streams; a router on it sees its config."""

    def build(log: Log) -> Any:
        def route(state: Lists, config: RunnableConfig) -> str:
            log.note("start", "config", comparable_config(config))
            log.note("start", "ambient", comparable_config(get_config()))
            return "a"

        return wire(Lists, {"a": writes(last=1), "b": writes()}, (START, "b"), (START, route))

    seen = compare(build, {}, {"tags": ["t"]}, INVOKE, UPDATES)
    config = seen[0]["log"][0][2]
    assert config["metadata"]["langgraph_step"] == 0
    assert config["tags"] == ["t", "langsmith:hidden"]
    assert seen[1]["chunks"] == [{"a": {"last": 1}}, {"b": None}]


def test_trap_26_conditional_entry_reads_the_state() -> None:
    """The router is given the state's keys; the input is filtered by the input schema's."""

    class Entry(TypedDict):
        last: Any

    def build(log: Log) -> Any:
        def route(state):  # type: ignore[no-untyped-def]
            log.note("start", "state", state)
            return "a"

        return wire(Lists, {"a": writes()}, (START, route), input_schema=Entry)

    seen = compare(build, {"last": 1, "x": ["dropped"]})
    # The raw input is merged in, as a node's raw output would be.
    assert seen[0]["log"] == [("start", "state", {"last": 1, "x": []})]


def test_trap_27_available_with_none() -> None:
    """A trigger holds None and still fires; a key that holds None is there."""

    def build(log: Log) -> Any:
        def look(state: Lists) -> None:
            log.note("b", "state", state)

        return wire(Lists, {"a": writes(last=None), "b": look}, (START, "a"), ("a", "b"))

    assert compare(build, {})[0]["log"] == [("b", "state", {"x": [], "last": None})]


def test_trap_31_deferred_nodes_fire_together() -> None:
    """They wait until nothing else is left to run."""

    def build(log: Log) -> Any:
        builder = wire(
            Lists,
            {"a": writes(x=["a"]), "b": writes(x=["b"]), "c": writes(x=["c"])},
            (START, "a"),
            ("a", "b"),
            ("b", "c"),
        )
        for name in ("d1", "d2"):
            builder.add_node(name, writes(x=[name]), defer=True)
            builder.add_edge(START, name)
        return builder

    assert result(build, {}) == {"x": ["a", "b", "c", "d1", "d2"]}


def test_trap_32_join_waits_over_steps() -> None:
    """A start that runs twice before the others counts once; one start is a barrier too."""

    def build(log: Log) -> Any:
        nodes = {name: writes(x=[name]) for name in ("a", "b1", "b2", "j", "k")}
        return wire(
            Lists,
            nodes,
            (START, "a"),
            (START, "b1"),
            ("a", lambda state: "a" if state["x"].count("a") < 2 else END),
            ("b1", "b2"),
            (["a", "b2"], "j"),
            (["j"], "k"),
        )

    assert result(build, {}) == {"x": ["a", "b1", "a", "b2", "j", "k"]}


def test_trap_41_unset_is_not_none() -> None:
    """A key without a value is absent; asked for by itself it is None."""

    def build(log: Log) -> Any:
        return wire(Lists, {"a": writes(x=[1])}, (START, "a"))

    one = Call("invoke", (("output_keys", "last"),))
    several = Call("stream", (("output_keys", ["last", "x"]), ("stream_mode", "values")))
    seen = compare(build, {}, None, INVOKE, one, several, VALUES)
    assert seen[0]["result"] == {"x": [1]}
    assert seen[1]["result"] is None
    assert seen[2]["chunks"][-1] == {"x": [1]}


def test_trap_42_input_schema_of_a_node() -> None:
    """A node is given its own schema's available keys, which may be new to the graph."""

    def build(log: Log) -> Any:
        def look(state: Private) -> None:
            log.note("b", "state", state)

        nodes = {"a": writes(last=1, private=2), "b": look}
        return wire(Lists, nodes, (START, "a"), ("a", "b"))

    seen = compare(build, {})
    assert seen[0]["log"] == [("b", "state", {"last": 1, "private": 2})]
    assert seen[0]["result"] == {"x": [], "last": 1}


def test_trap_43_managed_values() -> None:
    """They count this run's supersteps; the router's are its node's; a write to one is lost."""

    def build(log: Log) -> Any:
        def node(state: Counted) -> Any:
            log.note("a", "state", state)
            return {"x": [state["remaining"]], "remaining": 5}

        def route(state: Counted) -> str:
            log.note("a", "route", state)
            return END if state["is_last"] else "a"

        return wire(Counted, {"a": node}, (START, "a"), ("a", route))

    seen = compare(build, {}, {"recursion_limit": 4})[0]
    assert seen["result"] == {"x": [3, 2, 1]}
    assert len(seen["warnings"]) == 3


@pytest.mark.parametrize("goto", ["b", END, ["b", END], [], "nowhere"])
def test_trap_11_goto_adds_to_edges(goto: Any) -> None:
    """Static edges and routers fire too; END stops nothing."""

    def build(log: Log) -> Any:
        nodes = {
            "a": lambda state: Command(update={"x": ["a"]}, goto=goto),
            "b": writes(x=["b"]),
            "c": writes(x=["c"]),
            "d": writes(x=["d"]),
        }
        return wire(Lists, nodes, (START, "a"), ("a", "c"), ("a", lambda state: "d"))

    expected = ["a", *(["b"] if "b" in goto else []), "c", "d"]
    assert result(build, {}) == {"x": expected}


def parent(state: Any) -> Any:
    """A node that addresses the graph above."""
    return Command(graph=Command.PARENT, update={"x": ["lost"]}, goto="b")


@pytest.mark.parametrize("returned", [parent, lambda s: [Command(update={"x": [1]}), parent(s)]])
@pytest.mark.parametrize("siblings", [0, 2])
def test_trap_12_parent_command_out_of_a_root_graph(returned: Any, siblings: int) -> None:
    """It comes out as an exception; siblings finish first, and nothing is applied."""

    def build(log: Log) -> Any:
        def slow(state: Lists) -> Any:
            time.sleep(0.02)
            log.note("sibling", "ran", None)
            return {"x": ["sibling"]}

        nodes = {"a": returned, **{f"s{i}": slow for i in range(siblings)}}
        return wire(Lists, nodes, *((START, name) for name in nodes), ("a", "a"))

    updates = compare(build, {}, None, INVOKE, UPDATES, VALUES)[1]
    assert updates["error"]["class"] == "langgraph.errors.ParentCommand"
    assert updates["error"]["notes"] == []
    assert len(updates["log"]) == siblings
    assert updates["chunks"] == ([f"{siblings} of {siblings + 1}"] if siblings else [])


@pytest.mark.parametrize("graph", ["a", "other", "", None, Command.PARENT])
def test_trap_12_parent_command_raised(graph: str | None) -> None:
    """One that names its own node is done here, as if it had been returned."""

    def build(log: Log) -> Any:
        def node(state: Lists) -> Any:
            raise ParentCommand(Command(graph=graph, update={"x": ["a"]}, goto="b"))

        nodes = {"a": node, "b": writes(x=["b"]), "c": writes(x=["c"])}
        return wire(Lists, nodes, (START, "a"), ("a", "c"), ("a", lambda state: "b"))

    failed = error(build, {})
    assert (failed is None) == (graph == "a")


@pytest.mark.parametrize("kind", ["runnable", "generator", "dict", "nested"])
def test_trap_59_what_nodes_may_be(kind: str) -> None:
    """A returned Runnable is invoked with the node's input; generators give their last chunk."""

    def build(log: Log) -> Any:
        def look(state: Any) -> Any:
            log.note("a", "state", state)
            return {"x": ["a"]}

        def generate(state: Any) -> Any:
            yield {"x": ["dropped"]}
            yield look(state)

        node: Any = {
            "runnable": lambda state: RunnableLambda(look),
            "generator": generate,
            "dict": {"x": lambda state: ["a"], "last": RunnableLambda(lambda state: 1)},
            "nested": lambda state: RunnableLambda(lambda state: RunnableLambda(look)),
        }[kind]
        return wire(Lists, {"a": node}, (START, "a"))

    assert result(build, {"x": ["i"]})["x"] == ["i", "a"]


def test_trap_59_router_that_returns_a_runnable() -> None:
    """It is invoked with what the router was given."""

    def build(log: Log) -> Any:
        def route(state: Lists) -> Any:
            return RunnableLambda(lambda given: "b" if given == state else "c")

        nodes = {"a": writes(), "b": writes(x=["b"]), "c": writes(x=["c"])}
        return wire(Lists, nodes, (START, "a"), ("a", route))

    assert result(build, {}) == {"x": ["b"]}


def test_trap_62_lambda_reducers_pass_for_each_other() -> None:
    """The first schema's stays."""

    def build(log: Log) -> Any:
        def node(state: Second) -> Any:
            return {"x": ["a"]}

        return wire(First, {"a": node}, (START, "a"))

    assert result(build, {"x": ["i"]}) == {"x": ["i", "a"]}


def watched(log: Log) -> Any:
    """A graph whose node notes its config."""

    def node(state: Lists, config: RunnableConfig) -> None:
        log.note("a", "config", comparable_config(config))
        log.note("a", "same", get_config() is config)

    return wire(Lists, {"a": node}, (START, "a"))


@contextmanager
def ambient(config: RunnableConfig) -> Iterator[None]:
    """Runs the block as a runnable with `config` would."""
    token = var_child_runnable_config.set(config)
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)


@pytest.mark.parametrize(
    "config",
    [
        None,
        {"recursion_limit": 5},
        {"other": 1, "configurable": {"user": "u"}},
        {"configurable": {"thread_id": "2", "checkpoint_ns": ""}, "tags": ["own", "given"]},
        {"metadata": {"ls_integration": "own", "m": 2}, "max_concurrency": 4, "run_name": "r"},
    ],
)
def test_trap_45_config(config: dict[str, Any] | None) -> None:
    """What a node sees of the caller's config, and of the ambient one."""
    seen = compare(watched, {"x": [1]}, config)[0]["log"]
    assert ("recursion_limit" in seen[0][2]) == ("recursion_limit" in (config or {}))
    given: RunnableConfig = {
        "configurable": {"thread_id": "1", "from": "ambient"},
        "metadata": {"m": 1, "n": 1},
        "tags": ["given"],
    }
    with ambient(given):
        seen = compare(watched, {"x": [1]}, config)[0]["log"]
    own_thread = "thread_id" in (config or {}).get("configurable", {})
    assert ("from" in seen[0][2]["configurable"]) == (not own_thread)


def test_trap_46_tuple_of_modes() -> None:
    """Chunks are tagged with their mode only when the modes are a list."""

    def build(log: Log) -> Any:
        return wire(Lists, {"a": writes(last=1)}, (START, "a"))

    in_tuple = Call("stream", (("stream_mode", ("values", "updates")),))
    seen = compare(build, {"last": 0}, None, in_tuple, BOTH)
    assert seen[0]["chunks"] == [payload for _, payload in seen[1]["chunks"]]


@pytest.mark.parametrize("take", [1, 2, 3, 4])
def test_trap_47_granularity(take: int) -> None:
    """A consumer who stops after a chunk has let exactly so many nodes run."""

    def build(log: Log) -> Any:
        def make(name: str) -> Any:
            def node(state: Lists) -> Any:
                log.note(name, "run", None)
                return {"x": [name]}

            return node

        nodes = {name: make(name) for name in ("a", "b", "c")}
        return wire(Lists, nodes, (START, "a"), ("a", "b"), ("b", "c"))

    calls = [Call("stream", (("stream_mode", mode),), take) for mode in ("updates", "values")]
    updates, _ = compare(build, {"x": ["i"]}, None, *calls)
    assert len(updates["log"]) == min(take, 3)


@pytest.mark.parametrize("fails", [False, True])
def test_waiting_tasks_run_although_the_run_ends(fails: bool) -> None:
    """What `max_concurrency` holds back runs when the consumer stops, or a node fails."""

    def build(log: Log) -> Any:
        def make(name: str) -> Any:
            def node(state: Lists) -> None:
                log.note(name, "run", None)
                if fails and name == "a":
                    raise ValueError(name)

            return node

        nodes = {name: make(name) for name in "abcd"}
        return wire(Lists, nodes, *((START, name) for name in nodes))

    call = Call("stream", take=None if fails else 1)
    (seen,) = compare(build, {}, {"max_concurrency": 1}, call)
    assert len(seen["log"]) == 4


def test_cancelled_node() -> None:
    """A node that raises CancelledError fails with an error that names it."""

    def build(log: Log) -> Any:
        def node(state: Lists) -> None:
            raise asyncio.CancelledError("gone")

        return wire(Lists, {"a": node}, (START, "a"))

    assert error(build, {})["class"].endswith("NodeCancelledError")


@pytest.mark.parametrize("where", ["node", "router", "entry", "beside another"])
@pytest.mark.parametrize(
    "raised",
    [StopIteration("x"), GraphBubbleUp("up"), InvalidUpdateError("own"), EmptyChannelError("e")],
)
def test_exceptions_with_a_meaning(where: str, raised: Exception) -> None:
    """A StopIteration comes out as a generator lets it; what asks for nothing is passed on."""

    def build(log: Log) -> Any:
        other_is_over = threading.Event()

        def fails(state: Lists) -> Any:
            if where == "beside another":
                # Else it is chance whether the other's end is seen.
                other_is_over.wait(10)
                time.sleep(0.05)
            raise copy.copy(raised)

        def other(state: Lists) -> Any:
            other_is_over.set()

        nodes = {"a": fails if where in ("node", "beside another") else writes(), "b": other}
        edges: list[Any] = [(START, "a")]
        if where != "node":
            edges.append(("a", fails) if where == "router" else (START, fails))
        if where == "beside another":
            edges[1] = (START, "b")
        return wire(Lists, nodes, *edges)

    assert error(build, {}) is not None


@pytest.mark.parametrize("places", [0, -1, 1, None])
def test_places_for_tasks(places: int | None) -> None:
    """`max_concurrency` has to be positive, also where one task runs at a time."""

    def build(log: Log) -> Any:
        return wire(Lists, {"a": writes(last=1)}, (START, "a"))

    failed = error(build, {}, {"max_concurrency": places})
    assert (failed is not None) == (places in (0, -1))


def test_invoke_with_the_default_mode() -> None:
    """`stream_mode=None` gives the chunks of the graph's own mode."""

    def build(log: Log) -> Any:
        return wire(Lists, {"a": writes(last=1)}, (START, "a"))

    (seen,) = compare(build, {}, None, Call("invoke", (("stream_mode", None),)))
    assert seen["chunks"] == [{"a": {"last": 1}}]


def test_failing_router_leaves_its_nodes_update() -> None:
    """The update is streamed, and applied to nothing."""

    def build(log: Log) -> Any:
        def route(state: Lists) -> str:
            raise LookupError("router")

        return wire(Lists, {"a": writes(last=1)}, (START, "a"), ("a", route))

    assert compare(build, {}, None, UPDATES)[0]["chunks"] == [{"a": {"last": 1}}]


def test_context_variables_stay_in_their_node() -> None:
    """Nodes see the caller's, and not each other's."""
    variable = ContextVar("variable", default="default")

    def build(log: Log) -> Any:
        def node(state: Lists) -> None:
            log.note("a", "variable", variable.get())
            variable.set("a node's")

        return wire(Lists, {"a": node, "b": node}, (START, "a"), ("a", "b"))

    variable.set("the caller's")
    seen = compare(build, {})
    assert [value for _, _, value in seen[0]["log"]] == ["the caller's"] * 2
    assert variable.get() == "the caller's"


def test_streams_may_be_advanced_alternately() -> None:
    """Two runs of one graph do not share anything."""
    graph = compile_in_process(
        wire(Lists, {"a": writes(x=["a"]), "b": writes(x=["b"])}, (START, "a"), ("a", "b"))
    )
    streams = [graph.stream({"x": [i]}, stream_mode="values") for i in range(2)]
    chunks = list(zip(*streams, strict=True))
    assert chunks[-1] == ({"x": [0, "a", "b"]}, {"x": [1, "a", "b"]})
