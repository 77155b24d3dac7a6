"""What a caller gets of a run's chunks: every shape of every mode, and what is printed (spec §5)."""

from __future__ import annotations

import io
import operator
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import pytest
from inprocess import compile_in_process
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph
from langgraph.managed import IsLastStep
from langgraph.types import Command, interrupt
from parity import COUNTS, Log, comparable, difference, failure, pinned, under_langgraph
from pydantic import BaseModel, field_validator
from small import wire, writes
from threads import stored

from lgc import backend

Arguments = dict[str, Any]


class Typed(TypedDict):
    """No chunk is made into anything."""

    x: Annotated[list, operator.add]
    last: Any


class TypedOutput(TypedDict):
    """One of the keys."""

    x: list


class Model(BaseModel):
    """Every state is valid."""

    x: Annotated[list, operator.add] = []
    last: Any = None


class Strict(BaseModel):
    """The state is valid once `last` is a number."""

    x: Annotated[list, operator.add]
    last: int


class OutputModel(BaseModel):
    """One of the keys, made into tuples."""

    x: tuple[Any, ...] = ()


@dataclass
class Data:
    """Every state is valid."""

    x: Annotated[list, operator.add] = field(default_factory=list)
    last: Any = None


@dataclass
class OutputData:
    """One of the keys, with a property of its own."""

    x: list

    @property
    def size(self) -> int:
        return len(self.x)


class Managed(BaseModel):
    """A managed value is no part of what is streamed."""

    x: Annotated[list, operator.add] = []
    last: Any = None
    is_last: IsLastStep = False


class Private(TypedDict):
    """A key that the state's schema has not."""

    last: Any
    secret: Any


def counting(log: Log) -> type[BaseModel]:
    """A model that notes every object that is made of it."""

    class Counting(BaseModel):
        """Notes every object."""

        x: Annotated[list, operator.add] = []
        last: Any = None

        @field_validator("x")
        @classmethod
        def note(cls, value: list[Any]) -> list[Any]:
            log.note("schema", "x", value)
            return value

    return Counting


# The constructor's arguments.
SCHEMAS: dict[str, Callable[[Log], Arguments]] = {
    "typed": lambda log: {"state_schema": Typed},
    "model": lambda log: {"state_schema": Model},
    "dataclass": lambda log: {"state_schema": Data},
    "strict": lambda log: {"state_schema": Strict, "input_schema": Typed},
    "managed": lambda log: {"state_schema": Managed},
    "typed to model": lambda log: {"state_schema": Typed, "output_schema": OutputModel},
    "typed to dataclass": lambda log: {"state_schema": Typed, "output_schema": OutputData},
    "model to typed": lambda log: {"state_schema": Model, "output_schema": TypedOutput},
    "model to dataclass": lambda log: {"state_schema": Model, "output_schema": OutputData},
    "dataclass to model": lambda log: {"state_schema": Data, "output_schema": OutputModel},
    "counting": lambda log: {"state_schema": counting(log)},
}


def ask(state: Any) -> Any:
    """Writes a chunk, asks, and writes the answer."""
    get_stream_writer()("asks")
    return {"x": [interrupt("question")], "last": 2}


def fail(state: Any) -> Any:
    """Writes a chunk and fails."""
    get_stream_writer()({"custom": "fails"})
    raise ValueError("no")


NODES: dict[str, dict[str, Any]] = {
    "plain": {"a": writes(x=["a"], last=1), "b": writes(x=["b"])},
    "asks": {"a": writes(x=["a"], last=1), "b": ask, "c": writes(last="c")},
    "asks first": {"a": ask},
    "writes nothing": {"a": writes(), "b": lambda state: None},
    "fails": {"a": writes(x=["a"], last=1), "b": fail},
    "becomes invalid": {"a": writes(last=1), "b": writes(x="text", last="text")},
}


def chain(log: Log, schemas: Arguments, nodes: dict[str, Any]) -> StateGraph[Any]:
    """The nodes one after the other."""
    edges = [(START, "a"), *zip(nodes, list(nodes)[1:], strict=False)]
    state, *rest = (schemas.pop("state_schema"),)
    return wire(state, nodes, *edges, **schemas)


EVERY = ["values", "updates", "custom", "tasks", "checkpoints", "debug"]


def shapes() -> Iterator[tuple[str, Arguments]]:
    """Every way to ask, as a method and its arguments, that shows in the shape of a chunk."""
    for version in ("v1", "v2"):
        for mode in EVERY:
            yield "stream", {"stream_mode": mode, "version": version}
        for modes in (EVERY, tuple(EVERY), [], "", "other", ["debug"], ["debug", "checkpoints"]):
            yield "stream", {"stream_mode": modes, "version": version}
        yield "stream", {"version": version}
        yield "stream", {"stream_mode": {"values"}, "version": version}
        for subgraphs in (True, 1):
            for modes in ("values", EVERY, ("updates", "custom")):
                yield "stream", {"stream_mode": modes, "subgraphs": subgraphs, "version": version}
        for keys in ("x", ["x"], ["last", "x"], ("last",), [], "last", "unknown"):
            some = {"stream_mode": ["values", "updates", "tasks"], "output_keys": keys}
            yield "stream", {**some, "version": version}
            yield "invoke", {"output_keys": keys, "version": version}
        for printed in ("values", ["updates", "tasks"], ("debug",), [], EVERY, "values,updates"):
            asked = {"print_mode": printed, "version": version}
            yield "stream", {"stream_mode": "custom", **asked}
            yield "stream", {"stream_mode": ["values", "checkpoints"], **asked}
            yield "stream", {"stream_mode": "values", "subgraphs": True, **asked}
            yield "invoke", asked
        yield "stream", {"debug": True, "version": version}
        yield "stream", {"debug": True, "print_mode": "custom", "version": version}
        yield "invoke", {"version": version}
        yield "invoke", {"debug": True, "version": version}
        yield "invoke", {"subgraphs": True, "version": version}
        for modes in (None, "updates", "debug", ["values"], EVERY, ("values", "custom")):
            yield "invoke", {"stream_mode": modes, "version": version}
        for stop in ("interrupt_before", "interrupt_after"):
            yield "stream", {"stream_mode": EVERY, stop: "*", "version": version}
            yield "invoke", {stop: ["a"], "version": version}
    for version in ("v3", "", None, 2):
        yield "stream", {"stream_mode": ["values"], "version": version}
        yield "invoke", {"version": version}


SHAPES = list(shapes())


def observe(graph: Any, method: str, input: Any, config: Any, arguments: Arguments) -> Any:
    """All that a caller sees of one call: chunk by chunk, with what was printed before each."""
    chunks: list[Any] = []
    kept: list[Any] = []
    result = error = None
    printed = io.StringIO()
    with redirect_stdout(printed), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            if method == "stream":
                for chunk in graph.stream(input, config, **arguments):
                    chunks.append((printed.getvalue(), comparable(chunk)))
                    kept.append(chunk)
            else:
                result = graph.invoke(input, config, **arguments)
        except Exception as exc:
            error = failure(exc)
    return {
        "result": comparable(result),
        "class": type(result).__module__,
        "chunks": chunks,
        # What the run does with a payload after the chunk was handed out shows here.
        "afterwards": comparable(kept),
        "printed": printed.getvalue(),
        "error": error,
        "warnings": [(entry.category, str(entry.message)) for entry in warned],
    }


def under_lgc(build: Callable[[Log], Any], log: Log, **options: Any) -> Any:
    """lgc's graph of what `build` makes."""
    return compile_in_process(build(log)).compile(**options)


def through_backend(build: Callable[[Log], Any], log: Log, **options: Any) -> Any:
    """LangGraph's object that runs on lgc."""
    backend.install()
    try:
        return build(log).compile(**options)
    finally:
        backend.uninstall()


def same(build: Callable[[Log], Any], engine: Any, play: Callable[[Any], Any], **options: Any) -> Any:
    """What `play` makes of LangGraph's graph, and is to make of lgc's."""
    seen = []
    for engine in (under_langgraph, engine):
        log = Log()
        graph = engine(build, log, **options)
        with pinned():
            seen.append((play(graph), list(log)))
    COUNTS["shapes of chunks"] += 1
    assert (diff := difference(*seen)) is None, diff
    return seen[0][0]


@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize("schemas", SCHEMAS)
def test_every_shape(schemas: str, nodes: str) -> None:
    """Without a saver; chunk by chunk, with what is printed before each."""
    build = lambda log: chain(log, SCHEMAS[schemas](log), NODES[nodes])  # noqa: E731
    graphs = [(engine(build, log := Log()), log) for engine in (under_langgraph, under_lgc)]
    for method, arguments in SHAPES:
        seen: list[Any] = []
        for graph, log in graphs:
            log.clear()
            with pinned():
                seen.append((observe(graph, method, {"x": ["in"]}, None, arguments), list(log)))
        COUNTS["shapes of chunks"] += 1
        if "asks" in nodes and isinstance(arguments.get("output_keys"), str):
            # LangGraph empties an earlier chunk (test_differences.py).
            for observed, _ in seen:
                del observed["afterwards"]
        assert (diff := difference(*seen)) is None, f"{method} {arguments}\n{diff}"
