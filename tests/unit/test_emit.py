"""The emitted text: formatted, free of errors, running, whatever the names of the user's are."""

from __future__ import annotations

import ast
import asyncio
import itertools
import operator
import re
import subprocess
import sys
import textwrap
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph._internal._constants import RESERVED as CHANNELS
from langgraph.graph import END, START, StateGraph

from lgc.compiler.emit import body_hash, emit, is_edited, is_generated
from lgc.compiler.frontend import analyse
from lgc.compiler.passes import run_passes
from lgc.compiler.passes.imports import RESERVED
from lgc.compiler.target import Loaded, Target
from lgc.runtime.abi import ABI, source_hash

COMMAND = "lgc compile case:builder -o build"
LONG = "a_name_that_is_as_long_as_a_careless_colleague_makes_them_and_then_some_more_of_it"
NUMBERS = itertools.count()
CLI = [sys.executable, "-m", "lgc.cli"]


def text_of(home: ModuleType, target: str = "builder") -> str:
    """The module for `target`, an expression in `home`."""
    obj = operator.attrgetter(target)(home)
    called = "call" if callable(obj) and not hasattr(obj, "nodes") else ""
    loaded = Loaded(obj() if called else obj, home, Target(home.__name__, target), called)
    ir, _ = run_passes(analyse(loaded).ir)
    return emit(ir, COMMAND)


def check_format(text: str) -> None:
    """Fails unless ruff leaves `text` alone and finds nothing wrong in it."""
    for arguments in (
        ["format", "--isolated", "--stdin-filename", "graph.py", "-"],
        # The order of imports depends on which modules are the user's own, which ruff is not told.
        ["check", "--isolated", "--extend-select", "W", "--ignore", "W505,I001", "-"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments], input=text.encode(), capture_output=True
        )
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode() + text
        if arguments[0] == "format":
            assert done.stdout.decode() == text
    # mypy reads type comments, and a comment that only looks like one is an error to it.
    compile(text, "graph.py", "exec", 0x1000, dont_inherit=True)


def run(home: ModuleType, text: str) -> Any:
    """The graph of the module `text`, which imports from `home`."""
    module = {"__name__": "generated", "__file__": "generated.py"}
    exec(compile(text, "generated.py", "exec"), module)
    return module["graph"]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An importable module that stands for the user's."""
    return importable(monkeypatch, f"user_module_{next(NUMBERS)}")


def importable(monkeypatch: pytest.MonkeyPatch, name: str) -> ModuleType:
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def define(module: ModuleType, source: str) -> None:
    """Runs `source` as the body of `module`."""
    exec(textwrap.dedent(source), vars(module))


def agree(home: ModuleType, state: Any, target: str = "builder") -> str:
    """The module for `target`: well formed, and its graph gives what LangGraph gives."""
    text = text_of(home, target)
    check_format(text)
    graph = operator.attrgetter(target)(home)
    graph = graph if hasattr(graph, "nodes") else graph()
    wanted = getattr(graph, "builder", graph).compile()
    compiled = run(home, text)
    assert compiled.invoke(state) == wanted.invoke(state)
    # Tasks of one superstep report as they finish.
    streams = [list(graph.stream(state)) for graph in (compiled, wanted)]
    assert sorted(streams[0], key=repr) == sorted(streams[1], key=repr)
    return text


def chain(names: list[str], keys: list[str], reducer: str = "add") -> StateGraph[Any]:
    """A graph of closures over every name and key, with a branch and a join."""
    hints: dict[str, Any] = {}
    for key in keys:
        hints[key] = Annotated[list, getattr(operator, reducer)] if keys.index(key) % 2 else int
    builder: StateGraph[Any] = StateGraph(TypedDict("State", hints))  # type: ignore[operator]

    def work(name: str, state: Any) -> Any:
        alone = name in (names[0], names[-1])
        update = {key: len(state) for key in keys[::2] if alone}
        return update | {key: [name] for key in keys[1::2]}

    for name in names:
        builder.add_node(name, partial(work, name))
    builder.add_edge(START, names[0])
    for name in names[1:-1]:
        builder.add_edge(names[0], name)
    if len(names) > 2:
        builder.add_edge(names[1:-1], names[-1])
    elif len(names) == 2:
        builder.add_conditional_edges(names[0], lambda state: True, {True: names[1], False: END})
    return builder


# Whatever LangGraph allows in a name: anything but "|", ":" and its own names.
# Beyond these planes the width of a character depends on whose Unicode tables are asked, and with
# it where the formatter breaks a line; emoji are among the examples below.
CHARACTERS = st.characters(max_codepoint=0xFFFF, exclude_categories=("Cn", "Co", "Cs"))
NAMES = st.text(
    st.one_of(
        st.sampled_from("ab_ .-'\"\\\n\t\0#{}%é名😀\u00a0\u200b\u2028\ufeff\x7f"),
        CHARACTERS.filter(lambda c: c not in "|:"),
    ),
    min_size=1,
    max_size=60,
).filter(lambda name: name not in (START, END))
KEYS = st.text(CHARACTERS, min_size=1, max_size=60).filter(
    lambda key: not key.startswith(("__", "branch:to:", "join:")) and key not in CHANNELS
)


@given(
    st.lists(NAMES, min_size=1, max_size=5, unique=True),
    st.lists(KEYS, min_size=1, max_size=4, unique=True),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_and_key(home: ModuleType, names: list[str], keys: list[str]) -> None:
    home.builder = chain(names, keys)  # type: ignore[attr-defined]
    agree(home, {keys[0]: 1})


@pytest.mark.parametrize(
    "names",
    [
        ["type", "fmt", "noqa", "isort", "ignore"],
        ["a b", "a_b", "a-b", "a.b", "A_b"],
        ["class", "None", "match", "type_", "def"],
        [" ", "  ", "_", "__", "'"],
        ['"', "'\"", "\\", "\\n", "\n"],
        ["graph", "compile", "abi", "BUILDER", "supersteps"],
        ["lgc-body", "apply", "__init__", "run", "due"],
        ["名" * 30, "😀" * 30, "é" * 60, "x" * 88, "\u0301" * 90],
        [LONG, LONG + LONG, LONG + "'", LONG + '"', LONG[:60]],
    ],
)
@pytest.mark.parametrize("keys", [["type", "k"], [LONG, LONG + "y", "y "], ["type: int", "# noqa"]])
def test_awkward_names_and_keys(home: ModuleType, names: list[str], keys: list[str]) -> None:
    home.builder = chain(names, keys)  # type: ignore[attr-defined]
    agree(home, {keys[0]: 1})


@pytest.mark.parametrize("width", range(20, 100))
def test_every_length_around_the_limit(home: ModuleType, width: int) -> None:
    """Each construct meets the formatter's limit at some length."""
    name, key = "n" * width, "k" * width
    define(
        home,
        f"""
        from typing import Annotated, Any, TypedDict
        from langgraph.graph import END, START, StateGraph
        def {name}(state): return {{"{key}": [1]}}
        def r{name}(value, write): return value + write
        def route(state, config): return "stop"
        class Small(TypedDict):
            z: int
        class State(Small):
            {key}: Annotated[list, r{name}]
        builder = StateGraph(State, input_schema=Small, output_schema=Small)
        builder.add_node({name})
        builder.add_node("b", lambda state, config: {{"z": 2}}, input_schema=Small)
        builder.add_edge(START, "{name}")
        builder.add_conditional_edges("{name}", route, {{"stop": END, "{key}": "b", 1: "b"}})
        builder.add_conditional_edges("{name}", lambda state: "b", ["b"])
        """,
    )
    agree(home, {"z": 1})


FUNCTIONS = [*sorted(RESERVED), "node_x", "branch_x_x", "_private", "size", "größe"]
FUNCTIONS += ["print", "list"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_with_names_of_the_module(home: ModuleType, name: str) -> None:
    if not name.isidentifier():
        pytest.skip("no identifier")
    define(
        home,
        f"""
        def function(state): return {{"x": ["{name}"]}}
        def reducer(value, write): return [*value, *write]
        def router(state): return "second"
        """,
    )
    function, reducer, router = home.function, home.reducer, home.router
    for taken in (function, reducer, router):
        taken.__name__ = taken.__qualname__ = name
    # Each of the three is found by that name in a module of its own.
    modules = [ModuleType(f"{home.__name__}_{i}") for i in range(3)]
    for module, taken in zip(modules, (function, reducer, router), strict=True):
        setattr(module, name, taken)
        taken.__module__ = module.__name__
        sys.modules[module.__name__] = module
    builder: StateGraph[Any] = StateGraph(
        TypedDict("State", {"x": Annotated[list, reducer], "y": int})  # type: ignore[operator]
    )
    builder.add_node("x", function)
    builder.add_node("second", function)
    builder.add_edge(START, "x")
    builder.add_conditional_edges("x", router)
    home.builder = builder  # type: ignore[attr-defined]
    try:
        text = agree(home, {"x": [], "y": 1})
    finally:
        for module in modules:
            del sys.modules[module.__name__]
    assert "from_builder" not in text


def test_every_way_to_hold_a_callable(home: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    other = importable(monkeypatch, f"{home.__name__}_other")
    define(other, "def same(state): return {'x': ['other']}")
    define(
        home,
        f"""
        import functools, operator
        from typing import Annotated, TypedDict
        from langgraph.graph import START, StateGraph
        import {other.__name__} as other

        class State(TypedDict):
            x: Annotated[list, operator.add]

        class Tools:
            def __init__(self, name): self.name = name
            @staticmethod
            def search(state): return {{"x": ["static"]}}
            @classmethod
            def build(cls, state): return {{"x": [cls.__name__]}}
            def bound(self, state): return {{"x": [self.name]}}
            def __call__(self, state): return {{"x": ["called " + self.name]}}

        def same(state): return {{"x": ["home"]}}
        def of(name, state): return {{"x": [name]}}
        def closure(name):
            def inner(state): return {{"x": [name]}}
            return inner
        def wrap(function):
            @functools.wraps(function)
            def wrapper(state): return function(state)
            return wrapper
        @wrap
        def decorated(state): return {{"x": ["decorated"]}}

        tools = Tools("tools")
        part = functools.partial(of, "partial")
        ways = {{
            "home": same, "other": other.same, "static": Tools.search, "class": Tools.build,
            "bound": tools.bound, "loose": Tools("loose").bound, "instance": tools,
            "nameless": Tools("nameless"), "part": part, "part2": functools.partial(of, "p2"),
            "lambda": lambda state: {{"x": ["lambda"]}}, "closure": closure("closure"),
            "decorated": decorated,
        }}
        builder = StateGraph(State)
        builder.add_sequence(list(ways.items()))
        builder.add_edge(START, "home")
        graph = builder.compile(name="named")
        class Box:
            held = builder
        def make(): return builder
        async def amake(): return graph
        """,
    )
    for target in ("builder", "graph", "Box.held"):
        agree(home, {"x": ["in"]}, target)
    text = text_of(home)
    taken = re.findall(r'abi\.function_of\(BUILDER, "(\w+)"\)', text)
    assert taken == ["loose", "nameless", "part2", "lambda", "closure"]
    assert '    "named",\n' in text_of(home, "graph")
    assert run(home, text_of(home, "make")).invoke({"x": []})["x"][0] == "home"


def test_builder_expressions_too_long_for_a_line(home: ModuleType) -> None:
    seed = Annotated[list[Any], lambda value, write: value + write]
    builder: StateGraph[Any] = StateGraph(TypedDict("State", {LONG: seed}))  # type: ignore[operator]
    builder.add_node(LONG, lambda state: {LONG: [1]})
    builder.add_node("n", lambda state: {LONG: [2]})
    builder.add_edge(START, LONG)
    builder.add_conditional_edges(LONG, lambda state: 1.5, {1.5: "n"})
    home.builder = builder  # type: ignore[attr-defined]
    agree(home, {LONG: [0]})


FEATURES = """
    import functools, operator
    from dataclasses import dataclass, field
    from typing import Annotated, Any, Literal, TypedDict
    from langchain_core.runnables import RunnableLambda
    from langchain_core.tools import tool
    from langgraph.channels import LastValue, Topic
    from langgraph.graph import END, START, StateGraph
    from langgraph.managed import IsLastStep, RemainingSteps
    from langgraph.managed.base import ManagedValue
    from langgraph.prebuilt import ToolNode
    from langgraph.runtime import Runtime
    from langgraph.types import Command, Send
    from pydantic import BaseModel
    class State(TypedDict):
        x: Annotated[list, operator.add]
    def graph_of(state, *nodes, **options):
        builder = StateGraph(state, **options)
        builder.add_sequence([(f"n{i}", node) for i, node in enumerate(nodes)])
        builder.add_edge(START, "n0")
        return builder
    def hidden(make):
        "Nothing it makes is found by its name."
        return make()
"""

# Source of the user's module, lines of the generated one.
EMITTED: dict[str, tuple[str, list[str]]] = {
    "model": (
        """
        class Model(BaseModel):
            x: Annotated[list, operator.add] = []
        class Part(BaseModel):
            x: list
        def node(state): return {"x": [type(state).__name__, *map(str, state.x)]}
        def part(state: Part): return {"x": [type(state).__name__]}
        def route(state: Part): return [END] if isinstance(state, Part) else []
        def merged(state): return [END] if isinstance(state, Model) else []
        builder = graph_of(Model, node, part)
        builder.add_conditional_edges("n0", route, [END])
        builder.add_conditional_edges("n0", merged, [END])
        """,
        [
            "from {home} import Model, Part, merged, node, part, route",
            "            schema=Model,",
            '        abi.Node("n1", part, schema=Part),',
            '                abi.Branch("route", route, schema=Part, ends={{"__end__"}}),',
            "                    schema=Model,",
            "def allowlist() -> tuple[tuple[str, str], ...]:",
            '        ("{home}", "Model"),',
            '        ("{home}", "Part"),',
            "    allowlist=allowlist(),",
        ],
    ),
    "dataclass through the builder": (
        """
        def make():
            @dataclass
            class Record:
                x: Annotated[list, operator.add] = field(default_factory=list)
            @dataclass
            class Part:
                x: list
            def route(state): return END
            route.__annotations__["state"] = Part
            return Record, Part, route
        def node(state): return {"x": [type(state).__name__]}
        def build(Record, Part, route):
            builder = StateGraph(Record)
            builder.add_node("a", node)
            builder.add_node("b", node, input_schema=Part)
            builder.add_edge(START, "a")
            builder.add_edge("a", "b")
            builder.add_conditional_edges(START, lambda state: "a" if state.x else END, ["a"])
            builder.add_conditional_edges("b", route, [END])
            return builder
        builder = build(*make())
        """,
        [
            '                    schema=abi.schema_of(BUILDER, "b", "route"),',
            '        abi.Node("a", node, schema=abi.schema_of(BUILDER, "a")),',
            '            schema=abi.schema_of(BUILDER, "b"),',
            '                    schema=abi.schema_of(BUILDER, "__start__"),',
            '                    abi.router_of(BUILDER, "__start__", "condition"),',
        ],
    ),
    "managed values": (
        """
        class Mine(ManagedValue):
            @staticmethod
            def get(scratchpad): return f"step {scratchpad.step}"
        class Managed(State):
            last: IsLastStep
            left: RemainingSteps
            mine: Annotated[str, Mine]
            other: Annotated[str, hidden(lambda: type("Other", (Mine,), {}))]
        def node(state: Managed):
            return {"x": [state[key] for key in ("last", "left", "mine", "other")]}
        builder = graph_of(Managed, node, node)
        """,
        [
            '        abi.is_last_step("last"),',
            '        abi.remaining_steps("left"),',
            '        abi.managed("mine", Mine),',
            '        abi.managed("other", abi.managed_of(BUILDER, "other")),',
            "    managed=managed(),",
        ],
    ),
    "channels of the user's own": (
        """
        class Newest(LastValue):
            def update(self, values): return super().update(values[-1:])
        class Custom(State):
            own: Annotated[list, Newest]
        def node(state): return {"own": [*state.get("own", []), 1]}
        builder = graph_of(Custom, node, node)
        """,
        [
            '        abi.aggregate("x", list, add),',
            '        elif key == "own":',
            "            run.write(key, written)",
            '        abi.custom("own", abi.channel_of(BUILDER, "own")),',
        ],
    ),
    "context schema": (
        """
        @dataclass
        class Settings:
            user: str = "nobody"
        def node(state, runtime: Runtime[Settings]): return {"x": [runtime.context]}
        builder = graph_of(State, node, context_schema=Settings)
        """,
        ["    return node(state, runtime=task.runtime)", "    context_schema=Settings,"],
    ),
    "context schema through the builder": (
        """
        def node(state): return {"x": [1]}
        Settings = hidden(lambda: type("Settings", (BaseModel,), {}))
        builder = graph_of(State, node, context_schema=Settings)
        del Settings
        """,
        [
            "    context_schema=abi.context_schema_of(BUILDER),",
        ],
    ),
    "runnables": (
        """
        def function(state): return {"x": ["function"]}
        def several(state):
            yield {"x": ["first"]}
            yield {"x": ["second"]}
        def route(state): return "stop"
        named = RunnableLambda(function)
        routes = RunnableLambda(route)
        def other(state): return "stop"
        builder = graph_of(State, named, RunnableLambda(function) | function, several)
        builder.add_conditional_edges("n2", routes, {"stop": END})
        builder.add_conditional_edges("n2", RunnableLambda(other), {"stop": END, 1.5: "n0"})
        """,
        [
            "from {home} import builder, named, routes",
            '                    abi.path_of(BUILDER, "n2", "other"),',
            '                    ends=abi.ends_of(BUILDER, "n2", "other"),',
            '        abi.Node("n1", abi.runnable_of(BUILDER, "n1"), call=abi.INVOKE),',
            '            abi.runnable_of(BUILDER, "n2"),',
            '        abi.Node("n0", named, call=abi.INVOKE),',
        ],
    ),
    "tools": (
        """
        @tool
        def add(a: int, b: int) -> int:
            "Adds."
            return a + b
        CALL = {"name": "add", "args": {"a": 1, "b": 2}, "id": "1", "type": "tool_call"}
        class Messages(TypedDict):
            messages: Annotated[list, operator.add]
        from langchain_core.messages import AIMessage
        def agent(state): return {"messages": [AIMessage("", tool_calls=[CALL], id="2")]}
        tools = ToolNode([add])
        builder = graph_of(Messages, agent, tools)
        """,
        ['        abi.Node("n1", tools, call=abi.INVOKE),'],
    ),
    "commands and sends": (
        """
        def first(state) -> Command[Literal["n1"]]:
            return Command(update={"x": ["first"]}, goto="n1")
        def second(state): return [Command(goto=Send("n2", {"x": [i]})) for i in range(3)]
        def third(state): return {"x": state["x"] * 2}
        def fan_out(state): return [Send("n2", {"x": ["sent"]})]
        builder = StateGraph(State)
        builder.add_node("n0", first)
        builder.add_node("n1", second)
        builder.add_node("n2", third)
        builder.add_edge(START, "n0")
        builder.add_conditional_edges("n0", fan_out, ["n2"])
        """,
        [
            # The test's module has no source, so the Sends cannot be followed.
            "        # Command? n1",
            "        # fan_out? any node",
            '        due = run.routed("n0", "fan_out")',
            "        # Command? any node",
            '        due = run.node("n1")',
            '            destinations=("n1",),',
            '        abi.Node("n1", second),',
            '        abi.Node("n2", third),',
        ],
    ),
    "everything that is injected": (
        """
        def node(state, config, *, runtime, writer, store, previous):
            writer("said")
            return {"x": [type(runtime).__name__, store, previous, len(config)]}
        def route(state, config, runtime): return END if runtime else None
        builder = graph_of(State, node)
        builder.add_conditional_edges("n0", route, [END])
        """,
        ["            call=abi.CALL_WITH_TASK,", "                    call=abi.CALL_WITH_TASK,"],
    ),
    "injected into what is taken from the builder": (
        """
        builder = graph_of(State, hidden(lambda: lambda state, config: {"x": [len(config)]}))
        builder.add_conditional_edges("n0", hidden(lambda: lambda state, writer: END), [END])
        """,
        [
            "def node_n0(state: Any, task: Any) -> Any:",
            '    function = abi.function_of(BUILDER, "n0")',
            "    return function(state, config=task.config)",
            "    return function(state, writer=task.stream_writer)",
        ],
    ),
    "join and deferred node": (
        """
        def node(state): return {"x": [len(state["x"])]}
        builder = graph_of(State, node, node)
        builder.add_node("last", node, defer=True)
        builder.add_edge(["n0", "n1"], "last")
        """,
        [
            '        due = run.node("n0", then="n1", joins=("join:n0+n1:last",))',
            '        due = run.node("n1", joins=("join:n0+n1:last",))',
            '        due = run.node("last")',
            '        abi.Node("n1", node),',
            '        abi.Node("last", node, defer=True),',
            '    return (abi.join("join:n0+n1:last", ("n0", "n1"), "last"),)',
            "    joins=joins(),",
        ],
    ),
}


# The same, of graphs that only async runs can run.
EMITTED_ASYNC: dict[str, tuple[str, list[str]]] = {
    "async functions": (
        """
        class Tools:
            async def __call__(self, state): return {"x": ["call"]}
            async def bound(self, state): return {"x": ["bound"]}
        async def node(state): return {"x": ["node"]}
        async def route(state): return END
        class Ends:
            async def __call__(self, state): return END
        tools = Tools()
        builder = graph_of(State, node, tools, tools.bound, Tools())
        builder.add_conditional_edges("n3", route, [END])
        builder.add_conditional_edges("n3", Ends(), [END])
        """,
        [
            '        abi.Node("n0", node, call=abi.AWAIT),',
            '        abi.Node("n1", tools, call=abi.AWAIT),',
            '        abi.Node("n2", tools.bound, call=abi.AWAIT),',
            '            abi.function_of(BUILDER, "n3"),',
            "                    call=abi.AWAIT,",
            "                    anonymous=True,",
        ],
    ),
    "injected into async functions": (
        """
        async def node(state, config, runtime): return {"x": [len(config), str(runtime.store)]}
        async def route(state, runtime): return END
        builder = graph_of(State, node, hidden(lambda: functools.partial(node)))
        builder.add_conditional_edges("n0", route, [END])
        builder.add_conditional_edges("n1", hidden(lambda: functools.partial(route)), [END])
        """,
        [
            "# async node n0, with what it asks for",
            "def node_n0(state: Any, task: Any) -> Any:",
            "    return node(state, config=task.config, runtime=task.runtime)",
            "# async router n0 route, with what it asks for",
            "    return route(state, runtime=task.runtime)",
            '    function = abi.function_of(BUILDER, "n1")',
            "    return function(state, config=task.config, runtime=task.runtime)",
            '    function = abi.router_of(BUILDER, "n1", "condition")',
            "            call=abi.AWAIT_WITH_TASK,",
            "                    call=abi.AWAIT_WITH_TASK,",
            "                    anonymous=True,",
        ],
    ),
}


@pytest.mark.parametrize("case", EMITTED_ASYNC)
def test_what_is_emitted_of_async_functions(home: ModuleType, case: str) -> None:
    source, lines = EMITTED_ASYNC[case]
    define(home, textwrap.dedent(FEATURES) + textwrap.dedent(source))
    text = text_of(home)
    check_format(text)
    for line in lines:
        assert f"\n{line}\n" in text, text
    for module in ("asyncio", "await "):
        assert module not in text
    wanted = home.builder.compile()
    results = [asyncio.run(graph.ainvoke({"x": ["in"]})) for graph in (run(home, text), wanted)]
    assert results[0] == results[1]


@pytest.mark.parametrize("case", EMITTED)
def test_what_is_emitted(home: ModuleType, case: str) -> None:
    source, lines = EMITTED[case]
    define(home, textwrap.dedent(FEATURES) + textwrap.dedent(source))
    text = agree(home, {"messages": []} if case == "tools" else {"x": ["in"]})
    for line in lines:
        assert f"\n{line.format(home=home.__name__)}\n" in text, text
    # Beside the tables, the flow and the update, a function only where something is injected.
    functions = text.count("\ndef ") - text.count("() -> tuple[")
    assert functions == 2 + text.count("(state: Any, task: Any)")
    assert ("BUILDER" in text) == ("_of(BUILDER" in text)


def test_nothing_else(home: ModuleType) -> None:
    """Nothing is generated and nothing imported that a graph and its types do not need."""
    define(
        home,
        FEATURES
        + """
    class Two(TypedDict):
        a: int
        b: int
    def node(state): return {"a": 1}
    builder = graph_of(Two, node)
    """,
    )
    text = agree(home, {"b": 2})
    below = text.partition("\n\n")[2].replace(str(body_hash(text)), "HASH")
    assert (
        below
        == f'''\
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lgc.runtime import abi

from {home.__name__} import node

if TYPE_CHECKING:
    from {home.__name__} import Two

abi.require({ABI}, "lgc-body:HASH", __file__)


def supersteps(run: abi.Run, due: str) -> str:
    """Runs what is due, from top to bottom, and returns what is due then; "" at the end."""
    if due == "__start__":
        due = run.start(then="n0")
    if due == "n0":
        due = run.node("n0")
    return due


def apply(run: abi.Run, values: dict[str, Any], update: dict[Any, Any]) -> None:
    """Writes to the values of the state what a node has returned."""
    for key, written in update.items():
        if key in {{"a", "b"}}:
            values[key] = written


def keys() -> tuple[abi.Channel, ...]:
    return (
        abi.last_value("a"),
        abi.last_value("b"),
    )


def nodes() -> tuple[abi.Node, ...]:
    return (abi.Node("n0", node),)


graph: abi.CompiledGraph[Two, None, Two, Two] = abi.compiled(
    "LangGraph",
    supersteps,
    apply,
    keys=keys(),
    nodes=nodes(),
)
compile = graph.compile
'''
    )


def test_no_keys(home: ModuleType) -> None:
    """A table without rows is left out, and nothing is written."""
    define(
        home,
        """
        from typing import TypedDict
        from langgraph.graph import StateGraph
        class Empty(TypedDict): pass
        def node(state): return {}
        builder = StateGraph(Empty).add_node("a", node).set_entry_point("a")
        """,
    )
    text = text_of(home)
    check_format(text)
    assert "keys" not in text
    assert text.partition("def apply(")[2].partition("\n\n\n")[0].count("\n") == 1
    assert run(home, text).invoke({}) == home.builder.compile().invoke({})


def big(nodes: int, keys: int, named: bool) -> str:
    """The user's module: a chain of `nodes` functions, imported by name or not, over `keys`."""
    fields = "\n".join(f"    k{i}: int" for i in range(keys))
    functions = "\n".join(f"def n{i}(state): return {{'k0': {i}}}" for i in range(nodes * named))
    function = "globals()[f'n{i}']" if named else "lambda state, i=i: {'k0': i}"
    return f"""
from typing import TypedDict
from langgraph.graph import START, StateGraph
class State(TypedDict):
{fields}
{functions}
builder = StateGraph(State)
builder.add_sequence([(f"n{{i}}", {function}) for i in range({nodes})])
builder.add_edge(START, "n0")
"""


@pytest.mark.parametrize(
    ("nodes", "keys", "named"),
    [(1000, 2, True), (1000, 2, False), (1, 1000, True)],
    ids=["imported", "through the builder", "keys"],
)
def test_no_function_grows_with_the_graph(
    home: ModuleType, nodes: int, keys: int, named: bool
) -> None:
    """What mypyc needs for one function, and for the top level, grows with its square."""
    exec(big(nodes, keys, named), vars(home))
    text = text_of(home)
    check_format(text)
    body = ast.parse(text).body
    functions = [part for part in body if isinstance(part, ast.FunctionDef)]
    top = [part for part in body if not isinstance(part, ast.FunctionDef)]
    for parts in ([function] for function in functions):
        assert calls_in(*parts) <= 160
    assert calls_in(*top) <= 120
    program = run(home, text).program
    assert {node.name for node in program.nodes} == {START, *(f"n{i}" for i in range(nodes))}
    assert text.count("abi.last_value(") == keys


def calls_in(*parts: ast.AST) -> int:
    """How many calls there are in `parts`."""
    return sum(isinstance(node, ast.Call) for part in parts for node in ast.walk(part))


def test_a_table_of_several_functions(home: ModuleType) -> None:
    """They are named after their first row, past a name of the user's too, and a large row
    stands alone."""
    define(
        home,
        FEATURES
        + """
    def nodes(state): return {"x": [1]}
    builder = graph_of(State, *[nodes] * 40)
    def branch(name):
        def route(state): return END
        route.__name__ = name
        builder.add_conditional_edges("n20", route, [END])
    for i in range(60):
        branch(f"route{i}")
    """,
    )
    text = agree(home, {"x": []})
    assert "    nodes=(*nodes_2(), *nodes_from_n20(), *nodes_from_n21()),\n" in text


class TestHash:
    @pytest.fixture
    def text(self, home: ModuleType) -> str:
        home.builder = chain(["a", "b"], ["x", "y"])  # type: ignore[attr-defined]
        return text_of(home)

    def test_header(self, text: str) -> None:
        head = text.split("\n\n")[0].splitlines()
        assert head[0] == "# Code generated by lgc. DO NOT EDIT."
        assert head[1].startswith("# source: ") and head[2] == f"# regenerate: {COMMAND}"
        assert re.fullmatch("# ir: [0-9a-f]{16}", head[3])
        assert head[4:] == ["# ruff: noqa", "# mypy: ignore-errors", "# fmt: off"]
        assert f'\nabi.require({ABI}, "lgc-body:{body_hash(text)}", __file__)\n' in text
        assert is_generated(text) and not is_edited(text)

    def test_any_changed_character_below_the_header_shows(self, text: str) -> None:
        start = text.index("\n\n") + 2
        for i in range(start, len(text), 7):
            changed = text[:i] + chr(ord(text[i]) ^ 1) + text[i + 1 :]
            assert is_edited(changed), i

    def test_line_endings_do_not_count(self, text: str) -> None:
        body = f"lgc-body:{body_hash(text)}"
        windows = text.replace("\n", "\r\n").encode()
        assert source_hash(windows, body) == body_hash(text)

    def test_what_is_not_ours(self) -> None:
        assert not is_generated("") and not is_generated("print(1)\n")
        assert is_edited("# Code generated by lgc. DO NOT EDIT.\n")
        assert is_generated("# Code generated by lgc. DO NOT EDIT.\n")


def test_same_bytes_under_any_hash_seed_and_locale(tmp_path: Path) -> None:
    source = """
    import operator
    from typing import Annotated, TypedDict
    from langgraph.graph import END, START, StateGraph
    class State(TypedDict):
        größe: Annotated[list, operator.add]
        other: int
    builder = StateGraph(State)
    for name in ("ä", "b", "c", "d", "é"):
        builder.add_node(name, lambda state: {"größe": [1]})
    for name in ("b", "c", "d"):
        builder.add_edge("ä", name)
    builder.add_edge(START, "ä")
    builder.add_edge(["b", "c", "d"], "é")
    builder.add_conditional_edges("é", lambda state: END, ["ä", "b", END])
    """
    results = set()
    settings = (("0", {"LC_ALL": "C"}), ("1", {"LC_ALL": "C.UTF-8"}), ("42", {"LC_ALL": "POSIX"}))
    for seed, variables in settings:
        root = tmp_path / f"tree {seed}" / "ö"
        root.mkdir(parents=True)
        (root / "case.py").write_text(textwrap.dedent(source), encoding="utf-8")
        elsewhere = tmp_path / f"cwd{seed}"
        elsewhere.mkdir()
        out = str(root / "out")
        subprocess.run(
            [*CLI, "compile", "case:builder", "--root", str(root), "-o", out, "--no-native"],
            cwd=elsewhere,
            env={"PATH": "", "PYTHONHASHSEED": seed, **variables},
            check=True,
            capture_output=True,
        )
        results.add((root / "out" / "case_graph.py").read_bytes())
    (one,) = results
    assert str(tmp_path).encode() not in one
