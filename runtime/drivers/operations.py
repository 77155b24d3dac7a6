"""Performs the Operations of the state API, on this thread or on an event loop.

This file stays interpreted: it has a coroutine, and the saver does the work.
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.checkpointing import state_snapshots, state_updates
from lgc.runtime.checkpointing.checkpoint_writer import CheckpointWriter
from lgc.runtime.checkpointing.state_snapshots import Operation, StateOf
from lgc.runtime.drivers.call import continue_task
from lgc.runtime.engine.task import Task

_GENERATORS = (state_snapshots.__name__, state_updates.__name__)
"""The modules whose generators are Operations."""


def perform(operation: Operation[Any], saver: Any) -> Any:
    """Performs an operation with the saver's sync methods; what it returns.

    Raises:
        Exception: what the operation, a router or the saver raised.
    """
    is_over, value = _step(operation, None)
    while not is_over:
        result = None
        if isinstance(value, Task):
            continue_task(value)
            if value.error is not None:
                raise value.error
        elif isinstance(value, CheckpointWriter):
            for function, arguments, _ in value.pop_calls():
                function(*arguments)
        elif isinstance(value, StateOf):
            result = value.graph.get_state(value.config, subgraphs=True)
        else:
            name, args, kwargs = value
            result = getattr(saver, name)(*args, **kwargs)
            if name == "list":
                result = list(result)
        is_over, value = _step(operation, result)
    return value


async def aperform(operation: Operation[Any], saver: Any) -> Any:
    """Performs an operation with the saver's async methods; what it returns.

    Raises:
        As `perform`.
    """
    # Imported when it is first used: asyncio comes with it.
    from lgc.runtime.drivers.async_calls import acontinue_task

    is_over, value = _step(operation, None)
    while not is_over:
        result = None
        if isinstance(value, Task):
            await acontinue_task(value)
            if value.error is not None:
                raise value.error
        elif isinstance(value, CheckpointWriter):
            for function, arguments, _ in value.pop_calls():
                stored = function(*arguments)
                if value.is_async:
                    await stored
        elif isinstance(value, StateOf):
            result = await value.graph.aget_state(value.config, subgraphs=True)
        else:
            name, args, kwargs = value
            call = getattr(saver, f"a{name}")(*args, **kwargs)
            result = [saved async for saved in call] if name == "list" else await call
        is_over, value = _step(operation, result)
    return value


def _step(operation: Operation[Any], result: Any) -> tuple[bool, Any]:
    """Whether an operation is over, and what it returned, or what it wants done next.

    Args:
        result: of what it wanted before.
    """
    try:
        return False, operation.send(result)
    except StopIteration as done:
        return True, done.value
    except RuntimeError as exc:
        stop = exc.__cause__
        if not isinstance(stop, StopIteration) or not _left_operation(stop):
            raise
    # What a reducer raised; Python made a RuntimeError of it because the operation is a generator.
    raise stop


def _left_operation(stop: StopIteration) -> bool:
    """Whether the generator that a StopIteration came out of first is an operation."""
    trace = stop.__traceback__
    return trace is not None and trace.tb_frame.f_globals.get("__name__") in _GENERATORS
