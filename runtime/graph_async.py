"""The asynchronous methods of a compiled graph (spec §6)."""

from __future__ import annotations

from lgc.runtime.graph_base import GraphBase


class AsyncGraph(GraphBase):
    """The methods that run a graph, and look at its threads, on an event loop."""
