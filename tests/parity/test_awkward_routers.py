"""Routers that do what few routers do: lgc does what LangGraph does, on every path."""

from __future__ import annotations

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
    router,
    router_loop,
    routers_at_once,
    start_router,
)
from awkward_routes import ROUTERS

FROM_TWO = Run({"log": ["in"], "count": 2})
MORE = (Run({"count": 0, "log": []}, 5), Run({"count": 4}), Run({"count": 6, "log": []}, 1))


@pytest.mark.parametrize("name", ROUTERS)
@pytest.mark.parametrize("graph", [*ROUTED, *ROUTED_AT_ONCE])
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
