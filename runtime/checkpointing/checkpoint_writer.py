"""Turns what a run stores into saver calls, in order (spec §4.12, §12).

A task's writes are stored before the checkpoint that follows them, whatever the durability:
stricter than LangGraph, whose checkpoint may be stored first, so that a crash between the two runs
a finished task again (architecture §6.1). The calls wait in a queue for the driver of the run,
which knows whether to wait for them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from lgc.runtime.checkpointing.copies import copied, copied_checkpoint, copied_config
from lgc.runtime.checkpointing.model import Writes
from lgc.runtime.upstream import loaded

Call = tuple[Callable[..., Any], tuple[Any, ...], "str | None"]
"""A function, its arguments, and the id of the task whose writes it stores: None where it stores a
checkpoint, which has to wait for all calls before it."""

_STORING = ("put", "put_writes", "put_superstep", "aput", "aput_writes", "aput_superstep")


class CheckpointWriter:
    """The saver calls of one run that are still to be made.

    Args:
        saver: any BaseCheckpointSaver, LangGraph's or lgc's.
        background: the run does not wait for its saver (durability "async").
        is_async: the run is driven by an event loop.

    Attributes:
        is_async: the calls are of the saver's async methods, so that each returns an awaitable;
            not so in memory, where the sync ones wait for nothing.
        saver: the saver.
        is_background: whether the calls may be made while the run goes on. Those that store what
            tasks wrote always may on an event loop. Where a saver serialises later, they get copies
            then; the others get what the run goes on with, where the saver does not keep what it
            is handed, and have to be made before it does.
    """

    def __init__(self, saver: Any, background: bool, is_async: bool = False) -> None:
        self.saver: Any = saver
        is_in_memory = _is_in_memory(saver)
        is_async = is_async and not is_in_memory
        self.is_async: bool = is_async
        self._takes_path: bool = takes_path(saver.aput_writes if is_async else saver.put_writes)
        self._put_superstep: Any = getattr(
            saver, "aput_superstep" if is_async else "put_superstep", None
        )
        self._dumped: Any = getattr(saver, "dumped", list)
        self._held: list[tuple[str, str, Writes]] = []
        self._held_config: Any = None
        self._calls: list[Call] = []
        # Storing in memory needs no thread of its own, and there it would come too late.
        self.is_background: bool = background and not is_in_memory
        stores_writes_later = self.is_background or is_async
        self._defers_writes: bool = stores_writes_later and _defers(saver, is_async)
        self._defers: bool = self.is_background and self._defers_writes
        self._copies: bool = not self._defers if self.is_background else keeps_checkpoint(saver)
        self._copies_writes: bool = not self._defers_writes if stores_writes_later else self._copies

    def has_calls(self) -> bool:
        """Whether there is anything for the saver to do."""
        return len(self._calls) > 0

    def pop_calls(self) -> list[Call]:
        """The calls to make, in order; they are out of the queue."""
        calls = self._calls
        self._calls = []
        return calls

    def put_writes(self, config: Any, writes: Writes, task_id: Any, path: str) -> None:
        """Has the writes of a task stored.

        Args:
            config: addresses the checkpoint that the task runs on.
            writes: all of them, in order; savers key them by position.
            task_id, path: the task's; the path as `ids.path_text`.

        Raises:
            Exception: a saver that serialises at once cannot serialise them.
        """
        saver = self.saver
        if self._defers_writes:
            defer = saver.adeferred_put_writes if self.is_async else saver.deferred_put_writes
            self._calls.append((defer(config, writes, task_id, path), (), task_id))
            return
        if self._copies_writes:
            config, writes = copied_config(config), copied(list(writes))
        function = saver.aput_writes if self.is_async else saver.put_writes
        if self._takes_path:
            self._calls.append((function, (config, writes, task_id, path), task_id))
        else:
            self._calls.append((function, (config, writes, task_id), task_id))

    def hold_for_checkpoint(self, config: Any, writes: Writes, task_id: str, path: str) -> None:
        """`put_writes` for the last task of a superstep, whose checkpoint comes next.

        A saver that can (put_superstep) stores both at once.
        """
        if self._put_superstep is None:
            self.put_writes(config, writes, task_id, path)
        else:
            writes = self._dumped(writes)
            self._held.append((task_id, path, copied(list(writes)) if self._copies else writes))
            self._held_config = config

    def put(
        self,
        config: Any,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> None:
        """Has a checkpoint stored, with the writes that were held for it.

        Args:
            config: addresses its parent.
            checkpoint: the run goes on with its containers.
            metadata: it may not change any more.
            new_versions: those of its channels that its parent has not.

        Raises:
            Exception: as `put_writes`.
        """
        held, self._held = self._held, []
        saver, is_async = self.saver, self.is_async
        if self._defers:
            if held:
                defer = saver.adeferred_put_superstep if is_async else saver.deferred_put_superstep
                store = defer(config, held, checkpoint, metadata, new_versions)
            else:
                defer = saver.adeferred_put if is_async else saver.deferred_put
                store = defer(config, checkpoint, metadata, new_versions)
            self._calls.append((store, (), None))
            return
        if self._copies:
            config, metadata = copied_config(config), copied(metadata)
            checkpoint = copied_checkpoint(checkpoint)
        if held:
            self._calls.append(
                (self._put_superstep, (config, held, checkpoint, metadata, new_versions), None)
            )
        else:
            function = saver.aput if is_async else saver.put
            self._calls.append((function, (config, checkpoint, metadata, new_versions), None))

    def release(self) -> None:
        """No checkpoint comes: the writes that were held for one are stored by themselves.

        Raises:
            Exception: as `put_writes`.
        """
        held, self._held = self._held, []
        for task_id, path, writes in held:
            self.put_writes(self._held_config, writes, task_id, path)


def keeps_checkpoint(saver: Any) -> bool:
    """Whether a saver may keep the objects it is handed, or hands out, past its methods' end.

    LangGraph's own and most of lgc's keep bytes only; of others nothing is known.
    """
    kind = type(saver)
    is_unknown = not kind.__module__.startswith("langgraph.checkpoint.")
    return bool(getattr(kind, "keeps_checkpoint", is_unknown))


def _defers(saver: Any, is_async: bool) -> bool:
    """Whether a saver serialises at once what it stores later, and nobody has replaced a part."""
    kind = type(saver)
    return (
        bool(getattr(kind, "defers", False))
        and (not is_async or hasattr(kind, "adeferred_put_writes"))
        and not any(name in vars(saver) for name in _STORING)
    )


def _is_in_memory(saver: Any) -> bool:
    """Whether a saver's methods wait for nothing: it is LangGraph's InMemorySaver, or says so."""
    kind = type(saver)
    if not getattr(kind, "blocking", True):
        return True
    theirs = loaded("langgraph.checkpoint.memory", "InMemorySaver")
    return (
        theirs is not None
        and isinstance(saver, theirs)
        and kind.put is theirs.put
        and kind.put_writes is theirs.put_writes
        and kind.aput is theirs.aput
        and kind.aput_writes is theirs.aput_writes
        and not any(name in vars(saver) for name in _STORING)
    )


def takes_path(put_writes: Any) -> bool:
    """Whether a saver's method for writes takes their task's path; old savers' do not."""
    return _takes_path(getattr(put_writes, "__func__", put_writes))


@lru_cache
def _takes_path(function: Any) -> bool:
    from inspect import signature

    return "task_path" in signature(function).parameters
