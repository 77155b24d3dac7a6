"""The corpus: LangGraph writes what is committed, and lgc writes and reads the same."""

from __future__ import annotations

import ast
import logging
import platform
import runpy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import channel_states
import pytest
from langgraph._internal._typing import MISSING as THEIR_MISSING
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.errors import EmptyChannelError
from parity import COUNTS
from payloads import shape

from lgc.runtime.constants import MISSING
from lgc.runtime.public.wrapped_values import Snapshot
from lgc.runtime.serde.allowlist import SAFE_METHODS, SAFE_TYPES
from lgc.runtime.serde.serializer import Serializer

CORPUS = Path(__file__).resolve().parents[1] / "corpus"
MAKE = SimpleNamespace(**runpy.run_path(str(CORPUS / "make.py")))
FILES = (*MAKE.FILES, "foreign")
MINE = Serializer()
THEIRS = JsonPlusSerializer()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Nearly every class is unregistered."""
    caplog.set_level(logging.CRITICAL, "langgraph.checkpoint.serde.jsonplus")


def committed(file: str) -> str:
    """A file of the corpus."""
    return (CORPUS / f"{file}.txt").read_text(encoding="utf-8")


def cases(file: str) -> dict[str, tuple[str, bytes]]:
    """The tag and the bytes by name, of what is in a file as a whole."""
    lines = (line.split("\t") for line in committed(file).splitlines())
    return {
        name: (tag.replace("read", "msgpack"), ast.literal_eval(data))
        for name, tag, data in lines
        if tag != "refused" and data[:1] == "b"
    }


def read(reader: Any, data: tuple[str, bytes]) -> Any:
    """What a serializer makes of the bytes; ValueError when it refuses them."""
    try:
        return reader.loads_typed(data)
    except ValueError:
        return ValueError


# Where a path or an enum is from, and what a protocol asks for, differ between versions of Python.
@pytest.mark.skipif(
    f"python {'.'.join(platform.python_version_tuple()[:2])}" not in committed("versions"),
    reason="the corpus was made with another Python",
)
@pytest.mark.usefixtures("packer")
@pytest.mark.parametrize("file", FILES)
def test_written(file: str) -> None:
    """LangGraph writes what is committed, and lgc does."""
    wanted = committed(file)
    for writer in (THEIRS, MINE):
        assert MAKE.text(file, writer.dumps_typed).splitlines() == wanted.splitlines()
    COUNTS["values of the corpus"] += wanted.count("\n")


@pytest.mark.usefixtures("packer")
@pytest.mark.parametrize("file", FILES)
def test_read(file: str) -> None:
    """Both make the same objects of it and write the same of those."""
    for name, data in cases(file).items():
        wanted, found = read(THEIRS, data), read(MINE, data)
        assert shape(found) == shape(wanted), name
        assert MAKE.written(MINE.dumps_typed, found) == MAKE.written(THEIRS.dumps_typed, wanted)


def test_nothing_is_missing() -> None:
    """Every safe type, every channel class in a checkpoint, every code of an Ext."""
    blobs = [data for file in FILES for _, data in cases(file).values()]
    for names in (*SAFE_TYPES, *SAFE_METHODS):
        parts = [MINE.dumps_typed([name])[1][1:] for name in names]
        assert any(all(part in data for part in parts) for data in blobs), names
    names = "".join(cases("checkpoints"))
    assert all(name in names for name in channel_states.STATES)
    written = [data for file in MAKE.FILES for _, data in cases(file).values()]
    assert {data[2] for data in written if data[:1] == b"\xc7"} == set(range(8))


# --- channels on the wire ---


def value_of(channel: Any) -> Any:
    """What a channel of either side gives."""
    try:
        value = channel.get()
    except EmptyChannelError:
        return MISSING
    return MISSING if value is MISSING else shape(value)


def stored_by(channel: Any) -> Any:
    """What a channel of either side stores, or lgc's MISSING."""
    stored = channel.checkpoint()
    return MISSING if stored is THEIR_MISSING else stored


def snapshot_of(channel: Any) -> Any:
    """What a checkpoint holds of a DeltaChannel of LangGraph's now and then."""
    return _DeltaSnapshot(channel.get())


def there_and_back(
    channel: Any, own: Any, stored_by: Callable[[Any], Any], stored_by_own: Callable[[Any], Any]
) -> None:
    """Asserts what `test_channels` says of one state of both sides' channel."""
    first = THEIRS.dumps_typed(stored_by(channel))
    assert MINE.dumps_typed(stored_by_own(own)) == first

    mine = own.restore(MINE.loads_typed(first))
    theirs = channel.from_checkpoint(THEIRS.loads_typed(first))
    assert value_of(mine) == value_of(theirs)
    assert mine.is_available() == theirs.is_available()

    # Not `first`: a set that was read may have another order than the one that was written.
    second = MINE.dumps_typed(stored_by_own(mine))
    assert second == THEIRS.dumps_typed(stored_by(theirs))

    back = channel.from_checkpoint(THEIRS.loads_typed(second))
    assert value_of(back) == value_of(theirs)
    assert shape(stored_by(back)) == shape(stored_by(theirs))
    COUNTS["channel states there and back"] += 1


@pytest.mark.parametrize("name", channel_states.STATES)
def test_channels(name: str) -> None:
    """LangGraph's channel, bytes, lgc's channel, bytes, LangGraph's channel: equal at each stop."""
    states = channel_states.STATES[name]
    for channel, own in states:
        if stored_by(channel) is not MISSING:
            there_and_back(channel, own, stored_by, stored_by)
        else:
            assert own.checkpoint() is MISSING
            empty = channel.from_checkpoint(THEIR_MISSING)
            assert value_of(own.restore(MISSING)) == value_of(empty)
        if states.snapshots:
            there_and_back(channel, own, snapshot_of, lambda own: Snapshot(own.get()))
