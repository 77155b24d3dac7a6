"""What callers of a compiled graph pass: checks and defaults that need no run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lgc.runtime.constants import START
from lgc.runtime.public.errors import Unsupported
from lgc.runtime.upstream import loaded


def check_stops(before: Any, after: Any, nodes: Mapping[str, Any]) -> None:
    """Refuses nodes to stop at that the graph has not, as upstream's `compile` does.

    Raises:
        TypeError: what cannot be added to a list; nothing is added when `after` is "*".
        ValueError: a node does not exist.
    """
    names: Any = [] if after == "*" else ([] if before == "*" else before) + after
    for node in names or ():
        if node not in nodes or node == START:
            raise ValueError(f"Interrupt node `{node}` not found")
    # What was not added above is looked at here (pregel/_validate.py:validate_graph).
    for names in (after, before):
        for node in () if names == "*" else names:
            if node not in nodes:
                raise ValueError(f"Node {node} not in nodes")


def check_saver(saver: Any) -> None:
    """Refuses what cannot be a saver (types.py:ensure_valid_checkpointer)."""
    if saver is None or isinstance(saver, bool) or hasattr(saver, "put_writes"):
        return
    raise TypeError(
        f"Invalid checkpointer provided. Expected an instance of `BaseCheckpointSaver`, `True`, "
        f"`False`, or `None`. Received {type(saver).__name__}. Pass a proper saver (e.g., "
        "InMemorySaver, AsyncPostgresSaver)."
    )


def check_concurrency(places: Any, is_async: bool) -> None:
    """Refuses a `max_concurrency` as what upstream makes of it does: a thread pool, a semaphore.

    Raises:
        ValueError: it is negative, or 0 for a thread pool; for a semaphore, that is no limit.
    """
    if not is_async and places <= 0:
        raise ValueError("max_workers must be greater than 0")
    if is_async and places < 0:
        raise ValueError("Semaphore initial value must be >= 0")


def coerced_context(schema: Any, context: Any) -> Any:
    """The context as the schema wants it (pregel/main.py:_coerce_context)."""
    if (
        schema is not None
        and isinstance(context, dict)
        and (hasattr(schema, "model_fields") or hasattr(schema, "__dataclass_fields__"))
    ):
        return schema(**context)
    return context


def durability_of(arguments: Mapping[str, Any], durability: Any, level: int) -> Any:
    """The durability that a caller asks for who may still say `checkpoint_during`.

    Args:
        arguments: what the caller gave beside the known arguments.
        durability: as given.
        level: how many frames up the warning points to.

    Raises:
        ValueError: both are given.
    """
    during = arguments.get("checkpoint_during")
    if during is None:
        return durability
    import warnings

    # Whoever can tell the class by its name has loaded it.
    kind = loaded("langgraph.warnings", "LangGraphDeprecatedSinceV10") or DeprecationWarning
    warnings.warn(
        "`checkpoint_during` is deprecated and will be removed. Please use `durability` instead.",
        kind,
        stacklevel=level,
    )
    if durability is not None:
        raise ValueError(
            "Cannot use both `checkpoint_during` and `durability` parameters. "
            "Please use `durability` instead."
        )
    return "async" if during else "exit"


def refuse(asked: dict[str, bool], where: str) -> None:
    for feature, wanted in asked.items():
        if wanted:
            raise Unsupported(feature, where)


def configs_of_batch(config: Any, length: int) -> list[Any]:
    """The configs of the runs of a batch (langchain_core.runnables.config:get_config_list).

    Args:
        config: the config of all runs, or None, or a list of one for each.
        length: how many runs there are.

    Raises:
        ValueError: the list has another length.
    """
    if not length:
        return []
    if isinstance(config, Sequence):
        if len(config) != length:
            raise ValueError(
                "config must be a list of the same length as inputs, but got "
                f"{len(config)} configs for {length} inputs"
            )
        return [dict(each or {}) for each in config]
    configs = [dict(config or {}) for _ in range(length)]
    if length > 1 and configs[0].get("run_id") is not None:
        import warnings

        warnings.warn(
            "Provided run_id be used only for the first element of the batch.",
            RuntimeWarning,
            stacklevel=3,
        )
        for each in configs[1:]:
            del each["run_id"]
    return configs
