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

from lgc.runtime.checkpointing.copies import copied, copied_checkpoint, copied_config
from lgc.runtime.drivers.thread_pool import POOL
from lgc.runtime.upstream import loaded

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
        # Storing in memory needs no thread of its own, and there it would come too late.
        background = background and not _is_in_memory(saver)
        self._background = _Background() if background else None
        self._defers = background and _defers(saver)
        self._copies = not self._defers if background else keeps_checkpoint(saver)

    def write(self, config: Any, writes: Writes, task_id: Any, path: str) -> None:
        """Stores the writes of a task.

        Args:
            config: addresses the checkpoint that the task runs on.
            writes: all of them, in order; their positions count.
            task_id, path: the task's; the path as `ids.path_text`.

        Raises:
            Exception: what the saver raised, now or, in the background, before.
        """
        if self._defers:
            self._submit(self._saver.deferred_put_writes(config, writes, task_id, path))
            return
        if self._copies:
            config, writes = copied_config(config), copied(list(writes))
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
            writes = self._dumped(writes)
            self._held.append((task_id, path, copied(list(writes)) if self._copies else writes))
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
        held, self._held = self._held, []
        if self._defers:
            if held:
                store = self._saver.deferred_put_superstep
                self._submit(store(config, held, checkpoint, metadata, versions))
            else:
                self._submit(self._saver.deferred_put(config, checkpoint, metadata, versions))
            return
        if self._copies:
            config, metadata = copied_config(config), copied(metadata)
            checkpoint = copied_checkpoint(checkpoint)
        if held:
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

    def _submit(self, store: Callable[[], Any]) -> None:
        """Has the rows stored that a saver has serialised."""
        assert self._background is not None
        self._background.submit(store, ())

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


_STORING = ("put", "put_writes", "put_superstep")


def keeps_checkpoint(saver: Any) -> bool:
    """Whether a saver may keep the objects it is handed, or hands out, past its methods' end.

    LangGraph's own and most of lgc's keep bytes only; of others nothing is known.
    """
    kind = type(saver)
    known = not kind.__module__.startswith("langgraph.checkpoint.")
    return bool(getattr(kind, "keeps_checkpoint", known))


def _defers(saver: Any) -> bool:
    """Whether a saver serialises at once what it stores later, and nobody has replaced a part."""
    return bool(getattr(type(saver), "defers", False)) and not any(
        name in vars(saver) for name in _STORING
    )


def _is_in_memory(saver: Any) -> bool:
    """Whether a saver is LangGraph's InMemorySaver, which waits for nothing."""
    theirs = loaded("langgraph.checkpoint.memory", "InMemorySaver")
    kind = type(saver)
    return (
        theirs is not None
        and isinstance(saver, theirs)
        and kind.put is theirs.put
        and kind.put_writes is theirs.put_writes
        and not any(name in vars(saver) for name in _STORING)
    )


def takes_path(put_writes: Any) -> bool:
    """Whether a saver's method for writes takes their task's path; old savers' do not."""
    return _takes_path(getattr(put_writes, "__func__", put_writes))


@lru_cache
def _takes_path(function: Any) -> bool:
    from inspect import signature

    return "task_path" in signature(function).parameters
