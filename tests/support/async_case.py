"""One call that compares everything an async graph shows under LangGraph and under lgc.

    def test_async_node() -> None:
        async def a(state): ...
        seen = check_async_parity(wire(Lists, {"a": a}, (START, "a")), {"x": []})
        assert seen["result"] == {"x": [1]}

The async twin of `parity_case`. Nodes that are to end in an order that is drawn wait at the gate
which the builder's function is called with.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from async_runs import AsyncSideBySide, GatedBuild
from async_threads import FILES, MEMORY, compare_async_scripts
from gates import Gate
from langgraph.graph.state import StateGraph
from parity import Call, Log
from threads import Answers, Script, Step

MODES = ("values", "updates", "custom", "tasks", "checkpoints", "debug")
PAIRS = {
    "sync": (*MEMORY, FILES[0]),
    "async": FILES,
    "exit": (MEMORY[1], FILES[0]),
}
"""The savers under both engines, by durability; in the background only those in files store."""

_LOOK = (Step("get_state"), Step("get_state_history"))


def check_async_parity(
    builder: StateGraph[Any, Any, Any, Any] | Callable[..., Any],
    input: Any,
    config: Mapping[str, Any] | None = None,
    *,
    resume: Sequence[Any] = (),
    arguments: Mapping[str, Any] | None = None,
    seed: int = 0,
    **compiled: Any,
) -> dict[str, Any]:
    """Runs a graph in every way on an event loop under both engines, and wants no difference.

    Without a saver `ainvoke` on both paths, and `astream` in every mode and in both versions; on a
    thread in memory or in a file, for each durability, a stream of all modes, the answers, another
    run, and after each the states and every row.

    Args:
        builder: the graph; or a function that builds it anew for each engine. It is called with
            the log in which nodes note what they see, and, if it takes a second argument, with the
            gate at which they wait.
        input, config: of every run.
        resume: as in `check_parity`.
        arguments: keyword arguments of every run, such as `context`.
        seed: draws the order in which nodes leave the gate.
        compiled: arguments of `compile` for the runs on a thread.

    Returns:
        What `ainvoke` without a saver showed under LangGraph, as `GatedEngine.observe` gives it.

    Raises:
        AssertionError: the engines differ; the message is a diff.
    """
    build = _gated(builder)
    extra = tuple((arguments or {}).items())
    engines = AsyncSideBySide(build, input, config)
    streams: list[Any] = [*MODES, ["values", "updates"], [*MODES]]
    calls = [Call("ainvoke", extra), Call("ainvoke", (*extra, ("version", "v2")))]
    calls += [Call("astream", (*extra, ("stream_mode", modes))) for modes in streams]
    calls.append(Call("astream", (*extra, ("stream_mode", [*MODES]), ("version", "v2"))))
    twins = [twin for call in calls if (twin := call.on_full_path()) is not None]
    invoked, *_ = [engines.compare(call, seed) for call in (*calls, *twins)]
    run = Step("stream", input, options=(("stream_mode", [*MODES]), *extra))
    goes_on = [replace(run, input=None if a is None else Answers((a,))) for a in resume]
    for durability, pairs in PAIRS.items():
        steps: list[Step] = []
        for step in (run, *goes_on, replace(run, method="invoke", options=extra)):
            options = (*step.options, ("durability", durability))
            steps += (replace(step, options=options), *_LOOK)
        script = Script(tuple(steps), config or {}, tuple(compiled.items()))
        with TemporaryDirectory() as folder:
            compare_async_scripts(build, script, pairs, seed, folder=Path(folder))
    return invoked


def _gated(builder: Any) -> GatedBuild:
    """A function that builds the graph from a log and a gate."""
    if isinstance(builder, StateGraph):
        return lambda log, gate: builder
    if len(inspect.signature(builder).parameters) == 2:
        both: GatedBuild = builder
        return both

    def build(log: Log, gate: Gate) -> Any:
        return builder(log)

    return build
