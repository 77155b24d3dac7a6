"""The execution of an error handler: in the superstep of the task that has failed (spec §4.10).

Upstream: pregel/_algo.py:prepare_node_error_handler_task.
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.constants import PUSH
from lgc.runtime.engine.program import Node
from lgc.runtime.engine.task import Task
from lgc.runtime.ids import task_id


class HandlerTask(Task):
    """A task that an error handler runs in.

    Args:
        failed: the task that has failed; its input is the handler's.
        node: the handler.
        failure: what the node of `failed` raised; after a crash, what a saver has kept of it.
    """

    def __init__(self, failed: Task, node: Node, failure: Any) -> None:
        super().__init__(failed.scope, node, failed.input, failed.push)
        self.failed: Task = failed
        self.failure: Any = failure
        self.step = failed.step
        self._checkpoint_id = failed.checkpoint_id

    @property
    def path(self) -> tuple[Any, ...]:
        return (*self.failed.path[:3], "node_error_handler", False)

    @property
    def path_text(self) -> str:
        return self.push_path_text()

    @property
    def triggers(self) -> tuple[str, ...]:
        return (PUSH,)

    @property
    def timeout(self) -> Any:
        """None: upstream times no handler, whatever is said of its node."""
        return None

    @property
    def outer_namespace(self) -> str:
        return f"{self.failed.namespace}|"

    @property
    def id(self) -> Any:
        if not self._id:
            name = self.node.name
            what = (PUSH, "node_error_handler", self.failed.id)
            parts = (self.outer_namespace + name, str(self.step), name, *what)
            self._id = task_id(self.checkpoint_id, parts, self.scope.is_v1_checkpoint)
        return self._id

    def base_config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.failed.config
        return config
