"""`lgc` as it is started: with and without what the compiler needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from command_line import lgc, refused, root

import lgc as package
from lgc.compiler import requirements

__all__ = ["root"]


def run(*arguments: str, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """`python -m lgc`, in a process that cannot import some packages."""
    script = (
        "import runpy, sys\n"
        f"sys.modules.update(dict.fromkeys({without!r}))\n"
        f"sys.argv = ['lgc', *{arguments!r}]\n"
        "runpy.run_module('lgc', run_name='__main__')\n"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)


@pytest.mark.parametrize(
    "without",
    [("click", "jinja2", "langgraph", "libcst", "rich"), ("libcst",), ("langgraph",), ("rich",)],
)
def test_without_the_extra(without: tuple[str, ...]) -> None:
    for arguments in ((), ("compile", "app.graph:graph", "-o", "gen"), ("--help",)):
        done = run(*arguments, without=without)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            f"lgc: the compiler is not installed (no {', '.join(without)}): "
            "pip install 'lgc[compiler]'\n"
        )
    done = run("--version", without=without)
    assert (done.returncode, done.stdout) == (0, f"lgc, version {package.__version__}\n")
    assert done.stderr == ""


def test_compile_graph_without_the_extra() -> None:
    script = "import sys; sys.modules['jinja2'] = None\nimport lgc\nlgc.compile_graph"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: lgc: the compiler is not installed (no jinja2)")


def test_version_imports_nothing_else() -> None:
    script = (
        "import sys; before = set(sys.modules); sys.argv = ['lgc', '--version']\n"
        "from lgc.__main__ import main; main()\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    version, modules = done.stdout.splitlines()
    assert version == f"lgc, version {package.__version__}"
    slow = {"click", "importlib.metadata", "jinja2", "langgraph", "lgc.compiler", "lgc.runtime"}
    assert slow.isdisjoint(modules.split())


def test_python_dash_m() -> None:
    done = subprocess.run([sys.executable, "-m", "lgc", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("Usage: lgc [OPTIONS] COMMAND")
    (script,) = entry_points(group="console_scripts", name="lgc")
    assert script.value == "lgc.__main__:main"
    # The group's own option says the same.
    result = lgc("--version")
    assert result.stdout == f"lgc, version {package.__version__}\n"


@pytest.mark.parametrize("version", ["0.6.7", "1.2.21", "1.3.0", "of an unknown version"])
def test_another_langgraph(root: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told before the user's module is imported, which it may break in its own way."""
    monkeypatch.setattr("lgc.compiler.pipeline.installed_langgraph", lambda: version)
    said = refused("LGC112", "explain", "raises:builder")
    assert f"langgraph {version} is installed; lgc knows >=1.2.22,<1.3" in said
    assert "pip install 'langgraph>=1.2.22,<1.3'" in said
    monkeypatch.setattr(requirements, "installed_langgraph", lambda: version)
    with pytest.raises(ImportError, match="langgraph"):
        requirements.require()


def test_langgraph_too_old_to_be_analysed(tmp_path: Path) -> None:
    """One whose modules are not even where the frontend imports them from, in a fresh process."""
    folder = tmp_path / "langgraph"
    (folder / "graph").mkdir(parents=True)
    (folder / "graph/__init__.py").write_text("class StateGraph: pass\n")
    info = tmp_path / "langgraph-0.2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: langgraph\nVersion: 0.2.0\n")
    (tmp_path / "app.py").write_text("from langgraph.graph import StateGraph\ng = StateGraph()\n")
    done = subprocess.run(
        [sys.executable, "-m", "lgc", "explain", "app:g"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error LGC112: langgraph 0.2.0 is installed; lgc knows")
    script = "import lgc; lgc.compile_graph"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.stderr.splitlines()[-1].startswith("ImportError: lgc: langgraph 0.2.0 is installed")


def test_script_is_installed() -> None:
    script = shutil.which("lgc", path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert done.stdout == f"lgc, version {package.__version__}\n"
