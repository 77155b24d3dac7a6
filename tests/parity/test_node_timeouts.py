"""Timeouts of nodes: when an attempt is over, and what is left of it (spec §4.9).

Each case runs on an event loop in virtual time, without a saver and with one, and everything is
compared that the caller, the nodes and an observer of the attempts can see.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from inprocess import compile_in_process
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_config, get_stream_writer
from langgraph.errors import NodeError, NodeTimeoutError, ParentCommand
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, RetryPolicy, Send, TimeoutPolicy, interrupt
from parity import Log, comparable, difference, failure, pinned, under_langgraph
from small import Lists
from virtual_time import run_in_virtual_time

from lgc import compile_graph

Build = Callable[[Any], Any]

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{32}\b")
MODES = ["values", "updates", "custom", "tasks", "debug", "checkpoints"]
RETRY = RetryPolicy(initial_interval=0.5, jitter=False, max_attempts=3)


def _graph(*nodes: Any, state: Any = Lists, **defaults: Any) -> StateGraph[Any, Any, Any, Any]:
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


def _shown_error(exc: BaseException | None) -> Any:
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
        error = _shown_error(exc)
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


def _finish(events: list[Any]) -> Any:
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
    for compiled in (under_langgraph, _compiled):
        log = EngineLog()
        log.is_lgc = compiled is _compiled
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


def _compiled(build: Build, log: Log, **options: Any) -> Any:
    graph = compile_in_process(build(log))
    return graph.compile(**options) if options else graph


def _slow(log: Log, seconds: float = 10.0, name: str = "slow") -> Any:
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
        return _graph((_slow(log), {"timeout": POLICIES[policy]}), _slow(log, 0, "after"))

    (result, _, error), log, events = check(build)[0]
    if policy in ("long", "for ever"):
        assert error is None and result == {"x": ["slow", "after"]}
        return
    kind = "run" if policy in ("seconds", "timedelta", "run", "run first") else "idle"
    assert (error["kind"], error["timeout"]) == (kind, 2)
    assert ("slow", "is cancelled", None) in log and _finish(events)[2] == "NodeTimeoutError"


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

        return _graph((node, {"timeout": timeout}))

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

        return _graph((node, {"timeout": TimeoutPolicy(idle_timeout=1.5)}))

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

        return _graph((node, {"timeout": 2, "retry_policy": RETRY}))

    (result, _, _), _, events = check(build)[0]
    assert result == {"x": ["stale 3", 3]}
    assert [event[0] for event in events] == ["start", "finish"] * 3
    assert [event[-1]["attempt"] for event in events] == [1, 1, 2, 2, 3, 3]


def test_a_retry_policy_that_does_not_match() -> None:
    policy = RetryPolicy(retry_on=KeyError, jitter=False)

    def build(log: Log) -> Any:
        return _graph((_slow(log), {"timeout": 2, "retry_policy": policy}))

    assert check(build)[0][0][2]["kind"] == "run"


def test_the_delay_of_a_retry_is_not_timed() -> None:
    policy = RetryPolicy(initial_interval=60, jitter=False, max_attempts=2)

    def build(log: Log) -> Any:
        async def node(state: Any, runtime: Runtime) -> Any:
            if runtime.execution_info.node_attempt == 1:
                raise ConnectionError
            return {"x": [1]}

        return _graph((node, {"timeout": 2, "retry_policy": policy}))

    assert check(build)[0][0][0] == {"x": [1]}


def test_an_error_handler() -> None:
    def build(log: Log) -> Any:
        async def handler(
            state: Any, error: NodeError, config: RunnableConfig, runtime: Runtime
        ) -> Any:
            log.note("handler", "error", _shown_error(error.error))
            config["configurable"]["__pregel_send"]([("x", ["sent"])])
            runtime.stream_writer("handled")
            await asyncio.sleep(5)
            return {"x": ["handled"]}

        slow = _slow(log)
        arguments = {"timeout": TimeoutPolicy(idle_timeout=2), "retry_policy": RETRY}
        return _graph((slow, {**arguments, "error_handler": handler}), _slow(log, 1, "after"))

    (result, _, _), _, _ = check(build)[0]
    assert result == {"x": ["sent", "handled"]}


def test_defaults() -> None:
    def build(log: Log) -> Any:
        async def handler(state: Any, runtime: Runtime) -> Any:
            await asyncio.sleep(5)

        nodes = (_slow(log, 4, "own"), {"timeout": 9}), _slow(log, 3, "late")
        return _graph(*nodes, timeout=2, error_handler=handler)

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

        slow = (_slow(log), {"timeout": own})
        builder = _graph(fan)
        builder.add_node("slow", slow[0], **slow[1])
        builder.add_node("quick", lambda state: {"x": ["quick"]})
        return builder

    check(build)


def test_a_lone_send() -> None:
    def build(log: Log) -> Any:
        def start(state: Any) -> Any:
            return Send("slow", {"x": []}, timeout=1)

        builder = _graph(_slow(log, 0, "first"))
        builder.add_node("slow", _slow(log))
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

        builder = _graph(lambda_node, node, lambda_after)
        builder.nodes["node"].timeout = TimeoutPolicy(run_timeout=3)
        builder.nodes["node"].retry_policy = RETRY
        if handled:
            builder = _graph(
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

        builder = _graph(fan)
        return builder.add_node("node", lambda state: {"x": [1]})

    for graph in (build().compile(), compile_in_process(build())):
        with pytest.raises(ValueError, match=r"Node 'node' is sync\.$"):
            graph.invoke({"x": []})


def test_siblings() -> None:
    def build(log: Log) -> Any:
        builder = _graph((_slow(log, 9, "timed"), {"timeout": 2}))
        builder.add_node("beside", _slow(log, 5, "beside"))
        builder.add_node("quick", _slow(log, 1, "quick"))
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

        builder = _graph((_slow(log, 9, "timed"), {"timeout": 5}))
        builder.add_node("fails", fails)
        builder.add_edge(START, "fails")
        return builder

    _, log, events = check(build)[0]
    assert ("timed", "is cancelled", None) in log and _finish(events)[2] == "CancelledError"


def test_a_sibling_that_fails_during_the_delay_of_a_retry() -> None:
    def build(log: Log) -> Any:
        async def fails(state: Any) -> Any:
            await asyncio.sleep(2.2)
            raise RuntimeError("failed")

        builder = _graph((_slow(log, 9, "timed"), {"timeout": 2, "retry_policy": RETRY}))
        builder.add_node("fails", fails)
        builder.add_edge(START, "fails")
        return builder

    assert len(check(build)[0][2]) == 2


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
            arguments["error_handler"] = _slow(log, 5, "handler")
        return _graph((node, arguments), _slow(log, 5, "after"))

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

        builder = _graph((node, {"timeout": 3, "retry_policy": RETRY}))
        builder.add_node("after", _slow(log, 1, "after"))
        builder.add_conditional_edges("node", router, ["after"])
        return builder

    check(build)


def test_a_sync_router_and_several() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any) -> Any:
            await asyncio.sleep(1)
            return {"x": ["node"]}

        builder = _graph((node, {"timeout": 3}))
        builder.add_node("after", _slow(log, 1, "after"))
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
        return _graph((node, {"timeout": 3, "retry_policy": policy}))

    check(build)


def test_a_wrong_update() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any) -> Any:
            return 7

        return _graph((node, {"timeout": 3}))

    assert _finish(check(build)[0][2])[2] == "InvalidUpdateError"


def test_commands() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any) -> Command[Any]:
            await asyncio.sleep(1)
            return Command(update={"x": ["node"]}, goto=["after", Send("after", {"x": []})])

        builder = _graph((node, {"timeout": 3}))
        builder.add_node("after", _slow(log, 1, "after"))
        return builder

    assert check(build)[0][0][0] == {"x": ["node", "after", "after"]}


def test_a_command_for_this_very_graph_that_is_raised() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any) -> Any:
            await asyncio.sleep(1)
            raise ParentCommand(Command(graph="node", update={"x": ["node"]}, goto="after"))

        builder = _graph((node, {"timeout": 3}))
        builder.add_node("after", _slow(log, 1, "after"))
        return builder

    (result, _, _), _, events = check(build)[0]
    assert result == {"x": ["node", "after"]} and _finish(events)[1] == "success"


def test_interrupts() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any) -> Any:
            await asyncio.sleep(1)
            first = interrupt("first")
            log.note("node", "has", first)
            return {"x": [first, interrupt("second")]}

        return _graph((node, {"timeout": 3}), _slow(log, 1, "after"))

    check(build, answers=("a", "b"))


def test_interrupts_and_an_attempt_that_takes_too_long() -> None:
    def build(log: Log) -> Any:
        async def node(state: Any, runtime: Runtime) -> Any:
            answer = interrupt("question")
            log.note("node", "has", answer)
            await asyncio.sleep(5 if runtime.execution_info.node_attempt == 1 else 1)
            return {"x": [answer]}

        return _graph((node, {"timeout": 3, "retry_policy": RETRY}))

    check(build, answers=("a",))


def test_a_failed_thread_goes_on() -> None:
    def build(log: Log) -> Any:
        runs: list[int] = []

        async def node(state: Any) -> Any:
            runs.append(1)
            await asyncio.sleep(5 if len(runs) % 2 else 1)
            return {"x": ["node"]}

        return _graph((node, {"timeout": 3}))

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

        grandchild = _graph(_slow(log, 2, "deep"), beat)
        child = _graph(
            _slow(log, 2, "one"), (grandchild.compile(), {"name": "two"}), _slow(log, 2, "three")
        )
        inner = child.compile() if engine == "LangGraph" else log.compiled(child)

        async def passed(state: Any, config: RunnableConfig) -> Any:
            return await inner.ainvoke({"x": []}, config)

        async def ambient(state: Any) -> Any:
            return await inner.ainvoke({"x": []})

        body = {"node": inner, "passed": passed, "ambient": ambient}[call]
        return _graph((body, {"name": "outer", "timeout": timeout}), _slow(log, 1, "after"))

    (_, _, error), _, _ = check(build, is_nested=True)[0]
    assert (error is None) == (refresh_on == "auto")


def test_a_child_that_is_cancelled() -> None:
    def build(log: Log) -> Any:
        child = _graph(_slow(log, 2, "one"), _slow(log, 9, "two"))
        arguments = {"name": "outer", "timeout": 5, "retry_policy": RETRY}
        return _graph((child.compile(), arguments))

    (_, _, error), log, _ = check(build, is_nested=True)[0]
    assert error["node"] == "outer" and log.count(("two", "is cancelled", None)) == 3


def test_a_child_whose_node_has_a_timeout() -> None:
    def build(log: Log) -> Any:
        child = _graph(_slow(log, 2, "one"), (_slow(log, 9, "two"), {"timeout": 5}))
        return _graph((child.compile(), {"name": "outer"}), _slow(log, 1, "after"))

    assert check(build, is_nested=True)[0][0][2]["node"] == "two"


def test_a_command_of_a_child_for_its_parent() -> None:
    def build(log: Log) -> Any:
        async def leaves(state: Any) -> Any:
            await asyncio.sleep(1)
            return Command(graph=Command.PARENT, update={"x": ["left"]}, goto="after")

        child = _graph((leaves, {"timeout": 3}))
        builder = _graph((child.compile(), {"name": "outer", "timeout": 4}))
        builder.add_node("after", _slow(log, 1, "after"))
        return builder

    check(build, is_nested=True)


def test_runnables() -> None:
    def build(log: Log) -> Any:
        async def step(state: Any) -> Any:
            await asyncio.sleep(2)
            return {"x": ["step"]}

        runnable = RunnableLambda(step) | RunnableLambda(step) | RunnableLambda(step)
        return _graph((runnable, {"name": "node", "timeout": TimeoutPolicy(idle_timeout=3)}))

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

        builder = _graph((node, {"timeout": TimeoutPolicy(idle_timeout=3)}))
        builder.add_node("after", _slow(log, 5, "after"))
        builder.add_conditional_edges("node", router, ["after"])
        return builder

    assert check(build)[0][0][0] == {"x": [1, "after"]}


def test_a_run_that_is_cancelled() -> None:
    def build(log: Log) -> Any:
        return _graph((_slow(log), {"timeout": 5}))

    async def main(graph: Any, log: Log) -> Any:
        try:
            await asyncio.wait_for(graph.ainvoke({"x": []}), 1)
        except asyncio.TimeoutError:
            await asyncio.sleep(1)
            return list(log)

    seen = []
    for compiled in (under_langgraph, _compiled):
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

        return _graph((node, {"timeout": 2, "retry_policy": RETRY}))

    assert check(build)[0][0][0] == {"x": ["second"]}


def test_an_observer_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    def observer(event: Any) -> None:
        raise RuntimeError("observer")

    async def node(state: Any) -> Any:
        return {"x": [1]}

    texts = []
    for graph in (
        _graph((node, {"timeout": 2})).compile(),
        compile_in_process(_graph((node, {"timeout": 2}))),
    ):
        caplog.clear()
        config = {"configurable": {"__pregel_timed_attempt_observer": observer}}
        assert run_in_virtual_time(graph.ainvoke({"x": []}, config)) == {"x": [1]}
        texts.append([(record.name, record.message) for record in caplog.records])
    assert texts[0] == texts[1] and len(texts[0]) == 2


def test_a_sync_node_is_refused_as_by_langgraph() -> None:
    def node(state: Any) -> Any:
        return {}

    for builder in (_graph((node, {"timeout": 2})), _graph(node, timeout=2)):
        texts = []
        for compiled in (lambda b: b.compile(), compile_graph):
            with pytest.raises(ValueError) as caught:
                compiled(builder)
            texts.append(str(caught.value))
        assert texts[0] == texts[1]
