"""What the input of a run on a thread means: a start, a resume, a fork (pregel/_loop.py:_first)."""

from __future__ import annotations

from typing import Any, Final

from lgc.runtime.checkpointing.recorder import Recorder
from lgc.runtime.checkpointing.replay import ReplayState
from lgc.runtime.checkpointing.resume import is_resume_map, writes_of_command
from lgc.runtime.checkpointing.thread_state import ThreadState
from lgc.runtime.constants import (
    CONF,
    CONF_RESUME_MAP,
    CONF_RESUMING,
    CONF_STRICT_RESUME,
    INTERRUPT,
    NULL_TASK_ID,
    RESUME,
    START,
)
from lgc.runtime.upstream import error_class, is_a, loaded

_FORKS: Final = ("update", "fork")


class FirstInput:
    """Finds out what the input of a run means, and does it: `record`, then `apply`.

    Args:
        thread: loaded; `scope.resuming` and `scope.replay_state` get set.
        recorder: records what the input writes, and the checkpoint that it makes.
        value: the input; None and a Command go on from the checkpoint.
    """

    def __init__(self, thread: ThreadState, recorder: Recorder, value: Any) -> None:
        self.thread: ThreadState = thread
        self.recorder: Recorder = recorder
        self.value: Any = value
        # The caller goes on from a checkpoint of the past.
        self._travels: bool = False
        # The run gets a checkpoint of its own to start from.
        self._forks: bool = False
        # The writes of a Command that the fork takes over.
        self._carried: list[tuple[str, Any]] = []

    def record(self) -> None:
        """Has stored what a Command writes, before a reducer takes it over.

        Raises:
            EmptyInputError: the Command says nothing.
            RuntimeError: an answer is given without a saver, or not to which of several interrupts.
            UnknownInterruptError: an answer of a strict run that nobody waits for.
        """
        thread, recorder, value = self.thread, self.recorder, self.value
        scope = thread.scope
        conf = scope.config[CONF]
        command = value if is_a(value, "Command") else None
        recorder.begin()
        resumes = value is None or command is not None
        if not resumes and not scope.is_nested:
            resumes = _is_same_run(thread)
        scope.resuming = bool(thread.versions.versions) and bool(conf.get(CONF_RESUMING, resumes))
        has_answer = command is not None and command.resume is not None
        # The run around a nested one cannot tell whether it resumes or travels. The map has the
        # run's own namespace only where the caller took it from a state of the past.
        is_mapped = scope.is_nested and conf.get("checkpoint_ns", "") in conf.get(
            "checkpoint_map", {}
        )
        self._travels = thread.is_addressed and (
            is_mapped or not (has_answer or conf.get(CONF_RESUMING, False))
        )
        thread.is_replaying = self._travels or thread.is_superseded
        if self._travels:
            thread.pending_writes = [write for write in thread.pending_writes if write[1] != RESUME]
        is_fork = thread.metadata.get("source") in _FORKS
        self._forks = scope.resuming and self._travels and (not is_fork or thread.is_superseded)
        recorder.force_snapshots(reapplies=scope.resuming and not thread.is_replaying)
        if command is not None:
            self._record_command(command)

    def _record_command(self, command: Any) -> None:
        scope = self.thread.scope
        conf = scope.config[CONF]
        answer = command.resume
        by_id = False
        if answer is not None:
            if scope.saver is None:
                raise RuntimeError("Cannot use Command(resume=...) without checkpointer")
            strict = (
                bool(conf.get(CONF_STRICT_RESUME, False))
                and not scope.is_nested
                and not self.thread.is_superseded
            )
            by_id = is_resume_map(answer, self.thread.pending_writes, strict=strict)
            if by_id:
                conf[CONF_RESUME_MAP] = answer
        writes = writes_of_command(command)
        if by_id:
            writes = [write for write in writes if write[0] != RESUME]
        elif not writes:
            raise error_class("EmptyInputError")("Received empty Command input")
        if self._forks:
            # The checkpoint that was addressed may have other children, so the fork keeps them.
            self.recorder.force_command_snapshots(writes)
            self._carried = writes
        elif writes:
            self.recorder.put_command(writes)

    def apply(self) -> None:
        """Applies the input, or goes on from the checkpoint.

        Raises:
            EmptyInputError: there is neither an input nor anything to resume.
            Exception: what a reducer raised.
        """
        thread, recorder = self.thread, self.recorder
        scope = thread.scope
        pending = thread.pending_writes
        taskless = [(key, item) for task, key, item in pending if task == NULL_TASK_ID]
        taskless += self._carried
        if taskless:
            thread.apply_command(taskless)
        is_fork = thread.metadata.get("source") in _FORKS
        bound = thread.parent_config if self._forks and is_fork else None
        if scope.resuming:
            thread.versions.mark_all_seen(scope.program, INTERRUPT)
            if self._forks:
                thread.pending_writes = [
                    write for write in thread.pending_writes if write[1] != INTERRUPT
                ]
                recorder.make_checkpoint("fork", None)
        elif self.value is not None:
            # The tasks that have not finished are dropped; the input takes their place.
            thread.apply([(START, self.value)], thread.prepare_all())
            recorder.make_checkpoint("input", thread.values.updated)
        elif CONF_RESUMING not in scope.config[CONF]:
            raise error_class("EmptyInputError")(f"Received no input for {START}")
        if self._travels and not scope.is_nested:
            scope.replay_state = _replay_state(thread, bound)


def _is_same_run(thread: ThreadState) -> bool:
    """Whether the caller enters the run again that made the checkpoint."""
    if "run_id" not in thread.metadata:
        return False
    is_same: bool = thread.scope.config["metadata"].get("run_id") == thread.metadata["run_id"]
    return is_same


def _replay_state(thread: ThreadState, bound: Any) -> Any:
    """What tells the graphs inside nodes which of their checkpoints to go on from.

    Args:
        bound: addresses a checkpoint that is older than theirs; None: that is to be looked for.
    """
    replay: Any = loaded("langgraph._internal._replay", "ReplayState") or ReplayState
    if bound is None and thread.metadata.get("source") in _FORKS:
        bound = thread.parent_config
    newest = thread.checkpoint["id"]
    return replay(newest if bound is None else bound[CONF].get("checkpoint_id", newest))
