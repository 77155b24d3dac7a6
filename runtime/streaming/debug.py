"""The chunks of the stream modes tasks, checkpoints and debug (spec §5.3; pregel/debug.py)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from lgc.runtime.checkpointing import model
from lgc.runtime.checkpointing.state_snapshots import (
    state_address,
    task_snapshot,
    with_parents,
    writes_by_key,
)
from lgc.runtime.checkpointing.task_status import Status, statuses
from lgc.runtime.constants import CONF, ERROR, INTERRUPT, RETURN
from lgc.runtime.engine.observer import Observer, Sink
from lgc.runtime.engine.program import Output
from lgc.runtime.engine.run import RunScope
from lgc.runtime.engine.task import Task


class DebugObserver(Observer):
    """Emits what tells of tasks and checkpoints.

    Args:
        sink: takes the chunks.
        scope: the run.
        modes: which of "tasks", "checkpoints" and "debug" are wanted.
        streamed: what the graph streams of its state, whatever the caller asked for.
    """

    def __init__(
        self, sink: Sink, scope: RunScope, modes: frozenset[str], streamed: Output
    ) -> None:
        self._sink: Sink = sink
        self._scope: RunScope = scope
        self._modes: frozenset[str] = modes
        self._streamed: Output = streamed

    def on_tasks(self, tasks: list[Task]) -> None:
        for task in tasks:
            if not task.node.is_start:
                self._emit("tasks", "task", self._scope.step, _task(task))

    def on_task_end(self, task: Task, writes: list[tuple[str, Any]]) -> None:
        keys = self._streamed.keys
        payload = {
            "id": task.id,
            "name": task.node.name,
            "error": _first(writes, ERROR),
            "result": writes_by_key(
                [write for write in writes if write[0] in keys or write[0] == RETURN]
            ),
            "interrupts": [
                _as_dict(interrupt)
                for name, value in writes
                if name == INTERRUPT
                for interrupt in (value if isinstance(value, (list, tuple)) else [value])
            ],
        }
        self._emit("tasks", "task_result", self._scope.step, payload)

    def on_checkpoint(self, thread: Any, tasks: list[Task]) -> None:
        scope = self._scope
        by_task = statuses(thread.pending_writes)
        config = thread.current_config()
        snapshots = [
            task_snapshot(
                task,
                by_task.get(task.id, Status()),
                scope.values.output,
                live=False,
                state=state_address(task, config),
            )
            for task in tasks
        ]
        payload = {
            "config": _public(with_parents(config, thread.metadata)),
            "parent_config": _public(with_parents(thread.parent_config, thread.metadata)),
            "values": scope.values.read_as(self._streamed),
            "metadata": thread.metadata,
            "next": [task.node.name for task in tasks],
            "tasks": [_listed(snapshot) for snapshot in snapshots],
        }
        self._emit("checkpoints", "checkpoint", scope.step - 1, payload)

    def _emit(self, mode: str, kind: str, step: int, payload: dict[str, Any]) -> None:
        if mode in self._modes:
            self._sink.emit(mode, payload)
        if "debug" in self._modes:
            chunk = {"step": step, "timestamp": model.now(), "type": kind, "payload": payload}
            self._sink.emit("debug", chunk)


def _first(writes: list[tuple[str, Any]], key: str) -> Any:
    """The first value written to `key`, or None."""
    for name, value in writes:
        if name == key:
            return value
    return None


def _task(task: Task) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "id": task.id,
        "name": task.node.name,
        "input": task.input,
        "triggers": task.triggers,
    }
    config = task.config
    metadata = {k: v for k, v in config["metadata"].items() if k not in model.NOT_IN_METADATA}
    tags = [tag for tag in config.get("tags", ()) if not tag.startswith("seq:step")]
    if tags:
        metadata["tags"] = tags
    if metadata:
        payload["metadata"] = metadata
    return payload


def _listed(snapshot: Any) -> dict[str, Any]:
    """A task of a checkpoint's chunk; which of its fields are there depends on how it ended."""
    fields = {"id": snapshot.id, "name": snapshot.name}
    if snapshot.error:
        return {**fields, "error": snapshot.error, "state": snapshot.state}
    if snapshot.result:
        fields["result"] = snapshot.result
    fields["interrupts"] = tuple([_as_dict(interrupt) for interrupt in snapshot.interrupts])
    fields["state"] = snapshot.state
    return fields


def _as_dict(interrupt: Any) -> dict[str, Any]:
    fields = ("value", "id", "response_schema")
    return {field: deepcopy(getattr(interrupt, field)) for field in fields}


def _public(config: Any) -> Any:
    """A config without the engine's own keys."""
    if config is None:
        return None
    conf = config.get(CONF, {})
    return {CONF: {k: v for k, v in conf.items() if not k.startswith("__pregel_")}}
