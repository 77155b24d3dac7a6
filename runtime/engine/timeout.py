"""What a timeout policy means for a task that nothing can cancel (spec §4.9)."""

from __future__ import annotations


def sync_timeout_unsupported(name: str) -> ValueError:
    """What LangGraph raises for a node with a timeout that is not async, or runs in a sync run.

    Args:
        name: of the node.
    """
    return ValueError(
        "Node timeouts are only supported for async nodes because sync Python execution cannot be "
        f"safely cancelled in-process. Node {name!r} is sync."
    )
