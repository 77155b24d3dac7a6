"""Numbers, flags and keys of users that reach native code: the same as under LangGraph.

Native code has types: what is declared an int, a bool or a str refuses everything else, and its own
lookup in a dict loses some missing keys. The file runs on the native wheel, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Annotated, Any, TypedDict

import numpy as np
import pytest
from inprocess import compile_in_process
from langgraph.channels import DeltaChannel, Topic
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config
from langgraph.graph import END, START, StateGraph
from langgraph.managed import IsLastStep, RemainingSteps
from langgraph.managed.base import ManagedValue
from langgraph.types import Command, Send
from parity import BOTH, FULL_PATH, INVOKE, UPDATES, Log, compare
from threads import Script, Step, compare_scripts

SAVERS = [("UpstreamMemorySaver", "MemorySaver"), ("UpstreamMemorySaver", "UpstreamMemorySaver")]
PATHS = (INVOKE, FULL_PATH, UPDATES, BOTH)


class Stop(ManagedValue[Any]):
    """Where the run stops, as nodes see it."""

    @staticmethod
    def get(scratchpad: Any) -> Any:
        """The number with its type."""
        return repr(scratchpad.stop)


class Counted(TypedDict, total=False):
    """What a loop sees of the limit."""

    n: int
    is_last: IsLastStep
    remaining: RemainingSteps
    stop: Annotated[Any, Stop]


class State(TypedDict, total=False):
    """One key."""

    x: Any


class Color(str, Enum):
    """A str that prints as something else."""

    RED = "b"


class Unhashable(str):
    """A str that no dict takes."""

    __hash__ = None  # type: ignore[assignment]


def loop(log: Log, *, parallel: bool = False) -> Any:
    """A node that runs five times, or two side by side, and says what it sees of the limit."""

    def count(state: Counted) -> Any:
        seen = [repr(state[key]) for key in ("is_last", "remaining", "stop") if key in state]  # type: ignore[literal-required]
        log.note("count", "seen", seen)
        config = get_config()
        log.note("count", "config", repr(config.get("recursion_limit")))
        return {"n": state.get("n", 0) + 1}

    def again(state: Counted) -> str:
        return "count" if state.get("n", 0) < 5 else END

    builder = StateGraph(Counted)
    builder.add_node("count", count)
    builder.add_edge(START, "count")
    builder.add_conditional_edges("count", again)
    return builder


NUMBERS: dict[str, Any] = {
    "int": 3,
    "large": 10**30,
    "float": 100.0,
    "half": 2.5,
    "infinite": float("inf"),
    "True": True,
    "False": False,
    "zero": 0,
    "small": 0.5,
    "one": 1,
    "negative": -1,
    "numpy int": np.int64(3),
    "numpy small int": np.uint8(2),
    "numpy float": np.float32(3.5),
    "Fraction": Fraction(7, 2),
    "Decimal": Decimal("3.5"),
    "str": "3",
    "bytes": b"3",
    "list": [3],
    "empty list": [],
    "dict": {"a": 1},
    "complex": 3 + 1j,
    "None": None,
    "object": object,
}


@pytest.mark.parametrize("number", NUMBERS)
def test_recursion_limit_is_compared_not_converted(number: str) -> None:
    """2.5 stops after two supersteps; errors have LangGraph's class and text."""
    compare(loop, {}, {"recursion_limit": NUMBERS[number]}, *PATHS)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("durability", ["sync", "exit"])
def test_recursion_limit_of_a_run_with_checkpoints(number: str, durability: str) -> None:
    options = (("durability", durability),)
    steps = (Step(input={}, options=options), Step("get_state"), Step(options=options))
    script = Script(steps, {"recursion_limit": NUMBERS[number]})
    compare_scripts(loop, script, SAVERS)


def fan(log: Log) -> Any:
    """Four nodes side by side."""
    builder = StateGraph(State)
    for name in "abcd":
        builder.add_node(name, lambda state, name=name: log.note(name, "seen", state))
        builder.add_edge(START, name)
    return builder


@pytest.mark.parametrize("number", NUMBERS)
def test_max_concurrency_is_compared_not_converted(number: str) -> None:
    compare(fan, {"x": 1}, {"max_concurrency": NUMBERS[number]}, *PATHS)


@pytest.mark.parametrize(("places", "most"), [(2.5, 3), (1.0, 1), (True, 1), (Fraction(3, 2), 2)])
def test_max_concurrency_bounds_the_tasks_at_once(places: Any, most: int) -> None:
    """A pool of 2.5 threads has three."""
    import threading
    import time

    def build() -> tuple[Any, list[int]]:
        lock, running, seen = threading.Lock(), [0], [0]
        full = threading.Event()

        def run(state: State) -> None:
            with lock:
                running[0] += 1
                seen[0] = max(seen[0], running[0])
                if seen[0] == most:
                    full.set()
            full.wait(10)
            # For more than may run at once.
            time.sleep(0.05)
            with lock:
                running[0] -= 1

        builder = StateGraph(State)
        for name in "abcd":
            builder.add_node(name, run)
            builder.add_edge(START, name)
        return builder, seen

    for engine in (lambda builder: builder.compile(), compile_in_process):
        builder, seen = build()
        engine(builder).invoke({"x": 1}, {"max_concurrency": places})
        assert seen == [most]


ODD: dict[str, Callable[[], Any]] = {
    "sync": lambda: "sync",
    "bogus": lambda: "bogus",
    "empty": lambda: "",
    "zero": lambda: 0,
    "one": lambda: 1,
    "False": lambda: False,
    "True": lambda: True,
    "list": lambda: ["exit"],
    "object": lambda: object,
}


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("inherited", [None, "exit"])
def test_durability_of_any_kind(value: str, inherited: str | None) -> None:
    """Only "sync" and "exit" mean something; None alone takes the config's."""
    options = (("durability", ODD[value]()),)
    config = {} if inherited is None else {"configurable": {"__pregel_durability": inherited}}
    steps = (Step(input={"x": 1}, options=options), Step("get_state_history"))
    compare_scripts(fan, Script(steps, config), SAVERS)


MODES: dict[str, Callable[[], Any]] = {
    "values": lambda: "values",
    "bogus": lambda: "bogus",
    "empty": lambda: "",
    "tuple": lambda: ("values", "updates"),
    "set": lambda: {"values"},
    "frozenset": lambda: frozenset(("updates",)),
    "dict": lambda: {"values": 1},
    "generator": lambda: (mode for mode in ("values", "updates")),
    "empty list": lambda: [],
    "list": lambda: ["updates"],
    "odd list": lambda: ["values", 5, None],
    "list of lists": lambda: [["values"]],
    "int": lambda: 5,
    "bytes": lambda: b"values",
    "None": lambda: None,
    "False": lambda: False,
}


@pytest.mark.parametrize("method", ["invoke", "stream"])
@pytest.mark.parametrize("argument", ["stream_mode", "print_mode"])
@pytest.mark.parametrize("mode", MODES)
def test_modes_of_any_kind(
    capsys: pytest.CaptureFixture[str], mode: str, argument: str, method: str
) -> None:
    def seen(graph: Any) -> Any:
        try:
            result = getattr(graph, method)({"x": 1}, **{argument: MODES[mode]()})
            result = list(result) if isinstance(result, Iterator) else result
        except Exception as exc:
            result = type(exc), str(exc)
        return result, capsys.readouterr().out

    builder = StateGraph(State)
    builder.add_node("a", lambda state: {"x": 2})
    builder.add_edge(START, "a")
    assert seen(compile_in_process(builder)) == seen(builder.compile())


@pytest.mark.parametrize("flag", [0, 1, "", "yes", [], [1], None, np.bool_(True)], ids=repr)
@pytest.mark.parametrize("name", ["debug", "subgraphs"])
def test_flags_are_truth_values(capsys: pytest.CaptureFixture[str], name: str, flag: Any) -> None:
    config = {"configurable": {"thread_id": "1"}}

    def seen(graph: Any) -> Any:
        called = [
            graph.invoke({"x": 1}, config, **{name: flag}),
            list(graph.stream({"x": 1}, config, **{name: flag})),
            list(graph.stream({"x": 1}, config, stream_mode=["values"], **{name: flag})),
            graph.get_state(config, subgraphs=flag).values,
        ]
        return called, capsys.readouterr().out

    builder = StateGraph(State)
    builder.add_node("a", lambda state: {"x": 2})
    builder.add_edge(START, "a")
    ours = compile_in_process(builder).compile(checkpointer=InMemorySaver())
    assert seen(ours) == seen(builder.compile(checkpointer=InMemorySaver()))


@pytest.mark.parametrize("flag", [0, 1, "", "yes", None, np.bool_(True)], ids=repr)
def test_flags_of_the_builder_are_truth_values(flag: Any) -> None:
    """`defer` of a node, `accumulate` of a Topic."""

    hint = Annotated[list, Topic(int, accumulate=flag)]
    schema: Any = TypedDict("Published", {"t": hint}, total=False)  # type: ignore[operator]

    def build(log: Log) -> Any:
        builder = StateGraph(schema)
        builder.add_node("a", lambda state: {"t": 1})
        builder.add_node("b", lambda state: {"t": 2}, defer=flag)
        builder.add_edge(START, "a")
        builder.add_edge(START, "b")
        builder.add_edge("a", "b")
        return builder

    compare(build, {"t": 0})


@pytest.mark.parametrize(
    "frequency",
    [1, 2, True, 1.5, 2.0, float("inf"), float("nan"), Fraction(3, 2), np.int64(2), 10**30],
    ids=repr,
)
@pytest.mark.parametrize("derived", [False, True])
def test_snapshot_frequency_is_compared_not_converted(frequency: Any, derived: bool) -> None:
    class Derived(DeltaChannel):
        pass

    cls = Derived if derived else DeltaChannel
    channel = cls(lambda old, new: [*old, *new], snapshot_frequency=frequency)
    hints = {"d": Annotated[list, channel]}
    schema: Any = TypedDict("Delta", hints, total=False)  # type: ignore[operator]

    def build(log: Log) -> Any:
        builder = StateGraph(schema)
        builder.add_node("a", lambda state: {"d": "a"})
        builder.add_node("b", lambda state: {"d": "b"})
        builder.add_edge(START, "a")
        builder.add_edge("a", "b")
        return builder

    steps = (Step(input={"d": "i"}), Step(input={"d": "j"}), Step("get_state_history"))
    compare_scripts(build, Script(steps), SAVERS[:1])


@pytest.mark.parametrize("limit", [None, 0, 1, 2, -1, True, False, 1.0, 1.5, np.int64(2), "2", []])
def test_limit_of_a_history_of_any_kind(limit: Any) -> None:
    """The saver's own business; LangGraph's saver runs under both engines here."""
    steps = (
        Step(input={"x": 1}),
        Step(input={"x": 2}),
        Step("get_state_history", options=(("limit", limit),)),
    )
    compare_scripts(fan, Script(steps), SAVERS[1:])


@pytest.mark.parametrize("task_id", ["given", "", None, 5, 0, b"x", ["a"]], ids=repr)
def test_the_task_id_of_an_update_of_any_kind(task_id: Any) -> None:
    steps = (
        Step(input={"x": 1}),
        Step("update_state", {"x": 2}, options=(("as_node", "a"), ("task_id", task_id))),
        Step("get_state"),
        Step("get_state_history"),
    )
    compare_scripts(fan, Script(steps), SAVERS[1:])


# -- keys -----------------------------------------------------------------------------------------

KEYS: dict[str, Any] = {
    "None": None,
    "tuple": ("a", "b"),
    "empty tuple": (),
    "nested": [("a", "b")],
    "list": ["a"],
    "list of None": ["b", None],
    "error": [KeyError("own")],
    "class": KeyError,
    "int": 7,
    "str": "unknown",
    "frozenset": frozenset("a"),
    "unhashable": [{}],
    "unhashable str": Unhashable("b"),
    "True": True,
    "one": 1,
    "enum": Color.RED,
    "enum in a list": [Color.RED],
    "send": Send("b", {}),
    "goto": "b",
    "end": END,
    "END in a list": [END, "b"],
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "path_map",
    [{"a": "b", True: "b"}, {None: "b"}, {("a", "b"): "b", "x": END}, ["b", END], None],
    ids=repr,
)
@pytest.mark.parametrize("at_start", [False, True])
def test_what_a_router_returns_is_looked_up_as_it_is(
    key: str, path_map: Any, at_start: bool
) -> None:
    """`KeyError(None)` for a missing None, `KeyError(('a', 'b'))` for a missing tuple."""

    def build(log: Log) -> Any:
        builder = StateGraph(State)
        builder.add_node("n", lambda state: {"x": 1})
        builder.add_node("b", lambda state: log.note("b", "seen", state))
        source = START if at_start else "n"
        builder.add_edge(START, "n")
        builder.add_conditional_edges(source, lambda state: KEYS[key], path_map)
        return builder

    compare(build, {"x": 0}, None, *PATHS)


def test_a_path_map_that_answers_for_missing_keys() -> None:
    """A defaultdict stays one."""
    from collections import defaultdict

    def build(log: Log) -> Any:
        builder = StateGraph(State)
        builder.add_node("a", lambda state: {"x": 1})
        builder.add_node("b", lambda state: log.note("b", "seen", state))
        builder.add_edge(START, "a")
        ends = defaultdict(lambda: "b", {"a": END})
        builder.add_conditional_edges("a", lambda state: "missing", ends)
        return builder

    assert compare(build, {"x": 0}, None, *PATHS)[0]["log"] == [("b", "seen", {"x": 1})]


@pytest.mark.parametrize("key", [None, ("x", "y"), "y", 5, [], ["x"], ["y"], [None], [("x",)], {}])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_read_of_any_key(key: Any, fresh: bool) -> None:
    """`config["configurable"]["__pregel_read"]`, which prebuilt nodes call."""

    def build(log: Log) -> Any:
        def node(state: State) -> Any:
            return {"x": get_config()["configurable"]["__pregel_read"](key, fresh)}

        builder = StateGraph(State)
        builder.add_node("a", node)
        builder.add_edge(START, "a")
        return builder

    compare(build, {"x": 0}, None, *PATHS)


@pytest.mark.parametrize("target", [Color.RED, "b", "unknown", None, 5, [Color.RED], ("b", END)])
def test_where_a_command_goes(target: Any) -> None:
    def build(log: Log) -> Any:
        builder = StateGraph(State)
        builder.add_node("a", lambda state: Command(goto=target))
        builder.add_node("b", lambda state: log.note("b", "seen", state))
        builder.add_edge(START, "a")
        return builder

    compare(build, {"x": 0}, None, *PATHS)
    steps = (Step(input=Command(goto=target)), Step("get_state"))
    compare_scripts(build, Script((Step(input={"x": 0}), *steps)), SAVERS)


@pytest.mark.parametrize("returned", [Color.RED, 5, "text", ["a"], Send(Color.RED, {})], ids=repr)
def test_what_an_error_shows_of_a_value(returned: Any) -> None:
    """By format(): an Enum that is a str shows its value or its name, as Python has it."""

    def build(log: Log) -> Any:
        builder = StateGraph(State)
        builder.add_node("a", lambda state: returned)
        builder.add_edge(START, "a")
        return builder

    compare(build, {"x": 0}, None, *PATHS)
