"""The state of a thread as its checkpoints tell it (spec §6: get_state, get_state_history)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from lgc.runtime.checkpointing.checkpointed_run import SavedRun
from lgc.runtime.checkpointing.task_status import Status, statuses
from lgc.runtime.config.task_config import ensure, merge
from lgc.runtime.constants import (
    CONF,
    CONF_CHECKPOINTER,
    NS_END,
    NS_SEP,
    NULL_TASK_ID,
    RETURN,
)
from lgc.runtime.engine.program import Output, Program
from lgc.runtime.engine.task import Task
from lgc.runtime.public.errors import Unsupported
from lgc.runtime.upstream import loaded


class PregelTask(NamedTuple):
    """A task of a StateSnapshot (types.py:PregelTask).

    Attributes:
        id, name, path: which one it is.
        error: how it failed, as it is stored, or None.
        interrupts: what it asked for.
        state: of a task that runs a subgraph.
        result: what it wrote, by key; None until it has finished.
    """

    id: str
    name: str
    path: tuple[Any, ...]
    error: Any = None
    interrupts: tuple[Any, ...] = ()
    state: Any = None
    result: Any = None


class StateSnapshot(NamedTuple):
    """The state of a thread at one checkpoint (types.py:StateSnapshot).

    Attributes:
        values: the state.
        next: the nodes that are due.
        config: addresses the checkpoint.
        metadata: the checkpoint's.
        created_at: when it was made, ISO 8601.
        parent_config: addresses its parent.
        tasks: what is due, or was done on it.
        interrupts: what waits for an answer.
    """

    values: Any
    next: tuple[str, ...]
    config: Any
    metadata: Any
    created_at: str | None
    parent_config: Any
    tasks: tuple[Any, ...]
    interrupts: tuple[Any, ...]


def get_state(
    program: Program,
    bound: Any,
    saver: Any,
    config: Any,
    output: Output,
    subgraphs: bool,
) -> Any:
    """The newest state of a thread, or that at the checkpoint which `config` addresses.

    Args:
        program: what runs on the thread.
        bound: the config bound to the graph, or None.
        saver: keeps the thread.
        config: the caller's; its thread_id becomes a str.
        output: what is reported of the state.
        subgraphs: with the states of the graphs that due nodes call.

    Returns:
        A StateSnapshot, LangGraph's when it is loaded. What tasks wrote that have finished is
        in it unless `config` has a checkpoint_id.

    Raises:
        KeyError: `config` has no thread_id.
        AttributeError: its checkpoint_ns is no text.
        Unsupported: such a node is due, and `subgraphs`.
        Exception: what the saver raised.
    """
    refuse_namespace(config[CONF], for_update=False)
    if bound:
        config = merge(bound, config)
    thread = config[CONF]["thread_id"]
    if not isinstance(thread, str):
        # In the caller's own config, as upstream does.
        config[CONF]["thread_id"] = str(thread)
    saved = saver.get_tuple(config)
    if saved is None:
        return _make("StateSnapshot", StateSnapshot)({}, (), config, None, None, None, (), ())
    live = "checkpoint_id" not in config[CONF]
    return _snapshot(program, saver, saved, output, live, subgraphs)


def get_state_history(
    program: Program,
    bound: Any,
    saver: Any,
    config: Any,
    output: Output,
    choice: dict[str, Any],
) -> Iterator[Any]:
    """The states of a thread, the newest first.

    Args:
        choice: `filter`, `before` and `limit`, as a saver's `list` takes them.
        The rest as in `get_state`.
    """
    config = ensure(config)
    conf = config[CONF]
    refuse_namespace(conf, for_update=False)
    own = {"checkpoint_ns": conf.get("checkpoint_ns", ""), "thread_id": str(conf["thread_id"])}
    config = merge(bound, config, {CONF: own})
    # All at once: a consumer who stops would hold up the saver's cursor.
    for saved in list(saver.list(config, **choice)):
        yield _snapshot(program, saver, saved, output, False, False)


def refuse_namespace(conf: Mapping[str, Any], *, for_update: bool) -> None:
    """Refuses a namespace that no state of this graph can be in (_subgraph_for_namespace).

    A graph without subgraphs reads what a namespace holds by its own channels, and updates it
    only when the saver is lent, as by a graph around it.

    Args:
        conf: the `configurable` of the caller's config.
        for_update: the state is to be written.

    Raises:
        ValueError: an update addresses a subgraph.
        AttributeError: the namespace is no text.
    """
    namespace = conf.get("checkpoint_ns", "")
    if not namespace or CONF_CHECKPOINTER in conf:
        return
    parts = [part.split(NS_END)[0] for part in namespace.split(NS_SEP) if not part.isdigit()]
    if for_update:
        raise ValueError(f"Subgraph {NS_SEP.join(parts)} not found")


def probe(program: Program, saver: Any, config: Any, output: Output) -> SavedRun:
    """A run that is not going to run: the channels and tasks of a checkpoint."""
    return SavedRun(
        program,
        config,
        1,
        output,
        False,
        False,
        False,
        False,
        True,
        None,
        None,
        None,
        saver,
        (),
        (),
        "sync",
    )


def with_parents(config: Any, metadata: Mapping[str, Any] | None) -> Any:
    """A config that addresses a checkpoint, with those of the graphs around it."""
    parents = (metadata or {}).get("parents")
    if config is None or not parents:
        return config
    conf = config[CONF]
    places = {**parents, conf["checkpoint_ns"]: conf["checkpoint_id"]}
    return {**config, CONF: {**conf, "checkpoint_map": places}}


def _snapshot(
    program: Program, saver: Any, saved: Any, output: Output, live: bool, subgraphs: bool
) -> Any:
    """What a checkpoint tells (pregel/main.py:_prepare_state_snapshot).

    Args:
        live: the state as it is now, not as it was when the superstep began.
        subgraphs: with the states of the graphs that due nodes call.

    Raises:
        Unsupported: such a node is due, and `subgraphs`.
    """
    run = probe(program, saver, saved.config, output)
    run.take(saved, saved.config)
    run.prepare_all()
    for task in run.tasks if subgraphs else ():
        if task.node.subgraph:
            raise Unsupported(
                "get_state(subgraphs=True) of a node that calls a graph", f"node {task.node.name!r}"
            )
    given = [write[1:] for write in run.pending_writes if write[0] == NULL_TASK_ID]
    if given:
        run.preview(given, [])
    found = statuses(run.pending_writes)
    if live:
        for task in run.tasks:
            if task.id in found:
                task.writes.extend(found[task.id].output)
        finished = [task for task in run.tasks if task.writes]
        if finished:
            run.preview(None, sorted(finished, key=lambda task: task.path_text))
    tasks = tuple(
        told(task, found.get(task.id, Status()), output, live, saved.config) for task in run.tasks
    )
    return _make("StateSnapshot", StateSnapshot)(
        run.read(),
        tuple(task.node.name for task in run.tasks if not task.writes),
        with_parents(saved.config, saved.metadata),
        saved.metadata,
        saved.checkpoint["ts"],
        with_parents(saved.parent_config, saved.metadata),
        tasks,
        tuple(question for task in tasks for question in task.interrupts),
    )


def told(task: Task, status: Status, output: Output, live: bool, place: Any) -> Any:
    """A task of a snapshot (pregel/debug.py:tasks_w_writes).

    Args:
        task, status: which one, and what became of it.
        output: the keys of its result.
        live: only what still waits for an answer counts as asked.
        place: the config that addresses the checkpoint.
    """
    asked = status.waiting if live else status.asked
    state = None
    if task.node.subgraph:
        # It says where the checkpoints of the graph are that the node calls.
        state = {CONF: {"thread_id": place[CONF]["thread_id"], "checkpoint_ns": task.namespace}}
    return _make("PregelTask", PregelTask)(
        task.id,
        task.node.name,
        task.path,
        status.error,
        tuple(asked),
        state,
        _result(status.output, output) if status.output else None,
    )


def _result(writes: list[tuple[str, Any]], output: Output) -> Any:
    for name, value in writes:
        if name == RETURN:
            return value
    result = by_key((name, value) for name, value in writes if name in output.keys)
    return result.get(output.keys[0]) if output.bare else result


def by_key(writes: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Writes by key; several to one as `{"$writes": [...]}`."""
    found: dict[str, Any] = {}
    for name, value in writes:
        if found.get(name) is None:
            found[name] = value
        elif isinstance(found[name], dict) and "$writes" in found[name]:
            found[name]["$writes"].append(value)
        else:
            found[name] = {"$writes": [found[name], value]}
    return found


def _make(name: str, own: Any) -> Any:
    """LangGraph's class when it is loaded, or lgc's."""
    return loaded("langgraph.types", name) or own
