"""What `lgc compile` says, once, of the directory that it writes to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import GRAPH, compiled, lgc, root

__all__ = ["root"]

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="no git")


def said(out: str, target: str = "app.graph:graph") -> str:
    result = lgc("compile", target, "-o", out, "--no-native")
    assert result.exit_code == 0, result.output
    return result.stderr


def check_ignored(root: Path, path: str) -> bool:
    return subprocess.run(["git", "check-ignore", "-q", path], cwd=root).returncode == 0


@needs_git
class TestIgnored:
    @pytest.fixture(autouse=True)
    def repository(self, root: Path) -> None:
        subprocess.run(["git", "init", "-q"], check=True)

    @pytest.mark.parametrize("rule", ["build/", "build", "/build/", "build/*", "*_graph.py", "b*"])
    @pytest.mark.parametrize("out", ["build", "backend/build"])
    def test_the_line_for_gitignore_works(self, root: Path, rule: str, out: str) -> None:
        (root / ".gitignore").write_text(f"*.so\n{rule}\n")
        if not check_ignored(root, f"{out}/app_graph.py"):
            assert "LGC303" not in said(out)
            return
        text = said(out)
        assert f"warning LGC303: git ignores {out}, so nobody will review its modules" in text
        assert "choose another directory such as -o gen" in text
        if " add the line " not in text and "help: add the line " not in text:
            # What is in an ignored directory cannot be taken out.
            assert rule == "b*" and out == "backend/build"
            return
        line = text.partition("add the line ")[2].split()[0]
        with (root / ".gitignore").open("a") as file:
            file.write(f"{line}\n")
        assert not check_ignored(root, f"{out}/app_graph.py")
        assert check_ignored(root, f"{out}/app_graph.cpython-311-x86_64-linux-gnu.so")

    def test_once(self, root: Path) -> None:
        (root / ".gitignore").write_text("build/\n")
        assert "LGC303" in said("build")
        (root / "app/graph.py").write_text(GRAPH.replace('"act"', '"do"'))
        assert said("build") == ""
        # A new module is said of.
        assert "LGC303" in said("build", "app.graph:make")

    def test_rule_of_a_directory_below(self, root: Path) -> None:
        """A line at the top does not overrule it."""
        (root / "app/.gitignore").write_text("gen/\n")
        text = said("app/gen")
        assert "LGC303" in text and "add the line" not in text

    def test_nothing_is_ignored(self, root: Path) -> None:
        assert said("gen") == ""


def test_build_hides_pypas_build(root: Path) -> None:
    text = said("build")
    assert "note LGC308: build has an __init__.py now, which hides PyPA's build" in text
    assert "-o gen" in text
    assert said("build") == ""
    assert said("gen") == ""
    # From a directory below nothing is hidden.
    assert "LGC308" not in said("app/build")


def test_other_packages_that_a_directory_hides(root: Path) -> None:
    assert "warning LGC308: json has" in said("json")
    assert "hides the package jinja2 that is installed" in said("jinja2")


def test_directory_that_no_import_can_name(root: Path) -> None:
    text = said("my-out")
    assert "warning LGC307: my-out cannot be imported by name: 'my-out' is not" in text
    assert "call it my_out, or put my-out on sys.path and write: from app_graph import" in text
    assert said("my-out") == ""
    assert "call it class_," in said("gen/class")
    assert "call it _2024," in said("2024/gen")
    # What the warning says works.
    script = "from app_graph import graph\nprint(graph.invoke({})['turns'])"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": f"my-out{os.pathsep}."},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "2\n", done.stderr


def test_the_projects_own_directory(root: Path) -> None:
    """`-o .` makes no package of the project: the module is imported by its name."""
    assert said(".") == ""
    assert not (root / "__init__.py").exists()
    result = lgc("check", "app.graph:graph", "-o", ".")
    assert result.exit_code == 0 and "app_graph.py is current" in result.stdout
    script = "from app_graph import graph\nprint(graph.invoke({})['turns'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "2\n", done.stderr


def test_root_of_a_src_layout(root: Path) -> None:
    (root / "src").mkdir()
    (root / "app").rename(root / "src/app")
    compiled("src/app/graph.py:graph", "-o", "src")
    assert not (root / "src/__init__.py").exists()
    compiled("src/app/graph.py:graph", "-o", "src/gen")
    assert (root / "src/gen/__init__.py").exists()
