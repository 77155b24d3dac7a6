"""What became of the tasks of a superstep, read from their writes (pregel/_task_status.py).

A task has finished if and only if it has written anything but a control write;
the interrupts it raised last wait for an answer only while it has not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lgc.runtime.constants import CONTROL_WRITES, ERROR, INTERRUPT, NULL_TASK_ID


class Status:
    """What became of one task.

    Attributes:
        output: what it wrote, control writes left out; empty until it has finished.
        interrupts: those it raised last.
        error: how it failed, or None.
    """

    def __init__(self) -> None:
        self.output: list[tuple[str, Any]] = []
        self.interrupts: list[Any] = []
        self.error: Any = None

    @property
    def pending_interrupts(self) -> list[Any]:
        """The interrupts that wait for an answer."""
        return [] if self.output else self.interrupts


def statuses(pending: Iterable[tuple[str, str, Any]]) -> dict[str, Status]:
    """By task id, the status of every task with a write.

    Args:
        pending: `(task id, channel, value)`.
    """
    by_task: dict[str, Status] = {}
    for task_id, name, value in pending:
        if task_id == NULL_TASK_ID:
            continue
        status = by_task.get(task_id)
        if status is None:
            status = by_task[task_id] = Status()
        if name == INTERRUPT:
            status.interrupts.extend(value if isinstance(value, (list, tuple)) else [value])
        elif name == ERROR:
            if status.error is None:
                status.error = value
        elif name not in CONTROL_WRITES:
            status.output.append((name, value))
    return by_task
