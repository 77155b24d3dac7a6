"""How what a task wants called is called, on this thread."""

from __future__ import annotations

from typing import Any, Final

from lgc.runtime.config.ambient import CURRENT
from lgc.runtime.engine.program import CALL, CALL_WITH_TASK
from lgc.runtime.engine.task import OVER, Task
from lgc.runtime.upstream import langchain_var


def run_task(task: Task) -> None:
    """Runs a task to its end: its body, its writes, its routers. What it raises is in `error`."""
    task.begin()
    continue_task(task)


def continue_task(task: Task) -> None:
    """Makes the calls that are left of a task."""
    while task.how != OVER:
        try:
            result = call(task)
        except BaseException as exc:
            task.raised(exc)
        else:
            task.returned(result)


def call(task: Task) -> Any:
    """Makes the call that a task wants, in the context it names; what that returned."""
    context = task.context
    assert context is not None
    return context.run(_CALL_BODY if task.is_entered else _ENTER, task)


def enter(task: Task) -> Any:
    """Sets the ambient config of the caller, and makes the call; runs in the task's context."""
    set_ambient(task.caller)
    return call_body(task)


def call_body(task: Task) -> Any:
    """Makes the call that a task wants, in the context that is current."""
    how = task.how
    if how == CALL:
        return task.callee(task.argument)
    if how == CALL_WITH_TASK:
        return task.callee(task.argument, task.caller)
    return task.callee.invoke(task.argument, task.caller.config)


def set_ambient(current: Any) -> None:
    """Sets the ambient config of a Task or Router; called inside a context of its own."""
    var = _LANGCHAIN.var
    if var is None:
        _SET_CURRENT(current)
    else:
        var.set(current.ambient())


def refresh_langchain_var() -> None:
    """Looks for langchain-core's contextvar: at the start of a run, and when it is loaded."""
    if _LANGCHAIN.var is None:
        _LANGCHAIN.var = langchain_var()


class _Langchain:
    """Where langchain-core's contextvar is kept once it has been loaded."""

    def __init__(self) -> None:
        self.var: Any = None


_LANGCHAIN: Final = _Langchain()
# As constants, because native code looks other names up in a dict.
_SET_CURRENT: Final = CURRENT.set
_ENTER: Final = enter
_CALL_BODY: Final = call_body
