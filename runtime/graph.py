"""The public object: a compiled graph (spec §6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from lgc.runtime.config.ambient import has_ambient
from lgc.runtime.config.langchain_import import watch
from lgc.runtime.config.merge import DEFAULT_RECURSION_LIMIT, NO_CONFIG, at_root, merge_configs
from lgc.runtime.config.tracing import refuse_tracing
from lgc.runtime.constants import (
    CONF,
    CONF_CHECKPOINTER,
    CONF_DURABILITY,
    CONF_RUNTIME,
    INTERRUPT,
    NS_END,
    NS_SEP,
)
from lgc.runtime.drivers.fast_path import invoke
from lgc.runtime.drivers.generators import chunks, shown
from lgc.runtime.drivers.sync import SyncDriver
from lgc.runtime.engine.program import Output, Program
from lgc.runtime.engine.run import RunOptions
from lgc.runtime.graph_arguments import (
    check_saver,
    check_stops,
    coerced_context,
    durability_of,
    refuse,
)
from lgc.runtime.missing_surface import NOT_YET, UnsupportedAttribute
from lgc.runtime.public.errors import Unsupported
from lgc.runtime.serde.allowlist import is_strict
from lgc.runtime.start import output_of, refuse_modes, start_run, streamed_loop
from lgc.runtime.streaming.sink import (
    with_interrupts,
)


class CompiledGraph:
    """A graph compiled by lgc; used like the object LangGraph's `compile` returns.

    It holds no state of a run: any number of threads may run it at once.

    Args:
        program: the tables of the generated module.
        name: how the graph is called; the module's own name when None.
        config: what every run's config starts from.
    """

    def __init__(
        self,
        program: Program,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.program = program
        self.config = config
        self.name = name or program.name
        self.checkpointer: Any = None
        self.store: Any = None
        self.interrupt_before_nodes: Any = ()
        self.interrupt_after_nodes: Any = ()
        self.stream_mode: Any = "updates"
        self.debug = False
        self.step_timeout: Any = None
        watch()

    def __repr__(self) -> str:
        return f"<lgc graph {self.name!r}>"

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

        What is not given is as in this graph, but for the saver and the store: those are none.
        Its config, stream mode and step timeout are this graph's.

        Args:
            checkpointer: a saver, LangGraph's or lgc's; False for none.
            store: what nodes find as `runtime.store`.
            interrupt_before, interrupt_after: the nodes to stop at, a list, or "*"; [] for none.
            debug: every run prints its updates and values; what is bound to the target by default.
            name: how the graph is called.
            transformers: of no effect before there is `stream_events`, the only method of
                LangGraph's that looks at them.

        Raises:
            TypeError: `checkpointer` is no saver, or the nodes to stop at are no lists.
            ValueError: a node to stop at does not exist.
            Unsupported: an argument asks for what lgc does not do yet.
        """
        refuse({"a cache": cache is not None}, "compile")
        check_saver(checkpointer)
        check_stops(interrupt_before or [], interrupt_after or [], self.program.by_name)
        made = CompiledGraph(self.program, name or self.name, self.config)
        made.checkpointer = checkpointer
        made.store = store
        made.interrupt_before_nodes = (
            self.interrupt_before_nodes if interrupt_before is None else interrupt_before
        )
        made.interrupt_after_nodes = (
            self.interrupt_after_nodes if interrupt_after is None else interrupt_after
        )
        made.debug = self.debug if debug is None else debug
        made.stream_mode = self.stream_mode
        made.step_timeout = self.step_timeout
        return made

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
        """Runs the graph (spec §5.6).

        Args:
            input: the input: a dict of state keys, or the root value; None or a Command to go
                on with a thread that waits.
            config: a RunnableConfig.
            context: what nodes find as `runtime.context`; a dict is made into the
                graph's context schema.
            stream_mode: "values" for the final values, else a list of chunks is returned.
            print_mode: the modes whose chunks are printed; updates and values with `debug`.
            output_keys: the keys to return; the output schema's by default.
            interrupt_before, interrupt_after: the nodes to stop at, or "*"; those given to
                `compile` by default.
            durability: when checkpoints are stored: "sync", "async" or "exit" (spec §4.12).
            control: may ask the run to stop (spec §4.13).
            kwargs: `subgraphs`, `debug` and `checkpoint_during` as in `stream`; others have no
                effect.

        Returns:
            The values of the output keys after the run; None when none was written. What nodes
            asked for with `interrupt` is under `__interrupt__`.

        Raises:
            GraphRecursionError: `recursion_limit` supersteps were not enough.
            EmptyInputError: `input` is None, and there is nothing to resume.
            GraphDrained: `control` asked the run to stop before it was over.
            Unsupported: an argument asks for what lgc does not do yet.
            Exception: what a node raised.
        """
        refuse({f"version={version!r}": version != "v1"}, "invoke")
        is_silent = print_mode == () and not kwargs.get("debug") and not self.debug
        if stream_mode == "values" and is_silent and not kwargs.get("subgraphs"):
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
            scope, thread, recorder = start_run(program, options, input)
            return invoke(scope, input, thread, recorder)
        due = self.stream(
            input,
            config,
            context=context,
            stream_mode=["updates", "values"] if stream_mode == "values" else stream_mode,
            print_mode=print_mode,
            output_keys=self.program.outputs if output_keys is None else output_keys,
            interrupt_before=interrupt_before,
            interrupt_after=interrupt_after,
            durability=durability,
            control=control,
            **kwargs,
        )
        if stream_mode != "values":
            return list(due)
        latest = None
        interrupts: list[Any] = []
        for *_, mode, payload in due:
            if mode == "values":
                latest = payload
            elif isinstance(payload, dict):
                interrupts.extend(payload.get(INTERRUPT) or ())
        return with_interrupts(latest, interrupts)

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
        """Runs the graph and yields chunks (spec §5.1, §5.3).

        Args:
            stream_mode: "values", "updates", "custom", "tasks", "checkpoints" or "debug" gives
                bare payloads, a list of them `(mode, payload)`; "updates" by default.
            subgraphs: chunks begin with the namespace, which is () for this graph's; those of
                LangGraph's graphs that nodes call are among them.
            debug: updates and values are printed.
            kwargs: `checkpoint_during`, which is deprecated: False is the durability "exit", True
                "async". Others have no effect.
            The rest as in `invoke`.

        Raises:
            The same as `invoke`, at the first `next`.
        """
        refuse({f"version={version!r}": version != "v1"}, "stream")
        durability = durability_of(kwargs, durability, 3)
        keys = self.program.streamed if output_keys is None else output_keys
        modes = self.stream_mode if stream_mode is None else stream_mode
        if debug or self.debug:
            print_mode = ["updates", "values"]
        printed = [print_mode] if isinstance(print_mode, str) else list(print_mode)
        is_shown = print_mode != () or subgraphs
        wanted = modes
        if is_shown:
            wanted = [*([modes] if isinstance(modes, str) else list(modes)), *printed]
        refuse_modes({wanted} if isinstance(wanted, str) else set(wanted))
        options = self._options(
            config,
            output_of(self.program, keys),
            context=context,
            control=control,
            durability=durability,
            stops=(interrupt_before, interrupt_after),
        )
        options.streams_from_subgraphs = bool(subgraphs)
        loop = streamed_loop(self.program, options, input, wanted)
        due = chunks(SyncDriver(loop))
        yield from shown(due, modes, print_mode, subgraphs) if is_shown else due

    def get_state(self, config: Any, *, subgraphs: bool = False) -> Any:
        """The state of a thread (spec §6).

        Args:
            config: addresses it; with a checkpoint_id, the state as it was then.
            subgraphs: with the states of graphs that nodes call.

        Returns:
            A StateSnapshot.

        Raises:
            ValueError: the graph has no checkpointer.
            Unsupported: the state of a graph that a node calls is asked for.
        """
        reader = self._state_reader(config)
        self._refuse_subgraph(config)
        return reader.read(config, subgraphs=subgraphs)

    def get_state_history(
        self,
        config: Any,
        *,
        filter: dict[str, Any] | None = None,
        before: Any = None,
        limit: int | None = None,
    ) -> Iterator[Any]:
        """The states of a thread, the newest first (spec §6).

        Args:
            config: addresses the thread.
            filter: what the metadata has to say.
            before: only those older than the one it addresses.
            limit: so many at most.

        Raises:
            ValueError: the graph has no checkpointer.
        """
        reader = self._state_reader(config)
        self._refuse_subgraph(config)
        choice = {"filter": filter, "before": before, "limit": limit}
        for saved in reader.history(config, choice):
            yield reader.snapshot(saved, live=False, subgraphs=False)

    def update_state(
        self, config: Any, values: Any, as_node: str | None = None, task_id: str | None = None
    ) -> Any:
        """Updates the state of a thread as if a node had returned `values` (spec §6).

        Args:
            config: addresses the thread, and the checkpoint to go on from.
            values: what the node would have returned.
            as_node: the node; the one that ran last by default.
            task_id: the id of the task its writes are stored under.

        Returns:
            The config that addresses the new checkpoint.

        Raises:
            ValueError: the graph has no checkpointer.
            InvalidUpdateError: `as_node` is no node, or has to be given.
        """
        return self.bulk_update_state(config, [[(values, as_node, task_id)]])

    def bulk_update_state(self, config: Any, supersteps: Sequence[Sequence[Any]]) -> Any:
        """Several supersteps of updates, each as `update_state` (spec §6).

        Args:
            config: as in `update_state`.
            supersteps: for each, its updates `(values, as_node, task_id)`.

        Returns:
            The config that addresses the last checkpoint.

        Raises:
            As `update_state`.
        """
        from lgc.runtime.checkpointing.state_updates import bulk_update_state

        saver = self._state_saver(config)
        if supersteps and all(supersteps):
            self._refuse_subgraph(config)
        return bulk_update_state(self.program, self.config, saver, config, supersteps)

    def _state_saver(self, config: Any) -> Any:
        saver = self._saver(merge_configs(config)[CONF])
        if saver is None:
            raise ValueError("No checkpointer set")
        return saver

    def _state_reader(self, config: Any) -> Any:
        # Imported when it is first used: runs do without.
        from lgc.runtime.checkpointing.state_snapshots import StateReader

        output = output_of(self.program, self.program.streamed)
        return StateReader(self.program, self.config, self._state_saver(config), output)

    def _refuse_subgraph(self, config: Any) -> None:
        """Refuses a config that addresses a graph which a node calls (_subgraph_for_namespace)."""
        conf = config.get(CONF, {})
        namespace = conf.get("checkpoint_ns") or ""
        node = self.program.by_name.get(namespace.split(NS_SEP)[0].split(NS_END)[0])
        if node is not None and node.subgraph and CONF_CHECKPOINTER not in conf:
            raise Unsupported(
                "the state of a graph that a node calls", f"checkpoint_ns={namespace!r}"
            )

    def _options(
        self,
        config: Mapping[str, Any] | None,
        output: Output,
        *,
        context: Any,
        control: Any,
        durability: str | None,
        stops: tuple[Any, Any],
    ) -> RunOptions:
        """What the caller of a run asked for, with the graph's defaults.

        Args:
            output: what the run reports.
            stops: the nodes to stop before and after, as given.

        Raises:
            As `invoke`.
        """
        if self.step_timeout is not None:
            raise Unsupported("step_timeout", "compile")
        refuse_tracing()
        if not config and self.config is None and not has_ambient():
            merged = NO_CONFIG
        else:
            merged = at_root(merge_configs(self.config, config))
        limit = merged.get("recursion_limit", DEFAULT_RECURSION_LIMIT)
        if limit < 1:
            raise ValueError("recursion_limit must be at least 1")
        options = RunOptions(merged, output)
        options.limit = limit
        options.saver = self._saver(merged[CONF])
        if options.saver is None and durability is not None:
            import warnings

            warnings.warn(
                "`durability` has no effect when no checkpointer is present.", stacklevel=4
            )
        # What is false gives way to what the caller's Runtime has, as in upstream's merge.
        options.context = coerced_context(self.program.context_schema, context) or None
        options.control = control
        caller = merged[CONF].get(CONF_RUNTIME)
        if caller is not None:
            options.context = options.context or caller.context
            options.control = control or caller.control
        options.durability = durability
        options.effective_durability = durability
        if durability is None:
            options.effective_durability = merged[CONF].get(CONF_DURABILITY, "async")
        options.interrupt_before = stops[0] or self.interrupt_before_nodes
        options.interrupt_after = stops[1] or self.interrupt_after_nodes
        if options.saver is not None and not merged[CONF]:
            raise ValueError(
                "Checkpointer requires one or more of the following 'configurable' "
                "keys: thread_id, checkpoint_ns, checkpoint_id"
            )
        places = merged.get("max_concurrency")
        if places is not None and places <= 0:
            raise ValueError("max_workers must be greater than 0")
        options.store = self.store
        return options

    def _saver(self, conf: Mapping[str, Any]) -> Any:
        """The saver of a run or of a look at its state, or None (_resolve_checkpointer).

        Args:
            conf: the `configurable` of the config; a saver in it is lent by the caller.

        Raises:
            RuntimeError: the graph was compiled to take that of a parent, which it has not.
        """
        if self.checkpointer is False:
            return None
        saver = self.checkpointer
        if CONF_CHECKPOINTER in conf:
            saver = conf[CONF_CHECKPOINTER]
        elif saver is True:
            raise RuntimeError("checkpointer=True cannot be used for root graphs.")
        if saver is not None and is_strict() and hasattr(saver, "with_allowlist"):
            saver = saver.with_allowlist(self.program.allowlist)
        return saver
