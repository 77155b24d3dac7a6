"""What real graphs use, feature by feature: schemas, kinds of nodes, streams, context."""

# Annotations are objects here: schemas are classes of the test that needs them.
import asyncio
import datetime
import operator
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Annotated, Any, Literal, TypedDict

import langgraph.pregel._checkpoint as upstream_checkpoint
import langgraph.pregel._loop as upstream_loop
import pytest
from inprocess import compile_in_process
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnablePassthrough
from langchain_core.tools import tool
from langgraph.config import get_config, get_store, get_stream_writer
from langgraph.errors import GraphDrained
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages
from langgraph.prebuilt import (
    InjectedState,
    ToolNode,
    ToolRuntime,
    create_react_agent,
    tools_condition,
)
from langgraph.runtime import ExecutionInfo, RunControl, Runtime, ServerInfo, get_runtime
from langgraph.types import Command, Send, StreamWriter, TracePolicy
from parity import BOTH, INVOKE, UPDATES, VALUES, Call, Log, comparable, compare
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from small import Lists, error, label, result, wire, writes

from lgc.runtime.checkpointing import model as checkpoint_model
from lgc.runtime.public.runtime import Runtime as OwnRuntime


class Inner(BaseModel):
    """Nested in Model."""

    n: int = 1


class Model(BaseModel):
    """A pydantic state with all kinds of fields."""

    a: int
    b: str | None = None
    inner: Inner = Field(default_factory=Inner)
    many: Annotated[list[Inner], operator.add] = Field(default_factory=lambda: [Inner(n=9)])


class Narrow(BaseModel):
    """What one node reads of Model, with a key of its own."""

    a: str = "unset"
    private: int = 0

    model_config = ConfigDict(coerce_numbers_to_str=True)


def note(log: Log, name: str, returned: Any = None) -> Any:
    """A node that notes its input."""

    def node(state):
        log.note(name, "state", state)
        return returned

    return node


# -- pydantic and dataclass states ----------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        {"a": "7"},
        {"a": "seven"},
        {"a": None},
        {"b": 5},
        {"inner": {"n": "3"}},
        {"inner": Inner(n=4)},
        {"inner": {"n": "x"}},
        {"many": [{"n": "5"}, Inner(n=6)]},
        {"many": [5]},
        Model(a=2),
        Model(a=2, b=None, inner=Inner(n=5)),
        Model.model_construct(a="raw"),
        Inner(n=4),
        Narrow(a="5", private=3),
        Command(update=Model(a=3, b="b")),
        Command(update={"a": "8"}, goto="b"),
        [Command(update={"b": "x"}), Model(a=3)],
    ],
)
@pytest.mark.parametrize("given", [{"a": 1}, {}, {"a": "1", "b": None}, Model(a=1), {"a": "x"}])
def test_pydantic_state(written, given):
    """Coerced and validated for each reader, never in what is stored."""

    def build(log):
        def route(state):
            log.note("b", "route", state)
            return END

        nodes = {"a": note(log, "a", written), "b": note(log, "b"), "c": note(log, "c")}
        return wire(Model, nodes, (START, "a"), ("a", "b"), ("a", "c"), ("b", route))

    compare(build, given, None, INVOKE, BOTH)


def test_pydantic_router_and_node_schemas():
    """A node's and a router's own models read what is theirs; a private key is the graph's too."""

    def build(log):
        def node(state: Narrow) -> Any:
            log.note("b", "state", state)
            return {"private": state.private + 1}

        def own(state: Narrow) -> Any:
            log.note("b", "own", state)
            return "c"

        def whole(state: Model) -> Any:
            log.note("c", "whole", state)
            return END

        nodes = {"a": writes(private="4", a=7), "b": node, "c": note(log, "c")}
        return wire(Model, nodes, (START, "a"), ("a", "b"), ("b", own), ("c", whole))

    seen = compare(build, {"a": 1})
    assert ("b", "own", "Narrow(a='7', private=5)") in seen[0]["log"]


@pytest.mark.parametrize("fails", ["router", "entry"])
def test_pydantic_router_refuses(fails):
    """A router's schema that refuses the state fails its task."""

    class Strict(BaseModel):
        last: int

    def build(log):
        def route(state: Strict) -> str:
            return END

        nodes = {"a": writes(last="text")}
        edges = (
            [(START, "a"), ("a", route)] if fails == "router" else [(START, "a"), (START, route)]
        )
        return wire(Lists, nodes, *edges)

    assert error(build, {"last": "x"})["class"].endswith("ValidationError")


def test_pydantic_validators():
    """They run once for each reader, and may change the value."""

    class Checked(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
        n: int = 0
        items: Annotated[list, operator.add] = []

        @field_validator("n", mode="before")
        @classmethod
        def _double(cls, value):
            return value * 2

        @model_validator(mode="after")
        def _check(self):
            if self.n > 100:
                raise ValueError("too big")
            return self

    def build(log):
        def grow(state):
            log.note("a", "state", state)
            return {"n": state.n, "items": [state.n]}

        return wire(Checked, {"a": grow}, (START, "a"), ("a", "a"))

    failed = compare(build, {"n": 1}, {"recursion_limit": 20})
    assert failed[0]["error"]["class"].endswith("ValidationError")


def test_pydantic_alias_and_private_attributes():
    """The mapper calls the model with field names; an alias makes it fail, or not."""

    class Aliased(BaseModel):
        model_config = ConfigDict(populate_by_name=True)
        n: int = Field(default=0, alias="N")
        _hidden: int = 3

    class OnlyAlias(BaseModel):
        n: int = Field(alias="N")

    for model in (Aliased, OnlyAlias):

        def build(log, model=model):
            return wire(model, {"a": note(log, "a", {"n": 5})}, (START, "a"))

        compare(build, {"n": 1})
        compare(build, {"N": 1})


def test_dataclass_state():
    """Made for readers with what is there; a missing field without default is an error."""

    @dataclass
    class State:
        x: Annotated[list, operator.add] = field(default_factory=lambda: ["never"])
        n: int = 5
        o: Any = None

    @dataclass(frozen=True)
    class Needs:
        n: int
        o: Any

    def build(log):
        def needs(state: Needs):
            log.note("b", "state", state)
            return State(x=["b"], n="not coerced")

        def route(state: State):
            log.note("b", "route", state)
            return END

        nodes = {"a": note(log, "a", {"x": ["a"]}), "b": needs}
        return wire(State, nodes, (START, "a"), ("a", "b"), ("b", route))

    missing = compare(build, {"n": 1})[0]["error"]
    assert missing["class"] == "builtins.TypeError"
    # Python 3.10 has no notes.
    assert all(note.startswith("Before task with name 'b'") for note in missing["notes"])
    assert compare(build, State(x=["i"], n=1, o=2))[0]["error"] is None


def test_plain_annotated_class_as_state():
    """Its keys count, an instance is never made."""

    class State:
        x: Annotated[list, operator.add]
        n: int = 3

    def build(log):
        return wire(State, {"a": note(log, "a", {"x": [1]})}, (START, "a"))

    assert result(build, {}) == {"x": [1]}


def test_private_schemas():
    """A key that only another node's schema has can be written by any node, and is not returned."""

    class Public(TypedDict):
        x: Annotated[list, operator.add]

    class Private(TypedDict):
        x: list
        secret: Annotated[list, operator.add]

    class Output(TypedDict):
        x: list

    def build(log):
        def reader(state: Private) -> dict:
            log.note("b", "state", state)
            return {"secret": ["b"]}

        def last(state: Private) -> dict:
            log.note("c", "state", state)
            return {"x": state["secret"]}

        nodes = {"a": writes(secret=["a"]), "b": reader, "c": last}
        edges = [(START, "a"), ("a", "b"), ("b", "c")]
        return wire(Public, nodes, *edges, output_schema=Output)

    seen = compare(build, {"secret": ["dropped"], "x": [0]})
    assert seen[0]["result"] == {"x": [0, "a", "b"]}


def test_not_required_and_required_keys():
    """`Required`, `NotRequired` and total=False mean nothing to the engine."""
    from typing_extensions import NotRequired, Required
    from typing_extensions import TypedDict as Extended

    class State(Extended, total=False):
        a: Required[Annotated[list, operator.add]]
        b: NotRequired[int]
        c: Annotated[NotRequired[list], operator.add]

    def build(log):
        return wire(State, {"a": note(log, "a", {"a": [1], "c": [2]})}, (START, "a"))

    assert result(build, {"a": [0]}) == {"a": [0, 1], "c": [2]}


@pytest.mark.parametrize("kind", [int, list, str, dict, Annotated[list, operator.add], Any])
def test_root_states(kind):
    """One unnamed value; nodes and routers get it bare."""
    values = {int: 1, list: [1], str: "a", dict: {"k": 1}}

    def build(log):
        def node(state):
            log.note("a", "state", state)
            return state

        def route(state):
            log.note("a", "route", state)
            return END

        return wire(kind, {"a": node}, (START, "a"), ("a", route))

    compare(build, values.get(kind, [1]))


# -- kinds of nodes ------------------------------------------------------------------------------


class Holder:
    """Methods and an instance that can be called."""

    def method(self, state: Lists, config: RunnableConfig) -> Any:
        return {"x": [f"method {config['metadata']['langgraph_node']}"]}

    @classmethod
    def of_class(cls, state: Lists) -> Any:
        return {"x": [cls.__name__]}

    @staticmethod
    def static(state: Lists) -> Any:
        return {"x": ["static"]}

    def __call__(self, state: Lists, runtime: Runtime) -> Any:
        return {"x": [f"called {runtime.execution_info.task_id}"]}


def keywords(state: Any, extra: str = "none", *, more: Any = None, config: RunnableConfig) -> Any:
    """A node for partials."""
    return {"x": [extra, more, config["metadata"]["langgraph_node"]]}


@pytest.mark.parametrize(
    "node",
    [
        Holder().method,
        Holder.of_class,
        Holder.static,
        Holder(),
        partial(keywords, extra="e", more=1),
        partial(Holder().method),
        partial(partial(keywords, extra="in"), more="out"),
        RunnableLambda(keywords),
        RunnableLambda(keywords).bind(extra="bound"),
        RunnableLambda(keywords).with_config(tags=["own"], run_name="named"),
        RunnablePassthrough.assign(x=lambda state: ["assigned"]),
        RunnablePassthrough(),
        RunnableLambda(lambda state: state["x"]) | (lambda x: {"x": [len(x)]}),
        RunnableLambda(keywords).with_retry(),
        RunnableLambda(lambda state: 1 / 0).with_fallbacks([RunnableLambda(keywords)]),
        RunnablePassthrough() | {"x": lambda state: ["p"], "last": lambda state: 1},
        lambda state: RunnableLambda(lambda given: {"x": [given["last"]]}),
        lambda state, *args, **kwargs: {"x": [args, kwargs]},
        lambda state, writer=None, store="s", config=None: {"x": [writer is None, store]},
    ],
    ids=label,
)
def test_kinds_of_nodes(node):
    """Everything that langgraph takes for a node without asyncio."""

    def build(log):
        return wire(Lists, {"a": node, "b": writes(x=["b"])}, (START, "a"), ("a", "b"))

    compare(build, {"x": [0], "last": 1}, None, INVOKE, BOTH)


@pytest.mark.parametrize(
    "router",
    [
        Holder().method,
        partial(lambda to, state: to, "b"),
        RunnableLambda(lambda state: "b", name="named"),
        RunnableLambda(lambda state: state["x"]) | (lambda x: ["b"] * len(x)),
        RunnableLambda(lambda state, config: [*config["metadata"]][:0] or "b", name="configured"),
        type("Router", (), {"__call__": lambda self, state: "b"})(),
    ],
    ids=label,
)
def test_kinds_of_routers(router):
    """A router is a node that returns destinations."""

    def build(log):
        builder = wire(Lists, {"a": writes(), "b": writes(x=["b"])}, (START, "a"))
        return builder.add_conditional_edges("a", router)

    compare(build, {"x": [0], "last": 1}, None, INVOKE, BOTH)


def test_prompt_and_lambda():
    """An LCEL chain as a node."""

    def build(log):
        prompt = ChatPromptTemplate.from_messages([("system", "be {last}"), ("human", "{x}")])
        model = FakeMessagesListChatModel(responses=[AIMessage("hello", id="1")])
        chain = prompt | model | (lambda message: {"x": [message.content]})
        return wire(Lists, {"a": chain}, (START, "a"))

    assert result(build, {"last": "kind", "x": ["q"]})["x"] == ["q", "hello"]


def test_sequence_of_nodes():
    """`add_sequence` with names, functions and Runnables."""

    def first(state):
        return {"x": ["first"]}

    def build(log):
        builder = StateGraph(Lists)
        builder.add_sequence([first, ("second", writes(x=[2])), ("third", RunnableLambda(first))])
        builder.add_edge(START, "first")
        builder.set_finish_point("third")
        return builder

    assert result(build, {}) == {"x": ["first", 2, "first"]}


def test_destinations_and_annotated_commands():
    """They are for drawing and validation; nothing of a run changes."""

    def build(log):
        def goes(state: Lists) -> Command[Literal["b", "__end__"]]:
            return Command(goto="b")

        def either(state: Lists) -> Command[Literal["c"]] | dict:
            return Command(goto="c", update={"x": ["b"]})

        builder = StateGraph(Lists)
        builder.add_node("a", goes)
        builder.add_node("b", either)
        builder.add_node("c", writes(x=["c"]), destinations={"a": "again", END: "done"})
        builder.add_node("d", writes(x=["d"]), destinations=("a",))
        return builder.add_edge(START, "a")

    assert result(build, {}) == {"x": ["b", "c"]}


async def _async(state):
    return None


async def _async_generator(state):
    yield None


class _AsyncCall:
    async def __call__(self, state):
        return None


@pytest.mark.parametrize(
    "node",
    [_async, _async_generator, _AsyncCall(), RunnableLambda(_async), partial(_async)],
    ids=label,
)
def test_async_nodes_run_on_an_event_loop_only(node):
    """What has no sync function fails a sync run, in LangGraph's words."""
    builder = wire(Lists, {"a": node}, (START, "a"))
    said = []
    for graph in (builder.compile(), compile_in_process(builder)):
        assert asyncio.run(graph.ainvoke({"x": ["in"]})) == {"x": ["in"]}
        with pytest.raises(TypeError) as caught:
            graph.invoke({})
        said.append(str(caught.value))
    assert said[0] == said[1]


# -- messages ------------------------------------------------------------------------------------


@tool
def add(a: int, b: int) -> int:
    """Adds."""
    return a + b


@tool
def fail(a: int) -> int:
    """Fails."""
    raise ValueError(f"no {a}")


@tool
def look(state: Annotated[dict, InjectedState], config: RunnableConfig) -> str:
    """Looks at the state."""
    return f"{len(state['messages'])} messages in {config['metadata']['langgraph_node']}"


@tool
def around(runtime: ToolRuntime) -> str:
    """Looks at the runtime."""
    runtime.stream_writer({"tool": "writes"})
    return f"{runtime.tool_call_id} {runtime.context}"


@tool
def leave(runtime: ToolRuntime) -> Any:
    """Goes elsewhere."""
    from langchain_core.messages import ToolMessage

    said = ToolMessage("left", tool_call_id=runtime.tool_call_id)
    return Command(update={"messages": [said]}, goto="after")


_TOOLS = [add, fail, look, around, leave]


def calls(*tools: tuple[str, dict]) -> AIMessage:
    """A model's answer that calls tools."""
    return AIMessage(
        "",
        id="call-" + "-".join(name for name, _ in tools),
        tool_calls=[
            {"name": name, "args": args, "id": f"{name}-{i}"}
            for i, (name, args) in enumerate(tools)
        ],
    )


class Chat(FakeMessagesListChatModel):
    """A fake model that takes tools."""

    def bind_tools(self, tools, **kwargs):
        return self


_ANSWERS = [
    [AIMessage("done", id="done")],
    [calls(("add", {"a": 1, "b": 2})), AIMessage("done", id="done")],
    [
        calls(("add", {"a": 1, "b": 2}), ("look", {}), ("around", {}), ("missing", {})),
        AIMessage("done", id="done"),
    ],
    [calls(("add", {"a": "x", "b": 2})), AIMessage("done", id="done")],
    [calls(("leave", {})), AIMessage("done", id="done")],
    [calls(("fail", {"a": 1})), AIMessage("done", id="done")],
]


@pytest.mark.parametrize("answers", _ANSWERS, ids=range(len(_ANSWERS)))
def test_react_graph_with_a_tool_node(answers):
    """The usual agent loop, written out."""

    def build(log):
        def agent(state: MessagesState):
            log.note("agent", "state", state)
            turn = sum(isinstance(message, AIMessage) for message in state["messages"])
            model = Chat(responses=[answers[turn]])
            return {"messages": [model.invoke(state["messages"])]}

        builder = StateGraph(MessagesState)
        builder.add_node("agent", agent)
        builder.add_node("tools", ToolNode(_TOOLS))
        builder.add_node("after", lambda state: None)
        builder.add_edge(START, "agent")
        builder.add_conditional_edges("agent", tools_condition)
        builder.add_edge("tools", "agent")
        return builder

    compare(build, {"messages": [("user", "hi")]}, {"recursion_limit": 6}, INVOKE, BOTH)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("answers", [_ANSWERS[1], _ANSWERS[2]], ids=["one", "several"])
def test_prebuilt_agent(version, answers):
    """`create_react_agent`: its second version sends each tool call by itself."""

    def build(log):
        agent = create_react_agent(
            Chat(responses=answers), _TOOLS, version=version, prompt="be brief"
        )
        return agent.builder

    compare(build, {"messages": [("user", "hi")]}, None, INVOKE, UPDATES)


def test_messages_state():
    """Ids, replacement, removal of one and of all."""

    def build(log):
        nodes = {
            "a": lambda s: {
                "messages": ["text", ("ai", "tuple"), {"role": "user", "content": "d"}]
            },
            "b": lambda s: {"messages": AIMessage("new", id="1")},
            "c": lambda s: {"messages": [RemoveMessage(id=s["messages"][-2].id)]},
            "d": note(log, "d"),
        }
        return wire(MessagesState, nodes, (START, "a"), ("a", "b"), ("b", "c"), ("c", "d"))

    seen = compare(build, {"messages": [HumanMessage("old", id="1")]})[0]["result"]["messages"]
    assert len(seen) == 3


@pytest.mark.parametrize("update", ["all", "unknown", "bad"])
def test_removing_messages(update):
    """All of them; one that is not there is an error."""

    def build(log):
        removed = {"all": [RemoveMessage(id=REMOVE_ALL_MESSAGES), SystemMessage("s", id="s")]}
        removed |= {"unknown": [RemoveMessage(id="9")], "bad": [5]}
        return wire(MessagesState, {"a": lambda s: {"messages": removed[update]}}, (START, "a"))

    compare(build, {"messages": [HumanMessage("old", id="1")]}, None, INVOKE, UPDATES)


def test_messages_in_other_states():
    """A pydantic state with messages, a router on them, and a partial reducer."""

    class Chatty(BaseModel):
        messages: Annotated[list, add_messages] = []
        short: Annotated[list, add_messages(format="langchain-openai")] = []

    def build(log):
        nodes = {"a": lambda s: {"messages": [AIMessage("a", id="a")], "short": [("user", "s")]}}
        return wire(Chatty, nodes, (START, "a"), ("a", lambda s: END if s.messages else "a"))

    compare(build, {"messages": [HumanMessage("h", id="h")]}, None, INVOKE, VALUES)


# -- custom stream -------------------------------------------------------------------------------


def writing(name: str, log: Log) -> Any:
    """A node that writes three chunks, one in each way."""

    def node(state: Any, writer: StreamWriter, runtime: Runtime) -> Any:
        log.note(name, "ran", None)
        writer({"custom": name, "step": get_config()["metadata"]["langgraph_step"], "n": 0})
        get_stream_writer()({"custom": name, "step": 0, "n": 1} | {"step": _now()})
        runtime.stream_writer({"custom": name, "step": _now(), "n": 2})
        return {"x": [name]}

    return node


def _now() -> int:
    return get_config()["metadata"]["langgraph_step"]


_CUSTOM_MODES = (
    "custom",
    ["custom"],
    ("custom", "updates"),
    ["custom", "updates"],
    ["values", "custom"],
    ["values", "updates", "custom"],
)


@pytest.mark.parametrize("modes", _CUSTOM_MODES, ids=label)
@pytest.mark.parametrize("take", [None, 1, 2, 3, 4, 5, 7])
def test_custom_chunks_of_a_chain(modes, take):
    """They come in order, before their node's update; stopping lets the node finish."""

    def build(log):
        nodes = {name: writing(name, log) for name in "abc"}
        return wire(Lists, nodes, (START, "a"), ("a", "b"), ("b", "c"))

    (seen,) = compare(build, {"x": []}, None, Call("stream", (("stream_mode", modes),), take))
    if modes == "custom" and take:
        assert len(seen["log"]) == min((take + 2) // 3, 3)


@pytest.mark.parametrize("modes", _CUSTOM_MODES, ids=label)
def test_custom_chunks_of_parallel_nodes(modes):
    """Each node's own chunks keep their order."""

    def build(log):
        nodes = {name: writing(name, log) for name in "abcd"}
        return wire(Lists, nodes, *((START, name) for name in "abc"), (["a", "b", "c"], "d"))

    compare(build, {"x": []}, None, Call("stream", (("stream_mode", modes),)))


def test_custom_chunks_before_a_failure():
    """They come out, and then the exception."""

    def build(log):
        def node(state, writer: StreamWriter):
            writer("before")
            raise ValueError("after")

        return wire(Lists, {"a": node}, (START, "a"))

    (seen,) = compare(build, {}, None, Call("stream", (("stream_mode", "custom"),)))
    assert seen["chunks"] == ["before"]


def test_custom_chunks_are_live():
    """A chunk is out while its node still runs."""
    import threading

    go_on = threading.Event()

    def node(state, writer: StreamWriter):
        writer("first")
        assert go_on.wait(10)
        writer("second")

    graph = compile_in_process(wire(Lists, {"a": node}, (START, "a")))
    stream = graph.stream({}, stream_mode="custom")
    assert next(stream) == "first"
    go_on.set()
    assert list(stream) == ["second"]


def test_custom_chunks_nobody_wants():
    """The writer is there, and what it is given is dropped; invoke can collect it."""

    def build(log):
        return wire(Lists, {"a": writing("a", log)}, (START, "a"))

    collected = Call("invoke", (("stream_mode", "custom"),))
    both = Call("invoke", (("stream_mode", ["custom", "values"]),))
    seen = compare(build, {}, None, INVOKE, UPDATES, collected, both)
    assert len(seen[2]["chunks"]) == 3


def test_writer_in_a_router_and_a_runnable():
    """Wherever the ambient config reaches."""

    def build(log):
        def route(state, writer: StreamWriter):
            writer({"custom": "route", "step": 1, "n": 0})
            return END

        def inside(state):
            get_stream_writer()({"custom": "inside", "step": 1, "n": 0})
            return {"x": [get_store()]}

        return wire(Lists, {"a": RunnableLambda(inside)}, (START, "a"), ("a", route))

    call = Call("stream", (("stream_mode", ["custom", "updates"]),))
    (seen,) = compare(build, {}, None, call)
    assert [mode for mode, _ in seen["chunks"]] == ["custom", "custom", "updates"]


# -- context -------------------------------------------------------------------------------------


class UserDict(TypedDict):
    """Context as a dict."""

    user: str
    n: int


@dataclass
class UserData:
    """Context as a dataclass."""

    user: str
    n: int = 3


class UserModel(BaseModel):
    """Context as a model."""

    user: str
    n: int = 3


@pytest.mark.parametrize("schema", [None, UserDict, UserData, UserModel])
@pytest.mark.parametrize(
    "context",
    [
        None,
        {},
        {"user": "u"},
        {"user": "u", "n": "5"},
        {"user": 5, "n": "x"},
        {"unknown": 1},
        UserData("d"),
        UserModel(user="m"),
        "text",
    ],
    ids=label,
)
def test_context(schema, context):
    """A dict becomes what the schema says, anything else is passed on."""

    def build(log):
        def node(state, runtime: Runtime[Any]):
            log.note("a", "context", (type(runtime.context).__name__, runtime.context))
            log.note("a", "ambient", get_runtime().context is runtime.context)

        def route(state, runtime):
            log.note("a", "route", runtime.context)
            return END

        return wire(Lists, {"a": node}, (START, "a"), ("a", route), context_schema=schema)

    arguments = (("context", context),)
    compare(build, {}, None, Call("invoke", arguments), Call("stream", arguments))


def beat():
    """A heartbeat."""


class Keeper:
    """Stands for a store."""


class Lookalike:
    """What a host may put in place of a Runtime: its context and store count."""

    def __init__(self):
        self.context = {"user": "alike"}
        self.heartbeat = beat
        self.store = Keeper()


_INFO = ServerInfo("assistant", "graph")
_RUNTIMES = {
    "context": {"context": {"user": "above"}},
    "empty context": {"context": {}},
    "nothing": {},
    "all": {
        "context": UserData("above"),
        "store": Keeper(),
        "stream_writer": print,
        "heartbeat": beat,
        "previous": "before",
        "execution_info": ExecutionInfo("c", "ns", "t", "thread", "run", 3, 1.5),
        "server_info": _INFO,
        "control": RunControl(),
    },
}


@pytest.mark.parametrize("context", [None, {}, {"user": "own"}])
@pytest.mark.parametrize("name", [*_RUNTIMES, "lookalike", "store", "None"])
@pytest.mark.parametrize("cls", [Runtime, OwnRuntime], ids=["langgraph", "lgc"])
def test_runtime_in_the_callers_config(cls, name, context):
    """What the run's own Runtime does not say is taken from it; a node's own task is its own."""
    if name in _RUNTIMES:
        given = cls(**_RUNTIMES[name])
    else:
        given = {"lookalike": Lookalike(), "store": SimpleNamespace(store=3), "None": None}[name]

    def build(log):
        def node(state, runtime, config):
            log.note("a", "runtime", runtime)
            log.note("a", "class", type(runtime).__module__)
            log.note("a", "heartbeat", runtime.heartbeat is beat)
            log.note("a", "controls", type(runtime.control).__name__)
            log.note("a", "store", type(get_store()).__name__)
            log.note("a", "ambient", get_runtime() is config["configurable"]["__pregel_runtime"])
            runtime.stream_writer("chunk")
            return {"x": [1]}

        def route(state, runtime):
            log.note("a", "route", runtime)
            return END

        return wire(Lists, {"a": node}, (START, "a"), ("a", route), context_schema=UserData)

    arguments = (("context", context),)
    custom = (("stream_mode", ["custom", "values"]),)
    config = {"configurable": {"__pregel_runtime": given, "user": "u"}}
    compare(build, {}, config, Call("invoke", arguments), Call("stream", (*arguments, *custom)))


DRAINS = {
    "before": lambda control, step: step == 0,
    "by the first": lambda control, step: step == 1,
    "by the last": lambda control, step: step == 3,
}


@pytest.mark.parametrize("given", ["control", "runtime", "nothing"])
@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("when", DRAINS)
def test_drain(when, parallel, given):
    """A run that is asked to stop does so before its next superstep, if any (spec §4.13)."""
    if given == "nothing" and when == "before":
        pytest.skip("nobody could ask")
    seen = []
    for compile in (lambda builder: builder.compile(), compile_in_process):
        control = RunControl()

        def node(state, runtime, control=control):
            step = len(state["x"]) + 1
            if DRAINS[when](control, step):
                runtime.control.request_drain(f"at {step}")
            return {"x": [step]}

        nodes = {
            "a": node,
            "b": node,
            "c": node,
            **({"beside": writes(last=1)} if parallel else {}),
        }
        edges = [(START, "a"), ("a", "b"), ("b", "c"), *([("a", "beside")] if parallel else [])]
        graph = compile(wire(Lists, nodes, *edges))
        if when == "before":
            control.request_drain("early")
        config = {"configurable": {"__pregel_runtime": Runtime(control=control)}}
        how = {"control": control} if given == "control" else {}
        how["config"] = config if given == "runtime" else None
        for run in (
            lambda graph=graph, how=how: graph.invoke({"x": []}, **how),
            lambda graph=graph, how=how: list(graph.stream({"x": []}, **how)),
        ):
            try:
                found = run()
            except GraphDrained as exc:
                found = (str(exc), exc.reason)
            seen.append(sorted(found, key=repr) if isinstance(found, list) else found)
    assert seen[:2] == seen[2:]


def test_runtime_of_sends_and_parallel_nodes():
    """Every task has its own; the context is one object."""

    def build(log):
        def node(state, runtime):
            info = runtime.execution_info
            log.note(info.task_id, "info", info)
            log.note(info.task_id, "context", runtime.context)

        nodes = {"s": lambda state: Command(goto=[Send("a", i) for i in range(3)]), "a": node}
        return wire(Lists, nodes, (START, "s"), ("s", "a"))

    compare(build, {}, {"run_id": None}, Call("invoke", (("context", {"k": 1}),)))


def test_plain_values_of_messages():
    """The comparison above sees a message's content, and not an id that was drawn."""
    message = AIMessage("text", id="1f0a2b3c-0000-4000-8000-000000000000")
    assert "text" in comparable(message)
    assert "1f0a" not in comparable(message)


class User:
    """A user as LangGraph's server puts it into `configurable`."""

    identity = "me"


@pytest.mark.parametrize(
    "conf",
    [
        {"assistant_id": "a"},
        {"assistant_id": 7, "graph_id": "g"},
        {"graph_id": ""},
        {"langgraph_auth_user": User()},
        {"langgraph_auth_user": {"identity": "me"}},
    ],
)
def test_server_info(conf):
    """What LangGraph's server says of itself and of the user reaches `runtime.server_info`."""

    def build(log):
        def node(state, runtime):
            info = runtime.server_info
            log.note("n", "info", info and (type(info), info.assistant_id, info.graph_id))
            log.note("n", "user", info and getattr(info.user, "identity", None))
            return {"x": ["n"]}

        return wire(Lists, {"n": node}, (START, "n"))

    assert result(build, {"x": []}, {"configurable": conf}) == {"x": ["n"]}


def test_trace_policy():
    """It changes what tracers record, and lgc refuses to run traced."""

    def build(log):
        builder = wire(Lists, {"a": writes(x=["a"])}, (START, "a"))
        policy = TracePolicy(process_inputs=lambda value: "hidden")
        return builder.add_node("b", writes(x=["b"]), trace_policy=policy).add_edge("a", "b")

    assert result(build, {"x": []}) == {"x": ["a", "b"]}


@pytest.mark.parametrize("method", ["invoke", "stream"])
@pytest.mark.parametrize("modes", ["values", "updates", ["updates"], ["custom", "values"]])
@pytest.mark.parametrize(
    "how",
    [
        {"print_mode": "values"},
        {"print_mode": ["updates", "custom"]},
        {"debug": True},
        {"debug": False, "subgraphs": True},
        {"debug": True, "subgraphs": True, "print_mode": "custom"},
    ],
)
def test_printed_and_named_chunks(capsys, how, modes, method):
    """What goes to standard output, and what begins with the graph's namespace."""

    def build(log):
        def node(state, writer):
            writer("told")
            return {"x": ["a"]}

        return wire(Lists, {"a": node, "b": writes(last=1)}, (START, "a"), ("a", "b"))

    seen = []
    for graph in (build(Log()).compile(), compile_in_process(build(Log()))):
        found = getattr(graph, method)({"x": []}, stream_mode=modes, **how)
        seen.append((found if method == "invoke" else list(found), capsys.readouterr().out))
    assert seen[0] == seen[1]


def test_debug_of_a_compiled_graph(capsys):
    """`compile(debug=True)` prints what every run does."""
    builder = wire(Lists, {"a": writes(x=["a"])}, (START, "a"))
    seen = []
    for graph in (builder.compile(debug=True), compile_in_process(builder).compile(debug=True)):
        seen.append((graph.invoke({"x": []}), capsys.readouterr().out))
    assert seen[0] == seen[1]
    assert "[updates]" in seen[0][1]


def test_debug_chunks_tell_the_time_of_a_patched_clock(monkeypatch):
    """However often it is patched: `datetime`, as freezegun does, or lgc's own clock."""
    builder = wire(Lists, {"a": writes(x=["a"])}, (START, "a"))
    graphs = builder.compile(), compile_in_process(builder)

    def times(graph):
        return [chunk["timestamp"] for chunk in graph.stream({"x": []}, stream_mode="debug")]

    for day in (1, 2):

        class Frozen(datetime.datetime):
            @classmethod
            def now(cls, tz=None, day=day):
                return cls(2001, 1, day, tzinfo=tz)

        with monkeypatch.context() as patch:
            for module in (datetime, upstream_loop, upstream_checkpoint):
                patch.setattr(module, "datetime", Frozen)
            theirs, ours = map(times, graphs)
        assert theirs == ours == [f"2001-01-0{day}T00:00:00+00:00"] * len(theirs)
        assert theirs
    for time in ("then", "later"):
        monkeypatch.setattr(checkpoint_model, "now", lambda time=time: time)
        assert times(graphs[1]) == [time] * len(theirs)
