"""What a run starts with: scope, thread, recorder, loop and observers, from what was asked for."""

from __future__ import annotations

from typing import Any

from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.checkpointing.exit_durability import ExitRecorder
from lgc.runtime.checkpointing.recorder import Recorder
from lgc.runtime.checkpointing.thread_state import ThreadState
from lgc.runtime.constants import EVENT_MODES
from lgc.runtime.drivers.call import refresh_langchain_var
from lgc.runtime.engine.channel_values import ChannelValues
from lgc.runtime.engine.inbox import ChunkWriter
from lgc.runtime.engine.loop import Loop
from lgc.runtime.engine.observer import Sink
from lgc.runtime.engine.program import Output, Program
from lgc.runtime.engine.run import RunOptions, RunScope
from lgc.runtime.public.errors import Unsupported
from lgc.runtime.streaming.chunks import ChunksObserver, UpdatesObserver, ValuesObserver
from lgc.runtime.upstream import is_a

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
    stops = options.interrupt_before or options.interrupt_after
    if saver is None and not stops and not is_a(input, "Command"):
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
    values = scope.values
    observers = loop.superstep.observers
    if "updates" in wanted:
        observers.append(UpdatesObserver(sink, values))
    if "values" in wanted:
        observers.append(ValuesObserver(sink, values))
    events = EVENT_MODES.intersection(wanted)
    if events:
        from lgc.runtime.streaming.debug import DebugObserver

        observers.append(DebugObserver(sink, scope, events, output_of(program, program.streamed)))
    if options.streams_from_nodes:
        observers.append(ChunksObserver(sink))
        writer = ChunkWriter(loop.inbox)
        if "custom" in wanted:
            scope.write_custom = writer
        if subgraphs:
            from lgc.runtime.streaming.subgraph_forwarding import SubgraphForwarding

            scope.forwarding = SubgraphForwarding(writer, wanted)
    return loop
