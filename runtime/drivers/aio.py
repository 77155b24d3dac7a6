"""How the calls of a task are made on an event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from lgc.runtime.drivers.call import call, set_ambient
from lgc.runtime.engine.program import AWAIT, AWAIT_WITH_TASK, INVOKE
from lgc.runtime.engine.task import Task
from lgc.runtime.upstream import is_runnable


async def continue_task(task: Task) -> None:
    """Makes the calls that are left of a task; what it raises is in `error`."""
    while not task.is_over:
        try:
            # A task of its own has a context of its own.
            result = await asyncio.create_task(_call(task))
        except BaseException as exc:
            task.raised(exc)
        else:
            task.returned(result)


async def _call(task: Task) -> Any:
    router = task.router
    current: Any = task if router is None else router
    how = task.node.call if router is None else router.branch.call
    body = task.node.body if router is None else router.branch.path
    argument = task.input if router is None else task.argument
    set_ambient(current)
    if how == INVOKE:
        return await body.ainvoke(argument, current.config)
    if how not in (AWAIT, AWAIT_WITH_TASK):
        return await asyncio.to_thread(call, task)
    result: Any = await (body(argument) if how == AWAIT else body(argument, current))
    if is_runnable(result):
        return await result.ainvoke(argument, current.config)
    return result
