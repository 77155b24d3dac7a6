"""What a node returned, as channel writes (spec §2.3; graph/state.py:_get_updates)."""

from __future__ import annotations

import sys
from typing import Any

from lgc.runtime.constants import MISSING, ROOT
from lgc.runtime.errors import Unsupported, error_class, with_code


def update(returned: Any, writes: list[Any], keys: dict[str, None]) -> None:
    """Appends a `(channel, value)` write to `writes` for every known key returned.

    Args:
        returned: the node's result: a dict, None, or an object whose class is annotated.
        writes: the task's writes so far; extended in place.
        keys: the state keys, in the builder's order (values unused).

    Raises:
        InvalidUpdateError: the result is of no such kind.
        Unsupported: the result is a Command, a Send or a Runnable.
    """
    if isinstance(returned, dict):
        for key, value in returned.items():
            if key in keys:
                writes.append((key, value))
        return
    if returned is None:
        return
    _refuse_control(returned)
    if _annotated(type(returned)):
        _update_from_object(returned, writes, keys)
        return
    raise error_class("InvalidUpdateError")(
        with_code(f"Expected dict, got {returned}", "INVALID_GRAPH_NODE_RETURN_VALUE")
    )


def update_root(returned: Any, writes: list[Any]) -> None:
    """`update` for a graph whose state is one unnamed channel: any value but None is written."""
    if returned is None:
        return
    _refuse_control(returned)
    writes.append((ROOT, returned))


def _update_from_object(returned: Any, writes: list[Any], keys: dict[str, None]) -> None:
    """Reads the known keys as attributes (_internal/_fields.py:get_update_as_tuples)."""
    pydantic = sys.modules.get("pydantic")
    is_model = pydantic is not None and isinstance(returned, pydantic.BaseModel)
    for key in keys:
        value = getattr(returned, key, MISSING)
        if value is MISSING:
            continue
        if value is None and is_model and key not in returned.model_fields_set:
            # A model's default None says nothing was meant (trap 15).
            field = type(returned).model_fields.get(key)
            if field is not None and field.default is None:
                continue
        writes.append((key, value))


def _annotated(cls: type) -> bool:
    """Whether any class of the MRO has annotations of its own."""
    return any(getattr(base, "__annotations__", None) for base in cls.__mro__)


def _refuse_control(returned: Any) -> None:
    """Raises Unsupported for the control values of LangGraph and for Runnables."""
    upstream = sys.modules.get("langgraph.types")
    if upstream is not None:
        kinds = (upstream.Command, upstream.Send)
        if isinstance(returned, kinds):
            raise Unsupported(f"a node that returns {type(returned).__name__}")
        if isinstance(returned, (list, tuple)) and any(isinstance(r, kinds) for r in returned):
            raise Unsupported("a node that returns a list with Command or Send")
    core = sys.modules.get("langchain_core.runnables")
    if core is not None and isinstance(returned, core.Runnable):
        raise Unsupported("a node that returns a Runnable")
