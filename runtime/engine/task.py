"""One node execution as a state machine: what to call next, and what came of it (spec §4.6, §7.2).

A task says what is to be called: the node's body, then each router. Whoever drives it calls that in
a context of its own, a Runnable that it returns in its place, and hands back the result or the
exception. So a task never waits, and the sync and the async driver share all that a node execution
means. A task keeps no context: the context of a call holds the task, and that would be a cycle.

The file has more than 500 lines because what a task writes, reads and shows is one state.
"""

from __future__ import annotations

import sys
import time
from _thread import allocate_lock
from typing import Any, Final

from lgc.runtime.config.ambient import TaskConfig
from lgc.runtime.config.nested import parent_namespace, without_task_ids
from lgc.runtime.config.task_config import (
    retried_config,
    retried_scratchpad,
    router_config,
    runtime,
    task_config,
)
from lgc.runtime.constants import (
    CONF,
    CONF_NODE_ERROR,
    CONF_RUNTIME,
    CONF_SCRATCHPAD,
    MISSING,
    PULL,
    PUSH,
)
from lgc.runtime.engine.node_cache import CacheKey
from lgc.runtime.engine.node_output import branch_to
from lgc.runtime.engine.program import AWAIT, CALL, GRAPH, INVOKE, Branch, Node, View
from lgc.runtime.engine.retry import NEVER, delay_before_retry, log_retry
from lgc.runtime.engine.run import RunScope
from lgc.runtime.engine.task_writes import TaskWrites
from lgc.runtime.ids import task_id
from lgc.runtime.public.commands import Command
from lgc.runtime.public.runtime import no_writer
from lgc.runtime.upstream import error_class, is_instance_of_error, loaded


class Task(TaskWrites):
    """One node execution of one superstep.

    Args:
        scope: the run it belongs to.
        node: what runs.
        value: its input.
        push: the position of its Send among the superstep's, or -1 when an edge started it.

    Attributes:
        is_over: nothing is left to be called: the task has finished or failed.
        router: the router to be called; None while it is the body.
        argument: what the router is given.
        error: what the task failed with, an interrupt included, once it is over; else None.
        is_cancelled: it failed because the run, or whoever has its asyncio task, cancelled it.
        cache_key: where its writes are kept, if they are.
        graphs: how many graphs its node has called.
        failures: how often its node has failed and was to run again.
        delay: the seconds to wait before the next call, which runs the node again; else NEVER.
        started: when its node was called, in seconds since the epoch.
        pad: its scratchpad, when it has something to resume.
        sent_timeout: the TimeoutPolicy of the Send that started it, if that has one; else None.
        attempt: what runs of it, while its node is timed (drivers.timed_attempt); else None.
        pending_output: a dict that its node has returned, and that is not in `writes` yet: it goes
            there when somebody looks at the task, which may be a thread that goes on behind it
            (fast path).
    """

    # Defaults of the class, because an interpreted object takes them over for nothing.
    started: float = 0.0
    error: BaseException | None = None
    pad: Any = None
    sent_timeout: Any = None
    attempt: Any = None
    pending_output: dict[Any, Any] | None = None
    is_over: bool = False
    is_cancelled: bool = False
    cache_key: CacheKey | None = None
    graphs: int = 0
    failures: int = 0
    delay: float = NEVER
    router: Router | None = None
    argument: Any = None
    _output: Any = None
    _successor: Node | None = None
    # The ParentCommand that meant this very graph.
    _redirect: BaseException | None = None
    _id: Any = ""
    _config: Any = None

    def __init__(self, scope: RunScope, node: Node, value: object, push: int) -> None:
        self.node = node
        self.push = push
        self.scope: RunScope = scope
        self.input: object = value
        self.step: int = scope.step
        self._checkpoint_id: str = scope.checkpoint_id

    # -- what is to be called ---------------------------------------------------

    def mark_started(self) -> None:
        """Notes when its first call is made."""
        self.started = time.time()
        if self._config is not None:
            # A config that was read before is told, too.
            self._config[CONF][CONF_RUNTIME] = runtime(self)

    def begin(self) -> None:
        """Starts it: the body is to be called next."""
        self.mark_started()
        if self.node.is_start:
            # __start__ has no user code; what it is given is what it returns.
            self.returned_output(self.input)

    def returned(self, result: Any) -> None:
        """What was to be called has returned `result`."""
        self.materialize_writes()
        router = self.router
        if router is None:
            self.returned_output(result)
            return
        try:
            self.add_targets(router.branch, result)
            self._route(router.number + 1)
        except BaseException as exc:
            self.raised(exc)

    def returned_output(self, output: Any) -> None:
        """The node's output is known: its writes, and the first router is to be called next."""
        try:
            self.add_output(output, self.scope.program)
            self._output = output
            self._route(0)
        except BaseException as exc:
            self.raised(exc)

    def begin_routing(self, output: dict[Any, Any], state: dict[str, Any]) -> None:
        """The first router is to be called next; what the node returned is not written yet.

        Args:
            output: what the node returned.
            state: what the router is given.
        """
        self._output = output
        self.pending_output = output
        self.argument = state
        self.router = Router(self, self.node.branches[0], 0)

    def _route(self, number: int) -> None:
        """The router at `number` among the node's is to be called next, or nothing is left."""
        branches = self.node.branches
        if number == len(branches):
            self.end()
            return
        branch = branches[number]
        router = Router(self, branch, number)
        self.argument = self.router_input(branch, self._output)
        self.router = router

    def end_routing(self, successor: Node) -> None:
        """Its only router has chosen; its writes are left to whoever looks at it yet.

        Args:
            successor: the node that was chosen; `__start__` for END.
        """
        self.router = None
        self.argument = None
        self._output = None
        self._successor = successor

    def end(self) -> None:
        """Nothing is left to be called."""
        self.is_over = True
        # The router holds the task: together they would wait for the garbage collector.
        self.router = None
        self.argument = None
        self._output = None
        self._redirect = None

    def raised(self, exc: BaseException) -> None:
        """What was to be called has raised: the task fails, or follows a Command for its graph."""
        self.materialize_writes()
        attempt = self.attempt
        if self._redirect is not None:
            # It failed while the redirect was handled, and is raised as it is.
            if attempt is not None:
                attempt.finish(exc)
            set_first_context(exc, self._redirect)
            self.error = exc
            self.end()
            return
        command = self._command_for_this_graph(exc)
        if command is None:
            if attempt is not None:
                attempt.finish(exc)
            failure = self._failure(exc)
            if self.node.retry and failure is exc:
                try:
                    if self._runs_again(exc):
                        return
                except Exception as refusal:
                    set_first_context(refusal, exc)
                    failure = refusal
            self.error = failure
            self.end()
            return
        # Routers run again.
        if attempt is not None:
            attempt.close()
        self._redirect = exc
        self.router = None
        self.returned_output(command)

    def _runs_again(self, exc: BaseException) -> bool:
        """Whether the node runs again after it has raised `exc`; its body is to be called then.

        Raises:
            Exception: what a policy's function has raised.
        """
        if not isinstance(exc, Exception) or is_instance_of_error(exc, "GraphBubbleUp"):
            return False
        self.failures += 1
        delay = delay_before_retry(self.node.retry, self.failures, exc)
        if delay == NEVER:
            return False
        log_retry(self.node.name, delay, self.failures, exc)
        self.delay = delay
        # In place: whoever has the config writes there.
        self.writes.clear()
        self.router = None
        self.argument = None
        self._output = None
        if self.pad is not None:
            self.pad = retried_scratchpad(self.pad)
        if self._config is not None:
            self._config = retried_config(self, self._config)
        return True

    def cancelled(self, exc: BaseException) -> None:
        """What was to be called was cancelled from outside, or never started."""
        self.materialize_writes()
        if self.attempt is not None:
            self.attempt.finish(exc)
        self.is_cancelled = True
        self.error = exc
        self.end()

    def forget_failure(self) -> None:
        """Drops what holds what it raised, and by the traceback the run."""
        self.error = None
        self._writes = None
        self._config = None

    def _command_for_this_graph(self, exc: BaseException) -> Any:
        """The Command of a ParentCommand that means this very graph, or None."""
        if not isinstance(exc, Exception) or not is_instance_of_error(exc, "ParentCommand"):
            return None
        command: Any = exc.args[0]
        namespace = self.namespace
        if command.graph in (namespace, without_task_ids(namespace), self.node.name):
            return command
        if command.graph == Command.PARENT:
            exc.args = (_for_graph(command, parent_namespace(namespace)),)
        return None

    def _failure(self, exc: BaseException) -> BaseException:
        """What a task fails with whose node raised `exc`: that, with upstream's note."""
        if not isinstance(exc, Exception):
            # Who raises asyncio's CancelledError has loaded asyncio; lgc does not.
            module = sys.modules.get("asyncio.exceptions")
            if module is None or not isinstance(exc, module.CancelledError):
                return exc
            cancelled: BaseException = error_class("NodeCancelledError")(self.node.name)
            cancelled.__cause__ = exc
            cancelled.__context__ = exc
            return cancelled
        if not is_instance_of_error(exc, "GraphBubbleUp"):
            add_note(exc, f"During task with name '{self.node.name}' and id '{self.id}'")
        return exc

    # -- what it is -------------------------------------------------------------

    @property
    def checkpoint_id(self) -> str:
        """The id of the checkpoint the task was prepared from."""
        return self._checkpoint_id or self.scope.ids.checkpoint_id(self.step - 1)

    @property
    def id(self) -> Any:
        """The task id (spec §4.6), a str; of an update, what the caller gave."""
        if not self._id:
            name = self.node.name
            what = (PULL, *self.node.triggers) if self.push < 0 else (PUSH, str(self.push))
            parts = (self.outer_namespace + name, str(self.step), name, *what)
            self._id = task_id(self.checkpoint_id, parts, self.scope.is_v1_checkpoint)
        return self._id

    @property
    def namespace(self) -> str:
        """The task's checkpoint namespace."""
        return f"{self.outer_namespace}{self.node.name}:{self.id}"

    @property
    def outer_namespace(self) -> str:
        """The namespace in which the task's is, with a separator behind it."""
        return self.scope.namespace

    def base_config(self) -> dict[str, Any]:
        """The config that the task's is made of."""
        return self.scope.config

    @property
    def config(self) -> Any:
        """The task's config; the same object wherever it is asked for, within a timed attempt."""
        attempt = self.attempt
        if attempt is not None and attempt.is_open:
            return attempt.config
        return self.untimed_config()

    def untimed_config(self) -> dict[str, Any]:
        """The task's config without what guards a timed attempt."""
        if self._config is None:
            self.materialize_writes()
            self._config = task_config(self)
        config: dict[str, Any] = self._config
        return config

    @property
    def timeout(self) -> Any:
        """How long an attempt of it may take, a TimeoutPolicy; None for any time."""
        return self.node.timeout if self.sent_timeout is None else self.sent_timeout

    @property
    def is_update(self) -> bool:
        """Whether it is of an update from outside, which is no run."""
        return False

    def materialize_writes(self) -> None:
        """Has its writes in `writes`, wherever they were gathered."""
        output = self.pending_output
        if output is not None:
            self.pending_output = None
            self.add_output(output, self.scope.program)
            if self._successor is not None and not self._successor.is_start:
                self.writes.append((branch_to(self._successor.name), None))

    def is_unseen(self) -> bool:
        """Whether nobody can have read the task, or written through it."""
        return self._config is None and self._writes is None

    @property
    def runtime(self) -> Any:
        """The task's `Runtime`."""
        return self.config[CONF][CONF_RUNTIME]

    @property
    def stream_writer(self) -> Any:
        """The writer of custom chunks."""
        return self.runtime.stream_writer

    @property
    def store(self) -> Any:
        """The run's store, or None."""
        return self.runtime.store

    @property
    def optional_store(self) -> Any:
        """As `store`; of routers it differs."""
        return self.runtime.store

    @property
    def previous(self) -> Any:
        """What the run before this one returned; None in a graph."""
        return self.runtime.previous

    @property
    def node_error(self) -> Any:
        """The NodeError that an error handler is told; None for any other node."""
        return self.config[CONF].get(CONF_NODE_ERROR)

    def count_graph(self) -> int:
        """Counts a graph that its node calls; how many it has called before."""
        with _COUNTING:  # the node may call several on threads of its own
            number = self.graphs
            self.graphs = number + 1
        return number

    def ambient(self) -> Any:
        """The task's config, not filled in before somebody looks at it."""
        # Code of a timed attempt may look at it behind the attempt.
        is_lazy = self.node.call in (CALL, AWAIT, GRAPH) and self.attempt is None
        return _lazy_config(self) if is_lazy else self.config

    def ambient_content(self) -> dict[str, Any]:
        """What `ambient` is filled with."""
        content: dict[str, Any] = self.config
        return content

    def runs_as(self) -> Any:
        """What stands for it in its context: itself, or its timed attempt, of which it has more."""
        return self if self.attempt is None else self.attempt

    def first_router_step(self) -> int:
        """The position of its first router in the sequence that upstream makes of a node.

        The node comes before it (each step of a sequence), its update, and its edges and joins.
        """
        node = self.node
        before = len(node.static) + (2 if node.is_start else 3)
        sequence = loaded("langchain_core.runnables.base", "RunnableSequence")
        if node.call == INVOKE and sequence is not None and isinstance(node.body, sequence):
            before += len(node.body.steps) - 1
        return before

    def scratchpad(self) -> Any:
        """The task's scratchpad, for managed values of the user's own."""
        return self.config[CONF][CONF_SCRATCHPAD]

    # -- what it reads ----------------------------------------------------------

    def read(self, select: Any, fresh: bool = False) -> Any:
        """Current state as this task sees it (pregel/_algo.py:local_read).

        Args:
            select: a key, or a list of keys.
            fresh: with this task's own writes applied to copies.

        Raises:
            KeyError: a key that no channel and no managed value has.
        """
        program = self.scope.program
        # As Any: mypyc's own lookup in a dict loses a missing key that is None or a tuple.
        index: Any = program.index
        if isinstance(select, str):
            return self._read([select], [index[select]], fresh).get(select)
        managed = program.managed
        keys = [key for key in select if key not in managed]
        state = self._read(keys, [index[key] for key in keys], fresh)
        for key in select:
            if key in managed:
                state[key] = managed[key].get(self.step, self.scope.stop, self.scratchpad)
        return state

    def _read(self, keys: list[str], slots: list[int], fresh: bool) -> dict[str, Any]:
        values = self.scope.values
        view = View(None, None)
        view.keys = keys
        view.slots = slots
        if fresh:
            self.scope.program.set_order(view)
            state = values.local(self, view)
        else:
            state = values.available(view)
        return values.with_triggers(state, self, view, fresh)

    def edge_input(self) -> object:
        """What the node of a task that a Send started would get from an edge; MISSING for nothing.

        Raises:
            Exception: what the node's schema raised.
        """
        view = self.node.view
        if view.reads is None:
            return self.scope.values.get(view.root)
        return self._complete(view, self.scope.values.available(view))

    def router_input(self, branch: Branch, output: Any) -> Any:
        """What a router is given: the state with this task's writes (graph/_branch.py:_route).

        Args:
            output: what the node returned.
        """
        view = branch.view
        values = self.scope.values
        state: Any = values.local(self, view)
        if view.reads is None:
            state = state.get("__root__")
        elif view.managed or view.schema is not None:
            state = self._complete(view, state)
        if branch.merges and isinstance(state, dict) and isinstance(output, dict):
            state = {**output, **state}
        return state

    def _complete(self, view: View, state: dict[str, Any]) -> object:
        """The managed values added, and the schema applied."""
        for value in view.managed:
            state[value.key] = value.get(self.scope.step, self.scope.stop, self.scratchpad)
        if view.schema is None:
            return state
        instance: object = view.schema(**state)
        return instance


class Router:
    """What the function of a conditional edge sees of its task (spec §7.5).

    In an update from outside there is no Runtime, unless the caller's config has one. Without it,
    what the function cannot do without is missing (_internal/_runnable.py:RunnableCallable).

    Args:
        task: the task; its config is the router's too, but for the callbacks.
        branch: the conditional edge.
        number: its place among the node's.
    """

    def __init__(self, task: Task, branch: Branch, number: int) -> None:
        self.task: Task = task
        self.branch: Branch = branch
        self.number: int = number
        self._config: Any = None

    @property
    def config(self) -> Any:
        """What the function gets that takes its config by name."""
        if self._config is None:
            position = self.task.first_router_step() + self.number
            self._config = router_config(self.task, [f"seq:step:{position}"])
        return self._config

    @property
    def runtime(self) -> Any:
        """The task's `Runtime`; raises ValueError when there is none."""
        runtime = self._runtime()
        if runtime is None:
            raise self._missing("N/A")
        return runtime

    @property
    def stream_writer(self) -> Any:
        """The writer of custom chunks; one that does nothing when there is no Runtime."""
        return self._field("stream_writer", no_writer)

    @property
    def store(self) -> Any:
        """The run's store, or None; raises ValueError when there is no Runtime."""
        return self._required("store")

    @property
    def optional_store(self) -> Any:
        """The run's store, or None."""
        return self._field("store", None)

    @property
    def previous(self) -> Any:
        """What the run before this one returned; raises ValueError when there is no Runtime."""
        return self._required("previous")

    def _runtime(self) -> Any:
        return self.task.config[CONF].get(CONF_RUNTIME) or None

    def _field(self, name: str, default: object) -> Any:
        runtime = self._runtime()
        return default if runtime is None else getattr(runtime, name, default)

    def _required(self, name: str) -> Any:
        value = self._field(name, MISSING)
        if value is MISSING:
            raise self._missing(name)
        return value

    def _missing(self, key: str) -> ValueError:
        return ValueError(f"Missing required config key '{key}' for '{self.branch.own_name}'.")

    def ambient(self) -> Any:
        """The ambient config, not filled in before somebody looks at it."""
        return _lazy_config(self) if self.task.attempt is None else self.ambient_content()

    def runs_as(self) -> Any:
        """What stands for it in its context: itself, whose config does not outlive its attempt."""
        if self.task.attempt is not None:
            self._config = self.config
        return self

    def ambient_content(self) -> dict[str, Any]:
        """What `ambient` is filled with."""
        return router_config(self.task, [])


def _lazy_config(current: Any) -> Any:
    """A config of a Task or Router that fills itself in when it is first looked at.

    Neither keeps it: a reference both ways would be a cycle, and every task would wait for the
    garbage collector.
    """
    config: Any = _TASK_CONFIG()
    config.task = current
    return config


# As constants, because native code looks other names up in a dict.
_TASK_CONFIG: Final[Any] = TaskConfig
_COUNTING: Final[Any] = allocate_lock()


def add_note(exc: BaseException, text: str) -> None:
    """Adds a note to an exception where Python has notes (3.11)."""
    add = getattr(exc, "add_note", None)
    if add is not None:
        add(text)


def set_first_context(exc: BaseException, handled: BaseException) -> None:
    """Gives the first exception of a chain the context that it would have in an `except`.

    Args:
        exc: what was raised; its chain may be a circle that a user has made.
        handled: what was being handled when it was.
    """
    chain = [exc]
    while exc is not handled:
        before = exc.__context__
        if before is None:
            exc.__context__ = handled
            return
        for known in chain:
            if known is before:
                return
        chain.append(before)
        exc = before


def _for_graph(command: Any, namespace: str) -> Any:
    """A Command for the graph of a namespace; "" is the root's."""
    return type(command)(
        graph=namespace, update=command.update, resume=command.resume, goto=command.goto
    )
