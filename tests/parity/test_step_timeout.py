"""`step_timeout` of sync and async runs: what its values mean, and what is left of a superstep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from async_runs import AsyncSideBySide
from async_threads import MEMORY, compare_async_scripts
from inprocess import compile_in_process
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START
from parity import Call, Log, SideBySide
from small import Lists, wire
from threads import Script, Step

_LONG = 0.4
"""Seconds that a slow node takes; a fast one takes none."""
_SHORT = 0.15
"""Seconds after which a superstep with a slow node is over."""
MODES = ["values", "updates", "tasks", "custom"]

Build = Callable[[Log], Any]


def _node(name: str, log: Log, seconds: float, is_async: bool) -> Any:
    async def arun(state: Any) -> Any:
        if seconds:
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                log.note(name, "is cancelled", None)
                raise
        log.note(name, "ends", None)
        return {"x": [name]}

    def run(state: Any) -> Any:
        time.sleep(seconds)
        log.note(name, "ends", None)
        return {"x": [name]}

    return arun if is_async else run


def _build(timeout: Any, layers: list[dict[str, float]], is_async: bool) -> Build:
    """Layers of nodes, by name with the seconds that each takes; only the first node leads on."""

    def build(log: Log) -> Any:
        nodes = {
            name: _node(name, log, seconds, is_async)
            for layer in layers
            for name, seconds in layer.items()
        }
        edges = []
        before = START
        for layer in layers:
            edges += [(before, name) for name in layer]
            before = next(iter(layer))
        graph = wire(Lists, nodes, *edges).compile()
        graph.step_timeout = timeout
        return graph

    return build


LAYERS = {
    "alone": [{"slow": _LONG}],
    "beside": [{"fast": 0, "slow": _LONG}],
    "second": [{"fast": 0}, {"slow": _LONG, "beside": 0}, {"never": 0}],
    "both slow": [{"slow": _LONG, "too": _LONG}],
    "fast": [{"fast": 0}, {"b": 0, "c": 0}],
}
VALUES = [None, 0, 0.0, _SHORT, True, 5, 2.5]


def _settled(observed: dict[str, Any]) -> dict[str, Any]:
    """Without the order in which tasks of a superstep end that nobody delays."""
    return {
        **observed,
        "log": sorted(observed["log"]),
        "chunks": sorted(observed["chunks"], key=repr),
    }


@pytest.mark.parametrize("timeout", VALUES, ids=str)
@pytest.mark.parametrize("layers", ["beside", "fast"])
def test_values_of_the_timeout_in_async_runs(layers: str, timeout: Any) -> None:
    build = _build(timeout, LAYERS[layers], True)
    engines = AsyncSideBySide(lambda log, gate: build(log), {"x": []})
    for call in (Call("ainvoke"), Call("astream", (("stream_mode", MODES),))):
        engines.compare(call, 0, _settled)


@pytest.mark.parametrize("timeout", VALUES, ids=str)
@pytest.mark.parametrize("layers", ["beside", "fast"])
def test_values_of_the_timeout_in_sync_runs(layers: str, timeout: Any) -> None:
    engines = SideBySide(_build(timeout, LAYERS[layers], False), {"x": []})
    for call in (Call("invoke"), Call("stream", (("stream_mode", MODES),))):
        engines.compare(call, _settled)


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("is_async", [True, False], ids=["async nodes", "sync nodes"])
def test_what_is_left_in_async_runs(is_async: bool, layers: str) -> None:
    """Chunks, errors and rows, and the run that goes on from there."""
    build = _build(_SHORT, LAYERS[layers], is_async)
    engines = AsyncSideBySide(lambda log, gate: build(log), {"x": []})
    for modes in ("values", MODES):
        call = Call("astream", (("stream_mode", modes), ("version", "v2")))
        engines.compare(call, 0, _settled)
    for durability in ("sync", "exit"):
        options = (("durability", durability),)
        steps = (
            Step("invoke", {"x": []}, options=options),
            Step("get_state"),
            Step("stream", None, options=(*options, ("stream_mode", [*MODES, "checkpoints"]))),
            Step("get_state"),
        )
        compare_async_scripts(
            lambda log, gate: build(log), Script(steps), MEMORY[1:], 0, normalised=_settled
        )


@pytest.mark.parametrize("layers", LAYERS)
def test_what_is_left_in_sync_runs(layers: str) -> None:
    engines = SideBySide(_build(_SHORT, LAYERS[layers], False), {"x": []})
    for modes in ("values", MODES):
        call = Call("stream", (("stream_mode", modes), ("version", "v2")))
        engines.compare(call, _settled)


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_what_threads_finish_too_late_is_stored(durability: str) -> None:
    """And does not run again. LangGraph loses it with "exit", and by chance."""
    log = Log()
    build = _build(_SHORT, [{"slow": _LONG, "too": _LONG, "fast": 0}, {"last": 0}], False)
    graph = compile_in_process(build(log)).compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    with pytest.raises(TimeoutError, match="Timed out"):
        graph.invoke({"x": []}, config, durability=durability)
    assert sorted(entry[0] for entry in log) == ["fast", "slow", "too"]
    log.clear()
    assert graph.invoke(None, config)["x"] == ["fast", "slow", "too", "last"]
    assert [entry[0] for entry in log] == ["last"]


def test_every_superstep_has_its_own_time() -> None:
    """Several that are slow together are not too slow."""
    layers = [{name: _SHORT} for name in "abc"]
    for is_async in (True, False):
        build = _build(_LONG, layers, is_async)
        engines = AsyncSideBySide(lambda log, gate, build=build: build(log), {"x": []})
        assert engines.compare(Call("ainvoke"), 0)["error"] is None
    assert SideBySide(build, {"x": []}).compare(Call("invoke"), _settled)["error"] is None


def test_a_node_that_swallows_its_cancellation() -> None:
    """It is awaited; what it returns then is lost."""

    def build(log: Log) -> Any:
        async def stubborn(state: Any) -> Any:
            try:
                await asyncio.sleep(_LONG)
            except asyncio.CancelledError:
                log.note("stubborn", "is cancelled", None)
                await asyncio.sleep(0)
            log.note("stubborn", "ends", None)
            return {"x": ["stubborn"]}

        graph = wire(
            Lists, {"a": stubborn, "b": _node("b", log, 0, True)}, (START, "a"), (START, "b")
        )
        graph = graph.compile()
        graph.step_timeout = _SHORT
        return graph

    engines = AsyncSideBySide(lambda log, gate: build(log), {"x": []})
    engines.compare(Call("astream", (("stream_mode", MODES),)), 0)
    step = Step("invoke", {"x": []}, options=(("durability", "sync"),))
    compare_async_scripts(
        lambda log, gate: build(log), Script((step, Step("get_state"))), MEMORY, 0
    )
