"""What hands the chunks of graphs inside nodes on to the stream of lgc's run.

A graph, of lgc's or LangGraph's, finds it as `configurable["__pregel_stream"]` when the run was
asked for `subgraphs=True` (spec §5.4; pregel/_loop.py:DuplexStream).

This file stays interpreted, as LangGraph's graphs call it.
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.config.ambient import ambient
from lgc.runtime.constants import CONF, NS_SEP


class SubgraphForwarding:
    """As upstream's StreamProtocol.

    Args:
        chunks: the run's ChunkWriter.
        modes: the chunks that its consumer wants.
        outer: of a nested run, what takes chunks for a consumer further out, or None.

    Attributes:
        modes: the chunks that one of the consumers wants.
    """

    __slots__ = ("_chunks", "_outer", "_own_modes", "modes")

    def __init__(self, chunks: Any, modes: set[str], outer: Any) -> None:
        self._chunks = chunks
        self._outer = outer
        self._own_modes = modes
        self.modes = modes if outer is None else modes | set(outer.modes)

    def __call__(self, chunk: tuple[tuple[str, ...], str, Any]) -> None:
        """Takes `(namespace, mode, payload)`, on any thread."""
        if chunk[1] in self._own_modes:
            self._chunks.forward(*chunk)
        if self._outer is not None and chunk[1] in self._outer.modes:
            self._outer(chunk)

    def write(self, payload: Any) -> None:
        """The stream writer of the run's nodes, which the graphs inside them inherit.

        Raises:
            RuntimeError: no node is running.
        """
        config = ambient()
        if config is None:
            raise RuntimeError("Called get_config outside of a runnable context")
        namespace = config[CONF]["checkpoint_ns"].split(NS_SEP)[:-1]
        self._chunks.forward(tuple(namespace), "custom", payload)
