"""One call that compares everything a graph shows under LangGraph and under lgc.

    def test_two_nodes_write_one_list() -> None:
        builder = wire(Lists, {"a": writes(x=[1]), "b": writes(x=[2])}, (START, "a"), (START, "b"))
        seen = check_parity(builder, {"x": []})
        assert seen["result"] == {"x": [1, 2]}

Without a saver: `invoke` on both paths, with version "v2", too, and a stream in every mode. On a
thread: a stream of all modes, an answer to each interrupt, another run, and after each of them the
state, the history and every row that the saver holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from langgraph.graph.state import StateGraph
from parity import BOTH, FULL_PATH, INVOKE, TRIES, UPDATES, VALUES, Build, Call, SideBySide
from threads import Answers, Script, Step, compare_scripts, without_order

SAVERS = (("UpstreamMemorySaver", "UpstreamMemorySaver"), ("UpstreamMemorySaver", "MemorySaver"))
"""LangGraph's saver under both engines, and each engine with its own."""

_LOOK = (Step("get_state"), Step("get_state_history"))


def check_parity(
    builder: StateGraph[Any, Any, Any, Any] | Build,
    input: Any,
    config: Mapping[str, Any] | None = None,
    *,
    resume: Sequence[Any] = (),
    arguments: Mapping[str, Any] | None = None,
    **compiled: Any,
) -> dict[str, Any]:
    """Runs a graph in every way under both engines, and wants no difference.

    Args:
        builder: the graph; or a function that builds it anew for each engine, whose nodes note
            what they see in the log it is called with.
        input, config: of every run.
        resume: how a thread that was interrupted goes on, run by run: with an answer, or for None
            without one, as after a breakpoint.
        arguments: keyword arguments of every run, such as `context`.
        compiled: arguments of `compile` for the runs on a thread, such as `interrupt_before`.

    Returns:
        What `invoke` without a saver showed under LangGraph, as `parity.observe` gives it: its
        "result", its "error", the "log" and more.

    Raises:
        AssertionError: the engines differ; the message is a diff.
        CompileError: lgc refuses the graph.
    """
    build: Build = (lambda log: builder) if isinstance(builder, StateGraph) else builder
    extra = tuple((arguments or {}).items())
    engines = SideBySide(build, input, config)
    typed = Call("invoke", (("version", "v2"),))
    usual = (INVOKE, FULL_PATH, UPDATES, VALUES, BOTH, typed, replace(typed, full_path=True))
    calls = [Call(c.method, (*c.arguments, *extra), full_path=c.full_path) for c in usual]
    invoked, *_ = [engines.compare(call) for call in calls]
    modes = ["values", "updates", "tasks", "checkpoints", "debug"]
    if not engines.ordered:
        # With one place for a task, LangGraph waits forever for custom chunks (spec §8).
        modes.append("custom")
    several = max(engines.steps.sizes, default=0) > 1
    for mode in modes[2:]:
        # Between the values chunks tasks that run at once come in any order.
        selected = ["values", mode] if several else mode
        call = Call("stream", (("stream_mode", selected), *extra))
        engines.compare(call, without_order if several else dict)
    run = Step("stream", input, options=(("stream_mode", modes), *extra))
    goes_on = [replace(run, input=None if a is None else Answers((a,))) for a in resume]
    tries = TRIES if several and (resume or engines.steps.races) else 5 if several else 1
    for durability in ("sync", "exit"):
        steps: list[Step] = []
        for step in (run, *goes_on, replace(run, method="invoke", options=extra)):
            options = (*step.options, ("durability", durability))
            steps += (replace(step, options=options), *_LOOK)
        script = Script(tuple(steps), config or {}, tuple(compiled.items()))
        compare_scripts(build, script, SAVERS, tries=tries)
    return invoked
