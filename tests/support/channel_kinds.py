"""The kinds of channels that random graphs have, and the values that are written to each."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from foreign import Biggest, Doubled, Tide
from hypothesis import strategies as st
from langgraph.channels import AnyValue, DeltaChannel, EphemeralValue, Topic, UntrackedValue
from langgraph.managed import IsLastStep, RemainingSteps


def extend(old: list[Any], new: list[Any]) -> list[Any]:
    """A reducer that has an importable name; refuses the write `["bad"]`."""
    if new == ["bad"]:
        raise TypeError("the reducer refuses it")
    return [*old, *new]


def pair(old: Any, new: Any) -> list[Any]:
    """A reducer whose channel has no first value."""
    return [old, new]


def batch(old: list[Any], writes: list[Any]) -> list[Any]:
    """A reducer of a DeltaChannel that has an importable name; shows how writes are batched."""
    if ["bad"] in writes:
        raise TypeError("the reducer refuses it")
    return [*old, len(writes), *(item for write in writes for item in write)]


# kind of channel -> its annotation, and which of _STRATEGIES it holds
KINDS: dict[str, tuple[Callable[[], Any], str]] = {
    "last_int": (lambda: int, "int"),
    "last_any": (lambda: Any, "any"),
    "last_list": (lambda: list, "list"),
    "add_list": (lambda: Annotated[list, operator.add], "list"),
    "add_int": (lambda: Annotated[int, operator.add], "int"),
    "in_place": (lambda: Annotated[list, operator.iadd], "list"),
    "lambda": (lambda: Annotated[list, lambda old, new: [*old, "|", *new]], "list"),
    "function": (lambda: Annotated[list, extend], "list"),
    "no_seed": (lambda: Annotated[Any, pair], "any"),
    "sequence": (lambda: Annotated[Sequence[int], operator.add], "list"),
    "dict": (lambda: Annotated[dict, operator.or_], "dict"),
    "delta": (lambda: Annotated[list, DeltaChannel(batch)], "list"),
    "delta_in_place": (
        lambda: Annotated[
            Sequence[int], DeltaChannel(lambda old, writes: old.extend(writes) or old)
        ],
        "list",
    ),
    "ephemeral": (lambda: Annotated[int, EphemeralValue], "int"),
    "unguarded": (lambda: Annotated[int, EphemeralValue(int, guard=False)], "int"),
    "topic": (lambda: Annotated[list, Topic(int)], "topic"),
    "accumulated": (lambda: Annotated[list, Topic(int, accumulate=True)], "topic"),
    "any_value": (lambda: Annotated[int, AnyValue], "int"),
    "untracked": (lambda: Annotated[int, UntrackedValue], "int"),
    "biggest": (lambda: Annotated[int, Biggest], "int"),
    "tide": (lambda: Annotated[int, Tide], "int"),
    "is_last": (lambda: IsLastStep, "int"),
    "remaining": (lambda: RemainingSteps, "int"),
    "doubled": (lambda: Annotated[int, Doubled], "int"),
}
MANAGED = ("is_last", "remaining", "doubled")
CHANNELS = tuple(kind for kind in KINDS if kind not in MANAGED)
DELTAS = ("delta", "delta_in_place")
REDUCED = (
    *("add_list", "add_int", "in_place", "lambda", "function", "no_seed", "sequence", "dict"),
    *DELTAS,
)

ints = st.integers(0, 3)
lists = st.lists(ints, max_size=2)
_STRATEGIES = {
    "int": ints,
    "list": lists,
    "dict": st.dictionaries(st.sampled_from("ab"), ints, max_size=2),
    "topic": ints | lists,
    "any": st.none() | ints | lists | st.just("text"),
}


def values_of(kind: str) -> st.SearchStrategy[Any]:
    """What is written to a channel of that kind."""
    return _STRATEGIES[KINDS[kind][1]]
