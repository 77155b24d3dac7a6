"""Takes out of what was observed what LangGraph leaves to chance when tasks run at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Steps:
    """The supersteps of a run under LangGraph, the hidden first one left out.

    Attributes:
        sizes: how many tasks each has.
        races: a task of the last one fails while others run, so it is chance which
            of their chunks come out before the exception.
    """

    sizes: tuple[int, ...]
    races: bool


def without_races(
    observed: dict[str, Any], steps: Steps, nodes: set[str], ordered: bool, abandoned: bool
) -> dict[str, Any]:
    """`observed` without what LangGraph leaves to chance in supersteps of several tasks.

    `updates` chunks come in the order in which the tasks complete. When one fails, or the
    consumer stops, it is chance which chunks of the others came before. `custom` chunks, which
    name their writer and superstep, come anywhere between them.

    Args:
        observed: what `observe` gave.
        steps: what `supersteps` gave.
        nodes: the names by which an untagged `updates` chunk is known.
        ordered: the tasks ran one after the other, so their order counts.
        abandoned: the consumer stopped early.
    """
    chunks: list[Any] = []
    written: list[Any] = []
    group: list[Any] = []
    done = 0

    def flush() -> None:
        chunks.extend(written if ordered else sorted(written, key=_writer))
        written.clear()

    for chunk in observed["chunks"]:
        if _is_custom(chunk):
            if steps.races:
                continue
            if written and _step(chunk) != _step(written[0]):
                flush()
            written.append(chunk)
        elif not _is_update(chunk, nodes):
            flush()
            chunks.append(chunk)
        else:
            group.append(chunk)
            if done < len(steps.sizes) and len(group) == steps.sizes[done]:
                flush()
                chunks += group if ordered else sorted(group, key=repr)
                group = []
                done += 1
    if abandoned and not ordered and (written or group):
        chunks.append(f"{len(written) + len(group)} chunks of the last superstep")
        written.clear()
        group = []
    flush()
    if steps.races:
        if done == len(steps.sizes):
            del chunks[-steps.sizes[-1] :]
        group = []
        if not ordered and observed["error"] is not None:
            # A state that its model refuses fails every task; the notes name the first.
            observed = {**observed, "error": {**observed["error"], "notes": None}}
    elif group and not ordered:
        group = [f"{len(group)} of {steps.sizes[done]}"]
    return {**observed, "chunks": chunks + group}


def _is_update(chunk: Any, nodes: set[str]) -> bool:
    if isinstance(chunk, tuple):
        return bool(chunk[0] == "updates" and "__interrupt__" not in chunk[1])
    return isinstance(chunk, dict) and len(chunk) == 1 and set(chunk) <= nodes


def _payload(chunk: Any) -> Any:
    return chunk[1] if isinstance(chunk, tuple) else chunk


def _is_custom(chunk: Any) -> bool:
    payload = _payload(chunk)
    return isinstance(payload, dict) and set(payload) == {"custom", "step", "n"}


def _step(chunk: Any) -> Any:
    return _payload(chunk)["step"]


def _writer(chunk: Any) -> str:
    return str(_payload(chunk)["custom"])
