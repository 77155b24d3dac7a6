"""When async runs call their saver: what tasks wrote is stored while others run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
from inprocess import compile_in_process
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START
from parity import Log, failure, under_langgraph
from small import Lists, wire

CONFIG: Any = {"configurable": {"thread_id": "1"}}
ENGINES: tuple[Callable[[Any, Any], Any], ...] = (
    lambda builder, saver: under_langgraph(lambda log: builder, Log(), checkpointer=saver),
    lambda builder, saver: compile_in_process(builder).compile(checkpointer=saver),
)


class SlowSaver(InMemorySaver):
    """Takes turns of the event loop to store.

    Args:
        turns: how many for what a task wrote; a checkpoint takes one.

    Attributes:
        under_way: how many calls are, with the most that were at once.
        behind: how many calls were under way when each checkpoint was stored.
    """

    def __init__(self, turns: int) -> None:
        super().__init__()
        self.turns = turns
        self.under_way = 0
        self.most = 0
        self.behind: list[int] = []

    async def aput(self, *args: Any) -> Any:
        self.behind.append(self.under_way)
        await asyncio.sleep(0)
        return super().put(*args)

    async def aput_writes(self, *args: Any) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            for _ in range(self.turns):
                await asyncio.sleep(0)
            super().put_writes(*args)
        finally:
            self.under_way -= 1


def _fan(log: Log, nodes: dict[str, Callable[[], Any]]) -> Any:
    """Nodes side by side."""

    def node(name: str, body: Callable[[], Any]) -> Any:
        async def run(state: Any) -> Any:
            try:
                await body()
            except asyncio.CancelledError:
                log.note(name, "is cancelled", None)
                raise
            log.note(name, "ends", None)
            return {"x": [name]}

        return run

    bodies = {name: node(name, body) for name, body in nodes.items()}
    return wire(Lists, bodies, *((START, name) for name in bodies))


async def _turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def _fails() -> None:
    await asyncio.sleep(0)
    raise ValueError("no")


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_siblings_of_a_failure_are_cancelled_before_it_is_stored(durability: str) -> None:
    seen = []
    for engine in ENGINES:
        log = Log()
        builder = _fan(log, {"first": lambda: _turns(0), "fails": _fails, "b": lambda: _turns(40)})
        saver = SlowSaver(100)
        graph = engine(builder, saver)
        with pytest.raises(ValueError, match="no"):
            asyncio.run(graph.ainvoke({"x": []}, CONFIG, durability=durability))
        pending = saver.get_tuple(CONFIG).pending_writes if durability != "exit" else []
        rows = sorted((channel, repr(value)) for _, channel, value in pending)
        seen.append((list(log), rows))
    assert seen[0] == seen[1]
    assert ("b", "is cancelled", None) in seen[0][0]


@pytest.mark.parametrize("durability", ["sync", "async"])
def test_the_step_timeout_is_up_while_the_saver_stores(durability: str) -> None:
    seen = []
    for engine in ENGINES:
        log = Log()
        nodes = {"fast": lambda: _turns(0), "slow": lambda: asyncio.sleep(0.4)}
        saver = SlowSaver(0)
        saver.aput_writes = _late(saver.aput_writes)  # type: ignore[method-assign]
        graph = engine(_fan(log, nodes), saver)
        graph.step_timeout = 0.1
        try:
            asyncio.run(graph.ainvoke({"x": []}, CONFIG, durability=durability))
        except Exception as exc:
            seen.append((failure(exc)["class"], list(log)))
    assert len(seen) == 2
    assert seen[0] == seen[1]


def _late(store: Any) -> Any:
    async def aput_writes(*args: Any) -> None:
        await asyncio.sleep(0.8)
        await store(*args)

    return aput_writes


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("number", [2, 10, 50])
def test_tasks_are_stored_side_by_side(number: int, durability: str) -> None:
    """And all before the checkpoint that follows; the run takes turns by depth, not by width."""
    saver = SlowSaver(10)
    builder = _fan(Log(), {str(index): lambda: _turns(0) for index in range(number)})
    graph = compile_in_process(builder).compile(checkpointer=saver)
    asyncio.run(graph.ainvoke({"x": []}, CONFIG, durability=durability))
    assert saver.most == (0 if durability == "exit" else number)
    assert set(saver.behind) == {0}
    assert saver.get_tuple(CONFIG).checkpoint["channel_values"]["x"] == [
        str(index) for index in sorted(range(number), key=str)
    ]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="LangGraph streams from threads then")
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("turns", [0, 3])
@pytest.mark.parametrize("failing", "acd")
def test_updates_of_tasks_that_end_in_the_turn_of_a_failure(
    failing: str, turns: int, durability: str
) -> None:
    """Are streamed: what ended is told before the failure is raised."""
    seen = []
    for engine in ENGINES:
        nodes: dict[str, Callable[[], Any]] = {
            name: _fails if name == failing else lambda: _turns(1) for name in "abcd"
        }
        graph = engine(_fan(Log(), nodes), SlowSaver(turns))
        seen.append(asyncio.run(_streamed(graph, durability)))
    assert seen[0] == seen[1]


async def _streamed(graph: Any, durability: str) -> list[Any]:
    chunks: list[Any] = []
    stream = graph.astream(
        {"x": []}, CONFIG, stream_mode=["updates", "values"], durability=durability
    )
    with pytest.raises(ValueError, match="no"):
        async for chunk in stream:
            chunks.append(chunk)
    return chunks


class FailingSaver(SlowSaver):
    """Cannot store what one node writes.

    Args:
        turns: as of `SlowSaver`; that call takes one.
        failing: the node.
    """

    def __init__(self, turns: int, failing: str) -> None:
        super().__init__(turns)
        self.failing = failing

    async def aput_writes(self, config: Any, writes: Any, *args: Any) -> None:
        if ("x", [self.failing]) in writes:
            await asyncio.sleep(0)
            raise OSError("disk")
        await super().aput_writes(config, writes, *args)


@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("failing", "abc")
def test_calls_beside_one_that_fails_are_waited_for(failing: str, durability: str) -> None:
    """The caller may close the saver when the run has raised."""

    async def run(graph: Any, saver: Any) -> tuple[int, int]:
        with pytest.raises(OSError, match="disk"):
            await graph.ainvoke({"x": []}, CONFIG, durability=durability)
        return saver.under_way, len(asyncio.all_tasks())

    def node(name: str) -> Any:
        async def work(state: Any) -> Any:
            # The last one ends when the first have failed, or are being stored.
            for _ in range(8 if name == "c" else 1):
                await asyncio.sleep(0)
            return {"x": [name]}

        return work

    for engine in ENGINES:
        builder = wire(Lists, {name: node(name) for name in "abc"}, *((START, n) for n in "abc"))
        saver = FailingSaver(20, failing)
        assert asyncio.run(run(engine(builder, saver), saver)) == (0, 1)
