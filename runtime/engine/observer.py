"""Who is told what a run does: the streams, the result of an invoke, the debugger."""

from __future__ import annotations

from typing import Any

from lgc.runtime.engine.task import Task


class Sink:
    """Where the chunks of a run come together.

    Args:
        with_mode: chunks are `(mode, payload)`, and payloads otherwise.

    Attributes:
        chunks: those that are due.
    """

    def __init__(self, with_mode: bool) -> None:
        self.with_mode: bool = with_mode
        self.chunks: list[Any] = []

    def emit(self, mode: str, payload: Any) -> None:
        """A chunk is due."""
        self.chunks.append((mode, payload) if self.with_mode else payload)

    def take(self) -> list[Any]:
        """The chunks that are due, in order; each is handed out once."""
        chunks = self.chunks
        self.chunks = []
        return chunks


class OuterSink(Sink):
    """Hands the chunks of a nested run on to a consumer further out, at once.

    Args:
        stream: takes `(namespace, mode, payload)`.
        namespace: of the run.
    """

    def __init__(self, stream: Any, namespace: tuple[str, ...]) -> None:
        super().__init__(True)
        self._stream: Any = stream
        self._namespace: tuple[str, ...] = namespace

    def emit(self, mode: str, payload: Any) -> None:
        self._stream((self._namespace, mode, payload))


class Observer:
    """Is told of one run, on the thread that drives it; every method may be left out.

    The order is upstream's (pregel/_loop.py). A run that nobody observes has no observer, and
    nothing is made for one.
    """

    def on_resume(self) -> None:
        """The run goes on from a checkpoint; its values are as they were."""

    def on_checkpoint(self, thread: Any, tasks: list[Task]) -> None:
        """The tasks of a checkpoint are prepared.

        Args:
            thread: the ThreadState.
            tasks: those that are due on it.
        """

    def on_tasks(self, tasks: list[Task]) -> None:
        """The superstep's tasks are about to run."""

    def on_cached(self, task: Task) -> None:
        """A task of the superstep has finished in an earlier run."""

    def on_output(self, task: Task) -> None:
        """A task has finished."""

    def on_interrupt(self, task: Task, interrupts: tuple[Any, ...]) -> None:
        """A task has asked for answers."""

    def on_task_end(self, task: Task, writes: list[tuple[str, Any]]) -> None:
        """A task is over: it has finished, failed or asked.

        Args:
            writes: what is recorded of it.
        """

    def on_chunk(self, chunk: tuple[Any, ...]) -> None:
        """A node, or a graph that it calls, has written a chunk.

        Args:
            chunk: `(payload,)` from a node, `(mode, payload, namespace)` from a graph.
        """

    def on_superstep(self, tasks: list[Task]) -> None:
        """The writes of a superstep are applied."""

    def on_breakpoint(self, interrupts: Any) -> None:
        """The run stops, and no node has asked for anything.

        Args:
            interrupts: what it was interrupted with, which is empty.
        """
