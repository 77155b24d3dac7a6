"""What ruff, its formatter and strict mypy say of generated modules: nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import golden

ROOT = Path(__file__).parents[2]

# A random graph, always the same one: edges, joins, routers, Commands and deferred nodes.
LARGE = """\
import operator
import random
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

def longer(value: str, written: str) -> str:
    return max(value, written, key=len)

class Wide(TypedDict):
    total_of_what_has_been_paid: int
    log: Annotated[list[str], operator.add]
    longest_name_among_the_visitors: Annotated[str, longer]
    seen_by_any_of_the_nodes: Annotated[set[str], operator.or_]

def work(state: Wide, config: RunnableConfig) -> dict[str, Any]:
    return {"log": [str(len(config))]}

def command(state: Wide) -> Command[str]:
    return Command(update={"log": []})

def router(state: Wide) -> str:
    return END

chance = random.Random(300)
names = [f"{'step' * chance.randint(1, 12)} {number}" for number in range(300)]
builder = StateGraph(Wide)
for number, name in enumerate(names):
    kind = chance.randint(0, 9)
    ends = tuple(chance.sample(names, 3))
    if kind == 0:
        builder.add_node(name, command, destinations=ends)
    else:
        builder.add_node(name, (lambda state: {}) if kind < 8 else work, defer=kind == 1)
    if number:
        builder.add_edge(names[number - 1 - chance.randint(0, min(number - 1, 3))], name)
    if number > 3 and chance.randint(0, 4) == 0:
        builder.add_edge(chance.sample(names[number - 4 : number], 2), name)
    if chance.randint(0, 4) == 0:
        builder.add_conditional_edges(name, router, [*ends, END])
    if chance.randint(0, 9) == 0:
        builder.add_conditional_edges(name, lambda state: 1, {1: ends[0], "two": END})
builder.add_edge(START, names[0])
"""

# The same as a node of a node, under a name that is too long for one line.
HOLDER = f"""{LARGE}
name = "a node with a rather long name, and a graph"
graph = builder.compile(checkpointer=True).with_config(configurable={{"object": object()}})
middle = StateGraph(Wide).add_node(name, graph).add_node("lambda", lambda state: {{}})
middle.add_edge(START, name).add_edge(name, "lambda")
builder = StateGraph(Wide).add_node(name, middle.compile(name="middle"))
builder.add_edge(START, name)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with every golden module and a large one; `lgc` in it, as mypy misses editable
    installations."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "lgc").symlink_to(ROOT)
    for case in golden.cases():
        (folder / case).symlink_to(golden.GOLDEN / case)
    (folder / "large.py").write_text(LARGE)
    (folder / "holder.py").write_text(HOLDER)
    command = ["lgc", "compile", "large:builder", "holder:builder", "-o", "out", "--no-native"]
    subprocess.run([sys.executable, "-m", *command], cwd=folder, check=True, capture_output=True)
    return folder


def tell(folder: Path, *command: str) -> None:
    """Runs a tool on the modules, and fails with what it says of them.

    They are without the lines that keep the users' own settings away from them.
    """
    files = [folder / case / "want" / f"{case}_graph.py" for case in golden.cases()]
    copies = folder / "copies"
    copies.mkdir(exist_ok=True)
    for file in [*files, *sorted(folder.glob("out/*_graph.py"))]:
        text = file.read_text().replace("# ruff: noqa\n# mypy: ignore-errors\n# fmt: off\n", "", 1)
        assert "noqa" not in text
        (copies / file.name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", *command, *sorted(str(f) for f in copies.iterdir())],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_large_graph_has_it_all(folder: Path) -> None:
    """Whatever a graph's size or its control flow brings into the text."""
    text = (folder / "out/large_graph.py").read_text()
    for part in ("due = from_", "*nodes_from_", " = abi.together(", "run.routed(", "run.parallel("):
        assert part in text
    for part in ("joins=(", "deferred=(", "edges=(", "destinations=("):
        assert part in text


def test_the_holder_has_it_all(folder: Path) -> None:
    text = (folder / "out/holder_graph.py").read_text()
    for part in ("_BUILDER = abi.builder_in(", "config=abi.config_of(", "call=abi.GRAPH"):
        assert part in text
    # The inner graph has the long one.
    stem = "a_node_with_a_rather_lon_2"
    for part in (f"due = {stem}_from_", f"*nodes_{stem}_from_", f"def apply_{stem}("):
        assert part in text


def test_ruff_finds_nothing(folder: Path) -> None:
    # The folder has a link to lgc, which is no part of a user's project.
    apart = 'lint.isort.known-third-party=["lgc"]'
    tell(folder, "ruff", "check", "--isolated", "--no-cache", "--config", apart)


def test_ruff_formats_nothing(folder: Path) -> None:
    tell(folder, "ruff", "format", "--isolated", "--no-cache", "--diff")


def test_mypy_finds_nothing(folder: Path) -> None:
    # Of the rest of lgc the linter of this project says what there is to say.
    options = ("--strict", "--explicit-package-bases", "--config-file=", "--follow-imports=silent")
    tell(folder, "mypy", *options)
