"""Timeouts of nodes: when an attempt is over, and what follows from it (spec §4.9)."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import Any

import pytest
from inprocess import compile_in_process
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.config import get_stream_writer
from langgraph.errors import NodeError
from langgraph.graph import START
from langgraph.runtime import Runtime
from langgraph.types import Command, RetryPolicy, Send, TimeoutPolicy
from parity import Log, failure
from timed_case import (
    RETRY,
    chain,
    check,
    last_finish,
    shown_error,
    slow_node,
)

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph makes no config ambient in async nodes then"
)

POLICIES = {
    "seconds": 2,
    "timedelta": timedelta(seconds=2),
    "run": TimeoutPolicy(run_timeout=2),
    "idle": TimeoutPolicy(idle_timeout=2),
    "heartbeat": TimeoutPolicy(idle_timeout=2, refresh_on="heartbeat"),
    "idle first": TimeoutPolicy(idle_timeout=2, run_timeout=3),
    "run first": TimeoutPolicy(idle_timeout=3, run_timeout=2),
    "long": TimeoutPolicy(idle_timeout=30, run_timeout=20),
    "for ever": TimeoutPolicy(run_timeout=float("inf")),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_node_that_does_nothing(policy: str) -> None:
    def build(log: Log) -> Any:
        return chain((slow_node(log), {"timeout": POLICIES[policy]}), slow_node(log, 0, "after"))

    (result, _, error), log, events = check(build)[0]
    if policy in ("long", "for ever"):
        assert error is None and result == {"x": ["slow", "after"]}
        return
    kind = "run" if policy in ("seconds", "timedelta", "run", "run first") else "idle"
    assert (error["kind"], error["timeout"]) == (kind, 2)
    assert ("slow", "is cancelled", None) in log and last_finish(events)[2] == "NodeTimeoutError"


PROGRESS: dict[str, Any] = {
    "heartbeat": lambda runtime, config: runtime.heartbeat(),
    "writer": lambda runtime, config: runtime.stream_writer("chunk"),
    "ambient writer": lambda runtime, config: get_stream_writer()("chunk"),
    "write": lambda runtime, config: config["configurable"]["__pregel_send"]([("x", [7])]),
    "nothing": lambda runtime, config: config["configurable"]["__pregel_send"]([]),
    "callback": lambda runtime, config: RunnableLambda(lambda x: x).invoke(1, config),
    "ambient callback": lambda runtime, config: RunnableLambda(lambda x: x).invoke(1),
}


@pytest.mark.parametrize("refresh_on", ["auto", "heartbeat", "run"])
@pytest.mark.parametrize("progress", PROGRESS)
def test_what_is_progress(progress: str, refresh_on: str) -> None:
    timeout = TimeoutPolicy(idle_timeout=1.5, refresh_on=refresh_on)
    if refresh_on == "run":
        timeout = TimeoutPolicy(run_timeout=3.5)

    def build(log: Log) -> Any:
        async def node(state: Any, runtime: Runtime, config: RunnableConfig) -> Any:
            for i in range(5):
                await asyncio.sleep(1)
                log.note("node", "makes progress", i)
                PROGRESS[progress](runtime, config)
            return {"x": [1]}

        return chain((node, {"timeout": timeout}))

    (_, _, error), _, _ = check(build)[0]
    ends = refresh_on == "auto" and progress != "nothing"
    assert (error is None) == (ends or (refresh_on, progress) == ("heartbeat", "heartbeat"))


def test_a_model_that_streams() -> None:
    class Model(GenericFakeChatModel):
        async def _astream(self, *args: Any, **kwargs: Any) -> Any:
            async for chunk in super()._astream(*args, **kwargs):
                await asyncio.sleep(1)
                yield chunk

    def build(log: Log) -> Any:
        async def node(state: Any) -> Any:
            model = Model(messages=iter([AIMessage("a b c d e f", id="1")]))
            chunks = [chunk.content async for chunk in model.astream("hello")]
            return {"x": chunks}

        return chain((node, {"timeout": TimeoutPolicy(idle_timeout=1.5)}))

    (result, _, error), _, _ = check(build)[0]
    assert error is None and "".join(result["x"]) == "a b c d e f"


def test_retries() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any, runtime: Runtime, config: RunnableConfig) -> Any:
            attempt = runtime.execution_info.node_attempt
            log.note("node", "attempt", attempt)
            config["configurable"]["__pregel_send"]([("x", [f"stale {attempt}"])])
            runtime.stream_writer(f"attempt {attempt}")
            await asyncio.sleep(5 if attempt < 3 else 0)
            return {"x": [attempt]}

        return chain((node, {"timeout": 2, "retry_policy": RETRY}))

    (result, _, _), _, events = check(build)[0]
    assert result == {"x": ["stale 3", 3]}
    assert [event[0] for event in events] == ["start", "finish"] * 3
    assert [event[-1]["attempt"] for event in events] == [1, 1, 2, 2, 3, 3]


def test_a_retry_policy_that_does_not_match() -> None:
    policy = RetryPolicy(retry_on=KeyError, jitter=False)

    def build(log: Log) -> Any:
        return chain((slow_node(log), {"timeout": 2, "retry_policy": policy}))

    assert check(build)[0][0][2]["kind"] == "run"


def test_the_delay_of_a_retry_is_not_timed() -> None:
    policy = RetryPolicy(initial_interval=60, jitter=False, max_attempts=2)

    def build(log: Log) -> Any:
        async def node(state: Any, runtime: Runtime) -> Any:
            if runtime.execution_info.node_attempt == 1:
                raise ConnectionError
            return {"x": [1]}

        return chain((node, {"timeout": 2, "retry_policy": policy}))

    assert check(build)[0][0][0] == {"x": [1]}


def test_an_error_handler() -> None:
    def build(log: Log) -> Any:
        async def handler(
            state: Any, error: NodeError, config: RunnableConfig, runtime: Runtime
        ) -> Any:
            log.note("handler", "error", shown_error(error.error))
            config["configurable"]["__pregel_send"]([("x", ["sent"])])
            runtime.stream_writer("handled")
            await asyncio.sleep(5)
            return {"x": ["handled"]}

        slow = slow_node(log)
        arguments = {"timeout": TimeoutPolicy(idle_timeout=2), "retry_policy": RETRY}
        return chain((slow, {**arguments, "error_handler": handler}), slow_node(log, 1, "after"))

    (result, _, _), _, _ = check(build)[0]
    assert result == {"x": ["sent", "handled"]}


def test_defaults() -> None:
    def build(log: Log) -> Any:
        async def handler(state: Any, runtime: Runtime) -> Any:
            await asyncio.sleep(5)

        nodes = (slow_node(log, 4, "own"), {"timeout": 9}), slow_node(log, 3, "late")
        return chain(*nodes, timeout=2, error_handler=handler)

    # Whatever is said of them, LangGraph times no handlers.
    (result, _, _), log, _ = check(build)[0]
    assert result == {"x": ["own"]} and log[0] == ("own", "ends", None)


@pytest.mark.parametrize("timeout", [None, 1, TimeoutPolicy(idle_timeout=20)], ids=str)
@pytest.mark.parametrize("own", [None, 5, 12])
def test_the_timeout_of_a_send(timeout: Any, own: Any) -> None:
    def build(log: Log) -> Any:
        async def fan(state: Any) -> Any:
            sends = [Send("slow", {"x": []}, timeout=timeout), Send("quick", {"x": []}, timeout=1)]
            return Command(goto=sends)

        slow = (slow_node(log), {"timeout": own})
        builder = chain(fan)
        builder.add_node("slow", slow[0], **slow[1])
        builder.add_node("quick", lambda state: {"x": ["quick"]})
        return builder

    check(build)


def test_a_lone_send() -> None:
    def build(log: Log) -> Any:
        def start(state: Any) -> Any:
            return Send("slow", {"x": []}, timeout=1)

        builder = chain(slow_node(log, 0, "first"))
        builder.add_node("slow", slow_node(log))
        builder.add_conditional_edges("first", start)
        return builder

    assert check(build)[0][0][2]["timeout"] == 1


@pytest.mark.parametrize("handled", [False, True])
def test_sync_runs(handled: bool) -> None:
    def build() -> Any:
        async def node(state: Any) -> Any:
            return {"x": [1]}

        def handler(state: Any) -> Any:
            return {"x": ["handled"]}

        builder = chain(lambda_node, node, lambda_after)
        builder.nodes["node"].timeout = TimeoutPolicy(run_timeout=3)
        builder.nodes["node"].retry_policy = RETRY
        if handled:
            builder = chain(
                lambda_node,
                (node, {"timeout": 3, "retry_policy": RETRY, "error_handler": handler}),
                lambda_after,
            )
        return builder

    def lambda_node(state: Any) -> Any:
        return {"x": ["first"]}

    def lambda_after(state: Any) -> Any:
        return {"x": ["after"]}

    seen = []
    for graph in (build().compile(), compile_in_process(build())):
        chunks, errors = [], []
        for run in (lambda g=graph: [g.invoke({"x": []})], lambda g=graph: g.stream({"x": []})):
            try:
                chunks.append(list(run()))
            except ValueError as exc:
                errors.append(failure(exc))
        seen.append((chunks, errors))
    assert seen[0] == seen[1]
    assert len(seen[0][1]) == (0 if handled else 2)


def test_a_send_to_a_sync_node_in_a_sync_run() -> None:
    def build() -> Any:
        def fan(state: Any) -> Any:
            return Command(goto=[Send("node", {"x": []}, timeout=3)])

        builder = chain(fan)
        return builder.add_node("node", lambda state: {"x": [1]})

    for graph in (build().compile(), compile_in_process(build())):
        with pytest.raises(ValueError, match=r"Node 'node' is sync\.$"):
            graph.invoke({"x": []})


def test_siblings() -> None:
    def build(log: Log) -> Any:
        builder = chain((slow_node(log, 9, "timed"), {"timeout": 2}))
        builder.add_node("beside", slow_node(log, 5, "beside"))
        builder.add_node("quick", slow_node(log, 1, "quick"))
        builder.add_edge(START, "beside")
        builder.add_edge(START, "quick")
        return builder

    _, log, _ = check(build)[0]
    assert ("beside", "is cancelled", None) in log
    check(build, config={"max_concurrency": 1})


def test_a_sibling_that_fails() -> None:
    def build(log: Log) -> Any:
        async def fails(state: Any) -> Any:
            await asyncio.sleep(1)
            raise RuntimeError("failed")

        builder = chain((slow_node(log, 9, "timed"), {"timeout": 5}))
        builder.add_node("fails", fails)
        builder.add_edge(START, "fails")
        return builder

    _, log, events = check(build)[0]
    assert ("timed", "is cancelled", None) in log and last_finish(events)[2] == "CancelledError"


def test_a_sibling_that_fails_during_the_delay_of_a_retry() -> None:
    def build(log: Log) -> Any:
        async def fails(state: Any) -> Any:
            await asyncio.sleep(2.2)
            raise RuntimeError("failed")

        builder = chain((slow_node(log, 9, "timed"), {"timeout": 2, "retry_policy": RETRY}))
        builder.add_node("fails", fails)
        builder.add_edge(START, "fails")
        return builder

    assert len(check(build)[0][2]) == 2
