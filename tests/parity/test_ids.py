"""Ids are LangGraph's, bit for bit, under the same clock and chance (spec §4.5-§4.8)."""

from __future__ import annotations

from uuid import UUID

import langgraph.checkpoint.base.id as upstream_id
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel._algo import _xxhash_str
from langgraph.types import _interrupt_id
from parity import pinned

from lgc.runtime.ids import interrupt_id, next_version, task_id, uuid6


@given(st.lists(st.integers(-2, 2**15), min_size=1, max_size=5))
def test_uuid6(steps: list[int]) -> None:
    """Checkpoint ids, also several within one tick of the clock."""
    with pinned():
        expected = [str(upstream_id.uuid6(clock_seq=step)) for step in steps]
    with pinned():
        assert [uuid6(step) for step in steps] == expected


def test_uuid6_follows_the_clock() -> None:
    """Without pinning, ids sort by time across both engines."""
    first, second = str(upstream_id.uuid6(clock_seq=1)), uuid6(1)
    assert UUID(second).version == 6
    assert abs(UUID(first).int - UUID(second).int) >> 80 < 2**32


@given(st.uuids(), st.lists(st.text(max_size=8), max_size=6))
def test_task_id(checkpoint: UUID, parts: list[str]) -> None:
    """Task ids over arbitrary namespaces, names and triggers."""
    expected = _xxhash_str(checkpoint.bytes, *parts)
    assert task_id(str(checkpoint), tuple(parts)) == expected


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
