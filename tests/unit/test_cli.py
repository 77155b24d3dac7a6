"""The commands as somebody uses them who makes every mistake there is."""

from __future__ import annotations

import ast
import importlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import (
    EXT,
    GRAPH,
    NODES,
    compiled,
    fake_builds,
    lgc,
    needs_compiler,
    nothing_written,
    refused,
    root,
    snapshot,
)

from lgc import cli
from lgc.compiler import native, output
from lgc.compiler.emit import body_hash
from lgc.runtime.abi import ABI

__all__ = ["root"]


class TestTargets:
    @pytest.mark.parametrize(
        "target",
        [
            "app.graph:builder",
            "app/graph.py:builder",
            "./app/graph.py:builder",
            "app.graph:graph",
            "app.graph:make",
            "app.graph:amake",
            "app.graph:Holder.Inner.graph",
        ],
    )
    def test_every_form_gives_the_same_graph(self, root: Path, target: str) -> None:
        compiled(target, "-o", "build", "--name", "app_graph")
        sys.modules.pop("build", None)
        graph = importlib.import_module("build.app_graph").graph
        assert graph.invoke({}) == {"log": ["plan", "act", "plan", "act"], "turns": 2}
        # What is exported does not depend on how the graph was named.
        text = (root / "build/app_graph.py").read_text()
        assert "from app.nodes import act, plan, route\n" in text and "BUILDER" not in text

    def test_two_forms_of_one_target_are_one(self, root: Path) -> None:
        compiled("app.graph:builder", "-o", "one")
        compiled("app/graph.py:builder", "-o", "two")
        one, two = ((root / d / "app_graph.py").read_text() for d in ("one", "two"))
        assert one.replace("-o one", "-o two").splitlines()[:3] == two.splitlines()[:3]

    def test_names(self, root: Path) -> None:
        compiled("agent:builder", "app.graph:graph", "-o", "build")
        assert sorted(p.name for p in root.glob("build/*.py")) == [
            "__init__.py",
            "agent_graph.py",
            "app_graph.py",
        ]
        compiled("app.graph:make", "-o", "build", "--name", "other")
        command = "lgc compile app.graph:make -o build --name other\n"
        assert command in (root / "build/other.py").read_text()

    def test_root(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (root / "pyproject.toml").touch()
        compiled("app.graph:builder", "-o", "build")
        here = (root / "build/app_graph.py").read_bytes()
        # The command in the header is the project's, wherever one stands.
        monkeypatch.chdir(root.parent)
        compiled("app.graph:builder", "--root", "project", "-o", "project/build", "--force")
        assert (root / "build/app_graph.py").read_bytes() == here
        # Outside of a project it is given where one stands, if that has all of it.
        (root / "pyproject.toml").unlink()
        compiled("app.graph:builder", "--root", "project", "-o", "beside")
        text = (root.parent / "beside/app_graph.py").read_text()
        command = "# regenerate: lgc compile app.graph:builder --root project -o beside\n"
        assert command in text
        compiled("app.graph:builder", "--root", "project/", "-o", root.parent.parent / "far")
        text = (root.parent.parent / "far/app_graph.py").read_text()
        assert "# regenerate: lgc compile app.graph:builder -o DIR\n" in text
        shutil.rmtree(root.parent.parent / "far")

    @pytest.mark.parametrize("out", ["build", "my graphs", "a/b/c", "."])
    def test_command_in_the_header_gives_the_same_bytes(self, root: Path, out: str) -> None:
        compiled("app/graph.py:graph", "-o", out, "--name", "made")
        file = root / out / "made.py"
        before = file.read_bytes()
        line = before.decode().splitlines()[2]
        file.unlink()
        command = shlex.split(line.removeprefix("# regenerate: "))
        assert command[0] == "lgc"
        compiled(*command[2:])
        assert file.read_bytes() == before
        assert str(root).encode() not in before


class TestReport:
    def test_says_what_it_did(self, root: Path) -> None:
        lines = compiled("app.graph:builder", "-o", "build").splitlines()
        assert lines[0] == "app.graph:builder -> build/app_graph.py"
        assert lines[1] == "  2 nodes, 2 channels, 1 branch, 0 joins"
        assert lines[2] == "  static: 3 supersteps, then a branch decides"
        assert lines[3] == "  production imports no langgraph"
        assert lines[4].startswith("  emitted in 0.") and lines[4].endswith(" s; interpreted")

    def test_names_the_chain_that_imports_langgraph(self, root: Path) -> None:
        (root / "app/nodes.py").write_text("import app.models\n" + NODES)
        (root / "app/models.py").write_text("from langgraph.types import interrupt\n")
        said = compiled("app.graph:builder", "-o", "build")
        assert "imports langgraph: app.nodes -> app.models -> langgraph.types\n" in said

    def test_what_the_users_module_prints_is_no_result(self, root: Path) -> None:
        result = lgc("explain", "prints:builder")
        assert result.stdout.startswith("graph prints:builder  ")
        assert result.stderr == "loading\n"

    def test_unprintable_names_on_any_terminal(self, root: Path) -> None:
        source = GRAPH.replace('"plan"', '"pl\\ud800än"')
        (root / "app/graph.py").write_text(source, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "lgc.cli", "explain", "app.graph:builder"],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        )
        assert done.returncode == 0, done.stderr
        assert b"node pl\\ud800\xe4n\n" in done.stdout

    def test_notes_a_callable_that_comes_through_the_builder(self, root: Path) -> None:
        source = GRAPH.replace('"act", act', '"act", lambda state: {}')
        (root / "app/graph.py").write_text(source)
        result = lgc("compile", "app.graph:builder", "-o", "build", "--no-native")
        line = 1 + source[: source.index('"act", lambda')].count("\n")
        assert result.stderr.startswith(f"app/graph.py:{line}:1: note LGC301: ")


class TestFiles:
    def test_native_files_of_every_python_go(self, root: Path) -> None:
        build = root / "build"
        compiled("app.graph:builder", "-o", "build")
        stale = ["app_graph.so", f"app_graph{EXT}", "app_graph.cpython-399-x86_64.so"]
        stale += ["app_graph.abi3.so", "app_graph.cp311-win_amd64.pyd"]
        kept = ["app_graph_2.so", "other.cpython-311-x86_64-linux-gnu.so", "app_graph.so.txt"]
        for name in [*stale, *kept]:
            (build / name).touch()
        compiled("app.graph:builder", "-o", "build")
        assert sorted(snapshot(build)) == sorted(["__init__.py", "app_graph.py", *kept])

    def test_order_of_writing(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fake_builds(monkeypatch)
        done: list[str] = []
        unlink, replace = Path.unlink, os.replace

        def spied_unlink(path: Path, missing_ok: bool = False) -> None:
            done.append(f"remove {path.name}")
            unlink(path, missing_ok=missing_ok)

        def spied_replace(source: Path, target: Path) -> None:
            done.append(f"replace {Path(target).name}")
            replace(source, target)

        assert lgc("compile", "app.graph:builder", "-o", "build").exit_code == 0
        monkeypatch.setattr(Path, "unlink", spied_unlink)
        monkeypatch.setattr(os, "replace", spied_replace)
        (root / "app/graph.py").write_text(GRAPH.replace('"act"', '"do"'))
        assert lgc("compile", "app.graph:builder", "-o", "build").exit_code == 0
        assert done == [
            f"remove app_graph{EXT}",
            "replace app_graph.py",
            f"replace app_graph{EXT}",
        ]

    def test_hand_made_init_stays(self, root: Path) -> None:
        (root / "build").mkdir()
        (root / "build/__init__.py").write_text("# mine\n")
        compiled("app.graph:builder", "-o", "build")
        assert (root / "build/__init__.py").read_text() == "# mine\n"

    def test_module_of_the_users_is_not_overwritten(self, root: Path) -> None:
        with nothing_written(root):
            said = refused("LGC305", "compile", "agent:builder", "-o", ".", "--name", "agent")
            assert "agent.py was not written by lgc" in said
            refused("LGC305", "compile", "app.graph:make", "-o", "app", "--name", "nodes")

    def test_edited_module_is_overwritten(self, root: Path) -> None:
        compiled("app.graph:builder", "-o", "build")
        file = root / "build/app_graph.py"
        before = file.read_bytes()
        for edited in (before + b"x\n", before[1:], before.split(b"\n\n")[0]):
            file.write_bytes(edited)
            compiled("app.graph:builder", "-o", "build")
            assert file.read_bytes() == before

    def test_bytecode_of_the_same_second_is_not_used(self, root: Path) -> None:
        compiled("app.graph:builder", "-o", "build")
        cache = root / "build/__pycache__"
        cache.mkdir()
        for name in ("app_graph.cpython-311.pyc", "app_graph_2.cpython-311.pyc"):
            (cache / name).touch()
        (root / "app/graph.py").write_text(GRAPH.replace('"act"', '"do"'))
        compiled("app.graph:builder", "-o", "build")
        assert [p.name for p in cache.iterdir()] == ["app_graph_2.cpython-311.pyc"]

    def test_user_code_that_changes_directory(self, root: Path) -> None:
        (root / "moves.py").write_text("import os\nos.chdir('/')\nfrom app.graph import builder\n")
        compiled("moves:builder", "-o", "build")
        assert (root / "build/moves_graph.py").is_file()


class TestBadInput:
    @pytest.mark.parametrize(
        ("code", "target", "words"),
        [
            ("LGC101", "no.such:builder", ["no module named 'no'"]),
            ("LGC101", "app.grpah:builder", ["did you mean app.graph:builder?"]),
            ("LGC102", "app.graph:bulder", ["did you mean app.graph:builder"]),
            ("LGC102", "app.graph:Holder.x", ["no attribute 'x'"]),
            ("LGC103", "app.graph:number", ["app/graph.py:", "type int, not a graph"]),
            ("LGC103", "app.graph:State", ["not a graph"]),
            ("LGC104", "raises:builder", ["raises.py:2:5:", "KeyError", "OPENAI_API_KEY"]),
            ("LGC105", "app.graph", ["malformed target"]),
            ("LGC105", "missing/file.py:g", ["no such file"]),
            ("LGC106", "app.graph:needs", ["app/graph.py:", "it needs x"]),
            ("LGC106", "app.graph:fails", ["app/graph.py:", "RuntimeError: no key"]),
            ("LGC111", "app.graph:broken", ["app/graph.py:", "entrypoint"]),
        ],
    )
    @pytest.mark.parametrize("command", ["compile", "explain", "diff", "check"])
    def test_target(
        self, root: Path, command: str, code: str, target: str, words: list[str]
    ) -> None:
        out = [] if command == "explain" else ["-o", "new/build"]
        with nothing_written(root):
            said = refused(code, command, target, *out)
        for word in words:
            assert word in said

    @pytest.mark.parametrize(
        "arguments",
        [
            ["compile", "-o", "build"],
            ["compile", "app.graph:builder"],
            ["compile", "app.graph:builder", "agent:builder", "-o", "b", "--name", "x"],
            ["compile", "app.graph:builder", "-o", "b", "--root", "nowhere"],
            ["compile", "app.graph:builder", "-o", "b", "--no-native", "--require-native"],
            ["compile", "app.graph:builder", "-o", "b\nimport os"],
            ["explain"],
            ["diff", "app.graph:builder"],
            ["check", "-o", "build"],
            ["nothing"],
        ],
    )
    def test_usage(self, root: Path, arguments: list[str]) -> None:
        with nothing_written(root):
            result = lgc(*arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith("Usage: ") and "Error: " in result.stderr

    @pytest.mark.parametrize("name", ["no-go", "1st", "class", "__init__", "größe", "a.b", ""])
    def test_name_that_is_no_module(self, root: Path, name: str) -> None:
        with nothing_written(root):
            refused("LGC113", "compile", "app.graph:builder", "-o", "build", "--name", name)

    def test_a_name_that_the_module_imports(self, root: Path) -> None:
        with nothing_written(root):
            said = refused("LGC113", "compile", "app.graph:builder", "-o", "build", "--name", "app")
        assert "it imports the user's app" in said

    def test_two_targets_with_one_name(self, root: Path) -> None:
        with nothing_written(root):
            said = refused(
                "LGC107", "compile", "app.graph:builder", "app.graph:graph", "-o", "build"
            )
        assert "app_graph.py" in said and "--name" in said

    @pytest.mark.parametrize("out", ["file", "file/below", "file/below/it", "dangling"])
    def test_directory_that_cannot_be(self, root: Path, out: str) -> None:
        (root / "file").touch()
        (root / "dangling").symlink_to("/proc/nothing/here")
        with nothing_written(root):
            said = refused("LGC108", "compile", "app.graph:builder", "-o", out, "--no-native")
        assert "cannot " in said

    @pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no /proc")
    def test_read_only_file_system(self, root: Path) -> None:
        refused("LGC108", "compile", "app.graph:builder", "-o", "/proc/self/x", "--no-native")

    @pytest.mark.parametrize("command", ["compile", "diff", "check"])
    def test_directory_in_the_way_of_the_module(self, root: Path, command: str) -> None:
        (root / "build/app_graph.py").mkdir(parents=True)
        with nothing_written(root):
            refused("LGC108", command, "app.graph:builder", "-o", "build")

    def test_full_disk(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        fake_builds(monkeypatch)

        def copyfile(source: Path, target: Path) -> None:
            Path(target).write_bytes(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(output.shutil, "copyfile", copyfile)
        with nothing_written(root):
            said = refused("LGC108", "compile", "app.graph:builder", "-o", "new/build")
        assert "No space left on device" in said

    def test_last_of_several_targets_fails(self, root: Path) -> None:
        with nothing_written(root):
            refused(
                "LGC111", "compile", "agent:builder", "app.graph:broken", "-o", "b", "--no-native"
            )

    def test_error_in_lgc_is_not_a_difference(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(options: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(cli, "compile_targets", fails)
        result = lgc("check", "app.graph:builder", "-o", "build")
        assert result.exit_code == 2
        assert "ZeroDivisionError" in result.stderr and "please report it" in result.stderr

    def test_interrupted(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(options: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(cli, "compile_targets", interrupted)
        assert lgc("check", "app.graph:builder", "-o", "build").exit_code == 130


class TestNative:
    def test_no_compiler(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for value in ("/nonexistent", '"'):
            monkeypatch.setenv("CC", value)
            with nothing_written(root):
                said = refused(
                    "LGC109", "compile", "app.graph:builder", "-o", "build", "--require-native"
                )
            assert "install one" in said
        result = lgc("compile", "app.graph:builder", "-o", "build")
        assert result.exit_code == 0
        assert result.stderr.startswith("no C compiler was found: ")
        assert "interpreted" in result.stdout

    def test_mypyc_fails_for_the_last_module(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        built = fake_builds(monkeypatch, fails="app_graph")
        with nothing_written(root):
            said = refused("LGC110", "compile", "agent:builder", "app.graph:graph", "-o", "b/c")
        assert built == ["agent_graph", "app_graph"]
        assert "line 1\nline 2\n" in said and "mypyc said no" in said and "--no-native" in said

    def test_no_native_removes_native_files(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake_builds(monkeypatch)
        assert lgc("compile", "app.graph:builder", "-o", "build").exit_code == 0
        assert (root / f"build/app_graph{EXT}").is_file()
        compiled("app.graph:builder", "-o", "build")
        assert sorted(snapshot(root / "build")) == ["__init__.py", "app_graph.py"]

    @needs_compiler
    def test_for_real(self, root: Path) -> None:
        result = lgc("compile", "app.graph:builder", "-o", "build", "--require-native")
        assert result.exit_code == 0, result.output
        assert "; native, built in " in result.stdout
        file = root / "build/app_graph.py"
        text = file.read_text()
        (library,) = root.glob("build/*.so")
        assert native.embedded_marker(library, b"lgc-body:") == body_hash(text)
        assert lgc("check", "app.graph:builder", "-o", "build").exit_code == 0
        assert run_graph(root) == "{'log': ['plan', 'act', 'plan', 'act'], 'turns': 2}\n"

        # A changed source beside the library: found at import and by check.
        command = "lgc compile app.graph:builder -o build"
        for old, new in (("abi.Node(", "abi.Node( "), ("due = run.", "due  = run.")):
            file.write_text(text.replace(old, new, 1))
            assert f"Build it again: {command}" in run_graph(root, fails=True)
        file.write_text(text.replace("\n", "\r\n"), newline="")
        assert run_graph(root).startswith("{'log'")
        changed = text.replace("LangGraph", "Other")
        changed = changed.replace(str(body_hash(text)), "0" * 16)
        file.write_text(changed)
        assert (
            "was not built from app_graph.py"
            in lgc("check", "app.graph:builder", "-o", "build").stdout
        )
        file.unlink()
        assert run_graph(root).startswith("{'log'")

    def test_another_abi(self, root: Path) -> None:
        compiled("app.graph:builder", "-o", "build")
        file = root / "build/app_graph.py"
        file.write_text(file.read_text().replace(f"require({ABI}, ", f"require({ABI + 1}, "))
        said = run_graph(root, fails=True)
        assert f"ABI {ABI + 1}" in said
        assert "Generate it again: lgc compile app.graph:builder -o build" in said


def run_graph(root: Path, fails: bool = False) -> str:
    """What running the compiled graph prints, in a process of its own; or its ImportError."""
    script = "from build.app_graph import graph\nprint(graph.invoke({}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True)
    assert bool(done.returncode) == fails, done.stderr
    if fails:
        assert "\nImportError: app_graph." in done.stderr
    return done.stderr if fails else done.stdout


class TestDiff:
    def test_exit_codes_and_text(self, root: Path) -> None:
        result = lgc("diff", "app.graph:builder", "-o", "build")
        assert result.exit_code == 1
        assert result.stdout.startswith("--- /dev/null\n+++ build/app_graph.py\n@@ -0,0 +1,")
        assert not (root / "build").exists()
        compiled("app.graph:builder", "-o", "build")
        result = lgc("diff", "app.graph:builder", "-o", "build")
        assert (result.exit_code, result.output) == (0, "")
        (root / "app/graph.py").write_text(GRAPH.replace('"act"', '"do"'))
        with nothing_written(root / "build"):
            result = lgc("diff", "app.graph:builder", "-o", "build")
        assert result.exit_code == 1
        assert '\n-        due = run.node("plan", then="act")\n' in result.stdout
        assert '\n+        due = run.node("plan", then="do")\n' in result.stdout
        assert '\n+            "do",\n' in result.stdout

    def test_is_a_patch(self, root: Path) -> None:
        compiled("app.graph:builder", "-o", "build")
        file = root / "build/app_graph.py"
        wanted = file.read_bytes()
        file.write_bytes(b"# Code\n" + wanted[40:].rstrip())
        patch = lgc("diff", "app.graph:builder", "-o", "build").stdout
        assert "\\ No newline at end of file\n" in patch
        if shutil.which("patch"):
            subprocess.run(["patch", "-s", "-p0"], input=patch.encode(), check=True)
            assert file.read_bytes() == wanted

    def test_module_that_is_no_text(self, root: Path) -> None:
        (root / "build").mkdir()
        (root / "build/app_graph.py").write_bytes(b"\xff\xfe\n")
        assert lgc("diff", "app.graph:builder", "-o", "build").exit_code == 1
        assert lgc("check", "app.graph:builder", "-o", "build").exit_code == 1


class TestCheck:
    def problems(self) -> list[str]:
        result = lgc("check", "app.graph:builder", "-o", "build")
        lines = result.stdout.splitlines()
        is_current = len(lines) == 1 and lines[0].startswith("build/app_graph.py is current")
        assert result.exit_code == (0 if is_current else 1)
        return [line.removeprefix("build/app_graph.py ") for line in lines]

    def test_everything(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.problems() == ["is missing"]
        fake_builds(monkeypatch)
        assert lgc("compile", "app.graph:builder", "-o", "build").exit_code == 0
        assert self.problems() == ["is current"]
        file = root / "build/app_graph.py"
        text = file.read_text()
        file.write_text(text.replace("abi.Node(", "abi.Node( ", 1))
        assert self.problems() == ["was edited by hand"]
        file.write_text(text.replace("# regenerate: lgc", "# regenerate: lgx"))
        assert self.problems() == ["is stale: its header is not what lgc writes now"]
        file.write_text("")
        assert self.problems()[0] == "was edited by hand"
        file.write_text(text)
        (root / f"build/app_graph{EXT}").write_bytes(b"")
        (root / "build/app_graph.cpython-399.so").write_bytes(b"x")
        assert self.problems() == [
            f"build/app_graph{EXT} was not built from app_graph.py",
            "build/app_graph.cpython-399.so was not built from app_graph.py",
        ]
        compiled("app.graph:builder", "-o", "build")
        not_native = f"not native for this Python: app_graph{EXT} is missing"
        assert self.problems() == [f"is current, but {not_native}"]
        (root / "build/__init__.py").unlink()
        assert self.problems() == ["build is no package: __init__.py is missing"]
        compiled("app.graph:builder", "-o", "build")
        (root / "app/graph.py").write_text(GRAPH.replace('"act"', '"do"'))
        assert self.problems() == ["is stale: the graph or lgc has changed"]

    def test_all_targets_are_looked_at(self, root: Path) -> None:
        compiled("app.graph:builder", "-o", "build")
        result = lgc("check", "agent:builder", "app.graph:builder", "-o", "build")
        assert result.exit_code == 1
        assert result.stdout == (
            "build/agent_graph.py is missing\n"
            "build/app_graph.py is current, but not native for this Python: "
            f"app_graph{EXT} is missing\n"
        )


def test_explain(root: Path) -> None:
    result = lgc("explain", "app.graph:builder")
    assert result.exit_code == 0
    for line in (
        "  log: BinaryOperatorAggregate(builtins.list, operator.add)",
        "  calls     app.nodes.plan(state)",
        "  2: act",
    ):
        assert f"\n{line}\n" in result.stdout
    assert not (root / "build").exists()


def test_every_code_is_used() -> None:
    """No code is registered that nothing reports."""
    from lgc.compiler.diagnostics import CODES

    package = Path(cli.__file__).parent
    files = [package / "cli.py", *(package / "compiler").rglob("*.py")]
    tested: set[str] = set()
    for file in files:
        if file.name == "diagnostics.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                tested.add(node.value)
    assert set(CODES) <= tested
