"""What a node asks for without naming it: its config, store, stream writer and Runtime.

LangGraph's `config.py` and `runtime.py`, working with and without langchain-core:
its contextvar is read when it is loaded and holds something, else lgc's own.
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.config.ambient import ambient
from lgc.runtime.constants import CONF, CONF_RUNTIME, CONF_SCRATCHPAD, CONF_SEND, RESUME
from lgc.runtime.ids import interrupt_id
from lgc.runtime.public.errors import error_class, mark_invalid_resume
from lgc.runtime.public.types import Interrupt, StreamWriter, loaded


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
        response_schema: what the answer has to be like: a JSON schema (a dict, which nothing is
            checked against), a pydantic model, a TypedDict or a dataclass.

    Returns:
        The answer, once the run is resumed with one; of the schema's type if that is a class.

    Raises:
        GraphInterrupt: there is no answer yet; the node is run again when there is.
        RuntimeError: no node is running.
        pydantic.ValidationError: the answer is not what the schema asks for.
    """
    theirs = loaded("langgraph.types", "interrupt")
    if theirs is not None:
        return theirs(value, response_schema=response_schema)
    conf = get_config()[CONF]
    adapter = None
    if response_schema is not None and not isinstance(response_schema, dict):
        from pydantic import TypeAdapter

        adapter = TypeAdapter(response_schema)
    scratchpad = conf[CONF_SCRATCHPAD]
    answers = scratchpad.resume
    number = scratchpad.interrupt_counter()
    if number < len(answers):
        found = _valid(adapter, answers[number])
        conf[CONF_SEND]([(RESUME, answers[: number + 1])])
        return found
    answer = scratchpad.get_null_resume(True)
    if answer is not None:
        found = _valid(adapter, answer)
        answers.append(answer)
        conf[CONF_SEND]([(RESUME, answers)])
        return found
    schema = response_schema if adapter is None else adapter.json_schema()
    question = Interrupt(
        value, interrupt_id(conf["checkpoint_ns"], len(answers)), response_schema=schema
    )
    raise error_class("GraphInterrupt")((question,))


def _valid(adapter: Any, answer: Any) -> Any:
    """An answer as its schema makes it."""
    if adapter is None:
        return answer
    try:
        return adapter.validate_python(answer)
    except ValueError as exc:
        mark_invalid_resume(exc)
        raise
