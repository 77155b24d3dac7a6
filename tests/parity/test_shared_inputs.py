"""The input that nodes of one superstep share, where the state is one value."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command

from lgc import compile_graph


def _builder(inputs: list[Any], nodes: str) -> StateGraph[Any, Any, Any, Any]:
    def node(state: Any) -> list[int]:
        inputs.append(state)
        return [9]

    builder = StateGraph(Annotated[list, operator.add])
    for name in nodes:
        builder.add_node(name, node)
        builder.add_edge(START, name)
    return builder


def test_a_node_due_beside_the_input_does_not_read_the_input() -> None:
    """A Command that goes to a node from a checkpoint on which `__start__` is due, too."""
    observed = []
    for engine in (StateGraph.compile, compile_graph):
        inputs: list[Any] = []
        graph = engine(_builder(inputs, "n"), checkpointer=InMemorySaver())
        config = {"configurable": {"thread_id": "1"}}
        graph.invoke([2, 3], config)
        oldest = list(graph.get_state_history(config))[-1]
        assert oldest.next == ("__start__",)
        inputs.clear()
        result = graph.invoke(Command(update=[("__root__", [])], goto="n"), oldest.config)
        states = [(state.next, state.values) for state in graph.get_state_history(config)]
        observed.append((result, inputs, states))
    assert observed[0] == observed[1]
    assert observed[1][1] == [[], [2, 3, 9]]


def test_parallel_nodes_get_a_copy_each() -> None:
    for engine in (StateGraph.compile, compile_graph):
        inputs: list[Any] = []
        engine(_builder(inputs, "ab")).invoke([1])
        assert inputs == [[1], [1]]
        assert inputs[0] is not inputs[1]
