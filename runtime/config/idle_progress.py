"""The callback handler that tells a node's idle timeout what is called inside the node.

It travels in the node's config to all that is called with that, graphs included: langchain calls it
for what it runs, and a graph of lgc's for its nodes. Upstream:
pregel/_retry.py:_IdleProgressCallbackHandler.
"""

from __future__ import annotations

import weakref
from typing import Any, Final

from lgc.runtime.upstream import loaded

_UPSTREAM: Final = "langgraph.pregel._retry"
_NAME: Final = "_IdleProgressCallbackHandler"
_EVENTS: Final = (
    "on_llm_start on_chat_model_start on_llm_new_token on_llm_end on_llm_error on_chain_start "
    "on_chain_end on_chain_error on_tool_start on_tool_end on_tool_error on_retriever_start "
    "on_retriever_end on_retriever_error on_agent_action on_agent_finish on_text on_retry "
    "on_custom_event"
)


class ProgressHandler:
    """A callback handler of langchain that touches an attempt at every event.

    It derives from no class of langchain's, which may be loaded when the node runs already.

    Args:
        attempt: a drivers.timed_attempt.TimedAttempt. It is not kept, because a model that goes on
            behind it may keep its callbacks.
    """

    ignore_llm = ignore_chat_model = ignore_chain = ignore_agent = False
    ignore_retriever = ignore_retry = ignore_custom_event = False
    raise_error = False
    run_inline = True

    def __init__(self, attempt: Any) -> None:
        self._attempt = weakref.ref(attempt)

    def touch(self, *args: Any, **kwargs: Any) -> None:
        """Something has happened."""
        attempt = self._attempt()
        if attempt is not None:
            attempt.touch()


for _event in _EVENTS.split():
    setattr(ProgressHandler, _event, ProgressHandler.touch)


def watched_callbacks(callbacks: Any, attempt: Any) -> Any:
    """The callbacks of a config, with every event of which `attempt.touch()` is called, too.

    Args:
        callbacks: a manager of langchain-core; None while that is not loaded.
        attempt: a drivers.timed_attempt.TimedAttempt.

    Returns:
        Another manager, or a list of handlers, which a config may hold as well.
    """
    handler: Any = (loaded(_UPSTREAM, _NAME) or ProgressHandler)(attempt)
    if callbacks is None:
        return [handler]
    watched = callbacks.copy()
    watched.add_handler(handler, inherit=True)
    return watched


def is_progress_handler(handler: Any) -> bool:
    """Whether a callback handler tells an idle timeout of progress, and does nothing else."""
    if isinstance(handler, ProgressHandler):
        return True
    theirs = loaded(_UPSTREAM, _NAME)
    return theirs is not None and type(handler) is theirs


def progress_handlers(callbacks: Any) -> list[Any]:
    """Those that the `callbacks` of a config hand down to what is called with it."""
    if not isinstance(callbacks, list):
        callbacks = getattr(callbacks, "inheritable_handlers", ())
    return [handler for handler in callbacks if is_progress_handler(handler)]
