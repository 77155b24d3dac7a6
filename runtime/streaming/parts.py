"""What a consumer gets of a run's chunks: their shape, and what is printed (spec §5.1, §5.2)."""

from __future__ import annotations

from typing import Any

from lgc.runtime.constants import INTERRUPT, MISSING, START
from lgc.runtime.streaming.chunks import with_interrupts


class StreamRequest:
    """What the caller of a stream asked for.

    Args:
        modes: which chunks are to be handed out: one mode, or several.
        printed: the modes whose chunks go to standard output. Of both, upstream only asks whether
            they contain a mode, and whether `modes` is a list.
        subgraphs: chunks come with their namespace.
        is_typed: chunks come as stream parts (version "v2").

    Attributes:
        output_schema, state_schema: what dicts of the output and of the state are made into in
            stream parts, or None.
        namespace: that of the run's own chunks.
        wanted: the modes whose chunks the run has to make (start.streamed_loop); if this is a
            list, chunks come with their mode.
        is_direct: the caller gets chunks as the run makes them; else what `part` makes of each.
    """

    def __init__(self, modes: Any, printed: Any, subgraphs: bool, is_typed: bool) -> None:
        self.modes: Any = modes
        self.printed: Any = printed
        self.subgraphs: bool = subgraphs
        self.is_typed: bool = is_typed
        self.output_schema: Any = None
        self.state_schema: Any = None
        self.namespace: tuple[str, ...] = ()
        self.is_direct: bool = printed == () and not subgraphs and not is_typed
        self.wanted: Any = modes
        if not self.is_direct:
            self.wanted = [*_listed(modes), *_listed(printed)]

    def part(self, chunk: Any) -> Any:
        """What the caller gets for a chunk, or MISSING; prints it if that is wanted.

        Chunks are printed, and payloads are changed, as in pregel/main.py:_output: so each chunk
        is to be passed once, and not before the caller asks for it.

        Args:
            chunk: `(mode, payload)`; of a graph inside a node `(mode, payload, namespace)`.

        Raises:
            Exception: what a schema raised.
        """
        mode = chunk[0]
        payload = chunk[1]
        namespace: Any = chunk[2] if len(chunk) > 2 else self.namespace
        if mode in self.printed:
            graph = f"\033[1;30;33m[graph={namespace}]\033[0m " if namespace else ""
            print(f"\033[1m[{mode}]\033[0m {graph}{payload!r}")
        if mode not in self.modes:
            return MISSING
        if self.is_typed:
            return self._stream_part(mode, namespace, payload)
        if isinstance(self.modes, list):
            return (namespace, mode, payload) if self.subgraphs else (mode, payload)
        return (namespace, payload) if self.subgraphs else payload

    def _stream_part(self, mode: Any, namespace: Any, payload: Any) -> dict[str, Any]:
        if mode == "values":
            interrupts: Any = ()
            if isinstance(payload, dict):
                if INTERRUPT in payload:
                    # Upstream changes the payload, which may be the state's own dict, or in
                    # another chunk, too (docs/differences.md).
                    payload = payload.copy()
                    interrupts = payload.pop(INTERRUPT)
                if self.output_schema is not None:
                    payload = self.output_schema(**payload)
            return {"type": mode, "ns": namespace, "data": payload, "interrupts": interrupts}
        if mode in ("checkpoints", "debug") and self.state_schema is not None:
            self._coerce_checkpoint(payload)
        return {"type": mode, "ns": namespace, "data": payload}

    def _coerce_checkpoint(self, payload: Any) -> None:
        """Makes the values in the payload of a checkpoint into an object of the state schema.

        The checkpoint of an input is left as it is: not all keys need have a value there. Source:
        pregel/main.py:_coerce_checkpoint_values.
        """
        if not isinstance(payload, dict):
            return
        if payload.get("type") == "checkpoint" and _is_coerced(payload.get("payload")):
            payload = payload["payload"]
        elif not _is_coerced(payload):
            return
        payload["values"] = self.state_schema(**payload["values"])


def _is_coerced(payload: Any) -> bool:
    """Whether a payload is a checkpoint's, and no node has seen the input before it."""
    return (
        isinstance(payload, dict)
        and isinstance(payload.get("values"), dict)
        and START not in payload.get("next", ())
    )


class InvokeResult:
    """Collects what an invoke returns from the chunks of a stream (spec §5.6).

    Args:
        stream_mode: as the caller of the invoke gave it.
        is_typed: it asked for version "v2".

    Attributes:
        stream_mode: that of the stream.
    """

    def __init__(self, stream_mode: Any, is_typed: bool) -> None:
        self._is_of_values: bool = stream_mode == "values"
        self._is_typed: bool = is_typed
        self.stream_mode: Any = stream_mode
        if self._is_of_values and not is_typed:
            self.stream_mode = ["updates", "values"]
        self._latest: Any = None
        self._interrupts: list[Any] = []
        self._chunks: list[Any] = []

    def add(self, chunk: Any) -> None:
        """Takes over a chunk, as the caller of the stream gets it."""
        if not self._is_of_values:
            self._chunks.append(chunk)
            return
        if self._is_typed:
            self._latest = chunk["data"]
            self._interrupts.extend(chunk["interrupts"] or ())
            return
        mode = chunk[-2]
        payload = chunk[-1]
        if mode == "values":
            self._latest = payload
        elif isinstance(payload, dict):
            self._interrupts.extend(payload.get(INTERRUPT) or ())

    def get(self) -> Any:
        """What the invoke returns: the newest values, with the interrupts; or all chunks."""
        if not self._is_of_values:
            return self._chunks
        if self._is_typed:
            # Imported when it is first used: results of version "v1" do without.
            from lgc.runtime.public.outputs import graph_output

            return graph_output(self._latest, self._interrupts)
        return with_interrupts(self._latest, self._interrupts)


def _listed(modes: Any) -> list[Any]:
    """One mode, or several, as a list."""
    return [modes] if isinstance(modes, str) else list(modes)
