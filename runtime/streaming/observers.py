"""Which observers make the chunks that a consumer wants (spec §5.3, §5.4)."""

from __future__ import annotations

from lgc.runtime.constants import EVENT_MODES
from lgc.runtime.engine.observer import Observer, OuterSink, Sink
from lgc.runtime.engine.run import RunScope
from lgc.runtime.streaming.chunks import UpdatesObserver, ValuesObserver


def observers_of(sink: Sink, scope: RunScope, wanted: set[str]) -> list[Observer]:
    """What puts the chunks of a run into a sink, but for those that its nodes write.

    Args:
        sink: takes them.
        scope: the run.
        wanted: the modes.
    """
    observers: list[Observer] = []
    if "updates" in wanted:
        observers.append(UpdatesObserver(sink, scope.values))
    if "values" in wanted:
        observers.append(ValuesObserver(sink, scope.values))
    events = EVENT_MODES.intersection(wanted)
    if events:
        # Imported when it is first used: few runs stream events.
        from lgc.runtime.streaming.debug import DebugObserver

        observers.append(DebugObserver(sink, scope, events, scope.program.streamed_output))
    return observers


def outer_observers(scope: RunScope) -> list[Observer]:
    """What hands the chunks of a nested run on to a consumer further out; of others, nothing."""
    stream = scope.outer_stream
    if stream is None:
        return []
    return observers_of(OuterSink(stream, scope.namespace_parts()), scope, set(stream.modes))
