"""How what a task wants called is called, on this thread."""

from __future__ import annotations

import time
from contextvars import copy_context
from types import CoroutineType
from typing import Any, Final

from lgc.runtime.config.ambient import CURRENT
from lgc.runtime.drivers.awaitables import coroutine_of
from lgc.runtime.engine.program import (
    AWAIT,
    AWAIT_WITH_TASK,
    CALL,
    CALL_WITH_TASK,
    GRAPH,
    INVOKE,
)
from lgc.runtime.engine.retry import NEVER
from lgc.runtime.engine.task import Task
from lgc.runtime.engine.timeout import sync_timeout_unsupported
from lgc.runtime.upstream import is_runnable, langchain_var


def run_task(task: Task) -> None:
    """Runs a task to its end: its body, its writes, its routers. What it raises is in `error`."""
    if task.timeout is not None:
        # Nothing on a thread can be cancelled; and it is not tried again.
        task.error = sync_timeout_unsupported(task.node.name)
        task.end()
        return
    task.begin()
    continue_task(task)


def continue_task(task: Task) -> None:
    """Makes the calls that are left of a task."""
    while not task.is_over:
        try:
            result = call(task)
        except BaseException as exc:
            task.raised(exc)
        else:
            task.returned(result)


def call(task: Task) -> Any:
    """Makes the call that a task wants, in a context of its own; what that returned."""
    if task.delay >= 0:
        delay, task.delay = task.delay, NEVER
        time.sleep(delay)
    return _COPY_CONTEXT().run(_ENTER, task)


def enter(task: Task) -> Any:
    """Sets the ambient config of who is called, and makes the call; runs in a context of its own.

    A Runnable that is returned is invoked in its place.
    """
    router = task.router
    if router is None:
        set_task = _LANGCHAIN.set
        if set_task is None:
            _SET_CURRENT(task)
        else:
            set_task(task.ambient())
        node = task.node
        if node.call != CALL:
            return _call(node.call, node.body, task.input, task)
        result: Any = node.body(task.input)
        return result if type(result) is dict else _resolved(result, task.input, task)
    set_ambient(router)
    branch = router.branch
    if branch.call != CALL:
        return _call(branch.call, branch.path, task.argument, router)
    target: Any = branch.path(task.argument)
    return target if type(target) is str else _resolved(target, task.argument, router)


def enter_waiting(task: Task) -> Any:
    """`enter` in an async run; the coroutine that gives the result, or None for a function.

    Functions are to be called off the event loop, by `enter_on_thread`.
    """
    router = task.router
    if router is None:
        node = task.node
        return _coroutine(node.call, node.body, task.input, task)
    return _coroutine(router.branch.call, router.branch.path, task.argument, router)


def _coroutine(how: int, body: Any, argument: Any, current: Any) -> Any:
    awaitable: Any
    if how == AWAIT:
        set_ambient(current)
        awaitable = body(argument)
    elif how == AWAIT_WITH_TASK:
        set_ambient(current)
        awaitable = body(argument, current)
    elif how == INVOKE:
        set_ambient(current)
        awaitable = body.ainvoke(argument, current.config)
    elif how == GRAPH:
        set_ambient(current)
        awaitable = body.ainvoke_inside(argument, current)
    else:
        return None
    return awaitable if type(awaitable) is _COROUTINE else coroutine_of(awaitable)


def enter_on_thread(task: Task) -> Any:
    """`enter` of a task that does not wait, on a thread of an event loop's executor.

    A Runnable that is returned is not invoked: that is for the event loop.

    Raises:
        RuntimeError: the function raised StopIteration, which a future cannot hold.
    """
    router = task.router
    try:
        if router is None:
            node = task.node
            return _function_result(node.call, node.body, task.input, task)
        return _function_result(router.branch.call, router.branch.path, task.argument, router)
    except StopIteration as exc:
        error = RuntimeError()
        error.__cause__ = exc
        raise error


def _function_result(how: int, body: Any, argument: Any, current: Any) -> Any:
    set_ambient(current)
    return body(argument) if how == CALL else body(argument, current)


def returned_runnable(task: Task, result: Any) -> bool:
    """Whether a function of `task` has returned a Runnable, to be invoked in its place.

    What a Runnable returns counts as it is.
    """
    kind = type(result)
    if kind is dict or kind is str or result is None or not is_runnable(result):
        return False
    router = task.router
    how = task.node.call if router is None else router.branch.call
    return how not in (INVOKE, GRAPH)


def enter_runnable(task: Task, runnable: Any) -> Any:
    """The coroutine of a Runnable that a function of `task` has returned."""
    router = task.router
    if router is None:
        return coroutine_of(runnable.ainvoke(task.input, task.config))
    return coroutine_of(runnable.ainvoke(task.argument, router.config))


def _call(how: int, body: Any, argument: Any, current: Any) -> Any:
    result: Any
    if how == CALL:
        result = body(argument)
    elif how == CALL_WITH_TASK:
        result = body(argument, current)
    elif how == INVOKE:
        return body.invoke(argument, current.config)
    elif how == GRAPH:
        return body.invoke_inside(argument, current)
    else:
        raise _no_sync_function(current)
    return _resolved(result, argument, current)


def _no_sync_function(current: Any) -> TypeError:
    """What upstream raises for an async function in a sync run (RunnableCallable.invoke)."""
    name: Any = current.node.name if isinstance(current, Task) else current.branch.own_name
    return TypeError(
        f'No synchronous function provided to "{name}".\nEither initialize with a synchronous '
        "function or invoke via the async API (ainvoke, astream, etc.)"
    )


def _resolved(result: Any, argument: Any, current: Any) -> Any:
    """What a call returned; a Runnable among that is invoked."""
    # The usual results are no Runnables; the test for one asks sys.modules.
    kind = type(result)
    if kind is not dict and kind is not str and result is not None and is_runnable(result):
        return result.invoke(argument, current.config)
    return result


def set_ambient(current: Any) -> None:
    """Sets the ambient config of a Task or Router; called inside a context of its own."""
    if _LANGCHAIN.set is None:
        _SET_CURRENT(current.runs_as())
    else:
        _LANGCHAIN.set(current.ambient())


def refresh_langchain_var() -> None:
    """Looks for langchain-core's contextvar: at the start of a run, and when it is loaded."""
    if _LANGCHAIN.set is None:
        var = langchain_var()
        if var is not None:
            _LANGCHAIN.set = var.set


class _Langchain:
    """Where the setter of langchain-core's contextvar is kept once it has been loaded."""

    def __init__(self) -> None:
        self.set: Any = None


_LANGCHAIN: Final = _Langchain()
# As constants, because native code looks other names up in a dict.
_COPY_CONTEXT: Final = copy_context
_COROUTINE: Final[Any] = CoroutineType
_SET_CURRENT: Final = CURRENT.set
_ENTER: Final = enter
