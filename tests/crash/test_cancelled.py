"""A run that is cancelled at any turn of its event loop loses nothing; another ends its thread.

Nothing that was stored as done is done again, whatever suspends: nodes, routers or the saver.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any, NamedTuple

import pytest
import shutdowns
from crashing import CANCELLATIONS
from limited import limited
from seeds import SCALE
from suspending import CONFIG, GRAPHS, Faulty, Journal, compiled_graph, durable, go_on

from lgc.savers import AsyncSqliteSaver, MemorySaver

STRIDE = max(1, round(3 / SCALE))
"""Every so manyth turn is one to be cancelled at; all are with LGC_SCALE=3."""

DURABILITIES = ("sync", "async", "exit")

MOST_TURNS = 400
"""A run takes fewer turns of the event loop."""


class Case(NamedTuple):
    """A run, and how it is stored."""

    graph: str
    durability: str
    suspends: int


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
    return compiled_graph(case.graph, journal), journal


@pytest.mark.parametrize("suspends", [0, 1, 2])
@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", GRAPHS)
def test_every_turn(graph: str, durability: str, suspends: int) -> None:
    """With savers that suspend 0, 1 and 2 times before they store, and after."""
    case = Case(graph, durability, suspends)
    compiled, journal = compiled_case(case)

    async def main(saver_suspends: int) -> None:
        for turn in range(1 + saver_suspends % STRIDE, MOST_TURNS, STRIDE):
            saver = Faulty(saver_suspends)
            if not await check_turn(case, compiled, saver, turn, journal):
                break
            CANCELLATIONS[graph] += 1
            assert len(asyncio.all_tasks()) == 1
        else:
            raise AssertionError("the run does not end")

    for saver_suspends in (0, 1, 2):
        asyncio.run(main(saver_suspends))


@pytest.mark.parametrize("durability", DURABILITIES)
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


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", ["chain", "fan", "question", "failure"])
def test_the_event_loop_is_shut_down(graph: str, durability: str) -> None:
    """All of its tasks are cancelled, those of saver calls included, and some of them twice."""
    for way in shutdowns.WAYS:
        arguments = (graph, durability, way, "memory", STRIDE)
        CANCELLATIONS[graph] += limited(shutdowns.check_turns, *arguments)


@pytest.mark.parametrize("durability", DURABILITIES)
def test_the_event_loop_of_a_saver_with_a_thread_is_shut_down(durability: str) -> None:
    """AsyncSqliteSaver, which is closed before the loop is."""
    for way in ("all", "all, again 1", "main"):
        arguments = ("fan", durability, way, "sqlite", STRIDE)
        CANCELLATIONS["fan"] += limited(shutdowns.check_turns, *arguments)


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("fault", ["KeyboardInterrupt", "SystemExit"])
def test_a_saver_that_ends_the_process(fault: str, durability: str) -> None:
    """`asyncio.run` raises what the saver raises, and as much is stored as under LangGraph."""
    arguments = ("chain", durability, fault, True)
    expected = limited(shutdowns.outcomes, "upstream", *arguments)
    assert {error for _, error, _ in expected} == {fault}
    assert limited(shutdowns.outcomes, "ours", *arguments) == expected
    limited(shutdowns.outcomes, "ours", "fan", *arguments[1:])


@pytest.mark.parametrize("durability", DURABILITIES)
def test_a_saver_that_raises_cancelled_error(durability: str) -> None:
    """The run raises it, where LangGraph's may end as if all were stored."""
    arguments = ("chain", durability, "CancelledError", False)
    expected = limited(shutdowns.outcomes, "upstream", *arguments)
    seen = limited(shutdowns.outcomes, "ours", *arguments)
    assert {error for _, error, _ in seen} == {"CancelledError"}
    if durability != "sync":
        seen = [[method, None, steps] for method, _, steps in seen]
    assert seen == expected
    limited(shutdowns.outcomes, "ours", "fan", *arguments[1:])


@pytest.mark.parametrize("durability", DURABILITIES)
@pytest.mark.parametrize("graph", ["chain", "fan"])
def test_a_saver_that_raises_cancelled_error_once(graph: str, durability: str) -> None:
    """It is as if its loop had been shut down: the call is made again, and nothing is lost."""
    seen = limited(shutdowns.outcomes, "ours", graph, durability, "CancelledError", True)
    whole = max(steps for _, _, steps in seen)
    assert all(outcome[1:] == [None, whole] for outcome in seen)
