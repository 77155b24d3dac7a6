"""The reserved strings of LangGraph (listed at the head of docs/semantics.md).

They stand in checkpoints and in configs that users read, so their values never change. The file
upstream is `_internal/_constants.py`.
"""

from __future__ import annotations

from typing import Final

START: Final = "__start__"
END: Final = "__end__"
INPUT: Final = "__input__"
INTERRUPT: Final = "__interrupt__"
RESUME: Final = "__resume__"
ERROR: Final = "__error__"
ERROR_SOURCE_NODE: Final = "__error_source_node__"
SCHEDULED: Final = "__scheduled__"
NO_WRITES: Final = "__no_writes__"
RETURN: Final = "__return__"
OVERWRITE: Final = "__overwrite__"
PUSH: Final = "__pregel_push"
PULL: Final = "__pregel_pull"
TASKS: Final = "__pregel_tasks"
ROOT: Final = "__root__"
TAG_HIDDEN: Final = "langsmith:hidden"

NS_SEP: Final = "|"
NS_END: Final = ":"

BRANCH_TO: Final = "branch:to:"
"""Prefix of the channel that triggers a node."""

CONF: Final = "configurable"
CONF_STREAM: Final = "__pregel_stream"
CONF_TASK_ID: Final = "__pregel_task_id"
CONF_SEND: Final = "__pregel_send"
CONF_READ: Final = "__pregel_read"
CONF_READ_STATE: Final = "__pregel_read_state"
CONF_CALL: Final = "__pregel_call"
CONF_CHECKPOINTER: Final = "__pregel_checkpointer"
CONF_SCRATCHPAD: Final = "__pregel_scratchpad"
CONF_RUNTIME: Final = "__pregel_runtime"
CONF_RESUMING: Final = "__pregel_resuming"
CONF_REPLAY_STATE: Final = "__pregel_replay_state"
CONF_DURABILITY: Final = "__pregel_durability"
CONF_RESUME_MAP: Final = "__pregel_resume_map"
CONF_CACHE: Final = "__pregel_cache"
CONF_NODE_ERROR: Final = "__pregel_node_error"
CONF_NODE_FINISHED: Final = "__pregel_node_finished"
CONF_STRICT_RESUME: Final = "__pregel_strict_resume"
CONF_TIMED_ATTEMPT_OBSERVER: Final = "__pregel_timed_attempt_observer"

NULL_TASK_ID: Final = "00000000-0000-0000-0000-000000000000"
"""The task id of writes that no task made: those of a Command given as input."""

IGNORED_WRITES: Final = frozenset(
    (NO_WRITES, PUSH, RESUME, INTERRUPT, RETURN, ERROR, ERROR_SOURCE_NODE)
)
"""Writes that `apply_writes` passes over (pregel/_algo.py)."""

CONTROL_WRITES: Final = frozenset((ERROR, ERROR_SOURCE_NODE, INTERRUPT, RESUME))
"""Writes that record what happened to a task, not its result (pregel/_task_status.py)."""

EVENT_MODES: Final = frozenset(("checkpoints", "debug", "tasks"))
"""The stream modes whose chunks describe tasks and checkpoints."""


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""The value of a channel that holds none; None is a value."""
