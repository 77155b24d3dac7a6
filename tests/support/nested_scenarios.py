"""Scenarios of graphs in graphs: what plays one under every assignment of engines."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from inprocess import compile_in_process
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt
from nested_spec import LANGGRAPH, LGC
from parity import comparable, edges_in_order
from threads import without_chance
from typing_extensions import TypedDict

CONFIG: Any = {"configurable": {"thread_id": "t"}}
ASSIGNMENTS = {
    "langgraph": (LANGGRAPH, LANGGRAPH, LANGGRAPH),
    "lgc": (LGC, LGC, LGC),
    "lgc around langgraph": (LGC, LANGGRAPH, LGC),
    "langgraph around lgc": (LANGGRAPH, LGC, LGC),
    "lgc around lgc around langgraph": (LGC, LGC, LANGGRAPH),
}


class State(TypedDict):
    """A list that grows, and a value."""

    x: Annotated[list[str], operator.add]
    n: Annotated[int, operator.add]


class Made:
    """The graphs of a scenario, and what its nodes note.

    Attributes:
        ran: what nodes note, in order.
        as_node: whether children are nodes; else nodes call them.
    """

    def __init__(self, engines: tuple[str, ...], as_node: bool) -> None:
        self._engines = engines
        self.as_node = as_node
        self.ran: list[str] = []

    def root(self, builder: Any, **options: Any) -> Any:
        """The graph of the parent, with a saver unless one is passed."""
        return self._compiled(0, builder, **{"checkpointer": InMemorySaver(), **options})

    def child(self, builder: Any, level: int = 1, **options: Any) -> Any:
        """The graph of a child."""
        return self._compiled(level, builder, **options)

    def node(self, child: Any) -> Any:
        """A node of the parent: the child, or a function that calls it and returns what is new."""
        if self.as_node:
            return child

        def calls(state: Any) -> Any:
            result = child.invoke(state)
            return {key: value for key, value in result.items() if key in ("x", "n")}

        return calls

    def _compiled(self, level: int, builder: Any, **options: Any) -> Any:
        if self._engines[level] == LGC:
            return compile_in_process(builder).compile(**options)
        with edges_in_order():
            return builder.compile(**options)

    def notes(self, who: str, returned: Any = None) -> Callable[[Any], Any]:
        """A node that notes that it runs."""

        def node(state: Any) -> Any:
            self.ran.append(who)
            return {"x": [who]} if returned is None else returned

        return node

    def asks(self, who: str, *questions: str) -> Callable[[Any], Any]:
        """A node that asks, and returns the questions with their answers."""

        def node(state: Any) -> Any:
            self.ran.append(who)
            return {"x": [f"{question} {interrupt(question)}" for question in questions]}

        return node


def scenario(*forms: bool) -> Callable[[Callable[[Made], Any]], Any]:
    """Makes a test of what returns all that it observed, under every assignment of engines.

    Args:
        forms: whether children are nodes, or called; by default a test for both.
    """

    def decorate(play: Callable[[Made], Any]) -> Any:
        def test(assignment: str, as_node: bool) -> None:
            seen = []
            for engines in (ASSIGNMENTS["langgraph"], ASSIGNMENTS[assignment]):
                made = Made(engines, as_node)
                observed = comparable(play(made))
                seen.append(without_chance(repr([observed, made.ran])))
            assert seen[0] == seen[1]

        test.__name__, test.__doc__ = play.__name__, play.__doc__
        test.__module__ = play.__module__
        ids = {True: "node", False: "called"}
        test = pytest.mark.parametrize("as_node", forms or (True, False), ids=ids.get)(test)
        return pytest.mark.parametrize("assignment", ASSIGNMENTS)(test)

    return decorate


def asked(result: Any) -> list[str]:
    """The questions of a result."""
    return [each.value for each in result.get("__interrupt__", ())]
