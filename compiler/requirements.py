"""The packages that the compiler needs and production does not, and the versions of LangGraph.

Standard library only, so that this module works where those packages are missing.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

OLDEST = (1, 2, 22)
NEXT = (1, 3)
NEWEST = (1, 2, 24)
"""The newest LangGraph that lgc was tested with."""

_UNKNOWN = "of an unknown version"

# Imported by the command line. Only the native build needs mypy and setuptools, and checks itself.
_EXTRA = ("click", "jinja2", "langgraph", "libcst", "rich")


def missing_extra() -> str:
    """One sentence when a package of the extra `compiler` is not installed; else empty."""
    missing = [name for name in _EXTRA if not _is_installed(name)]
    if not missing:
        return ""
    return f"the compiler is not installed (no {', '.join(missing)}): pip install 'lgc[compiler]'"


def installed_langgraph() -> str:
    """The version of the installed LangGraph; "of an unknown version" without metadata."""
    try:
        return version("langgraph")
    except PackageNotFoundError:
        return _UNKNOWN


def wrong_langgraph(installed: str) -> tuple[str, str] | None:
    """A problem with that version of LangGraph and the help for it; None if lgc supports it."""
    numbers = _numbers(installed)
    if OLDEST <= numbers < NEXT:
        return None
    supported = f">={'.'.join(map(str, OLDEST))},<{'.'.join(map(str, NEXT))}"
    return f"langgraph {installed} is installed; lgc knows {supported}", (
        f"pip install 'langgraph{supported}'"
    )


def untested_langgraph(installed: str) -> str | None:
    """A note on a LangGraph that is newer than any that lgc was tested with; else None."""
    if _numbers(installed) <= NEWEST:
        return None
    tested = ".".join(map(str, NEWEST))
    return f"langgraph {installed} is installed; lgc was tested up to {tested}"


def _numbers(installed: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", installed)[:3]))


def require() -> None:
    """Checks the packages and the version of LangGraph, before the compiler is imported.

    Raises:
        ImportError: a package is missing, or LangGraph is of a version that lgc does not know.
    """
    problem = missing_extra()
    if problem:
        raise ModuleNotFoundError(f"lgc: {problem}")
    wrong = wrong_langgraph(installed_langgraph())
    if wrong is not None:
        raise ImportError(f"lgc: {wrong[0]}: {wrong[1]}")


def _is_installed(name: str) -> bool:
    loaded = name in sys.modules
    if (sys.modules[name] if loaded else find_spec(name)) is None:
        return False
    # langgraph-checkpoint installs a `langgraph` directory, too: metadata tells them apart.
    return name != "langgraph" or installed_langgraph() != _UNKNOWN
