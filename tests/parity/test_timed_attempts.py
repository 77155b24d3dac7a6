"""What a node with a timeout does, within an attempt and behind it (spec §4.9)."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest
from inprocess import compile_in_process
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.config import get_config, get_stream_writer
from langgraph.errors import NodeTimeoutError, ParentCommand
from langgraph.graph import END
from langgraph.runtime import Runtime
from langgraph.types import Command, RetryPolicy, Send, TimeoutPolicy, interrupt
from parity import Log, under_langgraph
from timed_case import (
    RETRY,
    EngineLog,
    chain,
    check,
    compiled_by_lgc,
    last_finish,
    slow_node,
)
from virtual_time import run_in_virtual_time

from lgc import compile_graph

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph makes no config ambient in async nodes then"
)


@pytest.mark.parametrize("retries", [False, True])
def test_a_node_that_goes_on_reaches_nobody(retries: bool) -> None:
    def build(log: Log) -> Any:
        async def node(state: Any, config: RunnableConfig, runtime: Runtime) -> Any:
            attempt = runtime.execution_info.node_attempt
            log.note("node", "attempt", attempt)
            try:
                await asyncio.sleep(3 if attempt == 1 else 2.5)
            except asyncio.CancelledError:
                if attempt == 1:
                    # While the second attempt runs.
                    await asyncio.sleep(1)
                    config["configurable"]["__pregel_send"]([("x", ["late"])])
                    runtime.stream_writer("late")
                    runtime.heartbeat()
                    get_stream_writer()("late, too")
                    get_config()["configurable"]["__pregel_send"]([("x", ["later"])])
                    log.note("node", "goes on", attempt)
                else:
                    raise
            runtime.stream_writer(f"end of {attempt}")
            return {"x": [attempt]}

        arguments: dict[str, Any] = {"timeout": 2.8}
        if retries:
            arguments["retry_policy"] = RetryPolicy(initial_interval=0.1, jitter=False)
        else:
            arguments["error_handler"] = slow_node(log, 5, "handler")
        return chain((node, arguments), slow_node(log, 5, "after"))

    (result, _, _), log, _ = check(build)[0]
    assert ("node", "goes on", 1) in log
    assert result == {"x": [2, "after"] if retries else ["handler"]}


@pytest.mark.parametrize("seconds", [1.0, 3.0])
def test_routers_are_part_of_the_attempt(seconds: float) -> None:
    def build(log: Log) -> Any:
        calls = []

        async def router(state: Any) -> Any:
            calls.append(1)
            log.note("router", "sees", state["x"])
            await asyncio.sleep(seconds if len(calls) % 2 else 0)
            return "after"

        async def node(state: Any) -> Any:
            await asyncio.sleep(1)
            return {"x": ["node"]}

        builder = chain((node, {"timeout": 3, "retry_policy": RETRY}))
        builder.add_node("after", slow_node(log, 1, "after"))
        builder.add_conditional_edges("node", router, ["after"])
        return builder

    check(build)


def test_a_sync_router_and_several() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any) -> Any:
            await asyncio.sleep(1)
            return {"x": ["node"]}

        builder = chain((node, {"timeout": 3}))
        builder.add_node("after", slow_node(log, 1, "after"))
        builder.add_conditional_edges("node", lambda state: "after", ["after"])
        builder.add_conditional_edges("node", _slow_router, {"end": END})
        return builder

    async def _slow_router(state: Any) -> Any:
        await asyncio.sleep(1)
        return "end"

    assert check(build)[0][0][0] == {"x": ["node", "after"]}


RAISED: dict[str, Any] = {
    "TimeoutError": lambda: asyncio.TimeoutError("own"),
    "NodeTimeoutError": lambda: NodeTimeoutError("other", 1.0, kind="run", run_timeout=0.5),
    "CancelledError": lambda: asyncio.CancelledError("own"),
    "ValueError": lambda: ValueError("own"),
    "StopIteration": lambda: RuntimeError("own"),
}


@pytest.mark.parametrize("error", RAISED)
def test_what_a_node_raises_itself(error: str) -> None:
    def build(log: Log) -> Any:
        async def node(state: Any) -> Any:
            await asyncio.sleep(1)
            raise RAISED[error]()

        policy = RetryPolicy(retry_on=Exception, initial_interval=1, jitter=False, max_attempts=2)
        return chain((node, {"timeout": 3, "retry_policy": policy}))

    check(build)


def test_a_wrong_update() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any) -> Any:
            return 7

        return chain((node, {"timeout": 3}))

    assert last_finish(check(build)[0][2])[2] == "InvalidUpdateError"


def test_commands() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any) -> Command[Any]:
            await asyncio.sleep(1)
            return Command(update={"x": ["node"]}, goto=["after", Send("after", {"x": []})])

        builder = chain((node, {"timeout": 3}))
        builder.add_node("after", slow_node(log, 1, "after"))
        return builder

    assert check(build)[0][0][0] == {"x": ["node", "after", "after"]}


def test_a_command_for_this_very_graph_that_is_raised() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any) -> Any:
            await asyncio.sleep(1)
            raise ParentCommand(Command(graph="node", update={"x": ["node"]}, goto="after"))

        builder = chain((node, {"timeout": 3}))
        builder.add_node("after", slow_node(log, 1, "after"))
        return builder

    (result, _, _), _, events = check(build)[0]
    assert result == {"x": ["node", "after"]} and last_finish(events)[1] == "success"


def test_interrupts() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any) -> Any:
            await asyncio.sleep(1)
            first = interrupt("first")
            log.note("node", "has", first)
            return {"x": [first, interrupt("second")]}

        return chain((node, {"timeout": 3}), slow_node(log, 1, "after"))

    check(build, answers=("a", "b"))


def test_interrupts_and_an_attempt_that_takes_too_long() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any, runtime: Runtime) -> Any:
            answer = interrupt("question")
            log.note("node", "has", answer)
            await asyncio.sleep(5 if runtime.execution_info.node_attempt == 1 else 1)
            return {"x": [answer]}

        return chain((node, {"timeout": 3, "retry_policy": RETRY}))

    check(build, answers=("a",))


def test_a_failed_thread_goes_on() -> None:
    def build(log: Log) -> Any:
        runs: list[int] = []

        async def node(state: Any) -> Any:
            runs.append(1)
            await asyncio.sleep(5 if len(runs) % 2 else 1)
            return {"x": ["node"]}

        return chain((node, {"timeout": 3}))

    check(build, answers=(None,))


@pytest.mark.parametrize("engine", ["own", "LangGraph"])
@pytest.mark.parametrize("call", ["node", "passed", "ambient"])
@pytest.mark.parametrize("refresh_on", ["auto", "heartbeat"])
def test_graphs_inside(call: str, refresh_on: str, engine: str) -> None:
    timeout = TimeoutPolicy(idle_timeout=3, refresh_on=refresh_on)

    def build(log: EngineLog) -> Any:
        async def beat(state: Any, runtime: Runtime) -> Any:
            await asyncio.sleep(2)
            runtime.heartbeat()
            runtime.stream_writer("chunk")
            return {"x": ["beat"]}

        grandchild = chain(slow_node(log, 2, "deep"), beat)
        child = chain(
            slow_node(log, 2, "one"),
            (grandchild.compile(), {"name": "two"}),
            slow_node(log, 2, "three"),
        )
        inner = child.compile() if engine == "LangGraph" else log.compiled(child)

        async def passed(state: Any, config: RunnableConfig) -> Any:
            return await inner.ainvoke({"x": []}, config)

        async def ambient(state: Any) -> Any:
            return await inner.ainvoke({"x": []})

        body = {"node": inner, "passed": passed, "ambient": ambient}[call]
        return chain((body, {"name": "outer", "timeout": timeout}), slow_node(log, 1, "after"))

    (_, _, error), _, _ = check(build, is_nested=True)[0]
    assert (error is None) == (refresh_on == "auto")


def test_a_child_that_is_cancelled() -> None:
    def build(log: Log) -> Any:
        child = chain(slow_node(log, 2, "one"), slow_node(log, 9, "two"))
        arguments = {"name": "outer", "timeout": 5, "retry_policy": RETRY}
        return chain((child.compile(), arguments))

    (_, _, error), log, _ = check(build, is_nested=True)[0]
    assert error["node"] == "outer" and log.count(("two", "is cancelled", None)) == 3


def test_a_child_whose_node_has_a_timeout() -> None:
    def build(log: Log) -> Any:
        child = chain(slow_node(log, 2, "one"), (slow_node(log, 9, "two"), {"timeout": 5}))
        return chain((child.compile(), {"name": "outer"}), slow_node(log, 1, "after"))

    assert check(build, is_nested=True)[0][0][2]["node"] == "two"


def test_a_command_of_a_child_for_its_parent() -> None:
    def build(log: Log) -> Any:
        async def leaves(state: Any) -> Any:
            await asyncio.sleep(1)
            return Command(graph=Command.PARENT, update={"x": ["left"]}, goto="after")

        child = chain((leaves, {"timeout": 3}))
        builder = chain((child.compile(), {"name": "outer", "timeout": 4}))
        builder.add_node("after", slow_node(log, 1, "after"))
        return builder

    check(build, is_nested=True)


def test_runnables() -> None:
    def build(log: Log) -> Any:
        async def step(state: Any) -> Any:
            await asyncio.sleep(2)
            return {"x": ["step"]}

        runnable = RunnableLambda(step) | RunnableLambda(step) | RunnableLambda(step)
        return chain((runnable, {"name": "node", "timeout": TimeoutPolicy(idle_timeout=3)}))

    assert check(build)[0][0][2] is None


def test_the_config_of_a_timed_node() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any, config: RunnableConfig, runtime: Runtime) -> Any:
            same = get_config()["configurable"]["__pregel_send"]
            log.note("node", "sends", same is config["configurable"]["__pregel_send"])
            log.note("node", "keys", (sorted(config), sorted(config["configurable"])))
            log.note("node", "metadata", config["metadata"])
            callbacks = config["callbacks"]
            names = [type(handler).__name__ for handler in callbacks.handlers]
            log.note("node", "handlers", (names, len(callbacks.inheritable_handlers)))
            log.note("node", "info", runtime.execution_info)

            async def later() -> None:
                await asyncio.sleep(2)
                # Behind the attempt.
                runtime.stream_writer("late")
                config["configurable"]["__pregel_send"]([("x", ["late"])])

            log.note("node", "task", asyncio.create_task(later()).done())
            return {"x": [1]}

        async def router(state: Any, config: RunnableConfig) -> Any:
            names = [type(handler).__name__ for handler in config["callbacks"].handlers]
            log.note("router", "handlers", names)
            return "after"

        builder = chain((node, {"timeout": TimeoutPolicy(idle_timeout=3)}))
        builder.add_node("after", slow_node(log, 5, "after"))
        builder.add_conditional_edges("node", router, ["after"])
        return builder

    assert check(build)[0][0][0] == {"x": [1, "after"]}


def test_a_run_that_is_cancelled() -> None:
    def build(log: Log) -> Any:
        return chain((slow_node(log), {"timeout": 5}))

    async def main(graph: Any, log: Log) -> Any:
        try:
            await asyncio.wait_for(graph.ainvoke({"x": []}), 1)
        except asyncio.TimeoutError:
            await asyncio.sleep(1)
            return list(log)

    seen = []
    for compiled in (under_langgraph, compiled_by_lgc):
        log = Log()
        seen.append(run_in_virtual_time(main(compiled(build, log), log)))
    assert seen[0] == seen[1] == [("slow", "is cancelled", None)]


def test_a_late_thread_writes_nothing() -> None:
    """A thread that a node has started may write through the config at any time."""
    release, done = threading.Event(), threading.Event()

    def build(log: Log) -> Any:
        async def node(state: Any, config: RunnableConfig, runtime: Runtime) -> Any:
            def late() -> None:
                release.wait(5)
                config["configurable"]["__pregel_send"]([("x", ["late"])])
                done.set()

            if runtime.execution_info.node_attempt == 1:
                release.clear()
                done.clear()
                threading.Thread(target=late).start()
                await asyncio.sleep(5)
            release.set()
            done.wait(5)
            return {"x": ["second"]}

        return chain((node, {"timeout": 2, "retry_policy": RETRY}))

    assert check(build)[0][0][0] == {"x": ["second"]}


def test_an_observer_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    def observer(event: Any) -> None:
        raise RuntimeError("observer")

    async def node(state: Any) -> Any:
        return {"x": [1]}

    texts = []
    for graph in (
        chain((node, {"timeout": 2})).compile(),
        compile_in_process(chain((node, {"timeout": 2}))),
    ):
        caplog.clear()
        config = {"configurable": {"__pregel_timed_attempt_observer": observer}}
        assert run_in_virtual_time(graph.ainvoke({"x": []}, config)) == {"x": [1]}
        texts.append([(record.name, record.message) for record in caplog.records])
    assert texts[0] == texts[1] and len(texts[0]) == 2


def test_a_sync_node_is_refused_as_by_langgraph() -> None:
    def node(state: Any) -> Any:
        return {}

    for builder in (chain((node, {"timeout": 2})), chain(node, timeout=2)):
        texts = []
        for compiled in (lambda b: b.compile(), compile_graph):
            with pytest.raises(ValueError) as caught:
                compiled(builder)
            texts.append(str(caught.value))
        assert texts[0] == texts[1]


def test_no_router_runs_behind_an_attempt() -> None:
    """LangGraph calls the router of a node that has swallowed its cancellation; lgc does not."""

    def build(log: Log) -> Any:
        async def node(state: Any) -> Any:
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                await asyncio.sleep(1)
            return {"x": ["node"]}

        def router(state: Any) -> str:
            log.note("router", "runs", None)
            return END

        return chain((node, {"timeout": 2})).add_conditional_edges("node", router)

    async def main(graph: Any, log: Log) -> Any:
        with pytest.raises(NodeTimeoutError):
            await graph.ainvoke({"x": []})
        await asyncio.sleep(5)
        return list(log)

    seen = []
    for compiled in (under_langgraph, compiled_by_lgc):
        log = Log()
        seen.append(run_in_virtual_time(main(compiled(build, log), log)))
    assert seen == [[("router", "runs", None)], []]
