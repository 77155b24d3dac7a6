"""The asynchronous methods of a compiled graph (spec §6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from lgc.runtime.graph_arguments import durability_of
from lgc.runtime.graph_base import GraphBase
from lgc.runtime.start import output_of, refuse_modes, start_run, streamed_loop
from lgc.runtime.public.errors import Unsupported


class AsyncGraph(GraphBase):
    """The methods that run a graph, and look at its threads, on an event loop."""

    async def ainvoke(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        context: Any = None,
        stream_mode: Any = "values",
        output_keys: Any = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: str | None = None,
        control: Any = None,
        version="v1",
        **kwargs: Any,
    ) -> Any:
        from lgc.runtime.drivers.aio import ainvoke

        if stream_mode != "values":
            return [
                c
                async for c in self.astream(
                    input,
                    config,
                    context=context,
                    stream_mode=stream_mode,
                    output_keys=self.program.outputs if output_keys is None else output_keys,
                    durability=durability,
                    interrupt_before=interrupt_before,
                    interrupt_after=interrupt_after,
                    control=control,
                )
            ]
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
        )
        options.is_async = True
        scope, thread, recorder = start_run(program, options, input)
        return await ainvoke(scope, input, thread, recorder)

    async def astream(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        context: Any = None,
        stream_mode: Any = None,
        output_keys: Any = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        durability: str | None = None,
        control: Any = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        from lgc.runtime.drivers.aio import AsyncCalls, AsyncDriver

        keys = self.program.streamed if output_keys is None else output_keys
        modes = self.stream_mode if stream_mode is None else stream_mode
        options = self._options(
            config,
            output_of(self.program, keys),
            context=context,
            control=control,
            durability=durability,
            stops=(interrupt_before, interrupt_after),
        )
        options.is_async = True
        loop = streamed_loop(self.program, options, input, modes)
        driver = AsyncDriver(loop, AsyncCalls())
        try:
            while (due := await driver.advance()) is not None:
                for chunk in due:
                    yield chunk
        finally:
            await driver.close()
