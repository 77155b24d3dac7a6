"""What the benchmarked graphs do, and the same work written by hand.

It imports neither langgraph nor lgc, so that it can be measured without them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

from light import count

POOL = ThreadPoolExecutor(max_workers=10)
"""The threads of the hand-written code; LangGraph makes a pool of its own for every run."""

END: Literal["__end__"] = "__end__"
STEPS = 50
"""The supersteps of `loop50`."""


class State(TypedDict):
    """One key that is replaced and one that is reduced."""

    count: int
    log: Annotated[list[str], operator.add]


class Log(TypedDict):
    """The state of `fanout_to_subgraph`."""

    log: Annotated[list[str], operator.add]


class Messages(TypedDict):
    """The state of `react20`; the graph has `add_messages` for a reducer."""

    messages: list[Any]


WIDE = 20
"""The keys of the state of `wide20`."""

# A key each; `wide_step` reads the first and the last.
Wide = TypedDict("Wide", {f"k{i}": int for i in range(WIDE)})  # type: ignore[misc]

SENDS = 100
TURNS = 10
"""Turns of the model in `react20`: 20 supersteps less the last answer's tools."""

Node = Callable[[State], dict[str, Any]]

called: list[Any] = []
"""The graph that `calls` calls, of the contestant whose turn it is."""


def step(state: State) -> dict[str, Any]:
    """Writes both keys."""
    return {"count": state["count"] + 1, "log": ["step"]}


def draft(state: State) -> dict[str, Any]:
    """The first node of the loop."""
    return {"count": state["count"] + 1, "log": ["draft"]}


def review(state: State) -> dict[str, Any]:
    """The second node of the loop."""
    return {"count": state["count"] + 1, "log": ["review"]}


def calls(state: State) -> dict[str, Any]:
    """A node that calls a graph."""
    inner: dict[str, Any] = called[0].invoke({"count": state["count"], "log": []})
    return inner


def again(state: State) -> Literal["draft", "__end__"]:
    """Where the loop goes after `review`."""
    return "draft" if state["count"] < STEPS else END


def wide_step(state: Any) -> dict[str, Any]:
    """Writes two keys of twenty."""
    return {"k0": state["k0"] + 1, f"k{WIDE - 1}": state["k1"]}


def first_branch(state: State) -> Literal["left", "right"]:
    """The router on START of `branches`."""
    return "left" if state["count"] == 0 else "right"


def second_branch(state: State) -> Literal["near", "far"]:
    """The router after `left` and `right`."""
    return "far" if state["count"] == 1 else "near"


def leaf(state: State) -> dict[str, Any]:
    """One of the parallel nodes of `fanout10`."""
    return {"log": ["leaf"]}


def joined(state: State) -> dict[str, Any]:
    """What comes after them."""
    return {"count": len(state["log"])}


def work(state: State) -> dict[str, Any]:
    """What every Send of `send100` starts."""
    return {"log": [str(state["count"])]}


def spread(state: State) -> list[Any]:
    """The router of `send100`."""
    from lgc import Send

    return [Send("work", {"count": i}) for i in range(SENDS)]


@cache
def _ai(turn: int) -> Any:
    """A line of the script; made once, or making messages is all that would be measured."""
    from langchain_core.messages import AIMessage

    call = {"name": "tool", "args": {"turn": turn}, "id": f"call{turn}"}
    calls = [call] if turn < TURNS - 1 else []
    return AIMessage(content=f"turn {turn}", tool_calls=calls, id=f"ai{turn}")


@cache
def _result(call: str) -> Any:
    from langchain_core.messages import ToolMessage

    return ToolMessage("done", tool_call_id=call, id=f"tool-{call}")


def agent(state: Messages) -> dict[str, Any]:
    """The scripted model of `react20`."""
    return {"messages": [_ai(len(state["messages"]) // 2)]}


def tools(state: Messages) -> dict[str, Any]:
    """Its tools."""
    return {"messages": [_result(state["messages"][-1].tool_calls[0]["id"])]}


def wants_tools(state: Messages) -> str:
    """Its router."""
    return "tools" if state["messages"][-1].tool_calls else END


def fresh() -> dict[str, Any]:
    """The input of every run."""
    return {"count": 0, "log": []}


def question() -> dict[str, Any]:
    """The input of `react20`."""
    from langchain_core.messages import HumanMessage

    return {"messages": [HumanMessage("?", id="human")]}


def wide() -> dict[str, Any]:
    """The input of `wide20`."""
    return {f"k{i}": i for i in range(WIDE)}


def one_by_hand(value: dict[str, Any]) -> dict[str, Any]:
    """A single node, which costs next to nothing: what a run takes to start and to end."""
    state = dict(value)
    state.update(count(state.copy()))  # type: ignore[arg-type, call-overload]
    return state


def chain_by_hand(nodes: tuple[Node, ...], value: dict[str, Any]) -> dict[str, Any]:
    """A chain as one would write it without a framework; every node gets a dict of its own."""
    state: Any = {"count": value["count"], "log": [] + value["log"]}
    for node in nodes:
        update = node(state.copy())
        state["count"] = update["count"]
        state["log"] = state["log"] + update["log"]
    return dict(state)


def wide_by_hand(value: dict[str, Any]) -> dict[str, Any]:
    """A chain of ten over a state in which every key is replaced."""
    state = dict(value)
    for _ in range(10):
        state.update(wide_step(state.copy()))
    return state


def branches_by_hand(value: dict[str, Any]) -> dict[str, Any]:
    """Two decisions and three nodes, one after the other."""
    state: Any = {"count": value["count"], "log": [] + value["log"]}

    def run(node: Node) -> None:
        update = node(state.copy())
        state["count"] = update["count"]
        state["log"] = state["log"] + update["log"]

    run(draft if first_branch(state.copy()) == "left" else review)
    run(step if second_branch(state.copy()) == "far" else draft)
    run(review)
    return dict(state)


def nested_by_hand(value: dict[str, Any], nodes: tuple[Any, ...] | None = None) -> dict[str, Any]:
    """Graphs in graphs as functions that call each other; what an inner one has logged is added."""
    state: Any = {"count": value["count"], "log": [] + value["log"]}
    for node in NEST3 if nodes is None else nodes:
        update = (
            nested_by_hand(state.copy(), node) if isinstance(node, tuple) else node(state.copy())
        )
        state["count"] = update["count"]
        state["log"] = state["log"] + update["log"]
    return dict(state)


def calls_by_hand(value: dict[str, Any]) -> dict[str, Any]:
    """A node, one that calls a function of three steps, and another node."""
    inner = lambda state: chain_by_hand(CHAIN3, {"count": state["count"], "log": []})  # noqa: E731
    return chain_by_hand((draft, inner, review), value)


def stream_by_hand(mode: str | list[str], value: dict[str, Any]) -> Iterator[Any]:
    """`chain10` as a generator of the chunks that a stream in this mode has."""
    values, updates, tagged = "values" in mode, "updates" in mode, isinstance(mode, list)
    state: Any = {"count": value["count"], "log": [] + value["log"]}
    if values:
        yield ("values", state.copy()) if tagged else state.copy()
    for i, node in enumerate(CHAIN10):
        update = node(state.copy())
        if updates:
            yield ("updates", {f"n{i}": update}) if tagged else {f"n{i}": update}
        state["count"] = update["count"]
        state["log"] = state["log"] + update["log"]
        if values:
            yield ("values", state.copy()) if tagged else state.copy()


def loop_by_hand(value: dict[str, Any]) -> dict[str, Any]:
    """The loop as one would write it; the router gets a dict of its own too."""
    state: Any = {"count": value["count"], "log": [] + value["log"]}
    goto = "draft"
    while goto != END:
        for node in (draft, review):
            update = node(state.copy())
            state["count"] = update["count"]
            state["log"] = state["log"] + update["log"]
        goto = again(state.copy())
    return dict(state)


def fanout_by_hand(value: dict[str, Any]) -> dict[str, Any]:
    """Ten nodes on threads, and the one that joins them."""
    state: Any = {"count": value["count"], "log": [] + value["log"]}
    for update in POOL.map(leaf, [state.copy() for _ in range(10)]):
        state["log"] = state["log"] + update["log"]
    state["count"] = joined(state.copy())["count"]
    return dict(state)


def spread_to_graphs(state: State) -> list[Any]:
    """The router on START of `fanout_to_subgraph`, after LangGraph's benchmark of that name."""
    from lgc import Send

    return [Send("inner", {"count": 0, "log": [f"{i}"]}) for i in range(10)]


def until_ten(state: State) -> Literal["step", "__end__"]:
    """Where the graph that is sent to goes on."""
    return "step" if state["count"] < 10 else END


def _steps_by_hand(value: dict[str, Any]) -> dict[str, Any]:
    state: Any = {"count": value["count"], "log": [] + value["log"]}
    goto = "step"
    while goto != END:
        update = step(state.copy())
        state["count"] = update["count"]
        state["log"] = state["log"] + update["log"]
        goto = until_ten(state.copy())
    return dict(state)


def fanout_to_graphs_by_hand(value: dict[str, Any]) -> dict[str, Any]:
    """Ten calls of the inner function on threads."""
    state: Any = {"log": [] + value["log"]}
    for update in POOL.map(_steps_by_hand, [send.arg for send in spread_to_graphs(state.copy())]):
        state["log"] = state["log"] + update["log"]
    return dict(state)


def send_by_hand(value: dict[str, Any]) -> dict[str, Any]:
    """A hundred tasks on threads."""
    state: Any = {"count": value["count"], "log": [] + value["log"]}
    for update in POOL.map(work, [send.arg for send in spread(state.copy())]):
        state["log"] = state["log"] + update["log"]
    return dict(state)


def react_by_hand(value: dict[str, Any]) -> dict[str, Any]:
    """The agent as a loop; its messages have ids, so appending is all there is to do."""
    state: Any = {"messages": [] + value["messages"]}
    while True:
        state["messages"] = state["messages"] + agent(state.copy())["messages"]
        if wants_tools(state.copy()) == END:
            return dict(state)
        state["messages"] = state["messages"] + tools(state.copy())["messages"]


CHAIN3 = (step,) * 3
CHAIN10 = (step,) * 10
CHAIN100 = (step,) * 100
NEST3: tuple[Any, ...] = (draft, (step, (step, step, step, step), step), review)
"""Three levels of graphs with eight nodes."""


class Workload(NamedTuple):
    """What is measured.

    Attributes:
        graph: its name in `workloads`.
        by_hand: the same work, hand-written.
        fresh: makes the input of a run.
        stream_mode: of a stream that is consumed to its end; None for `invoke`.
        called: the graph that a node of it calls.
        needs_langchain: cannot be measured without langchain-core, as its messages are its own.
    """

    graph: str
    by_hand: Callable[[dict[str, Any]], Any]
    fresh: Callable[[], dict[str, Any]] = fresh
    stream_mode: str | list[str] | None = None
    needs_langchain: bool = False
    called: str = ""

    def run(self, graph: Any) -> Any:
        """Runs a compiled graph once; the result, or all chunks."""
        if self.stream_mode is None:
            return graph.invoke(self.fresh())
        return list(graph.stream(self.fresh(), stream_mode=self.stream_mode))


def _streamed(mode: str | list[str]) -> Workload:
    return Workload("chain10", lambda value: list(stream_by_hand(mode, value)), stream_mode=mode)


WORKLOADS = {
    "one": Workload("one", one_by_hand, lambda: {"count": 1}),
    "chain10": Workload("chain10", lambda value: chain_by_hand(CHAIN10, value)),
    "chain100": Workload("chain100", lambda value: chain_by_hand(CHAIN100, value)),
    "wide20": Workload("wide20", wide_by_hand, wide),
    "loop50": Workload("loop50", loop_by_hand),
    "branches": Workload("branches", branches_by_hand),
    "nest3": Workload("nest3", nested_by_hand),
    "calls": Workload("calls_chain3", calls_by_hand, called="chain3"),
    "fanout10": Workload("fanout10", fanout_by_hand),
    "send100": Workload("send100", send_by_hand),
    "fanout_to_subgraph": Workload(
        "fanout_to_subgraph", fanout_to_graphs_by_hand, lambda: {"log": []}
    ),
    "react20": Workload("react20", react_by_hand, question, needs_langchain=True),
    "chain10, stream updates": _streamed("updates"),
    "chain10, stream values": _streamed("values"),
    "chain10, stream both": _streamed(["updates", "values"]),
}
"""Every workload by the name that its rows have."""

GRAPHS = tuple(
    dict.fromkeys(
        name
        for workload in WORKLOADS.values()
        for name in (workload.graph, workload.called)
        if name
    )
)
"""What is compiled for them."""
