"""A config that addresses more than a thread: checkpoint_ns, checkpoint_id, checkpoint_map.

Every state method and every run is given every combination, under both engines, on a thread
that other namespaces hold checkpoints of, too (spec §4.1, §6).
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from async_twins import CALLERS, itself
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, StateUpdate, interrupt
from parity import comparable, difference, failure, pinned
from threads import ours, readable, stored, upstream
from typing_extensions import TypedDict

THREAD = "t"

NAMESPACES = ("a", "a:8b5c", "zz|1|b:8b5c")
"""Where the thread has checkpoints beside its own; no subgraph is called so."""


class State(TypedDict):
    """One reduced key."""

    log: Annotated[list[str], operator.add]


def _build() -> StateGraph[Any, Any, Any, Any]:
    builder = StateGraph(State)
    builder.add_node("z", lambda state: {"log": ["z"]})
    builder.add_node("a", lambda state: {"log": ["a"]})
    builder.add_node("b", lambda state: {"log": [interrupt("?")]})
    builder.add_edge(START, "z")
    builder.add_edge("z", "a")
    builder.add_edge("a", "b")
    return builder


def _id(saver: Any, at: int) -> str:
    own = {"configurable": {"thread_id": THREAD, "checkpoint_ns": ""}}
    newest: str = list(saver.list(own))[at].config["configurable"]["checkpoint_id"]
    return newest


CONFIGS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "none": lambda saver: {},
    "empty": lambda saver: {"checkpoint_ns": ""},
    "null": lambda saver: {"checkpoint_ns": None},
    "wrong": lambda saver: {"checkpoint_ns": "nowhere"},
    "node": lambda saver: {"checkpoint_ns": "a"},
    "task": lambda saver: {"checkpoint_ns": "a:8b5c"},
    "deep": lambda saver: {"checkpoint_ns": "zz|1|b:8b5c"},
    "separator": lambda saver: {"checkpoint_ns": "|"},
    "digits": lambda saver: {"checkpoint_ns": "1"},
    "no text": lambda saver: {"checkpoint_ns": 5},
    "id": lambda saver: {"checkpoint_id": _id(saver, 1)},
    "null id": lambda saver: {"checkpoint_id": None},
    "empty id": lambda saver: {"checkpoint_id": ""},
    "unknown id": lambda saver: {"checkpoint_id": "1ef00000-0000-6000-8000-000000000000"},
    "empty and id": lambda saver: {"checkpoint_ns": "", "checkpoint_id": _id(saver, 1)},
    "node and id": lambda saver: {"checkpoint_ns": "a", "checkpoint_id": _id(saver, 1)},
    "wrong and id": lambda saver: {"checkpoint_ns": "nowhere", "checkpoint_id": _id(saver, 1)},
    "node and unknown id": lambda saver: {
        "checkpoint_ns": "a",
        "checkpoint_id": "1ef00000-0000-6000-8000-000000000000",
    },
    "map": lambda saver: {"checkpoint_map": {"": _id(saver, 1)}},
    "empty and map": lambda saver: {"checkpoint_ns": "", "checkpoint_map": {"": _id(saver, 1)}},
    "node and map": lambda saver: {
        "checkpoint_ns": "a",
        "checkpoint_map": {"": _id(saver, 1), "a": _id(saver, 2)},
    },
    "map of others": lambda saver: {"checkpoint_ns": "", "checkpoint_map": {"x": _id(saver, 2)}},
    "map and id": lambda saver: {
        "checkpoint_ns": "",
        "checkpoint_id": _id(saver, 0),
        "checkpoint_map": {"": _id(saver, 2)},
    },
    "lent": lambda saver: {"checkpoint_ns": "a", "__pregel_checkpointer": saver},
    "lent, deep": lambda saver: {"checkpoint_ns": "zz|1|b:8b5c", "__pregel_checkpointer": saver},
    "lent, wrong": lambda saver: {"checkpoint_ns": "nowhere", "__pregel_checkpointer": saver},
    "lent, id": lambda saver: {
        "checkpoint_ns": "a",
        "checkpoint_id": _id(saver, 1),
        "__pregel_checkpointer": saver,
    },
    "no thread": lambda saver: {"thread_id": None},
    "number": lambda saver: {"thread_id": 7},
}

Method = Callable[[Any, Any, Any], Any]


def _history(**options: Any) -> Method:
    def call(graph: Any, config: Any, saver: Any) -> Any:
        chosen = dict(options)
        if "before" in chosen:
            before = {"thread_id": THREAD, **chosen["before"], "checkpoint_id": _id(saver, 1)}
            chosen["before"] = {"configurable": before}
        return list(graph.get_state_history(config, **chosen))

    return call


STATE: dict[str, Method] = {
    "get_state": lambda graph, config, saver: graph.get_state(config),
    "get_state(subgraphs)": lambda graph, config, saver: graph.get_state(config, subgraphs=True),
    "history": _history(),
    "history(limit)": _history(limit=1),
    "history(limit=0)": _history(limit=0),
    "history(filter)": _history(filter={"source": "loop"}),
    "history(before)": _history(before={}),
    "history(before in a namespace)": _history(before={"checkpoint_ns": "a"}),
    "update_state": lambda graph, config, saver: graph.update_state(config, {"log": ["u"]}, "a"),
    "update_state(copy)": lambda graph, config, saver: graph.update_state(config, None, "__copy__"),
    "update_state(end)": lambda graph, config, saver: graph.update_state(config, None, "__end__"),
    "bulk_update_state": lambda graph, config, saver: graph.bulk_update_state(
        config,
        [
            [StateUpdate({"log": ["u"]}, "a"), StateUpdate({"log": ["v"]}, "b")],
            [StateUpdate({"log": ["w"]}, "b")],
        ],
    ),
    "bulk_update_state()": lambda graph, config, saver: graph.bulk_update_state(config, []),
}

METHODS: dict[str, Method] = {
    **STATE,
    "invoke": lambda graph, config, saver: graph.invoke({"log": ["i"]}, config),
    "invoke(None)": lambda graph, config, saver: graph.invoke(None, config),
    "invoke(resume)": lambda graph, config, saver: graph.invoke(Command(resume="r"), config),
    "invoke(exit)": lambda graph, config, saver: graph.invoke(
        {"log": ["i"]}, config, durability="exit"
    ),
    "stream": lambda graph, config, saver: list(
        graph.stream({"log": ["i"]}, config, stream_mode=["checkpoints", "tasks", "values"])
    ),
    "stream(resume)": lambda graph, config, saver: list(
        graph.stream(Command(resume="r"), config, stream_mode=["debug", "updates"])
    ),
}


METHODS_AND_CALLERS = [
    (method, caller)
    for caller in CALLERS
    for method in METHODS
    if caller is itself or method in STATE
]


def _observed(
    engine: Any, call: tuple[Method, Any], chosen: Callable[[Any], dict[str, Any]], bound: Any
) -> dict[str, Any]:
    """What a call shows under an engine, and what the saver holds after it.

    Args:
        call: the method, and one of `async_twins.CALLERS`.
        chosen: the config.
        bound: the config the graph was bound to, or None.
    """
    method, caller = call
    saver = InMemorySaver()
    result = error = None
    with pinned() as later:
        graph = engine(lambda log: _build(), [], saver, {})
        if bound:
            graph.config = copy.copy(bound)
        graph.invoke({"log": ["s"]}, {"configurable": {"thread_id": THREAD}})
        _plant(saver)
        configurable = {"thread_id": THREAD, **chosen(saver)}
        config = {"configurable": configurable}
        before = copy.copy(configurable)
        later()
        try:
            result = comparable(method(caller(graph), config, saver))
        except Exception as exc:
            error = failure(exc)
            error["context"] = None
        changed = before != configurable
        rows = readable(stored(saver), saver)
    return {
        "result": result,
        "error": error,
        "config": comparable(config),
        "changed": changed,
        "rows": rows,
    }


def _plant(saver: InMemorySaver) -> None:
    """Gives the thread's checkpoints to other namespaces, too."""
    for namespace in NAMESPACES:
        saver.storage[THREAD][namespace] = dict(saver.storage[THREAD][""])
        for (thread, own, made), writes in list(saver.writes.items()):
            if own == "":
                saver.writes[thread, namespace, made] = dict(writes)
        for (thread, own, channel, version), blob in list(saver.blobs.items()):
            if own == "":
                saver.blobs[thread, namespace, channel, version] = blob


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize(("method", "caller"), METHODS_AND_CALLERS)
def test_a_config_addresses_what_it_does_under_langgraph(
    method: str, caller: Any, config: str
) -> None:
    """Whatever it says of namespaces and checkpoints, and whatever method it is given."""
    call, chosen = (METHODS[method], caller), CONFIGS[config]
    expected = _observed(upstream, call, chosen, None)
    actual = _observed(ours, call, chosen, None)
    if config == "id" and method in ("update_state", "update_state(end)", "bulk_update_state"):
        # The namespace that is not named is the root's (docs/differences.md).
        assert expected["error"]["text"] == "'checkpoint_ns'"
        expected = _observed(upstream, call, CONFIGS["empty and id"], None)
        del expected["config"], actual["config"]
    found = difference(expected, actual)
    assert found is None, found


BOUND = {
    "configurable": {"thread_id": THREAD, "checkpoint_ns": "a", "own": 1},
    "metadata": {"team": "x"},
    "tags": ["bound"],
    "recursion_limit": 50,
}


@pytest.mark.parametrize("config", ["none", "empty", "null", "wrong", "id", "empty and id", "lent"])
@pytest.mark.parametrize(("method", "caller"), METHODS_AND_CALLERS)
def test_a_bound_config_is_merged_as_under_langgraph(method: str, caller: Any, config: str) -> None:
    """What the graph was bound to stands behind what the caller says."""
    call, chosen = (METHODS[method], caller), CONFIGS[config]
    expected = _observed(upstream, call, chosen, BOUND)
    found = difference(expected, _observed(ours, call, chosen, BOUND))
    assert found is None, found
