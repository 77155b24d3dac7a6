"""Checkpoints of older layouts, brought to the one that is written (spec §2.9).

Upstream: pregel/_checkpoint.py and graph/state.py:_migrate_checkpoint.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from lgc.runtime.constants import BRANCH_TO, END, INTERRUPT, MISSING, START, TASKS


def migrate(
    checkpoint: dict[str, Any], nodes: Iterable[str], edges: Iterable[tuple[str, str]]
) -> None:
    """Brings a checkpoint of an older layout to this one, in place (spec §2.9).

    Args:
        checkpoint: of any version.
        nodes: the nodes of the graph, `__start__` included.
        edges: its static edges.
    """
    versions = checkpoint["channel_versions"]
    if checkpoint["v"] < 4 and checkpoint.get("pending_sends"):
        checkpoint["channel_values"][TASKS] = checkpoint.pop("pending_sends")
        versions[TASKS] = max(versions.values())
    if not versions or checkpoint["v"] >= 3:
        return
    known = set(nodes)
    for key in list(versions):
        parts = key.split(":")
        if key.startswith("start:") and parts[1] in known:
            _rename(checkpoint, key, parts[1])
    for key in list(versions):
        parts = key.split(":")
        if key.startswith("branch:") and len(parts) == 4 and parts[-1] in known:
            _rename(checkpoint, key, parts[-1])
    if known.isdisjoint(versions):
        return
    ends: defaultdict[str, list[str]] = defaultdict(list)
    for start, end in edges:
        if start != START and end != END:
            ends[start].append(end)
    for key in [key for key in versions if key in known and key != START]:
        version = versions.pop(key)
        value = checkpoint["channel_values"].pop(key, MISSING)
        for end in ends[key]:
            _take(checkpoint, key, end, version, value)
        checkpoint["versions_seen"].get(INTERRUPT, {}).pop(key, None)


def _rename(checkpoint: dict[str, Any], key: str, node: str) -> None:
    """Makes channel `key`, which started `node`, the node's trigger."""
    values = checkpoint["channel_values"]
    target = BRANCH_TO + node
    version = checkpoint["channel_versions"].pop(key)
    value = values.pop(key) if target not in values and key in values else MISSING
    _take(checkpoint, key, node, version, value)


def _take(checkpoint: dict[str, Any], key: str, node: str, version: Any, value: Any) -> None:
    """Gives the trigger of `node` what channel `key` was: version, value, and who saw it."""
    values, versions = checkpoint["channel_values"], checkpoint["channel_versions"]
    target = BRANCH_TO + node
    for seen in (
        checkpoint["versions_seen"].get(node, {}),
        checkpoint["versions_seen"].get(INTERRUPT, {}),
    ):
        if key in seen:
            was = seen.pop(key)
            seen[target] = max(was, seen[target]) if target in seen else was
    if value is not MISSING and target not in values:
        values[target] = value
    versions[target] = max(versions[target], version) if target in versions else version
