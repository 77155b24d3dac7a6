"""What the function of a node or a router is called with besides the state (spec §2.2).

What each of these stands for in the generated module is in `graph_text.SOURCES`.
"""

from __future__ import annotations

from typing import Any


def injection_plan(runnable: Any) -> tuple[tuple[str, str], ...]:
    """The parameters that are injected.

    LangGraph has looked at the function's signature: a parameter counts that has one of its names
    (config, writer, store, previous, runtime) and, but for `config`, an annotation of its kinds.

    Args:
        runnable: LangGraph's RunnableCallable around the function.

    Returns:
        For each, the name of the parameter and what it is given, which is another for a `store`
        that may be None.
    """
    accepts = runnable.func_accepts.items()
    return tuple(
        (parameter, "optional_store" if parameter == "store" and default is None else parameter)
        for parameter, (_, default) in accepts
    )
