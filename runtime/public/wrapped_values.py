"""Values in a wrapper: Overwrite around what is written, Snapshot around what is stored."""

from __future__ import annotations

from typing import Any, NamedTuple

from lgc.runtime.constants import OVERWRITE
from lgc.runtime.upstream import is_a, mirrors


def overwritten(value: Any) -> tuple[bool, Any]:
    """Whether a write asks to replace a channel's value, and the new value.

    Three forms do (channels/binop.py:_get_overwrite): an Overwrite, lgc's or LangGraph's,
    `{"__overwrite__": v}`, and what JSON leaves of an Overwrite.
    """
    if isinstance(value, dict):
        if len(value) == 1 and OVERWRITE in value:
            return True, value[OVERWRITE]
        if value.get("type") == OVERWRITE and "value" in value:
            return True, value["value"]
        return False, None
    if is_a(value, "Overwrite"):
        return True, value.value
    return False, None


class Snapshot(NamedTuple):
    """The value of a DeltaChannel in a checkpoint (serde/types.py:_DeltaSnapshot)."""

    value: Any


mirrors("langgraph.checkpoint.serde.types", "_DeltaSnapshot")(Snapshot)


def unwrap_snapshot(stored: Any) -> Any:
    """What a checkpoint stores of a channel, without the Snapshot, lgc's or LangGraph's, if any."""
    return stored.value if is_a(stored, "Snapshot") else stored
