"""RunnableConfig: merging what a caller gave with what runs around the call (spec §7.2, §7.4).

Upstream: `_internal/_config.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from lgc.runtime.config.ambient import ambient
from lgc.runtime.config.idle_progress import is_progress_handler
from lgc.runtime.constants import CONF, CONF_RUNTIME
from lgc.runtime.public.errors import Unsupported
from lgc.runtime.public.runtime import Runtime
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

NO_CONFIG: Final[dict[str, Any]] = {"tags": [], "metadata": {}, CONF: {}}
"""What `merge_configs` returns where there is nothing to merge; shared, and never written."""


def merge_configs(*configs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The ambient config and `configs` merged, with every default but `recursion_limit`.

    Args:
        configs: RunnableConfigs, the later the stronger: what is bound to the graph,
            what the caller passed.

    Returns:
        A dict with `tags` (list), `metadata` (dict), `configurable` (dict), and what
        else was given. `recursion_limit` is there only when it was given explicitly.

    Raises:
        Unsupported: callbacks or a tracer are on.
    """
    return merge_inside(ambient(), *configs)


def merge_inside(
    outer: Mapping[str, Any] | None, *configs: Mapping[str, Any] | None
) -> dict[str, Any]:
    """`merge_configs` with another ambient config.

    Args:
        outer: the config of what runs around the call, or None.
        configs: as of `merge_configs`.

    Raises:
        As `merge_configs`.
    """
    merged: dict[str, Any] = {"tags": [], "metadata": {}, CONF: {}}
    inherited: list[str] = []
    if outer is not None:
        for key, value in outer.items():
            if _is_set(value):
                merged[key] = value.copy() if isinstance(value, (dict, list)) else value
        merged["metadata"] = dict(merged["metadata"])
        inherited = list(merged["tags"])
    passed = list(filter(None, configs))
    if passed and any(map(_addresses, passed)):
        # The caller addresses a thread of its own (spec §7.4).
        merged[CONF] = {}
    for config in passed:
        for key, value in config.items():
            if not _is_set(value):
                continue
            if key == CONF:
                merged[CONF] = {**merged[CONF], **value}
            elif key == "metadata":
                merged["metadata"] = merge_metadata(merged["metadata"], value)
            elif key == "tags":
                merged["tags"] = [*merged["tags"], *(t for t in value if t not in inherited)]
            elif key in _KEYS:
                merged[key] = value
        for key, value in config.items():
            if key not in _KEYS and _is_set(value):
                merged[CONF][key] = value
    conf = merged[CONF]
    if conf:
        for key in TO_METADATA:
            if key not in merged["metadata"] and conf.get(key):
                merged["metadata"][key] = conf[key]
    _refuse(merged)
    return merged


def with_parent_runtime(config: dict[str, Any]) -> dict[str, Any]:
    """The config of a run, in which the Runtime that a caller gave is one.

    Upstream looks at the store first, whatever the object is, and takes its context
    (pregel/main.py:_defaults, _coerce_parent_runtime).

    Args:
        config: what `merge_configs` returned.

    Raises:
        AttributeError: what stands in the place of the Runtime has no store.
    """
    conf = config[CONF]
    if CONF_RUNTIME not in conf:
        return config
    passed = conf[CONF_RUNTIME]
    store = passed.store
    if is_a(passed, "Runtime"):
        return config
    cls = loaded("langgraph.runtime", "Runtime") or Runtime
    runtime = cls(context=getattr(passed, "context", None), store=store)
    return {**config, CONF: {**conf, CONF_RUNTIME: runtime}}


def overlay_configs(*configs: Mapping[str, Any] | None) -> dict[str, Any]:
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
                merged[key] = merge_metadata(old or {}, value)
            elif key == "tags" and old:
                merged[key] = [*old, *value]
            elif key == CONF and old:
                merged[key] = {**old, **value}
            else:
                merged[key] = value
    merged.setdefault(CONF, {})
    return merged


def _addresses(config: Mapping[str, Any]) -> bool:
    conf = config.get(CONF) or {}
    return any(_is_set(conf.get(key)) for key in _COORDINATES)


def _is_set(value: Any) -> bool:
    return len(value) > 0 if isinstance(value, (list, tuple, dict)) else value is not None


def merge_metadata(base: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
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
    if not callbacks:
        return
    handlers: Any = callbacks
    if not isinstance(callbacks, list):
        handlers = [
            *getattr(callbacks, "handlers", [callbacks]),
            *getattr(callbacks, "inheritable_handlers", ()),
        ]
    if not all(map(is_progress_handler, handlers)):
        raise Unsupported("callbacks", "config['callbacks']")
