"""Values for the codec: one of every kind that upstream's encoder tells apart, and strategies."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import ipaddress
import math
import pathlib
import re
import sys
import uuid
import zoneinfo
from types import FunctionType
from typing import Any, NamedTuple

from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    BaseMessageChunk,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    FunctionMessageChunk,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    SystemMessageChunk,
    ToolMessage,
    ToolMessageChunk,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.store.base import GetOp, Item, SearchItem
from langgraph.types import (
    Command,
    Interrupt,
    Overwrite,
    PregelTask,
    RetryPolicy,
    Send,
    StateSnapshot,
    TimeoutPolicy,
)
from pydantic import BaseModel, ConfigDict, SecretStr

from lgc.runtime.public import commands as own
from lgc.runtime.public import policies as own_policies

if sys.version_info < (3, 14):
    import pydantic.v1 as pydantic_1
else:
    pydantic_1 = None


class Text(str):
    def __str__(self) -> str:
        return "not what is written"


class Number(int):
    def __int__(self) -> int:
        return 7


class Real(float):
    pass


class Octets(bytes):
    pass


class Buffer(bytearray):
    pass


class Row(tuple):
    __slots__ = ()


class Rows(list):
    def __iter__(self) -> Any:
        return iter(())


class HashedRows(list):
    __hash__ = object.__hash__  # type: ignore[assignment]


class Table(dict):
    def items(self) -> Any:
        return ()

    def dict(self) -> Any:
        return {}


class Ids(set):
    pass


class OwnUUID(uuid.UUID):
    pass


class OwnTime(dt.datetime):
    pass


class Color(enum.Enum):
    RED = "red"
    PAIR = (1, "2")
    DAY = dt.date(2020, 2, 3)
    ID = uuid.UUID(int=5)
    NONE = None
    LONE = "\ud800"
    LIST = [1]  # noqa: RUF012  # a value like any other


class Level(enum.IntEnum):
    LOW = 1


class Word(str, enum.Enum):  # as written before StrEnum
    A = "a"


class Bits(enum.Flag):
    A = 1
    B = 2


class _Meta(enum.EnumMeta):
    pass


class Choice(str, enum.Enum, metaclass=_Meta):
    A = "a"


class Choice2(enum.Enum, metaclass=_Meta):
    A = "a"


class Loud(enum.Enum):
    A = 1

    @property
    def value(self) -> str:
        return "loud"


class Dumps(enum.Enum):
    A = 1

    def model_dump(self) -> Any:
        return {"a": 1}


@dataclasses.dataclass
class Plain:
    a: Any = 1
    b: Any = "x"


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: Any = 1


@dataclasses.dataclass
class Slots:
    __slots__ = ("a", "b")
    a: Any
    b: Any


@dataclasses.dataclass(frozen=True)
class SendLike:
    node: Any = "n"
    arg: Any = 1
    more: Any = 2


@dataclasses.dataclass
class NoSend:
    node: Any = "n"
    arg: Any = 1


@dataclasses.dataclass
class Empty:
    pass


@dataclasses.dataclass
class Hidden:
    a: Any = 1

    def __getattr__(self, name: str) -> Any:
        if name == "dict":
            return lambda: {"hidden": True}
        raise AttributeError(name)


@dataclasses.dataclass
class DictField:
    dict: Any = None


class Pair(NamedTuple):
    left: Any
    right: Any = 2


class LoosePair(Pair):
    """With a `__dict__`."""


class Model(BaseModel):
    a: Any = 1
    b: list[str] = []


class Nested(BaseModel):
    model_config = ConfigDict(extra="allow")
    model: Any = None
    word: Word = Word.A
    when: Any = None


class FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True)
    a: int = 1


class Strict(BaseModel):
    """Refuses what it dumps."""

    a: int = 1

    def model_dump(self, **kwargs: Any) -> Any:
        return {"a": "no number"}


class Box:
    """Nothing upstream knows, unless it is given attributes."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def __repr__(self) -> str:
        return f"Box({[*vars(self)]})"


class Posing:
    """Says it is of another class."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return Plain

    def _asdict(self) -> Any:
        return {"a": 5}


class Failing:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def model_dump(self) -> Any:
        raise self.error


def _call(name: str, **arguments: Any) -> Any:
    return {"name": name, "args": arguments, "id": "call_1", "type": "tool_call"}


MESSAGES: list[Any] = [
    AIMessage("hi", id="1", tool_calls=[_call("f", x=1, y=[{"z": None}])]),
    AIMessage(
        [{"type": "text", "text": "é"}],
        invalid_tool_calls=[{"name": "g", "args": "{", "id": "c", "error": "bad"}],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        response_metadata={"model": "m"},
    ),
    AIMessageChunk(
        "x", tool_call_chunks=[{"name": "f", "args": '{"a"', "id": "i", "index": 0}], id="run-1"
    ),
    BaseMessage(content="b", type="base"),
    BaseMessageChunk(content="b", type="base"),
    ChatMessage("c", role="r"),
    ChatMessageChunk(content="c", role="r"),
    FunctionMessage("f", name="n"),
    FunctionMessageChunk(content="f", name="n"),
    HumanMessage("h", additional_kwargs={"k": (1, 2)}),
    HumanMessageChunk(content="h"),
    RemoveMessage(id="9"),
    SystemMessage("s"),
    SystemMessageChunk(content="s"),
    ToolMessage("t", tool_call_id="call_1", artifact={"a": {1, 2}}, status="error"),
    ToolMessageChunk(content="t", tool_call_id="call_1"),
    Document("text", metadata={"page": 1}, id="d"),
]

_NOON = dt.datetime(2024, 2, 29, 12, 30, 15, 123456)
_BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
_TASK = PregelTask("id", "name", ("__pregel_pull", "name"), None, (Interrupt("v", "i"),))

LANGGRAPH: list[Any] = [
    Send("n", {"a": (1, {2})}),
    Send("n", None, timeout=3),
    Command(update={"a": 1}, goto=[Send("n", 1), "m"], graph=Command.PARENT),
    Command(resume={"x": 1}),
    Interrupt("v", "i"),
    Interrupt({"q": [1]}, id="j", response_schema={"type": "object"}),
    Overwrite([1, 2]),
    TimeoutPolicy(run_timeout=dt.timedelta(seconds=2)),
    TimeoutPolicy(idle_timeout=1.5, refresh_on="heartbeat"),
    _TASK,
    StateSnapshot({"a": 1}, ("n",), {"configurable": {}}, None, None, None, (_TASK,), ()),
    Item(value={"v": 1}, key="k", namespace=("a", "b"), created_at=_NOON, updated_at=_NOON),
    SearchItem(("a",), "k", {"v": 1}, _NOON, _NOON, score=0.5),
    GetOp(("a",), "k"),
    _DeltaSnapshot([1, {2}]),
    _DeltaSnapshot(None),
]

OWN: list[tuple[Any, Any]] = [
    (own.Send("n", {"a": (1, {2})}), LANGGRAPH[0]),
    (own.Send("n", None, timeout=3), LANGGRAPH[1]),
    (own.Command(update={"a": 1}, goto=[own.Send("n", 1), "m"], graph="__parent__"), LANGGRAPH[2]),
    (own.Command(resume={"x": 1}), LANGGRAPH[3]),
    (own.Interrupt("v", "i"), LANGGRAPH[4]),
    (own.Interrupt({"q": [1]}, id="j", response_schema={"type": "object"}), LANGGRAPH[5]),
    (own.Overwrite([1, 2]), LANGGRAPH[6]),
    (own_policies.TimeoutPolicy(run_timeout=dt.timedelta(seconds=2)), LANGGRAPH[7]),
    (own_policies.TimeoutPolicy(idle_timeout=1.5, refresh_on="heartbeat"), LANGGRAPH[8]),
    (own_policies.RetryPolicy(retry_on="text"), RetryPolicy(retry_on="text")),  # type: ignore[arg-type]
]
"""lgc's object and LangGraph's equal one."""

STANDARD: list[Any] = [
    _NOON,
    _NOON.replace(tzinfo=_BERLIN),
    _NOON.replace(tzinfo=dt.timezone.utc, fold=1),
    _NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30, seconds=7))),
    OwnTime(2020, 1, 1),
    dt.datetime.min,
    dt.datetime.max,
    _NOON.date(),
    _NOON.time(),
    dt.time(1, 2, tzinfo=dt.timezone.utc, fold=1),
    dt.time(1, 2, tzinfo=_BERLIN),
    dt.timedelta(days=-1, seconds=5, microseconds=7),
    dt.timezone.utc,
    dt.timezone(dt.timedelta(hours=5), "name"),
    _BERLIN,
    uuid.UUID(int=7),
    OwnUUID(int=7),
    decimal.Decimal("1.500"),
    decimal.Decimal("NaN"),
    set(),
    {1, 300, (2,)},
    frozenset({(1, 2)}),
    Ids({1}),
    collections.deque([1, [2]], maxlen=5),
    ipaddress.ip_address("1.2.3.4"),
    ipaddress.ip_interface("1.2.3.4/24"),
    ipaddress.ip_network("1.2.3.0/24"),
    ipaddress.ip_address("::1"),
    ipaddress.ip_interface("::1/64"),
    ipaddress.ip_network("::/64"),
    pathlib.Path("a/b"),
    pathlib.PurePosixPath("a"),
    re.compile("a+", re.I),
    re.compile(b"b"),
    collections.OrderedDict(a=1, b=2),
    collections.defaultdict(list, a=[1]),
    collections.Counter("abca"),
    collections.ChainMap({}),
    ValueError("x", "\ud800"),
    KeyError("k"),
]

UNORDERED: list[Any] = [{1, "a", None}, frozenset("abc"), {Word.A, "b"}]
"""Sets whose order is chance."""

USERS: list[Any] = [
    *(
        member
        for kind in (Color, Level, Word, Bits, Choice, Choice2, Loud, Dumps)
        for member in kind
    ),
    Bits.A | Bits.B,
    Plain(),
    Plain(Plain(), [Frozen(), Slots(1, {2})]),
    Frozen(),
    Slots(1, 2),
    SendLike(),
    NoSend(),
    Empty(),
    Hidden(),
    DictField(),
    DictField(lambda: {"dict": 1}),
    Plain,
    Empty,
    Model,
    Pair(1),
    LoosePair(1),
    Model(a={"x": (1, 2)}, b=["y"]),
    Nested(model=Model(), extra={1}, when=_NOON),
    FrozenModel(),
    Strict(),
    SecretStr("s"),
    Text("t"),
    Text("\ud800"),
    Number(5),
    Number(2**64),
    Real(1.5),
    Octets(b"x"),
    Buffer(b"x"),
    Row((1,)),
    Rows([1]),
    HashedRows([1]),
    Table(a=1),
    Box(),
    Box(node="n", arg=1),
    Box(node="n", arg=1, timeout=2.5),
    Box(dict=lambda: {"a": 1}),
    Box(model_dump=5, _asdict=lambda: {}),
    Posing(),
    Failing(ValueError("x")),
    Failing(UnicodeError("x")),
    Failing(RecursionError()),
]

if pydantic_1 is not None:

    class Old(pydantic_1.BaseModel):
        a: Any = 1

    USERS += [Old(a={"x": 1}), pydantic_1.SecretStr("s")]

PLAIN: list[Any] = [
    None,
    True,
    False,
    *(sign * (1 << bits) + near for bits in range(66) for sign in (1, -1) for near in (-1, 0, 1)),
    0.0,
    -0.0,
    1e308,
    5e-324,
    math.nan,
    math.inf,
    -math.inf,
    *("x" * size for size in (0, 1, 31, 32, 255, 256, 65535, 65536)),
    *("é" * size for size in (15, 16, 127, 128)),
    "\ud800",
    "a\ud83d\ude00b",
    "é\udc80",
    "\0\U0010ffff",
    *(b"x" * size for size in (0, 255, 256, 65535, 65536)),
    bytearray(b"ab"),
    memoryview(b"abcd"),
    memoryview(b"abcd")[::2],
    memoryview(bytearray(4)).cast("B", (2, 2)),
    *([0] * size for size in (0, 15, 16, 65535, 65536)),
    *((None,) * size for size in (0, 15, 16)),
    *(dict.fromkeys(range(size)) for size in (0, 15, 16, 65535, 65536)),
    1j,
    range(3),
    object(),
    ...,
    int,
    len,
]

KINDS = {
    "plain": PLAIN,
    "standard": STANDARD,
    "unordered": UNORDERED,
    "users": USERS,
    "messages": MESSAGES,
    "langgraph": LANGGRAPH,
    "own": [mine for mine, _ in OWN],
}
EVERY: list[Any] = [value for values in KINDS.values() for value in values]


@functools.cache
def written() -> list[bytes]:
    """What LangGraph writes of every value it takes, if that is not long."""
    found = []
    writer = JsonPlusSerializer()
    for value in EVERY:
        try:
            data = writer.dumps_typed([value, {"k": value}])[1]
        except (TypeError, ValueError):
            continue
        if len(data) < 2000:
            found.append(data)
    return found


def shape(value: Any) -> Any:
    """A value with the types of everything in it, comparable also for NaN and slots."""
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, dict):
        return (name, [(shape(key), shape(item)) for key, item in value.items()])
    if isinstance(value, (list, tuple, collections.deque)):
        return (name, [shape(item) for item in value])
    if isinstance(value, (set, frozenset)):
        return (name, sorted((shape(item) for item in value), key=repr))
    if isinstance(value, FunctionType):
        # A network of one address keeps one, which has no name but where it is in memory.
        return (name, value.__qualname__)
    fields = [*getattr(type(value), "__slots__", ()), *getattr(value, "__dict__", ())]
    own = [(field, shape(getattr(value, field, None))) for field in fields if field[:1] != "_"]
    return (name, own, repr(value) if not own or name.startswith("langchain") else "")


def hashable(value: Any) -> bool:
    """Whether a value can be a key."""
    try:
        hash(value)
    except (TypeError, ValueError, ArithmeticError):
        return False
    return True


_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**65)
    | st.floats()
    | st.text(max_size=40)
    | st.text(st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010), max_size=3)
    | st.binary(max_size=40)
)
_times = (
    st.datetimes(timezones=st.none() | st.timezones())
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
    | st.ip_addresses()
)


def _is_small(value: Any) -> bool:
    return isinstance(value, type) or not hasattr(value, "__len__") or len(value) < 1000


_small = [value for value in EVERY if _is_small(value)]


def _one_of(values: list[Any]) -> Any:
    # sampled_from would hash the values, and some refuse.
    return st.integers(0, len(values) - 1).map(values.__getitem__)


_leaves = _scalars | _scalars | _times | _one_of(_small)
_hashables = (
    st.text(max_size=5)
    | st.integers(-300, 300)
    | _times.filter(hashable)
    | _one_of([value for value in _small if hashable(value)])
    | st.tuples(st.text(max_size=2), st.integers() | st.sampled_from([Color.RED, Word.A]))
)


def _containers(inner: Any) -> Any:
    some = st.lists(inner, max_size=4)
    return (
        some
        | some.map(tuple)
        | some.map(Rows)
        | some.map(collections.deque)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
        | st.dictionaries(_hashables, inner, max_size=2)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3).map(Table)
        | st.sets(_hashables, max_size=3)
        | st.builds(Plain, inner, inner)
        | st.builds(Slots, inner, inner)
        | st.builds(Pair, inner, inner)
        | st.builds(Model, a=inner)
        | st.builds(Send, st.text(max_size=5), inner)
        | st.builds(own.Send, st.text(max_size=5), inner)
        | st.builds(Interrupt, inner, id=st.just("i"))
        | st.builds(own.Command, update=inner)
        | st.builds(
            HumanMessage, st.text(max_size=5), additional_kwargs=st.just({}), name=st.text()
        )
        | st.builds(_DeltaSnapshot, inner)
    )


values = st.recursive(_leaves, _containers, max_leaves=6)
"""Values of all kinds within each other, those that upstream refuses among them."""
