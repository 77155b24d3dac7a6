"""A node execution that `update_state` stands in for: the node does not run, its writers do."""

from __future__ import annotations

from typing import Any

from lgc.runtime.config.task_config import bare_scratchpad, update_config
from lgc.runtime.constants import INTERRUPT
from lgc.runtime.engine.program import Node
from lgc.runtime.engine.run import RunScope
from lgc.runtime.engine.task import Task


class UpdateTask(Task):
    """The writers of a node, run for an update from outside (spec §6, bulk_update_state).

    Args:
        scope, node: whose writers run.
        number: which of the update's tasks it is.
        task_id: its id, whatever the caller gave.
    """

    def __init__(self, scope: RunScope, node: Node, number: int, task_id: Any) -> None:
        super().__init__(scope, node, None, number)
        self._id = task_id

    @property
    def path(self) -> tuple[Any, ...]:
        return (INTERRUPT, self.push)

    @property
    def triggers(self) -> tuple[str, ...]:
        return (INTERRUPT,)

    @property
    def is_update(self) -> bool:
        return True

    @property
    def config(self) -> Any:
        if self._config is None:
            self._config = update_config(self)
        return self._config

    def first_router_step(self) -> int:
        return len(self.node.static) + 2

    def scratchpad(self) -> Any:
        """Not in the config: a router finds none there."""
        return bare_scratchpad(self.step, self.scope.stop)

    def raised(self, exc: BaseException) -> None:
        """An update fails with what was raised, as it is."""
        self.error = exc
        self.end()
