"""How a task reads the state through its config (spec §4.6; pregel/_algo.py:local_read).

`configurable["__pregel_read"]` is a `functools.partial` upstream, and code outside LangGraph
looks behind it: langgraph-prebuilt's ToolNode takes the channels from `.args[1]`. So lgc's has
the same arguments, as views of the run's tables; none of them is there before a config is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from lgc.runtime.constants import MISSING
from lgc.runtime.upstream import error_class, loaded


def reader(task: Any, pad: Any) -> partial[Any]:
    """`configurable["__pregel_read"]` of a task: takes `(select, fresh=False)`.

    Args:
        task: the engine's Task.
        pad: its scratchpad.

    Returns:
        A partial with the arguments scratchpad, channels, managed values, task.
    """
    cls: Any = loaded("langgraph.pregel._algo", "PregelTaskWrites") or TaskWrites
    writes = cls(task.path, task.node.name, task.writes, task.triggers)
    managed = {key: ManagedView(value) for key, value in task.scope.program.managed.items()}
    return partial(local_read, pad, Channels(task), managed, writes)


def local_read(
    scratchpad: Any,
    channels: Channels,
    managed: Mapping[str, Any],
    task: Any,
    select: Any,
    fresh: bool = False,
) -> Any:
    """The state as a task sees it.

    Args:
        scratchpad, channels, managed, task: as `reader` bound them.
        select: a key, or a list of keys.
        fresh: with the task's own writes applied to copies.

    Raises:
        KeyError: a key that no channel and no managed value has.
    """
    return channels.read(select, fresh)


def edge_reader(task: Any) -> partial[Any]:
    """`configurable["__pregel_read_state"]` of a task that a Send started.

    Returns:
        A partial that takes nothing and gives what the node would get from an edge.
    """
    return partial(_edge_input, task)


def _edge_input(task: Any) -> Any:
    value = task.edge_input()
    if value is MISSING:
        return loaded("langgraph._internal._typing", "MISSING") or MISSING
    return value


class TaskWrites(NamedTuple):
    """What a task wrote, while LangGraph's class of this kind is not loaded."""

    path: tuple[Any, ...]
    name: str
    writes: Any
    triggers: Any


class Channels(Mapping[str, Any]):
    """The channels of a run by name, as one of its tasks sees them.

    Args:
        task: the engine's Task.
    """

    __slots__ = ("_task",)

    def __init__(self, task: Any) -> None:
        self._task = task

    def __getitem__(self, name: str) -> ChannelView:
        if name not in self._task.scope.program.index:
            raise KeyError(name)
        return ChannelView(self._task, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._task.scope.program.index)

    def __len__(self) -> int:
        return len(self._task.scope.program.index)

    def read(self, select: Any, fresh: bool) -> Any:
        """What `local_read` gives."""
        return self._task.read(select, fresh)


class ChannelView:
    """A channel that can be read only.

    Args:
        task: who reads.
        key: its name.
    """

    __slots__ = ("_task", "key")

    def __init__(self, task: Any, key: str) -> None:
        self._task = task
        self.key = key

    def get(self) -> Any:
        """The value.

        Raises:
            EmptyChannelError: there is none.
        """
        values = self._task.read([self.key])
        if self.key not in values:
            raise error_class("EmptyChannelError")()
        return values[self.key]

    def is_available(self) -> bool:
        """Whether it has a value."""
        return self.key in self._task.read([self.key])


class ManagedView:
    """A managed value by its scratchpad, as upstream's are.

    Args:
        value: the program's Managed.
    """

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def get(self, scratchpad: Any) -> Any:
        """The value for the task of a scratchpad."""
        return self._value.get(scratchpad.step, scratchpad.stop, lambda: scratchpad)
