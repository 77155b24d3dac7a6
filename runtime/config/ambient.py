"""What runs now: the config that `get_config`, `interrupt` and nested calls find (spec §7.2).

langchain-core's contextvar holds it once that is loaded, lgc's own before. A config is built when
it is first looked at: most nodes never do, and it costs more than the node. This file stays
interpreted because `TaskConfig` derives from dict.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from lgc.runtime.upstream import langchain_var

CURRENT: ContextVar[Any] = ContextVar("lgc_task", default=None)
"""The Task or Router that is running, for code that does not load langchain-core."""


def ambient() -> Mapping[str, Any] | None:
    """The config of the node, router or Runnable that is running, or None outside of one."""
    var = langchain_var()
    config: Mapping[str, Any] | None = None if var is None else var.get()
    if config:
        return config
    task = CURRENT.get()
    if task is not None:
        config = task.config
    return config


def has_ambient() -> bool:
    """Whether `ambient` would find something; nothing is built to find out."""
    if CURRENT.get() is not None:
        return True
    var = langchain_var()
    return var is not None and var.get() is not None


def current() -> Any:
    """The Task or Router that is running, if nobody has looked at its config yet; else None."""
    var = langchain_var()
    config = None if var is None else var.get()
    if config is None:
        return CURRENT.get()
    return config.task if type(config) is TaskConfig else None


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
