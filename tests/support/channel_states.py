"""What each of the ten channel classes may hold: LangGraph's channel, lgc's, and what happens."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import payloads
from langgraph import channels as theirs
from langgraph._internal._typing import MISSING
from langgraph.channels.base import BaseChannel
from langgraph.channels.last_value import LastValueAfterFinish
from langgraph.channels.named_barrier_value import (
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
)
from langgraph.types import Overwrite, Send

from lgc.runtime import channels as ours

_AB = ("a", "b")
_MESSAGES = payloads.MESSAGES
_VALUES = (payloads.Plain({1}), [payloads.Color.RED, None], _MESSAGES[0], "text")


def fold(old: list[Any], writes: list[Any]) -> list[Any]:
    """The reducer of a DeltaChannel of lists."""
    return [*old, *(item for write in writes for item in write)]


@dataclass(frozen=True)
class States:
    """One channel through its states.

    Attributes:
        theirs, ours: make LangGraph's and lgc's channel of the key `k`.
        steps: the writes of a superstep each, or the name of a method that takes nothing.
        snapshots: a checkpoint may hold the value as a snapshot.
    """

    theirs: Callable[[], BaseChannel[Any, Any, Any]]
    ours: Callable[[], ours.Channel]
    steps: tuple[list[Any] | str, ...]
    snapshots: bool = False

    def __iter__(self) -> Iterator[tuple[BaseChannel[Any, Any, Any], ours.Channel]]:
        """Both channels before the first step and after each; they are the same two objects."""
        channel = self.theirs()
        channel.key = "k"
        channel, own = channel.from_checkpoint(MISSING), self.ours().fresh()
        yield channel, own
        for step in self.steps:
            for each in (channel, own):
                if isinstance(step, str):
                    getattr(each, step)()
                else:
                    each.update(list(step))
            yield channel, own


STATES: dict[str, States] = {
    "LastValue": States(
        lambda: theirs.LastValue(Any), lambda: ours.LastValue("k"), tuple([v] for v in _VALUES)
    ),
    "AnyValue": States(
        lambda: theirs.AnyValue(Any), lambda: ours.AnyValue("k"), ([1, _VALUES[0]], [])
    ),
    "EphemeralValue": States(
        lambda: theirs.EphemeralValue(Any), lambda: ours.EphemeralValue("k"), ([_VALUES[1]], [])
    ),
    "EphemeralValue unguarded": States(
        lambda: theirs.EphemeralValue(Any, guard=False),
        lambda: ours.EphemeralValue("k", False),
        ([1, 2.5], [], [None]),
    ),
    "UntrackedValue": States(
        lambda: theirs.UntrackedValue(Any), lambda: ours.UntrackedValue("k"), ([1], ["x"])
    ),
    "LastValueAfterFinish": States(
        lambda: LastValueAfterFinish(Any),
        lambda: ours.LastValueAfterFinish("k"),
        ([1], [_VALUES[0]], "finish", "consume", [None], "finish"),
    ),
    "NamedBarrierValue": States(
        lambda: NamedBarrierValue(str, set(_AB)),
        lambda: ours.NamedBarrierValue("k", frozenset(_AB)),
        (["a"], ["b"], "consume", ["b"]),
    ),
    "NamedBarrierValueAfterFinish": States(
        lambda: NamedBarrierValueAfterFinish(str, set(_AB)),
        lambda: ours.NamedBarrierValue("k", frozenset(_AB), True),
        (["a"], ["b"], "finish", "consume", ["b"]),
    ),
    "Topic": States(
        lambda: theirs.Topic(Any),
        lambda: ours.Topic("k"),
        ([Send("n", {"x": 1}), [Send("m", _MESSAGES[1])]], [], [[1, 2]]),
    ),
    "Topic accumulating": States(
        lambda: theirs.Topic(Any, accumulate=True),
        lambda: ours.Topic("k", True),
        ([1, [_VALUES[0]]], [], [2]),
    ),
    "BinaryOperatorAggregate": States(
        lambda: theirs.BinaryOperatorAggregate(list, operator.add),
        lambda: ours.BinaryOperatorAggregate("k", list, operator.add),
        ([[1], [_MESSAGES[2]]], [Overwrite(["new"])], [[None]]),
    ),
    "DeltaChannel": States(
        lambda: theirs.DeltaChannel(fold, list),
        lambda: ours.DeltaChannel("k", list, fold),
        ([[1], [_MESSAGES[2]]], [Overwrite(["new"])], [[{"k": (1, 2)}]]),
        snapshots=True,
    ),
}
