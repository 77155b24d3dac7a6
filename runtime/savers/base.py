"""`BaseSaver`: what a saver can do (checkpoint/base:BaseCheckpointSaver; spec §12).

A saver of one's own derives from it and writes `get_tuple`, `list`, `put`, `put_writes` and
`delete_thread`; the async twins then run those in threads. Once langgraph is loaded, a saver
passes for a `BaseCheckpointSaver`, so LangGraph takes it as its `checkpointer`.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Any, NamedTuple

from lgc.runtime.checkpointing.model import CheckpointTuple
from lgc.runtime.ids import next_version
from lgc.runtime.serde.encrypted import EncryptedSerializer
from lgc.runtime.serde.serializer import Serializer
from lgc.runtime.upstream import loaded

Config = dict[str, Any]
"""A config; its `configurable` has thread_id, checkpoint_ns and checkpoint_id."""

Writes = Sequence[tuple[str, Any]]
"""The writes of a task, `(channel, value)`."""

TaskWrites = Sequence[tuple[str, str, Writes]]
"""The writes of a superstep, `(task id, task path, writes)`."""

History = dict[str, dict[str, Any]]
"""By channel, `writes`, the oldest first, and `seed`, if a checkpoint stores a value."""


class Dumped(NamedTuple):
    """The value of a write that is serialised already.

    Attributes:
        tag, data: what `dumps_typed` gave.
    """

    tag: str
    data: bytes


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
    """Whether `put` may keep the checkpoint it is given, so that the engine has to copy it."""

    defers: bool = False
    """Whether the saver has `deferred_put`, `deferred_put_writes` and `deferred_put_superstep`.

    They take the arguments of the methods they are named after, turn all of them into bytes, and
    return a function that stores these: a run with durability "async" calls it on another thread.
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        # Who writes a part anew must not be passed by, and nothing is known of what it does.
        own = vars(cls).keys()
        if own & {"put", "put_writes", "put_superstep"}:
            for name in ("blocking", "keeps_checkpoint", "dumped", "defers"):
                if name not in own:
                    setattr(cls, name, getattr(BaseSaver, name))
        for prefix in ("", "a"):
            whole = f"{prefix}put_superstep"
            if whole not in own and own & {f"{prefix}put", f"{prefix}put_writes"}:
                setattr(cls, whole, getattr(BaseSaver, whole))

    def __init__(self, *, serde: Any = None) -> None:
        self.serde = _typed(serde or self.serde)

    @property  # type: ignore[misc]  # object declares it writable
    def __class__(self) -> Any:
        return loaded("langgraph.checkpoint.base", "BaseCheckpointSaver") or type(self)

    @property
    def config_specs(self) -> Sequence[Any]:
        """The config fields that langchain-core is told of: none."""
        return []

    def get(self, config: Config) -> dict[str, Any] | None:
        """The checkpoint of `get_tuple`."""
        found = self.get_tuple(config)
        return found.checkpoint if found else None

    def get_tuple(self, config: Config) -> CheckpointTuple | None:
        """The checkpoint that `config` addresses, or None.

        Args:
            config: without a checkpoint_id, the newest of the thread and namespace is meant.
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
            config: those of its thread and, where given, namespace and id; None for all.
            filter: what the metadata has to say.
            before: only those older than the one it addresses.
            limit: so many at most.
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
            config: addresses its parent, if it has one, and says thread and namespace.
            checkpoint: the checkpoint.
            metadata: what `checkpoint.metadata_of` adds the config's scalars to.
            new_versions: the versions of the channels whose values the parent did not have.

        Returns:
            What addresses the checkpoint.
        """
        raise NotImplementedError

    def _dump(self, value: Any) -> tuple[str, bytes]:
        """The tag and the bytes of a write's value."""
        if type(value) is Dumped:
            # A tuple proper: the garbage collector need not look at it again.
            return value.tag, value.data
        typed: tuple[str, bytes] = self.serde.dumps_typed(value)
        return typed

    def _dump_all(self, writes: Writes) -> Writes:
        """`dumped` of a saver that stores a superstep at once."""
        dumps = self.serde.dumps_typed
        return [(channel, Dumped(*dumps(value))) for channel, value in writes]

    def put_writes(self, config: Config, writes: Writes, task_id: str, task_path: str = "") -> None:
        """Stores what a task wrote (spec §4.7).

        Args:
            config: addresses the checkpoint the task was prepared from.
            writes: their index is their position, or that of `checkpoint.WRITE_INDEXES`.
            task_id: the task.
            task_path: `ids.path_text` of its path; the writes of a checkpoint go by it.
        """
        raise NotImplementedError

    def dumped(self, writes: Writes) -> Writes:
        """A task's writes as they are now, for `put_superstep`, which comes later.

        Until then a reducer may change in place what was written. Here they are left as they
        are: who writes `put_superstep` anew gives their values as `Dumped`.
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
        """Stores what a superstep's tasks wrote, and the checkpoint it led to, as one.

        LangGraph's savers have no such method: it is `put_writes` for each task, then `put`.

        Args:
            config: addresses the parent, which the writes belong to.
            writes: the tasks' writes; their values may be what `dumped` gave.
            checkpoint: as in `put`, like the rest.
            metadata: its metadata.
            new_versions: its new versions.

        Returns:
            What addresses the checkpoint.
        """
        for task_id, task_path, written in writes:
            self.put_writes(config, written, task_id, task_path)
        return self.put(config, checkpoint, metadata, new_versions)

    def delete_thread(self, thread_id: str) -> None:
        """Deletes all that is stored of a thread."""
        raise NotImplementedError

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Deletes the checkpoints whose metadata names one of these runs, and their writes."""
        raise NotImplementedError

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Adds all that is stored of one thread to another."""
        raise NotImplementedError

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Deletes old checkpoints of threads.

        Args:
            thread_ids: the threads.
            strategy: "keep_latest" leaves of each namespace what `kept_by_prune` says, and
                "delete" nothing.

        Raises:
            TypeError: `thread_ids` is a single text.
            ValueError: the strategy is unknown.
        """
        raise NotImplementedError

    def get_next_version(self, current: Any, channel: Any = None) -> Any:
        """The version after `current`; a saver of one's own may number otherwise (spec §4.5)."""
        return next_version(current)

    def get_delta_channel_history(self, *, config: Config, channels: Sequence[str]) -> History:
        """What channels that are not stored are rebuilt of (spec §3.3).

        Args:
            config: addresses a checkpoint, whose ancestors are asked.
            channels: their names.
        """
        steps = _delta_steps(config, channels)
        try:
            asked = next(steps)
            while True:
                asked = steps.send(self.get_tuple(asked))
        except StopIteration as done:
            history: History = done.value
            return history

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> Any:
        """A saver of the same data whose serializer may make these classes, too.

        It is this saver if that changes nothing, also because the serializer knows no
        allow-list, which is warned of.
        """
        serde = _with_allowlist(self.serde, extra_allowlist)
        if serde is self.serde:
            return self
        clone = object.__new__(type(self))
        vars(clone).update(vars(self), serde=_typed(serde))
        return clone

    # --- the async twins ---

    async def _off_loop(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The result of a sync method, which runs where it does not hold up the event loop."""
        from asyncio import to_thread

        return await to_thread(function, *args, **kwargs)

    async def aget(self, config: Config) -> dict[str, Any] | None:
        """As `get`."""
        found = await self.aget_tuple(config)
        return found.checkpoint if found else None

    async def aget_tuple(self, config: Config) -> CheckpointTuple | None:
        """As `get_tuple`."""
        found: CheckpointTuple | None = await self._off_loop(self.get_tuple, config)
        return found

    async def alist(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """As `list`."""
        found = self.list(config, filter=filter, before=before, limit=limit)
        while (saved := await self._off_loop(next, found, None)) is not None:
            yield saved

    async def aput(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As `put`; until it is done, the values must not change."""
        address: Config = await self._off_loop(self.put, config, checkpoint, metadata, new_versions)
        return address

    async def aput_writes(
        self, config: Config, writes: Writes, task_id: str, task_path: str = ""
    ) -> None:
        """As `put_writes`; until it is done, the values must not change."""
        await self._off_loop(self.put_writes, config, writes, task_id, task_path)

    async def aput_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As `put_superstep`; until it is done, the values must not change."""
        for task_id, task_path, written in writes:
            await self.aput_writes(config, written, task_id, task_path)
        return await self.aput(config, checkpoint, metadata, new_versions)

    async def adelete_thread(self, thread_id: str) -> None:
        """As `delete_thread`."""
        await self._off_loop(self.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As `delete_for_runs`."""
        await self._off_loop(self.delete_for_runs, run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As `copy_thread`."""
        await self._off_loop(self.copy_thread, source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As `prune`."""
        await self._off_loop(self.prune, thread_ids, strategy=strategy)

    async def aget_delta_channel_history(
        self, *, config: Config, channels: Sequence[str]
    ) -> History:
        """As `get_delta_channel_history`."""
        steps = _delta_steps(config, channels)
        try:
            asked = next(steps)
            while True:
                asked = steps.send(await self.aget_tuple(asked))
        except StopIteration as done:
            history: History = done.value
            return history


def address(thread_id: Any, namespace: str, checkpoint_id: str) -> Config:
    """What addresses a checkpoint."""
    return {
        "configurable": {
            "thread_id": thread_id,
            "checkpoint_ns": namespace,
            "checkpoint_id": checkpoint_id,
        }
    }


def in_own_loop(saver: str, method: str) -> Exception:
    """What a sync method of an async saver raises in the thread of the saver's event loop.

    Args:
        saver: the saver's class.
        method: what is to be used there instead.
    """
    from asyncio import InvalidStateError

    example = f"`await checkpointer.{method}(...)`"
    if method == "alist":
        example = "`checkpointer.alist(...)` or `await graph.ainvoke(...)`"
    elif method == "aget_tuple":
        example += " or `await graph.ainvoke(...)`"
    return InvalidStateError(
        f"Synchronous calls to {saver} are only allowed from a different thread. From the main "
        f"thread, use the async interface. For example, use {example}."
    )


# --- delta channels ---


class DeltaWalk:
    """Gathers the history of delta channels from the ancestors of a checkpoint.

    Args:
        channels: their names.

    Attributes:
        remaining: the channels for which no ancestor stored a value yet.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        self.remaining = set(channels)
        self._writes: dict[str, list[tuple[str, str, Any]]] = {name: [] for name in channels}
        self._seeds: dict[str, Any] = {}

    def add(self, writes: Sequence[tuple[str, str, Any]], values: Mapping[str, Any]) -> None:
        """Takes the next ancestor, a parent after its child.

        Args:
            writes: `(task id, channel, value)` in the order of pending writes. They were made
                upon the values, so those of an ancestor with a seed count.
            values: what the checkpoint stores, of the remaining channels at least.
        """
        for write in reversed(writes):
            if write[1] in self.remaining:
                self._writes[write[1]].append(write)
        for name in self.remaining.intersection(values):
            self._seeds[name] = values[name]
            self.remaining.discard(name)

    def history(self) -> History:
        """What was gathered."""
        found: History = {name: {"writes": made[::-1]} for name, made in self._writes.items()}
        for name, seed in self._seeds.items():
            found[name]["seed"] = seed
        return found


def _delta_steps(
    config: Config, channels: Sequence[str]
) -> Generator[Config, CheckpointTuple | None, History]:
    """Asks for checkpoints by config, is sent them, and returns the history of `channels`."""
    walk = DeltaWalk(channels)
    met: set[str] = set()
    saved = (yield config) if channels else None
    while saved is not None and walk.remaining:
        parent = _parent_unless(saved, met)
        if parent is None:
            break
        saved = yield parent
        if saved is not None:
            walk.add(saved.pending_writes or (), saved.checkpoint["channel_values"])
    return walk.history()


def _parent_unless(saved: CheckpointTuple, met: set[str]) -> Config | None:
    """What addresses the parent, which `met` is told of; None if there is none or it was met.

    A checkpoint that is put again under one of its descendants makes a ring of the chain.
    """
    parent = saved.parent_config
    if parent is None or parent["configurable"]["checkpoint_id"] in met:
        return None
    met.add(parent["configurable"]["checkpoint_id"])
    return parent


# --- pruning ---


def check_prune(thread_ids: Sequence[str], strategy: str) -> None:
    """Refuses what `BaseSaver.prune` says it refuses."""
    if isinstance(thread_ids, str):
        raise TypeError("thread_ids must be a sequence of thread IDs, not a str")
    if strategy not in ("keep_latest", "delete"):
        raise ValueError(f"Unknown prune strategy: {strategy!r}")


def kept_by_prune(
    get_tuple: Callable[[Config], CheckpointTuple | None], thread_id: str, heads: Mapping[str, str]
) -> dict[str, Sequence[str]]:
    """What the strategy "keep_latest" leaves of a thread (checkpoint/postgres:_keep_latest).

    The newest checkpoint of each namespace stays, with those ancestors that its delta channels
    are rebuilt from; upstream's only saver that prunes refuses such threads. A subgraph call's
    namespace, which ends in a task id, goes with the root checkpoint that the call started from.
    What stays and loses its parent is to have none.

    Args:
        get_tuple: of the saver.
        thread_id: the thread.
        heads: by namespace, the id of the newest checkpoint.

    Returns:
        By namespace, the ids, the newest first; none if all of it goes.
    """
    kept: dict[str, Sequence[str]] = {}
    # The root's namespace is the empty one, so it comes first.
    for namespace, head in sorted(heads.items()):
        saved = get_tuple(address(thread_id, namespace, head))
        if saved is None:
            continue
        root = (saved.metadata.get("parents") or {}).get("")
        is_over = (
            ":" in namespace
            and root is not None
            and root not in kept.get("", ())
            and get_tuple(address(thread_id, "", root)) is not None
        )
        kept[namespace] = () if is_over else (head, *_rebuilt_from(get_tuple, saved))
    return kept


def _rebuilt_from(
    get_tuple: Callable[[Config], CheckpointTuple | None], saved: CheckpointTuple
) -> Sequence[str]:
    """The ids of the ancestors, a parent after its child, that delta channels are rebuilt from."""
    counters = saved.metadata.get("counters_since_delta_snapshot") or {}
    missing = set(counters).difference(saved.checkpoint["channel_values"])
    met: set[str] = set()
    ancestors: tuple[str, ...] = ()
    needed = 0
    cursor: CheckpointTuple | None = saved
    while missing and cursor is not None:
        parent = _parent_unless(cursor, met)
        cursor = get_tuple(parent) if parent is not None else None
        if cursor is None:
            break
        ancestors += (cursor.checkpoint["id"],)
        stored = missing.intersection(cursor.checkpoint["channel_values"])
        if stored or any(channel in missing for _, channel, _ in cursor.pending_writes or ()):
            needed = len(ancestors)
        missing -= stored
    return ancestors[:needed]


# --- serializers ---


class _Typed:
    """A serializer that has only `dumps` and `loads`, with tags (serde/base.py:SerializerCompat).

    Args:
        serde: the serializer; the tag is the name of a value's class, and nobody reads it.
    """

    def __init__(self, serde: Any) -> None:
        self.serde = serde

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """The tag and the bytes of a value."""
        return type(obj).__name__, self.serde.dumps(obj)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value of a tag and bytes."""
        return self.serde.loads(data[1])


def _typed(serde: Any) -> Any:
    """A serializer that can `dumps_typed` and `loads_typed`."""
    if hasattr(serde, "dumps_typed") and hasattr(serde, "loads_typed"):
        return serde
    return _Typed(serde)


def _with_allowlist(serde: Any, extra: Iterable[tuple[str, ...]]) -> Any:
    """A serializer that may make these classes, too (checkpoint/base:_with_msgpack_allowlist)."""
    if _is_plain(serde):
        return serde.with_msgpack_allowlist(extra)
    encrypted = loaded("langgraph.checkpoint.serde.encrypted", "EncryptedSerializer")
    for kind in (EncryptedSerializer, encrypted):
        if kind is not None and isinstance(serde, kind) and _is_plain(serde.serde):
            inner = serde.serde.with_msgpack_allowlist(extra)
            return serde if inner is serde.serde else kind(serde.cipher, inner)
    import logging

    logging.getLogger("langgraph.checkpoint.base").warning(
        "Serializer %s does not support msgpack allowlist. "
        "Strict msgpack deserialization will not be enforced.",
        type(serde).__name__,
    )
    return serde


def _is_plain(serde: Any) -> bool:
    """Whether a serializer is lgc's or LangGraph's own, which has an allow-list."""
    theirs = loaded("langgraph.checkpoint.serde.jsonplus", "JsonPlusSerializer")
    return isinstance(serde, Serializer) or (theirs is not None and isinstance(serde, theirs))
