"""The asynchronous methods of a compiled graph (spec §6)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.graph_base import GraphBase


class AsyncGraph(GraphBase):
    """The methods that run a graph, and look at its threads, on an event loop."""

    async def aget_state(self, config: Any, *, subgraphs: bool = False) -> Any:
        """The state of a thread, as `get_state`, with the async methods of the saver.

        Args:
            config, subgraphs: as in `get_state`.

        Returns:
            A StateSnapshot.

        Raises:
            NotImplementedError: LangGraph's SqliteSaver and others have no async methods.
            Exception: as `get_state`.
        """
        from lgc.runtime.drivers.operations import aperform

        reader = self._state_reader(config)
        return await aperform(reader.read(config, subgraphs=subgraphs), reader.saver)

    async def aget_state_history(
        self,
        config: Any,
        *,
        filter: dict[str, Any] | None = None,
        before: Any = None,
        limit: int | None = None,
    ) -> AsyncGenerator[Any, None]:
        """The states of a thread, as `get_state_history`, with the async methods of the saver.

        Args:
            config, filter, before, limit: as in `get_state_history`.

        Yields:
            StateSnapshots, the newest first.

        Raises:
            NotImplementedError: LangGraph's SqliteSaver and others have no async methods.
            Exception: as `get_state_history`.
        """
        from lgc.runtime.drivers.operations import aperform

        reader = self._state_reader(config)
        choice = {"filter": filter, "before": before, "limit": limit}
        for saved in await aperform(reader.history(config, choice), reader.saver):
            snapshot = reader.snapshot(saved, live=False, subgraphs=False)
            yield await aperform(snapshot, reader.saver)

    async def aupdate_state(
        self, config: Any, values: Any, as_node: str | None = None, task_id: str | None = None
    ) -> Any:
        """Updates the state of a thread, as `update_state`; async routers are awaited.

        Args:
            config, values, as_node, task_id: as in `update_state`.

        Returns:
            The config that addresses the new checkpoint.

        Raises:
            NotImplementedError: LangGraph's SqliteSaver and others have no async methods.
            Exception: as `update_state`.
        """
        return await self.abulk_update_state(config, [[(values, as_node, task_id)]])

    async def abulk_update_state(self, config: Any, supersteps: Sequence[Sequence[Any]]) -> Any:
        """Updates the state of a thread several times, as `bulk_update_state`.

        Args:
            config, supersteps: as in `bulk_update_state`.

        Returns:
            The config that addresses the last checkpoint.

        Raises:
            Exception: as `bulk_update_state` and `aupdate_state`.
        """
        from lgc.runtime.drivers.operations import aperform

        saver = self._state_saver(config)
        writer = CheckpointWriter(saver, False, is_async=True)
        return await aperform(self._state_update(config, supersteps, writer), saver)
