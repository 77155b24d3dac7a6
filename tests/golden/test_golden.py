"""Every golden case emits what was reviewed, and prints on every engine what it printed then."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import needs_compiler

import golden
from lgc.runtime.channels import base


@pytest.mark.parametrize("case", golden.cases())
def test_case(case: str) -> None:
    """IR text, module and output are the committed ones; LangGraph prints the same output."""
    # The module is built natively where the runtime is: `make test-native`.
    got = golden.build(case, native=not str(base.__file__).endswith(".py"))
    assert got.files == golden.wanted(case).files


# The committed module, in a process that has not loaded langgraph; argv is the case.
_ALONE = """
import sys
from importlib import import_module
sys.path.insert(0, ".")
for name in {blocked}:
    sys.modules[name] = None
case = sys.argv[1]
graph = import_module(case + ".want." + case + "_graph").graph
nodes = import_module(case + ".nodes")
loaded = ("langgraph.", "langchain_core.", "asyncio.")
assert not [name for name in sys.modules if name.startswith(loaded)]
nodes.main(graph)
"""


@pytest.mark.parametrize(
    ("case", "blocked"),
    [
        # Its nodes take what they need from lgc: langgraph is not installed there.
        ("production", ("langgraph", "langchain_core", "pydantic")),
        ("async_agent", ("langgraph", "langchain_core", "pydantic")),
        # Its nodes are the first to import langgraph.
        ("imports_inside", ()),
    ],
)
def test_alone(case: str, blocked: tuple[str, ...]) -> None:
    """The module prints the same in a process that langgraph was not loaded into.

    asyncio is loaded when something is awaited.
    """
    assert printed_alone(case, blocked, golden.GOLDEN) == golden.wanted(case).files["output.txt"]


@needs_compiler
def test_native_module_of_an_async_graph_alone(tmp_path: Path) -> None:
    shutil.copytree(golden.GOLDEN / "async_agent", tmp_path / "async_agent")
    package = golden.compile_case("async_agent", tmp_path, "--require-native")
    package.joinpath("async_agent_graph.py").unlink()
    output = printed_alone("async_agent", ("langgraph", "langchain_core"), tmp_path)
    assert output == golden.wanted("async_agent").files["output.txt"]


def printed_alone(case: str, blocked: tuple[str, ...], folder: Path) -> str:
    """What a case prints whose modules are below `folder`."""
    done = subprocess.run(
        [sys.executable, "-c", _ALONE.format(blocked=blocked), case],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
