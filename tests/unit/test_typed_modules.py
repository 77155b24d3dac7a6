"""What type checkers and editors know of a generated module's graph (runtime/typed.pyi)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from inprocess import module_text
from langgraph.graph import START, StateGraph

pytest.importorskip("pyright", reason="pyright is not installed: make venv")

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

CLIENT = """\
from typing import Any

from langgraph.types import Command, GraphOutput
from private_schemas.graph import Answer
from private_schemas.want.private_schemas_graph import compile, graph
from typing_extensions import assert_type

graph.invoke({"question": "why?"})
graph.invoke(None, {"configurable": {"thread_id": "1"}}, durability="sync")
graph.invoke(Command(resume="yes"), version="v2")
graph.invoke({"qestion": "why?"})  # wrong
graph.invoke({"question": 5})  # wrong
graph.invoke({"question": "why?"}, stream_mode="valus")  # wrong
graph.invoke({"question": "why?"}, durability="never")  # wrong
graph.invoke({"question": "why?"}, version="v3")  # wrong
graph.invoke({"question": "why?"}, strem_mode="values")  # wrong
for chunk in graph.stream({"question": "why?"}, stream_mode=["values", "updates"]):
    print(chunk)
graph.stream({"question": "why?"}, stream_mode="valus")  # wrong
graph.stream({"question": "why?"}, stream_mode=["values", "update"])  # wrong
graph.stream({"question": "why?"}, stream_mode="messages")  # wrong
assert_type(graph.invoke({"question": "why?"}), dict[str, Any])
assert_type(graph.invoke({"question": "why?"}, stream_mode="updates"), list[Any])
assert_type(graph.invoke({"question": "why?"}, version="v2"), GraphOutput[Answer])
assert_type(graph.invoke({"question": "why?"}, version="v2").value["answer"], str)
graph.invoke({"question": "why?"}, version="v2").value["answr"]  # wrong
for part in graph.stream({"question": "why?"}, version="v2"):
    if part["type"] == "values":
        assert_type(part["data"], Answer)
saved = compile(checkpointer=None, interrupt_before=["speak"])
saved.invoke({"qestion": "why?"})  # wrong


async def main() -> None:
    assert_type(await graph.ainvoke({"question": "why?"}), dict[str, Any])
    assert_type(await graph.ainvoke({"question": "why?"}, version="v2"), GraphOutput[Answer])
    await graph.ainvoke({"qestion": "why?"})  # wrong
    async for _ in graph.astream({"question": "why?"}, stream_mode="valus"):  # wrong
        pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a client of a golden module; `lgc` in it, as checkers miss editable ones."""
    (tmp_path / "lgc").symlink_to(ROOT)
    (tmp_path / "private_schemas").symlink_to(ROOT / "golden" / "private_schemas")
    (tmp_path / "client.py").write_text(CLIENT)
    return tmp_path


def _wrong_lines() -> list[int]:
    lines = CLIENT.splitlines()
    return [number for number, line in enumerate(lines, 1) if line.endswith("# wrong")]


def _wrong_to_mypy(folder: Path) -> list[int]:
    """The lines of client.py in which mypy finds errors."""
    # Of the rest of lgc the linter of this project says what there is to say.
    command = [str(BIN / "mypy"), "--strict", "--explicit-package-bases", "--config-file="]
    done = subprocess.run(
        [*command, "--follow-imports=silent", "client.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, done.stderr)
    return sorted(set(map(int, re.findall(r"^client\.py:(\d+): error:", done.stdout, re.M))))


def test_mypy_reports_what_is_wrong_and_nothing_else(project: Path) -> None:
    assert _wrong_to_mypy(project) == _wrong_lines()


def test_pyright_reports_what_is_wrong_and_nothing_else(project: Path) -> None:
    settings = {"include": ["client.py"], "typeCheckingMode": "strict"}
    (project / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [str(BIN / "pyright"), "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    reported = json.loads(done.stdout)["generalDiagnostics"]
    lines = {entry["range"]["start"]["line"] + 1 for entry in reported}
    assert sorted(lines) == _wrong_lines(), done.stdout


def test_an_editor_completes_input_keys_and_stream_modes(project: Path) -> None:
    line = "from private_schemas.want.private_schemas_graph import graph\n"
    with _language_server(project) as server:
        assert server.completed(line + 'graph.invoke({"') == ['"question"']
        modes = server.completed(line + 'graph.stream({"question": ""}, stream_mode="')
    assert {'"values"', '"updates"', '"custom"', '"debug"'} <= set(modes)


LONG = """\
from typing import TypedDict
from langgraph.graph import START, StateGraph
class InputOfAnApplicationWithLongNames(TypedDict):
    question: str
class StateOfAnApplicationWithLongNames(InputOfAnApplicationWithLongNames):
    answer: str
def node(state: StateOfAnApplicationWithLongNames) -> None: ...
builder = StateGraph(
    StateOfAnApplicationWithLongNames, input_schema=InputOfAnApplicationWithLongNames
)
builder.add_node("node", node)
builder.add_edge(START, "node")
"""


def test_types_that_do_not_fit_on_a_line(tmp_path: Path) -> None:
    """Have an alias, which checkers follow."""
    (tmp_path / "lgc").symlink_to(ROOT)
    (tmp_path / "app.py").write_text(LONG)
    command = [
        str(BIN / "lgc"),
        "compile",
        "app:builder",
        "-o",
        "out",
        "--no-native",
        "--name",
        "agent",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert "\ngraph: Graph = abi.compiled(" in (tmp_path / "out" / "agent.py").read_text()
    client = 'from out.agent import graph\ngraph.invoke({"question": ""})\ngraph.invoke({"x": 1})\n'
    (tmp_path / "client.py").write_text(client)
    assert _wrong_to_mypy(tmp_path) == [3]


def test_schemas_without_a_name_are_any() -> None:
    """Those of a builder that is compiled in its process, and annotations that are no class."""
    builder = StateGraph(dict)
    builder.add_node("a", lambda state: state)
    builder.add_edge(START, "a")
    assert "graph: abi.CompiledGraph[dict, None, dict, dict] = " in module_text(builder, "home")

    class Local(dict[str, int]):
        pass

    builder = StateGraph(Local)
    builder.add_node("a", lambda state: state)
    builder.add_edge(START, "a")
    assert "graph: abi.CompiledGraph[Any, None, Any, Any] = " in module_text(builder, "home")


class _LanguageServer:
    """Speaks the language server protocol with pyright, about files below a folder."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._calls = 0
        root = {"uri": folder.as_uri(), "name": "project"}
        self._call(
            "initialize",
            processId=None,
            rootUri=root["uri"],
            workspaceFolders=[root],
            capabilities={"workspace": {"configuration": True}},
        )
        self._notify("initialized")

    def completed(self, text: str) -> list[str]:
        """What is offered at the end of a file with `text`."""
        uri = (self._folder / f"edited_{self._calls}.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self._notify("textDocument/didOpen", textDocument=document)
        *before, last = text.split("\n")
        position = {"line": len(before), "character": len(last)}
        found = self._call("textDocument/completion", textDocument={"uri": uri}, position=position)
        return [item["label"] for item in found["items"]]

    def _call(self, method: str, **params: Any) -> Any:
        self._calls += 1
        self._send({"id": self._calls, "method": method, "params": params})
        while True:
            message = self._receive()
            if "method" not in message and message.get("id") == self._calls:
                return message["result"]
            if message.get("method") == "workspace/configuration":
                settings = [{"pythonPath": sys.executable} for _ in message["params"]["items"]]
                self._send({"id": message["id"], "result": settings})
            elif "method" in message and "id" in message:
                self._send({"id": message["id"], "result": None})

    def _notify(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        size = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        assert size, "the language server has ended"
        message: dict[str, Any] = json.loads(self._process.stdout.read(size))
        return message


@contextmanager
def _language_server(folder: Path) -> Iterator[_LanguageServer]:
    process = subprocess.Popen(
        [str(BIN / "pyright-langserver"), "--stdio"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield _LanguageServer(process, folder)
    finally:
        process.kill()
        process.communicate()
