"""Runs with a saver: lgc does what LangGraph does, to the same bytes (architecture §6.5)."""

import operator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import pytest
from hypothesis import assume
from langgraph.channels import AnyValue, UntrackedValue
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.managed import IsLastStep
from langgraph.types import Command, interrupt
from parity import Log, pinned, same_edge_order
from pydantic import BaseModel
from random_threads import Thread, check, threads
from seeds import from_seeds
from threads import Answers, Script, Step, compare_scripts
from typing_extensions import TypedDict

from lgc import compile_graph

_MEMORY = (("UpstreamMemorySaver", "UpstreamMemorySaver"), ("UpstreamMemorySaver", "MemorySaver"))
_FILES = (("UpstreamSqliteSaver", "SqliteSaver"), ("UpstreamSqliteSaver", "UpstreamSqliteSaver"))


@from_seeds("threads", threads(), examples=10)
def test_random_threads(case: Thread) -> None:
    """Results, chunks, errors, states and every row: every call of every script."""
    check(case, _MEMORY)


@from_seeds("threads_in_files", threads(), examples=10)
def test_random_threads_in_files(case: Thread) -> None:
    """The same in SQLite files."""
    assume(not case.script.answers_again)
    with TemporaryDirectory() as folder:
        check(case, _FILES, Path(folder))


@from_seeds("threads_by_content", threads(), examples=10)
def test_random_threads_by_their_content(case: Thread) -> None:
    """As time and chance are: what is stored is equal but for ids and times."""
    # A config holds more of chance than ids: the order of a set of LangGraph's.
    assume(not any({"config", "ambient", "runtime"} & {*n.wants} for n in case.graph.nodes))
    check(case, _MEMORY[1:], pin=False)


class Asked(TypedDict):
    """The state of the graph below."""

    log: Annotated[list, operator.add]
    kept: Annotated[int, UntrackedValue]


def _build(log: Log) -> StateGraph[Any, Any, Any, Any]:
    """`a` asks twice beside `b`, who asks once; `c` joins them."""

    def node(name: str, asks: int) -> Any:
        def body(state: Asked) -> dict[str, Any]:
            log.note(name, "state", state)
            return {"log": [(name, *(interrupt(f"{name}{i}") for i in range(asks)))], "kept": asks}

        return body

    builder = StateGraph(Asked)
    for name, asks in (("a", 2), ("b", 1), ("c", 0)):
        builder.add_node(name, node(name, asks))
    builder.add_edge(START, "a")
    builder.add_edge(START, "b")
    builder.add_edge(["a", "b"], "c")
    builder.add_conditional_edges("c", lambda state: "a" if len(state["log"]) < 4 else END)
    return builder


_INPUT = Step("stream", {"log": ["in"]}, options=(("stream_mode", ["values", "updates"]),))
_ALL = Step("invoke", Answers((1, 2), by_id=True))
_LOOK = (Step("get_state"), Step("get_state_history"))
_RUN = (("run_id", "r"),)

_TRAPS: dict[str, tuple[Step, ...]] = {
    "a resume without anything to resume": (Step("invoke"), *_LOOK),
    "an input while questions wait": (_INPUT, replace(_INPUT, input={"log": ["new"]}), *_LOOK),
    "a Command on a fresh thread": (
        Step("invoke", lambda: Command(update={"log": ["x"]}, goto="c")),
        *_LOOK,
    ),
    "an input of the same run": (
        replace(_INPUT, configurable=_RUN),
        replace(_INPUT, metadata=_RUN),
        *_LOOK,
    ),
    "an answer to one of several": (_INPUT, Step("invoke", Answers((1,))), *_LOOK),
    "answers by id": (_INPUT, _ALL, *_LOOK, _ALL, *_LOOK, Step("invoke", Answers((1,))), *_LOOK),
    "a strict answer to no question": (
        _INPUT,
        Step(
            "invoke",
            lambda: Command(resume={"0" * 32: 1}),
            configurable=(("__pregel_strict_resume", True),),
        ),
    ),
    "breakpoints": (
        replace(_INPUT, options=(("interrupt_before", "*"),)),
        _ALL,
        Step("stream", Answers((3,)), options=(("interrupt_after", ["a", "nobody"]),)),
        *_LOOK,
    ),
    "time travel": (_INPUT, _ALL, Step("invoke", at=1), *_LOOK, Step("invoke", at=3), *_LOOK),
    "an answer at an old checkpoint": (_INPUT, _ALL, replace(_ALL, at=2), *_LOOK),
    "updates": (
        _INPUT,
        Step("update_state", {"log": ["u"], "kept": 7}, options=(("as_node", "a"),)),
        *_LOOK,
        Step("invoke"),
        Step("update_state", {"log": ["?"]}),
        Step("update_state", None, options=(("as_node", END),)),
        *_LOOK,
    ),
    "copies": (
        _INPUT,
        Step("update_state", None, at=1, options=(("as_node", "__copy__"),)),
        *_LOOK,
        Step("update_state", [({"log": ["x"]}, "b")], options=(("as_node", "__copy__"),)),
        *_LOOK,
        Step("update_state", {"log": ["i"]}, options=(("as_node", "__input__"),)),
        _ALL,
        *_LOOK,
    ),
    "an update of a thread that is not there": (
        Step("update_state", {"log": ["u"]}),
        *_LOOK,
        Step("invoke"),
        *_LOOK,
    ),
    "history": (
        replace(_INPUT, configurable=(("user", "u"),)),
        _ALL,
        Step("get_state_history", options=(("filter", {"user": "u"}), ("limit", 1))),
        Step("get_state_history", options=(("before", 0),)),
        Step("get_state", at=1),
    ),
}


@pytest.mark.parametrize("durability", ["sync", "exit"])
@pytest.mark.parametrize("trap", _TRAPS)
def test_traps(trap: str, durability: str) -> None:
    """What is easy to get wrong (spec §13.3), one script each."""
    given = (("durability", durability),)
    steps = tuple(
        replace(step, options=(*step.options, *given)) if step.method in _RUNS else step
        for step in _TRAPS[trap]
    )
    compare_scripts(_build, Script(steps, {"max_concurrency": 1}), _MEMORY)


_RUNS = ("invoke", "stream")


class OldSaver(InMemorySaver):
    """A saver of the user's own, from before writes had a task path; its versions are numbers."""

    def put_writes(self, config: Any, writes: Any, task_id: str) -> None:  # type: ignore[override]
        super().put_writes(config, writes, task_id)

    def get_next_version(self, current: Any, channel: None) -> Any:
        return 1 if current is None else current + 1


def test_a_saver_without_task_paths_and_with_numbers_for_versions() -> None:
    """Both engines leave the same in it, and go on with what the other left."""
    config: Any = {"configurable": {"thread_id": "1"}}
    left, ends = [], []
    for first in (StateGraph.compile, compile_graph):
        for second in (StateGraph.compile, compile_graph):
            saver = OldSaver()
            builder = same_edge_order(_build(Log()))
            with pinned() as later:
                first(builder, checkpointer=saver).invoke({}, config, durability="sync")
                later()
                graph = second(builder, checkpointer=saver)
                while asked := graph.get_state(config).interrupts:
                    answers = {question.id: "answer" for question in asked}
                    graph.invoke(Command(resume=answers), config, durability="sync")
            ends.append(graph.get_state(config).values)
            left.append(({key: dict(found) for key, found in saver.writes.items()}, saver.blobs))
    assert all(isinstance(key[3], int) for key in left[0][1])
    assert left == [left[0]] * 4
    assert ends == [ends[0]] * 4


class _Needed(BaseModel):
    key: int
    last: IsLastStep


def test_an_update_upon_a_copy_prepares_tasks_that_are_not_the_last() -> None:
    """What a node's schema is shown when the tasks due on the copy are prepared."""

    class State(TypedDict):
        key: Annotated[int, AnyValue]
        last: IsLastStep

    def build(log: Log) -> StateGraph[Any, Any, Any, Any]:
        def node(state: _Needed) -> Any:
            return {}

        builder = StateGraph(State)
        builder.add_node("a", node)
        builder.add_edge(START, "a")
        return builder

    durability = ("durability", "sync")
    steps = (
        Step("invoke", {}, options=(durability,)),
        Step("update_state", [({}, "a")], options=(("as_node", "__copy__"),)),
    )
    compare_scripts(build, Script(steps), _MEMORY)
