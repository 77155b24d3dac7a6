"""lgc's Serializer against JsonPlusSerializer and, for plain data, msgpack alone.

One process measures one runtime: `codec.py {interpreted,native} ROUNDS` prints JSON. Ratios are
taken within a round (`measure.sample`).
"""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from statistics import median
from typing import Any

import msgpack
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Send
from measure import ratio, sample, use_runtime
from pydantic import BaseModel


@dataclasses.dataclass
class Row:
    name: str
    number: int
    tags: list[str]
    score: float


class Model(BaseModel):
    name: str
    number: int
    tags: list[str]


def _call(i: int) -> Any:
    return {"name": "search", "args": {"query": f"q{i}", "top": 5}, "id": f"c{i}"}


def _checkpoint() -> dict[str, Any]:
    versions = {f"channel{i}": f"{i:032}.0.123456789{i}" for i in range(8)}
    return {
        "v": 4,
        "ts": "2024-07-31T20:14:19.804150+00:00",
        "id": "1ef4f797-8335-6428-8001-8a1503f9b875",
        "channel_values": {"text": "hello " * 20, "count": 7, "items": list(range(20))},
        "channel_versions": versions,
        "versions_seen": {f"node{i}": dict(list(versions.items())[:3]) for i in range(4)},
        "updated_channels": ["text", "count"],
    }


VALUES: dict[str, Any] = {
    "checkpoint": _checkpoint(),
    "20 messages": [
        message
        for i in range(10)
        for message in (
            AIMessage("", id=f"m{i}", tool_calls=[_call(i)]),
            ToolMessage("found " * 10, tool_call_id=f"c{i}"),
        )
    ],
    "10 dataclasses": [Row(f"row{i}", i, ["a", "b"], i / 3) for i in range(10)],
    "10 models": [Model(name=f"m{i}", number=i, tags=["a", "b"]) for i in range(10)],
    "Send": Send("node", {"text": "hello", "count": 3}),
    "10 Sends": [Send("node", {"text": "hello", "count": i}) for i in range(10)],
    "1,000 ints": {f"key{i}": i for i in range(1000)},
}
PLAIN = ("checkpoint", "1,000 ints")


def main(runtime: str, rounds: str) -> None:
    """Measures every value in both directions, and prints rows."""
    use_runtime(runtime)
    logging.disable()
    json.dump([_row(*case) for case in _samples(int(rounds))], sys.stdout)


def _samples(rounds: int) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """What is done, and its microseconds in every round by contestant.

    Raises:
        SystemExit: the bytes are not the same.
    """
    codec, fast = (
        import_module("lgc.runtime.serde.serializer"),
        import_module("lgc.runtime.serde.ormsgpack_codec"),
    )
    mine, theirs, hook = codec.Serializer(), JsonPlusSerializer(), codec.ExtHook(True)
    packer = msgpack.Packer(strict_types=True)
    for name, value in VALUES.items():
        data = theirs.dumps_typed(value)
        if not mine.dumps_typed(value) == ("msgpack", fast.encode(value)) == data:
            raise SystemExit(f"{name}: the bytes differ")
        encode: dict[str, Callable[[], Any]] = {
            "lgc": partial(mine.dumps_typed, value),
            "langgraph": partial(theirs.dumps_typed, value),
        }
        decode: dict[str, Callable[[], Any]] = {
            "lgc": partial(mine.loads_typed, data),
            "langgraph": partial(theirs.loads_typed, data),
        }
        if name in PLAIN:
            encode["fast"] = partial(fast.encode, value)
            decode["fast"] = partial(fast.unpack, data[1], hook)
            encode["msgpack"] = partial(packer.pack, value)
            decode["msgpack"] = partial(msgpack.unpackb, data[1], strict_map_key=False)
        yield f"{name}, encode", sample(encode, rounds)
        yield f"{name}, decode", sample(decode, rounds)


def _row(what: str, times: dict[str, list[float]]) -> dict[str, Any]:
    row = {
        "what": what,
        "us_lgc": median(times["lgc"]),
        "us_langgraph": median(times["langgraph"]),
        "langgraph_over": ratio(times["langgraph"], times["lgc"]),
    }
    if "fast" in times:
        row["over_msgpack"] = ratio(times["lgc"], times["msgpack"])
        row["langgraph_over_fast"] = ratio(times["langgraph"], times["fast"])
    return row


def measure(runtime: str, rounds: int) -> list[dict[str, Any]]:
    """The rows of one runtime, from a process of its own."""
    command = [sys.executable, __file__, runtime, str(rounds)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return [{"runtime": runtime, **row} for row in json.loads(done.stdout)]


def show(rows: list[dict[str, Any]]) -> None:
    """Prints the rows of `measure`."""
    print(
        "\nThe codec: lgc's Serializer and LangGraph's JsonPlusSerializer in one process, µs.\n"
        "LangGraph ×: LangGraph / lgc, [quartiles]. Plain data: lgc / msgpack alone, and "
        "LangGraph / lgc with LGC_FAST=1."
    )
    print(f"{'':38}{'lgc':>9}{'LangGraph':>11}  {'LangGraph ×':<20}{'msgpack':>7}{'fast':>7}")
    for row in rows:
        middle, low, high = row["langgraph_over"]
        alone = [row[key][0] for key in ("over_msgpack", "langgraph_over_fast") if key in row]
        print(
            f"{row['runtime'] + ', ' + row['what']:38}{row['us_lgc']:9.2f}"
            f"{row['us_langgraph']:11.2f}  {f'{middle:.2f} [{low:.2f}, {high:.2f}]':<20}"
            + "".join(f"{number:7.2f}" for number in alone)
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
