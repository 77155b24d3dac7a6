"""What reaches a run from other threads: tasks that are over, and chunks that nodes write."""

from __future__ import annotations

import time
from _queue import Empty, SimpleQueue
from typing import Any


class Inbox:
    """A queue between the threads of a run's tasks and the one that drives it.

    Args:
        wake: called once, on any thread, after something was put in; then it is None, until the
            driver waits again. None, too, where the driver waits in `get`.
    """

    def __init__(self, wake: Any = None) -> None:
        self.wake: Any = wake
        self._queue: SimpleQueue[Any] = SimpleQueue()

    def put(self, item: Any) -> None:
        """Puts in a Task that is over, or a chunk as `Observer.on_chunk` takes it."""
        self._queue.put(item)
        wake = self.wake
        if wake is not None:
            self.wake = None
            wake()

    def get(self) -> Any:
        """The oldest item; waits for one."""
        return self._queue.get()

    def get_until(self, deadline: Any) -> Any:
        """As `get`, but None if there is none yet at `deadline`, in seconds of `time.monotonic`."""
        if deadline is None:
            return self._queue.get()
        try:
            return self._queue.get(True, max(0, deadline - time.monotonic()))
        except Empty:
            return None

    def is_empty(self) -> bool:
        """Whether `get` would wait."""
        return self._queue.empty()


class ChunkWriter:
    """The stream writer of a run's nodes.

    Args:
        inbox: of the run. The run itself is not held: its tasks may outlive it.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox: Inbox = inbox

    def __call__(self, payload: Any) -> None:
        self._inbox.put((payload,))

    def forward(self, namespace: tuple[str, ...], mode: str, payload: Any) -> None:
        """A chunk of a graph inside a node, or of the node."""
        self._inbox.put((mode, payload, namespace))
