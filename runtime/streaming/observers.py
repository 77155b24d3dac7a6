"""Which observers make the chunks that a consumer wants (spec §5.3, §5.4)."""

from __future__ import annotations

from typing import Any

from lgc.runtime.constants import EVENT_MODES
from lgc.runtime.engine.observer import Observer, OuterSink, Sink
from lgc.runtime.engine.run import RunScope
from lgc.runtime.engine.task import Task
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
    """What tells others than the caller of a run: a consumer further out, a host's function."""
    observers: list[Observer] = []
    if scope.options.node_finished is not None:
        observers.append(FinishedObserver(scope.options.node_finished))
    if scope.options.progress:
        observers.append(ProgressObserver(scope.options.progress))
    stream = scope.outer_stream
    if stream is not None:
        sink = OuterSink(stream, scope.namespace_parts())
        observers += observers_of(sink, scope, set(stream.modes))
    return observers


class FinishedObserver(Observer):
    """Tells a host which nodes have finished (pregel/_runner.py:PregelRunner.commit).

    Args:
        finished: takes the name of a node.
    """

    def __init__(self, finished: Any) -> None:
        self._finished: Any = finished

    def on_output(self, task: Task) -> None:
        self._finished(task.node.name)


class ProgressObserver(Observer):
    """Tells the idle timeout of a node further out that the nodes of a nested run begin and end.

    Args:
        handlers: the callback handlers that langchain would tell (config.idle_progress).
    """

    def __init__(self, handlers: list[Any]) -> None:
        self._handlers: list[Any] = handlers

    def on_tasks(self, tasks: list[Task]) -> None:
        self._touch(tasks)

    def on_task_end(self, task: Task, writes: list[tuple[str, Any]]) -> None:
        self._touch(task)

    def _touch(self, subject: Any) -> None:
        for handler in self._handlers:
            handler.on_chain_start({}, subject, run_id=None)
