"""The tasks of a superstep and what their nodes are given (pregel/_algo.py:prepare_next_tasks)."""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import Any

from lgc.runtime.config.task_config import bare_scratchpad
from lgc.runtime.constants import MISSING, PULL
from lgc.runtime.engine.channel_values import warn
from lgc.runtime.engine.program import Node, View
from lgc.runtime.engine.run import RunScope
from lgc.runtime.engine.task import Task, add_note
from lgc.runtime.upstream import is_a


def triggered(scope: RunScope) -> list[int]:
    """The positions of the nodes that the channels in `values.updated` start, in order."""
    by_slot = scope.program.triggered
    updated = scope.values.updated
    if len(updated) == 1:
        return by_slot[updated[0]]
    positions: list[int] = []
    for slot in updated:
        for position in by_slot[slot]:
            if position not in positions:
                positions.append(position)
    positions.sort()
    return positions


def single_due(scope: RunScope) -> str:
    """The label of the superstep that is due, if it is one of a single node; else ""."""
    if scope.program.tasks_slot in scope.values.updated:
        return ""
    positions = triggered(scope)
    return scope.program.label_of(positions) if len(positions) == 1 else ""


def prepare_tasks(scope: RunScope, positions: list[int]) -> list[Task]:
    """The tasks of a superstep: one for every Send, then one for each of the nodes that has input.

    Nodes that are given the same of the state share one input: the first gets it, the others
    shallow copies (spec §4.6, step 3).

    Args:
        positions: the nodes that are due, by their place in `program.nodes`.

    Raises:
        Exception: a schema refused what its node is given.
    """
    tasks: list[Task] = []
    values = scope.values
    nodes = scope.program.nodes
    sends = values.get(scope.program.tasks_slot)
    if sends is not MISSING:
        _add_sends(scope, sends, tasks)
    if len(positions) == 1:
        node = nodes[positions[0]]
        value = node_input(scope, node)
        if value is not MISSING:
            tasks.append(Task(scope, node, value, -1))
        return tasks
    shared: dict[int, object] = {}
    for position in positions:
        node = nodes[position]
        group = node.view.group
        if group in shared:
            try:
                value = copy(shared[group])
            except Exception as exc:
                add_note(exc, _before(node))
                raise
        else:
            value = node_input(scope, node)
            if value is MISSING:
                continue
            shared[group] = value
        tasks.append(Task(scope, node, value, -1))
    return tasks


def _add_sends(scope: RunScope, sends: Any, tasks: list[Task]) -> None:
    """A task for every Send of the superstep before (prepare_push_task_send)."""
    by_name = scope.program.by_name
    for position, packet in enumerate(sends):
        if not is_a(packet, "Send"):
            warn(f"Ignoring invalid packet type {type(packet)} in pending sends")
        elif packet.node not in by_name:
            warn(f"Ignoring unknown node name {format(packet.node)} in pending sends")
        else:
            task = Task(scope, by_name[packet.node], packet.arg, position)
            task.sent_timeout = packet.timeout
            tasks.append(task)


def node_input(scope: RunScope, node: Node) -> object:
    """What a node that an edge starts is given of the state; MISSING for nothing.

    Raises:
        Exception: the node's schema refused it.
    """
    view = node.view
    if view.reads is None:
        return scope.values.get(view.root)
    state = scope.values.available(view)
    if not view.managed and view.schema is None:
        return state
    try:
        return _complete(scope, view, state)
    except Exception as exc:
        add_note(exc, _before(node))
        raise


def _complete(scope: RunScope, view: View, state: dict[str, Any]) -> object:
    """The managed values added, and the schema applied, before the task exists that reads them."""
    for value in view.managed:
        state[value.key] = value.get(scope.step, scope.stop, partial(_scratchpad, scope))
    if view.schema is None:
        return state
    instance: object = view.schema(**state)
    return instance


def _scratchpad(scope: RunScope) -> Any:
    """A scratchpad for the managed values of the user's own."""
    return bare_scratchpad(scope.step, scope.stop)


def _before(node: Node) -> str:
    """Upstream's note for an exception in a task's input."""
    return f"Before task with name '{node.name}' and path '{(PULL, node.name)}'"
