"""The sets of nodes that are due together as far as a graph's structure tells.

A run may make many more, also in small graphs: the product of what goes on side by side. So the
sets are those on paths that follow the edges from superstep to superstep and take one decision at
most. A path ends

* where a second decision would have to be taken, or several at once;
* where a node would run for the third time;
* at a node that is alone, unless it is known what joins have seen and which deferred nodes wait;
* at a set that the edges of a single node make, likewise.

That is known on the path from START. When a decision on it leads to a node alone, and nothing is
remembered, the path begins anew there. All other nodes have paths of their own, which begin as if
nothing had run before.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from lgc.compiler.barriers import Barriers
from lgc.compiler.decisions import Decision, decisions_of, may_all_end
from lgc.compiler.ir import GraphIR

_TURNS: Final = 2
"""How often a path runs a node: twice, since ways of different length lead to some nodes."""


def due_sets(ir: GraphIR) -> set[tuple[str, ...]]:
    """The sets, each sorted as its nodes are scheduled; every single node is one."""
    return _Paths(ir).sets


class _Path:
    """One way through the graph, up to a superstep.

    Attributes:
        due: the nodes of that superstep.
        barriers: what is remembered when it begins.
        knows_all: nothing else is remembered in the run.
        turns: how often it ran each node before.
        has_decided: it has taken its decision.
    """

    def __init__(self, due: tuple[str, ...], barriers: Barriers, knows_all: bool) -> None:
        self.due = due
        self.barriers = barriers
        self.knows_all = knows_all
        self.turns: Counter[str] = Counter()
        self.has_decided = False

    def fork(self, chosen: tuple[str, ...]) -> _Path:
        """The path on which a decision leads to `chosen`."""
        fork = _Path(self.due, self.barriers.copy(), self.knows_all)
        fork.turns = self.turns.copy()
        fork.step(chosen)
        fork.has_decided = self.has_decided or bool(chosen)
        return fork

    def step(self, chosen: tuple[str, ...]) -> None:
        """Goes on to the next superstep."""
        self.turns.update(self.due)
        self.due = self.barriers.advance(self.due, chosen)


class _Paths:
    """Follows all paths; `sets` is what they meet."""

    def __init__(self, ir: GraphIR) -> None:
        self._decisions: dict[str, list[Decision]] = {n.name: [*decisions_of(n)] for n in ir.nodes}
        self._nothing = Barriers(ir)
        alone: list[tuple[str, ...]] = [(node.name,) for node in ir.nodes]
        self._made_by_one = {self._nothing.copy().advance(due) for due in alone}
        self._visited: set[tuple[tuple[str, ...], int, bool]] = set()
        self.sets = set(alone)
        self._follow([self._path(("__start__",), knows_all=True)])
        for due in alone:
            self._follow([self._path(due, knows_all=False)])

    def _path(self, due: tuple[str, ...], *, knows_all: bool) -> _Path:
        return _Path(due, self._nothing.copy(), knows_all)

    def _follow(self, paths: list[_Path]) -> None:
        while paths:
            path = paths.pop()
            while path.due and self._goes_on(path):
                options = self._options(path)
                if len(options) != 1:
                    paths += (self._beginning(path.fork(chosen)) for chosen in options)
                    break
                path.step(*options)

    def _beginning(self, fork: _Path) -> _Path:
        """A path that has just taken a decision, or the one that begins where it leads."""
        if fork.knows_all and len(fork.due) == 1 and not fork.barriers.fingerprint:
            return self._path(fork.due, knows_all=True)
        return fork

    def _goes_on(self, path: _Path) -> bool:
        """Meets a path's superstep; whether the path is to be followed from there."""
        due = path.due
        if any(path.turns[name] >= _TURNS for name in due):
            return False
        self.sets.add(due)
        has_begun = bool(path.turns) and not path.knows_all
        if has_begun and (len(due) == 1 or due in self._made_by_one):
            return False
        undecided = (due, path.barriers.fingerprint, False)
        key = (due, path.barriers.fingerprint, path.has_decided)
        if undecided in self._visited or key in self._visited:
            return False
        self._visited.add(key)
        return True

    def _options(self, path: _Path) -> list[tuple[str, ...]]:
        """What decisions may add to the next superstep, as far as the path goes on."""
        decisions = [d for name in path.due for d in self._decisions[name]]
        if not decisions:
            return [()]
        if len(decisions) == 1 and (not path.has_decided or len(decisions[0].options()) == 1):
            return decisions[0].options()
        return [()] if may_all_end(decisions) and not path.has_decided else []
