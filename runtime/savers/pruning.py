"""Which checkpoints of a thread `prune` keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lgc.runtime.checkpointing.model import CheckpointTuple
from lgc.runtime.savers.delta_history import unvisited_parent
from lgc.runtime.savers.types import Config, checkpoint_config

GetTuple = Callable[[Config], CheckpointTuple | None]
"""The `get_tuple` of a saver."""


def check_prune(thread_ids: Sequence[str], strategy: str) -> None:
    """Checks the arguments of `prune`.

    Raises:
        TypeError: `thread_ids` is a single string.
        ValueError: the strategy is unknown.
    """
    if isinstance(thread_ids, str):
        raise TypeError("thread_ids must be a sequence of thread IDs, not a str")
    if strategy not in ("keep_latest", "delete"):
        raise ValueError(f"Unknown prune strategy: {strategy!r}")


def kept_by_prune(
    get_tuple: GetTuple, thread_id: str, heads: Mapping[str, str]
) -> dict[str, Sequence[str]]:
    """What the strategy "keep_latest" leaves of a thread (checkpoint/postgres:_keep_latest).

    The newest checkpoint of each namespace stays, together with the ancestors that its delta
    channels are rebuilt from; upstream's only saver that prunes refuses threads with such channels.
    The namespace of a subgraph call ends in a task id. It is deleted when the root checkpoint that
    the call started from is. The caller has to clear the parent of the oldest checkpoint that
    stays, because that parent is deleted.

    Args:
        get_tuple: of the saver.
        thread_id: the thread.
        heads: by namespace, the id of the newest checkpoint.

    Returns:
        By namespace, the ids to keep, the newest first; empty if all of the namespace goes.
    """
    kept: dict[str, Sequence[str]] = {}
    # The root graph's namespace is the empty string, so it is sorted first.
    for namespace, head in sorted(heads.items()):
        saved = get_tuple(checkpoint_config(thread_id, namespace, head))
        if saved is None:
            continue
        root = (saved.metadata.get("parents") or {}).get("")
        is_over = (
            ":" in namespace
            and root is not None
            and root not in kept.get("", ())
            and get_tuple(checkpoint_config(thread_id, "", root)) is not None
        )
        kept[namespace] = () if is_over else (head, *_delta_ancestors(get_tuple, saved))
    return kept


def _delta_ancestors(get_tuple: GetTuple, saved: CheckpointTuple) -> Sequence[str]:
    """The ids of the ancestors, a child before its parent, that delta channels are rebuilt from."""
    counters = saved.metadata.get("counters_since_delta_snapshot") or {}
    missing = set(counters).difference(saved.checkpoint["channel_values"])
    visited: set[str] = set()
    ancestors: tuple[str, ...] = ()
    needed = 0
    cursor: CheckpointTuple | None = saved
    while missing and cursor is not None:
        parent = unvisited_parent(cursor, visited)
        cursor = get_tuple(parent) if parent is not None else None
        if cursor is None:
            break
        ancestors += (cursor.checkpoint["id"],)
        stored = missing.intersection(cursor.checkpoint["channel_values"])
        if stored or any(channel in missing for _, channel, _ in cursor.pending_writes or ()):
            needed = len(ancestors)
        missing -= stored
    return ancestors[:needed]
