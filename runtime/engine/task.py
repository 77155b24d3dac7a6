"""Tasks: what one node execution is, and what user code sees of it (spec §4.6, §7.2)."""

from __future__ import annotations

import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from lgc.runtime.config.task_config import (
    CURRENT,
    TaskConfig,
    langchain_var,
    router_config,
    runtime,
    scratchpad,
    task_config,
    update_config,
)
from lgc.runtime.constants import CONF, CONF_RUNTIME, INTERRUPT, PULL, PUSH
from lgc.runtime.engine.node_output import RUNNABLES, is_runnable
from lgc.runtime.engine.program import CALL, CALL_WITH_TASK, INVOKE, Branch, Node, View
from lgc.runtime.ids import path_text, task_id
from lgc.runtime.upstream import loaded

if TYPE_CHECKING:
    from lgc.runtime.engine.loop import Run


class Task:
    """One node execution of one superstep.

    Args:
        run, node: what runs.
        value: its input.
        push: the position of its Send among the superstep's, or -1 when an edge started it.

    Attributes:
        pad: its scratchpad, when it has something to resume.
    """

    def __init__(self, run: Run, node: Node, value: object, push: int) -> None:
        self.push: int = push
        self.run: Run = run
        self.node: Node = node
        self.input: object = value
        # What it wrote is not in `writes` yet but in the run's `pending` (plain lane).
        self.gathered: bool = False
        self.step: int = run.step
        self.started: float = 0.0
        self.error: BaseException | None = None
        self.pad: Any = None
        self._checkpoint_id: str = run.current
        self._id: Any = ""
        self._config: Any = None
        self._writes: list[tuple[str, object]] | None = None

    def start(self) -> None:
        """Notes when its node is called; a config that was read before is told, too."""
        self.started = time.time()
        if self._config is not None:
            self._config[CONF][CONF_RUNTIME] = runtime(self)

    @property
    def writes(self) -> list[tuple[str, object]]:
        """What it wrote, in order: `(channel, value)`."""
        if self._writes is None:
            self._writes = []
        return self._writes

    @property
    def path(self) -> tuple[Any, ...]:
        """The task path (spec §4.4)."""
        return (PULL, self.node.name) if self.push < 0 else (PUSH, self.push, False)

    @property
    def path_text(self) -> str:
        """The path as savers sort by it."""
        return self.node.path_text if self.push < 0 else path_text(self.path)

    @property
    def triggers(self) -> tuple[str, ...]:
        """What can have started it."""
        return self.node.triggers if self.push < 0 else (PUSH,)

    @property
    def checkpoint_id(self) -> str:
        """The id of the checkpoint the task was prepared from."""
        return self._checkpoint_id or self.run.draws.checkpoint_id(self.step - 1)

    @property
    def id(self) -> Any:
        """The task id (spec §4.6), a str; of an update, what the caller gave."""
        if not self._id:
            name = self.node.name
            what = (PULL, *self.node.triggers) if self.push < 0 else (PUSH, str(self.push))
            parts = (self.run.namespace + name, str(self.step), name, *what)
            self._id = task_id(self.checkpoint_id, parts, self.run.first_layout)
        return self._id

    @property
    def namespace(self) -> str:
        """The task's checkpoint namespace."""
        return f"{self.run.namespace}{self.node.name}:{self.id}"

    @property
    def config(self) -> Any:
        """The task's config; the same object wherever it is asked for."""
        if self._config is None:
            if self.gathered:
                self.run.spill(self)
            self._config = task_config(self)
        return self._config

    def is_unseen(self) -> bool:
        """Whether nobody can have read the task, or written through it."""
        return self._config is None and self._writes is None

    @property
    def runtime(self) -> Any:
        """The task's `Runtime`."""
        return self.config["configurable"]["__pregel_runtime"]

    def ambient(self) -> Any:
        """The task's config, not filled in before somebody looks at it."""
        return _lazy(self) if self.node.call == CALL else self.config

    def ambient_content(self) -> dict[str, Any]:
        """What `ambient` is filled with."""
        content: dict[str, Any] = self.config
        return content

    def read(self, select: Any, fresh: bool = False) -> Any:
        """Current state as this task sees it (pregel/_algo.py:local_read).

        Args:
            select: a key, or a list of keys.
            fresh: with this task's own writes applied to copies.
        """
        run = self.run
        # As Any: mypyc's own lookup in a dict loses a missing key that is None or a tuple.
        index: Any = run.program.index
        if isinstance(select, str):
            return self._read([select], [index[select]], fresh).get(select)
        managed = run.program.managed
        keys = [key for key in select if key not in managed]
        state = self._read(keys, [index[key] for key in keys], fresh)
        for key in select:
            if key in managed:
                state[key] = managed[key].get(self.step, run.stop, self.scratchpad)
        return state

    def _read(self, keys: list[str], slots: list[int], fresh: bool) -> dict[str, Any]:
        run = self.run
        if fresh:
            view = View(None, None)
            view.keys = keys
            view.slots = slots
            run.program.set_order(view)
            state = run.local(self, view)
        else:
            state = run.available(keys, slots)
        return run.with_triggers(state, self, keys, slots, fresh)

    def scratchpad(self) -> Any:
        """The task's scratchpad, for managed values of the user's own."""
        return self.config["configurable"]["__pregel_scratchpad"]


class UpdateTask(Task):
    """The writers of a node, run for an update from outside (spec §6, bulk_update_state).

    Args:
        run, node: whose writers run.
        number: which of the update's tasks it is.
        given: its id.
    """

    def __init__(self, run: Run, node: Node, number: int, given: Any) -> None:
        super().__init__(run, node, None, number)
        self._id = given

    @property
    def path(self) -> tuple[Any, ...]:
        return (INTERRUPT, self.push)

    @property
    def triggers(self) -> tuple[str, ...]:
        return (INTERRUPT,)

    @property
    def config(self) -> Any:
        if self._config is None:
            self._config = update_config(self)
        return self._config

    def scratchpad(self) -> Any:
        """Not in the config: a router finds none there."""
        return scratchpad(self.step, self.run.stop)


class Router:
    """What the function of a conditional edge sees of its task (spec §7.5).

    Args:
        task: the task; its config is the router's too, but for the callbacks.
        number: which of the node's conditional edges it is.
    """

    def __init__(self, task: Task, number: int) -> None:
        self.task: Task = task
        self.number: int = number
        self._config: Any = None

    @property
    def config(self) -> Any:
        """What the function gets that takes its config by name."""
        if self._config is None:
            task = self.task
            # Upstream counts the node (each step of a sequence), its update, and a step for
            # every static edge and join.
            node = task.node
            before = len(node.static) + (2 if node.is_start else 3)
            sequence = loaded(RUNNABLES, "RunnableSequence")
            if node.call == INVOKE and sequence is not None and isinstance(node.body, sequence):
                before += len(node.body.steps) - 1
            position = before + self.number
            self._config = router_config(task, [f"seq:step:{position}"])
        return self._config

    @property
    def runtime(self) -> Any:
        """The task's `Runtime`."""
        return self.task.runtime

    def ambient(self) -> Any:
        """The ambient config, not filled in before somebody looks at it."""
        return _lazy(self)

    def ambient_content(self) -> dict[str, Any]:
        """What `ambient` is filled with."""
        return router_config(self.task, [])


def _lazy(current: Any) -> Any:
    """A config for a Task or Router, still empty.

    It is not kept: with a reference both ways every task would wait for the garbage collector.
    """
    config = TaskConfig()
    config.task = current
    return config


def _set_ambient(current: Any) -> None:
    """Sets the ambient config of a Task or Router; called inside a context of its own."""
    var = _LANGCHAIN.var
    if var is None:
        _SET_CURRENT(current)
    else:
        var.set(current.ambient())


def find_langchain() -> None:
    """Looks for langchain-core's contextvar: at the start of a run, and when it is loaded."""
    if _LANGCHAIN.var is None:
        _LANGCHAIN.var = langchain_var()


class _Langchain:
    """Where langchain-core's contextvar is kept once it has been found."""

    def __init__(self) -> None:
        self.var: Any = None


def _enter_node(task: Task) -> Any:
    """Runs a node in a context of its own; its output."""
    _set_ambient(task)
    return _call(task.node.call, task.node.body, task.input, task)


def _enter_path(router: Router, branch: Branch, value: Any) -> Any:
    """Runs the function of a conditional edge in a context of its own; what it returned."""
    _set_ambient(router)
    return _call(branch.call, branch.path, value, router)


def _call(how: int, body: Any, value: Any, current: Any) -> Any:
    """Calls a body as its row says; a Runnable that it returns is invoked in its place."""
    output: Any
    if how == CALL:
        output = body(value)
    elif how == CALL_WITH_TASK:
        output = body(value, current)
    else:
        return body.invoke(value, current.config)
    # The usual results are no Runnables; the test for one costs a look into sys.modules.
    kind = type(output)
    if kind is not dict and kind is not str and output is not None and is_runnable(output):
        return output.invoke(value, current.config)
    return output


def run_node(task: Task) -> Any:
    """The output of a task's node, run in a copied context."""
    return _COPY_CONTEXT().run(_ENTER_NODE, task)


def run_path(router: Router, branch: Branch, value: Any) -> Any:
    """What the function of a conditional edge returns, run in a copied context."""
    return _COPY_CONTEXT().run(_ENTER_PATH, router, branch, value)


_LANGCHAIN: Final = _Langchain()
# As constants, because native code looks other names up in a dict.
_COPY_CONTEXT: Final = copy_context
_SET_CURRENT: Final = CURRENT.set
_ENTER_NODE: Final = _enter_node
_ENTER_PATH: Final = _enter_path
