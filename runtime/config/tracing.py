"""Whether LangSmith tracing is on; lgc does not trace yet (spec §7.5).

The order in which LangSmith asks its switches is that of `langchain_core.tracers.context` and
`langsmith.utils.tracing_is_enabled`. Nothing is imported to find out: a switch in a module that
is not loaded has not been turned on.
"""

from __future__ import annotations

import os
import sys
from functools import cache

from lgc.runtime.public.errors import Unsupported

_VARIABLES = (
    ("LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2"),
    ("LANGSMITH_TRACING", "LANGCHAIN_TRACING"),
)

OPT_OUT = "LGC_TRACING"
"""The environment variable that, set to "off", lets runs go on untraced."""


def refuse_tracing() -> None:
    """Refuses a run that LangGraph would trace.

    Raises:
        Unsupported: tracing is on, and the environment variable `LGC_TRACING` is not "off". With
            "off" the run goes on untraced, and the process warns once.
    """
    switch = _tracing_switch()
    if not switch:
        return
    if os.environ.get(OPT_OUT) != "off":
        hint = f"{OPT_OUT}=off in the environment lets runs go on untraced"
        raise Unsupported("LangSmith tracing", f"turned on by {switch}; {hint}")
    _warn_untraced()


def _tracing_switch() -> str:
    """What has turned tracing on, or "" when it is off."""
    tracers = sys.modules.get("langchain_core.tracers.context")
    if tracers is not None and tracers.tracing_v2_callback_var.get() is not None:
        return "langchain_core.tracers.tracing_v2_enabled"
    context = sys.modules.get("langsmith._internal._context")
    if context is not None:
        enabled = context._TRACING_ENABLED.get()
        if enabled is not None:
            return "langsmith.tracing_context" if enabled else ""
        if context.get_current_run_tree() is not None:
            return "a LangSmith run around the call"
        if context._GLOBAL_TRACING_ENABLED is not None:
            return "langsmith.configure" if context._GLOBAL_TRACING_ENABLED else ""
    return _environment_switch()


@cache
def _environment_switch() -> str:
    """The variable of the environment that turns tracing on, or ""; LangSmith reads it once, too.

    A variable that is set counts before those behind it, whatever it says.
    """
    for names in _VARIABLES:
        for name in names:
            value = os.environ.get(name, "")
            if value.strip():
                return f"environment variable {name}" if value == "true" else ""
    return ""


@cache
def _warn_untraced() -> None:
    """Warns that runs are not traced; cached, so that a process warns once."""
    import warnings

    warnings.warn(
        f"LangSmith tracing is on, which lgc does not support yet: with {OPT_OUT}=off graphs run "
        "untraced. What langchain traces inside their nodes is traced as runs of its own.",
        stacklevel=5,
    )
