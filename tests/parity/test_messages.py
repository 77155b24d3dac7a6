"""`add_messages` is LangGraph's: results, ids, errors and what happens to its arguments."""

from __future__ import annotations

import inspect
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
from langgraph.channels import BinaryOperatorAggregate
from langgraph.graph import StateGraph
from langgraph.graph.message import add_messages as upstream
from parity import COUNTS
from typing_extensions import TypedDict

from lgc.runtime.messages import REMOVE_ALL_MESSAGES, add_messages


class OwnMessage(HumanMessage):
    """A user's class of messages."""


class OwnRemoval(RemoveMessage):
    """A user's class of removals."""


class OwnChunk(AIMessageChunk):
    """A user's class of chunks: made into an AIMessageChunk, which stays one."""


# What makes the same item anew for each of the two: ids are assigned in place.
Make = Callable[[], Any]

IMAGE = [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aa"}}]


def items() -> st.SearchStrategy[Make]:
    """Everything that can stand in a list of messages, and some of what cannot."""
    known = st.sampled_from(["1", "2", "3", "4"])
    ids = known | st.none()
    texts = st.sampled_from(["", "a", "b"])
    classes = st.sampled_from([HumanMessage, AIMessage, SystemMessage, OwnMessage, AIMessageChunk])
    messages = st.tuples(classes, texts, ids).map(
        lambda given: lambda: given[0](content=given[1], id=given[2])
    )
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
    removals = st.tuples(
        st.sampled_from([RemoveMessage, OwnRemoval]),
        known | st.sampled_from([REMOVE_ALL_MESSAGES]),
    ).map(lambda given: lambda: given[0](id=given[1]))
    return st.one_of(messages, messages, messages, messages, removals, rare)


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


@settings(max_examples=1500)
@given(sides(), sides(), FORMATS | st.just({"format": "other"}))
def test_any_pair(left: Make, right: Make, options: dict[str, Any]) -> None:
    expected = outcome(upstream, left(), right(), options)
    assert outcome(add_messages, left(), right(), options) == expected
    COUNTS["add_messages calls"] += 1


@settings(max_examples=100)
@given(st.lists(sides(), min_size=2, max_size=5))
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
