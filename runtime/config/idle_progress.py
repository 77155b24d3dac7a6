"""The callback handler that tells a node's idle timeout what langchain does inside the node.

It travels in the node's config to all that is called with that, graphs included. Upstream:
pregel/_retry.py:_IdleProgressCallbackHandler.
"""

from __future__ import annotations

import sys
import weakref
from functools import cache
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


def progress_handler(attempt: Any) -> Any:
    """What has every callback event call `attempt.touch()`; None while langchain is not loaded.

    Args:
        attempt: a drivers.timed_attempt.TimedAttempt; the handler does not keep it.
    """
    theirs = loaded(_UPSTREAM, _NAME)
    if theirs is not None:
        return theirs(attempt)
    if "langchain_core.callbacks.manager" not in sys.modules:
        return None
    return _handler_class()(attempt)


def is_progress_handler(handler: Any) -> bool:
    """Whether a callback handler is one of `progress_handler`, or LangGraph's."""
    cls = type(handler)
    return cls.__name__ == _NAME and cls.__module__ in (_UPSTREAM, __name__)


def progress_handlers(callbacks: Any) -> list[Any]:
    """Those that the `callbacks` of a config hand down to what is called with it."""
    handlers = getattr(callbacks, "inheritable_handlers", ())
    return [handler for handler in handlers if is_progress_handler(handler)]


@cache
def _handler_class() -> Any:
    from langchain_core.callbacks.base import BaseCallbackHandler

    class ProgressHandler(BaseCallbackHandler):
        run_inline = True

        def __init__(self, attempt: Any) -> None:
            # A model that goes on behind the attempt may keep its callbacks.
            self._attempt = weakref.ref(attempt)

        def _touch(self, *args: Any, **kwargs: Any) -> None:
            attempt = self._attempt()
            if attempt is not None:
                attempt.touch()

    ProgressHandler.__name__ = ProgressHandler.__qualname__ = _NAME
    for event in _EVENTS.split():
        setattr(ProgressHandler, event, ProgressHandler._touch)
    return ProgressHandler
