"""What a checkpoint holds is what was true then, also with durability "async".

LangGraph serialises behind the run's back: under "async" its older checkpoints may hold later
values (spec, trap 63). Its own "sync" runs are the right values here (docs/differences.md).
"""

from __future__ import annotations

import operator
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import pytest
from inprocess import compile_in_process
from langgraph.channels import Topic
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver as UpstreamSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import Send
from threads import opened
from typing_extensions import TypedDict

from lgc.runtime.checkpointing.copies import copied
from lgc.runtime.public.commands import Send as OwnSend
from lgc.runtime.savers import MemorySaver, SqliteSaver

CONFIG: Any = {"configurable": {"thread_id": "t"}}

TIMES = 10
"""How often a run is repeated that another thread could spoil."""

Builder = StateGraph[Any, Any, Any, Any]


class _Topics(TypedDict):
    seen: Annotated[list[int], Topic(int, accumulate=True)]


def _topic() -> tuple[Builder, Any]:
    builder = StateGraph(_Topics)
    for i in range(4):
        builder.add_node(f"n{i}", lambda state, i=i: {"seen": i})
        builder.add_edge(f"n{i - 1}" if i else START, f"n{i}")
    return builder, {"seen": []}


class _Joined(TypedDict):
    xs: Annotated[list[str], operator.add]


def _join(defer: bool) -> tuple[Builder, Any]:
    builder = StateGraph(_Joined)
    for name in "abcd":
        builder.add_node(name, lambda state, name=name: {"xs": [name]}, defer=defer and name == "d")
    builder.add_edge(START, "a")
    builder.add_edge(START, "b")
    builder.add_edge("b", "c")
    builder.add_edge(["a", "c"], "d")
    return builder, {"xs": []}


class _Items(TypedDict):
    items: Any


def _in_place(start: Any, change: Callable[[Any, int], None]) -> Callable[[], tuple[Builder, Any]]:
    def case() -> tuple[Builder, Any]:
        builder = StateGraph(_Items)
        for i in range(4):

            def node(state: Any, i: int = i) -> Any:
                change(state["items"], i)
                return {"items": state["items"]}

            builder.add_node(f"n{i}", node)
            builder.add_edge(f"n{i - 1}" if i else START, f"n{i}")
        return builder, {"items": start()}

    return case


def _extend(old: list[int], new: list[int]) -> list[int]:
    old.extend(new)
    return old


class _Extended(TypedDict):
    items: Annotated[list[int], _extend]


def _reducer() -> tuple[Builder, Any]:
    builder = StateGraph(_Extended)
    for i in range(4):
        builder.add_node(f"n{i}", lambda state, i=i: {"items": [i]})
        builder.add_edge(f"n{i - 1}" if i else START, f"n{i}")
    return builder, {"items": []}


class _Sent(TypedDict):
    items: Annotated[list[Any], operator.add]


def _sends() -> tuple[Builder, Any]:
    def change(arg: Any) -> Any:
        arg["inner"].append("changed")
        return {"items": [len(arg["inner"])]}

    builder = StateGraph(_Sent)
    builder.add_node("a", lambda state: {"items": [0]})
    builder.add_node("b", change)
    builder.add_edge(START, "a")
    builder.add_conditional_edges("a", lambda state: [Send("b", {"inner": []})], ["b"])
    return builder, {"items": []}


CASES: dict[str, Callable[[], tuple[Builder, Any]]] = {
    "topic": _topic,
    "join": lambda: _join(False),
    "deferred join": lambda: _join(True),
    "list": _in_place(list, lambda items, i: items.append(i)),
    "dict in a dict": _in_place(lambda: {"in": {}}, lambda items, i: items["in"].update({i: i})),
    "set in a list": _in_place(lambda: [set()], lambda items, i: items[0].add(i)),
    "deque": _in_place(lambda: deque([0], 9), lambda items, i: items.append(i)),
    "bytearray": _in_place(lambda: bytearray(b"x"), lambda items, i: items.append(i)),
    "list in a tuple": _in_place(lambda: ([],), lambda items, i: items[0].append(i)),
    "reducer": _reducer,
    "sends": _sends,
}


class _KeepingSaver(BaseCheckpointSaver):  # type: ignore[type-arg]
    """A user's saver that keeps the objects it is handed, and hands out the same."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, tuple[Any, Any, Any]] = {}
        self.writes: dict[str, list[tuple[str, str, Any]]] = {}

    def get_tuple(self, config: Any) -> CheckpointTuple | None:
        name = config["configurable"].get("checkpoint_id") or max(self.kept, default="")
        return self._tuple(name) if name in self.kept else None

    def _tuple(self, name: str) -> CheckpointTuple:
        def where(name: Any) -> Any:
            return {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": name}}

        checkpoint, metadata, parent = self.kept[name]
        writes = self.writes.get(name, [])
        return CheckpointTuple(
            where(name), checkpoint, metadata, where(parent) if parent else None, writes
        )

    def list(self, config: Any, **options: Any) -> Iterator[CheckpointTuple]:
        yield from map(self._tuple, sorted(self.kept, reverse=True))

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        parent = config["configurable"].get("checkpoint_id")
        self.kept[checkpoint["id"]] = (checkpoint, metadata, parent)
        return self._tuple(checkpoint["id"]).config

    def put_writes(self, config: Any, writes: Any, task_id: str, task_path: str = "") -> None:
        pending = self.writes.setdefault(config["configurable"]["checkpoint_id"], [])
        pending += [(task_id, channel, value) for channel, value in writes]


SAVERS = (
    "MemorySaver",
    "SqliteSaver",
    "UpstreamMemorySaver",
    "UpstreamSqliteSaver",
    "kept objects",
)


@contextmanager
def _saver(kind: str) -> Iterator[Any]:
    if kind == "kept objects":
        yield _KeepingSaver()
        return
    with opened(kind, ":memory:") as saver:
        yield saver


def _told(graph: Any) -> list[Any]:
    """What the thread's history says of values, what is next, and why; tuples as lists."""
    serde = JsonPlusSerializer()
    return [
        (
            serde.loads_typed(serde.dumps_typed(state.values)),
            state.next,
            state.metadata["source"],
            state.metadata["step"],
        )
        for state in graph.get_state_history(CONFIG)
    ]


@pytest.mark.parametrize("durability", ["async", "sync"])
@pytest.mark.parametrize("kind", SAVERS)
@pytest.mark.parametrize("case", CASES)
def test_a_checkpoint_holds_what_was_true_then(case: str, kind: str, durability: Any) -> None:
    """Containers of channels, of state changed in place, and of Sends: with every saver."""
    # A saver on SQL stores all values each time, one in memory those that were written.
    oracle = InMemorySaver if kind.endswith("MemorySaver") else None
    builder, value = CASES[case]()
    if oracle is not None:
        theirs = builder.compile(checkpointer=oracle())
        theirs.invoke(value, CONFIG, durability="sync")
        expected = _told(theirs)
    else:
        with UpstreamSqliteSaver.from_conn_string(":memory:") as saver:
            theirs = builder.compile(checkpointer=saver)
            theirs.invoke(value, CONFIG, durability="sync")
            expected = _told(theirs)
    for _ in range(TIMES if durability == "async" else 1):
        builder, value = CASES[case]()
        with _saver(kind) as saver:
            graph = compile_in_process(builder).compile(checkpointer=saver)
            graph.invoke(value, CONFIG, durability=durability)
            assert _told(graph) == expected


def test_a_replayed_join_runs_its_node() -> None:
    """The checkpoint in which the join waits holds what it has seen by then, and no more."""
    for _ in range(TIMES):
        builder, value = _join(False)
        saver = InMemorySaver()
        graph = compile_in_process(builder).compile(checkpointer=saver)
        graph.invoke(value, CONFIG)
        waiting = [state for state in graph.get_state_history(CONFIG) if state.next == ("c",)]
        assert graph.invoke(None, waiting[0].config)["xs"][-1] == "d"


class _Watched(JsonPlusSerializer):
    """Says on which threads it serialises."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        self.threads.add(threading.get_ident())
        return super().dumps_typed(obj)


@contextmanager
def _watched(kind: Any, serde: Any) -> Iterator[Any]:
    if kind is not SqliteSaver:
        yield kind(serde=serde)
        return
    with SqliteSaver.from_conn_string(":memory:") as saver:
        saver.serde = serde
        yield saver


@pytest.mark.parametrize("kind", [MemorySaver, SqliteSaver, InMemorySaver])
def test_values_are_serialised_on_the_thread_that_runs(kind: Any) -> None:
    """What is done behind the run's back has its bytes already."""
    serde = _Watched()
    with _watched(kind, serde) as saver:
        builder, value = _join(False)
        graph = compile_in_process(builder).compile(checkpointer=saver)
        # One task at a time: tasks of a superstep write on the threads that run them.
        graph.invoke(value, {**CONFIG, "max_concurrency": 1}, durability="async")
        assert serde.threads == {threading.get_ident()}


class _Late(SqliteSaver):
    """A subclass that stores in a way of its own must not be passed by."""

    def put(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        calls.append(checkpoint["id"])
        return super().put(config, checkpoint, metadata, new_versions)


calls: list[str] = []


def test_a_put_of_ones_own_is_called() -> None:
    """Of a subclass, and of one instance."""
    builder, value = _topic()
    with _Late.from_conn_string(":memory:") as saver:
        graph = compile_in_process(builder).compile(checkpointer=saver)
        graph.invoke(value, CONFIG, durability="async")
        stored = [state.config["configurable"]["checkpoint_id"] for state in _states(graph)]
        assert calls == stored[::-1]
    with SqliteSaver.from_conn_string(":memory:") as saver:
        seen: list[Any] = []
        healthy = saver.put_superstep

        def put_superstep(*args: Any) -> Any:
            seen.append(args)
            return healthy(*args)

        saver.put_superstep = put_superstep
        graph = compile_in_process(_topic()[0]).compile(checkpointer=saver)
        graph.invoke(value, CONFIG, durability="async")
        assert len(seen) == 5


def _states(graph: Any) -> list[Any]:
    return list(graph.get_state_history(CONFIG))


def _append(old: list[int], new: Any) -> list[int]:
    # The first write becomes the value, and later ones change it.
    if old:
        old.extend(item for write in new for item in write)
        return old
    first: list[int] = new[0]
    first.extend(item for write in new[1:] for item in write)
    return first


class _Delta(TypedDict):
    items: Annotated[list[int], DeltaChannel(_append)]


@pytest.mark.parametrize("durability", ["async", "sync", "exit"])
@pytest.mark.parametrize("kind", ["MemorySaver", "SqliteSaver", "UpstreamMemorySaver"])
def test_a_write_that_a_reducer_takes_over_is_stored_as_it_was(kind: str, durability: Any) -> None:
    """A DeltaChannel is rebuilt from the writes: one that has grown since would count twice."""
    builder = StateGraph(_Delta)
    for i in range(3):
        builder.add_node(f"n{i}", lambda state, i=i: {"items": [i]})
        builder.add_edge(f"n{i - 1}" if i else START, f"n{i}")
    for _ in range(TIMES):
        with opened(kind, ":memory:") as saver:
            graph = compile_in_process(builder).compile(checkpointer=saver)
            result = graph.invoke({"items": [9]}, CONFIG, durability=durability)
            assert result == {"items": [9, 0, 1, 2]}
            assert graph.get_state(CONFIG).values == result


def test_what_the_caller_changes_during_a_run_is_not_stored() -> None:
    """The config's scalars and the map of checkpoints go into the metadata as they are then."""
    for _ in range(TIMES):
        config: Any = {
            "configurable": {"thread_id": "t", "own": 0, "checkpoint_map": {"x": "0"}},
            "metadata": {"said": 0},
        }

        def node(state: Any, given: Any = config) -> Any:
            given["configurable"]["own"] += 1
            given["metadata"]["said"] += 1
            given["configurable"]["checkpoint_map"]["x"] += "1"
            return {"xs": ["a"]}

        builder = StateGraph(_Joined)
        builder.add_node("a", node)
        builder.add_node("b", node)
        builder.add_edge(START, "a")
        builder.add_edge("a", "b")
        saver = _KeepingSaver()
        graph = compile_in_process(builder).compile(checkpointer=saver)
        graph.invoke({"xs": []}, config, durability="async")
        parents = [saver.kept[name][1]["parents"]["x"] for name in sorted(saver.kept)]
        assert parents == ["0", "0", "01", "011"]


def test_copied() -> None:
    """Containers of Python's own classes, at every depth; what cannot change stays the same."""
    inner: list[Any] = [1]
    whole = {
        "list": [inner],
        "tuple": (1, inner),
        "deque": deque([inner], 3),
        "bytes": bytearray(b"x"),
        "set": {1},
        "send": Send("a", {"x": inner}),
        "own": OwnSend("a", {"x": inner}, timeout=1.5),
    }
    copy = copied(whole)
    assert copy == whole
    inner.append(2)
    whole["bytes"].append(1)
    whole["set"].add(2)
    assert copy["list"] == [[1]]
    assert copy["tuple"] == (1, [1])
    assert copy["deque"] == deque([[1]], 3)
    assert copy["deque"].maxlen == 3
    assert copy["send"].arg == copy["own"].arg == {"x": [1]}
    assert copy["own"].timeout == whole["own"].timeout
    assert (copy["bytes"], copy["set"]) == (bytearray(b"x"), {1})
    unchanging = (1, "a", (None, 2.5), frozenset([1]))
    assert copied(unchanging) is unchanging
    ring: list[Any] = []
    ring.append(ring)
    assert copied(ring) is ring
    deep: list[Any] = []
    for _ in range(sys.getrecursionlimit() + 10):
        deep = [deep]
    assert copied(deep) is deep
