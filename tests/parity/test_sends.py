"""Sends: what they carry, who gets them, in which order, and what their tasks are called."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START
from langgraph.types import Command, Send
from parity import BOTH, INVOKE, UPDATES, VALUES, Log, compare, plain_config
from small import Lists, error, result, wire, writes

from lgc.runtime.public import commands as own


class Numbers(TypedDict):
    """What a map step writes."""

    x: Annotated[list, operator.add]


def echo(name: str, log: Log) -> Any:
    """A node that notes its input and writes its name and it."""

    def node(state: Any) -> Any:
        log.note(f"{name} {state}", "state", state)
        return {"x": [(name, state)]}

    return node


class Unknown:
    """An argument of a class nobody knows."""

    def __repr__(self) -> str:
        return "Unknown"


@pytest.mark.parametrize(
    "arg", [{"x": [1], "unknown": 2}, 5, None, "text", [1, 2], Unknown(), Send("b", 1), Numbers]
)
def test_argument_is_passed_as_it_is(arg: Any) -> None:
    """A dict with unknown keys, no dict at all, an object."""

    def build(log: Log) -> Any:
        nodes = {"a": lambda state: Send("b", arg), "b": echo("b", log)}
        return wire(Numbers, nodes, (START, "a"))

    compare(build, {})


def test_argument_is_the_same_object() -> None:
    """It is not copied; two Sends may share one."""
    shared: list[Any] = []

    def build(log: Log) -> Any:
        def node(state: Any) -> None:
            log.note("b", "same", state is shared)

        nodes = {"a": lambda state: Command(goto=[Send("b", shared)] * 3), "b": node}
        return wire(Numbers, nodes, (START, "a"))

    assert compare(build, {})[0]["log"] == [("b", "same", True)] * 3


def test_order_of_pushed_and_pulled_tasks() -> None:
    """What edges start writes first, by name; Sends follow in the order of their senders."""

    def build(log: Log) -> Any:
        nodes = {
            "z": lambda state: Command(goto=[Send("b", 1), Send("a", 2)]),
            "y": lambda state: Send("b", 3),
            "n2": echo("n2", log),
            "n10": echo("n10", log),
            "a": echo("a", log),
            "b": echo("b", log),
        }
        edges = [(START, "z"), (START, "y"), ("z", "n2"), ("y", "n10"), ("y", "b")]
        return wire(Numbers, nodes, *edges)

    seen = compare(build, {}, None, INVOKE, VALUES)[0]["result"]["x"]
    assert [(n, s if isinstance(s, int) else "") for n, s in seen] == [
        *[(name, "") for name in ("b", "n10", "n2")],
        ("b", 3),
        ("b", 1),
        ("a", 2),
    ]


def test_order_of_running_with_one_place() -> None:
    """Sends run first, then what edges start."""

    def build(log: Log) -> Any:
        nodes = {
            "s": lambda state: Command(goto=[Send("z", 1), Send("a", 2)]),
            "a": echo("a", log),
            "z": echo("z", log),
        }
        return wire(Numbers, nodes, (START, "s"), ("s", "a"), ("s", "z"))

    seen = compare(build, {}, {"max_concurrency": 1}, UPDATES, BOTH)[0]["chunks"]
    # What waits for a place finishes in the order it was submitted.
    assert [next(iter(chunk)) for chunk in seen] == ["s", "z", "a", "a", "z"]


def test_many_sends_of_a_router() -> None:
    """They may be mixed with names, also under a path map, and repeated."""

    def build(log: Log) -> Any:
        def route(state: Numbers) -> Any:
            return ["other", *[Send("b", i) for i in range(100)], Send("b", 0), END]

        builder = wire(Numbers, {"a": writes(), "b": echo("b", log), "c": echo("c", log)})
        builder.add_edge(START, "a")
        builder.add_conditional_edges("a", route, {"other": "c", END: END})
        return builder

    seen = result(build, {})["x"]
    assert [state for name, state in seen if name == "b"] == [*range(100), 0]


@pytest.mark.parametrize("how", ["node", "goto", "router"])
@pytest.mark.parametrize("target", ["nowhere", END, START, "d", 5, None])
def test_odd_targets(how: str, target: Any) -> None:
    """Unknown nodes are warned about, END is refused from routers, START is a node."""

    def build(log: Log) -> Any:
        send = Send(target, {"x": [1]})
        nodes: dict[str, Any] = {"b": echo("b", log)}
        route: Any = END
        if how == "node":
            nodes["a"] = lambda state: send if not state["x"] else None
        elif how == "goto":
            nodes["a"] = lambda state: Command(goto=[send] if not state["x"] else [])
        else:
            nodes["a"] = writes()
            route = lambda state: [send] if not state["x"] else END  # noqa: E731
        builder = wire(Numbers, nodes, (START, "a"), ("a", route))
        builder.add_node("d", echo("d", log), defer=True)
        return builder

    seen = compare(build, {})[0]
    assert (seen["error"] is not None) == (how == "router" and target == END)
    assert bool(seen["warnings"]) == (
        target not in (START, "d", END) or (target == END and how != "router")
    )


def test_send_to_a_deferred_node_runs_at_once() -> None:
    """Only what edges start waits."""

    def build(log: Log) -> Any:
        nodes = {
            "a": lambda state: Command(goto=[Send("d", "sent")]),
            "b": writes(x=["b"]),
            "c": writes(x=["c"]),
        }
        edges = [(START, "a"), ("a", "b"), ("b", "c")]
        builder = wire(Numbers, nodes, *edges)
        builder.add_node("d", lambda state: {"x": ["d"]}, defer=True)
        builder.add_edge("a", "d")
        return builder

    assert result(build, {}) == {"x": ["b", "d", "c", "d"]}


def test_deferred_nodes_start_beside_sends() -> None:
    """A superstep that only has Sends to make has no trigger left."""

    def build(log: Log) -> Any:
        nodes = {"a": lambda state: Send("b", 1), "b": writes(x=["b"])}
        builder = wire(Numbers, nodes, (START, "a"))
        builder.add_node("d", lambda state: {"x": ["d", len(state["x"])]}, defer=True)
        builder.add_edge(START, "d")
        return builder

    assert result(build, {}) == {"x": ["d", 0, "b"]}


@pytest.mark.parametrize("packet", [5, None, "text", {"node": "b"}])
def test_invalid_packets(packet: Any) -> None:
    """What is no Send is warned about; positions count it."""

    def build(log: Log) -> Any:
        def node(state: Any, config: RunnableConfig) -> Any:
            send = config["configurable"]["__pregel_send"]
            send([("__pregel_tasks", packet), ("__pregel_tasks", Send("b", 1))])

        def look(state: Any, config: RunnableConfig) -> None:
            log.note("b", "config", plain_config(config))

        return wire(Numbers, {"a": node, "b": look}, (START, "a"))

    seen = compare(build, {})[0]
    assert len(seen["warnings"]) == 1
    assert seen["log"][0][2]["metadata"]["langgraph_path"] == ("__pregel_push", 1, False)


def test_what_a_pushed_task_sees() -> None:
    """Id, path, triggers, metadata, runtime: of the Send, not of the node's edges."""

    def build(log: Log) -> Any:
        def look(state: Any, config: RunnableConfig, runtime: Any) -> Any:
            log.note(f"b{state}", "config", plain_config(config))
            log.note(f"b{state}", "runtime", runtime)
            return {"x": [1]}

        def route(state: Any, config: RunnableConfig) -> Any:
            log.note(f"r{config['metadata']['langgraph_path']}", "config", plain_config(config))
            return END

        nodes = {"a": lambda state: Command(goto=[Send("b", 0), Send("b", 1)]), "b": look}
        return wire(Lists, nodes, (START, "a"), ("a", "b"), ("b", route), (["a"], "b"))

    seen = compare(build, {}, {"configurable": {"thread_id": "1"}, "tags": ["t"]})[0]["log"]
    sent = next(value for who, what, value in seen if (who, what) == ("b0", "config"))
    assert sent["metadata"]["langgraph_triggers"] == ("__pregel_push",)
    assert sent["metadata"]["langgraph_path"] == ("__pregel_push", 0, False)


def test_router_of_a_pushed_task() -> None:
    """It reads the state, not the argument, with the task's own writes."""

    def build(log: Log) -> Any:
        def route(state):  # type: ignore[no-untyped-def]
            log.note(f"r{state['x']}", "state", state)
            return END

        nodes = {
            "a": lambda state: Command(goto=[Send("b", i) for i in range(3)]),
            "b": lambda state: {"x": [state], "extra": state},
        }
        return wire(Numbers, nodes, (START, "a"), ("b", route))

    seen = compare(build, {"x": ["i"]})[0]["log"]
    assert [value["x"] for _, _, value in seen] == [["i", i] for i in range(3)]


def test_sends_of_one_superstep_conflict() -> None:
    """Two tasks of one node write a plain key."""

    def build(log: Log) -> Any:
        nodes = {"a": lambda s: Command(goto=[Send("b", 0), Send("b", 1)]), "b": writes(last=1)}
        return wire(Lists, nodes, (START, "a"))

    assert error(build, {})["class"].endswith("InvalidUpdateError")


def test_own_classes_of_lgc() -> None:
    """Objects of lgc's own Send and Command are LangGraph's for both engines."""

    def build(log: Log) -> Any:
        nodes = {
            "a": lambda s: own.Command(update={"x": ["a"]}, goto=[own.Send("b", 0), Send("b", 1)]),
            "b": lambda s: own.Send("c", s) if s else [own.Command(goto="c")],
            "c": echo("c", log),
        }
        return wire(Numbers, nodes, (START, "a"))

    assert len(result(build, {})["x"]) == 3


def test_a_wide_map_step() -> None:
    """Five hundred tasks, reduced in order."""

    def build(log: Log) -> Any:
        nodes = {
            "a": lambda state: Command(goto=[Send("b", i) for i in range(500)]),
            "b": lambda state: {"x": [state * state]},
        }
        return wire(Numbers, nodes, (START, "a"))

    seen = compare(build, {}, None, INVOKE)[0]["result"]["x"]
    assert seen == [i * i for i in range(500)]
