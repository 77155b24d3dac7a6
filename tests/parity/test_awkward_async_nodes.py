"""Async nodes and routers that do what few do, and sync ones in async runs, as under LangGraph."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from awkward import (
    ASYNC,
    AT_ONCE,
    ROUTED_AT_ONCE,
    SYNC,
    Notes,
    Run,
    advance,
    check,
    fan,
    loop,
    node,
    routed,
    router,
    router_loop,
    routers_at_once,
    second_router,
    sent,
    start_router,
)
from awkward_acts import AT_ONCE_BY_THEMSELVES, NODES
from awkward_routes import ROUTERS

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph makes no config ambient in async nodes then"
)

FROM_TWO = Run({"log": ["in"], "count": 2})


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("graph", [loop, routed, fan, sent])
def test_node(graph: Any, name: str) -> None:
    """All nodes and routers are async."""

    def build(notes: Notes) -> Any:
        return graph(notes, node(notes, "a", NODES[name], True), True)

    check(build, [FROM_TWO], ASYNC, graph in AT_ONCE or name in AT_ONCE_BY_THEMSELVES)


@pytest.mark.parametrize("name", NODES)
@pytest.mark.parametrize("graph", [loop])
def test_sync_node(graph: Any, name: str) -> None:
    """No node and no router is async."""

    def build(notes: Notes) -> Any:
        return graph(notes, node(notes, "a", NODES[name]), False)

    check(build, [FROM_TWO], ASYNC, name in AT_ONCE_BY_THEMSELVES)


@pytest.mark.parametrize("name", ROUTERS)
@pytest.mark.parametrize("graph", [router_loop, second_router, start_router, routers_at_once])
def test_router(graph: Any, name: str) -> None:
    """It ends a loop, is at START, beside another router, and beside a join."""

    def build(notes: Notes) -> Any:
        return graph(notes, lambda own: router(notes, own, ROUTERS[name], True), True)

    check(build, [FROM_TWO], ASYNC, graph in ROUTED_AT_ONCE or "Send" in name)


@pytest.mark.parametrize("graph", [loop, routed, fan])
def test_async_nodes_in_a_sync_run(graph: Any) -> None:
    """Which refuses them."""
    check(lambda notes: graph(notes, node(notes, "a", None, True), True), [FROM_TWO], SYNC, True)


def _last_of_generator(notes: Notes) -> Any:
    async def a(state: Any) -> Any:
        notes.note("a", "state", state)
        yield {"log": ["lost"]}
        yield advance(state)

    return a


def _generator_that_fails(notes: Notes) -> Any:
    async def a(state: Any) -> Any:
        yield advance(state)
        raise ValueError("after a chunk")

    return a


def _generator_of_nothing(notes: Notes) -> Any:
    async def a(state: Any) -> Any:
        for nothing in ():
            yield nothing

    return a


@pytest.mark.parametrize("make", [_last_of_generator, _generator_that_fails, _generator_of_nothing])
@pytest.mark.parametrize("graph", [loop, fan])
def test_generator_function(graph: Any, make: Any) -> None:
    check(lambda notes: graph(notes, make(notes), True), [FROM_TWO], ASYNC, graph is fan)
