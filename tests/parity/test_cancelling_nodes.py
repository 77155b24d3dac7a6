"""Nodes that cancel, are cancelled, or have something to do with it, compared with LangGraph."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cancelling import CONFIG, INPUT, SAVERS, Build, compare_plays, ours, outcome, play
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START
from langgraph.types import interrupt
from small import Lists, wire

Kind = Callable[[Any], Awaitable[Any]]
"""What a node does, given a stage whose `run` is the asyncio task of the run."""


def current() -> Any:
    task = asyncio.current_task()
    assert task is not None
    return task


async def turn() -> None:
    await asyncio.sleep(0)


class Itself:
    """Nodes that cancel themselves, or raise CancelledError."""

    @staticmethod
    async def and_waits(stage: Any) -> None:
        current().cancel("by itself")
        await turn()

    @staticmethod
    async def and_returns(stage: Any) -> None:
        current().cancel("by itself")

    @staticmethod
    async def and_fails(stage: Any) -> None:
        current().cancel("by itself")
        raise ValueError("other")

    @staticmethod
    async def and_swallows(stage: Any) -> None:
        current().cancel()
        try:
            await turn()
        except asyncio.CancelledError:
            stage.log.note("bad", "swallowed", None)

    @staticmethod
    async def swallows_and_goes_on(stage: Any) -> None:
        await Itself.and_swallows(stage)
        await stage.wait("bad again")

    @staticmethod
    async def takes_it_back(stage: Any) -> None:
        await Itself.and_swallows(stage)
        if sys.version_info >= (3, 11):
            current().uncancel()
        await stage.wait("bad again")

    @staticmethod
    async def raises(stage: Any) -> None:
        raise asyncio.CancelledError("by itself")

    @staticmethod
    async def raises_later(stage: Any) -> None:
        await turn()
        raise asyncio.CancelledError("by itself")

    @staticmethod
    async def awaits_what_it_cancels(stage: Any) -> None:
        inner = asyncio.ensure_future(asyncio.sleep(60))
        asyncio.get_running_loop().call_soon(inner.cancel)
        await inner

    @staticmethod
    async def awaits_a_cancelled_future(stage: Any) -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel("a future")
        await future

    @staticmethod
    async def gathers(stage: Any) -> None:
        await asyncio.gather(Itself.raises_later(stage), turn())

    @staticmethod
    async def in_a_runnable(stage: Any) -> None:
        await RunnableLambda(Itself.raises_later).ainvoke(stage)


class Caller:
    """Nodes that cancel the run."""

    @staticmethod
    async def and_waits(stage: Any) -> None:
        stage.run.cancel("the caller")
        await turn()

    @staticmethod
    async def and_waits_for_long(stage: Any) -> None:
        stage.run.cancel("the caller")
        await stage.wait("bad again")

    @staticmethod
    async def and_returns(stage: Any) -> None:
        stage.run.cancel("the caller")

    @staticmethod
    async def and_fails(stage: Any) -> None:
        stage.run.cancel("the caller")
        raise ValueError("other")

    @staticmethod
    async def and_raises(stage: Any) -> None:
        stage.run.cancel("the caller")
        raise asyncio.CancelledError("by itself")

    @staticmethod
    async def and_swallows(stage: Any) -> None:
        stage.run.cancel("the caller")
        try:
            await turn()
        except asyncio.CancelledError:
            stage.log.note("bad", "swallowed", None)

    @staticmethod
    async def swallows_and_goes_on(stage: Any) -> None:
        await Caller.and_swallows(stage)
        await stage.wait("bad again")

    @staticmethod
    async def cleans_up(stage: Any) -> None:
        stage.run.cancel("the caller")
        try:
            await turn()
        finally:
            await stage.wait("bad, cleaning up")

    @staticmethod
    async def fails_while_it_cleans_up(stage: Any) -> None:
        stage.run.cancel("the caller")
        try:
            await turn()
        finally:
            raise ValueError("while it cleaned up")

    @staticmethod
    async def cancels_all(stage: Any) -> None:
        for task in asyncio.all_tasks() - {current(), *stage.others}:
            task.cancel()
        await turn()

    @staticmethod
    async def from_another_turn(stage: Any) -> None:
        asyncio.get_running_loop().call_soon(stage.run.cancel)

    @staticmethod
    async def from_another_turn_and_waits(stage: Any) -> None:
        asyncio.get_running_loop().call_soon(stage.run.cancel)
        await stage.wait("bad again")


class Limits:
    """Nodes with limits of their own."""

    @staticmethod
    async def wait_for(stage: Any) -> None:
        await asyncio.wait_for(asyncio.sleep(60), 0)

    @staticmethod
    async def caught(stage: Any) -> None:
        try:
            await asyncio.wait_for(asyncio.sleep(60), 0)
        except asyncio.TimeoutError:
            stage.log.note("bad", "out of time", None)

    @staticmethod
    async def timeout(stage: Any) -> None:
        async with asyncio.timeout(0):
            await asyncio.sleep(60)

    @staticmethod
    async def task_group(stage: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(60))
            group.create_task(Itself.awaits_what_it_cancels(stage))
            raise ValueError("in a group")

    @staticmethod
    async def shield(stage: Any) -> None:
        await asyncio.shield(stage.wait("bad again"))


def kinds(*classes: Any) -> dict[str, Kind]:
    missing = {Limits.timeout, Limits.task_group} if sys.version_info < (3, 11) else set()
    return {
        f"{each.__name__}.{name}": getattr(each, name)
        for each in classes
        for name in vars(each)
        if not name.startswith("_") and getattr(each, name) not in missing
    }


KINDS = kinds(Itself, Caller, Limits)
if sys.version_info < (3, 11):
    # An asyncio task of Python 3.10 cannot tell who has cancelled it, and LangGraph's nodes share
    # the run's.
    _SHARED = ("and_fails", "and_raises", "and_swallows", "and_waits", "cancels_all")
    for _name in [*kinds(Itself), *(f"Caller.{name}" for name in _SHARED)]:
        del KINDS[_name]

RACES = (
    "Caller.and_returns",
    "Caller.from_another_turn",
    "Caller.and_fails",
    "Caller.and_raises",
)
"""The node is over when the run is cancelled: whether its end or the cancellation is recorded where
others run beside it is a matter of turns."""
if sys.version_info >= (3, 12):
    # It is over before its siblings begin, where the run is resumed and its task starts at once.
    RACES += ("Caller.cancels_all",)


def node(stage: Any, kind: Kind) -> Any:
    async def bad(state: Any) -> Any:
        stage.log.note("bad", "started", None)
        try:
            await stage.wait("bad")
            await kind(stage)
        except BaseException as exc:
            # LangGraph cancels siblings with an object of its own as message.
            message = [arg for arg in exc.args if isinstance(arg, str)]
            stage.log.note("bad", "left by", (type(exc).__name__, message))
            raise
        finally:
            stage.log.note("bad", "finally", None)
        return {"x": ["bad"]}

    return bad


def alone(kind: Kind) -> Build:
    def build(stage: Any) -> Any:
        nodes = {"a": stage.node("a"), "bad": node(stage, kind), "c": stage.node("c")}
        return wire(Lists, nodes, (START, "a"), ("a", "bad"), ("bad", "c"), ("c", END))

    return build


def beside(kind: Kind) -> Build:
    def build(stage: Any) -> Any:
        names = ["a", "bad", "c"]
        nodes = {name: stage.node(name) for name in "acd"} | {"bad": node(stage, kind)}
        return wire(Lists, nodes, *((START, name) for name in names), (names, "d"), ("d", END))

    return build


def router(kind: Kind) -> Build:
    def build(stage: Any) -> Any:
        async def choose(state: Any) -> str:
            await node(stage, kind)(state)
            return "c"

        nodes = {"a": stage.node("a"), "c": stage.node("c")}
        return wire(Lists, nodes, (START, "a"), ("a", choose), ("c", END))

    return build


PLACES = {place.__name__: place for place in (alone, beside, router)}


def running(method: str, **options: Any) -> Any:
    """What runs a graph to its end; an Act."""

    async def act(graph: Any, stage: Any) -> Any:
        async def run() -> Any:
            if method == "ainvoke":
                return await graph.ainvoke(dict(INPUT), CONFIG, **options)
            async for chunk in graph.astream(dict(INPUT), CONFIG, **options):
                stage.log.note("consumer", "chunk", chunk)

        stage.others = asyncio.all_tasks()
        stage.run = asyncio.ensure_future(run())
        steps = await stage.direct(stage.run)
        counts = stage.run.cancelling() if sys.version_info >= (3, 11) else 0
        return steps, await outcome(stage.run), stage.run.cancelled(), counts

    return act


@pytest.mark.parametrize("method", ["ainvoke", "astream"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_without_a_saver(kind: str, place: str, method: str) -> None:
    compare_plays(PLACES[place](KINDS[kind]), running(method))


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("pair", SAVERS[:2])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_thread(kind: str, place: str, pair: tuple[str, str], durability: str) -> None:
    stored = ("rows", "state", "resumed", "ran")
    but = stored if place == "beside" and kind in RACES else ()
    act = running("astream", durability=durability)
    compare_plays(PLACES[place](KINDS[kind]), act, pair, None, but)


# -- siblings -------------------------------------------------------------------------------------


def failing(stage: Any, sibling: Any) -> Any:
    async def bad(state: Any) -> Any:
        await stage.wait("bad")
        raise ValueError("by itself")

    nodes = {"a": stage.node("a"), "bad": bad, "sibling": sibling}
    return wire(Lists, nodes, *((START, name) for name in nodes))


ENDINGS: dict[str, Any] = {
    "leaves": "CancelledError()",
    "returns": None,
    "fails": "OSError('cancelled')",
    "asks": None,
}
"""What a sibling does when it is cancelled, and the error that is recorded of it."""


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_sibling_of_a_failure(ending: str, durability: str) -> None:
    """It is cancelled and awaited, and what becomes of it then is recorded.

    LangGraph cancels it twice, records only that, and nothing with durability "exit".
    """

    def build(stage: Any) -> Any:
        async def sibling(state: Any) -> Any:
            try:
                await stage.work("sibling", "c")
            except asyncio.CancelledError:
                if ending == "fails":
                    raise OSError("cancelled") from None
                if ending == "asks":
                    interrupt("cancelled?")
                if ending != "returns":
                    raise
            return {"x": ["sibling"]}

        return failing(stage, sibling)

    same = ending == "leaves"
    but = () if same else ("rows", "state", "resumed", "ran")
    act = running("astream", durability=durability)
    seen = compare_plays(build, act, SAVERS[0], None, but)
    assert ("sibling" in seen["ran"]) == (ending != "returns")
    task = seen["state"][2][2]["<PregelTask>"]
    assert task["error"] == (None if same and durability == "exit" else ENDINGS[ending])
    assert len(task["interrupts"]) == (ending == "asks")


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_sibling_that_cleans_up(durability: str) -> None:
    """It is cancelled once, and may wait; LangGraph cancels it a second time then."""

    def build(stage: Any) -> Any:
        async def sibling(state: Any) -> Any:
            try:
                await stage.work("sibling", "c")
            finally:
                for place in ("cleaning up", "once more"):
                    await stage.wait(place)
                stage.log.note("sibling", "cleaned up", None)

        return failing(stage, sibling)

    seen = play(ours, build, running("ainvoke", durability=durability), "memory")
    assert seen["shown"][0] == ["a", "bad", "cleaning up", "once more"]
    assert seen["shown"][1]["error"]["text"] == "by itself"
    assert ("sibling", "cleaned up", None) in seen["log"]
    assert not seen["left"] + seen["said"]


# -- threads --------------------------------------------------------------------------------------


class OnThread:
    """A sync node, whose thread waits until somebody lets it go on."""

    def __init__(self, stage: Any) -> None:
        self.stage = stage
        self.go_on = threading.Event()
        self.has_begun = threading.Event()
        self.is_over = threading.Event()
        stage.thread = self

    def __call__(self, state: Any) -> Any:
        self.stage.log.note("sync", "started", None)
        self.has_begun.set()
        self.go_on.wait(10)
        self.stage.log.note("sync", "worked", None)
        self.is_over.set()
        return {"x": ["sync"]}


def sync_beside(stage: Any) -> Any:
    nodes = {"a": stage.node("a"), "sync": OnThread(stage), "c": stage.node("c")}
    return wire(Lists, nodes, (START, "a"), (START, "sync"), (["a", "sync"], "c"), ("c", END))


def sync_alone(stage: Any) -> Any:
    nodes = {"a": stage.node("a"), "sync": OnThread(stage), "c": stage.node("c")}
    return wire(Lists, nodes, (START, "a"), ("a", "sync"), ("sync", "c"), ("c", END))


def sync_router(stage: Any) -> Any:
    thread = OnThread(stage)

    def choose(state: Any) -> str:
        thread(state)
        return "c"

    nodes = {"a": stage.node("a"), "c": stage.node("c")}
    return wire(Lists, nodes, (START, "a"), ("a", choose), ("c", END))


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("build", [sync_alone, sync_beside, sync_router])
def test_cancelled_while_a_thread_works(build: Build, durability: str) -> None:
    """The run ends without it, and what it returns is never stored."""

    async def act(graph: Any, stage: Any) -> Any:
        async def run() -> Any:
            return await graph.ainvoke(dict(INPUT), CONFIG, durability=durability)

        async def threads() -> None:
            await asyncio.to_thread(stage.thread.has_begun.wait, 10)
            while ("a", "finally", None) not in stage.log:
                await asyncio.sleep(0.002)
            await stage.settle(lambda: True)
            stage.run.cancel()
            await asyncio.wait([stage.run])
            stage.log.note("run", "ended", None)
            stage.thread.go_on.set()
            await asyncio.to_thread(stage.thread.is_over.wait, 10)
            await stage.settle(lambda: True)

        stage.run = asyncio.ensure_future(run())
        both = asyncio.ensure_future(threads())
        steps = await stage.direct(both)
        await both
        return steps, await outcome(stage.run), sorted(stage.log, key=lambda entry: entry[0])

    # When the thread begins is chance.
    seen = compare_plays(build, act, SAVERS[0], None, ("log",))
    ended = seen["log"].index(("run", "ended", None))
    assert ("sync", "worked", None) in seen["log"][ended:]
    assert "sync" in seen["ran"]
