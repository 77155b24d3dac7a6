"""Reading a builder: what is refused and where it points, and that the builder is left alone."""

from __future__ import annotations

import copy
import importlib
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from lgc.compiler import requirements, source_map
from lgc.compiler.diagnostics import CompileError, Diagnostic
from lgc.compiler.frontend import Analysis, analyse
from lgc.compiler.frontend import analysis as entries
from lgc.compiler.ir import Call, ChannelIR, ManagedIR
from lgc.compiler.ir_refs import BuilderRef, SymbolRef
from lgc.compiler.target import load, parse_target

HEAD = """
import asyncio, operator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.channels import DeltaChannel, LastValue, Topic
from langgraph.graph import END, START, StateGraph
from langgraph.managed import IsLastStep, RemainingSteps
from langgraph.managed.base import ManagedValue
from langgraph.prebuilt import ToolNode
from langgraph.types import CachePolicy, Command, RetryPolicy, TimeoutPolicy, TracePolicy
from pydantic import BaseModel
"""
STATE = """
class State(TypedDict):
    x: int
"""
BODY = """
def node(state): return {"x": 1}
async def anode(state): return {"x": 1}
def generator(state): yield {"x": 1}
def handler(state): return {"x": 0}
async def agenerator(state): yield {"x": 1}
async def arouter(state): return END
class NotStopped(list): pass
class Waits:
    async def __call__(self, state): return {"x": 1}
    async def method(self, state, *, store): return {"x": 1}
class Empty(Waits):
    def __len__(self): return 0
Inner = TypedDict("Inner", {"x": int})
inner = StateGraph(Inner).add_node("i", node).add_edge(START, "i").compile()
def calls_inner(state): return inner.invoke(state)
@tool
def add(a: int) -> int:
    "Adds."
    return a
builder = StateGraph(State)
builder.add_edge(START, "n")
"""
NODE = 'builder.add_node("n", node)\n'
Reader = Callable[[str, str], Analysis]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Reads a target of a module with the given source."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])

    def reader(source: str, target: str = "builder") -> Analysis:
        (tmp_path / "user_graph.py").write_text(source)
        sys.modules.pop("user_graph", None)
        importlib.invalidate_caches()
        source_map._of_file.cache_clear()
        return analyse(load(parse_target(f"user_graph:{target}", tmp_path), tmp_path))

    yield reader
    sys.modules.pop("user_graph", None)


def refusals(read: Reader, source: str, target: str = "builder") -> tuple[Diagnostic, ...]:
    with pytest.raises(CompileError) as caught:
        read(source, target)
    return caught.value.diagnostics


# What is refused: its code, the source of the state and of the rest, what the line shows.
REFUSED = {
    "retry": (
        "LGC206",
        STATE,
        "n node, retry_policy=RetryPolicy(max_interval=float('inf'))",
        "retry_policy=RetryPolicy(",
    ),
    "cache": (
        "LGC207",
        STATE,
        "n node, cache_policy=CachePolicy(ttl=float('inf'))",
        "cache_policy=CachePolicy(",
    ),
    "timeout": ("LGC111", STATE, "n node, timeout=3", "timeout=3"),
    "default retry": (
        "LGC206",
        STATE,
        NODE + "builder.set_node_defaults(retry_policy=RetryPolicy(max_interval=float('inf')))\n",
        "builder.set_node_defaults(retry_policy=RetryPolicy(",
    ),
    "default cache": (
        "LGC207",
        STATE,
        NODE + "builder.set_node_defaults(cache_policy=CachePolicy(ttl=float('inf')))\n",
        "builder.set_node_defaults(",
    ),
    "default timeout": (
        "LGC111",
        STATE,
        NODE + "builder.set_node_defaults(timeout=3)\n",
        'builder.add_node("n", node)',
    ),
    "key like an internal channel": (
        "LGC218",
        "State = TypedDict('State', {'x': int, 'branch:to:n': int})\n",
        NODE,
        "StateGraph(",
    ),
    "reserved key": (
        "LGC111",
        "State = TypedDict('State', {'x': int, '__input__': int})\n",
        NODE,
        "StateGraph(",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_at_the_users_line(read: Reader, case: str) -> None:
    code, state, rest, shown = REFUSED[case]
    if rest.startswith("n "):
        rest = f'builder.add_node("n", {rest[2:]})\n'
    diagnostics = [d for d in refusals(read, HEAD + state + BODY + rest) if d.code == code]
    assert len(diagnostics) == 1
    (diagnostic,) = diagnostics
    assert diagnostic.severity == "error" and diagnostic.help
    span = diagnostic.span
    assert span is not None and Path(span.file).name == "user_graph.py"
    assert shown in span.text
    assert span.text[span.column - 1 :].startswith(shown) or shown == "builder = StateGraph(State)"


@pytest.mark.parametrize(
    ("code", "expression"),
    [
        ("LGC219", "builder.compile(interrupt_before=NotStopped(['n']))"),
        ("LGC219", "builder.compile().with_config(callbacks=[print])"),
        ("LGC219", 'builder.compile().bind(stream_mode="values")'),
        ("LGC219", "builder.compile().with_listeners(on_start=print)"),
        ("LGC219", 'builder.compile().with_types().with_config(tags=["a"])'),
        ("LGC206", 'builder.compile().copy({"retry_policy": [RetryPolicy()]})'),
        ("LGC207", 'builder.compile().copy({"cache_policy": CachePolicy()})'),
        ("LGC221", 'builder.compile().copy({"output_channels": "x"})'),
        ("LGC221", 'builder.compile().copy({"stream_channels": "x"})'),
    ],
)
def test_compiled_graph(read: Reader, code: str, expression: str) -> None:
    source = f"{HEAD}{STATE}{BODY}{NODE}graph = {expression}\n"
    (diagnostic,) = refusals(read, source, "graph")
    assert diagnostic.code == code
    assert diagnostic.span is not None and diagnostic.span.text == f"graph = {expression}"
    # The builder behind it is fine.
    assert read(source, "builder").ir.nodes


def test_compiled_graph_gives_its_name_and_not_its_saver(read: Reader) -> None:
    source = HEAD + STATE + BODY + NODE
    source += "from langgraph.checkpoint.memory import InMemorySaver\n"
    source += 'graph = builder.compile(checkpointer=InMemorySaver(), name="mine")\n'
    analysis = read(source, "graph")
    assert analysis.ir.name == "mine"
    assert [n.code for n in analysis.notes] == ["LGC304"]


def test_every_problem_is_reported(read: Reader) -> None:
    source = (
        HEAD
        + STATE
        + BODY
        + 'builder.add_node("n", anode, retry_policy=RetryPolicy(max_interval=float("inf")))\n'
        + 'builder.add_node("m", node, cache_policy=CachePolicy(ttl=float("inf")))\n'
    )
    diagnostics = refusals(read, source)
    codes = sorted(d.code for d in diagnostics)
    assert codes == ["LGC206", "LGC207"]
    assert all(d.span is not None for d in diagnostics)


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("", "unknown node `n`"),
        (NODE + 'builder.add_edge("n", "m")\n', "unknown node `m`"),
        (NODE + 'builder.add_edge("m", "n")\n', "unknown node 'm'"),
        (NODE + 'builder.add_conditional_edges("n", node, ["m"])\n', "unknown target 'm'"),
    ],
)
def test_graph_that_langgraph_refuses(read: Reader, rest: str, words: str) -> None:
    (diagnostic,) = refusals(read, HEAD + STATE + BODY + rest)
    assert diagnostic.code == "LGC111" and words in diagnostic.message
    assert diagnostic.span is not None


@pytest.mark.parametrize("version", ["1.2.21", "1.3.0", "2.0", "0.6.1"])
def test_other_langgraph(read: Reader, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(entries, "version", lambda name: version)
    (diagnostic,) = refusals(read, HEAD + STATE + BODY + NODE)
    assert diagnostic.code == "LGC112" and "pip install 'langgraph>=1.2.22,<1.3'" in diagnostic.help


@pytest.mark.parametrize("version", ["1.2.22", "1.2.30", "1.2.22.post1", "1.2.23rc1"])
def test_known_langgraph(read: Reader, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(entries, "version", lambda name: version)
    assert read(HEAD + STATE + BODY + NODE, "builder").ir.langgraph == version


@pytest.mark.parametrize(
    ("version", "noted"),
    [("1.2.24", False), ("1.2.24.post1", False), ("1.2.25", True), ("1.2.25rc1", True)],
)
def test_langgraph_newer_than_tested_is_noted_once(
    read: Reader, monkeypatch: pytest.MonkeyPatch, version: str, noted: bool
) -> None:
    monkeypatch.setattr(entries, "version", lambda name: version)
    monkeypatch.setattr(entries, "_noted", set())
    codes = [[d.code for d in read(HEAD + STATE + BODY + NODE, "builder").notes] for _ in "12"]
    assert codes == [["LGC114"] * noted, []]


def test_newest_is_the_langgraph_that_the_tests_pin() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    (pinned,) = re.findall(r'"langgraph==([\d.]+)"', project.read_text(encoding="utf-8"))
    assert pinned == ".".join(map(str, requirements.NEWEST)) == metadata.version("langgraph")


def test_builder_is_left_alone(read: Reader) -> None:
    source = (
        HEAD
        + "class State(TypedDict):\n    x: int\n    log: Annotated[list, operator.add]\n"
        + BODY
        + NODE
        + 'builder.add_node("m", node, defer=True)\n'
        + 'builder.add_edge(["n"], "m")\n'
        + 'builder.add_conditional_edges("n", lambda state: 0, {0: "m", "stop": END})\n'
    )

    def snapshot(builder: Any) -> dict[str, Any]:
        state = {}
        for name, value in vars(builder).items():
            # One level into containers, with the identity of what is in them.
            if isinstance(value, dict):
                state[name] = {
                    k: (id(v), dict(getattr(v, "__dict__", {}))) for k, v in value.items()
                }
            else:
                state[name] = copy.copy(value)
        state["specs"] = {
            name: [getattr(spec, slot) for slot in type(spec).__dataclass_fields__]
            for name, spec in builder.nodes.items()
        }
        state["functions"] = {n: dict(vars(s.runnable)) for n, s in builder.nodes.items()}
        state["branches"] = {n: dict(b) for n, b in builder.branches.items()}
        state["values"] = {k: getattr(c, "value", None) for k, c in builder.channels.items()}
        return state

    analysed = read(source, "builder")
    builder = sys.modules["user_graph"].builder
    before = snapshot(builder)
    assert before["compiled"] is False
    again = analyse(load(parse_target("user_graph:builder", Path.cwd()), Path.cwd()))
    assert again.ir == analysed.ir
    assert snapshot(builder) == before
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # LangGraph warns when a builder is changed that was compiled before.
        builder.add_node("late", sys.modules["user_graph"].node)
        builder.add_edge("m", "late")
        assert builder.compile().invoke({"x": 0, "log": []})["x"] == 1


def test_keys_and_kinds(read: Reader) -> None:
    source = textwrap.dedent(
        """
        class In(TypedDict):
            a: int
        class Out(TypedDict):
            b: int
        class Private(TypedDict):
            p: str
        class State(In, Out):
            seen: Annotated[list, Topic(str, accumulate=True)]
        def node(state: Private, config, runtime): return {}
        builder = StateGraph(State, input_schema=In, output_schema=Out)
        builder.add_node(node)
        builder.add_edge(START, "node")
        builder.add_edge("node", END)
        """
    )
    ir = read(HEAD + source, "builder").ir
    assert (ir.inputs, ir.outputs) == (("a",), ("b",))
    kinds = {c.key: (c.kind, c.accumulate) for c in ir.channels}
    assert kinds["seen"] == ("Topic", True) and kinds["p"] == ("LastValue", False)
    call = ir.node("node").call
    assert call is not None and {p for p, _ in call.inject} == {"config", "runtime"}
    assert ir.node("node").reads == ("p",)


def test_schemas(read: Reader) -> None:
    source = textwrap.dedent(
        """
        class Model(BaseModel):
            x: int = 0
        @dataclass
        class Record:
            x: int = 0
        class State(Model):
            y: int = 0
        class Plain(TypedDict):
            y: int
        class Settings(BaseModel):
            user: str
        def first(state): return {}
        def second(state: Model): return {}
        def third(state: Record): return {}
        def fourth(state: Plain): return {}
        def same(state): return END
        def other(state: Record): return END
        builder = StateGraph(State, Settings, output_schema=Plain)
        builder.add_sequence([first, second, third, fourth])
        builder.add_edge(START, "first")
        builder.add_conditional_edges(START, same, [END])
        for path in (same, other):
            builder.add_conditional_edges("third", path, [END])
        """
    )
    ir = read(HEAD + source, "builder").ir
    home = "user_graph"
    inputs = {node.name: (node.reads, node.schema) for node in ir.nodes}
    assert inputs == {
        "__start__": (None, None),
        "first": (("x", "y"), SymbolRef(home, "State")),
        "second": (("x",), SymbolRef(home, "Model")),
        "third": (("x",), SymbolRef(home, "Record")),
        "fourth": (("y",), None),
    }
    branches = [(b.name, b.merges, b.reads, b.schema) for n in ir.nodes for b in n.branches]
    assert branches == [
        ("same", True, ("x", "y"), SymbolRef(home, "State")),
        ("same", True, ("x",), SymbolRef(home, "Record")),
        ("other", False, ("x",), SymbolRef(home, "Record")),
    ]
    assert ir.context_schema == SymbolRef(home, "Settings")
    assert (ir.inputs, ir.outputs) == (("x", "y"), ("y",))


def test_context_schema_that_makes_nothing(read: Reader) -> None:
    """A TypedDict says what a context holds; production needs no such class."""
    source = HEAD + STATE + BODY.replace("StateGraph(State)", "StateGraph(State, State)") + NODE
    assert read(source, "builder").ir.context_schema is None


def test_schemas_without_names(read: Reader) -> None:
    source = textwrap.dedent(
        """
        def models():
            class Whole(BaseModel):
                x: int = 0
            class Part(BaseModel):
                x: int = 0
            return Whole, Part
        def build(Whole, Part):
            def routes(state: Part): return END
            builder = StateGraph(Whole, context_schema=models()[0])
            builder.add_node("n", lambda state: {}, input_schema=models()[1])
            builder.add_edge(START, "n")
            builder.add_conditional_edges(START, lambda state: END, [END])
            builder.add_conditional_edges("n", lambda state: END, [END])
            routes.__annotations__["state"] = Part
            builder.add_conditional_edges("n", routes, [END])
            return builder
        builder = build(*models())
        """
    )
    ir = read(HEAD + source, "builder").ir
    assert ir.context_schema == BuilderRef("context_schema")
    assert ir.node("n").schema == BuilderRef("schema", "n")
    schemas = [branch.schema for node in ir.nodes for branch in node.branches]
    assert schemas == [
        BuilderRef("schema", "__start__"),
        BuilderRef("schema", "n"),
        BuilderRef("schema", "n", "routes"),
    ]


def test_managed_values(read: Reader) -> None:
    source = textwrap.dedent(
        """
        class Mine(ManagedValue):
            @staticmethod
            def get(scratchpad): return scratchpad.step
        class State(TypedDict):
            last: IsLastStep
            x: int
            left: RemainingSteps
            mine: Annotated[int, Mine]
            other: Annotated[int, type("Mine", (Mine,), {})]
        def node(state): return {"x": 1}
        builder = StateGraph(State)
        builder.add_node("n", node)
        builder.add_edge(START, "n")
        """
    )
    ir = read(HEAD + source, "builder").ir
    assert [channel.key for channel in ir.channels] == ["x"]
    assert ir.managed == (
        ManagedIR("last", "is_last_step"),
        ManagedIR("left", "remaining_steps"),
        ManagedIR("mine", "custom", SymbolRef("user_graph", "Mine")),
        ManagedIR("other", "custom", BuilderRef("managed", key="other")),
    )
    assert set(ir.node("n").reads or ()) == {"last", "x", "left", "mine", "other"}
    # Nobody can set one, and none is a result.
    assert ir.inputs == ir.outputs == ("x",)


def test_channels_of_the_users_own(read: Reader) -> None:
    source = textwrap.dedent(
        """
        class Mine(LastValue): pass
        shared = Mine(int)
        class State(TypedDict):
            x: Annotated[int, Mine]
            y: Annotated[int, Mine(int)]
            z: Annotated[int, LastValue(int)]
        """
    )
    ir = read(HEAD + source + BODY + NODE, "builder").ir
    channels = [(channel.key, channel.kind, channel.custom) for channel in ir.channels]
    assert channels == [
        ("x", "custom", BuilderRef("channel", key="x")),
        ("y", "custom", BuilderRef("channel", key="y")),
        ("z", "LastValue", None),
    ]


def test_delta_channels(read: Reader) -> None:
    source = textwrap.dedent(
        """
        from langgraph.graph.message import _messages_delta_reducer
        def batch(old, writes): return old
        class Own(DeltaChannel): pass
        class State(TypedDict):
            x: Annotated[list[int], DeltaChannel(batch, snapshot_frequency=5)]
            y: Annotated[list | None, DeltaChannel(lambda old, writes: old)]
            m: Annotated[list, DeltaChannel(_messages_delta_reducer)]
            o: Annotated[list, Own(batch)]
        """
    )
    channels = read(HEAD + source + BODY + NODE, "builder").ir.channels
    builtin = SymbolRef("builtins", "list")
    messages = SymbolRef("lgc.runtime.messages", "messages_delta_reducer")
    assert channels == (
        ChannelIR(
            "x", "DeltaChannel", SymbolRef("user_graph", "batch"), builtin, snapshot_frequency=5
        ),
        ChannelIR("y", "DeltaChannel", BuilderRef("reducer", key="y"), BuilderRef("seed", key="y")),
        ChannelIR("m", "DeltaChannel", messages, builtin),
        ChannelIR("o", "custom", custom=BuilderRef("channel", key="o")),
    )


@pytest.mark.parametrize(
    ("node", "call"),
    [
        ("node", Call(SymbolRef("user_graph", "node"))),
        ("RunnableLambda(node)", Call(BuilderRef("runnable", "n"), invoke=True)),
        ("named", Call(SymbolRef("user_graph", "named"), invoke=True)),
        ("generator", Call(BuilderRef("runnable", "n"), invoke=True)),
        ("{'x': node}", Call(BuilderRef("runnable", "n"), invoke=True)),
        ("tools", Call(SymbolRef("user_graph", "tools"), invoke=True)),
        ("RunnableLambda(node, afunc=anode)", Call(BuilderRef("runnable", "n"), invoke=True)),
        ("RunnableLambda(node) | node", Call(BuilderRef("runnable", "n"), invoke=True)),
        ("RunnableLambda(anode)", Call(BuilderRef("runnable", "n"), invoke=True)),
        ("agenerator", Call(BuilderRef("runnable", "n"), invoke=True)),
        # What LangGraph calls and awaits (is_async_callable).
        ("anode", Call(SymbolRef("user_graph", "anode"), is_async=True)),
        ("waits", Call(SymbolRef("user_graph", "waits"), is_async=True)),
        ("Waits()", Call(BuilderRef("function", "n"), is_async=True)),
        # It awaits the instance that the class gives.
        ("Waits", Call(SymbolRef("user_graph", "Waits"), is_async=True)),
        (
            "waits.method",
            Call(SymbolRef("user_graph", "waits.method"), (("store", "store"),), is_async=True),
        ),
        ("partial(anode)", Call(BuilderRef("function", "n"), is_async=True)),
        (
            "partial(waits.method)",
            Call(BuilderRef("function", "n"), (("store", "store"),), is_async=True),
        ),
        # What makes a coroutine is a sync function.
        ("lambda state: anode(state)", Call(BuilderRef("function", "n"))),
        ("partial(asyncio.sleep, 0)", Call(BuilderRef("function", "n"), is_async=True)),
        # An object that is false counts as no function in async runs.
        ("Empty()", Call(BuilderRef("runnable", "n"), invoke=True)),
        # LangGraph calls the function of such a Runnable in some runs, and not as it calls a
        # node's function in others.
        ("Both(node, anode)", Call(BuilderRef("runnable", "n"), invoke=True)),
        ("Both(node)", Call(BuilderRef("runnable", "n"), invoke=True)),
        ("Both(node, partial(anode))", Call(BuilderRef("runnable", "n"), invoke=True)),
        ("Both(None, anode)", Call(BuilderRef("runnable", "n"), invoke=True)),
        ("Both(None, anode, trace=False)", Call(BuilderRef("runnable", "n"), invoke=True)),
        (
            "Both(None, anode, trace=False, name='n', recurse=False)",
            Call(BuilderRef("runnable", "n"), invoke=True),
        ),
        # No difference can be seen.
        (
            "Both(None, anode, trace=False, name='n')",
            Call(SymbolRef("user_graph", "anode"), is_async=True),
        ),
    ],
)
def test_node_kinds(read: Reader, node: str, call: Call) -> None:
    named = (
        "from functools import partial\n"
        "from typing import Optional\n"
        "from langgraph._internal._runnable import RunnableCallable as Both\n"
        "from langgraph.store.base import BaseStore\n"
        "named = RunnableLambda(node)\ntools = ToolNode([add])\nwaits = Waits()\n"
    )
    ir = read(f'{HEAD}{STATE}{BODY}{named}builder.add_node("n", {node})\n', "builder").ir
    assert ir.node("n").call == call


@pytest.mark.parametrize(
    ("router", "name", "call", "anonymous"),
    [
        ("arouter", "arouter", Call(SymbolRef("user_graph", "arouter"), is_async=True), False),
        (
            "injected",
            "injected",
            Call(SymbolRef("user_graph", "injected"), (("config", "config"),), is_async=True),
            False,
        ),
        ("waits", "condition", Call(SymbolRef("user_graph", "waits"), is_async=True), True),
        (
            "partial(injected)",
            "condition",
            Call(BuilderRef("router", "n", "condition"), (("config", "config"),), is_async=True),
            True,
        ),
        ("partial(node)", "condition", Call(BuilderRef("router", "n", "condition")), False),
        (
            "partial(asks)",
            "condition",
            Call(
                BuilderRef("router", "n", "condition"),
                (("writer", "writer"), ("store", "store")),
            ),
            True,
        ),
        (
            "may_have_store",
            "may_have_store",
            Call(SymbolRef("user_graph", "may_have_store"), (("store", "optional_store"),)),
            False,
        ),
        (
            "Both(None, arouter, trace=False)",
            "arouter",
            Call(BuilderRef("path", "n", "arouter"), invoke=True),
            False,
        ),
        (
            "Both(None, arouter, name='other')",
            "other",
            Call(BuilderRef("path", "n", "other"), invoke=True),
            False,
        ),
    ],
)
def test_router_kinds(read: Reader, router: str, name: str, call: Call, anonymous: bool) -> None:
    more = (
        "from functools import partial\n"
        "from typing import Optional\n"
        "from langgraph._internal._runnable import RunnableCallable as Both\n"
        "from langgraph.store.base import BaseStore\n"
        "waits = Waits()\n"
        "async def injected(state, config): return END\n"
        "def asks(state, *, store, writer): return END\n"
        "def may_have_store(state, store: Optional[BaseStore]): return END\n"
    )
    rest = f'builder.add_conditional_edges("n", {router}, ["n", END])\n'
    (branch,) = read(HEAD + STATE + BODY + more + NODE + rest, "builder").ir.node("n").branches
    assert (branch.name, branch.path, branch.anonymous) == (name, call, anonymous)
    assert branch.targets == ("n", "__end__")


def test_runnable_as_router(read: Reader) -> None:
    rest = 'builder.add_conditional_edges("n", RunnableLambda(node), ["n", END])\n'
    (branch,) = read(HEAD + STATE + BODY + NODE + rest, "builder").ir.node("n").branches
    path = BuilderRef("path", "n", branch.name)
    assert branch.path == Call(path, invoke=True)
    assert branch.targets == ("n", "__end__")


HELP = """
import contextvars, functools, json
from langgraph._internal._runnable import RunnableCallable as Both
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.runnables import Runnable
from langgraph.types import Send
"""
GOES = """
from langgraph import types
from langgraph.types import Command as C, Send as S
STOP = Command(goto=END)
FEW = types.Command
class Mine(Command): pass
def plain(state): return {"x": len(json.dumps(state))}
def calls_plain(state): return plain(state)
def names_command(state): return Command(goto="n")
def names_send(state): return [Send("n", state)]
def names_types(state): return types.Command(goto="n")
def other_name(state): return C(goto="n")
def other_send(state): return S("n", 1)
def own_class(state): return Mine(goto="n")
def constant(state): return STOP
def alias(state): return FEW(goto="n")
def imports(state):
    from langgraph.types import Command as Local
    return Local(goto="n")
def inside(state):
    def deeper(): return [Command(goto=name) for name in "n"]
    return deeper()
def helper(state): return other_name(state)
def helpers_helper(state): return helper(state)
def recursive(state): return recursive(state) if state else {}
def made(function):
    def inner(state): return function(state)
    return inner
class Agent:
    last = C(goto="m")
    def plain(self, state): return plain(state)
    def goes(self, state): return C(goto="n")
    def __call__(self, state): return {}
    def through_self(self, state):
        result = self.goes(state)
        return result
    @staticmethod
    def _static(state): return C(goto="n")
    def static(self, state): return self._static(state)
    @property
    def decided(self): return C(goto="n")
    def property_of_self(self, state): return self.decided
    def stored(self, state):
        self.last = C(goto="n")
        return self.last
    def keeps_plain(self, state):
        self.seen = state
        return {"x": self.seen}
class Caller:
    def __call__(self, state): return self.step(state)
    def step(self, state): return C(goto="n")
def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        result = function(*args, **kwargs)
        return result
    return wrapper
@logged
def wrapped(state): return C(goto="n")
@logged
def wrapped_plain(state): return {}
def copies(state): return dict(state)
def reads(state): return state["x"] or state.get("x")
def update_only(state): return C(update={"x": 1})
def to_parent(state): return C(goto="n", graph=C.PARENT)
model = GenericFakeChatModel(messages=iter([]))
def asks_model(state): return model.invoke("hello")
def builds_list(state):
    result = []
    result.append({"x": 1})
    return result
def goes_by(name, state): return C(goto="n")
def passes(function, state): return function(state)
@tool
def hand_over(a: int):
    "Hands over."
    return C(goto="n")
def by_variable(state):
    end = "n" if state else "m"
    if not end: end = END
    return C(goto=end)
def by_literals(state): return C(goto=["m", S("n", {})])
def by_table(state): return {"a": C(goto="n"), "b": C(goto="m")}[state["x"]]
TABLE = {"a": C(goto="n"), "b": C(goto="m")}
def by_global_table(state): return TABLE.get(state["x"])
def by_loop(state):
    sends = [S("n", x) for x in state["x"]]
    for send in sends:
        return send
def by_names(state): return [C(goto=name) for name in ["n", "m"]]
def by_letters(state): return [C(goto=letter) for letter in "mn"]
def by_append(state):
    sends = []
    sends.append(S("m", 1))
    return sends
FUNCTIONS = {"a": plain, "b": other_name}
def by_function_table(state): return FUNCTIONS[state["x"]](state)
def chosen_plain(state): return {"a": plain, "b": calls_plain}["a"] and {}
def declared(state) -> Command[Literal["m"]]: return unknown.decide(state)
def declares(state): return declared(state)
def by_state(state): return C(goto=state["x"])
def keyword_arguments(state): return C(**state)
class Unknown: pass
unknown = Unknown()
unknown.decide = None
def asks_unknown(state): return unknown.decide(state)
class UnknownRunnable(Runnable):
    def invoke(self, state, config=None, **rest): return globals()["other_name"](state)
unknown_runnable = UnknownRunnable()
exec("def sourceless(state): return C(goto='n')")
later, going = made(plain), made(other_name)
async def aplain(state): return plain(state)
async def agoes(state): return C(goto="n")
async def awaits_plain(state):
    async with asyncio.timeout(1) as scope:
        return await aplain(state)
async def awaits_other(state):
    result = await agoes(state)
    return result
async def gathers(state): return [*await asyncio.gather(agoes(state), aplain(state))]
async def gathers_plain(state): return list(await asyncio.gather(aplain(state)))
async def waits_for(state): return await asyncio.wait_for(agoes(state), timeout=1)
async def in_task(state):
    task = asyncio.create_task(agoes(state))
    return await task
async def on_thread(state): return await asyncio.to_thread(other_name, state)
async def plain_on_thread(state): return await asyncio.to_thread(plain, state)
async def partly_on_thread(state): return {"x": await asyncio.to_thread(other_name, state)}
async def nested_on_thread(state):
    def work(value): return C(goto="n")
    return await asyncio.to_thread(work, state)
async def nested_elsewhere(state):
    def work(): return C(goto="n")
    return contextvars.copy_context().run(work)
async def in_executor(state):
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, other_name, state)
async def in_group(state):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(agoes(state))
    return task.result()
async def ayields(state):
    async for x in agoing(): yield x
async def agoing(): yield C(goto="m")
async def acollects(state): return [x async for x in agoing()]
async def ainvokes_model(state): return await model.ainvoke("hello")
async def ainvokes(state): return await RUNNABLE.ainvoke(state)
RUNNABLE = RunnableLambda(other_name)
class Awaits:
    async def __call__(self, state): return await self.step(state)
    async def step(self, state): return C(goto="n")
def unbound():
    if not later: absent = 1
    def inner(state): return absent
    return inner
"""


@pytest.mark.parametrize(
    "node",
    [
        "plain",
        "calls_plain",
        "recursive",
        "Agent().plain",
        "Agent()",
        "made(plain)",
        "lambda state: plain(state)",
        "RunnableLambda(plain)",
        "RunnableLambda(plain) | plain",
        "functools.partial(plain)",
        "copies",
        "reads",
        "wrapped_plain",
        "ToolNode([add])",
        "update_only",
        "to_parent",
        "asks_model",
        "builds_list",
        "Agent().keeps_plain",
        "chosen_plain",
        "aplain",
        "awaits_plain",
        "gathers_plain",
        "plain_on_thread",
        "partly_on_thread",
        "ainvokes_model",
        "RunnableLambda(aplain)",
        "functools.partial(aplain)",
    ],
)
def test_what_returns_no_command(read: Reader, node: str) -> None:
    source = f'{HEAD}{HELP}{STATE}{BODY}{GOES}builder.add_node("n", {node})\n'
    node = read(source, "builder").ir.node("n")
    assert (node.gotos, node.targets) == (False, ())


@pytest.mark.parametrize(
    ("node", "targets"),
    [
        ("names_command", "n"),
        ("names_send", "n"),
        ("names_types", "n"),
        ("other_name", "n"),
        ("other_send", "n"),
        ("constant", "__end__"),
        ("alias", "n"),
        ("imports", "n"),
        ("helper", "n"),
        ("helpers_helper", "n"),
        ("made(other_name)", "n"),
        ("lambda state, a=1: [later(state), going(state)]", "n"),
        ("Agent().goes", "n"),
        ("Agent().through_self", "n"),
        ("Agent().static", "n"),
        ("Caller()", "n"),
        ("functools.partial(goes_by, 'x')", "n"),
        ("functools.partial(passes, other_name)", ""),
        ("lambda state: STOP", "__end__"),
        ("RunnableLambda(other_name)", "n"),
        ("RunnableLambda(plain) | other_name", "n"),
        ("ToolNode([hand_over])", "n"),
        ("wrapped", "n"),
        ("by_variable", "n m __end__"),
        ("by_literals", "m n"),
        ("by_table", "m n"),
        ("by_global_table", "m n"),
        ("by_loop", "n"),
        ("by_append", "m"),
        ("by_names", "m n"),
        ("by_function_table", "n"),
        ("declares", "m"),
        ("agoes", "n"),
        ("awaits_other", "n"),
        ("gathers", "n"),
        ("waits_for", "n"),
        ("in_task", "n"),
        ("on_thread", "n"),
        ("nested_on_thread", "n"),
        ("ayields", "m"),
        ("acollects", "m"),
        ("ainvokes", "n"),
        ("Awaits()", "n"),
        ("functools.partial(agoes)", "n"),
        ("RunnableLambda(plain, afunc=agoes)", "n"),
        ("Both(plain, functools.partial(agoes))", "n"),
        ("Agent().property_of_self", ""),
        # Not to be followed: any node.
        ("by_state", ""),
        ("inside", ""),
        ("unbound()", ""),
        ("own_class", ""),
        ("by_letters", ""),
        ("keyword_arguments", ""),
        ("asks_unknown", ""),
        ("sourceless", ""),
        ("Agent().stored", ""),
        ("RunnableLambda(lambda state: unknown_runnable.invoke(state))", ""),
        ("in_executor", ""),
        ("nested_elsewhere", ""),
        ("in_group", ""),
    ],
)
def test_where_a_command_leads(read: Reader, node: str, targets: str) -> None:
    more = 'builder.add_node("m", plain)\n'
    source = f'{HEAD}{HELP}{STATE}{BODY}{GOES}builder.add_node("n", {node})\n{more}'
    node = read(source, "builder").ir.node("n")
    assert node.gotos and set(node.targets) == set(targets.split())


def test_following_ends(read: Reader) -> None:
    """Code in which every function calls the next one twice is not followed to its end."""
    source = "def f0(state): return {}\n"
    for i in range(1, 20):
        source += f"def f{i}(state): return [f{i - 1}(state), f{i - 1}(state)]\n"
    source = f'{HEAD}{STATE}{BODY}{source}builder.add_node("n", f19)\n'
    node = read(source, "builder").ir.node("n")
    assert (node.gotos, node.targets) == (True, ())


SENDS = """
def pick(state): return [S("m", state)]
def picker(state): return [S("m", state)] if state else "n"
async def apick(state): return [S("m", state)]
async def awaits(state): return await apick(state)
async def gathers(state): return [x for xs in await asyncio.gather(apick(state)) for x in xs]
async def waits_for(state): return await asyncio.wait_for(apick(state), 1)
async def on_thread(state): return await asyncio.to_thread(picker, state)
async def in_executor(state):
    return await asyncio.get_running_loop().run_in_executor(None, functools.partial(pick, state))
async def in_lambda(state): return await asyncio.to_thread(lambda: pick(state))
async def in_group(state):
    async with asyncio.TaskGroup() as group:
        task = group.create_task(apick(state))
    return task.result()
def in_pool(state): return list(POOL.map(pick, [state]))[0]
POOL = concurrent.futures.ThreadPoolExecutor()
async def reads(state): return (await asyncio.to_thread(copy, state))["x"]
def copy(state): return dict(state)
"""


@pytest.mark.parametrize(
    ("router", "sent"),
    [
        *((name, "m") for name in ("pick", "apick", "awaits", "gathers", "waits_for")),
        *((name, "m") for name in ("on_thread", "in_executor", "in_lambda", "in_group")),
        ("in_pool", "m"),
        ("reads", ""),
    ],
)
def test_where_the_sends_of_a_router_lead(read: Reader, router: str, sent: str) -> None:
    """The path map does not name the nodes that Sends lead to."""
    source = f"{HEAD}{HELP}import concurrent.futures\n{STATE}{BODY}{GOES}{SENDS}{NODE}"
    source += 'builder.add_node("m", plain)\n'
    source += f'builder.add_conditional_edges("n", {router}, {{"n": END}})\n'
    (branch,) = read(source, "builder").ir.node("n").branches
    assert branch.targets == ("__end__", *sent.split())


def test_declared_destinations(read: Reader) -> None:
    rest = (
        'def annotated(state) -> Command[Literal["n", "__end__"]]: return unknown(state)\n'
        'builder.add_node("a", annotated)\n'
        'builder.add_node("b", node, destinations=("n", "a"))\n'
        'builder.add_node("c", node, destinations={"n": "label"})\n'
    )
    ir = read(HEAD + STATE + BODY + NODE + rest, "builder").ir
    reach = {node.name: (node.gotos, node.targets) for node in ir.nodes[1:]}
    assert reach == {
        "n": (False, ()),
        "a": (True, ("n", "__end__")),
        "b": (True, ("n", "a")),
        "c": (True, ("n",)),
    }
