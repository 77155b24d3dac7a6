"""The public object: a compiled graph (spec §6).

Most of the file is what `help` tells a caller. It stays interpreted: `stream` is a generator that
a consumer can abandon half-way, and one of mypyc that is dropped while suspended does not run its
`finally` (architecture §7.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.config.merge import merge_configs
from lgc.runtime.constants import MISSING
from lgc.runtime.drivers.fast_path import FastStream, invoke
from lgc.runtime.drivers.sync import SyncDriver
from lgc.runtime.graph_arguments import check_saver, check_stops, durability_of
from lgc.runtime.graph_async import AsyncGraph
from lgc.runtime.missing_surface import NOT_YET, UnsupportedAttribute
from lgc.runtime.public.errors import Unsupported
from lgc.runtime.start import fast_stream, output_of, start_run, streamed_loop
from lgc.runtime.streaming.parts import InvokeResult
from lgc.runtime.upstream import loaded


class CompiledGraph(AsyncGraph):
    """A graph compiled by lgc; used like the object LangGraph's `compile` returns.

    It holds no state of a run: any number of threads may run it at once. What LangGraph's object
    has and this one has not yet raises `Unsupported`, which is an AttributeError, too.

    Args:
        program: the tables of the generated module.
        name: how the graph is called; the module's own name when None.
        config: what every run's config starts from.

    Attributes:
        checkpointer: the saver that keeps the threads; None or False for none. This attribute and
            those below may be set: a run reads them when it starts.
        store: what nodes find as `runtime.store`.
        cache: keeps the writes of nodes with a cache policy, or None.
        interrupt_before_nodes, interrupt_after_nodes: the nodes to stop at, or "*".
        stream_mode: what `stream` yields by default.
        debug: every run prints its updates and values.
        step_timeout: how long a superstep may take, in seconds; None for any time.
    """

    def __repr__(self) -> str:
        return f"<lgc graph {self.name!r}>"

    def _langgraph_class(self) -> type:
        return loaded("langgraph.graph.state", "CompiledStateGraph") or CompiledGraph

    if not TYPE_CHECKING:  # to a type checker, it is what it is
        # LangGraph takes it for a graph, as a node and where it looks for graphs inside of nodes.
        __class__ = property(_langgraph_class)

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """The graph's name, by which LangGraph calls a node that it is (Runnable.get_name).

        Args:
            suffix: put behind it.
            name: another name for it.
        """
        return f"{name or self.name}{suffix or ''}"

    if not TYPE_CHECKING:  # to a type checker, other names do not exist

        def __getattr__(self, name: str) -> Any:
            if name in NOT_YET:
                raise UnsupportedAttribute(name, "a compiled graph")
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
            )

    def __or__(self, other: Any) -> NoReturn:
        """Not supported yet."""
        raise Unsupported("|", "a compiled graph")

    def __ror__(self, other: Any) -> NoReturn:
        """Not supported yet."""
        raise Unsupported("|", "a compiled graph")

    def compile(
        self,
        checkpointer: Any = None,
        *,
        cache: Any = None,
        store: Any = None,
        interrupt_before: Any = None,
        interrupt_after: Any = None,
        debug: bool | None = None,
        name: str | None = None,
        transformers: Sequence[Any] | None = None,
    ) -> CompiledGraph:
        """Another graph over the same program, as the builder's `compile` would make it.

        Breakpoints, `debug` and the name are this graph's unless they are passed, saver and store
        are none unless they are passed. Config, stream mode and step timeout are this graph's.

        Args:
            checkpointer: the saver that keeps the threads, LangGraph's or lgc's; False for none.
            cache: keeps the writes of nodes with a cache policy, a BaseCache of LangGraph's.
            store: what nodes find as `runtime.store`.
            interrupt_before, interrupt_after: the nodes to stop before and after, a list of names,
                or "*" for all; [] for none.
            debug: every run prints its updates and values.
            name: how the graph is called.
            transformers: accepted and not used: they are for `stream_events`, which is not
                supported yet.

        Returns:
            The other graph; this one is not changed.

        Raises:
            TypeError: `checkpointer` is no saver, or the nodes to stop at are not in lists.
            ValueError: a node to stop at does not exist.
        """
        check_saver(checkpointer)
        check_stops(interrupt_before or [], interrupt_after or [], self.program.by_name)
        compiled = CompiledGraph(self.program, name or self.name, self.config)
        compiled.checkpointer = checkpointer
        compiled.store = store
        compiled.cache = cache
        compiled.interrupt_before_nodes = (
            self.interrupt_before_nodes if interrupt_before is None else interrupt_before
        )
        compiled.interrupt_after_nodes = (
            self.interrupt_after_nodes if interrupt_after is None else interrupt_after
        )
        compiled.debug = self.debug if debug is None else debug
        compiled.stream_mode = self.stream_mode
        compiled.step_timeout = self.step_timeout
        compiled.coerces = self.coerces
        return compiled

    def invoke(
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
        """Runs the graph to its end and returns the state then (spec §5.6).

        Args:
            input: a dict of state keys, or the value itself where the state is one value. On a
                thread, None goes on from its newest checkpoint, and a Command answers what nodes
                have asked with `interrupt` (`resume`), or updates the state first.
            config: a RunnableConfig, such as {"configurable": {"thread_id": "1"}}, which names the
                thread that the run is on; required if the graph has a saver.
            context: what nodes find as `runtime.context`; a dict is made into an object of the
                graph's context schema where that is a pydantic model or a dataclass.
            stream_mode: "values" for the final state; with another mode, or a list of modes, all
                chunks are returned as a list.
            print_mode: the modes whose chunks are printed while the graph runs.
            output_keys: the state keys to return, a name or a list; by default those of the
                output schema.
            interrupt_before, interrupt_after: the nodes to stop before and after, a list of names,
                or "*" for all; by default those of `compile`.
            durability: when the saver stores: "sync" before each next superstep, "async" (the
                default) while the run goes on, "exit" once the run is over (spec §4.12).
            control: a RunControl; after its `request_drain` the run stops before its next
                superstep (spec §4.13).
            version: "v2" for a GraphOutput, or a list of typed chunks (`stream`); any other is
                "v1".
            kwargs: `subgraphs`, `debug` and `checkpoint_during` as in `stream`; others have no
                effect.

        Returns:
            A dict of the output keys that have a value, or the value itself if `output_keys` is
            one name or the state is one value; None if no output key was written. If nodes have
            called `interrupt`, what they ask for is under the key "__interrupt__".
            With version "v2" a GraphOutput: what the nodes ask for is its attribute `interrupts`,
            and its `value` is an object of the output schema where that is a pydantic model or a
            dataclass.

        Raises:
            GraphRecursionError: there was more to do after `recursion_limit` supersteps (a key of
                the config).
            EmptyInputError: `input` is None, and there is nothing to go on from.
            InvalidUpdateError: a node returned what is no update, or several nodes wrote a key
                that takes one value a superstep.
            GraphDrained: `control` asked the run to stop before it was over.
            ValueError: an argument is of no use, such as a config that names no thread.
            Unsupported: an argument, or a node, asks for what lgc does not do yet.
            Exception: what a node, a router, a reducer or the saver raised.
        """
        # Nothing but the input: most runs of a graph without a saver.
        if (
            config is None
            and context is None
            and stream_mode == "values"
            and print_mode == ()
            and output_keys is None
            and interrupt_before is None
            and interrupt_after is None
            and durability is None
            and control is None
            and version == "v1"
            and not kwargs
            and type(input) is dict
        ):
            bare = self._bare_scope()
            if bare is not None:
                return invoke(bare, input, None, None)
        if self._is_read_at_end(stream_mode, print_mode, output_keys, version, kwargs):
            # Into this module, as upstream's points into its own.
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
            )
            options.typed_result = version == "v2"
            scope, thread, recorder = start_run(program, options, input)
            return invoke(scope, input, thread, recorder)
        result = InvokeResult(stream_mode, version == "v2")
        for chunk in self.stream(
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

    def invoke_inside(self, input: Any, task: Any) -> Any:
        """`invoke` as the body of a node.

        Args:
            input: as of `invoke`.
            task: the engine's Task of the node.

        Raises:
            As `invoke`.
        """
        scope = self._scope_inside(task, False) if type(input) is dict else None
        if scope is None:
            return self.invoke(input, task.config)
        return invoke(scope, input, None, None)

    def stream(
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
    ) -> Iterator[Any]:
        """Runs the graph and yields what happens, as it happens (spec §5.1, §5.3).

        The run advances while chunks are asked for. Closing or dropping the iterator ends it:
        nodes that run already are waited for, and what is left to be stored is stored.

        Args:
            input, config, context, output_keys, interrupt_before, interrupt_after, durability,
                control: as in `invoke`.
            stream_mode: which chunks are wanted, one mode or a list of modes; by default the
                graph's attribute `stream_mode`:

                * "values": the state after each superstep
                * "updates": what each node returned, by the node's name
                * "custom": what nodes write with their stream writer
                * "tasks": when a node starts, and how it ended
                * "checkpoints": the checkpoints, as `get_state` shows them
                * "debug": those of "tasks" and "checkpoints", with step and time
            print_mode: the modes whose chunks are printed besides.
            subgraphs: chunks of LangGraph's graphs that nodes call are wanted, too.
            debug: updates and values are printed.
            version: "v2" for typed chunks (spec §5.2); any other is "v1".
            kwargs: `checkpoint_during`, which is deprecated: False is the durability "exit", True
                "async". Others have no effect.

        Yields:
            The payloads; `(mode, payload)` if `stream_mode` is a list; with `subgraphs`, the same
            behind a namespace, which is () for chunks of this graph: `(namespace, payload)`,
            `(namespace, mode, payload)`.
            With version "v2" dicts `{"type": mode, "ns": namespace, "data": payload}`. Those of
            the mode "values" have what nodes ask for under the key "interrupts". Where a schema
            is a pydantic model or a dataclass, the state in them is an object of it: of the output
            schema in "values", of the state's in "checkpoints" and "debug".

        Raises:
            As `invoke`; nothing happens and nothing is raised before the first chunk is asked for.
        """
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
        )
        request = self._stream_request(options, modes, print_mode, bool(subgraphs), version)
        path = fast_stream(self.program, options, input, request.wanted)
        driver: FastStream | SyncDriver
        if path is None:
            driver = SyncDriver(streamed_loop(self.program, options, input, request.wanted))
        else:
            driver = FastStream(path)
        advance = driver.advance
        # Two loops, because a chunk costs little more than the question would.
        try:
            if request.is_direct:
                while (due := advance()) is not None:
                    for chunk in due:
                        yield chunk
                return
            while (due := advance()) is not None:
                for chunk in due:
                    part = request.part(chunk)
                    if part is not MISSING:
                        yield part
        finally:
            driver.close()

    def clear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Has the cache forget what nodes have written.

        Args:
            nodes: their names; by default all.

        Raises:
            ValueError: the graph has no cache.
        """
        namespaces = self._cache_namespaces(nodes)
        self.cache.clear(namespaces)

    def get_state(self, config: Any, *, subgraphs: bool = False) -> Any:
        """The state of a thread, now or at one of its checkpoints (spec §6).

        Args:
            config: names the thread: {"configurable": {"thread_id": "1"}}. With a
                `checkpoint_id` beside it, the state as it was at that checkpoint; with a
                `checkpoint_ns`, of a graph inside a node (the `state` of a task tells it).
            subgraphs: the states of the graphs inside the nodes that are due are wanted, too: a
                task has its own as `state`, and else the config that addresses it.

        Returns:
            A StateSnapshot: `values`, `next` (the nodes that are due), `tasks`, `interrupts`,
            `config` (addresses the checkpoint), `metadata`, `created_at`, `parent_config`. Its
            values are empty if the thread has no checkpoint.

        Raises:
            ValueError: the graph has no saver.
            KeyError: `config` names no thread.
            Exception: what the saver raised.
        """
        from lgc.runtime.drivers.operations import perform

        saver = self._state_saver(config)
        graph, config = self._addressed(config, saver)
        if graph is not self:
            return graph.get_state(config, subgraphs=subgraphs)
        return perform(self._state_reader(saver).read(config, subgraphs=subgraphs), saver)

    def get_state_history(
        self,
        config: Any,
        *,
        filter: dict[str, Any] | None = None,
        before: Any = None,
        limit: int | None = None,
    ) -> Iterator[Any]:
        """The states of a thread at its checkpoints, the newest first (spec §6).

        Args:
            config: names the thread, as in `get_state`.
            filter: keys and values that a checkpoint's metadata must have, such as
                {"source": "input"}.
            before: the config of a checkpoint; only older ones are wanted.
            limit: the greatest number of states.

        Yields:
            StateSnapshots, as of `get_state`.

        Raises:
            ValueError: the graph has no saver.
            KeyError: `config` names no thread.
            Exception: what the saver raised.
        """
        from lgc.runtime.drivers.operations import perform

        config = merge_configs(config)
        saver = self._state_saver(config)
        choice = {"filter": filter, "before": before, "limit": limit}
        graph, config = self._addressed(config, saver)
        if graph is not self:
            yield from graph.get_state_history(config, **choice)
            return
        reader = self._state_reader(saver)
        for saved in perform(reader.history(config, choice), saver):
            yield perform(reader.snapshot(saved, live=False, subgraphs=False), saver)

    def update_state(
        self, config: Any, values: Any, as_node: str | None = None, task_id: str | None = None
    ) -> Any:
        """Updates the state of a thread as if a node had returned `values` (spec §6).

        Reducers are applied, and the node's edges and routers say what is due next. The node does
        not run.

        Args:
            config: names the thread, as in `get_state`; with a `checkpoint_id`, the checkpoint to
                go on from, which makes a fork.
            values: what the node would have returned.
            as_node: the node; by default the one that wrote last.
            task_id: the id of the task under which the writes are stored; by default that of the
                node's task that is due, or a new one.

        Returns:
            The config that addresses the new checkpoint.

        Raises:
            ValueError: the graph has no saver.
            InvalidUpdateError: `as_node` is no node, or it is not clear which node wrote last, or
                `values` is no update.
            Exception: what a router, a reducer or the saver raised.
        """
        return self.bulk_update_state(config, [[(values, as_node, task_id)]])

    def bulk_update_state(self, config: Any, supersteps: Sequence[Sequence[Any]]) -> Any:
        """Updates the state of a thread several times, as `update_state` does (spec §6).

        Args:
            config: as in `update_state`.
            supersteps: a list of supersteps; each is a list of StateUpdates, or of tuples
                `(values, as_node, task_id)`, that are applied together and make one checkpoint.

        Returns:
            The config that addresses the last checkpoint.

        Raises:
            ValueError: the graph has no saver, or there is no update in a superstep.
            Exception: as `update_state`.
        """
        from lgc.runtime.drivers.operations import perform

        saver = self._state_saver(config)
        graph, config = self._addressed_update(config, supersteps, saver)
        if graph is not self:
            return graph.bulk_update_state(config, supersteps)
        writer = CheckpointWriter(saver, False)
        return perform(self._state_update(config, supersteps, writer), saver)
