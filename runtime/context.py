"""What a node asks for without naming it: its config, store, stream writer and Runtime.

LangGraph's `config.py` and `runtime.py`, working with and without langchain-core:
its contextvar is read when it is loaded and holds something, else lgc's own.
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.config import ambient
from lgc.runtime.constants import CONF, CONF_RUNTIME
from lgc.runtime.errors import Unsupported
from lgc.runtime.types import StreamWriter, loaded


def get_config() -> Any:
    """The config of the node or router that is running (spec §7.2).

    Raises:
        RuntimeError: none is running.
    """
    found = ambient()
    if found is None:
        raise RuntimeError("Called get_config outside of a runnable context")
    return found


def get_store() -> Any:
    """The store the graph was compiled with, or None.

    Raises:
        RuntimeError: no node is running.
    """
    return get_config()[CONF][CONF_RUNTIME].store


def get_stream_writer() -> StreamWriter:
    """What writes chunks of `stream_mode="custom"`; it does nothing when nobody reads them.

    Raises:
        RuntimeError: no node is running.
    """
    writer: StreamWriter = get_config()[CONF][CONF_RUNTIME].stream_writer
    return writer


def get_runtime(context_schema: Any = None) -> Any:
    """The Runtime of the node that is running.

    Args:
        context_schema: for type checkers only, as upstream.

    Raises:
        RuntimeError: no node is running.
    """
    return get_config()[CONF].get(CONF_RUNTIME)


def interrupt(value: Any, *, response_schema: Any = None) -> Any:
    """Asks for an answer from outside the run (types.py:interrupt).

    Args:
        value: what the caller of the graph gets to see.
        response_schema: what the answer has to be like.

    Returns:
        The answer, once the run is resumed with one.

    Raises:
        RuntimeError: no node is running.
        Unsupported: langgraph is not loaded.
    """
    theirs = loaded("langgraph.types", "interrupt")
    if theirs is not None:
        return theirs(value, response_schema=response_schema)
    get_config()
    raise Unsupported("interrupt()")
