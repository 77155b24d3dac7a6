"""A Command as input, and how its answers reach the tasks that asked (spec §4.2, §4.8)."""

from __future__ import annotations

from typing import Any

from lgc.runtime.checkpointing.model import PendingWrites
from lgc.runtime.checkpointing.task_status import statuses
from lgc.runtime.config.task_config import outer_answer, scratchpad
from lgc.runtime.constants import CONF, CONF_RESUME_MAP, NULL_TASK_ID, RESUME, START, TASKS
from lgc.runtime.engine.node_output import branch_to
from lgc.runtime.engine.task import Task
from lgc.runtime.ids import interrupt_id
from lgc.runtime.public.commands import Command, update_as_tuples
from lgc.runtime.upstream import error_class, is_a


def writes_of_command(command: Any) -> list[tuple[str, Any]]:
    """The writes that a Command given as input stands for (pregel/_io.py:map_command).

    Raises:
        InvalidUpdateError: it is for a parent graph.
        TypeError: its goto holds something else than Sends and names.
    """
    if command.graph == Command.PARENT:
        raise error_class("InvalidUpdateError")("There is no parent graph")
    writes: list[tuple[str, Any]] = []
    goto = command.goto
    if goto:
        for target in goto if isinstance(goto, (tuple, list)) else [goto]:
            if is_a(target, "Send"):
                writes.append((TASKS, target))
            elif isinstance(target, str):
                writes.append((branch_to(target), START))
            else:
                raise TypeError(f"In Command.goto, expected Send/str, got {type(target).__name__}")
    if command.resume is not None:
        writes.append((RESUME, command.resume))
    if command.update:
        writes.extend(update_as_tuples(command.update))
    return writes


def is_resume_map(answer: Any, pending_writes: PendingWrites, *, strict: bool) -> bool:
    """Whether an answer is a map by interrupt ids.

    Args:
        answer: what a Command resumes with.
        pending_writes: those of the checkpoint; they hold the interrupts that wait.
        strict: an answer that nobody waits for is refused.

    Raises:
        RuntimeError: it is not said which of several interrupts is meant.
        UnknownInterruptError: likewise, of a strict run; or nobody waits for what is named.
    """
    refusal: Any = error_class("UnknownInterruptError")
    if isinstance(answer, dict) and all(_is_digest(key) for key in answer):
        if strict:
            pending = _pending_interrupts(pending_writes)
            if not answer:
                raise refusal(
                    "The resume map names no interrupt", reason="empty_map", pending_ids=pending
                )
            unknown = sorted(key for key in answer if key not in pending)
            if unknown:
                raise refusal(
                    f"Unknown or already-consumed interrupt: {unknown[0]}",
                    reason="not_pending",
                    interrupt_ids=unknown,
                    pending_ids=pending,
                )
        return True
    pending = _pending_interrupts(pending_writes)
    if len(pending) > 1:
        text = (
            "When there are multiple pending interrupts, you must specify the interrupt id "
            "when resuming. Docs: https://docs.langchain.com/oss/python/langgraph/interrupts"
            "#handling-multiple-interrupts."
        )
        if strict:
            raise refusal(text, reason="ambiguous", pending_ids=pending)
        raise RuntimeError(text)
    return False


def _is_digest(key: Any) -> bool:
    """Whether a key looks like an interrupt's id."""
    return isinstance(key, str) and len(key) == 32 and not key.strip("0123456789abcdef")


def _pending_interrupts(pending_writes: PendingWrites) -> list[str]:
    """The ids of the interrupts that wait for an answer, sorted."""
    ids = {
        interrupt.id
        for status in statuses(pending_writes).values()
        for interrupt in status.pending_interrupts
    }
    return sorted(ids)


def scratchpad_with_answers(pending_writes: PendingWrites, task: Task) -> Any:
    """The scratchpad of a task with its answers so far (pregel/_algo.py:_scratchpad).

    Args:
        pending_writes: those of the checkpoint; an answer that is taken leaves them.
    """
    null_resume: Any = None
    answers: Any = []
    for write in pending_writes:
        if write[0] == NULL_TASK_ID and write[1] == RESUME:
            null_resume = write
            break
    for write in pending_writes:
        if write[0] == task.id and write[1] == RESUME:
            answers = write[2] if isinstance(write[2], list) else [write[2]]
            break
    conf = task.scope.config[CONF]
    by_id = conf.get(CONF_RESUME_MAP)
    if by_id:
        namespace = task.namespace
        # Older versions gave all interrupts of a task the first one's id.
        for interrupt in (interrupt_id(namespace, len(answers)), interrupt_id(namespace, 0)):
            if interrupt in by_id:
                answers.append(by_id[interrupt])
                break
    if null_resume is None:
        return scratchpad(task, answers, outer_answer(conf))
    return scratchpad(task, answers, _NullResume(pending_writes, null_resume))


class _NullResume:
    """The answer that was given without an id: the first interrupt that asks has it."""

    def __init__(self, pending_writes: PendingWrites, write: Any) -> None:
        self.pending_writes: PendingWrites = pending_writes
        self.write: Any = write

    def __call__(self, consume: bool = False) -> Any:
        if consume:
            try:
                self.pending_writes.remove(self.write)
            except ValueError:
                return None
        return self.write[2]
