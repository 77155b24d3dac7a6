"""Builds a tree of graphs from a `TreeSpec`, with an engine for every level.

`nested_spec` has the data, `nested_strategy` draws it, `nested_threads` runs and compares it.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, TypedDict

from gates import Gate
from inprocess import compile_in_process
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from nested_spec import LANGGRAPH, ChildCall, Engines, NodeSpec, TreeSpec
from parity import Log, comparable, edges_in_order

OWN_THREAD = "own"


def bounded(kept: list[str], new: list[str]) -> list[str]:
    """The reducer of lists in loops: a child that is a node returns what it was given, too."""
    return [*kept, *new][-8:]


_TYPES: dict[str, Any] = {
    "log": Annotated[list[str], operator.add],
    "last": str,
    "count": Annotated[int, operator.add],
}
_BOUNDED = Annotated[list[str], bounded]
_LEVELS = 4
"""How many Sends a task remembers: one for each level, and one of an earlier run."""
_SEEN = ("checkpoint_ns", "checkpoint_id", "checkpoint_map", "thread_id")


@dataclass
class Forest:
    """What the graphs of one tree share.

    Attributes:
        engines: of each level.
        log, gate: where nodes note what they see, and wait.
        is_async: graphs are called by their async methods.
        visits: of each node, failed ones, too.
        savers: those that children have for themselves.
    """

    engines: Engines
    log: Log
    gate: Gate
    is_async: bool = False
    visits: Counter[str] = field(default_factory=Counter)
    savers: list[Any] = field(default_factory=list)

    def compiled(
        self,
        tree: TreeSpec,
        saver: Any,
        level: int = 0,
        bound: bool = False,
        is_async: bool | None = None,
    ) -> Any:
        """The graph of `tree`.

        Args:
            tree: the graph and its children.
            saver: the checkpointer that it is compiled with.
            level: of the graph in the tree.
            bound: whether it is bound to a config.
            is_async: whether it is called by its async methods; by default as the forest says.
        """
        if is_async is None:
            is_async = self.is_async
        if saver == "own":
            saver = InMemorySaver()
            self.savers.append(saver)
        builder = self._builder(tree, level, is_async)
        options: dict[str, Any] = {"checkpointer": saver}
        for which in ("interrupt_before", "interrupt_after"):
            if stops := getattr(tree, which):
                options[which] = [*stops]
        with edges_in_order():
            graph = builder.compile(name=tree.name, **options)
        if bound:
            graph = graph.with_config(tags=["bound"], metadata={"team": "x"})
        if self.engines[level] == LANGGRAPH:
            return graph
        return compile_in_process(graph, tree.name).compile(**options)

    def _builder(
        self, tree: TreeSpec, level: int, is_async: bool
    ) -> StateGraph[Any, Any, Any, Any]:
        """A new builder of `tree`, whose children are compiled."""
        own = f"own_{tree.name}"
        types = {key: _TYPES[key] for key in tree.keys}
        if any(graph.shape == "loop" for graph in tree.graphs()) or level:
            types["log"] = _BOUNDED
        types[own] = _BOUNDED
        state = TypedDict(f"State_{tree.name}", types)  # type: ignore[operator]
        outputs = {key: types[key] for key in tree.outputs}
        builder = StateGraph(
            state,
            output_schema=TypedDict(f"Output_{tree.name}", outputs) if outputs else None,  # type: ignore[operator]
        )
        for node in tree.nodes:
            builder.add_node(
                node.name, self._node(tree, node, level, is_async), **_ends(tree, node)
            )
        _wire(builder, tree)
        return builder

    def _node(self, tree: TreeSpec, spec: NodeSpec, level: int, is_async: bool) -> Any:
        if spec.child is None:
            return _Visit(self, tree, spec).function(None, is_async and spec.is_async)
        if not spec.is_child:
            # Threads of a sync child are at no gate.
            is_async = is_async and (spec.is_async or spec.child.is_parallel)
        saver = spec.child.checkpointer
        child = self.compiled(spec.child, saver, level + 1, spec.bound, is_async)
        return child if spec.is_child else _Visit(self, tree, spec).function(child, is_async)


def _ends(tree: TreeSpec, node: NodeSpec) -> dict[str, Any]:
    if node.goto is None or node.leaves or node.is_child:
        return {}
    return {"destinations": (node.goto,)}


def _wire(builder: StateGraph[Any, Any, Any, Any], tree: TreeSpec) -> None:
    """Adds the edges; none leaves a node whose Command leads on."""
    names = [node.name for node in tree.nodes]
    leads = {node.name for node in tree.nodes if node.goto is not None and not node.leaves}

    def edge(start: str, end: str) -> None:
        if start not in leads:
            builder.add_edge(start, end)

    rest = names
    if tree.shape == "pair":
        first, second, *others = names
        builder.add_edge(START, first)
        builder.add_edge(START, second)
        edge(second, others[0] if others else END)
        rest = [first, *others]
    elif tree.shape == "sends":
        first = names[0]
        builder.add_conditional_edges(START, partial(_sends, tree.name, first), [first])
    elif tree.shape == "routed":
        builder.add_conditional_edges(START, partial(_routed, names), names)
    else:
        builder.add_edge(START, names[0])
    last = rest[-1]
    for start, end in pairwise(rest):
        edge(start, end)
    if tree.shape != "loop":
        edge(last, END)
    elif last not in leads:
        again = partial(_again, tree.rounds, names[0])
        builder.add_conditional_edges(last, again, [names[0], END])


def _again(rounds: int, begin: str, state: dict[str, Any]) -> str:
    return begin if state["count"] < rounds else END


def _sends(tree: str, name: str, state: Any) -> list[Send]:
    ways = [" ".join([*_way(state), f"{tree}{n}"][-_LEVELS:]) for n in range(2)]
    return [
        Send(name, {"log": [f"sent {way}"], "last": "sent", "count": n})
        for n, way in enumerate(ways)
    ]


def _routed(names: list[str], state: dict[str, Any]) -> str:
    return names[len(state["log"]) % len(names)]


class _Visit:
    """A node that is a function: what it does, in a thread or on an event loop."""

    def __init__(self, forest: Forest, tree: TreeSpec, spec: NodeSpec) -> None:
        self.forest, self.tree, self.spec = forest, tree, spec
        self.who = f"{tree.name}.{spec.name}"

    def function(self, child: Any, is_async: bool) -> Any:
        """The node; LangGraph finds the child in what the function refers to, or not."""
        box = (child,)

        def calls(state: Any, config: RunnableConfig) -> Any:
            return self.run(state, config, child)

        def hides(state: Any, config: RunnableConfig) -> Any:
            return self.run(state, config, box[0])

        async def acalls(state: Any, config: RunnableConfig) -> Any:
            return await self.arun(state, config, child)

        async def ahides(state: Any, config: RunnableConfig) -> Any:
            return await self.arun(state, config, box[0])

        hidden = self.spec.hidden or child is None
        if is_async:
            return ahides if hidden else acalls
        return hides if hidden else calls

    def run(self, state: Any, config: Any, child: Any) -> Any:
        """Does it in this thread."""
        gate, who = self.forest.gate, _at_gate(self.who, state)
        gate.block(f"{who} begins")
        steps = self.steps(state, config)
        result = None
        while True:
            try:
                call, input = steps.send(result)
            except StopIteration as stop:
                gate.block(f"{who} ends")
                return self.end(stop.value)
            try:
                result = _called(child, call, input, _config(call, config))
            except ValueError as exc:
                if not self.spec.catches:
                    raise
                result = {"log": [str(exc)]}

    async def arun(self, state: Any, config: Any, child: Any) -> Any:
        """Does it on the event loop."""
        gate, who = self.forest.gate, _at_gate(self.who, state)
        await gate.wait(f"{who} begins")
        steps = self.steps(state, config)
        result = None
        while True:
            try:
                call, input = steps.send(result)
            except StopIteration as stop:
                await gate.wait(f"{who} ends")
                return self.end(stop.value)
            try:
                result = await _acalled(child, call, input, _config(call, config))
            except ValueError as exc:
                if not self.spec.catches:
                    raise
                result = {"log": [str(exc)]}

    def steps(self, state: Any, config: Any) -> Generator[Any, Any, Any]:
        """What the node does before its end: yields each call, and is sent its result."""
        forest, spec, who = self.forest, self.spec, self.who
        forest.visits[who] += 1
        forest.log.note(who, "state", state)
        forest.log.note(who, "config", _shown(config))
        if spec.writes:
            get_stream_writer()({"from": who})
        seen = [self.ask(n, state) for n in range(spec.asks)]
        for n, call in enumerate(spec.calls):
            log = [f"to {n}", "sent " + " ".join(_way(state))]
            result = yield call, {"log": log, "last": f"to {n}", "count": 0}
            forest.log.note(who, "result", result)
            log = result.get("log", ()) if isinstance(result, dict) else result or ()
            # What a chunk or an interrupt shows has ids.
            last = log[-1] if log and not call.streamed else ""
            seen.append(f"{who} has {len(log)} {last}")
        seen += [self.ask(n + spec.asks, state) for n in range(spec.asks_later)]
        return seen

    def ask(self, number: int, state: Any) -> str:
        """A question, unlike that of another task of the node, and its answer."""
        answer = interrupt(f"{_at_gate(self.who, state)}?{number}")
        self.forest.log.note(self.who, "answer", answer)
        return f"{self.who} {answer}"

    def end(self, seen: list[str]) -> Any:
        """What the node returns."""
        spec, tree = self.spec, self.tree
        if spec.fails_at == self.forest.visits[self.who]:
            raise ValueError(f"{self.who} fails")
        values = {"log": [self.who, *seen], "last": self.who, "count": 1}
        if spec.leaves:
            goto: Any = spec.goto or ()
            if spec.sends and spec.goto not in (None, END):
                goto = [Send(spec.goto, {"log": ["in", f"sent {self.who}"], "count": 0})]
            return Command(graph=Command.PARENT, update=values, goto=goto)
        update: dict[str, Any] = {key: values[key] for key in tree.keys if key != "last"}
        # Two tasks of a superstep may not both write it.
        if "last" in tree.keys and tree.shape not in ("pair", "sends"):
            update["last"] = self.who
        update[f"own_{tree.name}"] = [self.who]
        return update if spec.goto is None else Command(update=update, goto=spec.goto)


def _called(child: Any, call: ChildCall, input: Any, config: Any) -> Any:
    if not call.streamed:
        return comparable(child.invoke(input, config))
    modes = {"stream_mode": call.modes, "subgraphs": call.subgraphs}
    return [comparable(chunk) for chunk in child.stream(input, config, **modes)]


async def _acalled(child: Any, call: ChildCall, input: Any, config: Any) -> Any:
    if not call.streamed:
        return comparable(await child.ainvoke(input, config))
    modes = {"stream_mode": call.modes, "subgraphs": call.subgraphs}
    return [comparable(chunk) async for chunk in child.astream(input, config, **modes)]


def _at_gate(who: str, state: Any) -> str:
    """The name of a task: those of two Sends differ in what they were sent."""
    return f"{who} {' '.join(_way(state))}"


def _way(state: Any) -> list[str]:
    """Which Sends have led to a task, as far as its state tells."""
    sent = [each for each in state.get("log", ()) if each.startswith("sent")]
    return sent[-1].split()[1:] if sent else []


def _config(call: ChildCall, config: Any) -> Any:
    if call.config == "ambient":
        return None
    if call.config == "passed":
        return config
    if call.config == "tags":
        return {"tags": ["called"]}
    return {"configurable": {"thread_id": OWN_THREAD}}


def _shown(config: Any) -> Any:
    """What a node's config says, without the engine's own keys."""
    configurable = config["configurable"]
    return {
        "tags": config.get("tags"),
        "metadata": dict(sorted(config["metadata"].items())),
        "limit": config.get("recursion_limit"),
        "configurable": {key: configurable[key] for key in _SEEN if key in configurable},
    }
