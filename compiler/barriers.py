"""What joins have seen, and which deferred nodes wait, at one point of a run.

The passes that follow a graph from superstep to superstep without running it (`schedule`,
`supersteps`) ask it what is due next. As in a run, a barrier is emptied when its end runs, and
deferred nodes start together when nothing else is left to start (spec §2.8, §4.4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from xxhash import xxh3_128_intdigest

from lgc.compiler.ir import GraphIR


class Barriers:
    """The memory of control flow; empty at first.

    Attributes:
        fingerprint: 0 when nothing is remembered. Equal for equal memories: comparing the sets
            themselves in every superstep would take the square of the graph's size.
    """

    def __init__(self, ir: GraphIR) -> None:
        self._graph = _Graph(ir)
        self._seen: dict[int, set[str]] = {}
        self._waiting: set[str] = set()
        self.fingerprint = 0

    def copy(self) -> Barriers:
        """Another memory of the same."""
        twin = object.__new__(Barriers)
        twin._graph = self._graph
        twin._seen = {number: set(names) for number, names in self._seen.items()}
        twin._waiting = set(self._waiting)
        twin.fingerprint = self.fingerprint
        return twin

    def advance(self, due: Iterable[str], chosen: Iterable[str] = ()) -> tuple[str, ...]:
        """Runs a superstep.

        Args:
            due: its nodes.
            chosen: where its routers and Commands lead, END left out.

        Returns:
            The nodes of the next one, sorted as they are scheduled; () when the run is over.
        """
        due = tuple(due)
        for name in due:
            for number in self._graph.joins_to.get(name, ()):
                self._consume(number)
        started: dict[str, None] = dict.fromkeys(chosen)
        for name in due:
            started.update(dict.fromkeys(self._graph.edges[name]))
            for number in self._graph.joins_from[name]:
                if self._add(number, name):
                    started[self._graph.ends[number]] = None
        for name in started:
            if name in self._graph.deferred:
                self._wait(name)
        ready = [name for name in started if name not in self._graph.deferred]
        return tuple(sorted(ready or self._release()))

    def _add(self, number: int, name: str) -> bool:
        """Has a barrier see `name`; whether it has seen all of its starts."""
        seen = self._seen.setdefault(number, set())
        if name not in seen:
            seen.add(name)
            self.fingerprint ^= _digest(number, name)
        return len(seen) == self._graph.sizes[number]

    def _consume(self, number: int) -> None:
        """Empties a full barrier."""
        seen = self._seen.get(number, ())
        if len(seen) == self._graph.sizes[number]:
            for name in self._seen.pop(number):
                self.fingerprint ^= _digest(number, name)

    def _wait(self, name: str) -> None:
        if name not in self._waiting:
            self._waiting.add(name)
            self.fingerprint ^= _digest(_WAITING, name)

    def _release(self) -> set[str]:
        """The deferred nodes that wait, which wait no longer."""
        released, self._waiting = self._waiting, set()
        for name in released:
            self.fingerprint ^= _digest(_WAITING, name)
        return released


class _Graph:
    """The tables that all memories of one graph share; a join goes by its number."""

    def __init__(self, ir: GraphIR) -> None:
        number = {join.key: i for i, join in enumerate(ir.joins)}
        self.deferred = {node.name for node in ir.nodes if node.defer}
        self.edges = {n.name: tuple(e for e in n.edges if e != "__end__") for n in ir.nodes}
        self.joins_from = {n.name: tuple(number[key] for key in n.joins) for n in ir.nodes}
        self.ends = [join.end for join in ir.joins]
        self.sizes = [len(set(join.starts)) for join in ir.joins]
        self.joins_to: defaultdict[str, list[int]] = defaultdict(list)
        for i, join in enumerate(ir.joins):
            self.joins_to[join.end].append(i)


_WAITING: Final = -1
"""In place of a join's number."""


def _digest(number: int, name: str) -> int:
    """128 bits that stand for "this join has seen `name`"; with `_WAITING`, for "it waits"."""
    return xxh3_128_intdigest(f"{number} {name}".encode("utf-8", "surrogatepass"))
