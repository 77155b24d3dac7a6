"""Builds a StateGraph from a `GraphSpec`, and the nodes and routers that do what it says."""

from __future__ import annotations

import asyncio
import copy
import inspect
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, make_dataclass
from functools import partial
from typing import Any, Literal, TypedDict

from channel_kinds import KINDS
from gates import Gate
from graph_spec import (
    HIDDEN,
    STRAY,
    Act,
    GraphSpec,
    NodeSpec,
    Order,
    Replace,
    RouterSpec,
    Sent,
    is_field,
)
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.config import get_config, get_stream_writer
from langgraph.graph import StateGraph
from langgraph.types import Command, Send
from parity import Log, comparable_config
from pydantic import create_model

from lgc.runtime.public import commands as own

_MARK: ContextVar[str] = ContextVar("mark", default="clean")
"""Every node and router sets it, and must not see what another one set."""
_LAST_SEND = 4
"""The superstep after which nodes and routers send no more, so that every run is small."""
_SENDS_AGAIN = 9
"""The superstep at which they send again, because a thread has many runs."""
_PAUSE = 0.01
"""Seconds that a failing task waits, so that its siblings have finished."""


def build(spec: GraphSpec, log: Log, gate: Gate | None = None) -> StateGraph[Any, Any, Any, Any]:
    """A new builder, which shares nothing with another one of the same `spec`.

    Args:
        spec: the graph.
        log: where nodes and routers note what they see.
        gate: where they wait; by default nowhere.
    """
    built = _Built(spec, log, gate or Gate())
    types = {key: KINDS[kind][0]() for key, kind in spec.keys}
    if spec.hidden:
        types[HIDDEN] = KINDS[spec.hidden][0]()

    def schema(name: str, keys: Sequence[str], flavor: str = "typed") -> Any:
        if "__root__" in types:
            return types["__root__"]
        return _schema(name, {key: types[key] for key in keys}, flavor)

    builder = StateGraph(
        schema("State", [key for key, _ in spec.keys], spec.flavor),
        _schema("Context", {"user": str, "n": int}, spec.context) if spec.context else None,
        input_schema=schema("Input", spec.inputs) if spec.inputs else None,
        output_schema=schema("Output", spec.outputs) if spec.outputs else None,
    )
    for node in spec.nodes:
        reads = schema(f"Reads{len(node.name)}", node.reads, node.flavor) if node.reads else None
        builder.add_node(
            node.name,
            _node(node, reads, built),
            defer=node.defer,
            input_schema=reads if node.body in NO_HINTS else None,
            destinations=node.ends if node.ends and not node.annotated else None,
        )
    for start, end in spec.edges:
        builder.add_edge(start, end)
    for starts, end in spec.joins:
        builder.add_edge(list(starts), end)
    for number, router in enumerate(spec.routers):
        reads = schema(f"Routes{number}", router.reads, router.flavor) if router.reads else None
        path = _router(router, f"route_{number}", reads, built)
        builder.add_conditional_edges(router.source, path, router.ends)
    return builder


def _schema(name: str, types: dict[str, Any], flavor: str) -> Any:
    if flavor == "typed" or not all(map(is_field, types)):
        return TypedDict(name, types)  # type: ignore[operator]
    if flavor == "dataclass":
        return make_dataclass(name, [(k, t, field(default=None)) for k, t in types.items()])
    required = flavor == "required"
    fields: dict[str, Any] = {k: (t, ... if required else None) for k, t in types.items()}
    return create_model(name, **fields)


_INJECTED = {"config": RunnableConfig}
NO_HINTS = ("partial", "lambda", "sequence", "generator", "returns runnable", "dict")
OF_RUNNABLES = ("lambda", "sequence", "generator")


def _signed(
    function: Any, reads: Any, wants: Sequence[str], returns: Any = None, bound: bool = False
) -> Any:
    """`function(state, **injected)` with the signature of one that asks for `wants` by name."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    annotations = {"state": reads, "return": returns, **{w: _INJECTED.get(w) for w in wants}}
    function.__annotations__ = {k: v for k, v in annotations.items() if v is not None}
    empty = inspect.Parameter.empty
    function.__signature__ = inspect.Signature(
        [
            inspect.Parameter(name, kind, annotation=function.__annotations__.get(name, empty))
            for name in (*(("self",) if bound else ()), "state", *wants)
            if name != "ambient"
        ]
    )
    return function


def _note(log: Log, who: str, state: Any, injected: dict[str, Any], wants: Sequence[str]) -> None:
    log.note(who, "state", state)
    log.note(who, "mark", _MARK.get())
    _MARK.set(who)
    for name, value in injected.items():
        log.note(who, name, comparable_config(value) if name == "config" else value)
        if name == "writer":
            value(_chunk(who, 1))
            value(_chunk(who, 2))
        if name == "runtime":
            value.stream_writer(_chunk(who, 3))
    if "ambient" in wants:
        log.note(who, "ambient", comparable_config(get_config()))
        get_stream_writer()(_chunk(who, 4))


def _chunk(who: str, number: int) -> dict[str, Any]:
    """What a node or router writes to the stream."""
    return {"custom": who, "step": get_config()["metadata"].get("langgraph_step"), "n": number}


@dataclass(frozen=True)
class _Built:
    """What the nodes and routers of one builder share."""

    graph: GraphSpec
    log: Log
    gate: Gate


@dataclass(frozen=True)
class _Turn:
    """One call of a node or router.

    Attributes:
        who: its name in the log and at the gate.
        number: which of its acts it does.
        may_fail, may_send: whether it may.
    """

    who: str
    number: int
    may_fail: bool = True
    may_send: bool = True


def _turn(log: Log, who: str, by_step: bool) -> _Turn:
    """Which call of `who` this is.

    Tasks of one node that run at once must not count each other: they go by their path.
    One task of a superstep fails at most, because which failure is reported is chance.
    """
    if not by_step:
        return _Turn(who, log.visits(who, "state"))
    metadata = get_config()["metadata"]
    # An update of a state runs routers outside of any superstep.
    step = metadata.get("langgraph_step", 0)
    path = metadata.get("langgraph_path", ("update",))
    pushed = path[0] == "__pregel_push"
    number = step + (path[1] if pushed else 0)
    may_fail = path[1] == 0 if pushed and step % 2 else not pushed and not step % 2
    return _Turn(f"{who} {step} {path}", number, may_fail, step % _SENDS_AGAIN <= _LAST_SEND)


class _Work:
    """What a node or router does each time it is called, on the loop or in a thread.

    It waits at the gate before it does what others can see, and again before it returns.
    """

    def __init__(self, spec: NodeSpec | RouterSpec, name: str, built: _Built) -> None:
        self.spec = spec
        self.name = name
        self.built = built

    def __call__(self, state: Any, injected: dict[str, Any]) -> Any:
        turn = _turn(self.built.log, self.name, self.built.graph.by_step)
        gate = self.built.gate
        gate.block(f"{turn.who} begins")
        end = self.begin(turn, state, injected)
        if self.fails(turn) and self.built.graph.saved and gate.is_open:
            time.sleep(_PAUSE)
        gate.block(f"{turn.who} ends")
        return end()

    async def on_loop(self, state: Any, injected: dict[str, Any]) -> Any:
        """As `__call__`, in an async function."""
        turn = _turn(self.built.log, self.name, self.built.graph.by_step)
        gate = self.built.gate
        await gate.wait(f"{turn.who} begins")
        end = self.begin(turn, state, injected)
        for _ in range(self.spec.suspends):
            await asyncio.sleep(0)
        await gate.wait(f"{turn.who} ends")
        return end()

    def begin(self, turn: _Turn, state: Any, injected: dict[str, Any]) -> Callable[[], Any]:
        """Notes what is seen and asks; what it returns gives the result, or fails."""
        raise NotImplementedError

    def fails(self, turn: _Turn) -> bool:
        """Whether the fault of the spec comes now."""
        raise NotImplementedError


class _NodeWork(_Work):
    spec: NodeSpec

    def begin(self, turn: _Turn, state: Any, injected: dict[str, Any]) -> Callable[[], Any]:
        """As `_Work.begin`."""
        spec, log = self.spec, self.built.log
        done = spec.acts[turn.number % len(spec.acts)]
        if self.fails(turn):
            assert spec.fault is not None
            done = spec.fault
        _note(log, turn.who, state, injected, spec.wants)
        for ask in spec.asks:
            log.note(turn.who, "answer", ask.put())
        return lambda: perform(done, spec.name, state, turn.may_send)

    def fails(self, turn: _Turn) -> bool:
        """As `_Work.fails`."""
        is_due = turn.may_fail and (turn.number or len(self.spec.acts) == 1)
        return self.spec.fault is not None and bool(is_due)


class _RouterWork(_Work):
    spec: RouterSpec

    def begin(self, turn: _Turn, state: Any, injected: dict[str, Any]) -> Callable[[], Any]:
        """As `_Work.begin`."""
        spec = self.spec
        _note(self.built.log, turn.who, state, injected, spec.wants)
        returned = spec.returns[turn.number % len(spec.returns)]
        if self.fails(turn) and spec.fault is not None:
            returned = spec.fault[0]
        return lambda: self._end(turn, returned)

    def _end(self, turn: _Turn, returned: Any) -> Any:
        if self.spec.fails and turn.may_fail:
            raise LookupError(f"{self.name} fails")
        may_send = turn.may_send
        if isinstance(returned, tuple):
            return [item for item in real([*returned], may_send) if may_send or item is not None]
        return real(returned, may_send) or ([] if isinstance(returned, Sent) else returned)

    def fails(self, turn: _Turn) -> bool:
        """As `_Work.fails`."""
        spec = self.spec
        is_due = spec.fails or (spec.fault is not None and (turn.number or len(spec.returns) == 1))
        return turn.may_fail and bool(is_due)


def _node(spec: NodeSpec, reads: Any, built: _Built) -> Any:
    work = _NodeWork(spec, spec.name, built)
    returns = Command[Literal[spec.ends]] if spec.annotated else None  # type: ignore[valid-type]
    is_bound = spec.body in ("method", "callable")
    node = _signed(_function(work, is_bound), reads, spec.wants, returns, is_bound)
    if spec.body == "partial":
        return partial(node)
    if spec.body == "lambda":
        return RunnableLambda(node)
    if spec.body == "sequence":
        return RunnableLambda(lambda state: state) | RunnableLambda(node) | (lambda output: output)
    if spec.body == "returns runnable":
        return _returning(RunnableLambda(node), spec.is_async)
    if spec.body == "generator":
        return _signed(_generator(work), None, spec.wants)
    if spec.body == "dict":
        return {key: _constant(value, spec.is_async) for key, value in spec.acts[0].writes}
    if spec.body == "callable":
        return type("Callable", (), {"__call__": node})()
    if spec.body == "method":
        return type("Holder", (), {"method": node})().method
    return node


def _function(work: _Work, is_bound: bool = False) -> Any:
    """A function, or an async one, that does the work; a bound one takes `self` before."""

    def node(state: Any, **injected: Any) -> Any:
        return work(state, injected)

    async def anode(state: Any, **injected: Any) -> Any:
        return await work.on_loop(state, injected)

    def method(self: Any, state: Any, **injected: Any) -> Any:
        return work(state, injected)

    async def amethod(self: Any, state: Any, **injected: Any) -> Any:
        return await work.on_loop(state, injected)

    if is_bound:
        return amethod if work.spec.is_async else method
    return anode if work.spec.is_async else node


def _generator(work: _Work) -> Any:
    def generate(state: Any, **injected: Any) -> Any:
        yield {STRAY: 0}
        yield work(state, injected)

    async def agenerate(state: Any, **injected: Any) -> Any:
        yield {STRAY: 0}
        yield await work.on_loop(state, injected)

    return agenerate if work.spec.is_async else generate


def _returning(runnable: Any, is_async: bool) -> Any:
    async def areturning(state: Any) -> Any:
        return runnable

    return areturning if is_async else lambda state: runnable


def _constant(value: Any, is_async: bool) -> Callable[[Any], Any]:
    async def aconstant(state: Any) -> Any:
        return real(value)

    return aconstant if is_async else lambda state: real(value)


def real(value: Any, may_send: bool = True) -> Any:
    """What a node writes for `value` of a spec: a new object each time."""
    if isinstance(value, Replace):
        return value.written()
    if isinstance(value, Sent):
        send = (own.Send if value.own else Send)(value.node, copy.deepcopy(value.arg))
        return send if may_send else None
    if isinstance(value, Order):
        return _command(value, may_send)
    if isinstance(value, list):
        return [real(item, may_send) for item in value]
    return copy.deepcopy(value)


def _command(order: Order, may_send: bool) -> Any:
    update: Any = None
    if order.writes is not None:
        pairs = [(key, real(value, may_send)) for key, value in order.writes]
        if order.form == "dict":
            update = dict(pairs)
        elif order.form == "pairs":
            update = pairs
        elif order.form == "value":
            update = "no state"
        else:
            named = {key: value for key, value in pairs if is_field(key)}
            update = make_dataclass("Update", named)(**named)
    goto = order.goto
    if isinstance(goto, tuple):
        goto = [target for item in goto if (target := real(item, may_send)) is not None]
    else:
        goto = real(goto, may_send) or ()
    if not may_send:
        goto = ()
    cls = own.Command if order.own else Command
    return cls(graph=order.graph, update=update, goto=goto)


def perform(act: Act, name: str, state: Any, may_send: bool = True) -> Any:
    if act.kind == "raise":
        raise ValueError(f"{name} fails") from KeyError("deeper")
    if act.kind == "cancel":
        raise asyncio.CancelledError(name)
    if act.kind == "mutate":
        fields = state if isinstance(state, dict) else getattr(state, "__dict__", {"": state})
        for value in fields.values():
            if isinstance(value, list):
                value.append(name)
    if act.kind == "value":
        return real(act.value, may_send)
    written = {key: real(value, may_send) for key, value in act.writes}
    plainly_named = {key: value for key, value in written.items() if is_field(key)}
    if act.kind == "dataclass":
        return make_dataclass("Made", plainly_named)(**plainly_named)
    if act.kind == "model":
        fields = {k: (Any, None) for k in (*plainly_named, "items")}
        return create_model("Made", **fields)(**plainly_named)
    if act.kind == "annotated":
        annotations = dict.fromkeys(written, Any)
        update = type("Made", (), {"__annotations__": annotations, "__repr__": lambda _: "Made"})()
        vars(update).update(written)
        return update
    return written


def _router(spec: RouterSpec, name: str, reads: Any, built: _Built) -> Any:
    work = _RouterWork(spec, f"{spec.source}?{name}", built)
    route = _function(work)
    route.__name__ = name
    returns = Literal[spec.literal] if spec.literal else None
    return _signed(route, reads, spec.wants, returns)
