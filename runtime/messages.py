"""The reducers of messages under the name that generated modules import them by."""

from lgc.runtime.public.messages import add_messages, messages_delta_reducer

__all__ = ["add_messages", "messages_delta_reducer"]
