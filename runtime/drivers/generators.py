"""What a consumer can abandon half-way; this file stays interpreted.

A generator of mypyc that is dropped while suspended does not run its `finally` (architecture §7.2),
and then nobody would wait for the tasks that still run.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from lgc.runtime.constants import MISSING
from lgc.runtime.drivers.fast_path import FastStream
from lgc.runtime.drivers.sync import SyncDriver
from lgc.runtime.streaming.parts import StreamRequest


def chunks(driver: SyncDriver | FastStream) -> Generator[Any, None, None]:
    """The chunks of a run as they become due.

    Closing or dropping the iterator ends the run; tasks that run already are waited for, as
    upstream does.
    """
    try:
        while (due := driver.advance()) is not None:
            yield from due
    finally:
        driver.close()


def parts(due: Generator[Any, None, None], request: StreamRequest) -> Iterator[Any]:
    """What the caller of a stream gets of its chunks, which are not direct.

    Args:
        due: the chunks.
        request: what the caller asked for.
    """
    try:
        for chunk in due:
            part = request.part(chunk)
            if part is not MISSING:
                yield part
    finally:
        due.close()
