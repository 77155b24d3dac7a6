"""How often the random graphs have each feature of control flow, alone and in pairs.

A pair that is hardly ever drawn is as good as untested, however many graphs there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations_with_replacement

from graph_spec import HIDDEN, GraphSpec
from langgraph.graph import START

LEAST = 20
"""How many graphs of the sample have each pair at least; `tests/parity/test_graphs.py` tests it."""

COUNTS: Counter[str] = Counter()
"""Of the graphs that this process checked; the terminal summary of tests/parity prints them."""


def _returns_list(spec: GraphSpec) -> bool:
    returned = (entry for router in spec.routers for entry in router.returns)
    return any(isinstance(entry, tuple) and len(entry) > 1 for entry in returned)


def _has_node_with_routers(spec: GraphSpec) -> bool:
    return max(Counter(router.source for router in spec.routers).values(), default=0) > 1


FEATURES: dict[str, Callable[[GraphSpec], bool]] = {
    "router list": _returns_list,
    "join": lambda spec: any(len({*starts}) > 1 for starts, _ in spec.joins),
    "defer": lambda spec: any(node.defer for node in spec.nodes),
    "Send": lambda spec: spec.sends,
    "Command": lambda spec: spec.commands,
    "private schema": lambda spec: any(HIDDEN in (node.reads or ()) for node in spec.nodes),
    "several routers": _has_node_with_routers,
    "START router": lambda spec: any(router.source == START for router in spec.routers),
}
"""What is counted: a router that returns several destinations at once, a join of several nodes, a
deferred node, a Send or Command that a node or router returns, a node whose input schema has a key
that the state has not, several routers of one node, and a router of START."""

PAIRS = tuple(combinations_with_replacement(FEATURES, 2))
"""Every pair of features; a feature with itself stands for it alone."""


def pairs_of(spec: GraphSpec) -> Iterator[str]:
    """The pairs that a graph has, as keys of a counter that pytest-xdist can send."""
    present = [name for name, is_in in FEATURES.items() if is_in(spec)]
    for first, second in combinations_with_replacement(present, 2):
        yield key(first, second)


def key(first: str, second: str) -> str:
    """The name under which a pair is counted; both in the order of FEATURES."""
    return f"{first} + {second}"


def rare(counts: Mapping[str, int]) -> dict[str, int]:
    """The pairs that are drawn less often than `LEAST` times."""
    numbers = {key(*pair): counts.get(key(*pair), 0) for pair in PAIRS}
    return {name: number for name, number in numbers.items() if number < LEAST}


def table(counts: Mapping[str, int]) -> list[str]:
    """The counts as lines of text: a row and a column for each feature."""
    order = [*FEATURES].index
    head = max(map(len, FEATURES)) + 2
    lines = [" " * head + "".join(f"{name}  " for name in FEATURES)]
    for row in FEATURES:
        line = f"{row:{head}}"
        for column in FEATURES:
            number = counts.get(key(*sorted((row, column), key=order)), 0)
            line += f"{number:>{len(column)}}  "
        lines.append(line)
    return [line.rstrip() for line in lines]
