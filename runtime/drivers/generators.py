"""What a consumer can abandon half-way, so it is never compiled.

A generator of mypyc that is dropped while suspended does not run its `finally`
(design §5), and then nobody would wait for the tasks still running.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from lgc.runtime.constants import INTERRUPT
from lgc.runtime.drivers.fast_path import drain
from lgc.runtime.engine.loop import Run


def chunks(run: Run, value: Any) -> Generator[Any, None, None]:
    """The chunks of `run` on input `value`, as they become due.

    Closing or dropping the iterator ends the run; tasks that are already running
    are waited for, as upstream does.
    """
    try:
        run.start(value)
        while (due := run.advance()) is not None:
            yield from due
    finally:
        run.close()


def shown(
    due: Generator[Any, None, None],
    modes: str | Sequence[str],
    printed: Any,
    subgraphs: bool,
) -> Iterator[Any]:
    """Tagged chunks as the caller wants them (pregel/main.py:_output).

    Args:
        due: `(mode, payload)`; of a graph inside a node `(mode, payload, namespace)`.
        modes: what the caller asked for; chunks of other modes are for `printed` only.
        printed: the modes that go to standard output; tested for membership only, as upstream does.
        subgraphs: with the namespace; this graph's own is empty.
    """
    try:
        for mode, payload, *place in due:
            if mode in printed:
                graph = ""
                if place and place[0]:
                    graph = f"\033[1;30;33m[graph={place[0]}]\033[0m "
                print(f"\033[1m[{mode}]\033[0m {graph}{payload!r}")
            if mode not in modes:
                continue
            tagged = (mode, payload) if isinstance(modes, list) else (payload,)
            if subgraphs:
                yield (place[0] if place else (), *tagged)
            else:
                yield tagged if isinstance(modes, list) else payload
    finally:
        due.close()


def with_interrupts(values: Any, asked: list[Any]) -> Any:
    """What an invoke returns that ended with `values` and with what its nodes asked for."""
    if not asked:
        return values
    return {**values, INTERRUPT: asked} if isinstance(values, dict) else {INTERRUPT: asked}


def result(run: Run, value: Any) -> Any:
    """The newest values of `run` on input `value`; None when no output key was written."""
    try:
        return with_interrupts(drain(run, value), run.interrupts)
    except StopIteration as exc:
        # Upstream's invoke consumes a generator, which may not raise this.
        raise RuntimeError("generator raised StopIteration") from exc
    finally:
        run.close()
