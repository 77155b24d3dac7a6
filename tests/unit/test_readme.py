"""The README's first screen is true: its commands run, its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
APP = """
from langgraph.graph import START, MessagesState, StateGraph


def answer(state: MessagesState):
    return {"messages": [("ai", "hello " + state["messages"][-1].content)]}


builder = StateGraph(MessagesState)
builder.add_node("answer", answer)
builder.add_edge(START, "answer")
"""


def test_the_quick_start_compiles_and_runs_an_app(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").touch()
    (tmp_path / "app" / "graph.py").write_text(APP)
    start = README.split("## Start")[1].split("## Use")[0]
    commands = re.findall(r"^\$ ((?:lgc|python) .*)$", start, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["lgc", "python"]
    # The interpreter of the tests, whatever the shell calls by its name.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in commands:
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    assert "hello hi" in done.stdout


def test_what_nodes_import_needs_no_langgraph() -> None:
    (line,) = re.findall(r"^from lgc import .*$", README, re.MULTILINE)
    script = f"import sys\n{line}\nprint('langgraph' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_links_lead_to_files() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for page in pages:
        text = re.sub(r"`[^`]*`", "", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_speed_says_when_and_on_what_it_was_measured() -> None:
    speed = README.split("## Speed")[1].split("## Develop")[0]
    assert re.search(r"on \d{4}-\d\d-\d\d", speed)
    assert "low end" in speed and "2 shared cores" in speed
