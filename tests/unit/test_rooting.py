"""From which directory a target is imported: its file is executed once, under one name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import compiled, lgc, refused, write

from lgc.compiler.rooting import root_target
from lgc.compiler.target import Target

GRAPH = """
from typing import TypedDict
from langgraph.graph import START, StateGraph
{imports}

class State(TypedDict):
    log: list

def make():
    builder = StateGraph(State)
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    return builder

graph = make().compile()
"""
NODES = "def node(state):\n    return {'log': ['ran']}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty project that is the working directory; what it imports is forgotten afterwards."""
    project = Path(os.path.realpath(tmp_path)) / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)
    yield project
    for name in set(sys.modules) - before:
        if name.partition(".")[0] not in ("lgc", "langgraph", "langchain_core"):
            del sys.modules[name]


def rooted(project: Path, text: str) -> tuple[str, str]:
    """The module of a target, and its root below the project."""
    result = root_target(text, None, project)
    return result.target.module, os.path.relpath(result.root, project)


# (files, TARGET's file, module, root)
CASES = {
    "package": (
        {"app/__init__.py": "", "app/graph.py": "from app.nodes import node", "app/nodes.py": ""},
        "./app/graph.py",
        ("app.graph", "."),
    ),
    "src layout": (
        {
            "src/pkg/__init__.py": "",
            "src/pkg/graph.py": "from pkg.nodes import node",
            "src/pkg/nodes.py": "",
        },
        "./src/pkg/graph.py",
        ("pkg.graph", "src"),
    ),
    "src layout, relative imports": (
        {
            "src/pkg/__init__.py": "",
            "src/pkg/graph.py": "from .nodes import node",
            "src/pkg/nodes.py": "",
        },
        "./src/pkg/graph.py",
        ("pkg.graph", "src"),
    ),
    "src layout without __init__": (
        {"src/pkg/graph.py": "from pkg.nodes import node", "src/pkg/nodes.py": ""},
        "src/pkg/graph.py",
        ("pkg.graph", "src"),
    ),
    "src layout that no import tells": (
        {"src/pkg/graph.py": "from .nodes import node", "src/pkg/nodes.py": ""},
        "src/pkg/graph.py",
        ("pkg.graph", "src"),
    ),
    "src used as a name": (
        {
            "src/pkg/__init__.py": "",
            "src/pkg/graph.py": "from src.pkg.nodes import node",
            "src/pkg/nodes.py": "",
        },
        "src/pkg/graph.py",
        ("src.pkg.graph", "."),
    ),
    "src used as a name by a neighbour": (
        {
            "src/pkg/__init__.py": "",
            "src/pkg/graph.py": "from .nodes import node",
            "src/pkg/nodes.py": "from src.pkg.state import State",
            "src/pkg/state.py": "",
        },
        "src/pkg/graph.py",
        ("src.pkg.graph", "."),
    ),
    "src is a package": (
        {
            "src/__init__.py": "",
            "src/graph.py": "from src.nodes import node",
            "src/nodes.py": "",
        },
        "src/graph.py",
        ("src.graph", "."),
    ),
    "src is a package, and a root": (
        {
            "src/__init__.py": "",
            "src/pkg/__init__.py": "",
            "src/pkg/graph.py": "from pkg.nodes import node",
            "src/pkg/nodes.py": "",
        },
        "src/pkg/graph.py",
        ("pkg.graph", "src"),
    ),
    "backend of a monorepo": (
        {
            "services/a/app/__init__.py": "",
            "services/a/app/agents/__init__.py": "",
            "services/a/app/agents/graph.py": "from app.nodes import node",
            "services/a/app/nodes.py": "",
        },
        "services/a/app/agents/graph.py",
        ("app.agents.graph", "services/a"),
    ),
    "namespace package": (
        {"agents/one/graph.py": "from agents.nodes import node", "agents/nodes.py": ""},
        "agents/one/graph.py",
        ("agents.one.graph", "."),
    ),
    "script with files beside it": (
        {"agent/graph.py": "from nodes import node", "agent/nodes.py": ""},
        "agent/graph.py",
        ("graph", "agent"),
    ),
    "script alone": (
        {"agent/graph.py": "import json, operator"},
        "agent/graph.py",
        ("agent.graph", "."),
    ),
    "directory that is no name": (
        {"my-agent/graph.py": "import json"},
        "my-agent/graph.py",
        ("graph", "my-agent"),
    ),
    "directory called as a library": (
        {
            "app/__init__.py": "",
            "app/jinja2/__init__.py": "",
            "app/jinja2/graph.py": "import jinja2, json",
        },
        "app/jinja2/graph.py",
        ("app.jinja2.graph", "."),
    ),
    "package itself": (
        {"src/pkg/__init__.py": "from .nodes import node", "src/pkg/nodes.py": ""},
        "src/pkg/__init__.py",
        ("pkg", "src"),
    ),
    "dependency of langgraph.json": (
        {
            "langgraph.json": '{"dependencies": ["./libs", "langchain"]}',
            "libs/agents/graph.py": "import json",
        },
        "libs/agents/graph.py",
        ("agents.graph", "libs"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_root_of_a_file(project: Path, case: str) -> None:
    files, file, expected = CASES[case]
    write(project, files)
    assert rooted(project, f"{file}:graph") == expected
    assert rooted(project, f"{project}/{file}:graph") == expected


def test_file_seen_from_inside_its_package(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, {"src/pkg/__init__.py": "", "src/pkg/graph.py": ""})
    monkeypatch.chdir(project / "src/pkg")
    result = root_target("graph.py:graph", None, project / "src/pkg")
    assert (result.target, result.root) == (Target("pkg.graph", "graph"), project / "src")


def test_longest_entry_of_sys_path(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, {"libs/core/agents/graph.py": ""})
    assert rooted(project, "libs/core/agents/graph.py:g") == ("libs.core.agents.graph", ".")
    for entry in ("libs", "libs/core", "."):
        monkeypatch.setattr(sys, "path", [str(project / entry), *sys.path])
    assert rooted(project, "libs/core/agents/graph.py:g") == ("agents.graph", "libs/core")


def test_import_hook_of_an_editable_installation(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As setuptools installs a package that `package_dir` maps: no entry of `sys.path` has it."""
    from importlib.machinery import ModuleSpec
    from importlib.util import spec_from_file_location

    write(project, {"code/lib/pkg/graph.py": "", "code/lib/pkg/other.py": ""})
    package = project / "code/lib/pkg"

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            if name == "pkg":
                spec = ModuleSpec(name, None, is_package=True)
                spec.submodule_search_locations = [str(package)]
                return spec
            if name.startswith("pkg."):
                return spec_from_file_location(name, package / f"{name[4:]}.py")
            return None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert rooted(project, "code/lib/pkg/graph.py:g") == ("pkg.graph", "code/lib")


def test_name_that_is_loaded_already(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project, {"src/pkg_l/__init__.py": "", "src/pkg_l/graph.py": ""})
    monkeypatch.setattr(sys, "path", [str(project), *sys.path])
    __import__("src.pkg_l.graph")
    assert rooted(project, "src/pkg_l/graph.py:g") == ("src.pkg_l.graph", ".")


@pytest.mark.parametrize("case", ["src layout", "src layout without __init__"])
def test_dotted_and_path_are_one_module(
    project: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed editable, the dotted name needs no root; the header is the same nevertheless."""
    files, file, _ = CASES[case]
    files = files | {
        "src/pkg/graph.py": GRAPH.format(imports="from pkg.nodes import node"),
        "src/pkg/nodes.py": NODES,
    }
    write(project, files)
    compiled(f"{file}:graph", "-o", "gen")
    text = (project / "gen/pkg_graph.py").read_bytes()
    assert b"# regenerate: lgc compile pkg.graph:graph --root src -o gen\n" in text
    assert b"from pkg.nodes import node\n" in text
    monkeypatch.setattr(sys, "path", [str(project / "src"), *sys.path])
    result = lgc("check", "pkg.graph:graph", "-o", "gen")
    assert (result.exit_code, " is current" in result.stdout) == (0, True), result.output


def test_module_is_executed_once(project: Path) -> None:
    write(
        project,
        {
            "src/pkg/__init__.py": "",
            "src/pkg/graph.py": "open('ran', 'a').write(__name__ + ' ')\n"
            + GRAPH.format(imports="from pkg.nodes import node\nfrom pkg import again"),
            "src/pkg/again.py": "import pkg.graph\n",
            "src/pkg/nodes.py": NODES,
        },
    )
    compiled("./src/pkg/graph.py:graph", "-o", "gen")
    assert (project / "ran").read_text() == "pkg.graph "


@pytest.mark.parametrize("target", ["src.pkg.graph:graph", "src/pkg/graph.py:graph"])
def test_file_imported_under_two_names_is_refused(project: Path, target: str) -> None:
    """Whichever name is chosen, code that uses both gets two of every class."""
    write(
        project,
        {
            "src/pkg/__init__.py": "",
            "src/pkg/graph.py": GRAPH.format(
                imports="import sys\nsys.path.append('src')\n"
                "from src.pkg.nodes import node\nimport pkg.nodes"
            ),
            "src/pkg/nodes.py": NODES,
        },
    )
    options = [] if "/" in target else ["--root", "."]
    said = refused("LGC115", "compile", target, *options, "-o", "gen", "--no-native")
    assert "was imported twice, as pkg and as src.pkg" in said
    assert not (project / "gen").exists()


def test_installed_package_by_its_path(project: Path) -> None:
    """What `langgraph.json` says of a package that is installed editable, in a fresh process."""
    write(
        project,
        {
            "src/pkg/__init__.py": "",
            "src/pkg/graph.py": "open('ran', 'a').write(__name__ + ' ')\n"
            + GRAPH.format(imports="from pkg.nodes import node"),
            "src/pkg/nodes.py": NODES,
        },
    )
    done = subprocess.run(
        [sys.executable, "-m", "lgc", "explain", "./src/pkg/graph.py:graph"],
        env={**os.environ, "PYTHONPATH": str(project / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (project / "ran").read_text() == "pkg.graph "


def test_two_projects_of_one_repository(project: Path) -> None:
    """Their modules have one name, so neither may stand for the other (LGC306)."""
    for name in ("a", "b"):
        write(
            project,
            {
                f"{name}/app/__init__.py": "",
                f"{name}/app/graph.py": GRAPH.format(imports="from app.nodes import node"),
                f"{name}/app/nodes.py": NODES,
            },
        )
    compiled("a/app/graph.py:graph", "-o", "gen")
    said = refused("LGC306", "compile", "b/app/graph.py:graph", "-o", "gen", "--no-native")
    assert "app_graph.py was generated from app.graph:graph" in said
    compiled("b/app/graph.py:graph", "-o", "gen", "--name", "b_graph")
    assert sorted(p.name for p in (project / "gen").iterdir()) == [
        "__init__.py",
        "app_graph.py",
        "b_graph.py",
    ]


COMMANDS = {
    "package": ("app/graph.py:graph", ["-o", "gen"], "."),
    "package by --root": ("app.graph:graph", ["--root", "backend", "-o", "backend/gen"], "backend"),
    "src layout": ("./src/app/graph.py:graph", ["-o", "gen"], "src"),
    "another name": ("app.graph:make", ["-o", "gen", "--name", "other"], "."),
    "environment": ("app.graph:graph", ["-o", "gen", "--env-file", "local settings.env"], "."),
    "the project itself": ("app/graph.py:graph", ["-o", "."], "."),
    "directory with a space": ("app/graph.py:graph", ["-o", "my graphs/$x"], "."),
}


@pytest.mark.skipif(shutil.which("sh") is None, reason="no shell")
@pytest.mark.parametrize(
    ("case", "marked"),
    [*((case, True) for case in COMMANDS), ("package by --root", False), ("src layout", False)],
)
def test_commands_of_a_module_work_when_pasted(project: Path, case: str, marked: bool) -> None:
    """`# regenerate:`, and what its ImportErrors say, in a shell at the top of the project."""
    target, options, base = COMMANDS[case]
    if not marked:
        (project / "pyproject.toml").unlink()
    write(
        project / base,
        {
            "app/__init__.py": "",
            # What has no name of its own is taken from the builder at import.
            "app/graph.py": GRAPH.format(imports="").replace(", node)", ", lambda state: {})"),
        },
    )
    (project / "local settings.env").write_text("A=1\n")
    compiled(target, *options)
    (file,) = (p for p in project.rglob("*.py") if "# regenerate:" in p.read_text())
    before = file.read_bytes()
    assert str(project).encode() not in before
    command = before.decode().splitlines()[2].removeprefix("# regenerate: ")
    file.unlink()
    paste(project, f"{command} --no-native")
    assert file.read_bytes() == before

    # The module is stale for the graph, then for the runtime.
    source = project / base / "app/graph.py"
    source.write_text(source.read_text().replace('"node"', '"renamed"'))
    message = import_error(project, base, file)
    assert "is stale: " in message
    paste(project, f"{message.rpartition('Generate it again: ')[2]} --no-native")
    stale = file.read_text()
    assert "renamed" in stale
    file.write_text(re.sub(r"(abi\.require\(\s*)", r"\g<1>9", stale))
    message = import_error(project, base, file)
    paste(project, f"{message.rpartition('Generate it again: ')[2]} --no-native")
    assert file.read_text() == stale


def paste(project: Path, command: str) -> None:
    """Gives a command to a shell that has `lgc` on its path."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=project,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)


def import_error(project: Path, base: str, file: Path) -> str:
    """The last line of what importing the module `file` ends with."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {file.stem}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(project / base), str(file.parent)])},
        capture_output=True,
        text=True,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: "), done.stderr
    return last
