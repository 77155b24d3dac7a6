"""The user's project on disk: its top directory, and the settings in its `langgraph.json`.

Standard library only, and nothing of the user's is imported.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from lgc.compiler.diagnostics import CompileError, display_path, error

SETTINGS = "langgraph.json"

# A directory with one of these is the top of a project.
_MARKERS = (
    SETTINGS,
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "requirements.txt",
    "Pipfile",
    ".git",
)


def project_of(directory: Path) -> Path | None:
    """The nearest of `directory` and the directories above it that is the top of a project."""
    for each in (directory, *directory.parents):
        if any((each / marker).exists() for marker in _MARKERS):
            return each
    return None


def pasting_directory(root: Path, out: Path | None, working: Path) -> Path:
    """The directory in which the command of a module's header works when it is pasted.

    Args:
        root: the first entry of `sys.path`.
        out: the output directory, or None when nothing is written.
        working: the working directory.

    Returns:
        The top of the project that has both; without one the working directory if it has
        both, else `root`. So the command is the same in every directory of a project.
    """
    shared = root if out is None else Path(os.path.commonpath([root, out]))
    project = project_of(shared)
    if project is not None:
        return project
    return working if shared.is_relative_to(working) else root


def settings(project: Path) -> dict[str, Any]:
    """The content of `langgraph.json` in `project`; empty when there is none.

    Raises:
        CompileError: it is no JSON object, or cannot be read (LGC116).
    """
    file = project / SETTINGS
    if not file.is_file():
        return {}
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        problem = str(exc)
    else:
        if isinstance(value, dict):
            return value
        problem = "it is not a JSON object"
    raise CompileError(
        error(
            "LGC116",
            f"{display_path(file)} cannot be read: {problem}",
            help="correct it: lgc reads `env` and `dependencies` in it",
        )
    )


def local_dependencies(project: Path) -> list[Path]:
    """The directories that `dependencies` of `langgraph.json` puts on `sys.path`."""
    listed = settings(project).get("dependencies")
    if not isinstance(listed, list):
        return []
    paths = [project / entry for entry in listed if isinstance(entry, str)]
    return [Path(os.path.normpath(path)) for path in paths if path.is_dir()]
