"""Random operations on savers, for any saver and its async twin."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from lgc.runtime.checkpointing.model import WRITE_INDEXES

Operation = tuple[str, tuple[Any, ...], dict[str, Any]]
"""A method's name and its arguments."""

THREADS = ("t1", "t2")
RUNS = ("r1", "r2")
_NAMESPACES = ("", "child:1", "flat")
_CHANNELS = ("x", "y", "branch:to:b")
_INTEGERS = st.integers(-(2**63), 2**63 - 1)
_SCALARS = st.none() | st.booleans() | _INTEGERS | st.floats(allow_nan=False) | st.text()
_VALUES = _SCALARS | st.binary(max_size=9) | st.lists(_SCALARS, max_size=3)
_METADATA = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["input", "loop"]),
        "step": st.integers(-1, 3),
        "parents": st.sampled_from([{}, {"": "1"}]),
    },
    optional={
        "run_id": st.sampled_from(RUNS),
        "n": _SCALARS | st.lists(_INTEGERS, max_size=2),
    },
)
_FILTERS = st.dictionaries(
    st.sampled_from(["source", "step", "n", "user", "parents", "none"]),
    st.sampled_from(["loop", 1, True, None, "u", {}, {"": "1"}]) | _SCALARS,
    max_size=2,
)


def _config(draw: Any, checkpoint_id: int | None = None) -> dict[str, Any]:
    configurable: dict[str, Any] = {
        "thread_id": draw(st.sampled_from(THREADS)),
        "checkpoint_ns": draw(st.sampled_from(_NAMESPACES)),
    }
    if checkpoint_id is not None:
        configurable["checkpoint_id"] = str(checkpoint_id)
    if draw(st.booleans()):
        configurable["user"] = draw(st.sampled_from(["u", "v\0w", 7, None]))
    return {"configurable": configurable, "metadata": {"tag": 1.5} if draw(st.booleans()) else None}


def _put(draw: Any) -> tuple[Any, ...]:
    number = draw(st.integers(2, 9))
    # A ring of parents would never end for some of upstream's savers.
    parent = draw(st.none() | st.integers(1, number - 1))
    versions = draw(st.dictionaries(st.sampled_from(_CHANNELS), st.integers(1, 3)))
    stored = {
        "v": 4,
        "ts": "2026-01-01T00:00:00+00:00",
        "id": str(number),
        "channel_values": draw(st.dictionaries(st.sampled_from(_CHANNELS), _VALUES)),
        "channel_versions": versions,
        "versions_seen": {"a": dict(versions)},
        "updated_channels": draw(st.none() | st.just(["x"])),
    }
    news = {name: version for name, version in versions.items() if draw(st.booleans())}
    return _config(draw, parent), stored, draw(_METADATA), news


def _task(draw: Any) -> tuple[str, str, list[tuple[str, Any]]]:
    channels = st.sampled_from([*_CHANNELS, *WRITE_INDEXES])
    writes = draw(st.lists(st.tuples(channels, _VALUES), max_size=4))
    path = draw(st.sampled_from(["", "~__pregel_pull, a", "~__pregel_push, 0000000001"]))
    return draw(st.sampled_from(["k1", "k2"])), path, writes


def _put_writes(draw: Any) -> Operation:
    task_id, path, writes = _task(draw)
    return "put_writes", (_config(draw, draw(st.integers(1, 9))), writes, task_id, path), {}


def _put_superstep(draw: Any) -> Operation:
    config, *rest = _put(draw)
    if "checkpoint_id" not in config["configurable"]:
        return "put", (config, *rest), {}
    tasks = [_task(draw) for _ in range(draw(st.integers(0, 3)))]
    return "put_superstep", (config, tasks, *rest), {}


def _list(draw: Any) -> Operation:
    config = None
    if draw(st.booleans()):
        config = _config(draw, draw(st.none() | st.integers(2, 9)))
        if draw(st.booleans()):
            del config["configurable"]["checkpoint_ns"]
    before = draw(st.none() | st.integers(0, 9).map(lambda n: _address(n)))
    options = {
        "filter": draw(st.none() | _FILTERS),
        "before": before,
        "limit": draw(st.none() | st.integers(0, 3)),
    }
    return "list", (config,), options


def _address(number: int) -> dict[str, Any]:
    return {"configurable": {"checkpoint_id": str(number)} if number else {}}


def _get_tuple(draw: Any) -> Operation:
    return "get_tuple", (_config(draw, draw(st.none() | st.integers(2, 9))),), {}


def _history(draw: Any) -> Operation:
    config = _config(draw, draw(st.none() | st.integers(2, 9)))
    channels = draw(st.lists(st.sampled_from(_CHANNELS), unique=True))
    return "get_delta_channel_history", (), {"config": config, "channels": channels}


_KINDS: tuple[Callable[[Any], Operation], ...] = (
    lambda draw: ("put", _put(draw), {}),
    _put_superstep,
    _put_writes,
    _put_writes,
    _list,
    _get_tuple,
    _history,
    lambda draw: ("delete_thread", (draw(st.sampled_from(THREADS)),), {}),
)


@st.composite
def operations(draw: Any) -> list[Operation]:
    """What every saver can do, in some order; checkpoints are put again, and out of order."""
    kinds = draw(st.lists(st.sampled_from(range(len(_KINDS))), min_size=1, max_size=14))
    return [_KINDS[kind](draw) for kind in kinds]


def apply(saver: Any, operation: Operation) -> str:
    """What a saver's method returns or raises, as text; the order of dicts shows."""
    name, args, options = copy.deepcopy(operation)
    try:
        if name == "put_superstep" and not hasattr(saver, name):
            return repr(_in_parts(saver, *args))
        result = getattr(saver, name)(*args, **options)
        return shown(list(result) if name == "list" else result)
    except Exception as error:
        return type(error).__name__


async def apply_twin(saver: Any, operation: Operation) -> str:
    """As `apply`, by the async twin."""
    name, args, options = copy.deepcopy(operation)
    try:
        if name == "put_superstep" and not hasattr(saver, "aput_superstep"):
            return repr(await _ain_parts(saver, *args))
        method = getattr(saver, f"a{name}")
        if name == "list":
            return shown([result async for result in method(*args, **options)])
        return shown(await method(*args, **options))
    except Exception as error:
        return type(error).__name__


def _in_parts(saver: Any, config: Any, tasks: Any, *rest: Any) -> Any:
    for task_id, path, writes in tasks:
        saver.put_writes(config, writes, task_id, path)
    return saver.put(config, *rest)


async def _ain_parts(saver: Any, config: Any, tasks: Any, *rest: Any) -> Any:
    for task_id, path, writes in tasks:
        await saver.aput_writes(config, writes, task_id, path)
    return await saver.aput(config, *rest)


def shown(result: Any) -> str:
    """A result as text, whosever class a checkpoint tuple is."""
    if isinstance(result, list):
        return "\n".join(map(shown, result))
    return repr(tuple(result) if hasattr(result, "_fields") else result)
