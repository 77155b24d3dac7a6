"""What a run starts with: scope, thread, recorder, loop and observers, from what was asked for."""

from __future__ import annotations

from typing import Any

from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.checkpointing.exit_durability import ExitRecorder
from lgc.runtime.checkpointing.recorder import Recorder
from lgc.runtime.checkpointing.thread_state import ThreadState
from lgc.runtime.config.merge import DEFAULT_RECURSION_LIMIT, NO_CONFIG
from lgc.runtime.config.tracing import refuse_tracing
from lgc.runtime.drivers.call import refresh_langchain_var
from lgc.runtime.drivers.fast_path import FastPath
from lgc.runtime.engine.channel_values import ChannelValues
from lgc.runtime.engine.inbox import ChunkWriter
from lgc.runtime.engine.loop import Loop
from lgc.runtime.engine.observer import Sink
from lgc.runtime.engine.program import Output, Program
from lgc.runtime.engine.run import RunOptions, RunScope
from lgc.runtime.engine.task import Task
from lgc.runtime.public.errors import Unsupported
from lgc.runtime.streaming.chunks import ChunksObserver
from lgc.runtime.streaming.observers import observers_of, outer_observers
from lgc.runtime.upstream import is_a

# What the fast path streams.
_FAST_MODES = frozenset(("updates", "values"))
# What LangGraph streams and lgc does not yet.
_OTHER_MODES = frozenset(("messages", "tools"))


def output_of(program: Program, output: Any) -> Output:
    """What a run reports that is asked for `output`; None is the root value."""
    if output is None:
        return program.output(("__root__",), True)
    # As Any: users pass keys of other kinds, and native code would refuse them in its own words.
    keys: Any = (output,) if isinstance(output, str) else tuple(output)
    for key in keys:
        if key not in program.index:
            raise ValueError(f"Key {format(key)} not in channels")
        if program.transient_trigger[program.index[key]]:
            raise Unsupported("a trigger channel as output key", key)
    return program.output(keys, isinstance(output, str))


def refuse_modes(wanted: Any) -> None:
    """Refuses the stream modes that lgc has not yet; one mode, or several."""
    modes = {wanted} if isinstance(wanted, str) else set(wanted)
    if not _OTHER_MODES.isdisjoint(modes):
        raise Unsupported(f"stream_mode={min(_OTHER_MODES & modes)!r}")


def start_run(
    program: Program, options: RunOptions, input: Any
) -> tuple[RunScope, ThreadState | None, Recorder | None]:
    """What a run starts with; a thread and its recorder only where something needs them."""
    refresh_langchain_var()
    scope = RunScope(program, ChannelValues(program, options.output), options)
    saver = options.saver
    if not needs_thread(options, input):
        return scope, None, None
    scope.values.store_triggers()
    thread = ThreadState(scope)
    durability = options.effective_durability
    writer = None
    if saver is not None:
        writer = CheckpointWriter(saver, durability == "async", options.is_async)
    if durability == "exit":
        return scope, thread, ExitRecorder(thread, writer)
    return scope, thread, Recorder(thread, writer)


def bare_scope(program: Program, store: Any) -> RunScope:
    """What a run starts with that nothing is asked of but its result.

    Args:
        store: what nodes find as `runtime.store`.
    """
    refresh_langchain_var()
    options = RunOptions(NO_CONFIG, program.default_output)
    options.limit = DEFAULT_RECURSION_LIMIT
    options.store = store
    return RunScope(program, ChannelValues(program, options.output), options)


def scope_inside(program: Program, task: Any, is_async: bool) -> RunScope | None:
    """As `bare_scope`, of a run that a task of another run has called; None where that is more.

    Nothing of the task's config is built for it. That takes a run around it that lends no saver,
    and that nobody streams from.

    Args:
        task: the task, of which the run counts as the next graph; anything else is none.
        is_async: an event loop drives the run.

    Raises:
        Unsupported: the run would be traced.
    """
    if not isinstance(task, Task):
        return None
    outer = task.scope
    asked = outer.options
    if (
        outer.saver is not None
        or asked.lent_saver is not None
        or asked.outer_stream is not None
        or outer.forwarding is not None
        or asked.node_finished is not None
        or len(asked.progress) > 0
        or task.attempt is not None
        or asked.is_async != is_async
    ):
        return None
    refuse_tracing()
    options = RunOptions(NO_CONFIG, program.default_output)
    options.is_nested = True
    options.is_async = is_async
    options.caller = task
    options.call_number = task.count_graph()
    options.limit = asked.limit
    options.context = outer.context
    return RunScope(program, ChannelValues(program, options.output), options)


def fast_stream(program: Program, options: RunOptions, input: Any, modes: Any) -> FastPath | None:
    """A run whose chunks are consumed, on the fast path; None for one that needs the loop.

    Args:
        modes: as of `streamed_loop`.
    """
    wanted = {modes} if isinstance(modes, str) else set(modes)
    if options.streams_from_subgraphs or options.step_timeout is not None or wanted - _FAST_MODES:
        return None
    if needs_thread(options, input) or program.has_timeouts:
        return None
    refresh_langchain_var()
    scope = RunScope(program, ChannelValues(program, options.output), options)
    if scope.is_observed or scope.cache is not None:
        return None
    sink = Sink(isinstance(modes, list))
    path = FastPath(scope, input, observers_of(sink, scope, wanted))
    path.sink = sink
    path.emits_updates = "updates" in wanted
    path.emits_values = "values" in wanted
    return path


def needs_thread(options: RunOptions, input: Any) -> bool:
    """Whether a run keeps a thread: for a saver, breakpoints, or a Command as input."""
    stops = options.interrupt_before or options.interrupt_after
    return options.saver is not None or bool(stops) or is_a(input, "Command")


def streamed_loop(program: Program, options: RunOptions, input: Any, modes: Any) -> Loop:
    """A run whose chunks are consumed, not started yet.

    Args:
        modes: which chunks are wanted: one mode, or a list of them, whose chunks come with theirs.
            Those of graphs inside nodes are wanted, too, if `options.streams_from_subgraphs`.
    """
    wanted = {modes} if isinstance(modes, str) else set(modes)
    subgraphs = options.streams_from_subgraphs
    options.streams_from_nodes = "custom" in wanted or subgraphs
    scope, thread, recorder = start_run(program, options, input)
    loop = Loop(scope, input, thread, recorder)
    sink = Sink(isinstance(modes, list))
    loop.sink = sink
    observers = outer_observers(scope) + observers_of(sink, scope, wanted)
    loop.superstep.observers = observers
    if options.streams_from_nodes:
        observers.append(ChunksObserver(sink))
        writer = ChunkWriter(loop.inbox)
        if "custom" in wanted:
            scope.write_custom = writer
        if subgraphs:
            from lgc.runtime.streaming.subgraph_forwarding import SubgraphForwarding

            scope.forwarding = SubgraphForwarding(writer, wanted, scope.outer_stream)
    return loop
