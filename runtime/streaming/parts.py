"""What a consumer gets of a run's chunks: their shape, and what is printed (spec §5.1, §5.6)."""

from __future__ import annotations

from typing import Any

from lgc.runtime.constants import INTERRUPT, MISSING
from lgc.runtime.engine.run import RunOptions
from lgc.runtime.streaming.chunks import with_interrupts


class StreamRequest:
    """What the caller of a stream asked for.

    Args:
        options: what it asked of the run.
        modes: which chunks are to be handed out: one mode, or several.
        printed: the modes whose chunks go to standard output. Of both, upstream only asks whether
            they contain a mode, and whether `modes` is a list.
        subgraphs: chunks come with their namespace; this graph's own is empty.

    Attributes:
        wanted: the modes whose chunks the run has to make (start.streamed_loop); if this is a
            list, chunks come with their mode.
        is_direct: the caller gets chunks as the run makes them; else what `part` makes of each.
    """

    def __init__(self, options: RunOptions, modes: Any, printed: Any, subgraphs: bool) -> None:
        self.options: RunOptions = options
        self.modes: Any = modes
        self.printed: Any = printed
        self.subgraphs: bool = subgraphs
        self.is_direct: bool = printed == () and not subgraphs
        self.wanted: Any = modes
        if not self.is_direct:
            self.wanted = [*_listed(modes), *_listed(printed)]

    def part(self, chunk: Any) -> Any:
        """What the caller gets for a chunk, or MISSING; prints it if that is wanted.

        Chunks may be printed or changed: each is to be passed once, when the caller asks for it.
        Source: pregel/main.py:_output.

        Args:
            chunk: `(mode, payload)`; of a graph inside a node `(mode, payload, namespace)`.
        """
        mode = chunk[0]
        payload = chunk[1]
        namespace: Any = chunk[2] if len(chunk) > 2 else ()
        if mode in self.printed:
            graph = f"\033[1;30;33m[graph={namespace}]\033[0m " if namespace else ""
            print(f"\033[1m[{mode}]\033[0m {graph}{payload!r}")
        if mode not in self.modes:
            return MISSING
        if isinstance(self.modes, list):
            return (namespace, mode, payload) if self.subgraphs else (mode, payload)
        return (namespace, payload) if self.subgraphs else payload


class InvokeResult:
    """Collects what an invoke returns from the chunks of a stream (spec §5.6).

    Args:
        stream_mode: as the caller of the invoke gave it.

    Attributes:
        stream_mode: that of the stream.
    """

    def __init__(self, stream_mode: Any) -> None:
        self._is_of_values: bool = stream_mode == "values"
        self.stream_mode: Any = ["updates", "values"] if self._is_of_values else stream_mode
        self._latest: Any = None
        self._interrupts: list[Any] = []
        self._chunks: list[Any] = []

    def add(self, chunk: Any) -> None:
        """Takes over a chunk, as the caller of the stream gets it."""
        if not self._is_of_values:
            self._chunks.append(chunk)
            return
        mode = chunk[-2]
        payload = chunk[-1]
        if mode == "values":
            self._latest = payload
        elif isinstance(payload, dict):
            self._interrupts.extend(payload.get(INTERRUPT) or ())

    def get(self) -> Any:
        """What the invoke returns: the newest values, with the interrupts; or all chunks."""
        if self._is_of_values:
            return with_interrupts(self._latest, self._interrupts)
        return self._chunks


def _listed(modes: Any) -> list[Any]:
    """One mode, or several, as a list."""
    return [modes] if isinstance(modes, str) else list(modes)
