"""What awkward nodes do, by name; an act takes the state and the notes of the run."""

from __future__ import annotations

import enum
from collections import OrderedDict, UserDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from awkward import ENOUGH, Act, Ended, Notes, advance, look
from langchain_core.runnables import RunnableLambda
from langgraph.config import get_config
from langgraph.errors import (
    EmptyChannelError,
    GraphBubbleUp,
    GraphRecursionError,
    InvalidUpdateError,
)
from langgraph.graph import END
from langgraph.types import Command, Overwrite, Send, interrupt
from parity import comparable_config


class Key(str, enum.Enum):
    """Keys and names that are equal to strings."""

    COUNT = "count"
    LOG = "log"
    A = "a"
    B = "b"


class Named(str):
    """A key that is no plain string."""


class OwnDict(dict[Any, Any]):
    """An update that is no plain dict."""


class Hidden(dict[Any, Any]):
    """A dict whose items are not what it holds."""

    def items(self) -> Any:
        return {"count": 40, "log": ["hidden"]}.items()

    def __iter__(self) -> Any:
        return iter(["log"])

    def keys(self) -> Any:
        return ["log"]

    def get(self, key: Any, default: Any = None) -> Any:
        return default

    def __getitem__(self, key: Any) -> Any:
        return ["item"]


class Twice(dict[Any, Any]):
    """A dict that gives an item twice."""

    def items(self) -> Any:
        return [("log", ["once"]), ("count", 8), ("log", ["twice"])]


class Failing(dict[Any, Any]):
    """A dict that gives no items."""

    def items(self) -> Any:
        raise ValueError("no items")


@dataclass
class Update:
    """An update by attributes."""

    count: int
    log: list[str]
    unknown: int = 1


def raising(make: Callable[[], BaseException]) -> Act:
    """Raises what is made."""

    def act(state: Any, notes: Notes) -> Any:
        raise make()

    return act


def chained() -> ValueError:
    """An error with a cause."""
    error = ValueError("outer")
    error.__cause__ = KeyError("inner")
    return error


def _same_error(state: Any, notes: Notes) -> Any:
    error = notes.kept.setdefault("error", ValueError("the same"))
    raise error


def _raises_in_handler(state: Any, notes: Notes) -> Any:
    try:
        raise KeyError("first")
    except KeyError:
        raise ValueError("second")  # noqa: B904


# Nobody consumes it; that it is one object makes the texts of errors equal.
GENERATOR = (advance({}) for _ in range(2))


def raises_in_runnable(state: Any) -> Any:
    """The function of a Runnable."""
    raise KeyError("in a Runnable")


def _runnable(state: Any, notes: Notes) -> Any:
    return RunnableLambda(lambda value: advance(value, "runnable"))


def _looks(state: Any, notes: Notes) -> Any:
    look(notes, "a")
    return advance(state)


def _sends(state: Any, notes: Notes) -> Any:
    send = get_config()["configurable"]["__pregel_send"]
    send([("log", ["own write"])])
    look(notes, "a")
    send([("count", 50), ("unknown", 1)])
    return {"log": ["returned"]}


def _sends_and_fails(state: Any, notes: Notes) -> Any:
    get_config()["configurable"]["__pregel_send"]([("log", ["own write"])])
    raise ValueError("after a write")


def _reads_and_changes(state: Any, notes: Notes) -> Any:
    read = get_config()["configurable"]["__pregel_read"]
    for fresh in (False, True):
        value = read(["log"], fresh)
        value["log"].append(f"changed {fresh}")
        notes.note("a", "same", value["log"] is state["log"])
    return advance(state)


def _appends(state: Any, notes: Notes) -> Any:
    state["log"].append("appended")
    return advance(state)


def _sets(state: Any, notes: Notes) -> Any:
    state["count"] = 30
    state["unknown"] = 1
    return {"log": ["set"]}


def _clears(state: Any, notes: Notes) -> Any:
    state.clear()
    return {"count": ENOUGH, "log": ["cleared"]}


def _returns_input(state: Any, notes: Notes) -> Any:
    return state


def _returns_changed_input(state: Any, notes: Notes) -> Any:
    state["count"] += 1
    state["log"] = ["input"]
    return state


def _keeps_input(state: Any, notes: Notes) -> Any:
    notes.note("a", "kept", notes.kept.get("state"))
    notes.kept["state"] = state
    if "list" in notes.kept:
        notes.note("a", "same list", notes.kept["list"] is state["log"])
    notes.kept["list"] = state["log"]
    return advance(state)


def _same_dict(state: Any, notes: Notes) -> Any:
    update = notes.kept.setdefault("update", {"log": ["same"]})
    update["count"] = state["count"] + 1
    return update


def _grows_update(state: Any, notes: Notes) -> Any:
    update = notes.kept.setdefault("update", {"log": []})
    update["log"].append(state["count"])
    update["count"] = state["count"] + 1
    return update


def _keeps_update(state: Any, notes: Notes) -> Any:
    if "update" in notes.kept:
        notes.kept["update"]["log"].append("kept")
        notes.kept["update"]["count"] = 60
    notes.kept["update"] = advance(state)
    return notes.kept["update"]


def _late(state: Any, notes: Notes) -> Any:
    notes.start_late(lambda: look(notes, "late"))
    return advance(state)


def _reads_late(state: Any, notes: Notes) -> Any:
    def work() -> None:
        config = get_config()
        read = config["configurable"]["__pregel_read"]
        notes.note("late", "config", comparable_config(config))
        notes.note("late", "read", (read(["count", "log"]), read("count")))

    notes.start_late(work)
    return advance(state)


def _late_after_read(state: Any, notes: Notes) -> Any:
    read = get_config()["configurable"]["__pregel_read"]
    held = get_config()

    def work() -> None:
        for fresh in (False, True):
            notes.note("late", "held", read(["count", "log"], fresh))
        notes.note("late", "metadata", held["metadata"])
        notes.note("late", "same", get_config() is held)
        look(notes, "late")

    notes.start_late(work)
    return advance(state)


def _late_send(state: Any, notes: Notes) -> Any:
    def work() -> None:
        try:
            get_config()["configurable"]["__pregel_send"]([("log", ["late"]), ("count", 70)])
        except Exception as exc:
            notes.note("late", "fails", exc)
        look(notes, "late")

    notes.start_late(work)
    return advance(state)


def _late_change(state: Any, notes: Notes) -> Any:
    update = advance(state)

    def work() -> None:
        update["log"].append("late")
        update["count"] = 60
        state["log"].append("late in the input")

    notes.start_late(work)
    return update


def _late_and_fails(state: Any, notes: Notes) -> Any:
    notes.start_late(lambda: look(notes, "late"))
    raise ValueError("leaves a thread")


def asks(state: Any, notes: Notes) -> Any:
    """Interrupts."""
    return {"log": [interrupt("question")]}


def _goes(**command: Any) -> Act:
    """Returns a Command that counts, once; then only counts."""

    def act(state: Any, notes: Notes) -> Any:
        if state["count"] >= ENOUGH:
            return advance(state)
        return Command(**{"update": advance(state, "command"), **command})

    return act


def always(value: Any) -> Act:
    """Returns a value."""
    return lambda state, notes: value


NODES: dict[str, Act] = {
    "plain": lambda state, notes: advance(state),
    # What it raises.
    "raises": raising(chained),
    "raises in a handler": _raises_in_handler,
    "raises the same": _same_error,
    "raises a BaseException": raising(lambda: Ended("ended")),
    "raises StopIteration": raising(lambda: StopIteration("stop")),
    "raises StopAsyncIteration": raising(lambda: StopAsyncIteration("stop")),
    "raises GraphBubbleUp": raising(lambda: GraphBubbleUp("up")),
    "raises GraphRecursionError": raising(lambda: GraphRecursionError("deep")),
    "raises InvalidUpdateError": raising(lambda: InvalidUpdateError("own")),
    "raises EmptyChannelError": raising(lambda: EmptyChannelError("empty")),
    "interrupts": asks,
    # What it returns that is no dict.
    "returns None": always(None),
    "returns an int": always(5),
    "returns zero": always(0),
    "returns a str": always("text"),
    "returns a set": lambda state, notes: {"count"},
    "returns a type": always(dict),
    "returns a function": always(advance),
    "returns a proxy": lambda state, notes: MappingProxyType(advance(state)),
    "returns a UserDict": lambda state, notes: UserDict(advance(state)),
    "returns a dataclass": lambda state, notes: Update(**advance(state)),
    "returns a generator": always(GENERATOR),
    "returns a Runnable": _runnable,
    "returns a Runnable that raises": always(RunnableLambda(raises_in_runnable)),
    "returns a Runnable that returns one": always(
        RunnableLambda(lambda state: RunnableLambda(advance))
    ),
    "returns a Runnable that goes": always(RunnableLambda(lambda state: Command(goto=END))),
    "returns a Runnable that returns an int": always(RunnableLambda(lambda state: 5)),
    "returns a Send": lambda state, notes: Send("b", {"count": 10}),
    "returns END": always(END),
    # Lists.
    "returns no items": lambda state, notes: [],
    "returns dicts": lambda state, notes: [advance(state)],
    "returns Commands": lambda state, notes: [
        Command(update={"count": state["count"] + 1}),
        Command(update={"log": ["second"]}, goto="b"),
    ],
    "returns a Command and a dict": lambda state, notes: [
        Command(update={"log": ["command"]}),
        advance(state),
    ],
    "returns a tuple": lambda state, notes: (advance(state), Command(goto="b")),
    "returns a Command and None": lambda state, notes: [Command(update=advance(state)), None],
    "returns a Command and an int": lambda state, notes: [Command(update=advance(state)), 5],
    # Commands.
    "updates": _goes(),
    "goes to a name": _goes(goto="b"),
    "goes to names": _goes(goto=["b", "a"]),
    "goes to one name twice": _goes(goto=["b", "b"]),
    "goes to END": _goes(goto=END),
    "goes to itself": _goes(goto="a"),
    "goes without an update": lambda state, notes: Command(goto=[END]),
    "goes nowhere": lambda state, notes: Command(),
    "goes to an unknown node": _goes(goto="nowhere"),
    "goes to a Send": _goes(goto=Send("b", {"count": 10, "log": []})),
    "goes to a name and a Send": _goes(goto=["b", Send("b", {"count": 10, "log": []})]),
    "goes to an Enum": _goes(goto=Key.B),
    "goes to an int": _goes(goto=5),
    "goes to the parent": _goes(graph=Command.PARENT, goto="b"),
    "goes to another graph": _goes(graph="other"),
    "updates by tuples": _goes(update=[("log", ["one"]), ("log", ["two"]), ("count", 9)]),
    "updates with text": _goes(update="text"),
    "updates with None": _goes(update=None, goto="b"),
    "resumes": _goes(resume="answer"),
    # Dicts and their keys.
    "returns an empty dict": lambda state, notes: {},
    "returns a subclass": lambda state, notes: OwnDict(advance(state)),
    "returns an OrderedDict": lambda state, notes: OrderedDict(advance(state)),
    "returns a defaultdict": lambda state, notes: defaultdict(list, advance(state)),
    "returns what hides": lambda state, notes: Hidden(advance(state)),
    "returns an item twice": lambda state, notes: Twice(advance(state)),
    "returns what has no items": lambda state, notes: Failing(advance(state)),
    "has Enum keys": lambda state, notes: {Key.COUNT: state["count"] + 1, Key.LOG: ["enum"]},
    "has own keys": lambda state, notes: {Named("count"): 8, Named("log"): ["named"]},
    "has int keys": lambda state, notes: {1: 2, None: 3, **advance(state)},
    "has unknown keys": lambda state, notes: {"unknown": 1, **advance(state)},
    "has only unknown keys": lambda state, notes: {"unknown": 1},
    "has a trigger as a key": lambda state, notes: {"branch:to:b": 1, **advance(state)},
    "has reserved keys": lambda state, notes: {
        **dict.fromkeys(("__start__", "__end__", "__root__", "__pregel_tasks", "b"), 1),
        **advance(state),
    },
    "has keys the other way": lambda state, notes: {"log": ["first"], "count": state["count"] + 1},
    "writes one key": lambda state, notes: {"count": state["count"] + 1},
    "writes no list": lambda state, notes: {"count": state["count"] + 1, "log": 5},
    "writes None": lambda state, notes: {"count": None, "log": []},
    # Overwrites.
    "overwrites": lambda state, notes: {**advance(state), "log": Overwrite(["over"])},
    "overwrites by a dict": lambda state, notes: {
        **advance(state),
        "log": {"__overwrite__": ["over"]},
    },
    "overwrites with more": lambda state, notes: {"log": {"__overwrite__": ["over"], "more": 1}},
    "overwrites with None": lambda state, notes: {"log": Overwrite(None)},
    "overwrites what is replaced": lambda state, notes: {"count": Overwrite(9)},
    "overwrites twice": _goes(update=[("log", Overwrite(["1"])), ("log", Overwrite(["2"]))]),
    "overwrites by a Command": _goes(update={"count": 9, "log": Overwrite(["over"])}),
    # The config.
    "looks": _looks,
    "sends": _sends,
    "sends and fails": _sends_and_fails,
    "reads and changes": _reads_and_changes,
    # What it does to its input and to its update.
    "appends to its input": _appends,
    "sets in its input": _sets,
    "clears its input": _clears,
    "returns its input": _returns_input,
    "returns its input changed": _returns_changed_input,
    "keeps its input": _keeps_input,
    "returns the same dict": _same_dict,
    "grows its update": _grows_update,
    "keeps what it returns": _keeps_update,
    # Threads that outlive it.
    "reads late": _reads_late,
    "looks late": _late,
    "reads and looks late": _late_after_read,
    "sends late": _late_send,
    "changes late": _late_change,
    "fails and looks late": _late_and_fails,
}

AT_ONCE_BY_THEMSELVES = {
    name for name in NODES if name.startswith("goes") or name.startswith("returns Commands")
} | {"returns a tuple", "returns a Send", "returns a Runnable that goes"}
"""The nodes that have others run at once, wherever they are."""
