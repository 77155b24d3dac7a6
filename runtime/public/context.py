"""What a node can ask for from anywhere inside it: config, store, stream writer, Runtime, answers.

LangGraph's `config.py`, `runtime.py` and `interrupt`, with and without langchain-core: the
contextvar of langchain-core is read when it is loaded and set, else lgc's own.
"""

from __future__ import annotations

from typing import Any

from lgc.runtime.config.ambient import ambient
from lgc.runtime.constants import CONF, CONF_RUNTIME, CONF_SCRATCHPAD, CONF_SEND, RESUME
from lgc.runtime.ids import interrupt_id
from lgc.runtime.public.commands import Interrupt
from lgc.runtime.public.errors import mark_invalid_resume
from lgc.runtime.public.runtime import StreamWriter
from lgc.runtime.upstream import error_class, loaded


def get_config() -> Any:
    """The config of the node or router that is running (spec §7.2).

    Raises:
        RuntimeError: none is running.
    """
    config = ambient()
    if config is None:
        raise RuntimeError("Called get_config outside of a runnable context")
    return config


def get_store() -> Any:
    """The store that the run uses, or None.

    Raises:
        RuntimeError: no node is running.
    """
    return get_config()[CONF][CONF_RUNTIME].store


def get_stream_writer() -> StreamWriter:
    """The function that writes chunks of `stream_mode="custom"`; it does nothing without a reader.

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
    """Asks for an answer from outside the run (types.py:interrupt; spec §4.8).

    Args:
        value: what the caller of the graph gets to see.
        response_schema: the schema of the answer: a JSON schema (a dict, against which nothing is
            checked), a pydantic model, a TypedDict or a dataclass.

    Returns:
        The answer, once the run is resumed with one; of the schema's type if that is a class.

    Raises:
        GraphInterrupt: there is no answer yet; the node is run again when there is.
        RuntimeError: no node is running.
        pydantic.ValidationError: the answer does not fit the schema.
    """
    langgraphs = loaded("langgraph.types", "interrupt")
    if langgraphs is not None:
        return langgraphs(value, response_schema=response_schema)
    conf = get_config()[CONF]
    adapter = None
    if response_schema is not None and not isinstance(response_schema, dict):
        from pydantic import TypeAdapter

        adapter = TypeAdapter(response_schema)
    scratchpad = conf[CONF_SCRATCHPAD]
    answers = scratchpad.resume
    number = scratchpad.interrupt_counter()
    if number < len(answers):
        validated = _validated(adapter, answers[number])
        conf[CONF_SEND]([(RESUME, answers[: number + 1])])
        return validated
    answer = scratchpad.get_null_resume(True)
    if answer is not None:
        validated = _validated(adapter, answer)
        answers.append(answer)
        conf[CONF_SEND]([(RESUME, answers)])
        return validated
    schema = response_schema if adapter is None else adapter.json_schema()
    pending = Interrupt(
        value, interrupt_id(conf["checkpoint_ns"], len(answers)), response_schema=schema
    )
    raise error_class("GraphInterrupt")((pending,))


def _validated(adapter: Any, answer: Any) -> Any:
    """An answer converted by its schema's pydantic adapter; as it is without one."""
    if adapter is None:
        return answer
    try:
        return adapter.validate_python(answer)
    except ValueError as exc:
        mark_invalid_resume(exc)
        raise
