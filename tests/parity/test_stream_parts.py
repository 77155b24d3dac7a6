"""What a caller gets of a run's chunks: the shape of each, and what is printed (spec §5)."""

from __future__ import annotations

import asyncio
import io
import operator
import sys
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

import lgc
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


def ask_root(state: Any) -> Any:
    """Returns the answer to a question."""
    return interrupt("question")


def fail(state: Any) -> Any:
    """Writes a chunk and fails."""
    get_stream_writer()({"custom": "fails"})
    raise ValueError("no")


def private(state: Private) -> Any:
    """Reads a key of its own, and writes both."""
    return {"secret": 1, "last": 1}


NODES: dict[str, dict[str, Any]] = {
    "plain": {"a": writes(x=["a"], last=1), "b": writes(x=["b"])},
    "asks": {"a": writes(x=["a"], last=1), "b": ask, "c": writes(last="c")},
    "asks first": {"a": ask},
    "writes nothing": {"a": writes(), "b": lambda state: None},
    "fails": {"a": writes(x=["a"], last=1), "b": fail},
    "private key": {"a": writes(x=["a"], last=1), "b": private},
    "becomes invalid": {"a": writes(last=1), "b": writes(x="text", last="text")},
}


def chain(schemas: Arguments, nodes: dict[str, Any]) -> StateGraph[Any]:
    """The nodes one after the other."""
    edges = [(START, "a"), *zip(nodes, list(nodes)[1:], strict=False)]
    return wire(schemas.pop("state_schema"), nodes, *edges, **schemas)


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
    """All that a caller sees of one call: chunk by chunk, with what was printed before each.

    Args:
        method: of the graph.
        arguments: its keyword arguments; and "take": close a stream after so many chunks.
    """
    arguments = dict(arguments)
    take = arguments.pop("take", None)
    chunks: list[Any] = []
    kept: list[Any] = []
    result = error = None
    printed = io.StringIO()

    def add(chunk: Any) -> bool:
        chunks.append((printed.getvalue(), comparable(chunk)))
        kept.append(chunk)
        return len(chunks) == take

    async def astream() -> None:
        stream = graph.astream(input, config, **arguments)
        async for chunk in stream:
            if add(chunk):
                break
        await stream.aclose()

    with redirect_stdout(printed), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            if method == "stream":
                stream = graph.stream(input, config, **arguments)
                for chunk in stream:
                    if add(chunk):
                        break
                stream.close()
            elif method == "astream":
                asyncio.run(astream())
            elif method == "ainvoke":
                result = asyncio.run(graph.ainvoke(input, config, **arguments))
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
    """lgc's graph of what `build` makes, as an ahead-of-time module."""
    return compile_in_process(build(log)).compile(**options)


def in_process(build: Callable[[Log], Any], log: Log, **options: Any) -> Any:
    """lgc's graph of what `build` makes, without a module."""
    return lgc.compile_graph(build(log), **options)


def through_backend(build: Callable[[Log], Any], log: Log, **options: Any) -> Any:
    """LangGraph's object that runs on lgc."""
    backend.install()
    try:
        target = build(log)
        return target.compile(**options) if isinstance(target, StateGraph) else target
    finally:
        backend.uninstall()


def kept_of(graph: Any, saver: Any, config: Any) -> Any:
    """The state of a thread, or why there is none, and all that its saver holds."""
    try:
        state = comparable(graph.get_state(config))
    except Exception as exc:
        state = failure(exc)
    return {"state": state, "rows": sorted(map(repr, stored(saver).items()))}


class SideBySide:
    """LangGraph's graph and lgc's.

    Args:
        build: makes the builder, or a compiled graph, whose nodes and schemas write into a log.
        engine: makes lgc's graph.
        saver: each graph has one in memory, LangGraph's.
    """

    def __init__(
        self, build: Callable[[Log], Any], engine: Any = under_lgc, *, saver: bool = False
    ) -> None:
        self._sides = []
        for make in (under_langgraph, engine):
            log, keeper = Log(), InMemorySaver() if saver else None
            options = {"checkpointer": keeper} if saver else {}
            self._sides.append((make(build, log, **options), log, keeper))
        theirs: Any = self._sides[0][0]
        self._graph_is_of_one_value = theirs.stream_channels == "__root__"

    def compare(
        self, method: str, arguments: Arguments, *inputs: Any, config: Any = None
    ) -> list[Any]:
        """Calls both with each input, one after the other; returns what LangGraph shows."""
        sides: list[Any] = []
        for graph, log, keeper in self._sides:
            log.clear()
            shown = []
            with pinned() as later:
                for input in inputs:
                    later()
                    shown.append(observe(graph, method, input, config, arguments))
                    if keeper is not None:
                        shown.append(kept_of(graph, keeper, config))
            sides.append((shown, list(log)))
        COUNTS["shapes of chunks"] += len(inputs)
        if isinstance(arguments.get("output_keys"), str) or self._graph_is_of_one_value:
            # LangGraph puts interrupts into an earlier chunk, or takes them out of it, too
            # (test_differences.py).
            for shown, _ in sides:
                for observed in shown:
                    observed.pop("afterwards", None)
        assert (diff := difference(*sides)) is None, f"{method} {arguments}\n{diff}"
        seen: list[Any] = sides[0][0]
        return seen


_NEEDS_CONTEXTS = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph's coroutines have no config on Python 3.10"
)


@pytest.mark.parametrize("nodes", NODES)
@pytest.mark.parametrize("schemas", SCHEMAS)
def test_every_shape(schemas: str, nodes: str) -> None:
    """Without a saver."""
    graphs = SideBySide(lambda log: chain(SCHEMAS[schemas](log), NODES[nodes]))
    for method, arguments in SHAPES:
        graphs.compare(method, arguments, {"x": ["in"]})


@_NEEDS_CONTEXTS
@pytest.mark.parametrize("nodes", ["plain", "asks", "fails", "becomes invalid"])
@pytest.mark.parametrize("schemas", ["typed", "strict", "model to dataclass"])
def test_every_shape_of_async_methods(schemas: str, nodes: str) -> None:
    graphs = SideBySide(lambda log: chain(SCHEMAS[schemas](log), NODES[nodes]))
    for method, arguments in SHAPES:
        graphs.compare(f"a{method}", arguments, {"x": ["in"]})


@_NEEDS_CONTEXTS
@pytest.mark.parametrize(
    ("state", "nodes", "input"),
    [
        (Annotated[list, operator.add], {"a": lambda state: ["a"]}, ["in"]),
        (Annotated[list, operator.add], {"a": lambda state: ["a"], "b": ask_root}, ["in"]),
        (dict, {"a": lambda state: {**state, "a": 1}}, {"in": 1}),
        (dict, {"a": lambda state: {**state, "a": 1}, "b": ask_root}, {"in": 1}),
        (int, {"a": lambda state: state + 1, "b": lambda state: None}, 1),
        (Any, {"a": lambda state: Model(x=[1])}, None),
    ],
    ids=["list", "list asks", "dict", "dict asks", "int", "model"],
)
def test_a_state_of_one_value(state: Any, nodes: dict[str, Any], input: Any) -> None:
    """No value is made into anything."""
    graphs = SideBySide(lambda log: chain({"state_schema": state}, nodes))
    # What LangGraph does with a chunk that has an interrupt shows in the list of an invoke.
    lists = ask_root not in nodes.values()
    for method, arguments in SHAPES:
        is_list = method == "invoke" and "stream_mode" in arguments
        if "output_keys" not in arguments and (lists or not is_list):
            graphs.compare(method, arguments, input)
            graphs.compare(f"a{method}", arguments, input)


def test_a_value_that_has_the_key_of_interrupts() -> None:
    """As the result of a graph that a node called has it: it counts as the run's own."""
    inner = {"x": 1, "__interrupt__": ["of another graph"]}
    nodes = {"a": lambda state: {"last": dict(inner)}, "b": writes(x=["b"])}
    graphs = SideBySide(lambda log: chain({"state_schema": Typed}, nodes))
    for method in ("invoke", "ainvoke", "stream", "astream"):
        graphs.compare(method, {"output_keys": "last", "version": "v2"}, {"x": []})
    graphs.compare("invoke", {"output_keys": ["last"], "version": "v2"}, {"x": []})


# -- threads --------------------------------------------------------------------------------------

ON_THREADS = [
    ("stream", {"stream_mode": EVERY}),
    ("stream", {"stream_mode": ["checkpoints", "debug"], "print_mode": EVERY}),
    ("stream", {"stream_mode": ["values", "updates"], "interrupt_before": ["b"]}),
    ("stream", {"stream_mode": "debug", "interrupt_after": "*"}),
    ("invoke", {}),
    ("invoke", {"stream_mode": "checkpoints"}),
    ("invoke", {"interrupt_before": "*"}),
    ("invoke", {"interrupt_after": ["a"], "output_keys": "x"}),
]


@_NEEDS_CONTEXTS
@pytest.mark.parametrize("nodes", ["plain", "asks", "fails", "becomes invalid", "private key"])
@pytest.mark.parametrize(
    "schemas", ["typed", "model", "dataclass", "strict", "model to dataclass", "counting"]
)
def test_threads(schemas: str, nodes: str) -> None:
    """A run, an answer, a run that goes on, and another, with what is stored after each."""
    graphs = SideBySide(lambda log: chain(SCHEMAS[schemas](log), NODES[nodes]), saver=True)
    number = 0
    for version in ("v1", "v2"):
        for durability in ("sync", "exit"):
            for method, arguments in ON_THREADS:
                number += 1
                graphs.compare(
                    method if number % 2 else f"a{method}",
                    {**arguments, "version": version, "durability": durability},
                    {"x": ["in"]},
                    Command(resume="answer"),
                    None,
                    {"x": ["again"]},
                    config={"configurable": {"thread_id": str(number)}},
                )


@_NEEDS_CONTEXTS
@pytest.mark.parametrize("schemas", ["typed", "model", "strict"])
@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_a_consumer_that_stops(schemas: str, durability: str) -> None:
    """After each chunk, those that no schema refuses; the run goes on from what is stored."""
    graphs = SideBySide(lambda log: chain(SCHEMAS[schemas](log), NODES["asks"]), saver=True)
    config: Any
    for take in range(1, 12):
        for method in ("stream", "astream"):
            config = {"configurable": {"thread_id": f"{method} {take}"}}
            asked = {"stream_mode": ["values", "updates"], "version": "v2", "take": take}
            graphs.compare(
                method, {**asked, "durability": durability}, {"x": []}, None, config=config
            )


# -- ways to a graph ------------------------------------------------------------------------------

WAYS = {"ahead of time": under_lgc, "in process": in_process, "backend": through_backend}


@_NEEDS_CONTEXTS
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("target", ["builder", "with_config", "copy", "binding"])
def test_ways_to_a_graph(way: str, target: str) -> None:
    """Also of a copy, whose chunks hold no objects of the schemas (spec, trap 56)."""
    change: dict[str, Callable[[Any], Any]] = {
        "builder": lambda builder: builder,
        "with_config": lambda builder: builder.compile().with_config(tags=["t"]),
        "copy": lambda builder: builder.compile().copy({"stream_mode": "values"}),
        "binding": lambda builder: builder.compile().with_types(input_type=dict),
    }
    if (way, target) == ("backend", "binding"):
        pytest.skip("a binding is an object of langchain-core")
    schemas = {"state_schema": Model, "output_schema": OutputData}
    graphs = SideBySide(lambda log: change[target](chain(dict(schemas), NODES["asks"])), WAYS[way])
    for method, arguments in SHAPES[:60]:
        graphs.compare(method, arguments, {"x": ["in"]})
        graphs.compare(f"a{method}", arguments, {"x": ["in"]})
    (seen,) = graphs.compare("invoke", {"version": "v2"}, {"x": ["in"]})
    value = seen["result"]["<GraphOutput>"]["value"]
    is_coerced = target in ("builder", "binding")
    assert value == ({"<OutputData>": {"x": ["in", "a"]}} if is_coerced else {"x": ["in", "a"]})


def test_compile_of_a_copy_goes_on_without_the_schemas() -> None:
    target = chain({"state_schema": Model}, NODES["plain"]).compile().with_config(tags=["t"])
    for graph in (compile_in_process(target), lgc.compile_graph(target)):
        again = graph.compile(name="again")
        assert again.invoke({"x": []}, version="v2").value == {"x": ["a", "b"], "last": 1}
