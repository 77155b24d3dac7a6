"""The plain lane: a run of which only the result is wanted (design §5).

A superstep of one node that edges started, which writes state and triggers and
nothing else, is run here without the lists and objects that chunks, parallel
tasks and barriers need. Every other superstep is `Run.superstep`, the full
lane's, on the same state; a property test holds the two to the same results
(tests/parity/test_graphs.py).
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.constants import END, MISSING
from lgc.runtime.engine.loop import Run
from lgc.runtime.engine.program import Node
from lgc.runtime.engine.task import Router, Task, run_node


def drain(run: Run, value: Any) -> Any:
    """Runs to the end.

    Args:
        run: a silent run, not started.
        value: the input.

    Returns:
        The values of the output keys; None when none was written.

    Raises:
        As `Run.start` and `Run.drain`.
    """
    if not run.is_plain or not run.output.late:
        run.start(value)
        return run.drain()
    try:
        node = _start(run, value)
    except Exception as exc:
        if not run.suspend(exc):
            raise
        return run.conclude()
    while True:
        if node is not None and not run.is_past_stop() and not run.is_asked_to_stop():
            try:
                node = _superstep(run, node)
            except Exception as exc:
                if not run.suspend(exc):
                    raise
                return run.conclude()
        elif run.superstep():
            node = _next(run)
        else:
            return run.conclude()


def _start(run: Run, value: Any) -> Node | None:
    """Applies the input; the node that is due, or None when the full lane goes on."""
    program = run.program
    start = program.start
    if type(value) is not dict or not program.direct or not start.plain or start.branches:
        run.start(value)
        return None
    _gather(run, value, program.input_slots)
    run.updated = start.targets
    try:
        run.apply_pending()
    except Exception:
        _put_back(run, Task(run, start, value, -1))
        raise
    run.step = 1
    return None if run.volatile else start.successor


def _superstep(run: Run, node: Node) -> Node | None:
    """Runs one node; the node that is due next, or None when the full lane goes on."""
    value = run.input(node)
    if value is MISSING:
        return None
    task = Task(run, node, value, -1)
    task.start()
    try:
        output = run_node(task)
        if type(output) is dict and run.program.direct and task.is_unseen():
            _gather(run, output, run.program.slots)
            task.gathered = True
            if node.branches:
                _route(run, task, output)
        else:
            run.write(task, output)
    except BaseException as exc:
        if task.gathered:
            run.spill(task)
        run.tasks = [task]
        error = run.failure(task, exc)
        if error is exc:
            run.commit_error(task, exc)
            raise
        if error is not None:
            raise error
    if not task.gathered:
        run.tasks = [task]
        run.after_tick()
        return _next(run)
    if not node.branches:
        run.updated = node.targets
    try:
        run.apply_pending()
    except Exception:
        _put_back(run, task)
        raise
    run.step += 1
    if not node.branches:
        return None if run.volatile else node.successor
    return _next(run)


def _route(run: Run, task: Task, output: Any) -> None:
    """The conditional edges of a task; `run.updated` becomes the triggers that are due."""
    node = task.node
    run.updated = node.targets
    for number, branch in enumerate(node.branches):
        target = run.decide(task, branch, output, Router(task, number))
        if task.gathered:
            if type(target) is str and (not branch.ends or target in branch.ends):
                end = branch.ends[target] if branch.ends else target
                if end == END:
                    continue
                successor = run.program.successors.get(end)
                if successor is not None:
                    due = run.updated
                    if not due:
                        run.updated = successor.trigger
                    elif successor.trigger[0] not in due:
                        run.updated = due + successor.trigger
                    continue
            run.spill(task)
        run.goto(task, branch, target)


def _put_back(run: Run, task: Task) -> None:
    """Gives a task back its writes, which a reducer has refused.

    An exception that interrupts the run has them applied once more (`Run.suspend`).
    """
    run.spill(task)
    run.tasks = [task]
    run.is_recorded = True


def _gather(run: Run, update: dict[Any, Any], slots: dict[str, int]) -> None:
    """Takes over what a dict writes; keys that are not in `slots` are left out."""
    pending = run.pending
    touched = run.touched
    for key, value in update.items():
        slot = slots.get(key, -1)
        if slot >= 0:
            pending[slot] = value
            touched.append(slot)


def _next(run: Run) -> Node | None:
    """The only node that is due, when the plain lane can run it."""
    if run.volatile:
        return None
    program = run.program
    found: Node | None = None
    for slot in run.updated:
        for position in program.triggered[slot]:
            node = program.nodes[position]
            if found is not None and node is not found:
                return None
            found = node
    return found if found is not None and found.plain else None
