"""Which saver calls load a thread, one after the other (spec §4.1)."""

from __future__ import annotations

from typing import Any

from lgc.runtime.checkpointing.replay import replay_request
from lgc.runtime.checkpointing.thread_state import (
    Request,
    ThreadState,
    has_moved_past,
    latest_config,
)
from lgc.runtime.constants import CONF, CONF_REPLAY_STATE, CONF_RESUMING


class ThreadLoading:
    """Loads the checkpoint that a run's config addresses, without calling the saver itself.

    Args:
        thread: gets the checkpoint.

    Attributes:
        request: the saver call to make, whose result `answer` takes; None when the thread is
            loaded.
    """

    def __init__(self, thread: ThreadState) -> None:
        self.thread: ThreadState = thread
        self.request: Request | None = None
        self._config: dict[str, Any] = _config_to_load(thread.scope.config)
        self._saved: Any = None
        self._has_id: bool = False
        self._looks_for_latest: bool = False

    def begin(self) -> None:
        """Says what to ask the saver first.

        Raises:
            Exception: without a saver, as `answer`.
        """
        scope = self.thread.scope
        conf = scope.config[CONF]
        replay = conf.get(CONF_REPLAY_STATE)
        self._has_id = bool(self._config[CONF].get("checkpoint_id"))
        self.thread.is_addressed = self._has_id or bool(replay)
        if scope.saver is None:
            self._take(None)
            return
        self.request = ("get_tuple", (self._config,), {})
        if replay and not self._has_id:
            self.request = replay_request(replay, conf.get("checkpoint_ns", ""), self._config)
            # The input is applied again, which starts the nodes that were due.
            kept = {key: value for key, value in conf.items() if key != CONF_RESUMING}
            scope.config = {**scope.config, CONF: kept}

    def answer(self, result: Any) -> None:
        """The call of `request` returned `result`.

        Raises:
            Exception: a channel does not take the value that is stored for it.
        """
        thread = self.thread
        if thread.checkpoint:
            self.request = None
            thread.rebuild(result)
        elif self._looks_for_latest:
            thread.is_superseded = has_moved_past(self._saved, result)
            self._take(self._saved)
        elif result is not None and self._has_id:
            self._saved = result
            self._looks_for_latest = True
            self.request = ("get_tuple", (latest_config(self._config),), {})
        else:
            self._take(result)

    def _take(self, saved: Any) -> None:
        """The checkpoint is there; its DeltaChannels may need the writes of earlier ones."""
        thread = self.thread
        self.request = None
        thread.load_checkpoint(saved, self._config)
        self.request = thread.history_request()


def _config_to_load(config: dict[str, Any]) -> dict[str, Any]:
    """The config that addresses the checkpoint a run starts from (pregel/_loop.py)."""
    conf = config[CONF]
    by_namespace = conf.get("checkpoint_map")
    if by_namespace is not None and conf.get("checkpoint_ns") in by_namespace:
        # What the state of a graph around this one says of it (`with_parents`).
        conf = {**conf, "checkpoint_id": by_namespace[conf["checkpoint_ns"]]}
        config = {**config, CONF: conf}
    thread = conf.get("thread_id")
    if thread and not isinstance(thread, str):
        config = {**config, CONF: {**conf, "thread_id": str(thread)}}
    return config
