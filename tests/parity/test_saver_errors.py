"""Savers and serializers fail as LangGraph's do: class, text, cause, context and warnings.

One table of calls is made on each of lgc's savers and on the one of LangGraph that it stands for.
What differs on purpose is listed in docs/differences.md.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from typing import Any

import payloads
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde import jsonplus
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer as TheirEncrypted
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver as TheirSqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver as TheirAsyncSqlite
from parity import difference

from lgc.runtime.serde import allowlist
from lgc.savers import AsyncSqliteSaver, MemorySaver, SqliteSaver
from lgc.serde import EncryptedSerializer, Serializer

DSN = os.environ.get("LGC_POSTGRES", "")
ID = "1f000000-0000-6000-8000-000000000001"
CONFIG: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": ID}}
THREAD: Any = {"configurable": {"thread_id": "t"}}

Call = Callable[[Any], Any]


def _checkpoint(**values: Any) -> dict[str, Any]:
    return {
        "v": 4,
        "id": ID,
        "ts": "2025",
        "channel_values": values,
        "channel_versions": dict.fromkeys(values, "1"),
        "versions_seen": {},
        "updated_channels": None,
    }


class _Odd:
    """Cannot be pickled either."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        raise TypeError("no")


class _Failing:
    """Fails while it is asked for its data."""

    def model_dump(self) -> Any:
        raise ValueError("no dump")


def _where(**changes: Any) -> dict[str, Any]:
    conf: dict[str, Any] = {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "x", **changes}
    return {"configurable": {key: value for key, value in conf.items() if value is not _LEFT_OUT}}


_LEFT_OUT = object()

CONFIGS: dict[str, Any] = {
    "None": None,
    "{}": {},
    "no configurable": {"metadata": {}},
    "configurable None": {"configurable": None},
    "configurable list": {"configurable": [1]},
    "empty configurable": {"configurable": {}},
    "no thread": _where(thread_id=_LEFT_OUT),
    "thread None": _where(thread_id=None),
    "thread int": _where(thread_id=5),
    "thread list": _where(thread_id=["x"]),
    "thread surrogate": _where(thread_id="\ud800"),
    "thread NUL": _where(thread_id="a\0b"),
    "no ns": _where(checkpoint_ns=_LEFT_OUT),
    "ns None": _where(checkpoint_ns=None),
    "ns int": _where(checkpoint_ns=5),
    "ns dict": _where(checkpoint_ns={}),
    "no id": _where(checkpoint_id=_LEFT_OUT),
    "id None": _where(checkpoint_id=None),
    "id int": _where(checkpoint_id=7),
    "id list": _where(checkpoint_id=["x"]),
    "list": [],
    "str": "x",
    "int": 5,
}

_RING: list[Any] = []
_RING.append(_RING)
VALUES: dict[str, Any] = {
    "object": object(),
    "function": lambda: 0,
    "module": math,
    "generator": (i for i in ()),
    "odd": _Odd(),
    "failing": _Failing(),
    "in a list": [object()],
    "in a set": {_Odd()},
    "ring": _RING,
    "wide int": 2**70,
    "key": {object(): 1},
    "surrogate in a key": {"\ud800": 1},
}

FILTERS: dict[str, Any] = {
    "str": "x",
    "list": ["a"],
    "set": {"a"},
    "pairs": (("a", 1),),
    "int key": {5: 1},
    "None key": {None: 1},
    "quote": {"a'b": 1},
    "empty key": {"": 1},
    "space": {"a b": 1},
    "umlaut": {"ü": 1},
    "NUL": {"a\0": 1},
    "dot": {"a.b": 1},
    "object": {"x": object()},
    "set value": {"x": {1}},
    "decimal": {"x": Decimal(1)},
}

LIMITS: dict[str, Any] = {
    repr(limit): limit for limit in (-1, 0, "1", "x", 1.5, 1.0, [1], True, 2**70, math.nan)
}


def _searches(method: str, **options: Any) -> Call:
    def call(saver: Any) -> Any:
        saver.put(CONFIG, _checkpoint(), {"x": 1}, {})
        return [found.config for found in getattr(saver, method)(THREAD, **options)]

    return call


def _calls() -> Iterator[tuple[str, Call]]:
    for name, config in CONFIGS.items():
        yield f"get_tuple({name})", lambda s, c=config: s.get_tuple(c)
        yield f"get({name})", lambda s, c=config: s.get(c)
        yield f"list({name})", lambda s, c=config: list(s.list(c))
        yield f"list(before={name})", lambda s, c=config: list(s.list(CONFIG, before=c))
        yield f"put({name})", lambda s, c=config: s.put(c, _checkpoint(), {}, {})
        yield f"put_writes({name})", lambda s, c=config: s.put_writes(c, [("a", 1)], "task")
        yield f"put_writes({name}, [])", lambda s, c=config: s.put_writes(c, [], "task")
        yield (
            f"history({name})",
            lambda s, c=config: s.get_delta_channel_history(config=c, channels=["a"]),
        )
        yield (
            f"history({name}, [])",
            lambda s, c=config: s.get_delta_channel_history(config=c, channels=[]),
        )
    for name, value in VALUES.items():
        yield (
            f"put value {name}",
            lambda s, v=value: s.put(CONFIG, _checkpoint(a=v), {}, {"a": "1"}),
        )
        yield f"put_writes value {name}", lambda s, v=value: s.put_writes(CONFIG, [("a", v)], "x")
        yield f"put metadata {name}", lambda s, v=value: s.put(CONFIG, _checkpoint(), {"a": v}, {})
    for name, chosen in FILTERS.items():
        yield f"list(filter={name})", _searches("list", filter=chosen)
    for name, limit in LIMITS.items():
        yield f"list(limit={name})", _searches("list", limit=limit)
    odd: dict[str, Any] = {"None": None, "[]": [], "str": "x", "int": 5, "pairs": [("a", "1")]}
    for name, given in odd.items():
        yield f"put(metadata={name})", lambda s, v=given: s.put(CONFIG, _checkpoint(), v, {})
        yield f"put(new_versions={name})", lambda s, v=given: s.put(CONFIG, _checkpoint(), {}, v)
        yield f"put_writes(writes={name})", lambda s, v=given: s.put_writes(CONFIG, v, "task")
        yield f"put(checkpoint={name})", lambda s, v=given: s.put(CONFIG, v, {}, {})
    for name in ("id", "channel_values"):
        rest = {key: value for key, value in _checkpoint().items() if key != name}
        yield f"put without {name}", lambda s, v=rest: s.put(CONFIG, v, {}, {"a": "1"})
    yield "three in a write", lambda s: s.put_writes(CONFIG, [("a", 1, 2)], "task")
    yield "a channel that is a list", lambda s: s.put_writes(CONFIG, [(["a"], 1)], "task")
    yield "a channel that is an int", lambda s: s.put_writes(CONFIG, [(5, 1)], "task")
    for given in (None, 5, [], {}):
        yield f"task id {given!r}", lambda s, v=given: s.put_writes(CONFIG, [("a", 1)], v)
        yield f"path {given!r}", lambda s, v=given: s.put_writes(CONFIG, [("a", 1)], "t", v)
        yield f"delete_thread({given!r})", lambda s, v=given: s.delete_thread(v)
    for given in (None, 5, 2.5, "x", "1", "1.5", "", "a.b", [], True, b"1"):
        yield f"get_next_version({given!r})", lambda s, v=given: _version(s, v)


def _version(saver: Any, current: Any) -> str:
    version: str = saver.get_next_version(current, None)
    return version.split(".")[0]


CALLS = dict(_calls())


class _Captured(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.name} {record.levelname}: {record.getMessage()}")


def _shown(error: BaseException | None) -> Any:
    if error is None:
        return None
    kinds = [error, error.__cause__, error.__context__]
    return [_text(error), *(f"{type(one).__module__}.{type(one).__name__}" for one in kinds)]


def _text(value: Any) -> str:
    """Without what differs from run to run, and without an excerpt of the SQL."""
    text = re.sub(r"LINE \d+: .*\n *\^\n?", "", str(value))
    return re.sub(r"0x[0-9a-f]{6,}", "0x", text)


def _outcome(make: Callable[[], Any], call: Call) -> dict[str, Any]:
    """What a call gives or raises, and what is warned of meanwhile."""
    handler, logger = _Captured(), logging.getLogger("langgraph")
    logger.addHandler(handler)
    result = error = None
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", ResourceWarning)
            try:
                result = call(make())
            except Exception as exc:
                error = exc
    finally:
        logger.removeHandler(handler)
    return {
        "result": _text(result),
        "error": _shown(error),
        "warnings": [(type(one.message).__name__, str(one.message)) for one in caught],
        "log": handler.texts,
    }


def _compare(
    theirs: Callable[[], Any], mine: Callable[[], Any], calls: Mapping[str, Call], but: str = ""
) -> None:
    found = []
    for name, call in calls.items():
        if but and re.fullmatch(but, name):
            continue
        told = difference(_outcome(theirs, call), _outcome(mine, call))
        if told is not None:
            found.append(f"{name}\n{told}")
    assert not found, "\n\n".join(found)


def test_in_memory() -> None:
    _compare(InMemorySaver, MemorySaver, CALLS)


def _on_sqlite(kind: Any, closed: bool = False) -> Callable[[], Any]:
    def make() -> Any:
        saver = kind(sqlite3.connect(":memory:", check_same_thread=False))
        saver.setup()
        if closed:
            saver.conn.close()
        return saver

    return make


def test_on_sqlite() -> None:
    _compare(_on_sqlite(TheirSqlite), _on_sqlite(SqliteSaver), CALLS)


def test_on_a_closed_connection() -> None:
    """Calls that are otherwise good; of two faults, lgc may tell the other one first."""
    good = {
        "get_tuple": lambda saver: saver.get_tuple(CONFIG),
        "list": lambda saver: list(saver.list(CONFIG)),
        "put": lambda saver: saver.put(CONFIG, _checkpoint(), {}, {}),
        "put_writes": lambda saver: saver.put_writes(CONFIG, [("a", 1)], "task"),
        "delete_thread": lambda saver: saver.delete_thread("t"),
        "history": lambda saver: saver.get_delta_channel_history(config=CONFIG, channels=["a"]),
    }
    _compare(_on_sqlite(TheirSqlite, True), _on_sqlite(SqliteSaver, True), good)


def test_in_the_loop_of_an_async_saver() -> None:
    """A sync call there would wait for itself; LangGraph's `put` and `put_writes` do."""
    calls = {
        "get_tuple": lambda saver: saver.get_tuple(CONFIG),
        "list": lambda saver: list(saver.list(CONFIG)),
        "delete_thread": lambda saver: saver.delete_thread("t"),
        "history": lambda saver: saver.get_delta_channel_history(config=CONFIG, channels=["a"]),
    }

    async def told(kind: Any) -> list[Any]:
        async with kind.from_conn_string(":memory:") as saver:
            return [_outcome(lambda: saver, call) for call in calls.values()]

    found = difference(asyncio.run(told(TheirAsyncSqlite)), asyncio.run(told(AsyncSqliteSaver)))
    assert found is None, found


def test_async_methods() -> None:
    """The same faults by the async twins, of the two savers that LangGraph has them in."""

    async def outcome(saver: Any, name: str, config: Any) -> Any:
        try:
            if name == "alist":
                return [found async for found in saver.alist(config)]
            if name == "aput":
                return await saver.aput(config, _checkpoint(), {}, {})
            if name == "aput_writes":
                return await saver.aput_writes(config, [("a", 1)], "task")
            if name == "value":
                return await saver.aput_writes(CONFIG, [("a", object())], "task")
            if name == "filter":
                return [found async for found in saver.alist(THREAD, filter={"a'b": 1})]
            return await saver.aget_tuple(config)
        except Exception as error:
            return _shown(error)

    async def told(kind: Any) -> list[Any]:
        async with kind.from_conn_string(":memory:") as saver:
            await saver.setup()
            return [
                (method, name, await outcome(saver, method, config))
                for method in ("aget_tuple", "alist", "aput", "aput_writes", "value", "filter")
                for name, config in CONFIGS.items()
            ]

    found = difference(asyncio.run(told(TheirAsyncSqlite)), asyncio.run(told(AsyncSqliteSaver)))
    assert found is None, found


# -- PostgreSQL ---------------------------------------------------------------------------------


# Which of two comparisons, or of two uses of what is no dict, comes first.
_OTHER_ORDER = r"history\(id int\)|put\(configurable list\)"


@contextmanager
def _databases(number: int) -> Iterator[list[Any]]:
    psycopg = pytest.importorskip("psycopg")
    from psycopg.conninfo import make_conninfo

    names = [f"lgc_errors_{os.getpid()}_{next(_NUMBERS)}" for _ in range(number)]
    with psycopg.connect(DSN, autocommit=True) as admin:
        for name in names:
            admin.execute(f"CREATE DATABASE {name}")
        yield [make_conninfo(DSN, dbname=name) for name in names]
        for name in names:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


_NUMBERS = count(1)


@pytest.mark.skipif(not DSN, reason="LGC_POSTGRES is not set: make test-postgres")
def test_on_postgres() -> None:
    from langgraph.checkpoint.postgres import PostgresSaver as Theirs

    from lgc.savers import PostgresSaver

    def clean(saver: Any) -> Any:
        for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
            saver.conn.execute(f"DELETE FROM {table}")
        return saver

    with (
        _databases(2) as (one, other),
        Theirs.from_conn_string(one) as theirs,
        PostgresSaver.from_conn_string(other) as mine,
    ):
        theirs.setup()
        mine.setup()
        _compare(lambda: clean(theirs), lambda: clean(mine), CALLS, but=_OTHER_ORDER)


# -- serializers --------------------------------------------------------------------------------

_DATA = (
    *(b"", b"\xc1", b"\x92\x01", b"\xa3\xff\xff\xff", b"\xd9", b"\x91" * 1100 + b"\xc0"),
    *(
        b"\x81\x81\xc0\xc0\xc0",
        b"\x81\xde\0\1",
        b"\x81\xc7",
        b"\xc7\x01\x7f\0",
    ),
    *(b"\x90\x90", b"\xc7\x05\x00\x93", b"\xc7\x01\x07\xc1", b"\xd4\x07\xc1"),
)
_TAGS: tuple[Any, ...] = (
    "msgpack",
    "json",
    "pickle",
    "bytes",
    "null",
    "bytearray",
    "no",
    "",
    None,
    5,
)
_PAIRS: tuple[Any, ...] = (
    *(None, 5, (), ("msgpack",), ("msgpack", None), ("msgpack", "x"), ("msgpack", 5), "xy"),
    *(("json", "{"), ("json", b"{"), ("json", b"\xff"), ("json", None), ("null", 5)),
    *(("bytearray", None), ("bytearray", "x"), ("pickle", b""), (1, 2, 3)),
    *(
        ("json", b'{"lc":2,"type":"constructor","id":%s,"kwargs":{}}' % path)
        for path in (b'["a","b"]', b'["decimal","Decimal"]', b"[]", b'["uuid","UUID"]', b'["os"]')
    ),
)


def _serializer_calls() -> Iterator[tuple[str, Call]]:
    for name, value in VALUES.items():
        yield f"dumps_typed({name})", lambda serde, v=value: serde.dumps_typed(v)
    for tag in _TAGS:
        for data in _DATA:
            yield f"loads_typed({tag!r}, {data[:20]!r})", lambda s, p=(tag, data): s.loads_typed(p)
    for pair in _PAIRS:
        yield f"loads_typed({pair!r})", lambda s, p=pair: s.loads_typed(p)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pickle_fallback": True},
        {"allowed_json_modules": [("decimal", "Decimal")]},
        {"allowed_json_modules": True},
        {"allowed_msgpack_modules": None},
    ],
    ids=repr,
)
def test_serializers(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _compare(
        lambda: _forgetting(JsonPlusSerializer(**options), monkeypatch),
        lambda: _forgetting(Serializer(**options), monkeypatch),
        dict(_serializer_calls()),
    )


def _forgetting(serde: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A serializer, when nothing has been warned of."""
    monkeypatch.setattr(allowlist, "_warned", {"allowed": set(), "blocked": set(), "lost": set()})
    for name in ("unregistered", "blocked", "unreconstructable"):
        monkeypatch.setattr(jsonplus, f"_warned_{name}_types", set())
    return serde


def test_warnings_of_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of classes that are unknown, blocked or gone, and of methods that are not safe."""
    written = JsonPlusSerializer().dumps_typed([payloads.Plain(), payloads.Strict()])[1]
    calls: dict[str, Call] = {
        "unknown": lambda serde: repr(serde.loads_typed(("msgpack", written))),
        "gone": lambda serde: serde.loads_typed(("msgpack", written.replace(b"Plain", b"Plane"))),
        "method": lambda serde: serde.loads_typed(
            ("msgpack", b"\xc7\x13\x03\x94\xa2os\xa4path\xa1x\xa8basename")
        ),
    }
    options: tuple[dict[str, Any], ...] = (
        {},
        {"allowed_msgpack_modules": None},
        {"allowed_msgpack_modules": [("payloads", "Strict")]},
    )
    for chosen in options:
        _compare(
            lambda chosen=chosen: _forgetting(JsonPlusSerializer(**chosen), monkeypatch),
            lambda chosen=chosen: _forgetting(Serializer(**chosen), monkeypatch),
            calls,
        )


def test_a_serializer_without_an_allow_list() -> None:
    """The saver says that it cannot be had."""

    class Old:
        def dumps_typed(self, value: Any) -> Any:
            return "x", b""

        def loads_typed(self, pair: Any) -> Any:
            return None

    calls = {"with_allowlist": lambda saver: saver.with_allowlist({("a", "b")}) is saver}
    # The logger is langgraph.checkpoint.base of both.
    _compare(lambda: InMemorySaver(serde=Old()), lambda: MemorySaver(serde=Old()), calls)  # type: ignore[arg-type]


_KEY = b"0123456789abcdef"


def test_encrypted_serializers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that are missing, short, wrong; bytes that were changed; ciphers nobody knows."""
    monkeypatch.delenv("LANGGRAPH_AES_KEY", raising=False)
    made = TheirEncrypted.from_pycryptodome_aes(key=_KEY).dumps_typed([1, 2])
    changed = (made[0], made[1][:-1] + bytes((made[1][-1] ^ 1,)))
    calls: dict[str, Call] = {
        "no key": lambda kind: kind.from_pycryptodome_aes(),
        "key None": lambda kind: kind.from_pycryptodome_aes(key=None).dumps_typed(1),
        "key str": lambda kind: kind.from_pycryptodome_aes(key="x" * 16).dumps_typed(1),
        "short key": lambda kind: kind.from_pycryptodome_aes(key=b"x").dumps_typed(1),
        "odd mode": lambda kind: kind.from_pycryptodome_aes(key=_KEY, mode=99).dumps_typed(1),
        "odd argument": lambda kind: kind.from_pycryptodome_aes(key=_KEY, no=1).dumps_typed(1),
        "wrong key": lambda kind: kind.from_pycryptodome_aes(key=_KEY[::-1]).loads_typed(made),
    }
    pairs: dict[str, Any] = {
        "changed": changed,
        "cut": (made[0], made[1][:20]),
        "empty": (made[0], b""),
        "None": (made[0], None),
        "other cipher": ("msgpack+rot13", made[1]),
        "no cipher": ("no", b""),
        "other tag": ("no+aes", made[1]),
        "tag None": (None, made[1]),
        "no pair": 5,
    }
    for name, pair in pairs.items():
        calls[name] = lambda kind, p=pair: kind.from_pycryptodome_aes(key=_KEY).loads_typed(p)
    for name, value in VALUES.items():
        calls[f"value {name}"] = lambda kind, v=value: kind.from_pycryptodome_aes(
            key=_KEY
        ).dumps_typed(v)
    _compare(lambda: TheirEncrypted, lambda: EncryptedSerializer, calls)
    monkeypatch.setenv("LANGGRAPH_AES_KEY", "short")
    _compare(lambda: TheirEncrypted, lambda: EncryptedSerializer, {"no key": calls["no key"]})
