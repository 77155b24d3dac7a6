"""Caches: under each of LangGraph's and lgc's, both engines run the same nodes and say the same."""

from __future__ import annotations

import asyncio
import operator
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypedDict
from unittest.mock import patch

import pytest
from inprocess import compile_in_process
from langgraph.cache.memory import InMemoryCache
from langgraph.cache.sqlite import SqliteCache as TheirSqliteCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Send, interrupt

from lgc.caches import MemoryCache, SqliteCache

CACHES: dict[str, Callable[[Path], Any]] = {
    "theirs in memory": lambda folder: InMemoryCache(),
    "theirs in a file": lambda folder: TheirSqliteCache(path=str(folder / "c")),
    "ours in memory": lambda folder: MemoryCache(),
    "ours in a file": lambda folder: SqliteCache(path=str(folder / "c")),
}
ENGINES: dict[str, Callable[[Any], Any]] = {"langgraph": lambda b: b, "lgc": compile_in_process}
MODES = ["values", "updates", "tasks", "debug", "custom"]


class State(TypedDict):
    """A list that grows, and a value."""

    log: Annotated[list[Any], operator.add]
    n: int


def built(ran: list[str]) -> StateGraph[Any]:
    """A cached node that is alone, two that run at once, one of Sends, and one that fails."""

    def node(name: str) -> Callable[[State], Any]:
        def run(state: State) -> Any:
            ran.append(name)
            if name == "fails" and state["n"] > 5:
                raise ValueError("no")
            return {"log": [(name, state["n"])]}

        run.__qualname__ = name
        return run

    policies = {
        "alone": CachePolicy(),
        "left": CachePolicy(key_func=lambda state: str(state["n"] % 2)),
        "right": CachePolicy(ttl=60),
        "sent": CachePolicy(key_func=lambda state: bytes([state["n"]])),
        "fails": CachePolicy(),
    }
    builder = StateGraph(State)
    for name, policy in policies.items():
        builder.add_node(name, node(name), cache_policy=policy)
    builder.add_edge(START, "alone")
    builder.add_edge("alone", "left")
    builder.add_edge("alone", "right")
    builder.add_conditional_edges(
        "right", lambda state: [Send("sent", {"n": i, "log": []}) for i in (1, 2)], ["sent"]
    )
    builder.add_edge("sent", "fails")
    return builder


def observed(graph: Any, n: int, thread: str) -> list[Any]:
    """The chunks of a run, those of tasks that run at once in one order; and its failure."""
    chunks: list[Any] = []
    try:
        config = {"configurable": {"thread_id": thread}}
        chunks.extend(graph.stream({"n": n, "log": []}, config, stream_mode=MODES))
    except Exception as exc:
        chunks.append(repr(exc))
    return sorted(map(repr, map(_without_chance, chunks)))


def _without_chance(chunk: Any) -> Any:
    if isinstance(chunk, tuple) and isinstance(chunk[1], dict):
        payload = {k: v for k, v in chunk[1].items() if k not in ("id", "timestamp", "payload")}
        return chunk[0], payload
    return chunk


@pytest.mark.parametrize("cache", CACHES)
def test_same_runs(cache: str, tmp_path: Path) -> None:
    """What runs and what comes from the cache, over runs with equal and other inputs."""
    told = []
    for engine, compiles in ENGINES.items():
        folder = tmp_path / engine
        folder.mkdir()
        ran: list[str] = []
        graph = compiles(built(ran)).compile(
            cache=CACHES[cache](folder), checkpointer=InMemorySaver()
        )
        seen = []
        for turn, n in enumerate((1, 1, 3, 7, 7)):
            seen.append(observed(graph, n, str(turn)))
            seen.append(sorted(ran))
            ran.clear()
        values = graph.get_state({"configurable": {"thread_id": "1"}}).values
        graph.clear_cache(["alone", "nowhere"])
        seen.append(observed(graph, 1, "a"))
        seen.append(sorted(ran))
        ran.clear()
        asyncio.run(graph.aclear_cache())
        seen.append(observed(graph, 1, "b"))
        seen.append(sorted(ran))
        told.append((seen, sorted(map(repr, values["log"]))))
    assert told[1] == told[0]


@pytest.mark.parametrize("cache", CACHES)
def test_same_async_runs(cache: str, tmp_path: Path) -> None:
    """The async methods of graph and cache."""
    told = []
    for engine, compiles in ENGINES.items():
        folder = tmp_path / engine
        folder.mkdir()
        ran: list[str] = []
        graph = compiles(built(ran)).compile(cache=CACHES[cache](folder))
        results = [asyncio.run(graph.ainvoke({"n": n, "log": []})) for n in (2, 2, 4)]
        told.append((results, sorted(ran)))
    assert told[1] == told[0]


@pytest.mark.parametrize("engines", [("langgraph", "lgc"), ("lgc", "langgraph")])
def test_one_engine_reads_what_the_other_has_kept(engines: tuple[str, str]) -> None:
    """Keys and values are the same."""
    told = []
    for pair in (("langgraph", "langgraph"), engines):
        cache, ran = InMemoryCache(), []
        graphs = [ENGINES[engine](built(ran)).compile(cache=cache) for engine in pair]
        results = [graph.invoke({"n": 1, "log": []}) for graph in graphs]
        told.append((results, sorted(ran)))
    assert told[1] == told[0]


@pytest.mark.parametrize("pair", [(SqliteCache, TheirSqliteCache), (TheirSqliteCache, SqliteCache)])
def test_one_file_of_both(pair: tuple[Any, Any], tmp_path: Path) -> None:
    """Either class reads what the other has written."""
    key = (("ns", "f", "n"), "k")
    pair[0](path=str(tmp_path / "c")).set({key: (deque([("x", [1, 2])]), 60)})
    (writes,) = pair[1](path=str(tmp_path / "c")).get([key]).values()
    assert [list(write) for write in writes] == [["x", [1, 2]]]


@pytest.mark.parametrize("cache", ["ours in memory", "ours in a file"])
def test_a_value_expires(cache: str, tmp_path: Path) -> None:
    kept = CACHES[cache](tmp_path)
    keys = [(("ns",), "for ever"), (("ns",), "a minute"), (("a,b", "c"), "k")]
    kept.set({keys[0]: ("v", None), keys[1]: ("w", 60), keys[2]: ("x", None)})
    assert kept.get([*keys, (("ns",), "nothing")]) == dict(zip(keys, "vwx", strict=True))
    with later(61):
        assert kept.get(keys) == {keys[0]: "v", keys[2]: "x"}
    kept.clear([("ns",)])
    assert kept.get(keys) == {keys[2]: "x"}
    kept.clear()
    assert kept.get(keys) == {}


@contextmanager
def later(seconds: float) -> Any:
    """The clock is ahead."""
    import time

    now = time.time()
    with patch("time.time", lambda: now + seconds):
        yield


def test_a_question_is_not_kept() -> None:
    """A node that asks runs again, and what it returns then is kept."""
    told = []
    for compiles in ENGINES.values():
        ran: list[str] = []

        def asks(state: State, ran: list[str] = ran) -> Any:
            ran.append("asks")
            return {"log": [interrupt("?")]}

        builder = StateGraph(State)
        builder.add_node("asks", asks, cache_policy=CachePolicy())
        builder.add_edge(START, "asks")
        cache = InMemoryCache()
        graph = compiles(builder).compile(cache=cache, checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": "t"}}
        graph.invoke({"n": 1, "log": []}, config)
        told.append((len(cache._cache), list(ran)))
    assert told[1] == told[0] == (0, ["asks"])


def test_without_a_cache() -> None:
    """A policy does nothing; clearing says so in LangGraph's words."""
    graph = compile_in_process(built([]))
    assert graph.invoke({"n": 1, "log": []})["n"] == 1
    with pytest.raises(ValueError, match="No cache is set for this graph"):
        graph.clear_cache()
    for error in (RuntimeError("get"), RuntimeError("set")):
        cache = MemoryCache()
        with patch.object(cache, str(error), side_effect=error), pytest.raises(RuntimeError):
            compile_in_process(built([])).compile(cache=cache).invoke({"n": 1, "log": []})
