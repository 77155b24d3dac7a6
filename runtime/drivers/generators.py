"""What a consumer can abandon half-way; this file stays interpreted.

A generator of mypyc that is dropped while suspended does not run its `finally` (architecture §7.2),
and then nobody would wait for the tasks that still run.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from lgc.runtime.drivers.sync import SyncDriver


def chunks(driver: SyncDriver) -> Generator[Any, None, None]:
    """The chunks of a run as they become due.

    Closing or dropping the iterator ends the run; tasks that run already are waited for, as
    upstream does.
    """
    try:
        while (due := driver.advance()) is not None:
            yield from due
    finally:
        driver.close()


def shown(
    due: Generator[Any, None, None],
    modes: str | Sequence[str],
    printed: Any,
    subgraphs: bool,
) -> Iterator[Any]:
    """Chunks with their modes as the caller wants them (pregel/main.py:_output).

    Args:
        due: `(mode, payload)`; of a graph inside a node `(mode, payload, namespace)`.
        modes: what the caller asked for; chunks of other modes are for `printed` only.
        printed: the modes that go to standard output; tested for membership only, as upstream does.
        subgraphs: with the namespace; this graph's own is empty.
    """
    try:
        for mode, payload, *namespace in due:
            if mode in printed:
                graph = ""
                if namespace and namespace[0]:
                    graph = f"\033[1;30;33m[graph={namespace[0]}]\033[0m "
                print(f"\033[1m[{mode}]\033[0m {graph}{payload!r}")
            if mode not in modes:
                continue
            tagged = (mode, payload) if isinstance(modes, list) else (payload,)
            if subgraphs:
                yield (namespace[0] if namespace else (), *tagged)
            else:
                yield tagged if isinstance(modes, list) else payload
    finally:
        due.close()
