"""How the timeout of a node stands in the module and in `lgc explain`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypedDict

import pytest
from inprocess import compile_in_process, module_text
from langgraph.graph import START, StateGraph
from langgraph.types import TimeoutPolicy

from lgc.compiler.emit import emit
from lgc.compiler.frontend import analyse_live
from lgc.compiler.ir import NodeIR, TimeoutIR
from lgc.compiler.ir_text import to_text
from lgc.compiler.passes import run_passes


class State(TypedDict):
    x: int


async def node(state: Any) -> Any:
    return {"x": 1}


def _builder(timeout: Any) -> StateGraph[Any, Any, Any, Any]:
    return StateGraph(State).add_node("n", node, timeout=timeout).add_edge(START, "n")


ROWS = {
    "seconds": (3, "timeout=abi.timeout(run=3.0)"),
    "timedelta": (timedelta(minutes=1), "timeout=abi.timeout(run=60.0)"),
    "idle": (TimeoutPolicy(idle_timeout=0.5), "timeout=abi.timeout(idle=0.5)"),
    "all": (
        TimeoutPolicy(run_timeout=3, idle_timeout=1, refresh_on="heartbeat"),
        'timeout=abi.timeout(run=3.0, idle=1.0, refresh_on="heartbeat")',
    ),
    "infinite": (float("inf"), 'timeout=abi.timeout(run=float("inf"))'),
}


@pytest.mark.parametrize("policy", ROWS)
def test_the_row_of_a_node(policy: str) -> None:
    timeout, row = ROWS[policy]
    builder = _builder(timeout)
    text = " ".join(module_text(builder, "timed").split()).replace("( ", "(").replace(", )", ")")
    assert row in text
    assert "# cancelled when it takes too long, as `timeout` of the node says" in text
    declared = compile_in_process(builder).program.by_name["n"].timeout
    assert declared == TimeoutPolicy.coerce(timeout)


def test_a_node_without_a_timeout_says_nothing_of_it() -> None:
    for timeout in (None, TimeoutPolicy(), TimeoutPolicy(refresh_on="heartbeat")):
        assert "abi.timeout" not in module_text(_builder(timeout), "untimed")


def test_the_defaults_of_the_graph() -> None:
    text = module_text(_builder(None).set_node_defaults(timeout=5), "defaults")
    assert "timeout=abi.timeout(run=5.0)" in text
    text = module_text(_builder(2).set_node_defaults(timeout=5), "defaults")
    assert "run=2.0" in text and "run=5.0" not in text


def test_explain() -> None:
    policy = TimeoutPolicy(run_timeout=3, idle_timeout=1, refresh_on="heartbeat")
    ir, _ = run_passes(analyse_live(_builder(policy)).ir)
    (timed,) = (n for n in ir.nodes if n.name == "n")
    assert isinstance(timed, NodeIR) and timed.timeout == TimeoutIR("3.0", "1.0", "heartbeat")
    assert "  timeout   3.0 s; 1.0 s without progress (heartbeat)\n" in to_text(ir)
    assert emit(ir, "") != emit(run_passes(analyse_live(_builder(3)).ir)[0], "")
