"""Where a diagnostic points, wherever the graph is built; and what it says to do."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lgc import cli
from lgc.compiler import source_map
from lgc.compiler.diagnostics import CODES, CompileError, Diagnostic, advice, section
from lgc.compiler.pipeline import Compiled, Options, compile_targets

ROOT = Path(__file__).resolve().parents[2]
HEAD = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy, Send
State = TypedDict("State", {"x": int})
Other = TypedDict("Other", {"x": int})
async def waits(state): return {}
def node(state): return {}
"""
Compile = Callable[..., Compiled]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compile]:
    """Compiles `app:builder` of a project with these modules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)

    def compile_project(target: str = "app:builder", **modules: str) -> Compiled:
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(HEAD + textwrap.dedent(text))
        importlib.invalidate_caches()
        source_map._of_file.cache_clear()
        (compiled,) = compile_targets(Options((target,), tmp_path, working=tmp_path))
        return compiled

    yield compile_project
    for name in set(sys.modules) - before:
        if name in ("app", "parts", "other"):
            del sys.modules[name]


def refused(project: Compile, target: str = "app:builder", **modules: str) -> Diagnostic:
    with pytest.raises(CompileError) as caught:
        project(target, **modules)
    return caught.value.diagnostics[0]


def place(diagnostic: Diagnostic) -> tuple[str, str]:
    """The file's name and the marked text."""
    span = diagnostic.span
    assert span is not None
    return Path(span.file).name, span.text[span.column - 1 : span.end_column - 1]


DEF = "async def waits(state): return {}"
EDGE = '.add_edge(START, "n")'
OTHER = '.add_node("first", node).add_edge(START, "first")'
BUILT: dict[str, tuple[str, str]] = {
    # name: the module, whose node `n` no edge leads to, and what is marked
    "module": (
        f'builder = StateGraph(State)\nbuilder.add_node("n", waits)\nbuilder{OTHER}',
        'builder.add_node("n", waits)',
    ),
    "function": (
        f"""
        def make():
            b = StateGraph(State)
            b.add_node("n", waits)
            return b{OTHER}
        builder = make()
        """,
        'b.add_node("n", waits)',
    ),
    "method": (
        f"""
        class Agent:
            def __init__(self):
                self.graph = StateGraph(State)
                self.graph.add_node("n", waits)
                self.graph{OTHER}
        agent = Agent()
        builder = agent.graph
        """,
        'self.graph.add_node("n", waits)',
    ),
    "helper": (
        f"""
        def decoy(b): b.add_node("n", node)
        def fill(b): b.add_node("n", waits)
        builder = StateGraph(State)
        fill(builder)
        builder{OTHER}
        """,
        'b.add_node("n", waits)',
    ),
    "loop": (
        f"""
        builder = StateGraph(State)
        for name, function in {{"n": waits}}.items():
            builder.add_node(name, function)
        builder{OTHER}
        """,
        DEF,
    ),
    "loop beside another graph": (
        f"""
        first = StateGraph(State)
        first.add_node("n", node)
        builder = StateGraph(State)
        for name, function in {{"n": waits}}.items():
            builder.add_node(name, function)
        builder{OTHER}
        """,
        DEF,
    ),
    "subclass": (
        f"""
        class Mine(StateGraph):
            def __init__(self):
                super().__init__(State)
                self.add_node("n", waits)
                self{OTHER}
        builder = Mine()
        """,
        'self.add_node("n", waits)',
    ),
    "lambda": (
        f"""
        class Waits:
            async def __call__(self, state): return {{}}
        builder = StateGraph(State)
        for each in [Waits().__call__]:
            builder.add_node("n" + "", each)
        builder{OTHER}
        """,
        "async def __call__(self, state): return {}",
    ),
}


@pytest.mark.parametrize("case", BUILT)
def test_a_node_is_shown_where_it_is_added_or_defined(project: Compile, case: str) -> None:
    text, shown = BUILT[case]
    (diagnostic,) = unreached(project(app=text))
    assert place(diagnostic) == ("app.py", shown)


@pytest.mark.parametrize("case", BUILT)
def test_a_graph_of_another_module_is_shown_there(project: Compile, case: str) -> None:
    """The target's own file has a graph with a node of that name, which is not it."""
    text, _ = BUILT[case]
    decoy = """
        decoy = StateGraph(Other)
        decoy.add_node("n", node)
        from parts import builder
        """
    (diagnostic,) = unreached(project(app=decoy, parts=text))
    file, marked = place(diagnostic)
    assert file == "parts.py"
    assert "waits" in marked or "__call__" in marked


def test_compile_of_another_graph_is_not_shown(project: Compile) -> None:
    parts = f"""
        b = StateGraph(State).add_node("n", node){EDGE}
        graph = b.compile(interrupt_before=["n"])
        """
    app = """
        decoy = StateGraph(Other).add_node("n", node).add_edge(START, "n").compile()
        from parts import graph
        """
    try:
        project("app:graph", app=app, parts=parts)
    except CompileError as exc:
        assert all(d.span is None for d in exc.diagnostics)


def test_the_constructor_of_another_graph_is_not_shown(project: Compile) -> None:
    parts = """
        Keys = TypedDict("Keys", {"branch:to:n": int})
        builder = StateGraph(Keys).add_node("n", node).add_edge(START, "n")
        """
    app = "decoy = StateGraph(Other)\nfrom parts import builder\n"
    diagnostic = refused(project, app=app, parts=parts)
    assert diagnostic.code == "LGC218" and diagnostic.span is None


@pytest.mark.parametrize("code", [code for code in CODES if code.startswith("LGC2")])
def test_advice_is_that_of_the_documentation(code: str) -> None:
    text = " ".join(section(code).split())
    assert advice(code)[1:] + "." in text


def test_a_refusal_says_what_to_do(project: Compile) -> None:
    text = UNREACHED.replace(
        '"n", node', '"n", node, retry_policy=RetryPolicy(max_interval=float("inf"))'
    )
    assert refused(project, app=text).help == "give policies to nodes, with finite numbers"


REFUSED = '"n", node, retry_policy=RetryPolicy(max_interval=float("inf"))'
"""The node with what lgc refuses."""

UNREACHED = f"""
def lost(state): return {{}}
builder = StateGraph(State)
builder.add_node("n", node)
builder.add_node("lost", lost)
builder{EDGE}
"""


def unreached(compiled: Compiled) -> list[Diagnostic]:
    return [d for d in compiled.diagnostics if d.code == "LGC401"]


def test_an_unreachable_node_is_shown(project: Compile) -> None:
    (diagnostic,) = unreached(project(app=UNREACHED))
    assert place(diagnostic) == ("app.py", 'builder.add_node("lost", lost)')


@pytest.mark.parametrize(
    "body",
    [
        'self.decide(state)\n    def decide(self, state): return Command(goto="lost")',
        "self.table[state['x']](state)\n    def decide(self, s): return Command(goto=s['x'])\n"
        "    table = {1: decide}",
    ],
)
def test_no_false_alarm_of_a_command_through_self(project: Compile, body: str) -> None:
    text = f"class Agent:\n    def __call__(self, state): return {body}\n"
    text += UNREACHED.replace('"n", node', '"n", Agent()')
    assert unreached(project(app=text)) == []


def test_no_false_alarm_of_a_send_past_the_path_map(project: Compile) -> None:
    text = UNREACHED + (
        'def route(state): return [Send("lost", state)] if state else "n"\n'
        'builder.add_conditional_edges("n", route, {"n": END})\n'
    )
    assert unreached(project(app=text)) == []


def test_a_subgraph_does_not_hide_an_unreachable_node(project: Compile) -> None:
    inner = 'inner = StateGraph(State).add_node("i", node).add_edge(START, "i").compile()\n'
    (diagnostic,) = unreached(project(app=inner + UNREACHED.replace('"n", node', '"n", inner')))
    assert place(diagnostic)[1] == 'builder.add_node("lost", lost)'


def test_a_subgraph_may_send_to_its_parent(project: Compile) -> None:
    inner = (
        'def up(state): return Command(goto="lost", graph=Command.PARENT)\n'
        'inner = StateGraph(State).add_node("i", up).add_edge(START, "i").compile()\n'
    )
    assert unreached(project(app=inner + UNREACHED.replace('"n", node', '"n", inner'))) == []


def lgc(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, arguments)


def test_explain_prints_a_refused_graph_and_then_its_errors(project: Compile) -> None:
    refused(
        project,
        app=UNREACHED.replace(
            '"n", node', '"n", node, retry_policy=RetryPolicy(max_interval=float("inf"))'
        ),
    )
    result = lgc("explain", "app:builder")
    assert result.exit_code == 2
    assert "\nnode lost\n" in result.stdout and "error LGC206" in result.stderr
    assert "warning LGC401" in result.stderr


def test_explain_prints_the_section_of_a_code() -> None:
    result = lgc("explain", "LGC206", "LGC401")
    assert result.exit_code == 0
    assert result.stdout == section("LGC206") + section("LGC401")
    assert "**Do.** Give policies to nodes, with finite numbers." in result.stdout


def test_explain_of_no_code() -> None:
    result = lgc("explain", "LGC999")
    assert result.exit_code == 2 and "there is no diagnostic LGC999" in result.stderr


def test_the_documentation_travels_in_the_wheel(tmp_path: Path) -> None:
    # A copy, since setuptools ships what an earlier build left in the checkout.
    tree = tmp_path / "lgc"
    left_out = (".git", ".venv*", "build", "tests", "golden", "bench", "__pycache__")
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*left_out))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path)]
    subprocess.run([*command, str(tree)], check=True, env={**os.environ, "LGC_NATIVE": "0"})
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    done = subprocess.run(
        [sys.executable, "-m", "lgc.cli", "explain", "LGC401"],
        cwd=installed,
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout == section("LGC401"), done.stderr


def test_an_entrypoint_is_called_by_its_name(project: Compile) -> None:
    text = "from langgraph.func import entrypoint\n@entrypoint()\ndef flow(x): return x\n"
    diagnostic = refused(project, "app:flow", app=text)
    assert diagnostic.code == "LGC103" and "functional API" in diagnostic.message


def test_a_note_names_all_its_nodes(project: Compile) -> None:
    text = f"""
        builder = StateGraph(State)
        builder.add_node("n", lambda state: {{}})
        builder.add_node("m", lambda state: {{}})
        builder{EDGE}.add_edge("n", "m")
        """
    (diagnostic,) = (d for d in project(app=text).diagnostics if d.code == "LGC301")
    assert "each of the nodes `n`, `m`" in diagnostic.message


def test_a_tool_node_is_to_be_bound_to_a_name(project: Compile) -> None:
    text = f"""
        from langgraph.prebuilt import ToolNode
        def add(a: int) -> int:
            "Adds."
            return a
        builder = StateGraph(State)
        builder.add_node("n", ToolNode([add]))
        builder{EDGE}
        """
    (diagnostic,) = (d for d in project(app=text).diagnostics if d.code == "LGC301")
    assert "module-level name" in diagnostic.help and "ToolNode" in diagnostic.help
