"""Every channel class against LangGraph's, under random sequences of operations (spec §3)."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from typing import Any

import langgraph.channels as theirs
from foreign import Biggest, Tide
from hypothesis import strategies as st
from langgraph._internal._typing import MISSING as THEIR_MISSING
from langgraph.channels.base import BaseChannel
from langgraph.channels.last_value import LastValueAfterFinish
from langgraph.channels.named_barrier_value import (
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
)
from langgraph.errors import EmptyChannelError
from langgraph.types import Overwrite
from parity import COUNTS
from seeds import from_seeds

from lgc.runtime import channels as ours
from lgc.runtime.constants import MISSING

_NAMES = ("a", "b", "c")
_KEY = "k"


def _pair(old: Any, new: Any) -> list[Any]:
    return [old, new]


def _sum(old: list[int], new: list[int]) -> list[int]:
    return operator.add(old, new)


def _batch(old: list[Any], writes: list[Any]) -> list[Any]:
    return [*old, *(item for write in writes for item in write)]


def _in_place(old: list[Any], writes: list[Any]) -> list[Any]:
    for write in writes:
        old += write
    return old


def _kept(old: Any, writes: list[Any]) -> Any:
    return writes


_Pair = tuple[Callable[[], "BaseChannel[Any, Any, Any]"], Callable[[], ours.Channel]]

# name -> LangGraph's channel, lgc's channel
_CHANNELS: dict[str, _Pair] = {
    "LastValue": (lambda: theirs.LastValue(int), lambda: ours.LastValue(_KEY)),
    "AnyValue": (lambda: theirs.AnyValue(int), lambda: ours.AnyValue(_KEY)),
    "EphemeralValue": (lambda: theirs.EphemeralValue(int), lambda: ours.EphemeralValue(_KEY)),
    "EphemeralValue unguarded": (
        lambda: theirs.EphemeralValue(int, guard=False),
        lambda: ours.EphemeralValue(_KEY, False),
    ),
    "UntrackedValue": (lambda: theirs.UntrackedValue(int), lambda: ours.UntrackedValue(_KEY)),
    "UntrackedValue unguarded": (
        lambda: theirs.UntrackedValue(int, guard=False),
        lambda: ours.UntrackedValue(_KEY, False),
    ),
    "Topic": (lambda: theirs.Topic(int), lambda: ours.Topic(_KEY)),
    "Topic accumulating": (
        lambda: theirs.Topic(int, accumulate=True),
        lambda: ours.Topic(_KEY, True),
    ),
    "BinaryOperatorAggregate": (
        lambda: theirs.BinaryOperatorAggregate(list, _sum),
        lambda: ours.BinaryOperatorAggregate(_KEY, list, _sum),
    ),
    "BinaryOperatorAggregate abstract": (
        lambda: theirs.BinaryOperatorAggregate(Sequence[int], _sum),
        lambda: ours.BinaryOperatorAggregate(_KEY, list, _sum),
    ),
    "BinaryOperatorAggregate in place": (
        lambda: theirs.BinaryOperatorAggregate(list, operator.iadd),
        lambda: ours.BinaryOperatorAggregate(_KEY, list, operator.iadd),
    ),
    "BinaryOperatorAggregate without a seed": (
        lambda: theirs.BinaryOperatorAggregate(Any, _pair),
        lambda: ours.BinaryOperatorAggregate(_KEY, None, _pair),
    ),
    "DeltaChannel": (
        lambda: theirs.DeltaChannel(_batch, list[int]),
        lambda: ours.DeltaChannel(_KEY, list, _batch),
    ),
    "DeltaChannel abstract": (
        lambda: theirs.DeltaChannel(_batch, Sequence[int]),
        lambda: ours.DeltaChannel(_KEY, list, _batch, 5),
    ),
    "DeltaChannel in place": (
        lambda: theirs.DeltaChannel(_in_place),
        lambda: ours.DeltaChannel(_KEY, list, _in_place),
    ),
    "DeltaChannel of the last batch": (
        lambda: theirs.DeltaChannel(_kept, tuple),
        lambda: ours.DeltaChannel(_KEY, tuple, _kept),
    ),
    "NamedBarrierValue": (
        lambda: NamedBarrierValue(str, set(_NAMES)),
        lambda: ours.NamedBarrierValue(_KEY, frozenset(_NAMES)),
    ),
    "NamedBarrierValueAfterFinish": (
        lambda: NamedBarrierValueAfterFinish(str, set(_NAMES)),
        lambda: ours.NamedBarrierValue(_KEY, frozenset(_NAMES), True),
    ),
    "LastValueAfterFinish": (
        lambda: LastValueAfterFinish(int),
        lambda: ours.LastValueAfterFinish(_KEY),
    ),
    "ForeignChannel": (
        lambda: Biggest(int, _KEY),
        lambda: ours.ForeignChannel(_KEY, Biggest(int, _KEY)),
    ),
    "ForeignChannel that finishes": (
        lambda: Tide(int, _KEY),
        lambda: ours.ForeignChannel(_KEY, Tide(int, _KEY)),
    ),
}

_lists = st.lists(st.integers(0, 3), max_size=2)
_overwrites = (
    st.builds(Overwrite, _lists)
    | st.builds(lambda value: {"__overwrite__": value}, _lists)
    | st.builds(lambda value: {"type": "__overwrite__", "value": value}, _lists)
)
_ints = st.none() | st.integers(0, 3)
_reduced = _lists | _lists | _overwrites


def _values(name: str) -> st.SearchStrategy[Any]:
    if name.startswith("Named"):
        return st.sampled_from((*_NAMES, *_NAMES, "stranger"))
    if name.startswith("Topic"):
        return _ints | _lists
    if name.startswith("Delta"):
        return _lists | _lists | _overwrites | _ints | st.builds(Overwrite, st.none())
    return _reduced | _ints if name.startswith("Binary") else _ints


def _operations(name: str) -> st.SearchStrategy[list[tuple[str, list[Any]]]]:
    others = st.sampled_from(("consume", "finish", "copy", "restore")).map(lambda op: (op, []))
    if name.startswith("Delta"):
        # A checkpoint written while the key had a plain reducer holds the value.
        others |= (st.none() | _lists).map(lambda value: ("restore", [value]))
    others |= _values(name).map(lambda value: ("after", [value]))
    updates = st.lists(_values(name), max_size=4).map(lambda values: ("update", values))
    return st.lists(updates | updates | others, min_size=1, max_size=10)


def _outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    """What a call returns or raises; an empty channel is one outcome."""
    try:
        value = call(*arguments)
    except EmptyChannelError:
        return "empty"
    except Exception as exc:
        # A barrier's message ends with a set, in an order of its own.
        return type(exc).__name__, str(exc).split(" not in ")[0]
    return "empty" if value is MISSING or value is THEIR_MISSING else copy.deepcopy(value)


def _state(channel: Any) -> Any:
    return [_outcome(getattr(channel, name)) for name in ("get", "is_available", "checkpoint")]


@from_seeds(
    "channels",
    st.sampled_from(list(_CHANNELS)).flatmap(
        lambda name: st.tuples(st.just(name), _operations(name))
    ),
    examples=500,
)
def test_channel(case: tuple[str, list[tuple[str, list[Any]]]]) -> None:
    """Outcomes and states are equal after every operation, those of earlier copies too."""
    name, operations = case
    COUNTS["channel sequences"] += 1
    upstream, own = (make() for make in _CHANNELS[name])
    upstream.key = _KEY
    upstream, own = upstream.from_checkpoint(THEIR_MISSING), own.fresh()
    kept: list[tuple[Any, Any]] = []
    for operation, values in operations:
        if operation == "copy":
            kept.append((upstream, own))
            upstream, own = upstream.copy(), own.copy()
        elif operation == "restore":
            upstream = upstream.from_checkpoint(
                copy.deepcopy(values[0]) if values else upstream.checkpoint()
            )
            own = own.restore(copy.deepcopy(values[0]) if values else own.checkpoint())
        elif operation == "after":
            expected = _outcome(_after, upstream, copy.deepcopy(values[0]))
            actual = _outcome(own.after, copy.deepcopy(values[0]))
            assert actual == expected, (operation, values)
        else:
            expected = _outcome(getattr(upstream, operation), *_argument(operation, values))
            actual = _outcome(getattr(own, operation), *_argument(operation, values))
            assert actual == expected, (operation, values)
        for one, other in [(upstream, own), *kept]:
            assert _state(other) == _state(one), (operation, values)


def _after(channel: Any, value: Any) -> Any:
    """What a router reads of a channel that its own task has written (spec §2.5)."""
    other = channel.copy()
    other.update([value])
    return other.get()


def _argument(operation: str, values: list[Any]) -> list[Any]:
    """Arguments of a call, for one engine only: reducers may change them."""
    return [copy.deepcopy(values)] if operation == "update" else []
