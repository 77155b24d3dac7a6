"""A run that is cancelled at any turn of its event loop loses nothing; another ends its thread.

Nothing that was stored as done is done again, whatever suspends: nodes, routers or the saver.
"""

from __future__ import annotations

import asyncio
import operator
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NamedTuple, TypedDict

import pytest
from crashing import CANCELLATIONS
from inprocess import compile_in_process
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from seeds import SCALE

from lgc.savers import AsyncSqliteSaver, MemorySaver

STRIDE = max(1, round(3 / SCALE))
"""Every so manyth turn is one to be cancelled at; all are with LGC_SCALE=3."""

MOST_TURNS = 400
"""A run takes fewer turns of the event loop."""


class State(TypedDict):
    """A trail, and a number."""

    trail: Annotated[list[str], operator.add]
    count: int


class Journal:
    """What nodes have done, and how often they suspend.

    Attributes:
        suspends: how often each node and router does.
        done: `(task id, superstep, node)` of what has returned, in order.
        fails: the failing node fails.
    """

    def __init__(self, suspends: int) -> None:
        self.suspends = suspends
        self.done: list[tuple[str, int, str]] = []
        self.fails = True

    def node(self, name: str, body: Callable[[Any], Any] | None = None) -> Any:
        """An async node that writes its name, or what `body` returns."""

        async def run(state: Any, config: RunnableConfig) -> Any:
            for _ in range(self.suspends):
                await asyncio.sleep(0)
            update = {"trail": [name]} if body is None else body(state)
            task, step = config["configurable"]["__pregel_task_id"], config["metadata"]
            self.done.append((task, step["langgraph_step"], name))
            return update

        return run


def _wired(nodes: dict[str, Any], *edges: Any) -> Any:
    builder: Any = StateGraph(State)
    for name, node in nodes.items():
        builder.add_node(name, node)
    for start, end in edges:
        builder.add_edge(start, end)
    return builder


def _chain(journal: Journal) -> Any:
    names = "abcd"
    edges = zip((START, *names), (*names, END), strict=True)
    return _wired({name: journal.node(name) for name in names}, *edges)


def _fan(journal: Journal) -> Any:
    sides = ("left", "mid", "right")
    nodes = {name: journal.node(name) for name in ("split", *sides, "join")}
    starts = [("split", side) for side in sides]
    return _wired(nodes, (START, "split"), *starts, ([*sides], "join"), ("join", END))


def _loop(journal: Journal) -> Any:
    async def more(state: State) -> str:
        await asyncio.sleep(0)
        return "turn" if state["count"] < 3 else END

    def turn(state: State) -> Any:
        return {"trail": [f"turn {state['count']}"], "count": state["count"] + 1}

    builder = _wired({"turn": journal.node("turn", turn)}, (START, "turn"))
    return builder.add_conditional_edges("turn", more, ["turn", END])


def _sends(journal: Journal) -> Any:
    async def each(state: State) -> list[Send]:
        return [Send("work", {"trail": [], "count": item}) for item in range(3)]

    nodes = {name: journal.node(name) for name in ("split", "work", "reduce")}
    builder = _wired(nodes, (START, "split"), ("work", "reduce"), ("reduce", END))
    return builder.add_conditional_edges("split", each, ["work"])


def _question(journal: Journal) -> Any:
    def ask(state: State) -> Any:
        return {"trail": [interrupt("who?")]}

    nodes = {"a": journal.node("a"), "ask": journal.node("ask", ask), "b": journal.node("b")}
    return _wired(nodes, (START, "a"), ("a", "ask"), ("ask", "b"), ("b", END))


def _failure(journal: Journal) -> Any:
    def fail(state: State) -> Any:
        if journal.fails:
            raise ValueError("on purpose")
        return {"trail": ["recovered"]}

    nodes = {
        "good": journal.node("good"),
        "bad": journal.node("bad", fail),
        "end": journal.node("end"),
    }
    sides = ("good", "bad")
    return _wired(nodes, *((START, side) for side in sides), ([*sides], "end"), ("end", END))


GRAPHS = {
    "chain": _chain,
    "fan": _fan,
    "loop": _loop,
    "sends": _sends,
    "question": _question,
    "failure": _failure,
}


def suspending(times: int) -> Any:
    """A saver in memory whose async methods suspend so often."""

    class Suspending(MemorySaver):
        blocking = True

        async def aget_tuple(self, config: Any) -> Any:
            await _turns()
            return await super().aget_tuple(config)

        async def aput(self, *args: Any) -> Any:
            await _turns()
            result = await super().aput(*args)
            await _turns()
            return result

        async def aput_writes(self, *args: Any) -> Any:
            await _turns()
            await super().aput_writes(*args)
            await _turns()

    async def _turns() -> None:
        for _ in range(times):
            await asyncio.sleep(0)

    return Suspending()


class Case(NamedTuple):
    """A run, and how it is stored."""

    graph: str
    durability: str
    suspends: int


CONFIG: Any = {"configurable": {"thread_id": "t"}}


async def cancelled_at(turn: int, run: Awaitable[Any]) -> bool:
    """Cancels a run after so many turns of the event loop; whether it went on till then."""
    task = asyncio.ensure_future(run)
    loop = asyncio.get_running_loop()
    passed = 0

    def tick() -> None:
        nonlocal passed
        passed += 1
        if passed == turn:
            task.cancel()
        elif not task.done():
            loop.call_soon(tick)

    loop.call_soon(tick)
    try:
        await task
    except asyncio.CancelledError:
        return True
    except ValueError:
        return False
    return False


async def go_on(graph: Any, journal: Journal) -> Any:
    """Brings the thread to its end; the state then."""
    journal.fails = False
    for _ in range(4):
        snapshot = await graph.aget_state(CONFIG)
        if snapshot.created_at is None or snapshot.next == ("__start__",):
            given: Any = {"trail": ["in"], "count": 0}
        elif snapshot.interrupts:
            given = Command(resume="me")
        elif snapshot.tasks:
            # They are due, or were done without their superstep having ended.
            given = None
        else:
            return snapshot.values
        await graph.ainvoke(given, CONFIG)
    raise AssertionError("the thread does not end")


async def durable(graph: Any) -> tuple[int, set[str]]:
    """The newest checkpoint's superstep, and the tasks on it that are stored as done."""
    snapshot = await graph.aget_state(CONFIG)
    if snapshot.created_at is None:
        return -2, set()
    return snapshot.metadata["step"], {task.id for task in snapshot.tasks if task.result}


async def check_turn(case: Case, compiled: Any, saver: Any, turn: int, journal: Journal) -> bool:
    """Cancels a run at a turn and finishes its thread; False when the run was over before."""
    graph = compiled.compile(checkpointer=saver)
    journal.done.clear()
    journal.fails = True
    given = {"trail": ["in"], "count": 0}
    way = _read if turn % 2 else _invoked
    was_cancelled = await cancelled_at(turn, way(graph, given, case.durability))
    before = [*journal.done]
    step, tasks = await durable(graph)
    # Whatever was cancelled has ended: nothing goes on behind the caller.
    await asyncio.sleep(0)
    assert await durable(graph) == (step, tasks)
    assert journal.done == before
    # What had returned before the superstep that was cancelled is in a checkpoint.
    assert not before or step >= max(done[1] for done in before) - 1, f"turn {turn}"
    values = await go_on(graph, journal)
    again = [done for done in journal.done[len(before) :] if done[1] <= step or done[0] in tasks]
    assert not again, f"turn {turn}: {again} was stored as done"
    expected = await _uncancelled(case, compiled, journal)
    assert values == expected, f"turn {turn}"
    return was_cancelled


async def _read(graph: Any, given: Any, durability: str) -> None:
    async for _ in graph.astream(given, CONFIG, durability=durability):
        pass


async def _invoked(graph: Any, given: Any, durability: str) -> None:
    await graph.ainvoke(given, CONFIG, durability=durability)


async def _uncancelled(case: Case, compiled: Any, journal: Journal) -> Any:
    graph = compiled.compile(checkpointer=MemorySaver())
    return await go_on(graph, journal)


def compiled_case(case: Case) -> tuple[Any, Journal]:
    """The graph of a case, and what its nodes write into."""
    journal = Journal(case.suspends)
    return compile_in_process(GRAPHS[case.graph](journal)), journal


@pytest.mark.parametrize("suspends", [0, 1, 2])
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_every_turn(graph: str, durability: str, suspends: int) -> None:
    """With savers that suspend 0, 1 and 2 times before they store, and after."""
    case = Case(graph, durability, suspends)
    compiled, journal = compiled_case(case)

    async def main(saver_suspends: int) -> None:
        for turn in range(1 + saver_suspends % STRIDE, MOST_TURNS, STRIDE):
            saver = suspending(saver_suspends)
            if not await check_turn(case, compiled, saver, turn, journal):
                break
            CANCELLATIONS[graph] += 1
            assert len(asyncio.all_tasks()) == 1
        else:
            raise AssertionError("the run does not end")

    for saver_suspends in (0, 1, 2):
        asyncio.run(main(saver_suspends))


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("graph", ["chain", "fan"])
def test_turns_of_a_saver_with_a_thread(graph: str, durability: str, tmp_path: Any) -> None:
    """AsyncSqliteSaver, whose calls take as many turns as they take."""
    case = Case(graph, durability, 1)
    compiled, journal = compiled_case(case)

    async def main() -> None:
        seen: Counter[bool] = Counter()
        for turn in range(1, 60, 2):
            path = str(tmp_path / f"{turn}.db")
            async with AsyncSqliteSaver.from_conn_string(path) as saver:
                seen[await check_turn(case, compiled, saver, turn, journal)] += 1
        CANCELLATIONS[graph] += seen[True]
        assert seen[True]

    asyncio.run(main())
