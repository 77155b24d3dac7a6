"""The config of one task and of its routers, as users' code sees them (spec §4.6, §7.2, §7.3).

Upstream: `pregel/_algo.py:prepare_single_task`. All of it is built when it is first read.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from collections.abc import Mapping
from itertools import count
from typing import Any

from lgc.runtime.config.idle_progress import progress_handlers
from lgc.runtime.config.local_read import edge_reader, reader
from lgc.runtime.config.merge import DEFAULT_RECURSION_LIMIT, merge_metadata
from lgc.runtime.config.scratchpad import Scratchpad
from lgc.runtime.constants import (
    CONF,
    CONF_CALL,
    CONF_CHECKPOINTER,
    CONF_DURABILITY,
    CONF_NODE_ERROR,
    CONF_READ,
    CONF_READ_STATE,
    CONF_REPLAY_STATE,
    CONF_RESUMING,
    CONF_RUNTIME,
    CONF_SCRATCHPAD,
    CONF_SEND,
    CONF_STREAM,
    CONF_TASK_ID,
    TAG_HIDDEN,
)
from lgc.runtime.public.errors import Unsupported
from lgc.runtime.public.runtime import ExecutionInfo, RunControl, Runtime, ServerInfo, no_writer
from lgc.runtime.upstream import current_class, loaded

_MAKING_CONTROL = allocate_lock()


def task_config(task: Any) -> dict[str, Any]:
    """The config of one task, as its node and what that calls see it; for routers `router_config`.

    Args:
        task: the engine's Task.
    """
    scope = task.scope
    base: dict[str, Any] = task.base_config()
    name: str = task.node.name
    failure = getattr(task, "failure", None)
    metadata = merge_metadata(
        base["metadata"],
        {
            "langgraph_step": task.step,
            "langgraph_node": name,
            "langgraph_triggers": task.triggers,
            "langgraph_path": task.path,
            "langgraph_checkpoint_ns": task.namespace,
            **(task.node.metadata or {}),
        },
    )
    # The config of a failed task has tags only where there are some.
    tags = [*base.get("tags", ()), *((TAG_HIDDEN,) if task.node.is_start else ())]
    config: dict[str, Any] = {"tags": tags} if tags else {}
    config["metadata"] = metadata
    for key in ("recursion_limit", "max_concurrency"):
        if key in base:
            config[key] = base[key]
    outer = base[CONF]
    saver = scope.saver if scope.saver is not None else scope.lent_saver
    pad = task.pad or scratchpad(task, [], outer_answer(outer))
    conf: dict[str, Any] = {
        **outer,
        CONF_TASK_ID: task.id,
        CONF_SEND: task.writes.extend,
        CONF_READ: reader(task, pad),
        CONF_READ_STATE: edge_reader(task) if task.push >= 0 and failure is None else None,
        CONF_CHECKPOINTER: saver,
        "checkpoint_map": {
            **outer.get("checkpoint_map", {}),
            outer.get("checkpoint_ns", ""): task.checkpoint_id,
        },
        "checkpoint_id": None,
        "checkpoint_ns": task.namespace,
        CONF_SCRATCHPAD: pad,
        CONF_RUNTIME: runtime(task),
        CONF_CALL: _refuse_call,
    }
    if failure is not None:
        failed = task.failed.node.name
        conf[CONF_NODE_ERROR] = current_class("NodeError")(node=failed, error=failure)
    elif scope.is_nested:
        # What the root says of it holds for the first superstep of each graph.
        if task.step != scope.first_step:
            conf.pop(CONF_RESUMING, None)
    else:
        conf[CONF_REPLAY_STATE] = scope.replay_state
        if task.step == scope.first_step:
            conf[CONF_RESUMING] = scope.resuming
    if task.failures:
        # Graphs in the node go on where they have failed.
        conf[CONF_RESUMING] = True
    if scope.options.durability is not None:
        conf[CONF_DURABILITY] = scope.options.durability
    if scope.forwarding is not None:
        conf[CONF_STREAM] = scope.forwarding
    config[CONF] = conf
    config["callbacks"] = _callbacks(task, config, [*tags, "seq:step:1"])
    return config


def retried_config(task: Any, config: dict[str, Any]) -> dict[str, Any]:
    """The config of a task whose node runs again.

    Args:
        task: the engine's Task.
        config: of the time before.
    """
    conf = config[CONF]
    return {
        **config,
        CONF: {
            **conf,
            CONF_RUNTIME: runtime(task),
            CONF_RESUMING: True,
            CONF_SCRATCHPAD: retried_scratchpad(conf[CONF_SCRATCHPAD]),
        },
    }


def update_config(task: Any) -> dict[str, Any]:
    """The config of a node's routers while an update from outside runs them.

    Upstream has a RunnableSequence of langchain-core call them, which adds to the metadata
    (langchain_core/runnables/config.py:ensure_config).

    Args:
        task: the engine's UpdateTask.
    """
    base: dict[str, Any] = task.scope.config
    metadata = dict(base["metadata"])
    for key in ("model", "checkpoint_ns"):
        if isinstance(base[CONF].get(key), str):
            metadata.setdefault(key, base[CONF][key])
    conf = {
        **base[CONF],
        CONF_SEND: task.writes.extend,
        CONF_TASK_ID: task.id,
        CONF_READ: reader(task, task.scratchpad()),
    }
    defaults = {"recursion_limit": DEFAULT_RECURSION_LIMIT}
    return {**defaults, **base, "metadata": metadata, CONF: conf}


def router_config(task: Any, own_tags: list[str]) -> dict[str, Any]:
    """The config of `task` as one of its conditional edges sees it: callbacks differ.

    Args:
        task: the engine's Task.
        own_tags: the tags that the callbacks do not hand down.
    """
    config = dict(task.config)
    callbacks = _callbacks(task, config, [*own_tags, *config.get("tags", ())])
    attempt = task.attempt
    config["callbacks"] = callbacks if attempt is None else attempt.watched(callbacks)
    return config


def _refuse_call(*args: Any, **kwargs: Any) -> Any:
    raise Unsupported("@task inside a node")


def no_answer(consume: bool = False) -> None:
    """Nobody has given an answer without an id."""
    return None


def outer_answer(conf: Mapping[str, Any]) -> Any:
    """What takes the answer that was given, without an id, to the run around a nested one.

    Args:
        conf: the `configurable` of the nested run's config.
    """
    return getattr(conf.get(CONF_SCRATCHPAD), "get_null_resume", no_answer)


def scratchpad(task: Any, answers: list[Any], answer: Any) -> Any:
    """The counters of a task; LangGraph's class when it is loaded.

    Args:
        task: the engine's Task.
        answers: what its interrupts have been answered so far.
        answer: takes the answer that the caller gave to whoever asks first.
    """
    return _pad(task.step, task.scope.stop, answers, answer, task.count_graph)


def retried_scratchpad(pad: Any) -> Any:
    """The scratchpad of a task whose node runs again: it asks its questions from the first on."""
    return type(pad)(
        step=pad.step,
        stop=pad.stop,
        call_counter=pad.call_counter,
        interrupt_counter=count().__next__,
        get_null_resume=pad.get_null_resume,
        resume=pad.resume,
        subgraph_counter=pad.subgraph_counter,
    )


def bare_scratchpad(step: int, stop: int) -> Any:
    """The counters of a superstep, for what looks at them outside of a task.

    Args:
        step, stop: the superstep and where the run stops.
    """
    return _pad(step, stop, [], no_answer, count().__next__)


def _pad(step: int, stop: int, answers: list[Any], answer: Any, count_graph: Any) -> Any:
    module = sys.modules.get("langgraph._internal._scratchpad")
    cls: Any = getattr(module, "PregelScratchpad", Scratchpad)
    return cls(
        step=step,
        stop=stop,
        call_counter=count().__next__,
        interrupt_counter=count().__next__,
        get_null_resume=answer,
        resume=answers,
        subgraph_counter=count_graph,
    )


def _callbacks(task: Any, config: dict[str, Any], tags: list[str]) -> Any:
    """A manager without handlers but those that tell an idle timeout of progress, as LangGraph
    hands down when nobody listens; without langchain these alone, or None."""
    handlers = progress_handlers(task.scope.config.get("callbacks"))
    module = sys.modules.get("langchain_core.callbacks.manager")
    if module is None:
        return handlers or None
    # langchain-core's own source of run ids; it is loaded with the manager.
    from langchain_core.utils.uuid import uuid7

    # The caller's `ls_integration`, if any, and the place of the key are upstream's.
    inherited = dict(task.scope.config["metadata"])
    if not task.is_update:
        inherited.setdefault("ls_integration", "langgraph")
    inherited.update(config["metadata"])
    return module.CallbackManager(
        handlers=handlers,
        inheritable_handlers=list(handlers),
        parent_run_id=uuid7(),
        tags=tags,
        inheritable_tags=list(config.get("tags", ())),
        metadata=inherited,
        inheritable_metadata=dict(inherited),
    )


def runtime(task: Any) -> Any:
    """The `Runtime` of one task; LangGraph's class when it is loaded (spec §7.3).

    The previous value, stream writer and execution info are the run's own; what else the
    run has not, the caller's Runtime gives.
    """
    conf = task.scope.config[CONF]
    module = sys.modules.get("langgraph.runtime")
    run_id = task.scope.config.get("run_id")
    info = getattr(module, "ExecutionInfo", ExecutionInfo)(
        checkpoint_id=task.checkpoint_id,
        checkpoint_ns=task.namespace,
        task_id=task.id,
        thread_id=conf.get("thread_id"),
        run_id=str(run_id) if run_id else None,
        node_attempt=task.failures + 1,
        node_first_attempt_time=task.started,
    )
    scope = task.scope
    parent = conf.get(CONF_RUNTIME)
    writer = no_writer
    if scope.write_custom is not None:
        writer = scope.write_custom if scope.forwarding is None else scope.forwarding.write
    elif scope.outer_stream is not None:
        writer = parent.stream_writer
    if scope.control is None:
        with _MAKING_CONTROL:  # parallel tasks share it
            if scope.control is None:
                scope.control = getattr(module, "RunControl", RunControl)()
    fields = {
        "context": scope.context,
        "store": scope.store,
        "stream_writer": writer,
        "execution_info": info,
        "control": scope.control,
        "server_info": _server_info(conf),
    }
    if parent is not None:
        fields["store"] = parent.store
        fields["heartbeat"] = parent.heartbeat
        fields["server_info"] = fields["server_info"] or parent.server_info
    return getattr(module, "Runtime", Runtime)(**fields)


def _server_info(conf: Mapping[str, Any]) -> Any:
    """What a server has put into `configurable` (pregel/main.py:_build_server_info), or None."""
    assistant_id, graph_id = conf.get("assistant_id"), conf.get("graph_id")
    user = conf.get("langgraph_auth_user")
    if not hasattr(user, "identity"):
        user = None
    if assistant_id is None and graph_id is None and user is None:
        return None
    cls = loaded("langgraph.runtime", "ServerInfo") or ServerInfo
    return cls(
        assistant_id=str(assistant_id) if assistant_id else "",
        graph_id=str(graph_id) if graph_id else "",
        user=user,
    )
