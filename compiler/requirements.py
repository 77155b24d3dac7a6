"""What the compiler needs and production does not: the extra `compiler`, a LangGraph it knows.

Standard library only, so that it can tell what is missing.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

OLDEST = (1, 2, 22)
NEXT = (1, 3)
NEWEST = (1, 2, 24)
"""The LangGraph that lgc was tested with last."""

_UNKNOWN = "of an unknown version"

# What the command line imports; mypy and setuptools are missed by the native build alone.
_EXTRA = ("click", "jinja2", "langgraph", "libcst", "rich")


def missing_extra() -> str:
    """One sentence when a package of the extra `compiler` is not installed; else empty."""
    missing = [name for name in _EXTRA if not _is_there(name)]
    if not missing:
        return ""
    return f"the compiler is not installed (no {', '.join(missing)}): pip install 'lgc[compiler]'"


def installed_langgraph() -> str:
    """The version of the LangGraph installed; "of an unknown version" when it does not tell."""
    try:
        return version("langgraph")
    except PackageNotFoundError:
        return _UNKNOWN


def wrong_langgraph(installed: str) -> tuple[str, str] | None:
    """What is wrong with that version of LangGraph and how to help it, or None."""
    numbers = _numbers(installed)
    if OLDEST <= numbers < NEXT:
        return None
    wanted = f">={'.'.join(map(str, OLDEST))},<{'.'.join(map(str, NEXT))}"
    return f"langgraph {installed} is installed; lgc knows {wanted}", (
        f"pip install 'langgraph{wanted}'"
    )


def untested_langgraph(installed: str) -> str | None:
    """What to know of a LangGraph that is newer than all that lgc was tested with; else None."""
    if _numbers(installed) <= NEWEST:
        return None
    tested = ".".join(map(str, NEWEST))
    return f"langgraph {installed} is installed; lgc was tested up to {tested}"


def _numbers(installed: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", installed)[:3]))


def require() -> None:
    """Checks all of it, for those who import the compiler.

    Raises:
        ImportError: a package is missing, or LangGraph is of a version that lgc does not know.
    """
    problem = missing_extra()
    if problem:
        raise ModuleNotFoundError(f"lgc: {problem}")
    wrong = wrong_langgraph(installed_langgraph())
    if wrong is not None:
        raise ImportError(f"lgc: {wrong[0]}: {wrong[1]}")


def _is_there(name: str) -> bool:
    loaded = name in sys.modules
    if (sys.modules[name] if loaded else find_spec(name)) is None:
        return False
    # Without it there may still be the directory, which langgraph-checkpoint shares.
    return name != "langgraph" or installed_langgraph() != _UNKNOWN
