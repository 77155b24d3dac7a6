"""Reading a builder: what is refused and where it points, and that the builder is left alone."""

from __future__ import annotations

import copy
import importlib
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lgc.compiler import frontend
from lgc.compiler.diagnostics import CompileError, Diagnostic
from lgc.compiler.frontend import Analysis, analyse
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
async def arouter(state): return END
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
        frontend.SourceMap.of_file.__globals__["_of_file"].cache_clear()
        return analyse(load(parse_target(f"user_graph:{target}", tmp_path), tmp_path))

    yield reader
    sys.modules.pop("user_graph", None)


def refusals(read: Reader, source: str, target: str = "builder") -> tuple[Diagnostic, ...]:
    with pytest.raises(CompileError) as caught:
        read(source, target)
    return caught.value.diagnostics


# What is refused: its code, the source of the state and of the rest, what the line shows.
REFUSED = {
    "dataclass": (
        "LGC203",
        "@dataclass\nclass State:\n    x: int = 0\n",
        NODE,
        "builder = StateGraph(State)",
    ),
    "pydantic": ("LGC203", "class State(BaseModel):\n    x: int = 0\n", NODE, "StateGraph("),
    "pydantic input of a node": (
        "LGC203",
        STATE + "class In(BaseModel):\n    x: int\ndef typed(state: In): return {}\n",
        'builder.add_node("n", typed)\n',
        "StateGraph(",
    ),
    "delta channel": (
        "LGC204",
        "class State(TypedDict):\n    x: Annotated[list, DeltaChannel(lambda a, b: a + b)]\n",
        NODE,
        "StateGraph(",
    ),
    "custom channel": (
        "LGC204",
        "class Mine(LastValue): pass\nclass State(TypedDict):\n    x: Annotated[int, Mine(int)]\n",
        NODE,
        "StateGraph(",
    ),
    "is last step": (
        "LGC205",
        "class State(TypedDict):\n    x: int\n    last: IsLastStep\n",
        NODE,
        "StateGraph(",
    ),
    "remaining steps": (
        "LGC205",
        "class State(TypedDict):\n    x: int\n    left: RemainingSteps\n",
        NODE,
        "StateGraph(",
    ),
    "retry": ("LGC206", STATE, "n node, retry_policy=RetryPolicy()", "retry_policy=RetryPolicy()"),
    "cache": ("LGC207", STATE, "n node, cache_policy=CachePolicy()", "cache_policy=CachePolicy()"),
    "timeout": ("LGC208", STATE, "n anode, timeout=3", "timeout=3"),
    "error handler": ("LGC209", STATE, "n node, error_handler=handler", "error_handler=handler"),
    "trace": ("LGC215", STATE, "n node, trace_policy=TracePolicy()", "trace_policy=TracePolicy()"),
    "metadata": ("LGC217", STATE, "n node, metadata={'a': 1}", "metadata={'a': 1}"),
    "destinations": ("LGC220", STATE, "n node, destinations=('n',)", "destinations=('n',)"),
    "command annotation": (
        "LGC220",
        STATE + 'def commands(state) -> Command[Literal["n"]]: return Command(goto="n")\n',
        "n commands",
        'builder.add_node("n", commands)',
    ),
    "default retry": (
        "LGC206",
        STATE,
        NODE + "builder.set_node_defaults(retry_policy=RetryPolicy())\n",
        "builder.set_node_defaults(retry_policy=RetryPolicy())",
    ),
    "default cache": (
        "LGC207",
        STATE,
        NODE + "builder.set_node_defaults(cache_policy=CachePolicy())\n",
        "builder.set_node_defaults(",
    ),
    "default timeout": (
        "LGC208",
        STATE,
        NODE + "builder.set_node_defaults(timeout=3)\n",
        "builder.set_node_defaults(",
    ),
    "default handler": (
        "LGC209",
        STATE,
        NODE + "builder.set_node_defaults(error_handler=handler)\n",
        "builder.set_node_defaults(",
    ),
    "async": ("LGC202", STATE, "n anode", 'builder.add_node("n", anode)'),
    "generator": ("LGC201", STATE, "n generator", 'builder.add_node("n", generator)'),
    "runnable": ("LGC201", STATE, "n RunnableLambda(node)", 'builder.add_node("n", Runnable'),
    "dict": ("LGC201", STATE, "n {'x': node}", "builder.add_node(\"n\", {'x': node})"),
    "tool node": ("LGC201", STATE, "n ToolNode([add])", 'builder.add_node("n", ToolNode([add]))'),
    "subgraph": (
        "LGC212",
        STATE,
        "inner = StateGraph(State).add_node('i', node).add_edge(START, 'i').compile()\n"
        'builder.add_node("n", inner)\n',
        'builder.add_node("n", inner)',
    ),
    "async router": (
        "LGC216",
        STATE,
        NODE + 'builder.add_conditional_edges("n", arouter)\n',
        'builder.add_conditional_edges("n", arouter)',
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
    found = [d for d in refusals(read, HEAD + state + BODY + rest) if d.code == code]
    assert len(found) == 1
    (diagnostic,) = found
    assert diagnostic.severity == "error" and diagnostic.help
    span = diagnostic.span
    assert span is not None and Path(span.file).name == "user_graph.py"
    assert shown in span.text
    assert span.text[span.column - 1 :].startswith(shown) or shown == "builder = StateGraph(State)"


def test_context_schema(read: Reader) -> None:
    source = HEAD + STATE + BODY.replace("StateGraph(State)", "StateGraph(State, State)") + NODE
    (found,) = refusals(read, source)
    assert found.code == "LGC214" and found.span is not None


@pytest.mark.parametrize(
    ("code", "made"),
    [
        ("LGC213", 'builder.compile(interrupt_before=["n"])'),
        ("LGC213", 'builder.compile(interrupt_after="*")'),
        ("LGC219", 'builder.compile().with_config(tags=["a"])'),
    ],
)
def test_compiled_graph(read: Reader, code: str, made: str) -> None:
    source = f"{HEAD}{STATE}{BODY}{NODE}graph = {made}\n"
    (found,) = refusals(read, source, "graph")
    assert found.code == code
    assert found.span is not None and found.span.text == f"graph = {made}"
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
        + "class State(TypedDict):\n    x: int\n    last: IsLastStep\n"
        + BODY
        + 'builder.add_node("n", anode, retry_policy=RetryPolicy(), metadata={"a": 1})\n'
        + 'builder.add_node("m", RunnableLambda(node))\n'
        + 'builder.add_conditional_edges("n", arouter, ["m"])\n'
    )
    found = refusals(read, source)
    codes = sorted(d.code for d in found)
    assert codes == ["LGC201", "LGC202", "LGC205", "LGC206", "LGC216", "LGC217"]
    assert all(d.span is not None for d in found)


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
    (found,) = refusals(read, HEAD + STATE + BODY + rest)
    assert found.code == "LGC111" and words in found.message
    assert found.span is not None


@pytest.mark.parametrize("version", ["1.2.21", "1.3.0", "2.0", "0.6.1"])
def test_other_langgraph(read: Reader, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(frontend, "version", lambda name: version)
    (found,) = refusals(read, HEAD + STATE + BODY + NODE)
    assert found.code == "LGC112" and "pip install 'langgraph>=1.2.22,<1.3'" in found.help


@pytest.mark.parametrize("version", ["1.2.22", "1.2.30", "1.2.22.post1", "1.2.23rc1"])
def test_known_langgraph(read: Reader, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(frontend, "version", lambda name: version)
    assert read(HEAD + STATE + BODY + NODE, "builder").ir.langgraph == version


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
