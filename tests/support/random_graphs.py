"""Random StateGraphs: a case is drawn as plain data, and built from it as often as needed.

`channel_kinds` has the channels and values, `graph_spec` the data, `graph_strategy` draws it and
`graph_builder` builds from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import feature_counts
from graph_builder import build, perform
from graph_spec import Act, GraphSpec, is_field
from inprocess import compile_in_process
from parity import COUNTS, Call, Compile, compare


@dataclass(frozen=True)
class Case:
    """A graph and how to run it.

    Attributes:
        graph, input, config, calls: the graph, and the arguments of every call.
        input_class: what the input is an instance of: "dataclass", "model" or "annotated"; "" for
            a dict or what is no state.
    """

    graph: GraphSpec
    input: Any
    config: dict[str, Any] | None
    calls: tuple[Call, ...]
    input_class: str = ""

    def new_input(self) -> Any:
        """The input as the caller passes it."""
        if not self.input_class:
            return self.input
        writes = tuple((key, value) for key, value in self.input.items() if is_field(key))
        return perform(Act(self.input_class, writes), "input", None)  # type: ignore[arg-type]


def check(case: Case, compiled: Compile = compile_in_process) -> None:
    """Wants lgc to do what LangGraph does, in every call of `case`.

    The first call is an invoke. It is made once more on the full path, and so is the first stream
    that takes the fast one; both paths do what LangGraph does, so they are equal.

    Args:
        compiled: makes lgc's graph of a builder.
    """
    feature_counts.COUNTS.update(feature_counts.pairs_of(case.graph))
    for feature in case.graph.features():
        COUNTS[f"graphs {feature}"] += 1
    twins = [twin for call in case.calls[1:] if (twin := call.on_full_path()) is not None]
    calls = (*case.calls, replace(case.calls[0], full_path=True), *twins[:1])
    seen = compare(
        lambda log: build(case.graph, log), case.new_input(), case.config, *calls, compiled=compiled
    )
    invoked, streamed = seen[:2]
    assert invoked["error"] == streamed["error"]
    if invoked["error"] is None and not case.graph.in_place:
        values = [chunk for mode, chunk in streamed["chunks"] if mode == "values"]
        assert invoked["result"] == (values[-1] if values else None)
        assert invoked["log"] == streamed["log"]
