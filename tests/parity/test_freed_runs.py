"""However a run ends, nothing of it waits for the garbage collector (architecture §8.2).

Objects in the config, in the state and in the frames of nodes are gone when the caller has dropped
what the run returned or raised, and no object of lgc's is left for the collector.
"""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from itertools import product
from typing import Annotated, Any, TypedDict

import pytest
from inprocess import compile_in_process
from langgraph.channels import UntrackedValue
from langgraph.errors import ParentCommand
from langgraph.graph import START
from langgraph.types import Command, interrupt
from small import wire

from lgc.savers import AsyncSqliteSaver, MemorySaver, SqliteSaver


class State(TypedDict, total=False):
    """A key, and one that no saver is handed."""

    x: int
    token: Annotated[Any, UntrackedValue]


class Token:
    """Something that is referred to weakly."""


class Tokens:
    """What a run is watched by."""

    def __init__(self) -> None:
        self._references: list[weakref.ref[Token]] = []

    def new(self) -> Token:
        """Another object, to be put somewhere in the run."""
        token = Token()
        self._references.append(weakref.ref(token))
        return token

    def are_gone(self) -> bool:
        """Whether none of them is left."""
        return not any(reference() for reference in self._references)

    def check_freed(self, case: object) -> None:
        """Nothing is left of the runs in `case`.

        Raises:
            AssertionError: something is.
        """
        assert self._references
        is_freed = self.are_gone()
        self._references.clear()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            gc.collect()
            names = [type(each).__qualname__ for each in gc.garbage if _is_ours(each)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
        assert is_freed, f"{case}: left to the garbage collector, with {sorted(names)}"
        assert not names, f"{case}: left to the garbage collector"


class Deliberate(Exception):
    """What a node, a router or a saver raises."""


# -- how a run ends -------------------------------------------------------------------------------


def _returns(state: Any) -> Any:
    return {"x": 1}


def _fails(state: Any) -> Any:
    raise Deliberate


def _fails_chained(state: Any) -> Any:
    try:
        raise Deliberate
    except Deliberate as exc:
        raise LookupError from exc


def _asks(state: Any) -> Any:
    return {"x": interrupt("what?")}


def _goes_to_parent(state: Any) -> Any:
    return Command(graph=Command.PARENT, update={"x": 1})


LAST: dict[str, Callable[[Any], Any]] = {
    "returns": _returns,
    "fails": _fails,
    "fails chained": _fails_chained,
    "asks": _asks,
    "goes to parent": _goes_to_parent,
    "router fails": _returns,
    "is exhausted": _returns,
    "saver fails": _returns,
    "waits": _returns,
    "cleans up": _returns,
}
"""What the last node does, by how the run ends."""

CANCELLED = ("waits", "cleans up")
"""The run is cancelled while the last node waits, and once more while that one cleans up."""

ENDS = [name for name in LAST if name not in CANCELLED]


def build(end: str, beside: bool, is_async: bool, tokens: Tokens) -> Any:
    """A graph that ends in a way.

    Args:
        end: of `LAST`.
        beside: the last node has a sibling, which is cancelled when it fails.
        is_async: with async nodes.
        tokens: nodes hold some, and put some into the state.
    """

    def first(state: Any) -> Any:
        held = tokens.new()
        return {"x": 0, "token": [held, tokens.new()]}

    def last(state: Any) -> Any:
        held = tokens.new()
        assert held is not state["token"]
        return LAST[end](state)

    async def afirst(state: Any) -> Any:
        await asyncio.sleep(0)
        return first(state)

    async def alast(state: Any) -> Any:
        held = tokens.new()
        try:
            await asyncio.sleep(30 if end in CANCELLED else 0)
        finally:
            if end == "cleans up":
                await asyncio.sleep(0.01)
        assert held is not None
        return last(state)

    async def asibling(state: Any) -> Any:
        held = tokens.new()
        await asyncio.sleep(0.001 if end == "returns" else 30)
        return {} if held else None

    def sibling(state: Any) -> Any:
        return {} if tokens.new() else None

    def route(state: Any) -> str:
        if end == "router fails":
            raise Deliberate
        return "first" if end == "is exhausted" else "__end__"

    nodes = {"first": afirst if is_async else first, "last": alast if is_async else last}
    edges: list[Any] = [(START, "first"), ("first", "last"), ("last", route)]
    if beside:
        ends_alone = end in ("fails", "fails chained", "returns", *CANCELLED)
        nodes["sibling"] = asibling if is_async and ends_alone else sibling
        edges.append(("first", "sibling"))
    return wire(State, nodes, *edges)


# -- savers ---------------------------------------------------------------------------------------


def _faulty(kind: type[Any]) -> type[Any]:
    """A saver that cannot store the checkpoint after the first node."""

    class Faulty(kind):  # type: ignore[misc]
        blocking = True

        def put(self, config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Any:
            if metadata["step"] == 1:
                raise Deliberate
            return super().put(config, checkpoint, metadata, versions)

        async def aput(self, config: Any, checkpoint: Any, metadata: Any, versions: Any) -> Any:
            await asyncio.sleep(0)
            if metadata["step"] == 1:
                raise Deliberate
            return await super().aput(config, checkpoint, metadata, versions)

    return Faulty


@contextmanager
def saver_of(kind: str, end: str) -> Iterator[Any]:
    """A saver for sync runs."""
    classes: dict[str, type[Any]] = {"memory": MemorySaver, "sqlite": SqliteSaver}
    cls = _faulty(classes[kind]) if end == "saver fails" else classes[kind]
    with nullcontext(cls()) if kind == "memory" else cls.from_conn_string(":memory:") as saver:
        yield saver


@asynccontextmanager
async def async_saver_of(kind: str, end: str) -> AsyncIterator[Any]:
    """A saver for async runs."""
    classes: dict[str, type[Any]] = {"memory": MemorySaver, "sqlite": AsyncSqliteSaver}
    cls = _faulty(classes[kind]) if end == "saver fails" else classes[kind]
    if kind == "memory":
        yield cls()
        return
    async with cls.from_conn_string(":memory:") as saver:
        yield saver


# -- the check ------------------------------------------------------------------------------------


@contextmanager
def without_collector() -> Iterator[None]:
    """Nothing is collected in the block."""
    gc.collect()
    # What is there already makes each collection take a tenth of a second.
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _is_ours(value: object) -> bool:
    """Whether something is an object of lgc's, or a frame that runs its code."""
    if type(value).__module__.startswith("lgc."):
        return True
    code = getattr(value, "f_code", None) or getattr(value, "cr_code", None)
    return code is not None and "/runtime/" in code.co_filename


def arguments(tokens: Tokens, end: str, durability: str | None) -> dict[str, Any]:
    """Those of a run, but for its input."""
    config: dict[str, Any] = {"configurable": {"thread_id": "t", "token": tokens.new()}}
    if end == "is exhausted":
        config["recursion_limit"] = 5
    given: dict[str, Any] = {"config": config}
    if durability is not None:
        given["durability"] = durability
    return given


STORED = (
    (None, None),
    ("memory", "sync"),
    ("memory", "exit"),
    ("sqlite", "sync"),
    ("sqlite", "async"),
)
"""Savers and durabilities."""

MOST_WAITS = 2000
"""Threads, and the event loop in its next turn, let go of the run a little after its caller."""

ERRORS = (Deliberate, LookupError, RecursionError, ParentCommand)


def cases(end: str, *methods: str) -> Iterator[tuple[str, str | None, str | None]]:
    """Methods with savers and durabilities."""
    for method, (saver, durability) in product(methods, STORED):
        # They need a saver, and one that stores before the end.
        is_unfit = end == "asks" and saver is None
        if not is_unfit and not (end == "saver fails" and durability in (None, "exit")):
            yield method, saver, durability


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("end", ENDS)
def test_sync_runs(end: str, beside: bool) -> None:
    tokens = Tokens()
    compiled = compile_in_process(build(end, beside, False, tokens))

    def run(graph: Any, method: str, durability: str | None) -> None:
        given = arguments(tokens, end, durability)
        with suppress(*ERRORS):
            if method == "invoke":
                graph.invoke({"x": 0}, **given)
                return
            for _ in graph.stream({"x": 0}, **given):
                if method == "stream closed early":
                    break

    with without_collector():
        for case in cases(end, "invoke", "stream", "stream closed early"):
            method, saver, durability = case
            opened: Any = nullcontext(None) if saver is None else saver_of(saver, end)
            with opened as store:
                run(compiled.compile(checkpointer=store), method, durability)
                for _ in range(MOST_WAITS):
                    if not tokens.are_gone():
                        time.sleep(0.001)
                tokens.check_freed(case)


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("end", LAST)
def test_async_runs(end: str, beside: bool) -> None:
    tokens = Tokens()
    compiled = compile_in_process(build(end, beside, True, tokens))

    async def run(graph: Any, method: str, durability: str | None) -> None:
        given = arguments(tokens, end, durability)
        if method == "ainvoke":
            await graph.ainvoke({"x": 0}, **given)
            return
        stream = graph.astream({"x": 0}, **given)
        async for _ in stream:
            if method == "astream closed early":
                await stream.aclose()

    async def ended(graph: Any, method: str, durability: str | None) -> None:
        running = asyncio.ensure_future(run(graph, method, durability))
        try:
            for _ in range(CANCELLED.index(end) + 1 if end in CANCELLED else 0):
                await asyncio.wait((running,), timeout=0.005)
                running.cancel()
            with suppress(*ERRORS, asyncio.CancelledError):
                await running
        finally:
            # It has the exception, whose traceback has this frame.
            del running

    async def main() -> None:
        for case in cases(end, "ainvoke", "astream", "astream closed early"):
            method, saver, durability = case
            opened: Any = nullcontext(None) if saver is None else async_saver_of(saver, end)
            async with opened as store:
                await ended(compiled.compile(checkpointer=store), method, durability)
                for _ in range(MOST_WAITS):
                    if not tokens.are_gone():
                        await asyncio.sleep(0.001)
                tokens.check_freed(case)

    with without_collector():
        asyncio.run(main())
