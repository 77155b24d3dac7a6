"""lgc's own types, with LangGraph's beside them and, as in production, without."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import warnings
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import httpx
import langgraph.runtime
import langgraph.types
import pytest
import requests
from langchain_core.tools import tool
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from lgc.runtime import upstream
from lgc.runtime.public import commands, outputs, policies
from lgc.runtime.public import runtime as runtimes

SERIALIZER = JsonPlusSerializer()
own = SimpleNamespace(**{**vars(commands), **vars(outputs), **vars(policies), **vars(runtimes)})


def home(name: str) -> Any:
    """LangGraph's class of that name."""
    return getattr(langgraph.types, name, None) or getattr(langgraph.runtime, name)


def writer(chunk: object) -> None:
    """A stream writer."""


def beat() -> None:
    """A heartbeat."""


@dataclasses.dataclass
class Inner:
    """What a user may put into a Command."""

    x: int


# Class, and how objects of lgc's and of LangGraph's are made: `make(types, class)`.
INFO = ("cp", "ns", "task", "thread", "run", 2, 1.5)
RECORDS: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("Overwrite", lambda types, cls: cls([1])),
    ("Overwrite", lambda types, cls: cls(value=types("Send")("a", 1), type="other")),
    ("TimeoutPolicy", lambda types, cls: cls()),
    ("TimeoutPolicy", lambda types, cls: cls(run_timeout=timedelta(seconds=1), idle_timeout=2)),
    ("TimeoutPolicy", lambda types, cls: cls(run_timeout=0, refresh_on="wrong")),
    ("Send", lambda types, cls: cls("n", "arg")),
    ("Send", lambda types, cls: cls(node="n", arg={"a": [1]}, timeout=3)),
    ("Send", lambda types, cls: cls("n", 1, timeout=types("TimeoutPolicy")(idle_timeout=1))),
    ("Command", lambda types, cls: cls()),
    ("Command", lambda types, cls: cls(update={"a": Inner(1)}, goto="b")),
    ("Command", lambda types, cls: cls(graph=cls.PARENT, goto=(types("Send")("n", 1), "b"))),
    ("Command", lambda types, cls: cls(resume="yes", update="text", graph="child")),
    ("Interrupt", lambda types, cls: cls("question")),
    ("Interrupt", lambda types, cls: cls({"a": 1}, "id", response_schema={"type": "string"})),
    ("GraphOutput", lambda types, cls: cls({"a": 1})),
    ("GraphOutput", lambda types, cls: cls(value=Inner(1), interrupts=(types("Interrupt")(1),))),
    ("GraphOutput", lambda types, cls: cls(1)),
    ("RetryPolicy", lambda types, cls: cls()),
    ("RetryPolicy", lambda types, cls: cls(1, max_attempts=2, retry_on=(ValueError,))),
    ("CachePolicy", lambda types, cls: cls()),
    ("CachePolicy", lambda types, cls: cls(key_func=len, ttl=5)),
    ("ExecutionInfo", lambda types, cls: cls("cp", "ns", "task")),
    ("ExecutionInfo", lambda types, cls: cls(*INFO)),
    ("Runtime", lambda types, cls: cls(stream_writer=writer, heartbeat=beat)),
    (
        "Runtime",
        lambda types, cls: cls(
            context=1,
            stream_writer=writer,
            heartbeat=beat,
            execution_info=types("ExecutionInfo")(*INFO),
        ),
    ),
]
CLASSES = sorted({name for name, _ in RECORDS})
pairs = pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (make(lambda n: getattr(own, n), getattr(own, name)), make(home, home(name)))
        for name, make in RECORDS
    ],
    ids=[f"{name}-{number}" for number, (name, _) in enumerate(RECORDS)],
)
objects = pytest.mark.parametrize(
    "make",
    [make for _, make in RECORDS],
    ids=[f"{name}-{number}" for number, (name, _) in enumerate(RECORDS)],
)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of LangGraph or langchain-core is loaded, as far as lgc can tell."""
    monkeypatch.setattr(upstream, "loaded", lambda module, name: None)


def tried(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The result, or which error there was."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error), str(error)


# -- beside LangGraph's ------------------------------------------------------------


@pairs
def test_passes_for_langgraphs(mine: Any, theirs: Any) -> None:
    assert type(mine) is not type(theirs)
    assert isinstance(mine, type(theirs))
    assert isinstance(theirs, type(mine))
    assert mine.__class__ is type(theirs)
    assert mine == theirs and theirs == mine
    assert (mine != theirs, theirs != mine) == (False, False)
    assert repr(mine) == repr(theirs)
    assert tried(hash, mine) == tried(hash, theirs)
    assert mine != 1 and mine != Inner(1)


@pairs
def test_is_copied_and_pickled_as_langgraphs(mine: Any, theirs: Any) -> None:
    for made in (
        copy.copy(mine),
        copy.deepcopy(mine),
        *(pickle.loads(pickle.dumps(mine, protocol)) for protocol in (2, 3, 4, 5)),
    ):
        assert type(made) is type(theirs)
        assert made == theirs


@pairs
def test_is_serialised_as_langgraphs(mine: Any, theirs: Any) -> None:
    expected = tried(SERIALIZER.dumps_typed, theirs)
    assert tried(SERIALIZER.dumps_typed, mine) == expected
    assert tried(SERIALIZER.dumps_typed, {"in": [mine]}) == tried(
        SERIALIZER.dumps_typed, {"in": [theirs]}
    )


@pairs
def test_dataclasses_take_it(mine: Any, theirs: Any) -> None:
    assert dataclasses.is_dataclass(mine) == dataclasses.is_dataclass(theirs)
    if dataclasses.is_dataclass(theirs):
        assert dataclasses.fields(mine) == dataclasses.fields(theirs)
        assert dataclasses.asdict(mine) == dataclasses.asdict(theirs)
        assert dataclasses.astuple(mine) == dataclasses.astuple(theirs)
        first = dataclasses.fields(theirs)[0].name
        changed = dataclasses.replace(mine, **{first: "x"})
        assert type(changed) is type(theirs)
        assert changed == dataclasses.replace(theirs, **{first: "x"})


@pairs
def test_is_as_mutable_as_langgraphs(mine: Any, theirs: Any) -> None:
    mine, theirs = type(mine).__new__(type(mine)), copy.copy(theirs)
    for name in ("update", "value", "node", "run_timeout", "ttl", "context", "task_id", "nothing"):
        changed = tried(setattr, mine, name, 1), tried(setattr, theirs, name, 1)
        assert (changed[0] is None) == (changed[1] is None)
        if changed[1] and changed[1][0] is dataclasses.FrozenInstanceError:
            assert changed[0] == changed[1]
            removed = tried(delattr, mine, name), tried(delattr, theirs, name)
            assert removed[0] == removed[1]


@pytest.mark.parametrize("name", CLASSES)
def test_class_is_like_langgraphs(name: str) -> None:
    mine, theirs = getattr(own, name), home(name)

    def parameters(cls: Any) -> list[tuple[str, Any, Any]]:
        found = inspect.signature(cls).parameters.values()
        # `ns=` and `default_factory` of old; the empty functions are each side's own.
        return [
            (p.name, p.kind, None if inspect.isfunction(p.default) else p.default)
            for p in found
            if p.kind is not p.VAR_KEYWORD
        ]

    mine_has, theirs_has = parameters(mine), parameters(theirs)
    assert [p[:2] for p in mine_has] == [p[:2] for p in theirs_has]
    if name != "Send":
        assert mine_has == theirs_has or name in ("CachePolicy", "RetryPolicy", "Runtime")
    assert getattr(mine, "__match_args__", ()) == getattr(theirs, "__match_args__", ())
    public = {n for n in dir(theirs) if not n.startswith("_")}
    assert public - {n for n in dir(mine)} <= {"from_ns", "interrupt_id"}


def test_patterns_match_in_both_directions() -> None:
    for cls in (own.Command, langgraph.types.Command):
        for made in (own.Command(goto="b"), langgraph.types.Command(goto="b")):
            match made:
                case cls(goto=where):
                    assert where == "b"
                case _:
                    pytest.fail(f"{made!r} is no {cls}")


def test_derived_classes() -> None:
    """Recognised by LangGraph; an object of LangGraph's is none of them."""

    class Mine(own.Send):
        def __init__(self, arg: Any) -> None:
            super().__init__("node", arg)
            self.more = 1

    made = Mine(2)
    assert isinstance(made, langgraph.types.Send) and made == langgraph.types.Send("node", 2)
    assert not isinstance(langgraph.types.Send("node", 2), Mine)
    assert upstream.is_a(made, "Send")


def test_parametrised_classes() -> None:
    """LangGraph reads destinations from `Command[Literal[...]]`, also inside a union."""
    assert own.Command[Literal["a"]] == langgraph.types.Command[Literal["a"]]


def test_parametrised_before_langgraph_was_loaded(alone: None) -> None:
    alias = own.Command[Literal["a"]]
    optional, reverse = alias | None, None | alias
    assert get_origin(alias) is own.Command
    assert alias(goto="a") == own.Command(goto="a")
    assert get_origin(optional) is Union and get_args(optional) == (alias, type(None))
    assert get_args(reverse) == (type(None), alias)
    assert get_args(own.Runtime[int]) == (int,)


def test_parametrised_then_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(upstream, "loaded", lambda module, name: None)
        alias = own.Command[Literal["a"]]
    assert get_origin(alias) is langgraph.types.Command
    assert get_args(alias) == (Literal["a"],)


@pytest.mark.parametrize("value", [{"a": 1}, {}, Inner(1), None, 1, {"__interrupt__": 1}])
@pytest.mark.parametrize("interrupts", [(), (langgraph.types.Interrupt("question"),)])
@pytest.mark.parametrize("key", ["a", "x", "nothing", "__interrupt__", 0, None])
def test_an_output_is_read_like_a_result(value: Any, interrupts: Any, key: Any) -> None:
    """Deprecated, with the warning at the caller's line."""
    seen = []
    for cls in (own.GraphOutput, langgraph.types.GraphOutput):
        output = cls(value, interrupts)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            found = tried(lambda o=output: o[key]), tried(lambda o=output: key in o)
        shown = [(entry.category, str(entry.message), entry.filename) for entry in warned]
        seen.append((found, shown))
    assert seen[0] == seen[1]
    assert len(seen[0][1]) == 2 and seen[0][1][0][2] == __file__


def test_stream_parts_are_langgraphs_key_by_key() -> None:
    for name in (
        "ValuesStreamPart",
        "UpdatesStreamPart",
        "MessagesStreamPart",
        "CustomStreamPart",
        "CheckpointStreamPart",
        "TasksStreamPart",
        "DebugStreamPart",
        "TaskPayload",
        "TaskResultPayload",
        "CheckpointTask",
        "CheckpointPayload",
    ):
        mine, theirs = getattr(outputs, name), getattr(langgraph.types, name)
        assert set(get_type_hints(mine)) == set(get_type_hints(theirs)), name
        if getattr(theirs, "__parameters__", ()):
            assert get_args(mine[int]) == (int,)
    # Parameters as LangGraph's: of the state, of the output.
    assert get_args(outputs.StreamPart[int, str])[0] == outputs.CheckpointStreamPart[int]
    assert outputs.ValuesStreamPart[str] in get_args(outputs.StreamPart[int, str])
    assert len(get_args(outputs.StreamPart)) == 7
    assert len(get_args(outputs.DebugPayload[int])) == 3


# -- without LangGraph ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "make"), RECORDS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(RECORDS)]
)
def test_alone(alone: None, name: str, make: Callable[[Any, Any], Any]) -> None:
    cls = getattr(own, name)
    mine, same = (make(lambda n: getattr(own, n), cls) for _ in range(2))
    assert mine.__class__ is type(mine) is cls
    assert mine == same
    assert mine != make(home, home(name)) or isinstance(mine, tuple)
    for made in (
        copy.copy(mine),
        copy.deepcopy(mine),
        *(pickle.loads(pickle.dumps(mine, protocol)) for protocol in (2, 5)),
    ):
        assert type(made) is cls and made == mine
    theirs = make(home, home(name))
    if dataclasses.is_dataclass(theirs):
        names = [field.name for field in dataclasses.fields(theirs)]
        assert [field.name for field in dataclasses.fields(mine)] == names
        assert type(dataclasses.replace(mine, **{names[0]: "x"})) is cls
    if name not in ("RetryPolicy", "CachePolicy"):
        assert repr(mine) == repr(theirs)


@pytest.mark.parametrize(
    ("name", "make"), RECORDS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(RECORDS)]
)
def test_pickled_alone_and_loaded_beside_langgraph(
    monkeypatch: pytest.MonkeyPatch, name: str, make: Callable[[Any, Any], Any]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(upstream, "loaded", lambda module, name: None)
        pickled = pickle.dumps(make(lambda n: getattr(own, n), getattr(own, name)))
    theirs = make(home, home(name))
    assert pickle.loads(pickled) == theirs
    assert isinstance(pickle.loads(pickled), type(theirs))


def test_derived_classes_keep_what_they_add(alone: None) -> None:
    class Derived(own.Send):
        more: int

    made = Derived("n", 1)
    made.more = 2
    for copied in (copy.copy(made), copy.deepcopy(made)):  # by what pickle asks for, too
        assert type(copied) is Derived and copied.more == 2 and copied == made


@pytest.mark.parametrize("value", [None, 3, 2.5, timedelta(seconds=4), 0, -1, "1", "x"])
def test_timeouts_are_coerced_alike(alone: None, value: Any) -> None:
    theirs = tried(langgraph.types.TimeoutPolicy.coerce, value)
    assert repr(tried(own.TimeoutPolicy.coerce, value)) == repr(theirs)
    assert repr(tried(own.Send, "n", 1, timeout=value)) == repr(
        tried(langgraph.types.Send, "n", 1, timeout=value)
    )


@pytest.mark.parametrize(
    "fields",
    [{"idle_timeout": 0}, {"refresh_on": "x"}, {"run_timeout": 1, "refresh_on": "heartbeat"}, {}],
)
def test_timeout_policies_are_coerced_alike(alone: None, fields: dict[str, Any]) -> None:
    theirs = langgraph.types.TimeoutPolicy
    assert repr(tried(own.TimeoutPolicy.coerce, own.TimeoutPolicy(**fields))) == repr(
        tried(theirs.coerce, theirs(**fields))
    )


def _http_error(library: Any, status: int) -> Exception:
    if library is requests:
        response = requests.Response()
        response.status_code = status
        return requests.HTTPError(response=response)
    request = httpx.Request("GET", "http://localhost")
    return httpx.HTTPStatusError(
        "", request=request, response=httpx.Response(status, request=request)
    )


@pytest.mark.parametrize(
    "error",
    [
        *(
            cls("x")
            for cls in (Exception, ValueError, KeyError, OSError, ConnectionError, TimeoutError)
        ),
        RecursionError(),
        StopIteration(),
        *(_http_error(library, status) for library in (httpx, requests) for status in (404, 503)),
        requests.HTTPError("no response"),
    ],
    ids=repr,
)
def test_what_is_retried_by_default(alone: None, error: Exception) -> None:
    expected = langgraph.types.RetryPolicy().retry_on(error)  # type: ignore[operator,arg-type,misc]
    assert own.RetryPolicy().retry_on(error) == expected


@pytest.mark.parametrize(
    "value", [1, "x", {"b": [1, {2}], "a": {"c": None}}, [[[1]], ()], memoryview(b"abc"), {1, 2}]
)
def test_default_cache_keys(alone: None, value: Any) -> None:
    expected = tried(langgraph.types.CachePolicy().key_func, value)
    assert tried(own.CachePolicy().key_func, value) == expected


def test_a_tool_may_return_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without langgraph, langchain-core has to be told that a Command is no text."""

    @tool
    def move() -> Any:
        """Moves."""
        return command

    def without_langgraph(module: str, name: str) -> Any:
        return None if "langgraph" in module else real(module, name)

    real = upstream.loaded
    monkeypatch.setattr(upstream, "loaded", without_langgraph)
    command = own.Command(goto="b")
    call = {"type": "tool_call", "id": "1", "name": "move", "args": {}}
    assert move.invoke(call) is command
    assert dataclasses.replace(command, goto="c") == own.Command(goto="c")
    assert type(dataclasses.replace(command, goto="c")) is own.Command
    assert pickle.loads(pickle.dumps(command)) == command
    assert upstream.is_a(command, "Command")


@pytest.mark.parametrize(
    "update",
    [None, {"a": 1}, [("a", 1), ("a", 2)], (("a", 1),), [("a", 1), 2], [(1, 2)], [], "x", Inner(1)],
)
def test_updates_of_commands(update: Any) -> None:
    theirs = langgraph.types.Command(update=update)
    assert list(own.Command(update=update)._update_as_tuples()) == list(theirs._update_as_tuples())


# -- Runtime ---------------------------------------------------------------------------


@pytest.mark.parametrize("beside", [True, False])
def test_runtime_methods(monkeypatch: pytest.MonkeyPatch, beside: bool) -> None:
    if not beside:
        monkeypatch.setattr(upstream, "loaded", lambda module, name: None)

    def shown(runtime: Any) -> dict[str, Any]:
        """Its fields; of its functions, whether they are those that were given."""
        fields = dataclasses.asdict(runtime)
        given = {"stream_writer": writer, "heartbeat": beat}
        return {**fields, **{name: fields[name] is given[name] for name in given}}

    def seen(cls: Any, info: Any) -> Any:
        first = cls(context=1, stream_writer=writer, execution_info=info("cp", "ns", "task"))
        second = cls(store="store", heartbeat=beat, previous=3)
        merged = [first.merge(second), second.merge(first), first.override(context=7)]
        return [
            *(shown(made.patch_execution_info(node_attempt=4)) for made in merged),
            tried(second.patch_execution_info, node_attempt=2),
            first.drain_requested,
            first.drain_reason,
        ]

    theirs = seen(langgraph.runtime.Runtime, langgraph.runtime.ExecutionInfo)
    assert seen(own.Runtime, own.ExecutionInfo) == theirs


def test_runtime_without_anything() -> None:
    made = own.Runtime()
    assert made.stream_writer("x") is None and made.heartbeat() is None
    made = made.merge(langgraph.runtime.Runtime(context=1))
    assert type(made) is langgraph.runtime.Runtime and made.context == 1
    assert made.stream_writer is runtimes.no_writer
