"""The long-lived threads that run the tasks of a wide superstep (architecture §8.1).

A bounded pool dead-locks when nodes run graphs, and a pool per run costs ten
hand-offs, so there is one pool for the process: a job gets a waiting thread or
a new one, never a place in a queue behind other jobs.

This file stays interpreted: what costs is the hand-off from one thread to the other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

MAX_IDLE: Final = 64
"""Threads kept waiting for the next job; more than that end when they are done."""

_Job = Callable[[], None]


class Pool:
    """Threads that are reused; `submit` never waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle = 0
        self._jobs: SimpleQueue[_Job] = SimpleQueue()

    def submit(self, job: _Job) -> None:
        """Runs `job()` on another thread, at once; `job` must not raise."""
        with self._lock:
            # The count is of threads that nobody has claimed, so every queued
            # job has a thread of its own to take it.
            claimed = self._idle > 0
            if claimed:
                self._idle -= 1
        if not claimed:
            # Not with the job as an argument, which the thread would hold as long as it lives.
            threading.Thread(target=self._work, name="lgc", daemon=True).start()
        self._jobs.put(job)

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            job()
            del job
            with self._lock:
                if self._idle >= MAX_IDLE:
                    return
                self._idle += 1


POOL = Pool()


def _reset_after_fork() -> None:
    # The child has none of the parent's threads.
    POOL.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
