"""What awkward routers do, by name; an act takes the state and the notes of the run."""

from __future__ import annotations

from typing import Any

from awkward import ENOUGH, Act, Ended, Notes, again, look
from awkward_acts import GENERATOR, Key, Named, always, asks, chained, raises_in_runnable, raising
from langchain_core.runnables import RunnableLambda
from langgraph.config import get_config
from langgraph.errors import GraphBubbleUp
from langgraph.graph import END
from langgraph.types import Command, Send


def _until_enough(value: Any) -> Act:
    """What leads to `value` as long as the loop is not over."""

    def act(state: Any, notes: Notes) -> Any:
        return value if state["count"] < ENOUGH else END

    return act


def _after_a_while(act: Act) -> Act:
    """What goes on like a loop first."""

    def wait(state: Any, notes: Notes) -> Any:
        return act(state, notes) if state["count"] > 3 else "a"

    return wait


def _route_looks(state: Any, notes: Notes) -> Any:
    look(notes, "router")
    return again(state, notes)


def _route_sends(state: Any, notes: Notes) -> Any:
    get_config()["configurable"]["__pregel_send"]([("log", ["router's write"]), ("count", 9)])
    look(notes, "router")
    return again(state, notes)


def _route_appends(state: Any, notes: Notes) -> Any:
    state.setdefault("log", []).append("routed")
    return again(state, notes)


def _route_sets(state: Any, notes: Notes) -> Any:
    state["count"] += 2
    return again(state, notes)


def _route_reads_and_appends(state: Any, notes: Notes) -> Any:
    read = get_config()["configurable"]["__pregel_read"]
    for fresh in (False, True):
        read(["log"], fresh)["log"].append(f"read {fresh}")
    return again(state, notes)


def _route_late(state: Any, notes: Notes) -> Any:
    notes.start_late(lambda: look(notes, "late router"))
    return again(state, notes)


ROUTERS: dict[str, Act] = {
    "plain": again,
    "raises": _after_a_while(raising(chained)),
    "raises at once": raising(lambda: KeyError("router")),
    "raises a BaseException": _after_a_while(raising(lambda: Ended("ended"))),
    "raises StopIteration": _after_a_while(raising(lambda: StopIteration("stop"))),
    "raises GraphBubbleUp": _after_a_while(raising(lambda: GraphBubbleUp("up"))),
    "interrupts": _after_a_while(asks),
    "returns a list": _until_enough(["a"]),
    "returns a tuple": _until_enough(("a",)),
    "returns one name twice": _until_enough(["a", "a"]),
    "returns END and a name": _until_enough([END, "a"]),
    "returns no names": _after_a_while(lambda state, notes: []),
    "returns None": _after_a_while(always(None)),
    "returns None in a list": _after_a_while(lambda state, notes: [None, "a"]),
    "returns an unknown name": _after_a_while(always("nowhere")),
    "returns START": _after_a_while(always("__start__")),
    "returns a trigger": _after_a_while(always("branch:to:a")),
    "returns an int": _after_a_while(always(5)),
    "returns a bool": _after_a_while(always(True)),
    "returns a dict": _after_a_while(lambda state, notes: {}),
    "returns an Enum": _until_enough(Key.A),
    "returns an own name": _until_enough(Named("a")),
    "returns a set": _until_enough(frozenset(["a"])),
    "returns a Command": _after_a_while(lambda state, notes: Command(goto="a")),
    "returns a generator": _after_a_while(always(GENERATOR)),
    "returns a Runnable": _until_enough(RunnableLambda(lambda state: "a")),
    "returns a Runnable that raises": _after_a_while(always(RunnableLambda(raises_in_runnable))),
    "returns a Runnable of None": _after_a_while(always(RunnableLambda(lambda state: None))),
    "returns a Send": lambda state, notes: (
        Send("a", {"count": state["count"], "log": ["sent"]}) if state["count"] < ENOUGH else END
    ),
    "returns a Send and a name": lambda state, notes: (
        [Send("a", {"count": 7}), "a"] if state["count"] == 4 else again(state, notes)
    ),
    "returns a Send to nowhere": _after_a_while(lambda state, notes: Send("nowhere", 1)),
    "returns a Send to END": _after_a_while(lambda state, notes: Send(END, 1)),
    "looks": _route_looks,
    "sends": _route_sends,
    "appends to its input": _route_appends,
    "sets in its input": _route_sets,
    "reads and appends": _route_reads_and_appends,
    "looks late": _route_late,
}
