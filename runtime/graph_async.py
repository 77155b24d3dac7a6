"""The asynchronous methods of a compiled graph (spec §6).

`asyncio` takes longer to import than all of the runtime, so each method imports the asynchronous
driver when it is called.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.config.merge import merge_configs
from lgc.runtime.constants import MISSING
from lgc.runtime.graph_arguments import configs_of_batch, durability_of
from lgc.runtime.graph_base import GraphBase
from lgc.runtime.start import fast_stream, output_of, start_run, streamed_loop
from lgc.runtime.streaming.parts import InvokeResult


class AsyncGraph(GraphBase):
    """The methods that run a graph, and look at its threads, on an event loop."""

    async def ainvoke(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] | None = "values",
        print_mode: str | Sequence[str] = (),
        output_keys: str | Sequence[str] | None = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: str | None = None,
        control: Any = None,
        version: str = "v1",
        **kwargs: Any,
    ) -> Any:
        """Runs the graph to its end and returns the state then, as `invoke` does (spec §5.6, §8).

        Async nodes and routers run on the running event loop, each in an asyncio task and a
        context of its own; sync ones on threads of the loop's default executor. The saver's async
        methods are called.

        Args:
            As of `invoke`.

        Returns:
            As `invoke`.

        Raises:
            As `invoke`.
            asyncio.CancelledError: the caller was cancelled, and with it the nodes that ran. What
                had finished by then is stored.
        """
        if self._is_read_at_end(stream_mode, print_mode, output_keys, version, kwargs):
            from lgc.runtime.drivers.async_fast_path import ainvoke

            durability = durability_of(kwargs, durability, 2)
            program = self.program
            output = program.default_output
            if output_keys is not None:
                output = output_of(program, output_keys)
            options = self._options(
                config,
                output,
                context=context,
                control=control,
                durability=durability,
                stops=(interrupt_before, interrupt_after),
                is_async=True,
            )
            options.typed_result = version == "v2"
            scope, thread, recorder = start_run(program, options, input)
            return await ainvoke(scope, input, thread, recorder)
        result = InvokeResult(stream_mode, version == "v2")
        async for chunk in self.astream(
            input,
            config,
            context=context,
            stream_mode=result.stream_mode,
            print_mode=print_mode,
            output_keys=self.program.outputs if output_keys is None else output_keys,
            interrupt_before=interrupt_before,
            interrupt_after=interrupt_after,
            durability=durability,
            control=control,
            version=version,
            **kwargs,
        ):
            result.add(chunk)
        return result.get()

    async def ainvoke_inside(self, input: Any, task: Any) -> Any:
        """`ainvoke` as the body of a node; arguments as of `invoke_inside`.

        Raises:
            As `ainvoke`.
        """
        scope = self._scope_inside(task, True) if type(input) is dict else None
        if scope is None:
            return await self.ainvoke(input, task.config)
        from lgc.runtime.drivers.async_fast_path import ainvoke

        return await ainvoke(scope, input, None, None)

    async def astream(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        context: Any = None,
        stream_mode: str | Sequence[str] | None = None,
        print_mode: str | Sequence[str] = (),
        output_keys: str | Sequence[str] | None = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: str | None = None,
        control: Any = None,
        subgraphs: bool = False,
        debug: bool | None = None,
        version: str = "v1",
        **kwargs: Any,
    ) -> AsyncGenerator[Any, None]:
        """Runs the graph and yields what happens, as it happens, as `stream` does (spec §5, §8).

        Closing the iterator (`aclose`, or its collection), or cancelling who iterates, ends the
        run: nodes that run are cancelled and awaited, and what is left to be stored is stored.

        Args:
            As of `stream`.

        Yields:
            As `stream`.

        Raises:
            As `ainvoke`; nothing happens and nothing is raised before the first chunk is asked
            for.
        """
        from lgc.runtime.drivers.aio import AsyncDriver
        from lgc.runtime.drivers.async_calls import AsyncCalls
        from lgc.runtime.drivers.async_fast_path import AsyncFastStream

        durability = durability_of(kwargs, durability, 3)
        if debug or self.debug:
            print_mode = ["updates", "values"]
        modes = self._modes(stream_mode, print_mode, config)
        options = self._options(
            config,
            self._streamed(output_keys),
            context=context,
            control=control,
            durability=durability,
            stops=(interrupt_before, interrupt_after),
            is_async=True,
        )
        request = self._stream_request(options, modes, print_mode, bool(subgraphs), version)
        path = fast_stream(self.program, options, input, request.wanted)
        driver: AsyncFastStream | AsyncDriver
        if path is None:
            loop = streamed_loop(self.program, options, input, request.wanted)
            driver = AsyncDriver(loop, AsyncCalls())
        else:
            driver = AsyncFastStream(path)
        try:
            while (due := await driver.advance()) is not None:
                for chunk in due:
                    part = chunk if request.is_direct else request.part(chunk)
                    if part is not MISSING:
                        yield part
        finally:
            await driver.close()

    async def abatch(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Runs the graph on several inputs at once (langchain_core.runnables.base, Runnable).

        Args:
            inputs: what `ainvoke` takes, for each run.
            config: the config of all runs, or a list of one for each. `max_concurrency` in the
                first limits how many run at once.
            return_exceptions: the exception of a run that fails takes its result's place.
            kwargs: the other arguments of `ainvoke`.

        Returns:
            The results, in the order of `inputs`.

        Raises:
            ValueError: `config` is a list of another length.
            Exception: unless `return_exceptions`, what the first run to fail raised.
        """
        from lgc.runtime.drivers.batch import gathered

        configs = configs_of_batch(config, len(inputs))
        runs = [self.ainvoke(*pair, **kwargs) for pair in zip(inputs, configs, strict=True)]
        return await gathered(runs, configs, return_exceptions)

    async def abatch_as_completed(
        self,
        inputs: Sequence[Any],
        config: Any = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> AsyncGenerator[tuple[int, Any], None]:
        """Runs the graph on several inputs at once; arguments and errors as of `abatch`.

        Yields:
            The position in `inputs` and the result of each run, as it finishes.
        """
        from lgc.runtime.drivers.batch import as_completed

        configs = configs_of_batch(config, len(inputs))
        runs = [self.ainvoke(*pair, **kwargs) for pair in zip(inputs, configs, strict=True)]
        async for place_and_result in as_completed(runs, configs, return_exceptions):
            yield place_and_result

    async def aclear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """As `clear_cache`, with the async method of the cache."""
        namespaces = self._cache_namespaces(nodes)
        await self.cache.aclear(namespaces)

    async def aget_subgraphs(
        self, *, namespace: str | None = None, recurse: bool = False
    ) -> AsyncGenerator[tuple[str, Any], None]:
        """As `get_subgraphs`."""
        for place in self.get_subgraphs(namespace=namespace, recurse=recurse):
            yield place

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

        saver = self._state_saver(config)
        graph, config = self._addressed(config, saver)
        if graph is not self:
            return await graph.aget_state(config, subgraphs=subgraphs)
        return await aperform(self._state_reader(saver).read(config, subgraphs=subgraphs), saver)

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

        config = merge_configs(config)
        saver = self._state_saver(config)
        choice = {"filter": filter, "before": before, "limit": limit}
        graph, config = self._addressed(config, saver)
        if graph is not self:
            async for snapshot in graph.aget_state_history(config, **choice):
                yield snapshot
            return
        reader = self._state_reader(saver)
        for saved in await aperform(reader.history(config, choice), saver):
            operation = reader.snapshot(saved, live=False, subgraphs=False)
            yield await aperform(operation, saver)

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
        graph, config = self._addressed_update(config, supersteps, saver)
        if graph is not self:
            return await graph.abulk_update_state(config, supersteps)
        writer = CheckpointWriter(saver, False, is_async=True)
        return await aperform(self._state_update(config, supersteps, writer), saver)
