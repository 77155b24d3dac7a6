"""Graphs written with lgc's types, run by plain LangGraph; as a script it compares them.

A case is a generator function. Up to its first `yield` it makes nodes and values
from the types that are its argument; lgc's are taken, and all of this is done with them,
before langgraph is loaded. Then it builds and runs a graph and yields what was
seen. The script prints what differs from the same case with LangGraph's types.
"""

# No `annotations` from __future__: LangGraph has to see the annotations of lgc's types.

import asyncio
import json
import operator
import re
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Annotated, Any, Literal, TypedDict

Types = Any
Case = Callable[[Types], Iterator[Any]]

CASES: dict[str, Case] = {}
NAMES = (
    "CachePolicy Command END Interrupt MessagesState Overwrite RetryPolicy Runtime START Send "
    "StreamWriter TimeoutPolicy add_messages get_config get_runtime get_store get_stream_writer "
    "interrupt"
)


def case(function: Case) -> Case:
    """Registers a case."""
    CASES[function.__name__] = function
    return function


class State(TypedDict, total=False):
    """The state of most cases."""

    seen: Annotated[list[Any], operator.add]
    last: Any


def shown(value: Any) -> str:
    """`value` as text, without what is random in it."""
    return re.sub(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", repr(value))


def run(graph: Any, value: Any, config: Any = None, **options: Any) -> list[str]:
    """The chunks of a run, and its error.

    Between two chunks of values the order is that in which parallel tasks finish, so what
    stands there is sorted.
    """
    chunks: list[str] = []
    start = 0
    try:
        for mode, chunk in graph.stream(
            value, config, stream_mode=["values", "updates", "custom"], **options
        ):
            if mode == "values":
                chunks[start:] = sorted(chunks[start:])
                start = len(chunks) + 1
            chunks.append(shown((mode, chunk)))
        chunks[start:] = sorted(chunks[start:])
    except Exception as error:
        chunks[start:] = sorted(chunks[start:])
        chunks.append(shown(error))
    return chunks


def build(nodes: dict[str, Any], schema: Any = State, **options: Any) -> Any:
    """A builder with these nodes, entered at the first of them."""
    from langgraph.graph import StateGraph

    builder = StateGraph(schema)
    for name, node in nodes.items():
        builder.add_node(name, node, **options)
    builder.set_entry_point(next(iter(nodes)))
    return builder


def visits(name: str) -> Callable[[Any], Any]:
    """A node that says it was there, and with what."""
    return lambda state: {"seen": [(name, state.get("last"))]}


@case
def command(t: Types) -> Iterator[Any]:
    """Updates and destinations; LangGraph reads them from the annotation."""

    def first(state: State) -> t.Command[Literal["left", "right"]]:
        return commands[state["last"]]

    def maybe(state: State) -> t.Command[Literal["right"]] | None:
        return None

    commands = [
        t.Command(update={"last": 7}, goto="left"),
        t.Command(update=[("last", 8), ("seen", ["x"])], goto=["left", "right"]),
        t.Command(goto=(t.Send("left", {"last": 9}), "right", t.END)),
        t.Command(goto=t.Send("maybe", {"last": 9})),
        t.Command(update=t.Command(update=1)),
        [t.Command(update={"last": 1}), {"seen": ["y"]}, t.Command(goto="right")],
        [t.Command(goto="left"), t.Send("right", {})],
        (t.Command(update={"seen": t.Overwrite(["z"])}),),
        t.Command(graph=t.Command.PARENT, goto="left"),
        t.Send("left", {"last": 5}),
        [t.Send("left", {"last": 5})],
        t.Overwrite(3),
        t.Interrupt("why"),
    ]
    yield
    builder = build({"first": first, "left": visits("l"), "right": visits("r"), "maybe": maybe})
    ends = {name: builder.nodes[name].ends for name in builder.nodes}
    graph = builder.compile()
    yield [ends, [run(graph, {"last": n, "seen": ["start"]}) for n in range(len(commands))]]


@case
def parent(t: Types) -> Iterator[Any]:
    """A subgraph hands a Command to its parent, which gets a changed copy of it."""

    def child(state: State) -> Any:
        return t.Command(graph=t.Command.PARENT, update={"seen": ["up"]}, goto="after")

    yield
    inner = build({"child": child}).compile()
    yield run(build({"inner": inner, "after": visits("a")}).compile(), {"last": 1})


@case
def send(t: Types) -> Iterator[Any]:
    """Routers: one, several, mixed with names, wrong ones; and what a checkpoint keeps of them."""
    routes = [
        t.Send("a", {"last": 1}),
        [t.Send("a", {"last": 1}), "b", t.Send("a", {"last": 2}), t.END],
        (t.Send("b", {"last": t.Overwrite(1)}),),
        t.Send("nowhere", {}),
        [t.Send(t.END, {})],
        t.Command(goto="a"),
    ]

    def route(state: State) -> Any:
        return routes[state["last"]]

    yield
    from langgraph.checkpoint.memory import InMemorySaver

    outcomes = []
    for number in range(len(routes)):
        builder = build({"start": visits("s"), "a": visits("a"), "b": visits("b")})
        builder.add_conditional_edges("start", route)
        saver = InMemorySaver()
        graph = builder.compile(saver)
        config = {"configurable": {"thread_id": "1"}}
        outcomes.append(run(graph, {"last": number}, config))
        outcomes.append(shown([state.values for state in graph.get_state_history(config)]))
        packets = [value for key, value in saver.blobs.items() if key[2] == "__pregel_tasks"]
        outcomes.append(shown(packets))
    yield outcomes


@case
def overwrite(t: Types) -> Iterator[Any]:
    """In a reducer, twice in a superstep, in a key without one, in the input."""
    values = [t.Overwrite(["new"]), t.Overwrite(value=None), ["old"]]

    def one(state: State) -> Any:
        return {"seen": values[state["last"][0]], "last": t.Overwrite(1)}

    def two(state: State) -> Any:
        return {"seen": values[state["last"][1]]}

    yield
    outcomes = []
    for pair in [(0, 2), (2, 0), (0, 0), (1, 2), (2, 1)]:
        builder = build({"one": one, "two": two})
        builder.set_entry_point("two")
        outcomes.append(run(builder.compile(), {"last": pair, "seen": ["start"]}))
        outcomes.append(run(builder.compile(), {"last": pair, "seen": t.Overwrite(["in"])}))
    yield outcomes


@case
def retry(t: Types) -> Iterator[Any]:
    """One policy or several, for a node and for all."""
    policies = [
        t.RetryPolicy(initial_interval=0.001, max_attempts=3, jitter=False, retry_on=ValueError),
        t.RetryPolicy(initial_interval=0.001, max_attempts=2),
        (
            t.RetryPolicy(retry_on=[KeyError], max_attempts=2, initial_interval=0.001),
            t.RetryPolicy(retry_on=lambda e: True, max_attempts=4, initial_interval=0.001),
        ),
    ]
    attempts: list[str] = []

    def fails(state: State, runtime: t.Runtime) -> Any:
        attempts.append(f"{state['last'].__name__} {runtime.execution_info.node_attempt}")
        raise state["last"]("no")

    yield
    outcomes = []
    for policy in policies:
        graph = build({"fails": fails}, retry_policy=policy).compile()
        for error in (ValueError, KeyError, ConnectionError, Exception):
            outcomes.append(run(graph, {"last": error}))
    yield [outcomes, attempts]


@case
def cache(t: Types) -> Iterator[Any]:
    """Keys of lgc's default function, and of a user's."""
    policies = [t.CachePolicy(), t.CachePolicy(ttl=100, key_func=lambda state: "always")]

    yield
    from langgraph.cache.memory import InMemoryCache

    outcomes = []
    for policy in policies:
        builder = build({"a": visits("a")}, cache_policy=policy)
        graph = builder.compile(cache=InMemoryCache())
        outcomes.append([run(graph, {"last": value}) for value in (1, 1, 2, [1], [1])])
    yield outcomes


@case
def timeout(t: Types) -> Iterator[Any]:
    """Of a node and of a Send."""
    policies = [t.TimeoutPolicy(run_timeout=0.02), t.TimeoutPolicy(idle_timeout=0.02), 0.02]
    sends = [t.Send("slow", {"last": 0}, timeout=policy) for policy in policies]
    calm = t.TimeoutPolicy(run_timeout=60, refresh_on="heartbeat")

    async def slow(state: State) -> Any:
        await asyncio.sleep(0.5)

    async def fast(state: State) -> Any:
        return {"seen": ["fast"]}

    yield

    def outcome(graph: Any) -> str:
        try:
            return shown(asyncio.run(graph.ainvoke({"last": 0})))
        except Exception as error:
            return re.sub(r"elapsed: [0-9.]+", "", shown(error))

    outcomes = [outcome(build({"fast": fast}, timeout=calm).compile())]
    for policy in policies[:2]:
        outcomes.append(outcome(build({"slow": slow}, timeout=policy).compile()))
    for packet in sends:
        builder = build({"fast": fast, "slow": slow})
        builder.add_conditional_edges("fast", lambda state, packet=packet: packet)
        outcomes.append(outcome(builder.compile()))
    yield outcomes


@case
def interrupt_and_resume(t: Types) -> Iterator[Any]:
    """`interrupt` taken early, a Command as input, lgc's values in checkpoints."""
    resume, jump = t.Command(resume="yes"), t.Command(update={"seen": ["in"]}, goto="other")
    kept = [t.Send("a", 1), t.Interrupt("v", "id"), t.Overwrite([1]), t.Command(goto="b")]

    def ask(state: State) -> Any:
        return {"seen": [t.interrupt("question")], "last": kept}

    yield
    from langgraph.checkpoint.memory import InMemorySaver

    graph = build({"ask": ask, "other": visits("o")}).compile(InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    outcomes = [run(graph, {"seen": ["start"]}, config), run(graph, resume, config)]
    outcomes.append([shown(graph.get_state(config).values)])
    outcomes += [run(graph, jump, config), run(graph, t.Command(graph=t.Command.PARENT), config)]
    graph.update_state(config, {"seen": t.Overwrite(["set"])}, as_node="other")
    yield [*outcomes, shown(graph.get_state(config).values)]


@case
def context(t: Types) -> Iterator[Any]:
    """Injection by lgc's names, and the ambient functions taken early."""

    def node(state: State, runtime: t.Runtime, writer: t.StreamWriter) -> Any:
        writer("injected")
        t.get_stream_writer()("ambient")
        same = t.get_runtime().context, t.get_store(), sorted(t.get_config())
        return {"seen": [runtime.context, same]}

    def typed(state: State, *, runtime: t.Runtime[int]) -> Any:
        return {"seen": [t.get_runtime(int) == runtime]}

    yield
    builder = build({"node": node, "typed": typed})
    builder.add_edge(t.START, "typed")
    builder.add_edge("typed", t.END)
    yield run(builder.compile(), {"last": 1}, context={"user": "me"})


@case
def messages(t: Types) -> Iterator[Any]:
    """MessagesState, what derives from it, and the reducer by itself."""

    class More(t.MessagesState):
        more: int

    class Formatted(TypedDict):
        messages: Annotated[list[Any], t.add_messages(format="langchain-openai")]

    def talk(state: Any) -> Any:
        return {"messages": [{"role": "assistant", "content": "hi", "id": "2"}], "more": 1}

    def forget(state: Any) -> Any:
        return t.Command(update={"messages": [RemoveMessage(id="1"), ("user", "x")]})

    yield
    from langchain_core.messages import HumanMessage, RemoveMessage

    outcomes = []
    for schema in (t.MessagesState, More, Formatted):
        builder = build({"talk": talk, "forget": forget}, schema)
        builder.add_edge("talk", "forget")
        outcomes.append(type(builder.channels["messages"]).__name__)
        outcomes.append(sorted(builder.channels))
        graph = builder.compile()
        outcomes.append(run(graph, {"messages": HumanMessage("hello", id="1")}))
        outcomes.append(run(graph, {"messages": t.Overwrite([HumanMessage("hello", id="1")])}))
    yield outcomes


@case
def tools(t: Types) -> Iterator[Any]:
    """Tools that return Commands, run by ToolNode."""

    def move() -> Any:
        """Moves."""
        answer = ToolMessage("moved", tool_call_id="c1", name="move", id="9")
        return t.Command(update={"messages": [answer]}, goto="after")

    def leave() -> Any:
        """Leaves."""
        return t.Command(graph=t.Command.PARENT, goto=[t.Send("after", {"messages": []})])

    yield
    from langchain_core.messages import AIMessage, ToolMessage
    from langchain_core.tools import tool
    from langgraph.prebuilt import ToolNode

    outcomes = []
    for name in ("move", "leave"):
        nodes = {"tools": ToolNode([tool(move), tool(leave)]), "after": lambda state: {}}
        call = AIMessage("", id="1", tool_calls=[{"name": name, "args": {}, "id": "c1"}])
        outcomes.append(run(build(nodes, t.MessagesState).compile(), {"messages": [call]}))
    yield outcomes


def main() -> None:
    """Runs every case both ways; prints what differs, as JSON, by case."""
    import lgc

    own = SimpleNamespace(**{name: getattr(lgc, name) for name in NAMES.split()})
    mine = {name: function(own) for name, function in CASES.items()}
    for generator in mine.values():
        next(generator)
    if "langgraph" in sys.modules or "langchain_core" in sys.modules:
        raise SystemExit("langgraph was loaded too early")
    import langgraph.config
    import langgraph.graph.message
    import langgraph.runtime

    theirs = SimpleNamespace(**{name: getattr(lgc, name) for name in NAMES.split()})
    assert theirs.Command is langgraph.types.Command and own.Command is not theirs.Command
    differences: dict[str, Any] = {}
    for name, function in CASES.items():
        other = function(theirs)
        next(other)
        actual, expected = next(mine[name]), next(other)
        differences[name] = None if actual == expected else [str(actual), str(expected)]
    print(json.dumps(differences))


if __name__ == "__main__":
    main()
