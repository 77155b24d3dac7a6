"""The variables of `langgraph.json` and `--env-file` while a graph is imported."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command_line import GRAPH, compiled, lgc, refused, root, write

from lgc.compiler.diagnostics import CompileError
from lgc.compiler.environment import of_file, of_project, variables

__all__ = ["root"]


@pytest.fixture
def needs_key(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose graph cannot be imported without LGC_TEST_KEY."""
    monkeypatch.delenv("LGC_TEST_KEY", raising=False)
    key = "import os\nKEY = os.environ['LGC_TEST_KEY']\nopen('key', 'w').write(KEY)\n"
    write(root, {"app/graph.py": key + GRAPH})
    return root


def test_without_it_the_import_fails(needs_key: Path) -> None:
    assert "LGC_TEST_KEY" in refused("LGC104", "explain", "app.graph:graph")


@pytest.mark.parametrize(
    "settings", ['{"env": ".env"}', '{"env": "./.env"}', '{"env": {"LGC_TEST_KEY": "secret"}}']
)
def test_langgraph_json_names_it(needs_key: Path, settings: str) -> None:
    write(needs_key, {"langgraph.json": settings, ".env": "LGC_TEST_KEY=secret\n"})
    said = compiled("app.graph:graph", "-o", "gen")
    assert (needs_key / "key").read_text() == "secret"
    assert "LGC_TEST_KEY" not in os.environ
    assert "secret" not in (needs_key / "gen/app_graph.py").read_text() + said
    for command in (["check", "-o", "gen"], ["diff", "-o", "gen"], ["explain"]):
        assert lgc(command[0], "app.graph:graph", *command[1:]).exit_code == 0


def test_env_file_replaces_what_langgraph_json_names(needs_key: Path) -> None:
    write(needs_key, {"langgraph.json": '{"env": ".env"}', ".env": "LGC_TEST_KEY=one\n"})
    write(needs_key, {"ci.env": "LGC_TEST_KEY=two\n"})
    compiled("app.graph:graph", "-o", "gen", "--env-file", "ci.env")
    assert (needs_key / "key").read_text() == "two"


def test_what_is_set_already_stays(needs_key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(needs_key, {"langgraph.json": '{"env": ".env"}', ".env": "LGC_TEST_KEY=file\n"})
    monkeypatch.setenv("LGC_TEST_KEY", "shell")
    compiled("app.graph:graph", "-o", "gen")
    assert (needs_key / "key").read_text() == "shell"
    assert os.environ["LGC_TEST_KEY"] == "shell"


def test_a_dot_env_that_nothing_names_is_not_read(needs_key: Path) -> None:
    write(needs_key, {".env": "LGC_TEST_KEY=secret\n", "langgraph.json": "{}"})
    refused("LGC104", "explain", "app.graph:graph")


def test_file_that_is_not_there(needs_key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual case of CI: noted once, and no error as long as the variables are set."""
    write(needs_key, {"langgraph.json": '{"env": ".env"}'})
    monkeypatch.setenv("LGC_TEST_KEY", "shell")
    targets = ["app.graph:graph", "app.graph:make"]
    result = lgc("compile", *targets, "-o", "gen", "--no-native")
    assert result.exit_code == 0
    assert result.stderr.count("note LGC116: langgraph.json names .env, which is not there") == 1
    result = lgc("explain", "app.graph:graph", "--env-file", "none.env")
    assert result.exit_code == 2 and "none.env" in result.stderr


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_langgraph_json_that_cannot_be_read(root: Path, text: str) -> None:
    (root / "langgraph.json").write_text(text)
    assert "langgraph.json cannot be read" in refused("LGC116", "explain", "app.graph:graph")


# As python-dotenv reads them.
TEXT = r"""
# a comment
PLAIN=value
export EXPORTED = spaced value   # a comment
HASH=a#b
EMPTY=
NAME_ALONE
SINGLE='$x "y" \n # z' # comment
DOUBLE="a\tb\n\"c\" \\ \q"
MANY="first
second"
REFERS=${PLAIN}-${MISSING:-default}-${MISSING}
  INDENTED=1
URL=https://user:pass@host/?a=b&c=d
JSON={"a": [1, 2]}
LAST='x'"""


def test_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MISSING", raising=False)
    (tmp_path / ".env").write_text(TEXT)
    values, notes = of_file(tmp_path / ".env")
    assert notes == []
    assert values == {
        "PLAIN": "value",
        "EXPORTED": "spaced value",
        "HASH": "a#b",
        "EMPTY": "",
        "SINGLE": '$x "y" \\n # z',
        "DOUBLE": 'a\tb\n"c" \\ \\q',
        "MANY": "first\nsecond",
        "REFERS": "value-default-",
        "INDENTED": "1",
        "URL": "https://user:pass@host/?a=b&c=d",
        "JSON": '{"a": [1, 2]}',
        "LAST": "x",
    }
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=1\r\nB=2\r")
    assert of_file(tmp_path / ".env") == ({"A": "1", "B": "2"}, [])


def test_line_that_sets_nothing_is_noted(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nno name = 2\nB='open\nC=3\n")
    values, notes = of_file(tmp_path / ".env")
    assert values["A"] == "1" and values["C"] == "3"
    assert [n.message.split(" of ")[0] for n in notes] == ["line 2", "line 3"]


def test_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe")
    with pytest.raises(CompileError, match=r"LGC116: .*\.env cannot be read"):
        of_file(tmp_path / ".env")


def test_project_without_settings(tmp_path: Path) -> None:
    assert of_project(tmp_path) == ({}, [])
    (tmp_path / "langgraph.json").write_text('{"env": 5, "dependencies": "."}')
    assert of_project(tmp_path) == ({}, [])


def test_variables_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LGC_TEST_A", "LGC_TEST_B", "LGC_TEST_C"):
        monkeypatch.delenv(name, raising=False)
    with variables({"LGC_TEST_A": "1", "LGC_TEST_B": "1", "LGC_TEST_C": "1"}):
        assert os.environ["LGC_TEST_A"] == "1"
        monkeypatch.setenv("LGC_TEST_B", "the user's")
        monkeypatch.delenv("LGC_TEST_C")
    assert "LGC_TEST_A" not in os.environ and "LGC_TEST_C" not in os.environ
    assert os.environ["LGC_TEST_B"] == "the user's"
