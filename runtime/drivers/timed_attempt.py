"""One attempt of a node that has a timeout, on an asyncio event loop (spec §4.9).

An attempt is what runs between two retries: the node's body and its routers, called one after the
other. Each call is an asyncio task that is waited for until a timeout is up. Then it is cancelled
and left to itself; whatever it does afterwards through what it was handed reaches nobody.

Upstream: pregel/_retry.py:_arun_with_timeout, _TimedAttemptScope. This file stays interpreted, as
`drivers/async_calls` does.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextvars import copy_context
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lgc.runtime.config.idle_progress import watched_callbacks
from lgc.runtime.constants import (
    CONF,
    CONF_CALL,
    CONF_RUNTIME,
    CONF_SEND,
    CONF_STREAM,
    CONF_TIMED_ATTEMPT_OBSERVER,
)
from lgc.runtime.drivers.async_calls import AsyncCalls, is_own
from lgc.runtime.engine.retry import NEVER
from lgc.runtime.engine.task import Task
from lgc.runtime.upstream import error_class, is_instance_of_error, loaded

if TYPE_CHECKING:
    from datetime import datetime

_UPSTREAM: Final = "langgraph.pregel._retry"


class AttemptContext(NamedTuple):
    """What an observer is told of every event of an attempt (upstream: _AttemptContext).

    Attributes:
        attempt: 1 for the first attempt of the task.
        run_id, thread_id, checkpoint_ns: as the node's execution info has them.
        run_timeout_secs, idle_timeout_secs: the timeouts, or None.
        refresh_on: "auto" or "heartbeat"; None without an idle timeout.
    """

    task_id: str
    task_name: str
    attempt: int
    run_id: str | None
    thread_id: str | None
    checkpoint_ns: str | None
    started_at: datetime
    run_timeout_secs: float | None
    idle_timeout_secs: float | None
    refresh_on: str | None


class AttemptEvent(NamedTuple):
    """What an observer is told (upstream: _AttemptEvent).

    Attributes:
        event: "start", "progress" or "finish".
        status: of a finish "success" or "error"; else None.
    """

    context: Any
    event: str
    progress_at: datetime | None = None
    finished_at: datetime | None = None
    status: str | None = None
    error_type: str | None = None
    error_message: str | None = None


async def make_timed_calls(calls: AsyncCalls, task: Task) -> None:
    """Makes the calls of a task that has a timeout; what they raise is in `error`."""
    while not task.is_over:
        if task.delay >= 0:
            delay, task.delay = task.delay, NEVER
            try:
                await asyncio.sleep(delay)
            except asyncio.CancelledError as exc:
                task.cancelled(exc)
                return
        attempt = TimedAttempt(task)
        try:
            await attempt.make_calls(calls)
        finally:
            # They hold each other: together they would wait for the garbage collector.
            task.attempt = None
            del attempt


class TimedAttempt:
    """One attempt of a task, as what its node is handed sees it.

    Args:
        task: has a timeout.

    Attributes:
        is_open: no call has failed, no timeout is up: what the node does counts.
    """

    __slots__ = (
        "__weakref__",
        "_config",
        "_context",
        "_idle",
        "_is_finished",
        "_last_progress",
        "_last_progress_event",
        "_lock",
        "_observer",
        "_refreshes_itself",
        "_run",
        "_started",
        "_task",
        "is_open",
    )

    def __init__(self, task: Task) -> None:
        policy = task.timeout
        self._task = task
        self._run = _seconds(policy.run_timeout)
        self._idle = _seconds(policy.idle_timeout)
        self._refreshes_itself = self._idle is not None and policy.refresh_on == "auto"
        self._lock = Lock()
        self._config: Any = None
        self._context: Any = None
        self._is_finished = False
        self._last_progress_event = float("-inf")
        self.is_open = True
        self._observer: Any = task.base_config()[CONF].get(CONF_TIMED_ATTEMPT_OBSERVER)
        if self._observer is not None:
            self._context = self._new_context(policy)
            self._tell("start")
        task.attempt = self
        self._started = self._last_progress = time.monotonic()

    # -- the calls ----------------------------------------------------------------

    async def make_calls(self, calls: AsyncCalls) -> None:
        """Makes the calls of the attempt; the task is over then, or its node runs again."""
        task = self._task
        while not task.is_over and task.delay < 0:
            is_router = task.router is not None
            try:
                # The routers that a Command for this very graph has called are not timed.
                result = await (self._call(calls) if self.is_open else calls.call(task))
            except asyncio.CancelledError as exc:
                if is_own(exc):
                    task.raised(exc)
                else:
                    task.cancelled(exc)
            except BaseException as exc:
                task.raised(exc)
            else:
                if is_router:
                    self._note_event()
                else:
                    self._note_progress()
                task.returned(result)
        self.finish(None)

    async def _call(self, calls: AsyncCalls) -> Any:
        """Makes the call that the task wants; what that returned.

        Raises:
            NodeTimeoutError: it took too long.
            BaseException: what it raised.
        """
        # Not at once: an observer is told of all tasks of a superstep before one of them runs.
        running = calls.start_next_turn(self._noted_call(calls), copy_context())
        try:
            error: BaseException | None = None
            has_waited = False
            while not running.done():
                deadline, kind = self._next_deadline()
                if has_waited and deadline <= time.monotonic():
                    error = self._timed_out(kind)
                    self._abandon(running)
                    # The node learns of it before its error handler begins.
                    await asyncio.sleep(0)
                    raise error
                await asyncio.wait((running,), timeout=max(0.0, deadline - time.monotonic()))
                has_waited = True
            return running.result()
        except BaseException:
            if self.is_open:
                self._abandon(running)
            raise
        finally:
            # They hold what is raised, whose traceback holds this frame.
            error = None
            del running

    async def _noted_call(self, calls: AsyncCalls) -> Any:
        # Of a node and of each of its routers langchain's callbacks are told in their own turn.
        self._note_event()
        return await calls.call(self._task)

    def _next_deadline(self) -> tuple[float, str]:
        """When the next timeout is up, as things stand, and which one that is."""
        never = float("inf")
        run = never if self._run is None else self._started + self._run
        idle = never if self._idle is None else self._last_progress + self._idle
        return (idle, "idle") if idle <= run else (run, "run")

    def _timed_out(self, kind: str) -> BaseException:
        """What the attempt fails with."""
        make: Any = error_class("NodeTimeoutError")
        error: BaseException = make(
            self._task.node.name,
            time.monotonic() - self._started,
            kind=kind,
            idle_timeout=self._idle,
            run_timeout=self._run,
        )
        error.__cause__ = error.__context__ = asyncio.TimeoutError()
        return error

    def _abandon(self, running: asyncio.Task[Any]) -> None:
        """Waits no longer for a call; unless it is done, nothing that the node wrote is left."""
        if not running.done():
            # Before the writes go, because other threads may write.
            self.close()
            self._task.writes.clear()
            running.cancel()
            running.add_done_callback(self._let_go)
        elif not running.cancelled():
            # asyncio would report that nobody has retrieved it.
            running.exception()

    def _let_go(self, running: asyncio.Task[Any]) -> None:
        """A call that nobody waits for any more has ended."""
        if not running.cancelled():
            # asyncio would report that nobody has retrieved it.
            running.exception()
        self._note_event()

    # -- what the node is handed ------------------------------------------------------

    @property
    def config(self) -> Any:
        """The task's config, of which nothing has an effect once the attempt is closed."""
        config = self._config
        if config is None:
            config = self._guarded(self._task.untimed_config())
            if self.is_open:
                self._config = config
        return config

    def ambient(self) -> Any:
        """The ambient config of the node; code that goes on behind the attempt keeps this one."""
        return self.config

    def _guarded(self, config: dict[str, Any]) -> dict[str, Any]:
        conf = dict(config[CONF])
        for key, guard in (
            (CONF_SEND, self._guard_send),
            (CONF_STREAM, self._guard_stream),
            (CONF_CALL, self._guard_call),
        ):
            if conf.get(key) is not None:
                conf[key] = guard(conf[key])
        runtime = conf[CONF_RUNTIME]
        fields: dict[str, Any] = {"stream_writer": self._guard_writer(runtime.stream_writer)}
        if self._idle is not None:
            fields["heartbeat"] = self.touch
        conf[CONF_RUNTIME] = runtime.override(**fields)
        return {**config, CONF: conf, "callbacks": self.watched(config["callbacks"])}

    def watched(self, callbacks: Any) -> Any:
        """The callbacks of a config, of which each event counts as progress if it is to.

        Args:
            callbacks: as of `watched_callbacks`.
        """
        return watched_callbacks(callbacks, self) if self._refreshes_itself else callbacks

    def touch(self) -> None:
        """The node makes progress (`Runtime.heartbeat`); may be called on any thread."""
        now = self._last_progress = time.monotonic()
        if self._observer is None or self._idle is None:
            return
        # At most four events in the time of the timeout: a model calls this with every token.
        if now - self._last_progress_event >= self._idle / 4:
            self._last_progress_event = now
            self._tell("progress", progress_at=_now())

    def _note_event(self) -> None:
        """The attempt, or a call of it, begins or ends, of which langchain's callbacks are told."""
        if self._refreshes_itself:
            self.touch()

    def _note_progress(self) -> None:
        if self._refreshes_itself:
            self._last_progress = time.monotonic()

    def _guard_send(self, send: Callable[[Any], None]) -> Callable[[Any], None]:
        def guarded_send(writes: Any) -> None:
            # Under the lock: nothing is written any more when `close` returns.
            with self._lock:
                if self.is_open:
                    if writes:
                        self._note_progress()
                    send(writes)

        return guarded_send

    def _guard_stream(self, stream: Any) -> GuardedStream:
        return GuardedStream(self, stream)

    def forward(self, stream: Any, chunk: Any) -> None:
        """Hands a chunk of a graph inside the node on to `stream`, as long as it counts."""
        if self.is_open:
            self._note_progress()
            stream(chunk)

    def _guard_call(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded_call(*args: Any, **kwargs: Any) -> Any:
            if not self.is_open:
                raise asyncio.CancelledError
            self._note_progress()
            return call(*args, **kwargs)

        return guarded_call

    def _guard_writer(self, write: Callable[[Any], None]) -> Callable[[Any], None]:
        def guarded_stream_writer(chunk: Any) -> None:
            with self._lock:
                if not self.is_open:
                    return
                self._note_progress()
            write(chunk)

        return guarded_stream_writer

    # -- its end -----------------------------------------------------------------------

    def close(self) -> None:
        """From here on nothing that the node does counts."""
        with self._lock:
            self.is_open = False
        # It holds the attempt, which would be a cycle.
        self._config = None

    def finish(self, error: BaseException | None) -> None:
        """The attempt is over, and its observer is told so, once.

        Args:
            error: what it failed with, or None. What steers the run is no failure.
        """
        if self.is_open:
            self._note_event()
        self.close()
        if self._context is None or self._is_finished:
            return
        self._is_finished = True
        if error is not None:
            if is_instance_of_error(error, "GraphBubbleUp"):
                error = None
            elif not isinstance(error, (Exception, asyncio.CancelledError)):
                # It ends the event loop; upstream tells nobody either.
                return
        self._tell(
            "finish",
            finished_at=_now(),
            status="success" if error is None else "error",
            error_type=None if error is None else type(error).__name__,
            error_message=None if error is None else str(error),
        )

    # -- its observer ------------------------------------------------------------------

    def _new_context(self, policy: Any) -> Any:
        task = self._task
        info = task.config[CONF][CONF_RUNTIME].execution_info
        make: Any = loaded(_UPSTREAM, "_AttemptContext") or AttemptContext
        return make(
            task_id=task.id,
            task_name=task.node.name,
            attempt=info.node_attempt,
            run_id=info.run_id,
            thread_id=info.thread_id,
            checkpoint_ns=info.checkpoint_ns,
            started_at=_now(),
            run_timeout_secs=self._run,
            idle_timeout_secs=self._idle,
            refresh_on=None if self._idle is None else policy.refresh_on,
        )

    def _tell(self, event: str, **fields: Any) -> None:
        make: Any = loaded(_UPSTREAM, "_AttemptEvent") or AttemptEvent
        try:
            self._observer(make(context=self._context, event=event, **fields))
        except Exception:
            logging = sys.modules.get("logging")
            if logging is not None:
                logger = logging.getLogger(_UPSTREAM)
                logger.warning("Timed attempt observer failed", exc_info=True)


class GuardedStream:
    """What takes the chunks of graphs inside a node as long as its attempt is open.

    Args:
        attempt: the attempt.
        stream: takes them, upstream's StreamProtocol or lgc's SubgraphForwarding.
    """

    __slots__ = ("_attempt", "_stream", "modes")

    def __init__(self, attempt: TimedAttempt, stream: Any) -> None:
        self._attempt = attempt
        self._stream = stream
        self.modes = stream.modes

    def __call__(self, chunk: tuple[tuple[str, ...], str, Any]) -> None:
        """Takes `(namespace, mode, payload)`."""
        self._attempt.forward(self._stream, chunk)


def _seconds(value: Any) -> float | None:
    """A timeout of a policy, which may be a timedelta, in seconds."""
    if value is None:
        return None
    seconds: float = value.total_seconds() if hasattr(value, "total_seconds") else value
    return seconds


def _now() -> datetime:
    from datetime import datetime, timezone

    return datetime.now(timezone.utc)
