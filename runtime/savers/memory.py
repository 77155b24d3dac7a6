"""`MemorySaver`: checkpoints in the process's memory (checkpoint/memory:InMemorySaver; spec §12).

Values are kept as the serializer's bytes, so nothing is shared with the state, and each version
of a channel once. The three dicts are laid out as upstream's. What several threads may do to
them at a time is done by single operations of dicts, without a lock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from lgc.runtime.checkpointing.model import WRITE_INDEXES, CheckpointTuple, metadata_of
from lgc.runtime.savers.base import (
    BaseSaver,
    Config,
    DeltaWalk,
    History,
    TaskWrites,
    Writes,
    address,
    check_prune,
    kept_by_prune,
)

Typed = tuple[str, bytes]
"""A value as the serializer writes it."""

_EMPTY: Final = ("empty", b"")
"""Stands for a channel that has a version and no value."""


class MemorySaver(BaseSaver):
    """Stores checkpoints in memory.

    Args:
        serde: as for every saver.
        factory: makes the three dicts; one that is not `defaultdict` makes context managers,
            which are entered at once and left with the saver.

    Attributes:
        storage: by thread, namespace and id, `(checkpoint without values, metadata, parent's id)`.
        writes: by `(thread, namespace, id)` and then `(task id, index)`,
            `(task id, channel, value, task path)`.
        blobs: by `(thread, namespace, channel, version)`, the value.
    """

    blocking = False
    keeps_checkpoint = False

    def __init__(self, *, serde: Any = None, factory: Callable[..., Any] = defaultdict) -> None:
        super().__init__(serde=serde)
        # A function of Python's would let two threads make the same namespace.
        self.storage: Any = factory(partial(defaultdict, dict))
        self.writes: Any = factory(dict)
        self.blobs: Any = factory()
        self.stack = ExitStack()
        if factory is not defaultdict:
            for entered in (self.storage, self.writes, self.blobs):
                self.stack.enter_context(entered)

    def __enter__(self) -> Any:
        self.stack.__enter__()
        return self

    def __exit__(self, *raised: Any) -> bool | None:
        return self.stack.__exit__(*raised)

    async def __aenter__(self) -> Any:
        return self.__enter__()

    async def __aexit__(self, *raised: Any) -> bool | None:
        return self.__exit__(*raised)

    async def _off_loop(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # Nothing here waits for anything.
        return function(*args, **kwargs)

    def get_tuple(self, config: Config) -> CheckpointTuple | None:
        """As every saver's; the config that names an id is handed out as it is."""
        given = config["configurable"]
        thread_id, namespace = given["thread_id"], given.get("checkpoint_ns", "")
        checkpoints = self.storage[thread_id][namespace]
        checkpoint_id = given.get("checkpoint_id")
        if not checkpoint_id:
            checkpoint_id = max(checkpoints, default="")
            config = address(thread_id, namespace, checkpoint_id)
        stored = checkpoints.get(checkpoint_id)
        if not stored:
            return None
        metadata = self.serde.loads_typed(stored[1])
        return self._made(config, (thread_id, namespace, checkpoint_id), stored, metadata)

    def list(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """As every saver's: thread by thread and namespace by namespace, as they were made."""
        given = config["configurable"] if config else {}
        thread_ids = (given["thread_id"],) if config else tuple(self.storage)
        only_namespace, only_id = given.get("checkpoint_ns"), given.get("checkpoint_id")
        for thread_id in thread_ids:
            for namespace, checkpoints in tuple(self.storage[thread_id].items()):
                if only_namespace is not None and namespace != only_namespace:
                    continue
                for checkpoint_id in sorted(checkpoints, reverse=True):
                    if limit is not None and limit <= 0:
                        return
                    if only_id and checkpoint_id != only_id:
                        continue
                    # Only where it says something it is asked, as upstream.
                    end = before["configurable"].get("checkpoint_id") if before else None
                    if end and checkpoint_id >= end:
                        continue
                    stored = checkpoints.get(checkpoint_id)
                    if stored is None:
                        continue
                    metadata = self.serde.loads_typed(stored[1])
                    if filter and not _matches(metadata, filter):
                        continue
                    if limit is not None:
                        limit -= 1
                    found = address(thread_id, namespace, checkpoint_id)
                    key = (thread_id, namespace, checkpoint_id)
                    yield self._made(found, key, stored, metadata)

    def _made(
        self,
        config: Config,
        key: tuple[str, str, str],
        stored: tuple[Typed, Typed, str | None],
        metadata: dict[str, Any],
    ) -> CheckpointTuple:
        """What is handed out of the checkpoint `stored` under `key`."""
        loads = self.serde.loads_typed
        thread_id, namespace, _ = key
        checkpoint = loads(stored[0])
        values = self._load_blobs(thread_id, namespace, checkpoint["channel_versions"])
        parent = stored[2]
        return CheckpointTuple(
            config,
            {**checkpoint, "channel_values": values},
            metadata,
            address(thread_id, namespace, parent) if parent else None,
            [(task_id, channel, loads(value)) for task_id, channel, value, _ in self._ordered(key)],
        )

    def _load_blobs(self, thread_id: str, namespace: str, versions: Mapping[str, Any]) -> Any:
        """The values of channels at their versions."""
        values = {}
        for channel, version in versions.items():
            blob = self.blobs.get((thread_id, namespace, channel, version))
            if blob is not None and blob[0] != "empty":
                values[channel] = self.serde.loads_typed(blob)
        return values

    def _ordered(self, key: tuple[str, str, str]) -> Sequence[tuple[str, str, Typed, str]]:
        """The writes of a checkpoint by task path, task id and index."""
        made = self.writes.get(key)
        if not made:
            return ()
        by_path = sorted(made.items(), key=lambda item: (item[1][3], *item[0]))
        return [write for _, write in by_path]

    def put(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As every saver's; checkpoint_ns has to be given."""
        dumps = self.serde.dumps_typed
        given = config["configurable"]
        thread_id, namespace = given["thread_id"], given["checkpoint_ns"]
        rest = checkpoint.copy()
        values = rest.pop("channel_values")
        blobs = self.blobs
        for channel, version in new_versions.items():
            blob = dumps(values[channel]) if channel in values else _EMPTY
            blobs[thread_id, namespace, channel, version] = blob
        checkpoint_id = checkpoint["id"]
        checkpoints = self.storage[thread_id][namespace]
        checkpoints[checkpoint_id] = (
            dumps(rest),
            dumps(metadata_of(config, metadata)),
            given.get("checkpoint_id"),
        )
        return address(thread_id, namespace, checkpoint_id)

    def put_writes(self, config: Config, writes: Writes, task_id: str, task_path: str = "") -> None:
        """As every saver's; a write whose index is taken is ignored, a special one is not."""
        given = config["configurable"]
        key = (given["thread_id"], given.get("checkpoint_ns", ""), given["checkpoint_id"])
        # Without a write there is to be no entry; upstream looks for one.
        self.writes.get(key)
        made = self.writes[key] if writes else {}
        for position, (channel, value) in enumerate(writes):
            place = (task_id, WRITE_INDEXES.get(channel, position))
            if place[1] < 0 or place not in made:
                made[place] = (task_id, channel, self._dump(value), task_path)

    dumped = BaseSaver._dump_all

    def put_superstep(
        self,
        config: Config,
        writes: TaskWrites,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        """As every saver's; nothing of it can fail half-way, once the values are serialised."""
        for task_id, task_path, written in writes:
            self.put_writes(config, written, task_id, task_path)
        return self.put(config, checkpoint, metadata, new_versions)

    def get_delta_channel_history(self, *, config: Config, channels: Sequence[str]) -> History:
        """As every saver's; of the ancestors only what is asked for is decoded."""
        if not channels:
            return {}
        loads = self.serde.loads_typed
        given = config["configurable"]
        thread_id, namespace = given["thread_id"], given.get("checkpoint_ns", "")
        checkpoints = self.storage.get(thread_id, {}).get(namespace, {})
        cursor = given.get("checkpoint_id") or max(checkpoints, default="")
        walk = DeltaWalk(channels)
        met = set()
        while walk.remaining and cursor in checkpoints:
            cursor = checkpoints[cursor][2]
            if cursor in met or cursor not in checkpoints:
                break
            met.add(cursor)
            made = [
                (task_id, channel, loads(value))
                for task_id, channel, value, _ in self._ordered((thread_id, namespace, cursor))
                if channel in walk.remaining
            ]
            versions = loads(checkpoints[cursor][0]).get("channel_versions", {})
            asked = {name: versions[name] for name in walk.remaining if name in versions}
            walk.add(made, self._load_blobs(thread_id, namespace, asked))
        return walk.history()

    async def aget_delta_channel_history(
        self, *, config: Config, channels: Sequence[str]
    ) -> History:
        """As `get_delta_channel_history`."""
        return self.get_delta_channel_history(config=config, channels=channels)

    def delete_thread(self, thread_id: str) -> None:
        """As every saver's."""
        if thread_id in self.storage:
            self.storage.pop(thread_id, None)
        for stored in (self.writes, self.blobs):
            for key in [key for key in tuple(stored) if key[0] == thread_id]:
                stored.pop(key, None)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """As every saver's."""
        loads = self.serde.loads_typed
        runs = tuple(run_ids)
        for thread_id, namespaces in tuple(self.storage.items()):
            for namespace, checkpoints in tuple(namespaces.items()):
                gone = [
                    checkpoint_id
                    for checkpoint_id, stored in tuple(checkpoints.items())
                    if loads(stored[1]).get("run_id") in runs
                ]
                self._drop(thread_id, namespace, gone)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """As every saver's."""
        for namespace, checkpoints in tuple(self.storage.get(source_thread_id, {}).items()):
            self.storage[target_thread_id][namespace].update(checkpoints)
        for key, made in tuple(self.writes.items()):
            if key[0] == source_thread_id:
                self.writes[(target_thread_id, *key[1:])].update(made)
        for key, blob in tuple(self.blobs.items()):
            if key[0] == source_thread_id:
                self.blobs[(target_thread_id, *key[1:])] = blob

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """As every saver's."""
        check_prune(thread_ids, strategy)
        for thread_id in thread_ids:
            if strategy == "delete":
                self.delete_thread(thread_id)
                continue
            namespaces = self.storage.get(thread_id, {})
            heads = {name: max(found) for name, found in tuple(namespaces.items()) if found}
            kept = kept_by_prune(self.get_tuple, thread_id, heads)
            for namespace, ids in kept.items():
                checkpoints, head = namespaces[namespace], heads[namespace]
                # What a run adds meanwhile is newer.
                gone = [old for old in tuple(checkpoints) if old <= head and old not in ids]
                self._drop(thread_id, namespace, gone)
                if ids:
                    checkpoints[ids[-1]] = (*checkpoints[ids[-1]][:2], None)

    def _drop(self, thread_id: str, namespace: str, gone: Sequence[str]) -> None:
        """Deletes checkpoints of a namespace, their writes, and the values nobody else has."""
        loads = self.serde.loads_typed
        checkpoints = self.storage[thread_id][namespace]
        freed: dict[tuple[Any, ...], None] = {}
        for checkpoint_id in gone:
            stored = checkpoints.pop(checkpoint_id, None)
            versions = loads(stored[0])["channel_versions"] if stored else {}
            freed.update(dict.fromkeys(versions.items()))
            self.writes.pop((thread_id, namespace, checkpoint_id), None)
        for stored in tuple(checkpoints.values()) if freed else ():
            for version in loads(stored[0])["channel_versions"].items():
                freed.pop(version, None)
        for version in freed:
            self.blobs.pop((thread_id, namespace, *version), None)


def _matches(metadata: dict[str, Any], filter: dict[str, Any]) -> bool:
    """Whether the metadata says all that `filter` asks for."""
    return all(wanted == metadata.get(key) for key, wanted in filter.items())
