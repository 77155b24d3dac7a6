"""`MemorySaver`: checkpoints in the process's memory (checkpoint/memory:InMemorySaver; spec §12).

Values are kept as the serializer's bytes, so nothing is shared with the state, and each version of
a channel is kept once. The three dicts are laid out as upstream's. There is no lock: what several
threads may do to the dicts at the same time is done by single operations of dicts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from lgc.runtime.checkpointing.model import WRITE_INDEXES, CheckpointTuple, metadata_of
from lgc.runtime.savers.base import BaseSaver
from lgc.runtime.savers.delta_history import DeltaWalk
from lgc.runtime.savers.pruning import check_prune, kept_by_prune
from lgc.runtime.savers.types import Config, History, Typed, Writes, checkpoint_config

_EMPTY: Final = ("empty", b"")
"""Stands for a channel that has a version and no value."""


class MemorySaver(BaseSaver):
    """Stores checkpoints in memory.

    `list` goes thread by thread and namespace by namespace, in each from the newest checkpoint on.
    A superstep is serialised when `dumped` is called for its tasks, so that storing it cannot fail
    half-way.

    Args:
        serde: as in `BaseSaver`.
        factory: makes the three dicts. If it is not `defaultdict`, it makes context managers, which
            are entered at once and left with the saver.

    Attributes:
        storage: by thread, namespace and id, `(checkpoint without values, metadata, parent's id)`.
        writes: by `(thread, namespace, id)` and then `(task id, index)`,
            `(task id, channel, value, task path)`.
        blobs: by `(thread, namespace, channel, version)`, the value.
    """

    blocking = False
    keeps_checkpoint = False
    dumped = BaseSaver._dump_writes

    def __init__(self, *, serde: Any = None, factory: Callable[..., Any] = defaultdict) -> None:
        super().__init__(serde=serde)
        # `partial` is C code: with a Python function as default factory, two threads could both
        # make the dict of a namespace.
        self.storage: Any = factory(partial(defaultdict, dict))
        self.writes: Any = factory(dict)
        self.blobs: Any = factory()
        self.stack = ExitStack()
        if factory is not defaultdict:
            for mapping in (self.storage, self.writes, self.blobs):
                self.stack.enter_context(mapping)

    def __enter__(self) -> Any:
        self.stack.__enter__()
        return self

    def __exit__(self, *exception: Any) -> bool | None:
        return self.stack.__exit__(*exception)

    async def __aenter__(self) -> Any:
        return self.__enter__()

    async def __aexit__(self, *exception: Any) -> bool | None:
        return self.__exit__(*exception)

    async def _off_loop(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # Nothing here waits, so nothing needs a thread.
        return function(*args, **kwargs)

    # --- reading ---

    def get_tuple(self, config: Config) -> CheckpointTuple | None:
        where = config["configurable"]
        thread_id, namespace = where["thread_id"], where.get("checkpoint_ns", "")
        checkpoints = self.storage[thread_id][namespace]
        checkpoint_id = where.get("checkpoint_id")
        # A config that names an id is handed out as it is, as upstream does.
        if not checkpoint_id:
            checkpoint_id = max(checkpoints, default="")
            config = checkpoint_config(thread_id, namespace, checkpoint_id)
        stored = checkpoints.get(checkpoint_id)
        if not stored:
            return None
        metadata = self.serde.loads_typed(stored[1])
        return self._load(config, (thread_id, namespace, checkpoint_id), stored, metadata)

    def list(
        self,
        config: Config | None,
        *,
        filter: dict[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        where = config["configurable"] if config else {}
        thread_ids = (where["thread_id"],) if config else tuple(self.storage)
        only_namespace, only_id = where.get("checkpoint_ns"), where.get("checkpoint_id")
        for thread_id in thread_ids:
            for namespace, checkpoints in tuple(self.storage[thread_id].items()):
                if only_namespace is not None and namespace != only_namespace:
                    continue
                for checkpoint_id in sorted(checkpoints, reverse=True):
                    if limit is not None and limit <= 0:
                        return
                    if only_id and checkpoint_id != only_id:
                        continue
                    # `before` is looked at for each checkpoint, as upstream does: a malformed one
                    # is an error only where there is something to list.
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
                    child = checkpoint_config(thread_id, namespace, checkpoint_id)
                    key = (thread_id, namespace, checkpoint_id)
                    yield self._load(child, key, stored, metadata)

    def _load(
        self,
        config: Config,
        key: tuple[str, str, str],
        stored: tuple[Typed, Typed, str | None],
        metadata: dict[str, Any],
    ) -> CheckpointTuple:
        """The checkpoint that is stored under `key`, with its writes.

        Args:
            config: handed out with it.
            key: thread, namespace and id.
            stored: the entry of `storage`.
            metadata: its metadata, which the caller has read.
        """
        loads = self.serde.loads_typed
        thread_id, namespace, _ = key
        checkpoint = loads(stored[0])
        values = self._load_blobs(thread_id, namespace, checkpoint["channel_versions"])
        parent = stored[2]
        return CheckpointTuple(
            config,
            {**checkpoint, "channel_values": values},
            metadata,
            checkpoint_config(thread_id, namespace, parent) if parent else None,
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
        """The writes of a checkpoint, by task path, task id and index."""
        writes = self.writes.get(key)
        if not writes:
            return ()
        by_path = sorted(writes.items(), key=lambda item: (item[1][3], *item[0]))
        return [write for _, write in by_path]

    def get_delta_channel_history(self, *, config: Config, channels: Sequence[str]) -> History:
        if not channels:
            return {}
        loads = self.serde.loads_typed
        where = config["configurable"]
        thread_id, namespace = where["thread_id"], where.get("checkpoint_ns", "")
        checkpoints = self.storage.get(thread_id, {}).get(namespace, {})
        cursor = where.get("checkpoint_id") or max(checkpoints, default="")
        walk = DeltaWalk(channels)
        visited = set()
        while walk.remaining and cursor in checkpoints:
            cursor = checkpoints[cursor][2]
            if cursor in visited or cursor not in checkpoints:
                break
            visited.add(cursor)
            # Only writes and values of these channels are deserialised.
            writes = [
                (task_id, channel, loads(value))
                for task_id, channel, value, _ in self._ordered((thread_id, namespace, cursor))
                if channel in walk.remaining
            ]
            versions = loads(checkpoints[cursor][0]).get("channel_versions", {})
            wanted = {name: versions[name] for name in walk.remaining if name in versions}
            walk.add(writes, self._load_blobs(thread_id, namespace, wanted))
        return walk.history()

    async def aget_delta_channel_history(
        self, *, config: Config, channels: Sequence[str]
    ) -> History:
        """Async version of `get_delta_channel_history`."""
        return self.get_delta_channel_history(config=config, channels=channels)

    # --- storing ---

    def put(
        self,
        config: Config,
        checkpoint: dict[str, Any],
        metadata: dict[str, Any],
        new_versions: dict[str, Any],
    ) -> Config:
        dumps = self.serde.dumps_typed
        where = config["configurable"]
        thread_id, namespace = where["thread_id"], where["checkpoint_ns"]
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
            where.get("checkpoint_id"),
        )
        return checkpoint_config(thread_id, namespace, checkpoint_id)

    def put_writes(self, config: Config, writes: Writes, task_id: str, task_path: str = "") -> None:
        where = config["configurable"]
        key = (where["thread_id"], where.get("checkpoint_ns", ""), where["checkpoint_id"])
        # Without writes no entry is made. Upstream looks the key up even then, which is an error
        # where the key cannot be hashed.
        self.writes.get(key)
        stored = self.writes[key] if writes else {}
        for position, (channel, value) in enumerate(writes):
            place = (task_id, WRITE_INDEXES.get(channel, position))
            if place[1] < 0 or place not in stored:
                stored[place] = (task_id, channel, self._dump(value), task_path)

    # --- deleting and copying ---

    def delete_thread(self, thread_id: str) -> None:
        if thread_id in self.storage:
            self.storage.pop(thread_id, None)
        for stored in (self.writes, self.blobs):
            for key in [key for key in tuple(stored) if key[0] == thread_id]:
                stored.pop(key, None)

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        loads = self.serde.loads_typed
        runs = tuple(run_ids)
        for thread_id, namespaces in tuple(self.storage.items()):
            for namespace, checkpoints in tuple(namespaces.items()):
                deleted = [
                    checkpoint_id
                    for checkpoint_id, stored in tuple(checkpoints.items())
                    if loads(stored[1]).get("run_id") in runs
                ]
                self._delete(thread_id, namespace, deleted)

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        for namespace, checkpoints in tuple(self.storage.get(source_thread_id, {}).items()):
            self.storage[target_thread_id][namespace].update(checkpoints)
        for key, writes in tuple(self.writes.items()):
            if key[0] == source_thread_id:
                self.writes[(target_thread_id, *key[1:])].update(writes)
        for key, blob in tuple(self.blobs.items()):
            if key[0] == source_thread_id:
                self.blobs[(target_thread_id, *key[1:])] = blob

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        check_prune(thread_ids, strategy)
        for thread_id in thread_ids:
            if strategy == "delete":
                self.delete_thread(thread_id)
                continue
            namespaces = self.storage.get(thread_id, {})
            heads = {name: max(ids) for name, ids in tuple(namespaces.items()) if ids}
            for namespace, kept in kept_by_prune(self.get_tuple, thread_id, heads).items():
                checkpoints, head = namespaces[namespace], heads[namespace]
                # What a run has stored since is newer than the head, and stays.
                deleted = [old for old in tuple(checkpoints) if old <= head and old not in kept]
                self._delete(thread_id, namespace, deleted)
                if kept:
                    checkpoints[kept[-1]] = (*checkpoints[kept[-1]][:2], None)

    def _delete(self, thread_id: str, namespace: str, deleted: Sequence[str]) -> None:
        """Deletes checkpoints of a namespace, their writes, and the values that no other has."""
        loads = self.serde.loads_typed
        checkpoints = self.storage[thread_id][namespace]
        unused: dict[tuple[Any, ...], None] = {}
        for checkpoint_id in deleted:
            stored = checkpoints.pop(checkpoint_id, None)
            versions = loads(stored[0])["channel_versions"] if stored else {}
            unused.update(dict.fromkeys(versions.items()))
            self.writes.pop((thread_id, namespace, checkpoint_id), None)
        for stored in tuple(checkpoints.values()) if unused else ():
            for version in loads(stored[0])["channel_versions"].items():
                unused.pop(version, None)
        for version in unused:
            self.blobs.pop((thread_id, namespace, *version), None)


def _matches(metadata: dict[str, Any], filter: dict[str, Any]) -> bool:
    """Whether the metadata has all keys and values of `filter`."""
    return all(value == metadata.get(key) for key, value in filter.items())
