"""The checkpoint data model is LangGraph's, key by key and in the same order (spec §2.9, §4.12)."""

from __future__ import annotations

import copy
import operator
from datetime import datetime
from typing import Annotated, Any

from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.base import (
    EXCLUDED_METADATA_KEYS,
    WRITES_IDX_MAP,
    CheckpointTuple,
    get_checkpoint_metadata,
)
from langgraph.graph import END, START, StateGraph
from langgraph.pregel._checkpoint import copy_checkpoint, empty_checkpoint
from typing_extensions import TypedDict

from lgc.runtime.checkpointing import model as checkpoint
from lgc.runtime.checkpointing.checkpoint_migration import migrate
from lgc.runtime.checkpointing.copies import copied_checkpoint

NODES = ("a", "b", "c")
_KEYS = st.sampled_from(
    [
        "__start__",
        "x",
        *NODES,
        *(f"start:{node}" for node in (*NODES, "gone")),
        *(f"branch:to:{node}" for node in NODES),
        *(f"branch:{node}:route:{end}" for node in NODES for end in (*NODES, "gone")),
    ]
)
_VERSIONS = st.integers(1, 9) | st.integers(1, 9).map(lambda n: f"{n:032}.{n}5")
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@st.composite
def _stored(draw: Any) -> dict[str, Any]:
    """A checkpoint of any version, as a saver may hold it."""
    versions = draw(st.dictionaries(_KEYS, st.integers(1, 9), max_size=8))
    names = st.sampled_from([*versions]) if versions else st.nothing()
    given: dict[str, Any] = {
        "v": draw(st.integers(1, 4)),
        "ts": "2026-01-01T00:00:00+00:00",
        "id": "1ef00000-0000-6000-8000-000000000000",
        "channel_values": draw(st.dictionaries(names, st.integers())),
        "channel_versions": versions,
        "versions_seen": draw(
            st.dictionaries(
                st.sampled_from([*NODES, "__interrupt__", "__start__"]),
                st.dictionaries(names, st.integers(1, 9)),
            )
        ),
    }
    if versions and draw(st.booleans()):
        given["pending_sends"] = draw(st.lists(st.integers(), max_size=2))
    if draw(st.booleans()):
        given["updated_channels"] = draw(st.none() | st.lists(names))
    return given


def _ordered(value: Any) -> Any:
    """`value` with the order of its dicts."""
    if isinstance(value, dict):
        return [(key, _ordered(inner)) for key, inner in value.items()]
    return value


@given(_stored(), st.lists(st.sampled_from([(a, b) for a in NODES for b in NODES]), unique=True))
def test_migrate(stored: dict[str, Any], edges: list[tuple[str, str]]) -> None:
    """Every older layout becomes the one of today."""
    builder = StateGraph(TypedDict("State", {"x": Annotated[list, operator.add]}))  # type: ignore[operator]
    for node in NODES:
        builder.add_node(node, lambda state: None)
    builder.add_edge(START, "a")
    for start, end in edges:
        builder.add_edge(start, end)
    builder.add_edge("c", END)
    graph = builder.compile()
    theirs, ours = copy.deepcopy(stored), copy.deepcopy(stored)
    # LangGraph walks a set of edges; which of a node's ends is first is chance.
    in_order = list(builder.edges)
    graph._migrate_checkpoint(theirs)  # type: ignore[arg-type]
    migrate(ours, graph.nodes, in_order)
    assert _ordered(ours) == _ordered(theirs)


@given(_stored())
def test_copied_checkpoint(stored: dict[str, Any]) -> None:
    """All containers are the copy's own; what a run makes has all keys of today and no other."""
    stored.pop("pending_sends", None)
    stored["updated_channels"] = None
    theirs, ours = copy_checkpoint(stored), copied_checkpoint(stored)  # type: ignore[arg-type]
    assert _ordered(ours) == _ordered(theirs)
    for key in ("channel_values", "channel_versions", "versions_seen"):
        assert ours[key] is not stored[key]


def test_empty() -> None:
    """The checkpoint a thread starts from."""
    theirs: Any = empty_checkpoint()
    ours = checkpoint.empty(theirs["id"])
    assert datetime.fromisoformat(ours["ts"]).utcoffset() is not None
    assert _ordered({**ours, "ts": ""}) == _ordered({**theirs, "ts": ""})


@given(
    st.dictionaries(st.sampled_from(["source", "step", "user", "n"]), _SCALARS),
    st.dictionaries(st.text() | st.sampled_from(sorted(EXCLUDED_METADATA_KEYS)), _SCALARS),
    st.dictionaries(st.text() | st.sampled_from(["__pregel_x", "user", "thread_id"]), _SCALARS),
)
def test_metadata(metadata: Any, tagged: Any, configurable: Any) -> None:
    """What of a config is stored with a checkpoint."""
    for config in (
        {"metadata": tagged, "configurable": configurable},
        {"configurable": configurable},
        {"metadata": None},
    ):
        theirs = get_checkpoint_metadata(config, metadata)  # type: ignore[arg-type]
        assert _ordered(checkpoint.metadata_of(config, metadata)) == _ordered(theirs)


def test_constants() -> None:
    """Indexes of special writes, and the fields of what a saver hands out."""
    assert checkpoint.WRITE_INDEXES == WRITES_IDX_MAP
    assert checkpoint.NOT_IN_METADATA == EXCLUDED_METADATA_KEYS
    assert checkpoint.CheckpointTuple._fields == CheckpointTuple._fields
    assert checkpoint.CheckpointTuple._field_defaults == CheckpointTuple._field_defaults
