"""Agents of langchain and langgraph-prebuilt under both engines: a scripted model, and threads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pprint import pformat
from threading import Lock
from typing import Any
from unittest.mock import patch

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.pregel._executor import BackgroundExecutor
from parity import COUNTS, Log, difference, pinned
from pydantic import ConfigDict, Field
from threads import THREAD, Player, Script, Step, opened, ours, upstream


class Scripted(BaseChatModel):
    """A chat model that answers with the lines of a script, one a call, over and over.

    It notes its input in the log. A line is a message, which is copied, or an exception, which is
    raised. Clearing the log restarts the script, except on threads: there the script goes on where
    the run before stopped.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)
    script: list[Any]
    log: Any
    name: str = "model"
    said: list[int] = Field(default_factory=list)
    """How many lines have been said, as its only item: bound copies share it."""

    def __init__(self, log: Log, *script: Any, **fields: Any) -> None:
        super().__init__(script=list(script), log=log, said=[0], **fields)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        names = [getattr(tool, "name", None) or getattr(tool, "__name__", tool) for tool in tools]
        return self.bind(tools=names, **kwargs)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any):
        with _SAYING:
            turn = self.said[0] if _THREADS else self.log.visits(self.name, "asked")
            line = self.script[turn % len(self.script)]
            self.said[0] += 1
            self.log.note(self.name, "asked", list(messages))
        self.log.note(self.name, "with", {k: str(v) for k, v in sorted(kwargs.items())})
        if isinstance(line, Exception):
            raise line
        message = line.model_copy(deep=True)
        return ChatResult(generations=[ChatGeneration(message=message)])


_SAYING = Lock()
_THREADS: list[bool] = []
"""Not empty while a thread is played."""


def calls(*tools: tuple[str, dict[str, Any]], said: str = "") -> AIMessage:
    """A message of a model that calls tools; their ids are "0", "1" and so on."""
    return AIMessage(
        said,
        tool_calls=[
            {"name": name, "args": args, "id": str(i), "type": "tool_call"}
            for i, (name, args) in enumerate(tools)
        ],
    )


@dataclass(frozen=True)
class Scenario:
    """An agent and what it is asked.

    Attributes:
        make: makes the agent, a compiled graph of LangGraph's, whose parts note in the log.
        input: the input of a run.
        options: keyword arguments of a run.
        config: of a run.
        compiled: what the agent is compiled with beside a saver, when it runs on a thread.
        steps: what follows the first run on a thread.
        fails: its runs raise.
    """

    make: Callable[[Log], Any]
    input: Any = field(default_factory=lambda: {"messages": [("user", "hi")]})
    options: tuple[tuple[str, Any], ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    compiled: tuple[tuple[str, Any], ...] = ()
    steps: tuple[Step, ...] = ()
    fails: bool = False


ALL_MODES = ["values", "updates", "custom", "tasks"]


def compare_threads(scenario: Scenario, kinds: tuple[str, str], durability: str) -> list[Any]:
    """Plays a scenario on a thread under both engines, and wants no difference.

    Compared are what each step shows, and what the savers hold at the end: ids of messages,
    which langchain draws, are named by their turn.

    Args:
        scenario: its first run is streamed in all modes, then come its steps; at the end the
            state and the history are read, it runs once more, and they are read again.
        kinds: the saver under LangGraph, and the one under lgc.
        durability: of the runs.

    Returns:
        What LangGraph showed, step by step.
    """
    ask = Step("stream", scenario.input, options=(("stream_mode", ALL_MODES), *scenario.options))
    look = (Step("get_state"), Step("get_state_history"))
    again = Step("invoke", scenario.input, options=scenario.options)
    steps = tuple(
        replace(step, options=(*step.options, ("durability", durability)))
        if step.method in ("invoke", "stream")
        else step
        for step in (ask, *scenario.steps, *look, again, *look)
    )
    script = Script(steps, scenario.config, scenario.compiled)
    seen = []
    held = []
    for engine, kind in ((upstream, kinds[0]), (ours, kinds[1])):
        with opened(kind, None) as saver:
            player = Player(engine, scenario.make, script, saver)
            with pinned() as later, _on_threads(), _serialised_at_once():
                shown = []
                for step in steps:
                    later()
                    shown.append(player.play(step)[0])
            seen.append(shown)
            held.append(_held(saver))
    for number, (step, theirs, mine) in enumerate(zip(steps, *seen, strict=True)):
        diff = difference(theirs, mine)
        assert diff is None, f"step {number}: {step}\n{diff}"
    if named(repr(held[0])) != named(repr(held[1])):
        texts = [named(pformat(rows, width=100)).splitlines() for rows in held]
        raise AssertionError(f"what the savers hold\n{difference(*texts)}")
    COUNTS["scripts"] += 1
    COUNTS["calls on threads"] += len(steps)
    return seen[0]


@contextmanager
def _on_threads() -> Iterator[None]:
    _THREADS.append(True)
    try:
        yield
    finally:
        _THREADS.clear()


@contextmanager
def _serialised_at_once() -> Iterator[None]:
    """Has LangGraph store writes on the thread that wrote them.

    Else it is chance whether a message is stored before the reducer gives it its id, or after;
    lgc stores it as it was written (docs/differences.md).
    """
    original = BackgroundExecutor.submit

    def submit(self: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(function, "__name__", "") != "put_writes":
            return original(self, function, *args, **kwargs)
        done: Future[Any] = Future()
        done.set_result(function(*args))
        return done

    with patch.object(BackgroundExecutor, "submit", submit):
        yield


def _held(saver: Any) -> list[Any]:
    config = {"configurable": {"thread_id": THREAD, "checkpoint_ns": ""}}
    return [
        [
            saved.checkpoint,
            dict(sorted(saved.metadata.items())),
            saved.parent_config,
            # Parallel tasks end in any order.
            sorted(saved.pending_writes, key=lambda write: write[0]),
        ]
        for saved in reversed(list(saver.list(config)))
    ]


def named(text: str) -> str:
    """`text` with every id that was drawn named by its turn."""
    names: dict[str, str] = {}
    return _DRAWN.sub(lambda match: names.setdefault(match[0], f"<{len(names)}>"), text)


_DRAWN = re.compile(r"(lc_run-+)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-\d+)?")
