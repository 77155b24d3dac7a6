"""Routers that do what few routers do: lgc does what LangGraph does, on every path."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from awkward import (
    ROUTED,
    ROUTED_AT_ONCE,
    SAVED,
    SYNC,
    Notes,
    Run,
    check,
    first_router,
    router,
    router_loop,
    routers_at_once,
    start_router,
)
from awkward_routes import ROUTERS

FROM_TWO = Run({"log": ["in"], "count": 2})
MORE = (Run({"count": 0, "log": []}, 5), Run({"count": 4}), Run({"count": 6, "log": []}, 1))

_NO_WRITES = "a task's own writes are gone for fresh reads after its superstep (fast path)"


def _cases() -> list[Any]:
    """Every router in every graph; one differs that lets a thread read after its superstep."""
    cases = []
    for graph, name in product([*ROUTED, *ROUTED_AT_ONCE], ROUTERS):
        differs = name == "looks late" and graph not in (first_router, routers_at_once)
        marks = [pytest.mark.xfail(strict=True, reason=_NO_WRITES)] if differs else []
        cases.append(pytest.param(graph, name, marks=marks, id=f"{graph.__name__}-{name}"))
    return cases


@pytest.mark.parametrize(("graph", "name"), _cases())
def test_router(graph: Any, name: str) -> None:
    """It ends a loop, is at START, beside an edge, and beside another router."""

    def build(notes: Notes) -> Any:
        return graph(notes, lambda own: router(notes, own, ROUTERS[name]), False)

    runs = [FROM_TWO, *MORE] if graph in (router_loop, start_router) else [FROM_TWO]
    check(build, runs, SYNC, graph in ROUTED_AT_ONCE or "Send" in name)


@pytest.mark.parametrize("name", ROUTERS)
@pytest.mark.parametrize("graph", [router_loop, start_router, routers_at_once])
def test_router_on_a_thread(graph: Any, name: str) -> None:
    """What the saver holds is compared, too."""

    def build(notes: Notes) -> Any:
        return graph(notes, lambda own: router(notes, own, ROUTERS[name]), False)

    check(build, [FROM_TWO], SAVED, graph is not router_loop or "Send" in name)
