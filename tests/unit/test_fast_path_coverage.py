"""How many supersteps stay on the fast path, in the golden cases and the demo.

Runs with a saver, breakpoints or other chunks than updates and values are the loop's from their
start and not counted.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lgc
from lgc.runtime.drivers.fast_path import Coverage, count_into

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "golden"
CASES = sorted(p.parents[1].name for p in GOLDEN.glob("*/want/output.txt"))
# Why the loop runs supersteps of these graphs.
REASONS = {
    "a Send",
    "a failure",
    "nodes that supersteps does not name together",
    "several nodes",
    "the input",
    "the recursion limit",
}


@contextlib.contextmanager
def counting() -> Iterator[Coverage]:
    coverage = Coverage()
    count_into(coverage)
    try:
        yield coverage
    finally:
        count_into(None)


def test_golden_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all cases together, four fifths; the reasons for the rest are these."""
    monkeypatch.syspath_prepend(str(GOLDEN))
    with counting() as coverage:
        for case in CASES:
            module = importlib.import_module(f"{case}.graph")
            graph: Any = lgc.compile_graph(module.builder)
            with contextlib.redirect_stdout(io.StringIO()):
                module.main(graph)
    assert coverage.supersteps > 100
    assert set(coverage.left) <= REASONS
    assert sum(coverage.left.values()) <= 0.2 * coverage.supersteps


@pytest.mark.parametrize("calls", [1, 2])
def test_agents(calls: int) -> None:
    """Of create_agent: a tool's call is a Send, and two at once are the loop's."""
    from langchain.agents import create_agent
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    class Model(GenericFakeChatModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

    def double(number: int) -> int:
        """Doubles a number."""
        return 2 * number

    def asks(turn: int) -> AIMessage:
        call = {"name": "double", "args": {"number": turn}, "type": "tool_call"}
        return AIMessage("", tool_calls=[{**call, "id": f"{turn} {i}"} for i in range(calls)])

    script = [asks(1), asks(2), asks(3), AIMessage("16")]
    agent = lgc.compile_graph(create_agent(Model(messages=iter(script)), [double]))
    with counting() as coverage:
        result = agent.invoke({"messages": [("user", "2 times 2 times 2 times 2?")]})
    assert len(result["messages"]) == 1 + 3 * (1 + calls) + 1
    assert coverage.supersteps == 1 + 2 * 3 + 1
    assert coverage.left == ({} if calls == 1 else {"a Send": 3})


def test_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its agent, without the saver that it has there."""
    monkeypatch.syspath_prepend(str(ROOT / "demo"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "agent"]:
        monkeypatch.delitem(sys.modules, name)
    module = importlib.import_module("agent.graph")
    monkeypatch.delitem(sys.modules, "agent")
    graph: Any = lgc.compile_graph(module.builder)
    with counting() as coverage:
        graph.invoke({"messages": [], "turns": 0})
        list(graph.stream({"messages": [], "turns": 0}))
    assert coverage.supersteps == 2 * 6
    assert not coverage.left
