"""What code outside LangGraph reads of a task's `configurable` is there, with its attributes.

langgraph-prebuilt's ToolNode, langchain's middleware and deepagents look behind
these keys; `AGENTS_READ` lists what they read.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import operator
from dataclasses import dataclass
from typing import Annotated, Any, Optional, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.config import get_config, get_store, get_stream_writer
from langgraph.errors import EmptyChannelError
from langgraph.graph import START, StateGraph
from langgraph.managed import IsLastStep, RemainingSteps
from langgraph.prebuilt import ToolRuntime
from langgraph.runtime import Runtime, get_runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, Send, StreamWriter
from parity import BOTH, FULL_PATH, INVOKE, UPDATES, Call, comparable, comparable_config, compare
from parity_case import SAVERS
from pydantic import BaseModel
from threads import Script, Step, compare_scripts

AGENTS_READ = (
    "__pregel_read",
    "__pregel_read_state",
    "__pregel_runtime",
    "__pregel_scratchpad",
    "__pregel_send",
    "__pregel_task_id",
    "__pregel_checkpointer",
    "checkpoint_id",
    "checkpoint_map",
    "checkpoint_ns",
    "thread_id",
    "assistant_id",
    "ls_agent_type",
)
"""By ToolNode, `interrupt`, `get_store`, `get_stream_writer`, `get_runtime`, and deepagents."""


class State(TypedDict, total=False):
    """Two stored keys, one that is not written, two managed ones."""

    x: Annotated[list, operator.add]
    y: str
    unwritten: str
    last: IsLastStep
    left: RemainingSteps


class Typed(BaseModel):
    """A schema that is made of the state."""

    x: list
    y: str = "default"


@dataclass
class Root:
    """A schema that reads one key."""

    y: str = "none"


def channel(found: Any) -> Any:
    """A channel behind `__pregel_read`."""
    try:
        value = found.get()
    except EmptyChannelError:
        value = "empty"
    return found.is_available(), value


def reads(conf: dict[str, Any]) -> dict[str, Any]:
    """All that can be read through a `configurable`."""
    read = conf["__pregel_read"]
    pad, channels, managed, task = read.args
    every = list(channels)
    state = conf.get("__pregel_read_state", "no key")
    return {
        "keys": sorted(conf),
        "read": comparable({key: conf.get(key) for key in AGENTS_READ}),
        "partial": isinstance(read, functools.partial),
        "keywords": read.keywords,
        "pad": pad is conf.get("__pregel_scratchpad", pad),
        "steps": (pad.step, pad.stop),
        "channels": {name: channel(found) for name, found in channels.items()},
        "unknown": (channels.get("zz"), "zz" in channels, len(channels)),
        "managed": {key: value.get(pad) for key, value in managed.items()},
        "task": comparable((task.path, task.name, list(task.writes), tuple(task.triggers))),
        "all": read(every),
        "fresh": read(every, True),
        "listed": (read(["y", "left"]), read(["left", "x"], fresh=True)),
        "single": (read("y"), read("unwritten"), read("x", True)),
        "state is partial": isinstance(state, functools.partial),
        "state": comparable(state() if callable(state) else state),
    }


def build(log: Any) -> StateGraph:
    """Reads in a node, in nodes that Sends start, in a router of each, and after own writes."""

    def see(name: str) -> Any:
        log.note(name, "reads", reads(get_config()["configurable"]))

    def first(state: State) -> Any:
        see("first")
        return {"x": [1], "y": "first"}

    def fan(state: State) -> Any:
        see("fan")
        return [Send("typed", {"x": [7]}), Send("rooted", "arg"), Send("own", {"y": "sent"})]

    def body(name: str) -> Any:
        def run(state: Any) -> Any:
            see(name)
            send = get_config()["configurable"]["__pregel_send"]
            if name == "own":
                send([("x", ["sent"])])
                see(f"{name} again")
            return {"x": [name]}

        return run

    def typed(state: Typed) -> Any:
        return body("typed")(state)

    def rooted(state: Root) -> Any:
        return body("rooted")(state)

    def leave(state: State) -> Any:
        see("leave")
        return "last" if len(state["x"]) < 7 else "__end__"

    builder = StateGraph(State)
    builder.add_node("first", first)
    builder.add_node("typed", typed)
    builder.add_node("rooted", rooted)
    builder.add_node("own", body("own"))
    builder.add_node("last", lambda state: {"x": ["last"]})
    builder.add_edge(START, "first")
    builder.add_conditional_edges("first", fan, ["typed", "rooted", "own"])
    builder.add_conditional_edges("own", leave)
    builder.add_conditional_edges("last", leave)
    return builder


_CONFIG = {"configurable": {"assistant_id": "a", "mine": 1, "ls_agent_type": "subagent"}}


@pytest.mark.parametrize("call", [INVOKE, FULL_PATH, UPDATES, BOTH])
def test_what_is_behind_configurable(call):
    """Keys and all behind them, without a saver, on both paths; a read of one's own writes."""
    (seen,) = compare(build, {"x": [], "y": ""}, {**_CONFIG, "recursion_limit": 9}, call)
    assert seen["error"] is None
    behind = {node: value for node, _, value in seen["log"]}
    assert set(behind) == {"fan", "first", "typed", "rooted", "own", "own again", "leave"}
    assert behind["first"]["state"] is None
    assert behind["own"]["state is partial"]


def test_what_is_behind_configurable_with_a_saver():
    """The same on a thread, and in the routers of an update from outside."""
    update = Step("update_state", {"x": ["new"]}, options=(("as_node", "last"),))
    steps = (Step(input={"x": [], "y": ""}), update, Step("get_state"), Step("get_state_history"))
    compare_scripts(build, Script(steps, _CONFIG), [("UpstreamMemorySaver", "UpstreamMemorySaver")])


class _Asks:
    """Routers that ask for something by parameter, and note it."""

    def __init__(self, log):
        self._log = log

    def _note(self, **asked):
        for name, value in asked.items():
            said = value("chunk") if callable(value) else value
            self._log.note("router", name, comparable_config(value) if name == "config" else said)
        return "__end__"

    def routers(self):
        note = self._note

        def writer(state, writer: StreamWriter):
            return note(writer=writer)

        def store(state, store):
            return note(store=store)

        def typed_store(state, store: BaseStore):
            return note(store=store)

        def optional_store(state, store: Optional[BaseStore]):  # noqa: UP045
            return note(store=store)

        def previous(state, previous):
            return note(previous=previous)

        def runtime(state, runtime: Runtime):
            return note(runtime=runtime)

        def config(state, config: RunnableConfig):
            return note(config=config)

        def everything(state, config, writer, store, previous, runtime):
            return note(config=config, writer=writer, store=store, runtime=runtime)

        def ambient(state):
            return note(runtime=get_runtime(), writer=get_stream_writer(), store=get_store())

        def without_default(state, writer, *, store):
            return note(writer=writer, store=store)

        class Callable:
            def __call__(self, state, store):
                return note(store=store)

        functions = (writer, store, typed_store, optional_store, previous, runtime, config)
        return {
            **{f.__name__: f for f in (*functions, everything, ambient)},
            "keyword": without_default,
            "lambda": lambda state, store: note(store=store),
            "lambda with a writer": lambda state, writer: note(writer=writer),
            "object": Callable(),
            "partial": functools.partial(runtime),
        }

    def router(self, name, is_async):
        function = self.routers()[name]
        if not is_async:
            return function

        async def router(*args, **kwargs):
            return function(*args, **kwargs)

        router.__signature__ = inspect.signature(function)
        return router


_STORE = InMemoryStore()
_RUNTIMES = {
    "none": (),
    "no Runtime, but a model": (("model", "large"), ("checkpoint_ns", "")),
    "caller's": (("__pregel_runtime", Runtime(store=_STORE, previous=5)),),
    "None": (("__pregel_runtime", None),),
    "without attributes": (("__pregel_runtime", "anything"),),
}


@pytest.mark.parametrize("store", [None, _STORE], ids=["no store", "a store"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("asks", _Asks(None).routers())
def test_what_a_router_asks_for_in_an_update(asks, is_async, store):
    """An update is no run: there is a Runtime only if the caller's config has one."""

    def make(log):
        builder = StateGraph(State)
        builder.add_node("a", lambda state: {"x": ["a"]})
        builder.add_edge(START, "a")
        builder.add_conditional_edges("a", _Asks(log).router(asks, is_async), ["__end__"])
        return builder

    bulk = [[({"x": [2]}, "a")], [({"x": [3]}, "a"), ({"x": [4]}, "a")]]
    steps = []
    for configurable in _RUNTIMES.values():
        one = Step("update_state", {"x": [1]}, options=(("as_node", "a"),))
        for step in (one, Step("bulk_update_state", bulk)):
            steps += [dataclasses.replace(step, configurable=configurable), Step("get_state")]
    compare_scripts(make, Script(tuple(steps), {}, (("store", store),)), SAVERS)


@pytest.mark.parametrize("mode", ["invoke", "stream"])
def test_a_schema_that_refuses_the_state(mode):
    """Of a Send's node, when its state is read: the exception is the schema's own."""

    class Strict(BaseModel):
        x: int

    def make(log):
        def node(state: Any) -> Any:
            return {"y": str(get_config()["configurable"]["__pregel_read_state"]())}

        builder = StateGraph(State)
        builder.add_node("node", node, input_schema=Strict)
        builder.add_conditional_edges(START, lambda state: [Send("node", 1)], ["node"])
        return builder

    call = INVOKE if mode == "invoke" else UPDATES
    (seen,) = compare(make, {"x": [1]}, None, call)
    assert "ValidationError" in seen["error"]["class"]


def test_root_state():
    """A state that is one value: what an edge would give is that value."""

    def make(log):
        def node(state):
            log.note("node", "reads", get_config()["configurable"]["__pregel_read_state"]())
            read = get_config()["configurable"]["__pregel_read"]
            log.note("node", "all", read(list(read.args[1]), True))
            return [state]

        builder = StateGraph(Annotated[list, operator.add])
        builder.add_node("node", node)
        builder.add_conditional_edges(START, lambda state: [Send("node", 5)], ["node"])
        return builder

    compare(make, [1], None, INVOKE, UPDATES)


def test_triggers_read_by_a_router():
    """A router that reads them sees what started its node, and, fresh, what starts next."""

    def make(log):
        def router(state):
            read = get_config()["configurable"]["__pregel_read"]
            log.note("a", "reads", (read(list(read.args[1])), read(list(read.args[1]), True)))
            return "c"

        builder = StateGraph(State)
        builder.add_node("a", lambda state: {"y": "a"})
        builder.add_node("b", lambda state: {"x": ["b"]})
        builder.add_node("c", lambda state: {"x": ["c"]})
        builder.add_edge(START, "a")
        builder.add_edge("a", "b")
        builder.add_conditional_edges("a", router)
        builder.add_conditional_edges("a", lambda state: router(state))
        return builder

    compare(make, {"x": []}, None, INVOKE, FULL_PATH, BOTH)


@pytest.mark.parametrize("sent", [False, True])
def test_runtime_of_a_task(sent):
    """What ToolRuntime copies and middleware asks for: each attribute, however it is reached."""

    def make(log):
        def node(state: Any, config: RunnableConfig, runtime: Runtime) -> Any:
            conf = config["configurable"]
            same = (get_runtime() is runtime, conf["__pregel_runtime"] is runtime)
            log.note("node", "same", same)
            log.note("node", "store", (get_store() is runtime.store, runtime.store))
            log.note("node", "writer", get_stream_writer() is runtime.stream_writer)
            names = ("context", "previous", "execution_info", "server_info", "drain_reason")
            for name in (*names, "drain_requested", "heartbeat", "control"):
                log.note("node", name, getattr(runtime, name))
            tool = ToolRuntime(
                state=state,
                context=runtime.context,
                config=config,
                stream_writer=runtime.stream_writer,
                tool_call_id="1",
                store=runtime.store,
                execution_info=runtime.execution_info,
                server_info=runtime.server_info,
            )
            log.note("node", "config", comparable_config(tool.config))
            log.note("node", "tool", dataclasses.replace(tool, config={}))
            log.note("node", "override", runtime.override(context=5).context)
            return Command(update={"y": "done"})

        builder = StateGraph(State, context_schema=dict)
        builder.add_node("node", node)
        if sent:
            builder.add_conditional_edges(START, lambda s: [Send("node", s)], ["node"])
        else:
            builder.add_edge(START, "node")
        return builder

    calls = [Call(m, (("context", {"user": "u"}),)) for m in ("invoke", "stream")]
    conf = {"assistant_id": "a", "graph_id": "g"}
    for seen in compare(make, {"x": []}, {"configurable": conf}, *calls):
        assert seen["error"] is None
