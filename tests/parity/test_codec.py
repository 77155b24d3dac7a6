"""lgc's Serializer against JsonPlusSerializer: the same bytes, objects and errors."""

from __future__ import annotations

import collections
import json
import logging
import os
import pickle
import random
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import ormsgpack
import payloads
import pytest
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde import _msgpack as upstream_lists
from langgraph.checkpoint.serde.event_hooks import register_serde_event_listener
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import StateGraph
from langgraph.types import Command, Send, interrupt
from parity import COUNTS
from payloads import shape
from seeds import from_seeds
from typing_extensions import TypedDict

from lgc.runtime.public.wrapped_values import Snapshot
from lgc.runtime.serde import allowlist
from lgc.runtime.serde import serializer as codec
from lgc.runtime.serde.serializer import Serializer

MINE = Serializer()
THEIRS = JsonPlusSerializer()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Every class of a test is unregistered; the warnings have a test of their own."""
    caplog.set_level(logging.CRITICAL, "langgraph.checkpoint.serde.jsonplus")


def outcome(function: Callable[[Any], Any], argument: Any) -> Any:
    """What a function gives, or the class of its error."""
    try:
        return ("gives", function(argument))
    except (TypeError, ValueError) as error:
        return ("refuses", TypeError if isinstance(error, TypeError) else ValueError)


def agree(value: Any) -> bool:
    """Asserts that both write `value` alike and read what they wrote alike.

    Returns:
        Whether they wrote it; otherwise both refused it.
    """
    theirs, mine = outcome(THEIRS.dumps_typed, value), outcome(MINE.dumps_typed, value)
    assert mine == theirs
    if theirs[0] == "refuses":
        COUNTS["values refused alike"] += 1
        return False
    tag, data = theirs[1]
    assert type(mine[1][1]) is type(data)
    found, wanted = MINE.loads_typed((tag, data)), THEIRS.loads_typed((tag, data))
    if len(data) > 10_000:
        assert found == wanted
    else:
        assert shape(found) == shape(wanted)
    COUNTS["values encoded and decoded alike"] += 1
    return True


def wrapped(value: Any, times: int, around: Callable[[Any], Any]) -> Any:
    for _ in range(times):
        value = around(value)
    return value


# --- the same bytes and the same objects ---


@pytest.mark.usefixtures("packer")
@pytest.mark.parametrize("kind", payloads.KINDS)
def test_every_kind(kind: str) -> None:
    for value in payloads.KINDS[kind]:
        agree(value)
        agree([{"k": value}, (value,)])
        agree(payloads.Plain(value, [value]))


@pytest.mark.usefixtures("packer")
@pytest.mark.parametrize("kind", payloads.KINDS)
def test_every_key(kind: str) -> None:
    for key in filter(payloads.hashable, payloads.KINDS[kind]):
        agree({key: 1})
        agree({"a": [{key: key}]})
        agree({(key, 1): 2})
        agree({((key,),): 1})
        agree({1: [key], "k": 2})
        agree(payloads.Plain({key: {key}}))


@from_seeds("values", st.lists(payloads.values, min_size=25, max_size=25), examples=25)
def test_any_values(values: list[Any]) -> None:
    for value in values:
        agree(value)


@pytest.mark.usefixtures("packer")
@from_seeds(
    "values_packers",
    st.lists(payloads.values, min_size=25, max_size=25),
    examples=20,
    by_itself=False,
)
def test_any_values_over_both_packers(values: list[Any]) -> None:
    for value in values:
        agree(value)


@pytest.mark.usefixtures("packer")
@pytest.mark.parametrize(("mine", "theirs"), payloads.OWN)
def test_own_classes_are_written_as_langgraphs(mine: Any, theirs: Any) -> None:
    written = MINE.dumps_typed([mine])
    assert written == MINE.dumps_typed([theirs]) == THEIRS.dumps_typed([theirs])
    assert shape(MINE.loads_typed(written)) == shape(THEIRS.loads_typed(written))


def test_own_snapshot() -> None:
    written = MINE.dumps_typed(Snapshot({1}))
    assert type(THEIRS.loads_typed(written)).__name__ == "_DeltaSnapshot"
    assert shape(MINE.loads_typed(written)) == shape(THEIRS.loads_typed(written))


# --- levels ---

AROUND: dict[str, Callable[[Any], Any]] = {
    "list": lambda value: [value],
    "tuple": lambda value: (value,),
    "dict": lambda value: {"a": value},
    "subclass": lambda value: payloads.Table(a=value),
    "wide": lambda value: ["x" * 90, {}, [[]], value],
    "mixed": lambda value: [{"a": (value, 1)}],
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("leaf", [1, [], {}, {1}, payloads.Color.RED, "\ud800"])
def test_levels(around: str, leaf: Any) -> None:
    for times in (*range(82, 87), *range(125, 130), *range(251, 258), 509, 510, 511, 512, 600):
        value = wrapped(leaf, times, AROUND[around])
        agree(value)
        agree(payloads.Plain(value, 1))
        agree(collections.deque([value]))
        agree([payloads._DeltaSnapshot(value)])


@pytest.mark.usefixtures("packer")
def test_levels_limit() -> None:
    assert agree(wrapped(1, 255, AROUND["list"]))
    assert not agree(wrapped(1, 256, AROUND["list"]))
    twice = wrapped(payloads.Plain(wrapped(1, 253, AROUND["list"])), 255, AROUND["list"])
    assert MINE.dumps_typed(twice) == THEIRS.dumps_typed(twice)


@pytest.mark.usefixtures("packer")
def test_levels_of_keys() -> None:
    for times in range(250, 258):
        agree({wrapped(1, times, AROUND["tuple"]): 1})


@pytest.mark.usefixtures("packer")
def test_levels_of_exts() -> None:
    assert agree(wrapped(1, 32, payloads.Plain))
    assert agree(wrapped("\ud800", 32, payloads.Plain))
    assert agree(wrapped(1, 32, lambda value: payloads.Plain({(1, 2): value})))
    assert agree(wrapped(1, 32, lambda value: payloads.Plain({payloads.Color.RED: value})))
    with pytest.raises(TypeError):
        MINE.dumps_typed(wrapped(1, 5000, payloads.Plain))


@pytest.mark.usefixtures("packer")
@pytest.mark.parametrize("make", [list, dict, payloads.Plain])
def test_what_contains_itself(make: Any) -> None:
    value = make()
    if make is list:
        value += [value, value]
    elif make is dict:
        value["a"] = value["b"] = value
    else:
        value.a = value
    with pytest.raises(TypeError):
        MINE.dumps_typed(value)


# --- reading ---


def compare_reading(data: Any, mine: Any, theirs: Any) -> None:
    """Asserts that both read alike, but for Exts as keys, which `_Reader` refuses, too."""
    wanted, found = outcome(theirs, ("msgpack", data)), outcome(mine, ("msgpack", data))
    if same(found, wanted):
        COUNTS[f"byte strings {'decoded' if wanted[0] == 'gives' else 'refused'} alike"] += 1
        return
    hook = mine.__self__._unpack_ext_hook.thorough
    with patch.object(codec, "_no_key", side_effect=codec._no_key) as refused:
        assert same(outcome(lambda d: codec._decode_slowly(d, hook), data), wanted)
    assert refused.called
    COUNTS["byte strings with an Ext as a key"] += 1


def same(found: Any, wanted: Any) -> bool:
    return found[0] == wanted[0] and (
        found == wanted if found[0] == "refuses" else shape(found[1]) == shape(wanted[1])
    )


# LangGraph cannot be asked there: bytes that are no msgpack end the process.
not_crashing = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="the ormsgpack of Python 3.10 (1.12) crashes on such bytes"
)

SAFE_MINE = Serializer(allowed_msgpack_modules=None)
SAFE_THEIRS = JsonPlusSerializer(allowed_msgpack_modules=None)
HEADS = [*range(0x80, 0x84), *range(0x90, 0x94), 0xA1, *range(0xC0, 0xE0), 0, 1, 4, 12, 0xFF]


@not_crashing
@from_seeds(
    "bytes",
    st.binary(max_size=60) | st.lists(st.sampled_from(HEADS), max_size=30).map(bytes),
    examples=500,
)
def test_any_bytes(data: bytes) -> None:
    compare_reading(data, SAFE_MINE.loads_typed, SAFE_THEIRS.loads_typed)


@not_crashing
@from_seeds("mutated_bytes", st.integers(0, 2**32), examples=500)
def test_mutated_bytes(number: int) -> None:
    read_mutated(number)


@not_crashing
def test_mutated_bytes_that_were_read_differently() -> None:
    read_mutated(6036)


def read_mutated(number: int) -> None:
    """Compares what both make of a written value with some bytes changed."""
    chance = random.Random(number)
    data = bytearray(chance.choice(payloads.written()))
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(data))
        what = chance.randrange(3)
        if what == 0:
            data[place] = chance.choice(HEADS)
        elif what == 1:
            del data[place : place + chance.randrange(1, 4)]
        else:
            data[place:place] = bytes([chance.choice(HEADS)])
        if not data:
            return
    compare_reading(bytes(data), SAFE_MINE.loads_typed, SAFE_THEIRS.loads_typed)


@not_crashing
@pytest.mark.parametrize(
    "head", [b"\xdd", b"\xdf", b"\xdb", b"\xc6", b"\xc9", b"\xdc\xff", b"\xde"]
)
@pytest.mark.parametrize("length", [b"\xff" * 4, b"\x00\x0f\x00\x00", b"\x00\x00\xff\xff"])
@pytest.mark.parametrize("times", [1, 100, 100_000])
def test_lengths_that_are_not_there(head: bytes, length: bytes, times: int) -> None:
    compare_reading((head + length) * times, SAFE_MINE.loads_typed, SAFE_THEIRS.loads_typed)
    compare_reading(b"\x81\x91\x01" + (head + length) * times, MINE.loads_typed, THEIRS.loads_typed)


def test_lengths_take_no_memory() -> None:
    script = (
        "import resource; from lgc.runtime.serde.serializer import Serializer; s = Serializer()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "lists, dicts = b'\\xdd\\x00\\x0f\\x00\\x00', b'\\xdf\\x00\\x07\\x00\\x00'\n"
        "for data in (lists * 200_000, dicts * 200_000, b'\\x81\\x91\\x01' + lists * 200_000):\n"
        "    for _ in range(3):\n"
        "        try: s.loads_typed(('msgpack', data))\n"
        "        except ValueError: pass\n"
        "        else: raise SystemExit('decoded')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 100_000


@pytest.mark.usefixtures("packer")
@pytest.mark.parametrize("code", [*range(12), 127])
def test_every_ext_code(code: int) -> None:
    datetime_call = ("datetime", "datetime", "2020-01-01", "fromisoformat")
    for payload in (
        b"",
        b"\xc1",
        b"\x05",
        *map(
            ormsgpack.packb,
            [
                [],
                ["builtins"],
                ["builtins", "set"],
                ["builtins", "set", [1, 2]],
                ["builtins", "no_such", [1]],
                ["no_such_module", "x", {"a": 1}],
                ["datetime", "date", [2020, 1, 2]],
                ["datetime", "date", {"year": 2020, "month": 1, "day": 2}],
                datetime_call,
                ["datetime", "datetime", "no date", "fromisoformat"],
                ["datetime", "datetime", 5, "fromtimestamp"],
                ["payloads", "Model", {"a": 1}, "x"],
                ["payloads", "Model", {"b": 1}, "x"],
                ["payloads", "Model", 5],
                ["langgraph.types", "Send", ["n", 1]],
                ["langgraph.types", "Send", ["n", 1, 2.5]],
                ["langgraph.types", "Send", ["n"]],
                ["<f8", [1], "C", b"\0" * 8],
                [["a"], {"b": 1}, 3],
                {"a": 1},
                "text",
            ],
        ),
    ):
        data = ormsgpack.packb([ormsgpack.Ext(code, payload)])
        compare_reading(data, MINE.loads_typed, THEIRS.loads_typed)
        compare_reading(data, SAFE_MINE.loads_typed, SAFE_THEIRS.loads_typed)
        nested = ormsgpack.packb({"a": ormsgpack.Ext(0, ormsgpack.packb(["builtins", "list", 1]))})
        compare_reading(
            ormsgpack.packb(ormsgpack.Ext(code, nested)), MINE.loads_typed, THEIRS.loads_typed
        )


@pytest.mark.usefixtures("packer")
@pytest.mark.parametrize(
    "data",
    ["text", None, 5, bytearray(b"\x01"), memoryview(b"\x01"), memoryview(b"\x01\x02\x03")[::2]],
)
def test_kinds_of_input(data: Any) -> None:
    compare_reading(data, MINE.loads_typed, THEIRS.loads_typed)


@pytest.mark.parametrize("tag", ["null", "bytes", "bytearray", "msgpack", "pickle", "other", ""])
@pytest.mark.parametrize("fallback", [False, True])
def test_tags(tag: str, fallback: bool) -> None:
    for data in (b"\x05", pickle.dumps({"a": 1})):
        found = []
        for serde in (Serializer, JsonPlusSerializer):
            try:
                value = serde(pickle_fallback=fallback).loads_typed((tag, data))
                found.append((type(value), value))
            except Exception as error:
                found.append((type(error), str(error)))
        assert found[0] == found[1]


@pytest.mark.usefixtures("packer")
@pytest.mark.parametrize("value", [None, b"x", payloads.Octets(b"x"), bytearray(b"y"), 1j, 2**70])
def test_pickle_fallback(value: Any) -> None:
    mine = Serializer(pickle_fallback=True).dumps_typed(value)
    theirs = JsonPlusSerializer(pickle_fallback=True).dumps_typed(value)
    assert mine == theirs
    assert type(mine[1]) is type(theirs[1])


@pytest.mark.usefixtures("packer")
def test_custom_hook() -> None:
    def hook(code: int, data: bytes) -> Any:
        if code == 3:
            raise KeyError(code)
        return (code, data)

    for data in (b"\xd4\x05a", b"\xd6\xffabcd", b"\xd4\x03a", b"\x81\x91\x01\xd4\x01b"):
        compare_reading(
            data,
            Serializer(__unpack_ext_hook__=hook).loads_typed,
            JsonPlusSerializer(__unpack_ext_hook__=hook).loads_typed,
        )


def constructor(*path: str, **more: Any) -> bytes:
    return json.dumps({"a": {"lc": 2, "type": "constructor", "id": path, **more}}).encode()


@pytest.mark.parametrize("allowed", [None, True, [("payloads", "Plain")]])
@pytest.mark.parametrize(
    "data",
    [
        b'{"a": [1, {"lc": 3}]}',
        constructor("uuid", "UUID", args=[str(uuid.UUID(int=1))]),
        constructor("payloads", "Plain", kwargs={"a": 2}),
        constructor("payloads", "Plain", args=[1], kwargs={"b": 2}, method="x"),
        constructor("payloads", "Frozen"),
        constructor("payloads", "Model", kwargs={"b": 1}),
        constructor("builtins", "ValueError"),
        constructor("no_such", "Thing"),
        constructor("Thing"),
        json.dumps(
            {
                "lc": 1,
                "type": "constructor",
                "id": ["langchain", "schema", "messages", "HumanMessage"],
                "kwargs": {"content": "x"},
            }
        ).encode(),
        b'{"lc": 1, "type": "secret", "id": ["K"]}',
        b'{"lc": 1, "type": "not_implemented", "id": ["K"]}',
        b'{"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}}',
    ],
)
def test_json(data: bytes, allowed: Any) -> None:
    found = []
    for serde in (Serializer, JsonPlusSerializer):
        try:
            found.append(shape(serde(allowed_json_modules=allowed).loads_typed(("json", data))))
        except Exception as error:
            found.append((type(error), str(error)))
    assert found[0] == found[1]


# --- the allow-list ---


def test_safe_lists() -> None:
    assert allowlist.SAFE_TYPES == upstream_lists.SAFE_MSGPACK_TYPES
    assert allowlist.SAFE_METHODS == upstream_lists.SAFE_MSGPACK_METHODS
    assert len(allowlist.SAFE_TYPES) == 49


ALLOWED = [None, True, [], [payloads.Plain], [("payloads", "Model"), payloads.Color]]


def events_of(load: Callable[[], Any]) -> tuple[Any, list[Any]]:
    seen: list[Any] = []
    remove = register_serde_event_listener(seen.append)
    try:
        return shape(load()), seen
    finally:
        remove()


@pytest.mark.usefixtures("packer")
@pytest.mark.parametrize("allowed", ALLOWED)
def test_allowed(allowed: Any) -> None:
    mine = Serializer(allowed_msgpack_modules=allowed)
    theirs = JsonPlusSerializer(allowed_msgpack_modules=allowed)
    for data in payloads.written():
        assert events_of(lambda d=data: mine.loads_typed(("msgpack", d))) == events_of(
            lambda d=data: theirs.loads_typed(("msgpack", d))
        )
    for extra in ([], [payloads.Plain], [("payloads", "Pair")]):
        for serde, base in ((mine, mine), (theirs, theirs)):
            assert (serde.with_msgpack_allowlist(extra) is base) == (
                allowed is True
                or not extra
                or (allowed == [payloads.Plain] and extra == [payloads.Plain])
            )
        derived = mine.with_msgpack_allowlist(extra)
        data = THEIRS.dumps_typed([payloads.Plain(), payloads.Pair(1), payloads.Frozen()])
        assert events_of(lambda d=data, s=derived: s.loads_typed(d)) == events_of(
            lambda d=data, e=extra: theirs.with_msgpack_allowlist(e).loads_typed(d)
        )


@pytest.mark.usefixtures("packer")
def test_blocked_types_return_their_payload() -> None:
    written = MINE.dumps_typed([payloads.Plain(1, 2), payloads.Color.RED, payloads.Model()])
    assert SAFE_MINE.loads_typed(written) == [{"a": 1, "b": 2}, "red", {"a": 1, "b": []}]


def test_warnings(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowlist, "_warned", {"allowed": set(), "blocked": set(), "lost": set()})
    caplog.set_level(logging.WARNING, "langgraph.checkpoint.serde.jsonplus")
    seen: list[Any] = []
    remove = allowlist.add_listener(seen.append)
    broken = allowlist.add_listener(lambda event: event["no such key"])
    written = MINE.dumps_typed([payloads.Plain()] * 2)
    MINE.loads_typed(written)
    SAFE_MINE.loads_typed(written)
    lost = MINE.dumps_typed(payloads.Strict())[1].replace(b"Strict", b"Absent")
    assert MINE.loads_typed(("msgpack", lost)) == {"a": "no number"}
    gone = MINE.dumps_typed(payloads.Plain())[1].replace(b"Plain", b"Plane")
    assert MINE.loads_typed(("msgpack", gone)) == {"a": 1, "b": "x"}
    remove()
    remove()
    broken()
    kinds = [event["kind"] for event in seen]
    assert kinds[:4] == ["msgpack_unregistered_allowed"] * 2 + ["msgpack_blocked"] * 2
    texts = [record.getMessage() for record in caplog.records if record.exc_info is None]
    assert sum("unregistered type payloads.Plain " in text for text in texts) == 1
    assert sum("Blocked deserialization of payloads.Plain" in text for text in texts) == 1
    assert sum("Could not reconstruct payloads.Plane" in text for text in texts) == 1


def test_strict_variable() -> None:
    script = (
        "from lgc.runtime.serde.serializer import Serializer as S; "
        "print(S()._allowed_msgpack_modules)"
    )
    for value, wanted in (("true", "None"), ("YES", "None"), ("1", "None"), ("0", "True")):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "LANGGRAPH_STRICT_MSGPACK": value},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == wanted


@pytest.mark.parametrize(("variable", "fast"), [("", False), ("0", False), ("1", True)])
def test_fast_is_asked_for(variable: str, fast: bool) -> None:
    if fast:
        pytest.importorskip("lgc.runtime.serde.ormsgpack_codec", exc_type=ImportError)
    script = (
        "import sys; from lgc.runtime.serde.serializer import Serializer; s = Serializer()\n"
        "assert s.loads_typed(s.dumps_typed({'a': (1, {2})})) == {'a': [1, {2}]}\n"
        "print('ormsgpack' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "LGC_FAST": variable},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(fast)


# --- where it is used ---


class State(TypedDict, total=False):
    messages: list[Any]
    items: Any
    answer: str


def _graph(saver: Any) -> Any:
    def start(state: State) -> Any:
        return {"messages": payloads.MESSAGES, "items": [payloads.Plain({1}), {(1, 2): "k"}]}

    def ask(state: State) -> Any:
        return {"answer": interrupt({"q": payloads.Color.RED})}

    builder = StateGraph(State)
    builder.add_node("start", start)
    builder.add_node("ask", ask)
    builder.set_entry_point("start")
    builder.add_conditional_edges("start", lambda state: [Send("ask", state)])
    return builder.compile(checkpointer=saver)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_as_serde_of_savers(kind: str) -> None:
    states = []
    for serde in (Serializer(), JsonPlusSerializer()):
        if kind == "memory":
            saver: Any = InMemorySaver(serde=serde)
            assert saver.serde is serde
        else:
            import sqlite3

            saver = SqliteSaver(sqlite3.connect(":memory:", check_same_thread=False), serde=serde)
        graph = _graph(saver)
        config: Any = {"configurable": {"thread_id": "1"}}
        graph.invoke({"messages": []}, config)
        graph.invoke(Command(resume="yes"), config)
        history = [shape(state.values) for state in graph.get_state_history(config)]
        states.append(history)
    assert states[0] == states[1]


def test_with_allowlist_of_a_saver() -> None:
    saver = InMemorySaver(serde=Serializer(allowed_msgpack_modules=None))
    derived = saver.with_allowlist([("payloads", "Plain")])
    assert derived is not saver
    written = derived.serde.dumps_typed([payloads.Plain(), payloads.Frozen()])
    assert derived.serde.loads_typed(written) == [payloads.Plain(), {"a": 1}]


def test_without_langgraph() -> None:
    """lgc's own objects are written with LangGraph's names and come back as lgc's own."""
    script = (
        "import sys\n"
        "from lgc.runtime.public import commands as own\n"
        "from lgc.runtime.public.policies import TimeoutPolicy\n"
        "from lgc.runtime.serde.serializer import Serializer\n"
        "from lgc.runtime.public.types import Snapshot\n"
        "values = [own.Send('n', {'a': (1, {2})}), own.Send('n', None, timeout=3),\n"
        "    own.Command(update={'a': 1}, goto='m'), own.Interrupt('v', 'i'),\n"
        "    own.Overwrite([1]), TimeoutPolicy(run_timeout=2.0), Snapshot([1])]\n"
        "s = Serializer(); written = s.dumps_typed(values); again = s.loads_typed(written)\n"
        "assert not [m for m in sys.modules if m.startswith(('langgraph', 'langchain'))]\n"
        "assert [type(a) for a in again] == [type(v) for v in values], again\n"
        "assert s.dumps_typed(again) == written\n"
        "print(written[1].hex())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = ("msgpack", bytes.fromhex(done.stdout))
    values = THEIRS.loads_typed(written)
    assert [type(value).__name__ for value in values] == [
        "Send",
        "Send",
        "Command",
        "Interrupt",
        "Overwrite",
        "TimeoutPolicy",
        "_DeltaSnapshot",
    ]
    assert THEIRS.dumps_typed(values) == written


def test_imports_little() -> None:
    script = (
        "import sys; before = set(sys.modules)\nimport lgc.runtime.serde.serializer\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    slow = "dataclasses inspect uuid decimal pathlib zoneinfo ipaddress logging json pickle"
    assert set(done.stdout.split()).isdisjoint(slow.split())


# --- arrays ---


@pytest.mark.usefixtures("packer")
def test_arrays() -> None:
    numpy = pytest.importorskip("numpy")
    square = numpy.arange(12, dtype="<i4").reshape(3, 4)
    for value in (
        square,
        square.T,
        square[:, ::2],
        square[::-1],
        numpy.array(5.0),
        numpy.zeros((0, 3)),
        numpy.asfortranarray(square),
        numpy.array(["a", "bc"]),
        numpy.array([1, 2], dtype=">u8"),
        numpy.array(["2020"], dtype="M8[D]"),
        numpy.float64(1.5),
        numpy.int64(1),
        numpy.bool_(True),
    ):
        agree(value)
        agree({"a": [value]})
        agree({"k": payloads.Plain(value)})
