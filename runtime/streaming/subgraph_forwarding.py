"""What hands the chunks of LangGraph's graphs inside nodes on to the stream of lgc's run.

A graph of LangGraph's finds it as `configurable["__pregel_stream"]` when the run was asked for
`subgraphs=True` (spec §5.4; pregel/_loop.py:DuplexStream).
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.config.task_config import ambient
from lgc.runtime.constants import CONF, NS_SEP


class Forward:
    """As upstream's StreamProtocol.

    Args:
        run: the engine's Run.
        modes: the chunks that its consumer wants.
    """

    __slots__ = ("_run", "modes")

    def __init__(self, run: Any, modes: set[str]) -> None:
        self._run = run
        self.modes = modes

    def __call__(self, chunk: tuple[tuple[str, ...], str, Any]) -> None:
        """Takes `(namespace, mode, payload)`, on any thread."""
        self._run.forward(*chunk)

    def write(self, payload: Any) -> None:
        """The stream writer of the run's nodes, which the graphs inside them inherit.

        Raises:
            RuntimeError: no node is running.
        """
        config = ambient()
        if config is None:
            raise RuntimeError("Called get_config outside of a runnable context")
        place = config[CONF]["checkpoint_ns"].split(NS_SEP)[:-1]
        self._run.forward(tuple(place), "custom", payload)
