"""The environment variables that a user's module reads while it is imported.

`langgraph dev` and LangGraph's servers set the variables that `env` of `langgraph.json` names, as a
file or as a table, so modules rely on them. The format of a file is that of python-dotenv.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lgc.compiler.diagnostics import CompileError, Diagnostic, display_path, error, note
from lgc.compiler.project import SETTINGS, settings


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables while the body runs; one that is set already keeps its value."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in added.items():
            # A variable that the user's code has changed since stays.
            if os.environ.get(name) == value:
                del os.environ[name]


def of_file(file: Path) -> tuple[dict[str, str], list[Diagnostic]]:
    """The variables that `file` sets, and notes on lines that are left out.

    Raises:
        CompileError: it cannot be read (LGC116).
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as exc:
        raise CompileError(
            error(
                "LGC116",
                f"{display_path(file)} cannot be read: {exc}",
                help="name a text file of NAME=value lines",
            )
        ) from exc
    return _parse(text, file)


def of_project(project: Path) -> tuple[dict[str, str], list[Diagnostic]]:
    """The variables that `env` of the project's `langgraph.json` sets, and notes on them.

    A missing file is noted and is no error: in a fresh checkout `.env` is missing, and the
    variables come from elsewhere.

    Raises:
        CompileError: `langgraph.json` or the file cannot be read (LGC116).
    """
    env = settings(project).get("env")
    if isinstance(env, dict):
        return {str(name): str(value) for name, value in env.items()}, []
    if not isinstance(env, str) or not env:
        return {}, []
    file = project / env
    if file.is_file():
        return of_file(file)
    missing = note(
        "LGC116",
        f"{SETTINGS} names {env}, which is not there",
        help="variables that are set already are used; name another file with --env-file",
    )
    return {}, [missing]


# A name, "=" and a value: in single quotes (as it stands), in double quotes (with escapes), or
# bare to the end of the line or to a comment after white space.
_LINE = re.compile(
    r"""
    [^\S\n]* (?:export[^\S\n]+)? (?P<name>[^\s=\#'"]+) [^\S\n]*
    (?:=[^\S\n]*
        (?: '(?P<single>(?:\\.|[^'\\])*)' | "(?P<double>(?:\\.|[^"\\])*)"
        | (?P<bare>(?!['"])[^\n]*?) )
    )?
    [^\S\n]* (?:(?<!\S)\#[^\n]*|(?<=['"])\#[^\n]*)? (?:\n|$)
    """,
    re.VERBOSE | re.DOTALL,
)
_EMPTY = re.compile(r"[^\S\n]*(?:#[^\n]*)?(?:\n|$)")
_REFERENCE = re.compile(r"\$\{(?P<name>[^}:]*)(?::-(?P<default>[^}]*))?\}")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def _parse(text: str, file: Path) -> tuple[dict[str, str], list[Diagnostic]]:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    values: dict[str, str] = {}
    notes: list[Diagnostic] = []
    position = 0
    while position < len(text):
        empty = _EMPTY.match(text, position)
        if empty is not None:
            position = empty.end()
            continue
        line = _LINE.match(text, position)
        if line is None:
            number = text.count("\n", 0, position) + 1
            message = f"line {number} of {display_path(file)} sets no variable: left out"
            notes.append(note("LGC116", message, help="write NAME=value"))
            position = text.find("\n", position) + 1 or len(text)
            continue
        position = line.end()
        value = _value(line, values)
        if value is not None:
            values[line["name"]] = value
    return values, notes


def _value(line: re.Match[str], earlier: Mapping[str, str]) -> str | None:
    """What a line sets its variable to; None for a name alone, which sets nothing."""
    if line["single"] is not None:
        # Within single quotes, only the quote and the backslash can be escaped.
        value = re.sub(r"\\([\\'])", r"\1", line["single"])
    elif line["double"] is not None:
        value = _ESCAPE.sub(
            lambda m: _ESCAPES.get(m[1], m[1] if m[1] in "\\'\"" else m[0]), line["double"]
        )
    elif line["bare"] is not None:
        value = line["bare"]
    else:
        return None

    def referred(reference: re.Match[str]) -> str:
        name = reference["name"]
        return os.environ.get(name, earlier.get(name, reference["default"] or ""))

    return _REFERENCE.sub(referred, value)
