"""RunnableConfig: merging what a caller gave, and the config a task sees.

Rules: spec §4.6, §7.2, §7.4; upstream `_internal/_config.py` and
`pregel/_algo.py:prepare_single_task`. A task's config is built when it is first
read: most nodes never do, and it costs more than the node. This file stays
interpreted because `TaskConfig` derives from dict.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock
from collections.abc import Mapping
from contextvars import ContextVar
from itertools import count
from typing import Any, Final

from lgc.runtime.config.local_read import edge_reader, reader
from lgc.runtime.config.scratchpad import Scratchpad
from lgc.runtime.constants import (
    CONF,
    CONF_CALL,
    CONF_CHECKPOINTER,
    CONF_DURABILITY,
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
from lgc.runtime.upstream import is_a, loaded

DEFAULT_RECURSION_LIMIT: Final = int(os.getenv("LANGGRAPH_DEFAULT_RECURSION_LIMIT", "10007"))

_KEYS = frozenset(
    (
        "callbacks",
        "configurable",
        "max_concurrency",
        "metadata",
        "recursion_limit",
        "run_id",
        "run_name",
        "tags",
    )
)
_COORDINATES = ("thread_id", "checkpoint_ns", "checkpoint_id", "checkpoint_map")
TO_METADATA = (
    "thread_id",
    "checkpoint_id",
    "checkpoint_ns",
    "task_id",
    "run_id",
    "assistant_id",
    "graph_id",
)

_MAKING_CONTROL = allocate_lock()

CURRENT: ContextVar[Any] = ContextVar("lgc_task", default=None)
"""The task whose node is running, for code that does not load langchain-core."""


def langchain_var() -> Any:
    """langchain-core's contextvar of the ambient config, or None while it is not loaded."""
    module = sys.modules.get("langchain_core.runnables.config")
    return getattr(module, "var_child_runnable_config", None)


def ensure(*configs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The ambient config and `configs` merged, with every default but `recursion_limit`.

    Args:
        configs: RunnableConfigs, the later the stronger: what is bound to the graph,
            what the caller passed.

    Returns:
        A dict with `tags` (list), `metadata` (dict), `configurable` (dict), and what
        else was given. `recursion_limit` is there only when it was given explicitly; a
        Runtime in `configurable` is one, whatever stood in its place.

    Raises:
        Unsupported: callbacks or a tracer are on, or the call comes from inside a task.
        AttributeError: what stands in the place of the caller's Runtime has no store.
    """
    merged: dict[str, Any] = {"tags": [], "metadata": {}, CONF: {}}
    inherited: list[str] = []
    outer = ambient()
    if outer is not None:
        for key, value in outer.items():
            if _given(value):
                merged[key] = value.copy() if isinstance(value, (dict, list)) else value
        merged["metadata"] = dict(merged["metadata"])
        inherited = list(merged["tags"])
    given = list(filter(None, configs))
    if given and any(map(_addresses, given)):
        # The caller addresses a thread of its own (spec §7.4).
        merged[CONF] = {}
    for config in given:
        for key, value in config.items():
            if not _given(value):
                continue
            if key == CONF:
                merged[CONF] = {**merged[CONF], **value}
            elif key == "metadata":
                merged["metadata"] = _merge_metadata(merged["metadata"], value)
            elif key == "tags":
                merged["tags"] = [*merged["tags"], *(t for t in value if t not in inherited)]
            elif key in _KEYS:
                merged[key] = value
        for key, value in config.items():
            if key not in _KEYS and _given(value):
                merged[CONF][key] = value
    conf = merged[CONF]
    if conf:
        for key in TO_METADATA:
            if key not in merged["metadata"] and conf.get(key):
                merged["metadata"][key] = conf[key]
    _refuse(merged)
    if CONF_RUNTIME in conf:
        merged[CONF] = {**conf, CONF_RUNTIME: _parent_runtime(conf[CONF_RUNTIME])}
    return merged


def at_root(config: dict[str, Any]) -> dict[str, Any]:
    """The config of a run that no task started: such a run has the root's namespace.

    Args:
        config: what `ensure` gave. A namespace in it is dropped, together with the
            checkpoint_id, which names a checkpoint of that namespace (pregel/_loop.py).
    """
    conf = config[CONF]
    if not conf.get("checkpoint_ns"):
        return config
    return {**config, CONF: {**conf, "checkpoint_ns": "", "checkpoint_id": None}}


def merge(*configs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Configs merged without defaults or ambient config (_internal/_config.py:merge_configs).

    Args:
        configs: RunnableConfigs, the later the stronger; what is false in one says nothing.
    """
    merged: dict[str, Any] = {}
    for config in configs:
        for key, value in (config or {}).items():
            if not value:
                continue
            old = merged.get(key)
            if key == "metadata":
                merged[key] = _merge_metadata(old or {}, value)
            elif key == "tags" and old:
                merged[key] = [*old, *value]
            elif key == CONF and old:
                merged[key] = {**old, **value}
            else:
                merged[key] = value
    merged.setdefault(CONF, {})
    return merged


def ambient() -> Mapping[str, Any] | None:
    """The config of the node, router or Runnable that is running, or None outside of one."""
    var = langchain_var()
    found: Mapping[str, Any] | None = None if var is None else var.get()
    if found:
        return found
    task = CURRENT.get()
    if task is not None:
        found = task.config
    return found


def _addresses(config: Mapping[str, Any]) -> bool:
    conf = config.get(CONF) or {}
    return any(_given(conf.get(key)) for key in _COORDINATES)


def _given(value: Any) -> bool:
    return len(value) > 0 if isinstance(value, (list, tuple, dict)) else value is not None


def _merge_metadata(base: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = {k: dict(v) if isinstance(v, Mapping) else v for k, v in base.items()}
    for key, value in new.items():
        old = merged.get(key)
        if key == "lc_versions" and isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = {**old, **value}
        else:
            merged[key] = dict(value) if isinstance(value, Mapping) else value
    return merged


def _refuse(merged: dict[str, Any]) -> None:
    callbacks = merged.get("callbacks")
    if callbacks and not (
        hasattr(callbacks, "handlers")
        and not callbacks.handlers
        and not callbacks.inheritable_handlers
    ):
        raise Unsupported("callbacks", "config['callbacks']")
    if CONF_TASK_ID in merged[CONF]:
        raise Unsupported("a graph called inside a node of another graph")
    if CONF_STREAM in merged[CONF]:
        raise Unsupported("a stream of another graph", CONF_STREAM)


def task_config(task: Any) -> dict[str, Any]:
    """The config of one task, as its node and what that calls see it; for routers `router_config`.

    Args:
        task: the engine's Task.
    """
    run = task.run
    base: dict[str, Any] = run.config
    name: str = task.node.name
    metadata = _merge_metadata(
        base["metadata"],
        {
            "langgraph_step": task.step,
            "langgraph_node": name,
            "langgraph_triggers": task.triggers,
            "langgraph_path": task.path,
            "langgraph_checkpoint_ns": task.namespace,
        },
    )
    tags = [*base["tags"], TAG_HIDDEN] if task.node.is_start else list(base["tags"])
    config: dict[str, Any] = {"tags": tags} if tags else {}
    config["metadata"] = metadata
    for key in ("recursion_limit", "max_concurrency"):
        if key in base:
            config[key] = base[key]
    pad = task.pad or scratchpad(task.step, run.stop)
    conf: dict[str, Any] = {
        **base[CONF],
        CONF_REPLAY_STATE: run.replay_state,
        CONF_TASK_ID: task.id,
        CONF_SEND: task.writes.extend,
        CONF_READ: reader(task, pad),
        CONF_READ_STATE: edge_reader(task) if task.push >= 0 else None,
        CONF_CHECKPOINTER: run.saver,
        "checkpoint_map": {**base[CONF].get("checkpoint_map", {}), "": task.checkpoint_id},
        "checkpoint_id": None,
        "checkpoint_ns": task.namespace,
        CONF_SCRATCHPAD: pad,
        CONF_RUNTIME: runtime(task),
        CONF_CALL: _refuse_call,
    }
    if task.step == run.first_step:
        conf[CONF_RESUMING] = run.resuming
    if run.durability is not None:
        conf[CONF_DURABILITY] = run.durability
    if run.nested is not None:
        conf[CONF_STREAM] = run.nested
    config[CONF] = conf
    config["callbacks"] = _callbacks(task, config, [*tags, "seq:step:1"])
    return config


def update_config(task: Any) -> dict[str, Any]:
    """The config of a node's routers while an update from outside runs them.

    Args:
        task: the engine's UpdateTask.
    """
    base: dict[str, Any] = task.run.config
    conf = {
        **base[CONF],
        CONF_SEND: task.writes.extend,
        CONF_TASK_ID: task.id,
        CONF_READ: reader(task, task.scratchpad()),
    }
    return {**base, CONF: conf}


def router_config(task: Any, own_tags: list[str]) -> dict[str, Any]:
    """The config of `task` as one of its conditional edges sees it: callbacks differ.

    Args:
        task: the engine's Task.
        own_tags: the tags that the callbacks do not hand down.
    """
    config = dict(task.config)
    config["callbacks"] = _callbacks(task, config, [*own_tags, *config.get("tags", ())])
    return config


def _refuse_call(*args: Any, **kwargs: Any) -> Any:
    raise Unsupported("@task inside a node")


def _no_resume(consume: bool = False) -> None:
    return None


def scratchpad(
    step: int, stop: int, answers: list[Any] | None = None, answer: Any = _no_resume
) -> Any:
    """The counters of a task; LangGraph's class when it is loaded.

    Args:
        step, stop: the superstep and where the run stops.
        answers: what its interrupts have been answered so far.
        answer: takes the answer that the caller gave to whoever asks first.
    """
    module = sys.modules.get("langgraph._internal._scratchpad")
    cls: Any = getattr(module, "PregelScratchpad", Scratchpad)
    return cls(
        step=step,
        stop=stop,
        call_counter=count().__next__,
        interrupt_counter=count().__next__,
        get_null_resume=answer,
        resume=[] if answers is None else answers,
        subgraph_counter=count().__next__,
    )


def _callbacks(task: Any, config: dict[str, Any], tags: list[str]) -> Any:
    """An empty manager, as LangGraph hands down when nobody listens; None without langchain."""
    module = sys.modules.get("langchain_core.callbacks.manager")
    if module is None:
        return None
    # langchain-core's own source of run ids; it is loaded with the manager.
    from langchain_core.utils.uuid import uuid7

    # The caller's `ls_integration`, if any, and the place of the key are upstream's.
    inherited = dict(task.run.config["metadata"])
    inherited.setdefault("ls_integration", "langgraph")
    inherited.update(config["metadata"])
    return module.CallbackManager(
        handlers=[],
        inheritable_handlers=[],
        parent_run_id=uuid7(),
        tags=tags,
        inheritable_tags=list(config.get("tags", ())),
        metadata=inherited,
        inheritable_metadata=dict(inherited),
    )


def _parent_runtime(given: Any) -> Any:
    """The Runtime that a caller gave; of another object its context and store are taken.

    Upstream looks at the store first, whatever the object is (pregel/main.py:_defaults,
    _coerce_parent_runtime).
    """
    store = given.store
    if not is_a(given, "Runtime"):
        cls = loaded("langgraph.runtime", "Runtime") or Runtime
        return cls(context=getattr(given, "context", None), store=store)
    return given


def runtime(task: Any) -> Any:
    """The `Runtime` of one task; LangGraph's class when it is loaded (spec §7.3).

    The previous value, stream writer and execution info are the run's own; what else the
    run has not, the caller's Runtime gives.
    """
    conf = task.run.config[CONF]
    module = sys.modules.get("langgraph.runtime")
    run_id = task.run.config.get("run_id")
    info = getattr(module, "ExecutionInfo", ExecutionInfo)(
        checkpoint_id=task.checkpoint_id,
        checkpoint_ns=task.namespace,
        task_id=task.id,
        thread_id=conf.get("thread_id"),
        run_id=str(run_id) if run_id else None,
        node_attempt=1,
        node_first_attempt_time=task.started,
    )
    run = task.run
    writer = no_writer
    if run.custom:
        writer = run.write_custom if run.nested is None else run.nested.write
    parent = conf.get(CONF_RUNTIME)
    if run.control is None:
        with _MAKING_CONTROL:  # parallel tasks share it
            if run.control is None:
                run.control = getattr(module, "RunControl", RunControl)()
    found = {
        "context": run.context,
        "store": run.store,
        "stream_writer": writer,
        "execution_info": info,
        "control": run.control,
        "server_info": _server_info(conf),
    }
    if parent is not None:
        found["store"] = parent.store
        found["heartbeat"] = parent.heartbeat
        found["server_info"] = found["server_info"] or parent.server_info
    return getattr(module, "Runtime", Runtime)(**found)


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


class TaskConfig(dict[str, Any]):
    """A task's or router's config that fills itself in when it is first looked at.

    It is what langchain-core's contextvar holds while a node runs that does not
    ask for its config by name.
    """

    __slots__ = ("task",)
    task: Any

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (dict, (dict(self),))


def _filling(name: str) -> Any:
    inherited = getattr(dict, name)

    def method(self: TaskConfig, *args: Any, **kwargs: Any) -> Any:
        task = self.task
        if task is not None:
            # Filled before the mark goes: another thread must not see it empty.
            dict.update(self, task.ambient_content())
            self.task = None
        return inherited(self, *args, **kwargs)

    method.__name__ = name
    return method


for _name in [
    "__contains__",
    "__delitem__",
    "__eq__",
    "__getitem__",
    "__ior__",
    "__iter__",
    "__len__",
    "__ne__",
    "__or__",
    "__repr__",
    "__reversed__",
    "__ror__",
    "__setitem__",
    "clear",
    "copy",
    "get",
    "items",
    "keys",
    "pop",
    "popitem",
    "setdefault",
    "update",
    "values",
]:
    setattr(TaskConfig, _name, _filling(_name))
