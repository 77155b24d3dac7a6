"""The text of diagnostics, and that the documentation lists exactly the registered codes."""

import pickle
import re
from pathlib import Path

import pytest

from lgc.compiler.diagnostics import (
    CODES,
    CompileError,
    Diagnostic,
    Span,
    display_path,
    error,
    note,
    render,
    warning,
)

DOCS = Path(__file__).parents[2] / "docs" / "diagnostics.md"


def test_render_with_snippet_and_help(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    span = Span(str(tmp_path / "app" / "graph.py"), 12, 5, 13, "    add_node(f)")
    text = render(error("LGC218", "node 'f' is a graph", help="take it apart", span=span))
    assert text == (
        "app/graph.py:12:5: error LGC218: node 'f' is a graph\n"
        "   |\n"
        "12 |     add_node(f)\n"
        "   |     ^^^^^^^^\n"
        "   |\n"
        "  help: take it apart"
    )


def test_render_without_span():
    assert render(error("LGC101", "no module named 'app'")) == "error LGC101: no module named 'app'"
    assert render(warning("LGC303", "ignored")) == "warning LGC303: ignored"
    assert render(note("LGC301", "closure", help="a\nb")) == (
        "note LGC301: closure\n  help: a\n        b"
    )


def test_continuation_lines_are_indented():
    assert render(error("LGC110", "mypyc failed:\nx.py:1")) == (
        "error LGC110: mypyc failed:\n  x.py:1"
    )


@pytest.mark.parametrize(
    ("line", "column", "end", "carets"),
    [
        ("\tf(x)", 2, 6, "  | \t^^^^"),
        ("名 = f(x)", 5, 9, "  |      ^^^^"),
        ("f('名')", 1, 7, "  | ^^^^^^^"),
        ("", 1, 1, "  | ^"),
    ],
)
def test_carets_line_up(line, column, end, carets):
    text = render(error("LGC218", "m", span=Span("/elsewhere/g.py", 3, column, end, line)))
    assert text.splitlines()[0].startswith("/elsewhere/g.py:3:")
    assert text.splitlines()[3] == carets


def test_path_elsewhere_stays_absolute(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    assert display_path(tmp_path / "b.py") == str(tmp_path / "b.py")
    assert display_path(tmp_path / "a" / "b.py") == "b.py"


def test_compile_error_prints_all_its_diagnostics():
    failure = CompileError(error("LGC101", "one"), error("LGC102", "two"))
    assert [d.code for d in failure.diagnostics] == ["LGC101", "LGC102"]
    assert str(failure) == "error LGC101: one\n\nerror LGC102: two"
    assert pickle.loads(pickle.dumps(failure)).diagnostics == failure.diagnostics


def test_compile_error_needs_a_diagnostic():
    with pytest.raises(ValueError, match="needs a diagnostic"):
        CompileError()


@pytest.mark.parametrize("make", [error, warning, note])
def test_codes_are_registered(make):
    with pytest.raises(ValueError, match="unregistered diagnostic code 'LGC999'"):
        make("LGC999", "no")
    with pytest.raises(ValueError, match="LGC000"):
        Diagnostic("LGC000", "error", "no")


def test_documentation_has_exactly_the_registered_codes():
    text = DOCS.read_text(encoding="utf-8")
    assert re.findall(r"^### (LGC\d+): (.+)$", text, re.MULTILINE) == list(CODES.items())
    for section in text.split("### ")[1:]:
        assert "**Means.**" in section and "**Do.**" in section, section
