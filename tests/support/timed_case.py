"""Runs a graph whose nodes have timeouts under both engines, in virtual time.

Without a saver and with one; compared is everything that the caller, the nodes and an observer of
the attempts can see.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from inprocess import compile_in_process
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, RetryPolicy
from parity import Log, comparable, difference, failure, pinned, under_langgraph
from small import Lists
from virtual_time import run_in_virtual_time

Build = Callable[[Any], Any]

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{32}\b")
MODES = ["values", "updates", "custom", "tasks", "debug", "checkpoints"]
RETRY = RetryPolicy(initial_interval=0.5, jitter=False, max_attempts=3)


def chain(*nodes: Any, state: Any = Lists, **defaults: Any) -> StateGraph[Any, Any, Any, Any]:
    """A chain of nodes, each a function, or `(function, arguments of add_node)`."""
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(state)
    before = START
    for node in nodes:
        function, arguments = node if isinstance(node, tuple) else (node, {})
        name = arguments.pop("name", None) or function.__name__
        builder.add_node(name, function, **arguments)
        builder.add_edge(before, name)
        before = name
    return builder.set_node_defaults(**defaults) if defaults else builder


class EngineLog(Log):
    """What nodes note under one engine.

    Attributes:
        is_lgc: whether that is lgc.
    """

    is_lgc: bool = False

    def compiled(self, builder: Any) -> Any:
        """A graph of that engine."""
        return compile_in_process(builder) if self.is_lgc else builder.compile()


def shown_error(exc: BaseException | None) -> Any:
    """An exception, and of a timeout what it says besides its text."""
    if exc is None:
        return None
    fields = ("node", "kind", "timeout", "idle_timeout", "run_timeout")
    shown = {field: getattr(exc, field, None) for field in fields}
    return {"failure": failure(exc), **shown}


def _event(event: Any) -> Any:
    """What an observer is told, without times."""
    context = event.context._asdict()
    del context["started_at"]
    return (event.event, event.status, event.error_type, event.error_message, context)


async def _run(graph: Any, value: Any, config: Any, stream: bool, observed: list[Any]) -> Any:
    result = error = None
    chunks: list[Any] = []
    conf = {"__pregel_timed_attempt_observer": lambda event: observed.append(_event(event))}
    config = {**config, "configurable": {**config.get("configurable", {}), **conf}}
    try:
        if stream:
            async for chunk in graph.astream(value, config, stream_mode=MODES, subgraphs=True):
                chunks.append(_without_observer(comparable(chunk)))
        else:
            result = comparable(await graph.ainvoke(value, config))
    except Exception as exc:
        error = shown_error(exc)
    return result, chunks, error


def _without_observer(value: Any) -> Any:
    """A chunk without the observer, of which there is one for each run."""
    if isinstance(value, dict):
        own = "__pregel_timed_attempt_observer"
        return {key: _without_observer(item) for key, item in value.items() if key != own}
    if isinstance(value, (list, tuple)):
        return [_without_observer(item) for item in value]
    return value


async def _all(graph: Any, saved: Any, value: Any, config: Any, log: Log, answers: Any) -> Any:
    """Everything that one engine shows: each run, what nodes noted, and the thread at its end."""
    seen: list[Any] = []

    async def run(which: Any, value: Any, config: Any, stream: bool) -> None:
        log.clear()
        observed: list[Any] = []
        outcome = await _run(which, value, config, stream, observed)
        # Until all has ended that a node may have left behind.
        await asyncio.sleep(100)
        seen.append((outcome, list(log), observed))

    for stream in (False, True):
        with pinned():
            await run(graph, value, config, stream)
    for stream in (False, True):
        thread = {**config, "configurable": {"thread_id": str(stream)}}
        with pinned():
            for what in (value, *map(_answer, answers)):
                await run(saved, what, thread, stream)
                state = await saved.aget_state(thread)
                tasks = [(task.name, task.error, task.interrupts) for task in state.tasks]
                seen.append((state.values, state.next, tasks))
    return seen


def last_finish(events: list[Any]) -> Any:
    """The last event that says how an attempt has ended."""
    return [event for event in events if event[0] == "finish"][-1]


def _answer(answer: Any) -> Any:
    return None if answer is None else Command(resume=answer)


def check(
    build: Build,
    value: Any = None,
    config: Any = None,
    answers: tuple[Any, ...] = (),
    is_nested: bool = False,
) -> list[Any]:
    """Runs a graph in every way under both engines, and wants no difference.

    Args:
        build: makes the graph; its nodes note what they see in the log.
        value, config: of every run.
        answers: how an interrupted thread goes on; None is no answer.
        is_nested: nodes call graphs; the ids of several runs are drawn in another order.

    Returns:
        What LangGraph showed, run by run: `((result, chunks, error), log, events)`.
    """
    seen = []
    for compiled in (under_langgraph, compiled_by_lgc):
        log = EngineLog()
        log.is_lgc = compiled is compiled_by_lgc
        graph, saved = compiled(build, log), compiled(build, log, checkpointer=InMemorySaver())
        main = _all(graph, saved, value or {"x": []}, config or {}, log, answers)
        seen.append(run_in_virtual_time(main))
    shown: list[Any] = seen[0]
    if is_nested:
        seen = [list(map(_with_ids_in_order, shown)) for shown in seen]
    assert difference(*seen) is None, difference(*seen)
    return shown


def _with_ids_in_order(seen: Any) -> Any:
    """What was observed, with ids renamed in the order in which they first appear."""
    names: dict[str, str] = {}

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            return _ID.sub(lambda m: names.setdefault(m[0], f"id {len(names)}"), value)
        if isinstance(value, dict):
            return {renamed(key): renamed(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [renamed(item) for item in value]
        return value

    return renamed(seen)


def compiled_by_lgc(build: Build, log: Log, **options: Any) -> Any:
    graph = compile_in_process(build(log))
    return graph.compile(**options) if options else graph


def slow_node(log: Log, seconds: float = 10.0, name: str = "slow") -> Any:
    async def node(state: Any) -> Any:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            log.note(name, "is cancelled", None)
            raise
        log.note(name, "ends", None)
        return {"x": [name]}

    node.__name__ = name
    return node
