"""Ids: checkpoints, tasks, interrupts and channel versions (spec §4.5-§4.8, §4.12).

Random numbers are drawn here and nowhere else; the clock is read here and where a task starts.
`time` and `random` are called through their modules, so a test that patches `time.time_ns` or
`random.getrandbits` pins LangGraph and lgc alike.
"""

from __future__ import annotations

import random
import time
from typing import Any, Final

from xxhash import xxh3_128_hexdigest

# 100 ns intervals between 1582-10-15 (the epoch of UUIDs) and 1970-01-01.
_UUID_EPOCH: Final = 0x01B21DD213814000
# The superstep of the empty checkpoint that every run starts from.
_FIRST_STEP: Final = -2


class Sources:
    """The state of the process that ids depend on.

    Attributes:
        last: the newest uuid6 timestamp handed out, in 100 ns; the next one is
            greater. Tests set it to 0.
    """

    def __init__(self) -> None:
        self.last: int = 0


SOURCES: Final = Sources()


class CheckpointIds:
    """The ids of a run's checkpoints: drawn when one is read.

    A run without a saver draws nothing until an id is read, and then those of all supersteps so
    far, in order: the ids are those of a run that drew each in its turn.
    """

    def __init__(self) -> None:
        self.timestamps: list[int] = []
        self.nodes: list[int] = []
        self.texts: dict[int, str] = {}

    def draw(self, step: int) -> None:
        """Draws, in order, the ids up to superstep `step` that have not been drawn."""
        while len(self.timestamps) <= step - _FIRST_STEP:
            self.timestamps.append(_timestamp())
            self.nodes.append(random.getrandbits(48))

    def checkpoint_id(self, step: int) -> str:
        """The id of the checkpoint made after superstep `step` (-2: the empty one)."""
        text = self.texts.get(step, "")
        if not text:
            self.draw(step)
            number = step - _FIRST_STEP
            text = uuid6(self.timestamps[number], self.nodes[number], step)
            self.texts[step] = text
        return text


def draw_checkpoint_id(step: int) -> str:
    """A new id for the checkpoint made after superstep `step` (-2: the empty one)."""
    return uuid6(_timestamp(), random.getrandbits(48), step)


def _timestamp() -> int:
    """Now, in 100 ns since 1582-10-15, and later than any such time before."""
    timestamp = time.time_ns() // 100 + _UUID_EPOCH
    if timestamp <= SOURCES.last:
        timestamp = SOURCES.last + 1
    SOURCES.last = timestamp
    return timestamp


def uuid6(timestamp: int, node: int, clock_seq: int) -> str:
    """A uuid6 (checkpoint/base/id.py) as text: 8-4-4-4-12 hex digits.

    Args:
        timestamp: in 100 ns since 1582-10-15.
        node: a random number, kept in 48 bits.
        clock_seq: kept in 14 bits; the superstep in the id of a checkpoint.
    """
    return (
        f"{timestamp >> 28:08x}-{(timestamp >> 12) & 0xFFFF:04x}-{0x6000 | (timestamp & 0xFFF):04x}"
        f"-{0x8000 | (clock_seq & 0x3FFF):04x}-{node & 0xFFFFFFFFFFFF:012x}"
    )


def task_id(checkpoint_id: str, parts: tuple[str, ...], first_layout: bool = False) -> str:
    """The id of a task: a hash over the checkpoint's 16 bytes and `parts` joined.

    Args:
        checkpoint_id: the uuid of the checkpoint the task was prepared from.
        parts: for a PULL task namespace, step, name, `__pregel_pull`, triggers
            (the parts of other kinds: spec §4.6).
        first_layout: the checkpoint is of version 1, in which task ids are made with SHA-1 and
            not with XXH3-128 (pregel/_algo.py:_uuid5_str, _xxhash_str).
    """
    data = bytes.fromhex(checkpoint_id.replace("-", "")) + "".join(parts).encode()
    h: str
    if first_layout:
        from hashlib import sha1

        h = sha1(data, usedforsecurity=False).hexdigest()
    else:
        h = xxh3_128_hexdigest(data)
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:32]}"


def path_text(path: object) -> str:
    """A task path as savers sort by it (pregel/_algo.py:task_path_str)."""
    if isinstance(path, (tuple, list)):
        return "~" + ", ".join([path_text(part) for part in path])
    return f"{path:010d}" if isinstance(path, int) else str(path)


def interrupt_id(namespace: str, answers: int) -> str:
    """The id of a task's interrupt after `answers` resume values (spec §4.8).

    Args:
        namespace: the task's checkpoint namespace.
        answers: how many of the task's interrupts have been answered.
    """
    text = f"{namespace}|{answers}" if answers else namespace
    digest: str = xxh3_128_hexdigest(text.encode())
    return digest


def next_version(current: Any) -> str:
    """The channel version after `current`, as LangGraph's savers make it.

    Args:
        current: the highest version so far (an int from an old saver too), or None.

    Returns:
        32 digits, a dot, and a random float (checkpoint/memory:get_next_version).
    """
    if current is None:
        number = 0
    elif isinstance(current, int):
        number = current
    else:
        number = int(current.split(".")[0])
    return f"{number + 1:032}.{random.random():016}"
