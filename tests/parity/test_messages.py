"""The reducers of messages are LangGraph's: results, ids, errors and what becomes of arguments.

So are the ids that messages get which are written to a DeltaChannel.
"""

from __future__ import annotations

import inspect
import operator
import uuid
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Annotated, Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.channels import BinaryOperatorAggregate, DeltaChannel
from langgraph.graph import START, StateGraph
from langgraph.graph.message import _messages_delta_reducer as upstream_delta
from langgraph.graph.message import add_messages as upstream
from langgraph.pregel import _messages as upstream_ids
from langgraph.types import Command, Overwrite
from parity import BOTH, COUNTS, INVOKE, Call, compare
from seeds import from_seeds
from small import wire
from typing_extensions import TypedDict

from lgc.runtime.channels import BinaryOperatorAggregate as Aggregate
from lgc.runtime.channels import DeltaChannel as Delta
from lgc.runtime.channels import ForeignChannel, LastValue, delta_keys
from lgc.runtime.public.messages import (
    REMOVE_ALL_MESSAGES,
    add_messages,
    ensure_message_ids,
    messages_delta_reducer,
)


class OwnMessage(HumanMessage):
    """A user's class of messages."""


class OwnRemoval(RemoveMessage):
    """A user's class of removals."""


class OwnChunk(AIMessageChunk):
    """A user's class of chunks: made into an AIMessageChunk, which stays one."""


class OwnId(HumanMessage):
    """A user's class of messages whose id is computed."""


# Not in the class: pydantic refuses a property there that has the name of an inherited field.
OwnId.id = property(lambda message: message.content or "1")


# What makes the same item anew for each of the two: ids are assigned in place.
Make = Callable[[], Any]

IMAGE = [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aa"}}]

KNOWN = st.sampled_from(["1", "2", "3", "4"])


def objects(*classes: type[BaseMessage]) -> st.SearchStrategy[Make]:
    """Message objects with one of a few ids or none."""
    texts = st.sampled_from(["", "a", "b"])
    return st.tuples(st.sampled_from(classes), texts, KNOWN | st.none()).map(
        lambda given: lambda: given[0](content=given[1], id=given[2])
    )


def removals() -> st.SearchStrategy[Make]:
    """What removes a message, or all."""
    ids = KNOWN | st.just(REMOVE_ALL_MESSAGES)
    return st.tuples(st.sampled_from([RemoveMessage, OwnRemoval]), ids).map(
        lambda given: lambda: given[0](id=given[1])
    )


def items() -> st.SearchStrategy[Make]:
    """Everything that can stand in a list of messages, and some of what cannot."""
    messages = objects(HumanMessage, AIMessage, SystemMessage, OwnMessage, AIMessageChunk)
    rare = st.sampled_from(
        [
            lambda: ("user", "pair"),
            lambda: ("nobody", "pair"),
            lambda: "text",
            lambda: {"role": "assistant", "content": "dict", "id": "2"},
            lambda: {"role": "user", "content": "dict"},
            lambda: {"content": "no role"},
            lambda: ToolMessage("done", tool_call_id="call", id="3"),
            lambda: HumanMessage(IMAGE, id="1"),
            lambda: OwnChunk("chunk", id="4"),
            lambda: 7,
            lambda: None,
        ]
    )
    return st.one_of(messages, messages, messages, messages, removals(), rare)


def sides() -> st.SearchStrategy[Make]:
    """One argument: a list, or something by itself."""
    lists = st.lists(items(), max_size=6).map(lambda makes: lambda: [make() for make in makes])
    return st.one_of(lists, lists, lists, items())


def outcome(merge: Callable[..., Any], left: Any, right: Any, options: dict[str, Any]) -> Any:
    """What the call gave, which of its objects were handed in, and the arguments afterwards."""
    numbers = count(1)
    with patch.object(uuid, "uuid4", lambda: uuid.UUID(int=next(numbers))):
        try:
            result = merge(left, right, **options)
        except Exception as error:
            return type(error), str(error), left, right
    if isinstance(result, partial):
        return result.keywords
    inputs = [item for side in (left, right) for item in _listed(side)]
    assert result is not left and result is not right
    places = [[i for i, item in enumerate(inputs) if item is found] for found in result]
    return [(type(message), message) for message in result], places, left, right


def _listed(side: Any) -> list[Any]:
    return side if isinstance(side, list) else [side]


FORMATS = st.sampled_from([{}, {}, {}, {"format": None}, {"format": "langchain-openai"}])


@from_seeds(
    "messages",
    st.tuples(sides(), sides(), FORMATS | st.just({"format": "other"})),
    examples=500,
)
def test_any_pair(case: tuple[Make, Make, dict[str, Any]]) -> None:
    left, right, options = case
    expected = outcome(upstream, left(), right(), options)
    assert outcome(add_messages, left(), right(), options) == expected
    COUNTS["add_messages calls"] += 1


@given(
    st.lists(
        st.one_of(
            objects(HumanMessage, AIMessage, OwnMessage, OwnId),
            objects(AIMessage, AIMessageChunk),
            removals(),
            st.sampled_from([7, "a"]).map(
                lambda id: lambda: AIMessage.model_construct(content="x", id=id)
            ),
        ),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.integers(0, 7), min_size=1, max_size=10),
    st.lists(st.integers(0, 7), min_size=1, max_size=7),
)
@settings(max_examples=300)
def test_messages_that_stand_in_several_places(
    makes: list[Make], left: list[int], right: list[int]
) -> None:
    """One object may be twice in a side and in both, with an id or without."""
    seen = []
    for merge in (upstream, add_messages):
        pool = [make() for make in makes]
        before, after = ([pool[i % len(pool)] for i in side] for side in (left, right))
        seen.append(outcome(merge, before, after, {}))
    assert seen[1] == seen[0]


@from_seeds("messages_reduced", st.lists(sides(), min_size=2, max_size=5), examples=100)
def test_as_a_reducer(makes: list[Make]) -> None:
    """A history grows write by write, and every result is the next one's left side."""
    seen = []
    for merge in (upstream(format="langchain-openai"), add_messages(format="langchain-openai")):
        found: list[Any] = [[]]
        for make in makes:
            found.append(outcome(merge, found[-1], make(), {}))
            if isinstance(found[-1][0], type):
                break
            found[-1] = [message for _, message in found[-1][0]]
        seen.append(found[1:])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("sides", [(None, [1]), ([1], None), (None, []), ([], None), (None, "")])
def test_one_side_is_none(sides: tuple[Any, Any]) -> None:
    with pytest.raises(ValueError) as expected:
        upstream(*sides)
    with pytest.raises(ValueError) as found:
        add_messages(*sides)
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("_", range(8))
def test_a_class_of_removals_first_met_beside_a_chunk(_: int) -> None:
    """In either order, which differs from class to class."""

    class Fresh(RemoveMessage):
        pass

    right = [OwnChunk("", id="9"), Fresh(id="1")]
    assert [m.id for m in add_messages([HumanMessage("", id="1")], right)] == ["9"]


def test_many_messages_at_once() -> None:
    history = [AIMessage("x", id=str(i % 900)) for i in range(1000)]
    more = [RemoveMessage(id="7"), AIMessage("y", id="8"), HumanMessage("z", id="new")]
    assert add_messages(history, more) == upstream(history, more)
    assert add_messages([], history) == upstream([], history)


def test_langgraph_takes_it_for_a_reducer() -> None:
    """Bare and with options; it looks at the signature."""

    class State(TypedDict):
        bare: Annotated[list[BaseMessage], add_messages]
        formatted: Annotated[list[BaseMessage], add_messages(format="langchain-openai")]

    channels = StateGraph(State).channels
    assert all(isinstance(channel, BinaryOperatorAggregate) for channel in channels.values())
    names = list(inspect.signature(add_messages).parameters)
    assert names[:2] == list(inspect.signature(upstream).parameters)[:2] == ["left", "right"]


# -- DeltaChannel ------------------------------------------------------------------------------


def histories() -> st.SearchStrategy[Make]:
    """The state of a reducer that keeps messages: of messages, mostly."""
    odd = st.sampled_from([lambda: [{"role": "user", "content": "x"}], lambda: None, lambda: ()])
    return sides() | odd


@from_seeds("messages_delta", st.tuples(histories(), st.lists(sides(), max_size=4)), examples=500)
def test_delta_reducer(case: tuple[Make, list[Make]]) -> None:
    state, writes = case
    found = [
        outcome(reduce, state(), [make() for make in writes], {})
        for reduce in (upstream_delta, messages_delta_reducer)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("writes", [2, 1])
def test_delta_reducer_removes_all_before_the_newest_such_message(writes: int) -> None:
    old, dropped, kept = (HumanMessage("x", id=id) for id in ("old", "dropped", "kept"))
    clear = RemoveMessage(id=REMOVE_ALL_MESSAGES)
    batch = [[dropped, clear, dropped, clear, kept], kept][:writes]
    assert messages_delta_reducer([old], batch) == upstream_delta([old], batch) == [kept]


def written() -> st.SearchStrategy[Make]:
    """What a node may write to a DeltaChannel, messages and others."""
    dicts = [
        {"role": "user", "content": "x"},
        {"role": "user", "content": "x", "id": ""},
        {"role": "user", "content": "x", "id": "4"},
        {"type": "ai", "content": "x"},
        {"type": "remove", "id": "1"},
        {"type": "human"},
        {"role": "owner", "content": "x"},
        {"role": ["list"]},
        {"id": "5"},
        {},
    ]
    looks = st.sampled_from(dicts).map(lambda given: lambda: dict(given))
    empty = st.just(lambda: HumanMessage("no id", id=""))
    one = st.one_of(items(), looks, empty)
    lists = st.lists(one, max_size=4).map(lambda makes: lambda: [make() for make in makes])
    tuples = lists.map(lambda make: lambda: tuple(make()))
    plain = st.one_of(one, lists, lists, tuples)
    return st.one_of(
        plain,
        plain,
        plain.map(lambda make: lambda: Overwrite(make())),
        plain.map(lambda make: lambda: {"__overwrite__": make()}),
        plain.map(lambda make: lambda: {"type": "__overwrite__", "value": make()}),
    )


class OwnDelta(DeltaChannel):
    """A user's class of DeltaChannels."""


def _joined(old: list[Any], writes: list[Any]) -> list[Any]:
    return [*old, *writes]


_SPECS = {
    "messages": DeltaChannel(upstream_delta),
    "own messages": OwnDelta(upstream_delta),
    "data": DeltaChannel(_joined),
    "own data": OwnDelta(_joined),
    "plain": BinaryOperatorAggregate(list, operator.add),
}
_KEYS = delta_keys(
    [
        Delta("messages", list, messages_delta_reducer),
        ForeignChannel("own messages", _SPECS["own messages"]),
        Delta("data", list, _joined),
        ForeignChannel("own data", _SPECS["own data"]),
        Aggregate("plain", list, operator.add),
        LastValue("unknown"),
    ]
)


@from_seeds(
    "messages_ids",
    st.lists(st.tuples(st.sampled_from([*_SPECS, "unknown"]), written()), max_size=4),
    examples=500,
)
def test_ids_of_what_is_written(drawn: list[tuple[str, Make]]) -> None:
    """The writes afterwards, which of their objects stay, and what was drawn in which order."""
    seen = []
    for stamp in (
        partial(upstream_ids.ensure_message_ids, _SPECS),
        partial(_swapped, ensure_message_ids, _KEYS),
    ):
        given = [(key, make()) for key, make in drawn]
        writes = list(given)
        numbers = count(1)

        def draw(numbers: Any = numbers) -> uuid.UUID:
            return uuid.UUID(int=next(numbers))

        failed = None
        with patch.object(uuid, "uuid4", draw), patch.object(upstream_ids, "uuid4", draw):
            try:
                stamp(writes)
            except Exception as error:
                failed = type(error), str(error)
        same = [after is before for after, before in zip(writes, given, strict=True)]
        seen.append((failed, writes, [type(value) for _, value in writes], same, given))
    assert seen[1] == seen[0]
    COUNTS["batches of writes with messages"] += 1


def _swapped(stamp: Callable[..., None], keys: Any, writes: Any) -> None:
    stamp(writes, keys)


def _message_writes() -> list[tuple[str, Make]]:
    return [
        ("object", lambda: HumanMessage("x")),
        ("list", lambda: [HumanMessage("x"), AIMessage("y", id="1")]),
        ("dicts", lambda: [{"role": "user", "content": "x"}, {"type": "ai", "content": "y"}]),
        ("pair", lambda: ("user", "x")),
        ("text", lambda: "x"),
        ("removal", lambda: RemoveMessage(id="first")),
        ("overwrite", lambda: Overwrite([HumanMessage("x"), {"role": "user", "content": "y"}])),
        ("malformed", lambda: [{"role": "user"}]),
        ("no message", lambda: [7]),
        ("nothing", lambda: []),
    ]


@pytest.mark.parametrize("reducer", [upstream_delta, _joined], ids=["messages", "data"])
@pytest.mark.parametrize("write", [name for name, _ in _message_writes()])
@pytest.mark.parametrize("where", ["node", "input", "command", "failing router"])
def test_ids_in_a_graph(reducer: Any, write: str, where: str) -> None:
    """The same in the node's chunk, in the state, and in the object that was written."""
    make = dict(_message_writes())[write]

    keys = {"x": Annotated[list, DeltaChannel(reducer)]}

    def build(log: Any) -> Any:
        kept: list[Any] = []

        def node(state: Any) -> Any:
            log.note("a", "state", _ids(state["x"]))
            kept.append(make())
            update = {"x": kept[-1]} if where != "input" else {}
            return Command(update=update) if where == "command" else update

        def route(state: Any) -> str:
            log.note("a", "route", _ids(state["x"]))
            if where == "failing router":
                raise LookupError("router")
            return "b"

        def after(state: Any) -> Any:
            log.note("b", "state", _ids(state["x"]))
            log.note("b", "written", _ids(kept[-1]))

        return wire(TypedDict("State", keys), {"a": node, "b": after}, (START, "a"), ("a", route))

    given = {"x": make() if where == "input" else [HumanMessage("first", id="first")]}
    compare(build, given, None, INVOKE, BOTH, Call("stream", (("stream_mode", "updates"),), 1))


def _ids(value: Any) -> Any:
    """A value with the ids of its messages, and which of them were drawn."""
    if isinstance(value, (list, tuple)):
        return [_ids(item) for item in value]
    if isinstance(value, Overwrite):
        return ["overwrite", _ids(value.value)]
    if isinstance(value, BaseMessage):
        drawn = value.id is not None and len(value.id) == 36
        return [type(value).__name__, value.content, "drawn" if drawn else value.id]
    return value if not isinstance(value, dict) else {k: v for k, v in value.items() if k != "id"}
