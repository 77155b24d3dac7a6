"""What a run was asked for, and what its tasks may see of it (architecture §4.1)."""

from __future__ import annotations

from typing import Any, Final

from lgc.runtime.config.nested import config_inside
from lgc.runtime.constants import CONF, NS_SEP
from lgc.runtime.engine.channel_values import ChannelValues
from lgc.runtime.engine.program import Output, Program
from lgc.runtime.ids import CheckpointIds

_LARGE: Final = 2**60


class RunOptions:
    """What the caller of a run asked for. Attributes that are not set have their default.

    Args:
        config: the merged config (config.merge.merge_configs).
        output: what the run reports of the state.

    Attributes:
        limit: the recursion limit, any number.
        context: the run's context, already of the schema's type.
        control: what may ask the run to stop (spec §4.13), or None.
        store: what nodes find as `runtime.store`.
        saver: keeps the run's checkpoints, or None.
        cache: keeps what nodes have written, or None.
        durability: as the caller gave it; nodes see it.
        effective_durability: when checkpoints are stored: "sync", "async" or "exit".
        interrupt_before, interrupt_after: the nodes to stop at, or "*".
        step_timeout: how long a superstep may take, in seconds; 0 and None for any time.
        is_async: the run is driven by an event loop.
        typed_result: the result of an invoke is a GraphOutput.
        streams_from_nodes: chunks that nodes write are wanted while the nodes run.
        streams_from_subgraphs: those of the graphs that nodes call are wanted, too.
        is_nested: a task of another run called it (spec §9).
        caller: that task, where the run has its config from nobody else: nothing of it is built
            before somebody looks; else None.
        call_number: how many graphs that task has called before.
        lent_saver: of a nested run, the saver of the run around it.
        outer_stream: of a nested run, what takes chunks for a consumer further out, or None.
        node_finished: called with the name of each node that has finished, or None.
        progress: of a nested run, the callback handlers that are told of its tasks, because a node
            further out may not be idle (config.idle_progress).
    """

    def __init__(self, config: dict[str, Any], output: Output) -> None:
        self.config: dict[str, Any] = config
        self.output: Output = output
        self.limit: Any = 1
        self.context: Any = None
        self.control: Any = None
        self.store: Any = None
        self.saver: Any = None
        self.cache: Any = None
        self.durability: Any = None
        self.effective_durability: Any = "sync"
        self.interrupt_before: Any = ()
        self.interrupt_after: Any = ()
        self.step_timeout: Any = None
        self.is_async: bool = False
        self.typed_result: bool = False
        self.streams_from_nodes: bool = False
        self.streams_from_subgraphs: bool = False
        self.is_nested: bool = False
        self.caller: Any = None
        self.call_number: int = 0
        self.lent_saver: Any = None
        self.outer_stream: Any = None
        self.node_finished: Any = None
        self.progress: list[Any] = []


class RunScope:
    """What a task may see of its run.

    Args:
        program: what runs.
        values: the run's channels.
        options: what the caller asked for.

    Attributes:
        context, store, saver: those of the options.
        step: the superstep.
        stop: the last superstep that the recursion limit allows, a number of the caller's kind.
        first_step: the superstep whose tasks are told whether the run resumes.
        resuming, replay_state: what they are told.
        ids: the ids of the run's checkpoints, where no saver asks for them in their turn.
        checkpoint_id: the id of the newest checkpoint; "" when `ids` has it.
        is_v1_checkpoint: the run goes on from a checkpoint of version 1 (ids.task_id).
        own_control: what may ask the run to stop; None until a task asks for it, and where it is
            that of a run around this one (`control`).
        is_inside: the run has its config from the task that called it.
        write_custom: takes the chunks that nodes write, on any thread; None: nobody reads them.
        forwarding: takes the chunks of the graphs that nodes call, or None.
    """

    def __init__(self, program: Program, values: ChannelValues, options: RunOptions) -> None:
        self.program: Program = program
        self.values: ChannelValues = values
        self.options: RunOptions = options
        self.context: Any = options.context
        self.store: Any = options.store
        self.saver: Any = options.saver
        self.own_control: Any = options.control
        self._caller: Any = options.caller
        self.is_inside: bool = options.caller is not None
        # Of the runs that `_caller` leads to, the one that has a `control` of its own.
        self._outermost: RunScope | None = None
        if options.caller is not None:
            outer: RunScope = options.caller.scope
            self._outermost = outer if outer._outermost is None else outer._outermost
        self._config: dict[str, Any] | None = options.config if options.caller is None else None
        self.step: int = -1
        self.stop: Any = 0
        # A native int, when the limit is an ordinary one, for the comparison in every superstep.
        self._last_step: int = 0
        self._is_ordinary: bool = False
        self.set_stop(-1 + options.limit + 1)
        self.first_step: int = 0
        self.resuming: bool = False
        self.replay_state: Any = None
        self._ids: CheckpointIds | None = None
        self.checkpoint_id: str = ""
        self.is_v1_checkpoint: bool = False
        self._namespace: str | None = None
        self.write_custom: Any = None
        self.forwarding: Any = None

    @property
    def config(self) -> dict[str, Any]:
        """The run's config; of a run that a task called with nothing of its own, made of that."""
        if self._config is None:
            self._config = config_inside(self._caller, self.options.call_number)
        return self._config

    @config.setter
    def config(self, config: dict[str, Any]) -> None:
        self._config = config

    @property
    def namespace(self) -> str:
        """Where its checkpoints are, with a separator behind it; "" for the root's."""
        if self._namespace is None:
            self.set_namespace(self.config[CONF].get("checkpoint_ns"))
        assert self._namespace is not None
        return self._namespace

    def set_namespace(self, namespace: Any) -> None:
        """Says where the checkpoints are; a caller may say None, or anything that is false."""
        self._namespace = f"{namespace}{NS_SEP}" if namespace else ""

    def namespace_parts(self) -> tuple[str, ...]:
        """The namespace as chunks have it; () for the root's."""
        namespace = self.namespace
        return tuple(namespace[:-1].split(NS_SEP)) if namespace else ()

    @property
    def control(self) -> Any:
        """What may ask the run to stop; made when a task first asks for it, None until then."""
        return self.own_control if self._outermost is None else self._outermost.control

    @control.setter
    def control(self, control: Any) -> None:
        if self._outermost is None:
            self.own_control = control
        else:
            self._outermost.control = control

    @property
    def is_nested(self) -> bool:
        """Whether a task of another run called it."""
        return self.options.is_nested

    @property
    def lent_saver(self) -> Any:
        """Of a nested run, the saver of the run around it."""
        return self.options.lent_saver

    @property
    def outer_stream(self) -> Any:
        """Of a nested run, what takes chunks for a consumer further out, or None."""
        return self.options.outer_stream

    @property
    def cache(self) -> Any:
        """What keeps the writes of nodes, if one of them wants that."""
        return self.options.cache if self.program.has_cached_nodes else None

    @property
    def is_observed(self) -> bool:
        """Whether others than the caller are told of it (streaming.observers.outer_observers)."""
        options = self.options
        return (
            options.outer_stream is not None
            or options.node_finished is not None
            or len(options.progress) > 0
        )

    @property
    def ids(self) -> CheckpointIds:
        if self._ids is None:
            self._ids = CheckpointIds()
        return self._ids

    def set_stop(self, stop: Any) -> None:
        """Sets the last superstep that the recursion limit allows, any number."""
        self.stop = stop
        self._is_ordinary = type(stop) is int and -_LARGE < stop < _LARGE
        self._last_step = stop if self._is_ordinary else 0

    def last_ordinary_step(self) -> int:
        """No superstep up to this one is past the recursion limit, whatever number that is."""
        return self._last_step if self._is_ordinary else -1

    def is_past_stop(self) -> bool:
        """Whether the recursion limit allows no further superstep."""
        if self._is_ordinary:
            return self.step > self._last_step
        return bool(self.step > self.stop)

    def is_asked_to_stop(self) -> bool:
        """Whether somebody has asked the run to drain."""
        control = self.control
        return control is not None and bool(control.drain_requested)
