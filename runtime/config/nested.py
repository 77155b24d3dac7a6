"""The config of a run that a task of another run called (spec §9.2, §9.3).

Upstream: `pregel/_loop.py:PregelLoop.__init__`, `pregel/main.py:_own_checkpoint_config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lgc.runtime.config.merge import merge_inside
from lgc.runtime.constants import CONF, CONF_SCRATCHPAD, CONF_TASK_ID, NS_END, NS_SEP


def config_inside(caller: Any, number: int) -> dict[str, Any]:
    """The config of a run that a task called without one.

    Args:
        caller: the engine's Task.
        number: how many graphs it has called before.
    """
    return _numbered(merge_inside(caller.config), number)


def placed(config: dict[str, Any]) -> dict[str, Any]:
    """The config of a run with the namespace in which its checkpoints are.

    A task's second graph, and each after that, has a number behind the task's namespace. A run that
    no task called has the root's: a namespace given to it is dropped, together with the
    checkpoint_id, which names a checkpoint of that namespace.

    Args:
        config: what `merge_configs` returned; the call is counted with the task.
    """
    conf = config[CONF]
    count = getattr(conf.get(CONF_SCRATCHPAD), "subgraph_counter", None)
    if count is not None:
        config = _numbered(config, count())
        conf = config[CONF]
    if CONF_TASK_ID in conf or not conf.get("checkpoint_ns"):
        return config
    return {**config, CONF: {**conf, "checkpoint_ns": "", "checkpoint_id": None}}


def _numbered(config: dict[str, Any], number: int) -> dict[str, Any]:
    if not number:
        return config
    conf = config[CONF]
    namespace = f"{conf['checkpoint_ns']}{NS_SEP}{number}"
    return {**config, CONF: {**conf, "checkpoint_ns": namespace}}


def with_one_history(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a graph that keeps one history a thread, whatever task called it.

    Args:
        config: of a graph that was compiled with `checkpointer=True`.
    """
    conf = config[CONF]
    parts = conf.get("checkpoint_ns", "").split(NS_SEP)
    # The numbers stay: a task's second call of the graph has a history of its own.
    namespace = NS_SEP.join(part.split(NS_END)[0] for part in parts)
    return {**config, CONF: {**conf, "checkpoint_ns": namespace}}


def without_task_ids(namespace: str) -> str:
    """The nodes of a namespace (_internal/_config.py:recast_checkpoint_ns)."""
    return NS_SEP.join(
        part.split(NS_END)[0] for part in namespace.split(NS_SEP) if not part.isdigit()
    )


def parent_namespace(namespace: str) -> str:
    """The namespace of the graph around a task's (pregel/_retry.py).

    Args:
        namespace: of a task; numbers in it are no levels.
    """
    parts = namespace.split(NS_SEP)
    while parts and parts[-1].isdigit():
        parts.pop()
    if parts:
        parts.pop()
    while parts and parts[-1].isdigit():
        parts.pop()
    return NS_SEP.join(parts)
