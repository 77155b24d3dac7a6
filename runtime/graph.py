"""The public object: a compiled graph (spec §6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from lgc.runtime.config.langchain_import import watch
from lgc.runtime.config.task_config import DEFAULT_RECURSION_LIMIT, at_root, ensure
from lgc.runtime.config.tracing import refuse_tracing
from lgc.runtime.constants import (
    CONF,
    CONF_CHECKPOINTER,
    CONF_DURABILITY,
    CONF_RUNTIME,
    EVENT_MODES,
    INTERRUPT,
    NS_END,
    NS_SEP,
    START,
)
from lgc.runtime.drivers.generators import chunks, result, shown, with_interrupts
from lgc.runtime.engine.loop import Run
from lgc.runtime.engine.program import Output, Program
from lgc.runtime.public.errors import Unsupported
from lgc.runtime.serde.allowlist import is_strict
from lgc.runtime.upstream import is_a, loaded

# What LangGraph streams and lgc does not yet.
_OTHER_MODES = frozenset(("messages", "tools"))


_NOT_YET = frozenset(
    (
        "InputType",
        "OutputType",
        "abatch",
        "abatch_as_completed",
        "abulk_update_state",
        "aclear_cache",
        "aget_graph",
        "aget_state",
        "aget_state_history",
        "aget_subgraphs",
        "ainvoke",
        "as_tool",
        "assign",
        "astream",
        "astream_events",
        "astream_log",
        "atransform",
        "attach_branch",
        "attach_edge",
        "attach_node",
        "aupdate_state",
        "batch",
        "batch_as_completed",
        "bind",
        "builder",
        "cache",
        "cache_policy",
        "channels",
        "clear_cache",
        "config_schema",
        "config_specs",
        "context_schema",
        "copy",
        "get_config_jsonschema",
        "get_context_jsonschema",
        "get_graph",
        "get_input_jsonschema",
        "get_input_schema",
        "get_name",
        "get_output_jsonschema",
        "get_output_schema",
        "get_prompts",
        "get_subgraphs",
        "input_channels",
        "input_schema",
        "map",
        "node_error_handler_map",
        "nodes",
        "output_channels",
        "output_schema",
        "pick",
        "pipe",
        "retry_policy",
        "schema_to_mapper",
        "stream_channels",
        "stream_channels_asis",
        "stream_channels_list",
        "stream_eager",
        "stream_events",
        "stream_transformers",
        "transform",
        "trigger_to_nodes",
        "validate",
        "with_alisteners",
        "with_config",
        "with_fallbacks",
        "with_listeners",
        "with_retry",
        "with_types",
    )
)
"""The public names of LangGraph's compiled graph that lgc's has not yet."""


class _UnsupportedAttribute(Unsupported, AttributeError):
    """An attribute that is not there yet; `hasattr` says that it is not there."""


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
            if name in _NOT_YET:
                raise _UnsupportedAttribute(name, "a compiled graph")
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
        _refuse({"a cache": cache is not None}, "compile")
        check_saver(checkpointer)
        _check_stops(interrupt_before or [], interrupt_after or [], self.program.by_name)
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
        _refuse({f"version={version!r}": version != "v1"}, "invoke")
        keys = self.program.outputs if output_keys is None else output_keys
        is_silent = print_mode == () and not kwargs.get("debug") and not self.debug
        if stream_mode == "values" and is_silent and not kwargs.get("subgraphs"):
            # Into this module, as upstream's points into its own.
            durability = _durability(kwargs, durability, 2)
            stops = (interrupt_before, interrupt_after)
            run = self._run(
                input, config, stream_mode, keys, durability, context, control, stops, silent=True
            )
            return result(run, input)
        found = self.stream(
            input,
            config,
            context=context,
            stream_mode=["updates", "values"] if stream_mode == "values" else stream_mode,
            print_mode=print_mode,
            output_keys=keys,
            interrupt_before=interrupt_before,
            interrupt_after=interrupt_after,
            durability=durability,
            control=control,
            **kwargs,
        )
        if stream_mode != "values":
            return list(found)
        latest = None
        asked: list[Any] = []
        for *_, mode, payload in found:
            if mode == "values":
                latest = payload
            elif isinstance(payload, dict):
                asked.extend(payload.get(INTERRUPT) or ())
        return with_interrupts(latest, asked)

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
        _refuse({f"version={version!r}": version != "v1"}, "stream")
        durability = _durability(kwargs, durability, 3)
        keys = self.program.streamed if output_keys is None else output_keys
        modes = self.stream_mode if stream_mode is None else stream_mode
        if debug or self.debug:
            print_mode = ["updates", "values"]
        printed = [print_mode] if isinstance(print_mode, str) else list(print_mode)
        plainly = print_mode == () and not subgraphs
        every = [modes] if isinstance(modes, str) else list(modes)
        asked = modes if plainly else [*every, *printed]
        stops = (interrupt_before, interrupt_after)
        run = self._run(
            input, config, asked, keys, durability, context, control, stops, silent=False
        )
        if subgraphs:
            from lgc.runtime.streaming.subgraph_forwarding import Forward

            run.nested = Forward(run, set(asked))
        due = chunks(run, input)
        yield from due if plainly else shown(due, modes, print_mode, subgraphs)

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
        from lgc.runtime.checkpointing.state_snapshots import get_state

        output = _output(self.program, self.program.streamed)
        saver = self._state_saver(config)
        self._refuse_subgraph(config)
        return get_state(self.program, self.config, saver, config, output, subgraphs)

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
        from lgc.runtime.checkpointing.state_snapshots import get_state_history

        saver = self._state_saver(config)
        self._refuse_subgraph(config)
        output = _output(self.program, self.program.streamed)
        choice = {"filter": filter, "before": before, "limit": limit}
        yield from get_state_history(self.program, self.config, saver, config, output, choice)

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
        saver = self._saver(ensure(config)[CONF])
        if saver is None:
            raise ValueError("No checkpointer set")
        return saver

    def _refuse_subgraph(self, config: Any) -> None:
        """Refuses a config that addresses a graph which a node calls (_subgraph_for_namespace)."""
        conf = config.get(CONF, {})
        place = conf.get("checkpoint_ns") or ""
        node = self.program.by_name.get(place.split(NS_SEP)[0].split(NS_END)[0])
        if node is not None and node.subgraph and CONF_CHECKPOINTER not in conf:
            raise Unsupported("the state of a graph that a node calls", f"checkpoint_ns={place!r}")

    def _run(
        self,
        input: Any,
        config: Mapping[str, Any] | None,
        stream_mode: str | Sequence[str],
        output: str | Sequence[str] | None,
        durability: str | None,
        context: Any,
        control: Any,
        stops: tuple[Any, Any],
        *,
        silent: bool,
    ) -> Run:
        modes = {stream_mode} if isinstance(stream_mode, str) else set(stream_mode)
        if not _OTHER_MODES.isdisjoint(modes):
            raise Unsupported(f"stream_mode={min(_OTHER_MODES & modes)!r}")
        _refuse({"step_timeout": self.step_timeout is not None}, "compile")
        refuse_tracing()
        merged = at_root(ensure(self.config, config))
        limit = merged.get("recursion_limit", DEFAULT_RECURSION_LIMIT)
        if limit < 1:
            raise ValueError("recursion_limit must be at least 1")
        saver = self._saver(merged[CONF])
        if saver is None and durability is not None:
            import warnings

            warnings.warn(
                "`durability` has no effect when no checkpointer is present.", stacklevel=4
            )
        # What is false gives way to what the caller's Runtime has, as in upstream's merge.
        made = _coerced(self.program.context_schema, context) or None
        caller = merged[CONF].get(CONF_RUNTIME)
        if caller is not None:
            made = made or caller.context
            control = control or caller.control
        arguments = (
            self.program,
            merged,
            limit,
            _output(self.program, output),
            "updates" in modes,
            "values" in modes,
            "custom" in modes,
            isinstance(stream_mode, list),
            silent,
            durability,
            made,
            control,
        )
        before = stops[0] or self.interrupt_before_nodes
        after = stops[1] or self.interrupt_after_nodes
        if saver is not None and not merged[CONF]:
            raise ValueError(
                "Checkpointer requires one or more of the following 'configurable' "
                "keys: thread_id, checkpoint_ns, checkpoint_id"
            )
        places = merged.get("max_concurrency")
        if places is not None and places <= 0:
            raise ValueError("max_workers must be greater than 0")
        run: Run
        if saver is None and not before and not after and not is_a(input, "Command"):
            run = Run(*arguments)
        else:
            # Imported when it is first used: most of what it needs, plain runs do not.
            from lgc.runtime.checkpointing.checkpointed_run import SavedRun

            keeps = durability
            if keeps is None:
                keeps = merged[CONF].get(CONF_DURABILITY, "async")
            run = SavedRun(*arguments, saver, before, after, keeps)
        run.store = self.store
        if not modes.isdisjoint(EVENT_MODES):
            from lgc.runtime.streaming.debug import Events

            run.events = Events(run, modes, _output(self.program, self.program.streamed))
        return run

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


def _check_stops(before: Any, after: Any, nodes: Mapping[str, Any]) -> None:
    """Refuses nodes to stop at that the graph has not, as upstream's `compile` does.

    Raises:
        TypeError: what cannot be added to a list; nothing is added when `after` is "*".
        ValueError: a node does not exist.
    """
    names: Any = [] if after == "*" else ([] if before == "*" else before) + after
    for node in names or ():
        if node not in nodes or node == START:
            raise ValueError(f"Interrupt node `{node}` not found")
    # What was not added above is looked at here (pregel/_validate.py:validate_graph).
    for names in (after, before):
        for node in () if names == "*" else names:
            if node not in nodes:
                raise ValueError(f"Node {node} not in nodes")


def check_saver(saver: Any) -> None:
    """Refuses what cannot be a saver (types.py:ensure_valid_checkpointer)."""
    if saver is None or isinstance(saver, bool) or hasattr(saver, "put_writes"):
        return
    raise TypeError(
        f"Invalid checkpointer provided. Expected an instance of `BaseCheckpointSaver`, `True`, "
        f"`False`, or `None`. Received {type(saver).__name__}. Pass a proper saver (e.g., "
        "InMemorySaver, AsyncPostgresSaver)."
    )


def _coerced(schema: Any, context: Any) -> Any:
    """The context as the schema wants it (pregel/main.py:_coerce_context)."""
    if (
        schema is not None
        and isinstance(context, dict)
        and (hasattr(schema, "model_fields") or hasattr(schema, "__dataclass_fields__"))
    ):
        return schema(**context)
    return context


def _output(program: Program, output: str | Sequence[str] | None) -> Output:
    """What a run reports that is asked for `output`; None is the root value."""
    if output is None:
        return program.output(("__root__",), True)
    keys = (output,) if isinstance(output, str) else tuple(output)
    for key in keys:
        if key not in program.index:
            raise ValueError(f"Key {key} not in channels")
        if program.plain_trigger[program.index[key]]:
            raise Unsupported("a trigger channel as output key", key)
    return program.output(keys, isinstance(output, str))


def _durability(arguments: Mapping[str, Any], durability: Any, level: int) -> Any:
    """The durability that a caller asks for who may still say `checkpoint_during`.

    Args:
        arguments: what the caller gave beside the known arguments.
        durability: as given.
        level: how many frames up the warning points to.

    Raises:
        ValueError: both are given.
    """
    during = arguments.get("checkpoint_during")
    if during is None:
        return durability
    import warnings

    # Whoever can tell the class by its name has loaded it.
    kind = loaded("langgraph.warnings", "LangGraphDeprecatedSinceV10") or DeprecationWarning
    warnings.warn(
        "`checkpoint_during` is deprecated and will be removed. Please use `durability` instead.",
        kind,
        stacklevel=level,
    )
    if durability is not None:
        raise ValueError(
            "Cannot use both `checkpoint_during` and `durability` parameters. "
            "Please use `durability` instead."
        )
    return "async" if during else "exit"


def _refuse(asked: dict[str, bool], where: str) -> None:
    for feature, wanted in asked.items():
        if wanted:
            raise Unsupported(feature, where)
