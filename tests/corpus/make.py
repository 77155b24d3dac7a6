"""`make corpus`: what LangGraph writes of every kind of value, for lgc to write and to read.

    PYTHONPATH=tests/support .venv/bin/python tests/corpus/make.py

A line of a file is a value's name, the tag and the bytes as Python source, with tabs between
them. Long bytes are their number and SHA-256; a value that LangGraph refuses has the tag
"refused". Bytes that LangGraph reads and does not write have the tag "read".
"""

from __future__ import annotations

import copy
import hashlib
import platform
from collections import Counter
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import channel_states
import numpy
import ormsgpack
import payloads
from langgraph._internal._typing import MISSING
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.pregel._checkpoint import create_checkpoint

HERE = Path(__file__).resolve().parent
PACKAGES = (
    "langgraph",
    "langgraph-checkpoint",
    "ormsgpack",
    "langchain-core",
    "pydantic",
    "numpy",
)
LONG = 4000
"""Of more bytes only the hash is kept."""

Cases = dict[str, Any]
"""Values by name."""


def named(values: Iterable[Any]) -> Cases:
    """Values under the name of their type, with a number."""
    seen: Counter[str] = Counter()
    found = {}
    for value in values:
        name = type(value).__name__
        seen[name] += 1
        found[f"{name} {seen[name]}"] = value
    return found


def wrapped(value: Any, times: int, around: Callable[[Any], Any]) -> Any:
    """`value` within `times` containers."""
    for _ in range(times):
        value = around(value)
    return value


def levels() -> Cases:
    """Values within each other, up to what is refused."""
    around: dict[str, Callable[[Any], Any]] = {
        "list": lambda value: [value],
        "tuple": lambda value: (value,),
        "dict": lambda value: {"a": value},
        "dataclass": payloads.Plain,
        "model": lambda value: payloads.Model(a=value),
        "set": lambda value: frozenset((value,)),
    }
    found = {
        f"{times} of {name}": wrapped(1, times, container)
        for name, container in around.items()
        for times in ((32,) if name in ("dataclass", "model", "set") else (32, 255, 256))
    }
    found["255 keys"] = {wrapped(1, 254, around["tuple"]): 1}
    found["256 keys"] = {wrapped(1, 255, around["tuple"]): 1}
    return found


def keys() -> Cases:
    """Dicts by the types of their keys; an int is written as elsewhere."""
    kinds = ("plain", "standard", "users", "langgraph")
    every = [value for kind in kinds for value in payloads.KINDS[kind] if type(value) is not int]
    small = [value for value in every if payloads.hashable(value) and len(repr(value)) < 200]
    return {name: {value: 1} for name, value in named(small).items()}


def arrays() -> Cases:
    """numpy's arrays: orders, dtypes and shapes."""
    square = numpy.arange(12, dtype="<i4").reshape(3, 4)
    dtypes = ("?", "<i1", "<u2", ">i4", "<u8", "<f2", "<f4", ">f8", "<c16", "<U3", "S2", "<M8[D]")
    return {
        "C": square,
        "F": numpy.asfortranarray(square),
        "transposed": square.T,
        "columns": square[:, ::2],
        "reversed": square[::-1],
        "no dimension": numpy.array(5.0),
        "empty": numpy.zeros((0, 3)),
        **{dtype: numpy.arange(3).astype(dtype) for dtype in dtypes},
        "within": {"a": [payloads.Plain(square[:1])]},
        "float64": numpy.float64(1.5),
        "int64": numpy.int64(1),
    }


def checkpoints() -> Cases:
    """Whole checkpoints: one for each state of each channel class, and one of all classes."""
    found = {}
    together: dict[str, Any] = {}
    for name, states in channel_states.STATES.items():
        for step, (channel, _) in enumerate(states):
            if not by_chance(channel):
                found[f"{name} {step}"] = checkpoint({name: channel}, step, set())
            if states.snapshots:
                found[f"{name} {step} snapshot"] = checkpoint({name: channel}, step, {name})
            if step == 1:
                together[name] = channel.copy()
    found["all"] = checkpoint(together, 1, {"DeltaChannel"})
    return found


def checkpoint(channels: dict[str, Any], step: int, snapshots: set[str]) -> Any:
    """The checkpoint of `channels`, at a fixed time."""
    versions = {name: f"{step:032}.0.5" for name in channels}
    before: Any = {
        "v": 4,
        "id": "1f0a3b52-93ab-6f1c-8000-5e2f1a0c9d11",
        "ts": "2026-01-01T00:00:00+00:00",
        "channel_values": {},
        "channel_versions": versions,
        "versions_seen": {"__input__": {}, "node": versions},
    }
    made = create_checkpoint(
        before,
        channels,
        step,
        id=f"1f0a3b52-93ab-6f1c-{0x8000 + step:04x}-5e2f1a0c9d11",
        updated_channels=set(channels),
        channels_to_snapshot=snapshots,
    )
    # A channel may change later what it stored.
    return copy.deepcopy({**made, "ts": before["ts"]})


def channels() -> Cases:
    """What a saver that stores channels by themselves holds of each state of each class."""
    found = {}
    for name, states in channel_states.STATES.items():
        for step, (channel, _) in enumerate(states):
            stored = channel.checkpoint()
            if stored is not MISSING and not by_chance(channel):
                found[f"{name} {step}"] = copy.deepcopy(stored)
            if states.snapshots:
                found[f"{name} {step} snapshot"] = _DeltaSnapshot(channel.get())
    return found


def by_chance(channel: Any) -> bool:
    """Whether the order of what a channel stores is that of a set of strings."""
    return len(getattr(channel, "seen", ())) > 1


def foreign() -> dict[str, bytes]:
    """Bytes that LangGraph reads and would not write."""
    pair = ["payloads", "Plain", {"a": 1}]
    payload_of: dict[str, Any] = {
        "a constructor of one": ["decimal", "Decimal", "1.5"],
        "a dataclass": pair,
        "a model with a method": ["payloads", "Model", {"a": 1}, "model_validate_json"],
        "a method": ["datetime", "datetime", "2020-01-01", "fromisoformat"],
        "a method that is not safe": ["datetime", "datetime", 5, "fromtimestamp"],
        "an array": ["<f8", [1], "C", b"\0" * 8],
        "no class": ["payloads", "NoSuch", {"a": 1}],
        "no module": ["no_such_module", "Plain", {"a": 1}],
        "text": "text",
        "nothing": None,
    }
    # Those of other systems and of other versions of Python.
    for module in ("pathlib", "pathlib._local"):
        for name in ("Path", "PosixPath", "WindowsPath"):
            payload_of[f"{module}.{name}"] = [module, name, ["a", "b"]]
    found = {
        f"code {code}, {what}": ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(payload)))
        for code in range(9)
        for what, payload in payload_of.items()
    }
    found["two objects"] = b"\x01\x02"
    found["an array as a key"] = b"\x81\x92\x01\x90\x02"
    found["a timestamp"] = b"\xd6\xff\0\0\0\x01"
    found["long forms"] = b"\xdd\0\0\0\x03\xd9\x01a\xcf" + b"\0" * 7 + b"\x01\xdf\0\0\0\0"
    return found


FILES: dict[str, Callable[[], Cases]] = {
    **{
        kind: lambda kind=kind: named(payloads.KINDS[kind])  # type: ignore[misc]
        for kind in ("plain", "standard", "users", "messages", "langgraph")
    },
    "arrays": arrays,
    "keys": keys,
    "levels": levels,
    "channels": channels,
    "checkpoints": checkpoints,
}
"""Makes the values of a file. No order is that of a set of strings, which is chance."""


def line(name: str, tag: str, data: bytes) -> str:
    """A line of a file."""
    shown = repr(bytes(data))
    if len(data) > LONG:
        shown = f"{len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}"
    return f"{name}\t{tag}\t{shown}\n"


def written(write: Callable[[Any], tuple[str, bytes]], value: Any) -> tuple[str, bytes]:
    """What a serializer's `dumps_typed` makes of a value, or "refused"."""
    try:
        return write(value)
    except (TypeError, ValueError):
        return "refused", b""


def text(file: str, write: Callable[[Any], tuple[str, bytes]]) -> str:
    """The lines of a file, with what `write` makes of its values."""
    if file == "foreign":
        return "".join(line(name, "read", data) for name, data in foreign().items())
    return "".join(line(name, *written(write, value)) for name, value in FILES[file]().items())


def versions() -> str:
    """What the files were made with."""
    packages = "".join(f"{name} {version(name)}\n" for name in PACKAGES)
    return f"python {'.'.join(platform.python_version_tuple()[:2])}\n{packages}"


def main() -> None:
    """Writes all files."""
    writer = JsonPlusSerializer()
    for old in HERE.glob("*.txt"):
        old.unlink()
    (HERE / "versions.txt").write_text(versions(), encoding="utf-8")
    for file in (*FILES, "foreign"):
        found = text(file, writer.dumps_typed)
        (HERE / f"{file}.txt").write_text(found, encoding="utf-8")
        print(f"{file}: {found.count(chr(10))} cases, {len(found) // 1024} kB")


if __name__ == "__main__":
    main()
