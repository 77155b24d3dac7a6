"""The chunks of the modes values, updates and custom, and the result of an invoke (spec §5.3)."""

from __future__ import annotations

from typing import Any

from lgc.runtime.constants import INTERRUPT
from lgc.runtime.engine.channel_values import ChannelValues
from lgc.runtime.engine.observer import Observer, Sink
from lgc.runtime.engine.task import Task


class ChannelsObserver(Observer):
    """Emits what the channels of a run say.

    Args:
        sink: takes the chunks.
        values: the run's channels.
    """

    def __init__(self, sink: Sink, values: ChannelValues) -> None:
        self.sink: Sink = sink
        self.values: ChannelValues = values


class UpdatesObserver(ChannelsObserver):
    """Emits what each task has written (mode updates)."""

    def on_output(self, task: Task) -> None:
        self.sink.emit("updates", self._update(task))

    def on_cached(self, task: Task) -> None:
        if not task.node.is_start:
            update = self._update(task)
            update["__metadata__"] = {"cached": True}
            self.sink.emit("updates", update)

    def on_interrupt(self, task: Task, interrupts: tuple[Any, ...]) -> None:
        self.sink.emit("updates", {INTERRUPT: interrupts})

    def on_breakpoint(self, interrupts: Any) -> None:
        self.sink.emit("updates", {INTERRUPT: interrupts})

    def _update(self, task: Task) -> dict[str, Any]:
        """The chunk of one task (pregel/_io.py:map_output_updates)."""
        output = self.values.output
        index = self.values.program.index
        writes: list[Any] = []
        names: set[str] = set()
        is_repeated = False
        for name, value in task.writes:
            slot = index.get(name, -1)
            if slot >= 0 and output.contains[slot]:
                if name in names:
                    is_repeated = True
                names.add(name)
                writes.append((name, value))
        update: Any
        if not writes:
            update = None
        elif output.single_value:
            update = writes[0][1] if len(writes) == 1 else [value for _, value in writes]
        elif is_repeated:
            update = [{name: value} for name, value in writes]
        else:
            update = dict(writes)
        return {task.node.name: update}


class ValuesObserver(ChannelsObserver):
    """Emits the values after every superstep that changed them (mode values)."""

    def on_resume(self) -> None:
        self.sink.emit("values", self.values.read())

    def on_superstep(self, tasks: list[Task]) -> None:
        if output_changed(self.values, tasks):
            self.sink.emit("values", self.values.read())

    def on_interrupt(self, task: Task, interrupts: tuple[Any, ...]) -> None:
        self.sink.emit("values", values_at_interrupt(self.values, interrupts))


class ChunksObserver(Observer):
    """Takes over the chunks that nodes, and the graphs that they call, have written.

    Args:
        sink: takes the chunks.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink: Sink = sink

    def on_chunk(self, chunk: tuple[Any, ...]) -> None:
        if len(chunk) == 1:
            self.sink.emit("custom", chunk[0])
        else:
            self.sink.chunks.append(chunk)


class ResultObserver(Observer):
    """Keeps what an invoke returns.

    The newest values are read when the run is over, if no output key can have lost its value by
    then without being written; else after every superstep that changed them.

    Args:
        values: the run's channels; `has_values` of them says that they are to be read.
        is_typed: the result is a GraphOutput, and the run reports a dict of the state.

    Attributes:
        latest: the newest values, where they are not read at the end.
        interrupts: what the run's tasks have asked for.
    """

    def __init__(self, values: ChannelValues, is_typed: bool) -> None:
        self.values: ChannelValues = values
        self.is_typed: bool = is_typed
        self.latest: Any = None
        self.interrupts: list[Any] = []

    def on_resume(self) -> None:
        self._keep()

    def on_superstep(self, tasks: list[Task]) -> None:
        if not self.values.has_values and output_changed(self.values, tasks):
            self._keep()

    def _keep(self) -> None:
        if self.values.output.readable_at_end:
            self.values.has_values = True
        else:
            self.latest = self.values.read()

    def on_interrupt(self, task: Task, interrupts: tuple[Any, ...]) -> None:
        self.latest = values_at_interrupt(self.values, interrupts)
        self.interrupts.extend(interrupts)
        output = self.values.output
        self.values.has_values = output.readable_at_end and not output.single_value

    def result(self) -> Any:
        """What the invoke returns, once the run is over; None when no output key was written."""
        values = self.values.read() if self.values.has_values else self.latest
        if not self.is_typed:
            return with_interrupts(values, self.interrupts)
        if values is not None:
            values.pop(INTERRUPT, None)
        # Imported when it is first used: results of version "v1" do without.
        from lgc.runtime.public.outputs import graph_output

        return graph_output(values, self.interrupts)


def output_changed(values: ChannelValues, tasks: list[Task]) -> bool:
    """Whether an output key changed in the last superstep, and was written (spec §5.3, values).

    Args:
        values: the run's channels, after the superstep.
        tasks: those of the superstep.
    """
    contains = values.output.contains
    for slot in values.updated:
        if contains[slot]:
            break
    else:
        return False
    index = values.program.index
    for task in tasks:
        for name, _ in task.writes:
            slot = index.get(name, -1)
            if slot >= 0 and contains[slot]:
                return True
    return False


def values_at_interrupt(values: ChannelValues, interrupts: tuple[Any, ...]) -> Any:
    """The values chunk of a task that interrupted."""
    current = values.read()
    chunk: Any = {INTERRUPT: interrupts}
    return {**current, **chunk} if isinstance(current, dict) else chunk


def with_interrupts(values: Any, interrupts: list[Any]) -> Any:
    """What an invoke returns that ended with `values` and with what its nodes asked for."""
    if not interrupts:
        return values
    if isinstance(values, dict):
        return {**values, INTERRUPT: interrupts}
    return {INTERRUPT: interrupts}
