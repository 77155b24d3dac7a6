"""Hands what a run writes to its saver, in order (spec §4.12, §12).

A task's writes are stored before the checkpoint that follows them, whatever the
durability: stricter than LangGraph, whose checkpoint may be stored first, so that
a crash between the two runs a finished task again (design §5, "crash order").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import lru_cache
from threading import Condition
from typing import Any

from lgc.runtime.checkpoint import detached
from lgc.runtime.pool import POOL

Writes = Sequence[tuple[str, Any]]


class Journal:
    """What a run has to store.

    Args:
        saver: any BaseCheckpointSaver, LangGraph's or lgc's.
        background: storing goes on while the run does (durability "async"); otherwise every
            method returns when the saver has.
    """

    def __init__(self, saver: Any, background: bool) -> None:
        self._saver = saver
        self._takes_path = takes_path(saver.put_writes)
        self._put_superstep = getattr(saver, "put_superstep", None)
        self._dumped = getattr(saver, "dumped", list)
        self._held: list[tuple[str, str, Writes]] = []
        self._held_config: Any = None
        self._background = _Background() if background else None
        self._copies = background or getattr(type(saver), "keeps_checkpoint", True)

    def write(self, config: Any, writes: Writes, task_id: Any, path: str) -> None:
        """Stores the writes of a task.

        Args:
            config: addresses the checkpoint that the task runs on.
            writes: all of them, in order; their positions count.
            task_id, path: the task's; the path as `ids.path_text`.

        Raises:
            Exception: what the saver raised, now or, in the background, before.
        """
        if self._takes_path:
            self._do(self._saver.put_writes, config, writes, task_id, path)
        else:
            self._do(self._saver.put_writes, config, writes, task_id)

    def write_last(self, config: Any, writes: Writes, task_id: str, path: str) -> None:
        """`write` for the last task of a superstep, whose checkpoint comes next.

        A saver that can stores both at once.
        """
        if self._put_superstep is None:
            self.write(config, writes, task_id, path)
        else:
            self._held.append((task_id, path, self._dumped(writes)))
            self._held_config = config

    def checkpoint(
        self,
        config: Any,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        versions: dict[str, Any],
    ) -> None:
        """Stores a checkpoint.

        Args:
            config: addresses its parent.
            checkpoint: the run goes on with its containers.
            metadata: it may not change any more.
            versions: those of its channels that its parent has not.

        Raises:
            Exception: as `write`.
        """
        if self._copies:
            checkpoint = detached(checkpoint)
        if self._held:
            held, self._held = self._held, []
            assert self._put_superstep is not None
            self._do(self._put_superstep, config, held, checkpoint, metadata, versions)
        else:
            self._do(self._saver.put, config, checkpoint, metadata, versions)

    def flush(self) -> None:
        """Returns when everything is stored.

        Raises:
            Exception: what the saver raised; what came after it is not stored.
        """
        held, self._held = self._held, []
        for task_id, path, writes in held:
            self.write(self._held_config, writes, task_id, path)
        if self._background is not None:
            self._background.wait()

    def _do(self, store: Callable[..., Any], *args: Any) -> None:
        if self._background is None:
            store(*args)
        else:
            self._background.submit(store, args)


class _Background:
    """Calls functions one after the other on another thread, up to the first that fails."""

    def __init__(self) -> None:
        self._context = copy_context()
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._changed = Condition()
        self._running = False
        self._error: BaseException | None = None

    def submit(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Calls `function(*args)` after all that was submitted before.

        Raises:
            BaseException: what one of those raised.
        """
        with self._changed:
            if self._error is not None:
                raise self._error
            self._calls.append((function, args))
            if self._running:
                return
            self._running = True
        POOL.submit(self._run)

    def wait(self) -> None:
        """Waits until all has been called; raises as `submit`."""
        with self._changed:
            while self._running:
                self._changed.wait()
            if self._error is not None:
                raise self._error

    def _run(self) -> None:
        error: BaseException | None = None
        while True:
            with self._changed:
                if error is not None or not self._calls:
                    self._calls.clear()
                    self._error = error
                    self._running = False
                    self._changed.notify_all()
                    return
                function, args = self._calls.popleft()
            try:
                self._context.run(function, *args)
            except BaseException as exc:
                error = exc


def takes_path(put_writes: Any) -> bool:
    """Whether a saver's method for writes takes their task's path; old savers' do not."""
    return _takes_path(getattr(put_writes, "__func__", put_writes))


@lru_cache
def _takes_path(function: Any) -> bool:
    from inspect import signature

    return "task_path" in signature(function).parameters
