"""What the methods of a compiled graph share: its attributes, and what a call starts from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lgc.runtime.config.ambient import current, has_ambient
from lgc.runtime.config.idle_progress import progress_handlers
from lgc.runtime.config.langchain_import import watch
from lgc.runtime.config.merge import (
    DEFAULT_RECURSION_LIMIT,
    NO_CONFIG,
    merge_configs,
    with_parent_runtime,
)
from lgc.runtime.config.nested import placed, with_one_history
from lgc.runtime.config.tracing import refuse_tracing
from lgc.runtime.constants import (
    CONF,
    CONF_CACHE,
    CONF_CHECKPOINTER,
    CONF_DURABILITY,
    CONF_NODE_FINISHED,
    CONF_RUNTIME,
    CONF_STREAM,
    CONF_TASK_ID,
    NS_SEP,
)
from lgc.runtime.engine.program import Output, Program
from lgc.runtime.engine.run import RunOptions, RunScope
from lgc.runtime.graph_arguments import check_concurrency, coerced_context
from lgc.runtime.serde.allowlist import is_strict
from lgc.runtime.start import bare_scope, output_of, refuse_modes, scope_inside
from lgc.runtime.streaming.parts import StreamRequest


class GraphBase:
    """The attributes of a compiled graph, and what its methods make of their arguments.

    Args:
        program, name, config: as of `CompiledGraph`.

    Attributes:
        coerces: whether typed chunks hold objects of the graph's schemas. In LangGraph, those of a
            graph that `with_config` returned do not (spec, trap 56).
        The others as of `CompiledGraph`.
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
        self.cache: Any = None
        self.interrupt_before_nodes: Any = ()
        self.interrupt_after_nodes: Any = ()
        self.stream_mode: Any = "updates"
        self.debug = False
        self.coerces = True
        self.step_timeout: Any = None
        watch()

    def _state_saver(self, config: Any) -> Any:
        saver = self._saver(merge_configs(config)[CONF])
        if saver is None:
            raise ValueError("No checkpointer set")
        return saver

    def get_subgraphs(
        self, *, namespace: str | None = None, recurse: bool = False
    ) -> Iterator[tuple[str, Any]]:
        """The graphs inside the nodes: those that nodes are, and that their code names (spec §9.1).

        Args:
            namespace: only the one at this place: a node's name, or several from the outside in,
                joined by "|"; several need `recurse`.
            recurse: the graphs inside those, too.

        Yields:
            The place and the graph, lgc's or LangGraph's.
        """
        from lgc.runtime.subgraphs import subgraphs

        yield from subgraphs(self, namespace, recurse)

    def _cache_namespaces(self, nodes: Sequence[str] | None) -> list[tuple[str, ...]]:
        """Where the cache keeps what nodes have written.

        Args:
            nodes: their names; None for all.

        Raises:
            ValueError: the graph has no cache.
        """
        if not self.cache:
            raise ValueError("No cache is set for this graph. Cannot clear cache.")
        wanted = nodes or self.program.by_name
        return [
            node.cache.namespace
            for name in wanted
            if (node := self.program.by_name.get(name)) is not None and node.cache is not None
        ]

    def _state_reader(self, saver: Any) -> Any:
        # Imported when it is first used: runs do without.
        from lgc.runtime.checkpointing.state_snapshots import StateReader

        program = self.program
        history = self.checkpointer is True
        return StateReader(program, self.config, saver, program.streamed_output, history)

    def _addressed(self, config: Any, saver: Any) -> tuple[Any, Any]:
        """The graph whose state `config` addresses, and the config to ask it with."""
        from lgc.runtime.subgraphs import addressed

        return addressed(self, config, saver, for_update=False)

    def _addressed_update(self, config: Any, supersteps: Any, saver: Any) -> tuple[Any, Any]:
        """As `_addressed`, of an update.

        Raises:
            ValueError: there is nothing to do, or the graph is not known.
        """
        from lgc.runtime.subgraphs import addressed

        if len(supersteps) == 0:
            raise ValueError("No supersteps provided")
        if any(len(updates) == 0 for updates in supersteps):
            raise ValueError("No updates provided")
        return addressed(self, config, saver, for_update=True)

    def _state_update(self, config: Any, supersteps: Any, writer: Any) -> Any:
        """The Operation of `bulk_update_state`."""
        from lgc.runtime.checkpointing.state_updates import bulk_update_state

        if self.checkpointer is True:
            config = with_one_history(config)
        return bulk_update_state(self.program, self.config, writer, config, supersteps)

    def _bare_scope(self) -> RunScope | None:
        """What a run starts with that was given nothing but a dict; None where that is more.

        Raises:
            Unsupported: the run would be traced.
        """
        if has_ambient():
            return self._scope_inside(current(), False)
        if (
            self.checkpointer is not None
            or self.config is not None
            or self.debug
            or self.interrupt_before_nodes
            or self.interrupt_after_nodes
            or self.step_timeout is not None
            or self.cache is not None
        ):
            return None
        refuse_tracing()
        return bare_scope(self.program, self.store)

    def _scope_inside(self, task: Any, is_async: bool) -> RunScope | None:
        """What a run starts with that a node has called with nothing but a dict; or None.

        Args:
            task: the node's; anything else is none.
            is_async: an event loop drives the run.

        Raises:
            Unsupported: the run would be traced.
        """
        if (
            self.config is not None
            or self.checkpointer is True
            or self.debug
            or self.interrupt_before_nodes
            or self.interrupt_after_nodes
            or self.step_timeout is not None
            or (self.cache is not None and self.program.has_cached_nodes)
        ):
            return None
        return scope_inside(self.program, task, is_async)

    def _is_read_at_end(
        self, stream_mode: Any, print_mode: Any, output_keys: Any, version: str, arguments: Any
    ) -> bool:
        """Whether the result of an invoke is read from the run, and not collected from its chunks.

        Args:
            stream_mode, print_mode, output_keys, version: as of `invoke`.
            arguments: those that it passes on to `stream`.
        """
        is_silent = print_mode == () and not arguments.get("debug") and not self.debug
        if stream_mode != "values" or not is_silent or arguments.get("subgraphs"):
            return False
        if version != "v2":
            return True
        # Every chunk is made into an object of the schema, which may fail; and a single value may
        # be a dict of a node's that has the key of interrupts.
        keys = self.program.outputs if output_keys is None else output_keys
        is_coerced = self.coerces and self.program.output_schema is not None
        return not is_coerced and keys is not None and not isinstance(keys, str)

    def _modes(self, stream_mode: Any, print_mode: Any, config: Any) -> Any:
        """The modes that the caller of a stream wants, one or several.

        Raises:
            Unsupported: one of them is not there yet, or one of those that are to be printed.
        """
        modes = stream_mode
        if modes is None:
            is_of_task = bool(config) and CONF_TASK_ID in (config.get(CONF) or {})
            modes = "values" if is_of_task else self.stream_mode
        refuse_modes(modes)
        refuse_modes(print_mode)
        return modes

    def _streamed(self, output_keys: Any) -> Output:
        """What a stream reports of the state.

        Raises:
            ValueError: `output_keys` names what is no channel.
        """
        if output_keys is None:
            return self.program.streamed_output
        return output_of(self.program, output_keys)

    def _stream_request(
        self, options: RunOptions, modes: Any, print_mode: Any, subgraphs: bool, version: str
    ) -> StreamRequest:
        """What the caller of a stream is to get of its chunks.

        Args:
            options: of the run.
            modes: of `_modes`.
            print_mode, subgraphs, version: as of `stream`.
        """
        options.streams_from_subgraphs = subgraphs
        request = StreamRequest(modes, print_mode, subgraphs, version == "v2")
        if options.is_nested:
            namespace = options.config[CONF].get("checkpoint_ns")
            request.namespace = tuple(namespace.split(NS_SEP)) if namespace else ()
        if self.coerces:
            request.output_schema = self.program.output_schema
            request.state_schema = self.program.state_schema
        return request

    def _options(
        self,
        config: Mapping[str, Any] | None,
        output: Output,
        *,
        context: Any,
        control: Any,
        durability: str | None,
        stops: tuple[Any, Any],
        is_async: bool = False,
    ) -> RunOptions:
        """What the caller of a run asked for, with the graph's defaults.

        Args:
            output: what the run reports.
            stops: the nodes to stop before and after, as given.
            is_async: an event loop drives the run.

        Raises:
            As `invoke`.
        """
        refuse_tracing()
        if not config and self.config is None and not has_ambient():
            merged = NO_CONFIG
        else:
            merged = with_parent_runtime(merge_configs(self.config, config))
        options = RunOptions(merged, output)
        options.is_async = is_async
        options.step_timeout = self.step_timeout
        options.limit = merged.get("recursion_limit", DEFAULT_RECURSION_LIMIT)
        if options.limit < 1:
            raise ValueError("recursion_limit must be at least 1")
        saver = self._saver(merged[CONF])
        if saver is None and durability is not None:
            import warnings

            warnings.warn(
                "`durability` has no effect when no checkpointer is present.", stacklevel=3
            )
        # What is false gives way to what the caller's Runtime has, as in upstream's merge.
        if context is not None:
            options.context = coerced_context(self.program.context_schema, context) or None
        if control is not None:
            options.control = control
        if merged is not NO_CONFIG:
            caller = merged[CONF].get(CONF_RUNTIME)
            if caller is not None:
                options.context = options.context or caller.context
                options.control = control or caller.control
            places = merged.get("max_concurrency")
            if places is not None:
                check_concurrency(places, is_async)
        if durability is not None:
            options.durability = options.effective_durability = durability
        elif saver is not None:
            options.effective_durability = merged[CONF].get(CONF_DURABILITY, "async")
        options.interrupt_before = stops[0] or self.interrupt_before_nodes
        options.interrupt_after = stops[1] or self.interrupt_after_nodes
        if saver is not None:
            if not merged[CONF]:
                raise ValueError(
                    "Checkpointer requires one or more of the following 'configurable' "
                    "keys: thread_id, checkpoint_ns, checkpoint_id"
                )
            options.saver = saver
        options.store = self.store
        options.cache = self.cache
        conf = merged[CONF]
        if conf:
            if CONF_CACHE in conf:
                options.cache = conf[CONF_CACHE]
            options.is_nested = CONF_TASK_ID in conf
            options.lent_saver = conf.get(CONF_CHECKPOINTER)
            options.outer_stream = conf.get(CONF_STREAM)
            options.node_finished = conf.get(CONF_NODE_FINISHED)
            options.progress = progress_handlers(merged.get("callbacks"))
            if self.checkpointer is True:
                merged = with_one_history(merged)
            options.config = placed(merged)
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
