"""`BaseSaver`: the interface of savers (checkpoint/base:BaseCheckpointSaver; spec §12).

A user's own saver derives from it and defines `get_tuple`, `list`, `put`, `put_writes` and
`delete_thread`; the async methods then run those in threads. Once langgraph is loaded, a saver
passes for a `BaseCheckpointSaver`, so LangGraph takes it as its `checkpointer`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from typing import Any

from lgc.runtime.checkpointing.model import CheckpointTuple
from lgc.runtime.ids import next_version
from lgc.runtime.savers.delta_history import read_history
from lgc.runtime.savers.serializers import with_allowlist, with_typed_methods
from lgc.runtime.savers.types import Config, Dumped, History, TaskWrites, Typed, Writes
from lgc.runtime.serde.serializer import Serializer
from lgc.runtime.upstream import loaded


class BaseSaver:
    """Stores checkpoints and the writes that belong to them.

    Args:
        serde: turns values into `(tag, bytes)` and back; lgc's serializer by default. One that
            has only `dumps` and `loads` will do, too.
    """

    serde: Any = Serializer()

    blocking: bool = True
    """Whether storing takes time that a run with durability "async" need not wait for."""

    keeps_checkpoint: bool = True
    """Whether `put` may keep the checkpoint it is passed, so that the engine has to copy it."""

    defers: bool = False
    """Whether the saver has `deferred_put`, `deferred_put_writes` and `deferred_put_superstep`.

    They take the arguments of the methods they are named after, turn all of them into bytes, and
    return a function that stores these: a run with durability "async" calls it on another thread.
    `adeferred_put` and its like are the same for a run on an event loop: the function they return
    returns an awaitable.
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        # A subclass that overrides put or put_writes must not be bypassed by an inherited
        # put_superstep, and loses the optimisation flags: nothing is known of what it does.
        own = vars(cls).keys()
        storing = {"put", "put_writes", "put_superstep"}
        if own & (storing | {f"a{name}" for name in storing}):
            for name in ("blocking", "keeps_checkpoint", "dumped", "defers"):
                if name not in own:
                    setattr(cls, name, getattr(BaseSaver, name))
        for prefix in ("", "a"):
            superstep = f"{prefix}put_superstep"
            if superstep not in own and own & {f"{prefix}put", f"{prefix}put_writes"}:
                setattr(cls, superstep, getattr(BaseSaver, superstep))

    def __init__(self, *, serde: Any = None) -> None:
        self.serde = with_typed_methods(serde or self.serde)

    @property  # type: ignore[misc]  # object declares it writable
    def __class__(self) -> Any:
        return loaded("langgraph.checkpoint.base", "BaseCheckpointSaver") or type(self)

    @property
    def config_specs(self) -> Sequence[Any]:
        """The config fields that langchain-core is told of: none."""
        return []

    def get(self, config: Config) -> dict[str, Any] | None:
        """The checkpoint of `get_tuple`, without what is stored beside it."""
        saved = self.get_tuple(config)
        return saved.checkpoint if saved else None

    def get_tuple(self, config: Config) -> CheckpointTuple | None:
        """The checkpoint that `config` addresses, or None.

        Args:
            config: without a checkpoint_id, it addresses the newest checkpoint of the thread and
                namespace.
        """
        raise NotImplementedError

    def list(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Checkpoints, the newest first.

        Args:
            config: limits them to its thread and, if it has them, namespace and id; None for
                all threads.
            filter: keys and values that the metadata must have.
            before: limits them to those older than the checkpoint it addresses.
            limit: the greatest number of checkpoints.
        """
        raise NotImplementedError

    def put(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """Stores a checkpoint.

        Args:
            config: names thread and namespace, and the parent's id if there is a parent.
            checkpoint: the checkpoint.
            metadata: its metadata, which the scalars of the config are added to
                (`checkpointing.model.metadata_of`).
            new_versions: the versions of the channels whose values differ from the parent's.

        Returns:
            The config that addresses the checkpoint.
        """
        raise NotImplementedError

    def _dump(self, value: Any) -> Typed:
        """The tag and the bytes of a write's value, which may be a `Dumped`."""
        if type(value) is Dumped:
            # The garbage collector stops tracking an exact tuple of atoms, but no named tuple.
            return value.tag, value.data
        typed: Typed = self.serde.dumps_typed(value)
        return typed

    def _dump_writes(self, writes: Writes) -> Writes:
        """Implements `dumped` for savers that store a superstep at once."""
        dumps = self.serde.dumps_typed
        return [(channel, Dumped(*dumps(value))) for channel, value in writes]

    def put_writes(self, config: Config, writes: Writes, task_id: str, task_path: str = "") -> None:
        """Stores what a task wrote (spec §4.7).

        Args:
            config: addresses the checkpoint that the task was prepared from.
            writes: a write's index is its position, or that of its channel in
                `checkpointing.model.WRITE_INDEXES`. A write whose index is taken is ignored; one
                of these channels replaces it.
            task_id: the task's id.
            task_path: `ids.path_text` of the task's path, by which pending writes are ordered.
        """
        raise NotImplementedError

    def dumped(self, writes: Writes) -> Writes:
        """A task's writes as they are now, for `put_superstep`, which is called later.

        Until then a reducer may change a written value in place. The default returns the writes
        themselves; a saver that overrides `put_superstep` returns their values as `Dumped`.
        """
        return writes

    def put_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """Stores what a superstep's tasks wrote, and the checkpoint it led to.

        LangGraph's savers have no such method. The default is `put_writes` for each task, then
        `put`; savers on SQL store all of it in one transaction.

        Args:
            config: addresses the parent, which the writes belong to.
            writes: the tasks' writes; their values may be those of `dumped`.
            checkpoint: the checkpoint.
            metadata: as in `put`.
            new_versions: as in `put`.

        Returns:
            The config that addresses the checkpoint.
        """
        for task_id, task_path, task_writes in writes:
            self.put_writes(config, task_writes, task_id, task_path)
        return self.put(config, checkpoint, metadata, new_versions)

    def delete_thread(self, thread_id: str) -> None:
        """Deletes everything that is stored of a thread."""
        raise NotImplementedError

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Deletes the checkpoints whose metadata names one of these runs, and their writes."""
        raise NotImplementedError

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Adds everything that is stored of one thread to another."""
        raise NotImplementedError

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Deletes old checkpoints of threads.

        Args:
            thread_ids: the threads.
            strategy: "keep_latest" keeps the newest checkpoint of each namespace and what it
                needs (`pruning.kept_by_prune`); "delete" keeps nothing.

        Raises:
            TypeError: `thread_ids` is a single string.
            ValueError: the strategy is unknown.
        """
        raise NotImplementedError

    def get_next_version(self, current: Any, channel: Any = None) -> Any:
        """The channel version after `current`; a user's saver may number otherwise (spec §4.5)."""
        return next_version(current)

    def get_delta_channel_history(self, *, config: Config, channels: Sequence[str]) -> History:
        """What delta channels, which few checkpoints store, are rebuilt from (spec §3.3).

        Args:
            config: addresses the checkpoint whose ancestors are read.
            channels: the names of the channels.
        """
        steps = read_history(config, channels)
        try:
            ancestor = next(steps)
            while True:
                ancestor = steps.send(self.get_tuple(ancestor))
        except StopIteration as done:
            history: History = done.value
            return history

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> Any:
        """A saver of the same data whose serializer may make these classes, too.

        Args:
            extra_allowlist: the classes as `(module, name)`.

        Returns:
            This saver if that changes nothing, or if its serializer knows no allow-list, with a
            warning.
        """
        serde = with_allowlist(self.serde, extra_allowlist)
        if serde is self.serde:
            return self
        clone = object.__new__(type(self))
        vars(clone).update(vars(self), serde=with_typed_methods(serde))
        return clone

    # --- the async methods ---

    async def _off_loop(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The result of a sync function, which runs where it does not hold up the event loop."""
        from asyncio import to_thread

        return await to_thread(function, *args, **kwargs)

    async def aget(self, config: Config) -> dict[str, Any] | None:
        """Async version of `get`."""
        saved = await self.aget_tuple(config)
        return saved.checkpoint if saved else None

    async def aget_tuple(self, config: Config) -> CheckpointTuple | None:
        """Async version of `get_tuple`."""
        saved: CheckpointTuple | None = await self._off_loop(self.get_tuple, config)
        return saved

    async def alist(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Async version of `list`."""
        checkpoints = self.list(config, filter=filter, before=before, limit=limit)
        while (saved := await self._off_loop(next, checkpoints, None)) is not None:
            yield saved

    async def aput(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """Async version of `put`; the values must not change before it has returned."""
        child: Config = await self._off_loop(self.put, config, checkpoint, metadata, new_versions)
        return child

    async def aput_writes(
        self, config: Config, writes: Writes, task_id: str, task_path: str = ""
    ) -> None:
        """Async version of `put_writes`; the values must not change before it has returned."""
        await self._off_loop(self.put_writes, config, writes, task_id, task_path)

    async def aput_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """Async version of `put_superstep`; the values must not change before it has returned."""
        for task_id, task_path, task_writes in writes:
            await self.aput_writes(config, task_writes, task_id, task_path)
        return await self.aput(config, checkpoint, metadata, new_versions)

    async def adelete_thread(self, thread_id: str) -> None:
        """Async version of `delete_thread`."""
        await self._off_loop(self.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Async version of `delete_for_runs`."""
        await self._off_loop(self.delete_for_runs, run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Async version of `copy_thread`."""
        await self._off_loop(self.copy_thread, source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Async version of `prune`."""
        await self._off_loop(self.prune, thread_ids, strategy=strategy)

    async def aget_delta_channel_history(
        self, *, config: Config, channels: Sequence[str]
    ) -> History:
        """Async version of `get_delta_channel_history`."""
        steps = read_history(config, channels)
        try:
            ancestor = next(steps)
            while True:
                ancestor = steps.send(await self.aget_tuple(ancestor))
        except StopIteration as done:
            history: History = done.value
            return history
