"""Ids are LangGraph's, bit for bit, under the same clock and chance (spec §4.5-§4.8)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import langgraph.checkpoint.base.id as upstream_id
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel._algo import _uuid5_str, _xxhash_str, task_path_str
from langgraph.types import _interrupt_id
from parity import pinned

from lgc.runtime.ids import Draws, interrupt_id, next_version, path_text, task_id, uuid6


@given(st.integers(0, 2**48 - 1), st.integers(-2, 2**15))
def test_uuid6(node: int, clock_seq: int) -> None:
    """All the fields of a uuid6."""
    expected = upstream_id.uuid6(node, clock_seq)
    assert uuid6(expected.time, node, clock_seq) == str(expected)


@given(st.integers(-2, 20), st.integers(-2, 20))
def test_checkpoint_ids(first: int, then: int) -> None:
    """The ids of a run, in whatever order they are read, several within one tick of the clock."""
    with pinned():
        expected = [str(upstream_id.uuid6(clock_seq=step)) for step in range(-2, 21)]
    with pinned():
        draws = Draws()
        assert draws.checkpoint_id(first) == expected[first + 2]
        assert draws.checkpoint_id(then) == expected[then + 2]


def test_checkpoint_ids_follow_the_clock() -> None:
    """Without pinning, ids sort by time across both engines."""
    first, second = str(upstream_id.uuid6(clock_seq=1)), Draws().checkpoint_id(1)
    assert UUID(second).version == 6
    assert abs(UUID(first).int - UUID(second).int) >> 80 < 2**32


@given(st.uuids(), st.lists(st.text(max_size=8), max_size=6))
def test_task_id(checkpoint: UUID, parts: list[str]) -> None:
    """Task ids over arbitrary namespaces, names and triggers."""
    expected = _xxhash_str(checkpoint.bytes, *parts)
    assert task_id(str(checkpoint), tuple(parts)) == expected


@given(st.uuids(), st.lists(st.text(max_size=8), max_size=6))
def test_task_id_of_the_first_layout(checkpoint: UUID, parts: list[str]) -> None:
    """Checkpoints of version 1 have tasks with other ids."""
    expected = _uuid5_str(checkpoint.bytes, *parts)
    assert task_id(str(checkpoint), tuple(parts), first_layout=True) == expected


@given(
    st.recursive(
        st.text(max_size=3) | st.integers(-9, 10**11) | st.booleans(),
        lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    )
)
def test_path_text(path: Any) -> None:
    """What savers sort pending writes by."""
    assert path_text(path) == task_path_str(path)


@given(st.text(), st.integers(0, 12))
def test_interrupt_id(namespace: str, answers: int) -> None:
    """Interrupt ids, before and after answers."""
    assert interrupt_id(namespace, answers) == _interrupt_id(namespace, answers)


@given(
    st.none()
    | st.integers(0, 10**12)
    | st.integers(0, 10**12).map(lambda number: f"{number:032}.0.5")
)
def test_next_version(current: int | str | None) -> None:
    """Channel versions after every kind of version a saver has had."""
    with pinned():
        expected = InMemorySaver().get_next_version(current, None)
    with pinned():
        assert next_version(current) == expected
