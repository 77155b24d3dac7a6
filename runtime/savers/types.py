"""The types in the signatures of savers, and the config that addresses a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

Config = dict[str, Any]
"""A config; its `configurable` has thread_id, checkpoint_ns and checkpoint_id."""

Writes = Sequence[tuple[str, Any]]
"""The writes of a task, as `(channel, value)`."""

TaskWrites = Sequence[tuple[str, str, Writes]]
"""The writes of a superstep, as `(task id, task path, writes)`."""

Typed = tuple[str, bytes]
"""A value as a serializer writes it: a tag and bytes."""

History = dict[str, dict[str, Any]]
"""By delta channel, its `writes`, the oldest first, and its `seed` if a checkpoint stores one."""


class Dumped(NamedTuple):
    """The value of a write that is serialised already.

    Attributes:
        tag, data: what the serializer's `dumps_typed` returned.
    """

    tag: str
    data: bytes


def checkpoint_config(thread_id: Any, namespace: str, checkpoint_id: str) -> Config:
    """The config that addresses a checkpoint."""
    return {
        "configurable": {
            "thread_id": thread_id,
            "checkpoint_ns": namespace,
            "checkpoint_id": checkpoint_id,
        }
    }


def child_config(config: Config, checkpoint: dict[str, Any]) -> Config:
    """The config that addresses `checkpoint` once it is stored under the parent in `config`."""
    where = config["configurable"]
    return checkpoint_config(where["thread_id"], where["checkpoint_ns"], checkpoint["id"])
