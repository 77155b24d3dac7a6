"""The chunks of the stream modes tasks, checkpoints and debug (spec §5.3; pregel/debug.py).

Made only for who asks for them: they hold what nobody else looks at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lgc.runtime.checkpointing.model import NOT_IN_METADATA, now
from lgc.runtime.checkpointing.state_snapshots import by_key, told, with_parents
from lgc.runtime.checkpointing.task_status import Status, statuses
from lgc.runtime.constants import CONF, ERROR, EVENT_MODES, INTERRUPT, RETURN
from lgc.runtime.engine.program import Output
from lgc.runtime.engine.task import Task


class Events:
    """Makes the chunks of one run.

    Args:
        run: whose; they are put into its queue.
        modes: which are wanted.
        streamed: what the graph streams of its state, whatever the caller asked for.
    """

    def __init__(self, run: Any, modes: Iterable[str], streamed: Output) -> None:
        self._run = run
        self._modes = EVENT_MODES.intersection(modes)
        self._streamed = streamed

    def tasks(self, tasks: Iterable[Task]) -> None:
        """The superstep's tasks are about to run."""
        for task in tasks:
            if not task.node.is_start:
                self._emit("tasks", "task", self._run.step, _task(task))

    def result(self, task: Task, writes: list[tuple[str, Any]]) -> None:
        """A task is over."""
        if task.node.is_start:
            return
        keys = self._streamed.keys
        payload = {
            "id": task.id,
            "name": task.node.name,
            "error": next((value for name, value in writes if name == ERROR), None),
            "result": by_key(write for write in writes if write[0] in keys or write[0] == RETURN),
            "interrupts": [
                _as_dict(question)
                for name, value in writes
                if name == INTERRUPT
                for question in (value if isinstance(value, (list, tuple)) else [value])
            ],
        }
        self._emit("tasks", "task_result", self._run.step, payload)

    def checkpoint(self) -> None:
        """The tasks of a checkpoint have been prepared."""
        run = self._run
        found = statuses(run.pending_writes)
        here = run.here()
        tasks = [
            told(task, found.get(task.id, Status()), run.output, False, here) for task in run.tasks
        ]
        payload = {
            "config": _public(with_parents(here, run.metadata)),
            "parent_config": _public(with_parents(run.parent, run.metadata)),
            "values": run.read_as(self._streamed),
            "metadata": run.metadata,
            "next": [task.node.name for task in run.tasks],
            "tasks": [_listed(task) for task in tasks],
        }
        self._emit("checkpoints", "checkpoint", run.step - 1, payload)

    def _emit(self, mode: str, kind: str, step: int, payload: dict[str, Any]) -> None:
        if mode in self._modes:
            self._run.emit(mode, payload)
        if "debug" in self._modes:
            chunk = {"step": step, "timestamp": now(), "type": kind, "payload": payload}
            self._run.emit("debug", chunk)


def _task(task: Task) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "id": task.id,
        "name": task.node.name,
        "input": task.input,
        "triggers": task.triggers,
    }
    config = task.config
    metadata = {k: v for k, v in config["metadata"].items() if k not in NOT_IN_METADATA}
    tags = [tag for tag in config.get("tags", ()) if not tag.startswith("seq:step")]
    if tags:
        metadata["tags"] = tags
    if metadata:
        payload["metadata"] = metadata
    return payload


def _listed(task: Any) -> dict[str, Any]:
    """A task of a checkpoint's chunk; which of its fields are there depends on how it ended."""
    found = {"id": task.id, "name": task.name}
    if task.error:
        return {**found, "error": task.error, "state": task.state}
    if task.result:
        found["result"] = task.result
    found["interrupts"] = tuple(_as_dict(question) for question in task.interrupts)
    found["state"] = task.state
    return found


def _as_dict(question: Any) -> dict[str, Any]:
    from copy import deepcopy

    fields = ("value", "id", "response_schema")
    return {field: deepcopy(getattr(question, field)) for field in fields}


def _public(config: Any) -> Any:
    """A config without the engine's own keys."""
    if config is None:
        return None
    conf = config.get(CONF, {})
    return {CONF: {k: v for k, v in conf.items() if not k.startswith("__pregel_")}}
