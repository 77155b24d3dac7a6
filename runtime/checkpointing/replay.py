"""Which checkpoint a nested run goes on from while the run around it is replayed (spec §9.4).

Upstream: `_internal/_replay.py`. lgc's class has the same attributes, and LangGraph's is used once
that is loaded: graphs of both may run inside a node. This file stays interpreted, as LangGraph's
graphs call it.
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.constants import CONF, NS_END


class ReplayState:
    """Which graphs inside nodes have been entered since a root run went back to a checkpoint.

    The tasks of the run share it: the first run of each graph goes on from its checkpoint of back
    then, later ones from its newest.

    Args:
        checkpoint_id: the checkpoint of the root; those of nested runs have to be older.
    """

    __slots__ = ("_visited_ns", "checkpoint_id")

    def __init__(self, checkpoint_id: str) -> None:
        self.checkpoint_id = checkpoint_id
        self._visited_ns: set[str] = set()

    def _is_first_visit(self, checkpoint_ns: str) -> bool:
        """Whether the graph of a namespace is entered for the first time.

        The node counts, not its task: in a loop, that has another id each time.
        """
        name = checkpoint_ns.rpartition(NS_END)[0] or checkpoint_ns
        is_first = name not in self._visited_ns
        self._visited_ns.add(name)
        return is_first


def replay_request(replay: Any, namespace: str, config: dict[str, Any]) -> Any:
    """The saver call that gives the checkpoint of a nested run.

    Args:
        replay: a ReplayState, lgc's or LangGraph's.
        namespace: of the nested run.
        config: addresses its thread.

    Returns:
        The method's name, arguments, keywords. Of `list`, the first checkpoint is the one.
    """
    if not replay._is_first_visit(namespace):
        return "get_tuple", (config,), {}
    before = {CONF: {"checkpoint_id": replay.checkpoint_id}}
    return "list", (config,), {"before": before, "limit": 1}
