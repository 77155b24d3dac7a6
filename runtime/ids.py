"""Ids: checkpoints, tasks, interrupts and channel versions (spec §4.5-§4.8, §4.12).

Chance enters lgc here and nowhere else, and time here and where a task starts.
`time` and `random` are called through their modules, so a test that patches
`time.time_ns` or `random.getrandbits` pins LangGraph and lgc alike.
"""

from __future__ import annotations

import random
import time
from typing import Final

from xxhash import xxh3_128_hexdigest

# 100 ns intervals between 1582-10-15 (the epoch of UUIDs) and 1970-01-01.
_UUID_EPOCH: Final = 0x01B21DD213814000


class Sources:
    """What ids remember of the process.

    Attributes:
        last: the newest uuid6 timestamp handed out, in 100 ns; the next one is
            greater. Tests set it to 0.
    """

    def __init__(self) -> None:
        self.last: int = 0


SOURCES: Final = Sources()


class Draws:
    """The times and random nodes of a run's checkpoint ids, in the order of the checkpoints.

    A plain run draws none until an id is read, and then all that are due: the
    ids are those of a run that drew each in its turn.
    """

    def __init__(self) -> None:
        self.due: int = 0
        self.timestamps: list[int] = []
        self.nodes: list[int] = []

    def draw(self, count: int) -> None:
        """Draws until `count` ids have been drawn."""
        while len(self.timestamps) < count:
            timestamp = time.time_ns() // 100 + _UUID_EPOCH
            if timestamp <= SOURCES.last:
                timestamp = SOURCES.last + 1
            SOURCES.last = timestamp
            self.timestamps.append(timestamp)
            self.nodes.append(random.getrandbits(48))


class Stamp:
    """One checkpoint id: drawn in its turn, or when it is read; formatted when it is read.

    Args:
        draws: the draws of the run.
        clock_seq: the superstep (−2 for the empty checkpoint), kept in 14 bits.
    """

    def __init__(self, draws: Draws, clock_seq: int) -> None:
        self.draws: Draws = draws
        self.number: int = draws.due
        draws.due += 1
        self.clock_seq: int = clock_seq & 0x3FFF
        self._id: str = ""

    def draw(self) -> None:
        """Draws now, as upstream does when it makes the checkpoint."""
        self.draws.draw(self.number + 1)

    @property
    def id(self) -> str:
        """The uuid6 (checkpoint/base/id.py) as text: 8-4-4-4-12 hex digits."""
        if not self._id:
            self.draw()
            t = self.draws.timestamps[self.number]
            node = self.draws.nodes[self.number] & 0xFFFFFFFFFFFF
            self._id = (
                f"{t >> 28:08x}-{(t >> 12) & 0xFFFF:04x}-{0x6000 | (t & 0xFFF):04x}"
                f"-{0x8000 | self.clock_seq:04x}-{node:012x}"
            )
        return self._id


def uuid6(clock_seq: int) -> str:
    """A new checkpoint id for superstep `clock_seq`."""
    return Stamp(Draws(), clock_seq).id


def task_id(checkpoint_id: str, parts: tuple[str, ...]) -> str:
    """The id of a task: XXH3-128 over the checkpoint's 16 bytes and `parts` joined.

    Args:
        checkpoint_id: the uuid of the checkpoint the task was prepared from.
        parts: for a PULL task namespace, step, name, `__pregel_pull`, triggers
            (pregel/_algo.py:_xxhash_str; the parts of other kinds: spec §4.6).
    """
    data = bytes.fromhex(checkpoint_id.replace("-", "")) + "".join(parts).encode()
    h: str = xxh3_128_hexdigest(data)
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def interrupt_id(namespace: str, answers: int) -> str:
    """The id of a task's interrupt after `answers` resume values (spec §4.8).

    Args:
        namespace: the task's checkpoint namespace.
        answers: how many of the task's interrupts have been answered.
    """
    text = f"{namespace}|{answers}" if answers else namespace
    digest: str = xxh3_128_hexdigest(text.encode())
    return digest


def next_version(current: str | int | float | None) -> str:
    """The channel version after `current`, as LangGraph's savers make it.

    Args:
        current: the highest version so far (an int from an old saver too), or None.

    Returns:
        32 digits, a dot, and a random float (checkpoint/memory:get_next_version).
    """
    if current is None:
        number = 0
    elif isinstance(current, str):
        number = int(current.split(".")[0])
    else:
        number = int(current)
    return f"{number + 1:032}.{random.random():016}"
