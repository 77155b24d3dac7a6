"""`codec.py [ROUNDS]`: lgc's Serializer against JsonPlusSerializer and, for plain data, msgpack.

Prints microseconds and ratios, taken within a round (`measure.sample`): over 1, lgc is faster.
"""

from __future__ import annotations

import dataclasses
import logging
import sys
from collections.abc import Callable
from statistics import median
from typing import Any

import msgpack
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Send
from measure import ratio, sample
from pydantic import BaseModel

from lgc.runtime.codec import Serializer


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


def main(rounds: int) -> None:
    """Measures every value in both directions.

    Raises:
        SystemExit: the bytes are not the same.
    """
    logging.disable()
    mine, theirs = Serializer(), JsonPlusSerializer()
    print(f"{'':24}{'lgc µs':>9}{'langgraph µs':>14}{'ratio':>8}  quartiles")
    for name, value in VALUES.items():
        data = theirs.dumps_typed(value)
        if mine.dumps_typed(value) != data:
            raise SystemExit(f"{name}: the bytes differ")
        encode: dict[str, Callable[[], Any]] = {
            "lgc": lambda value=value: mine.dumps_typed(value),
            "langgraph": lambda value=value: theirs.dumps_typed(value),
        }
        decode: dict[str, Callable[[], Any]] = {
            "lgc": lambda data=data: mine.loads_typed(data),
            "langgraph": lambda data=data: theirs.loads_typed(data),
        }
        if name in PLAIN:
            packer = msgpack.Packer(strict_types=True)
            encode["msgpack"] = lambda value=value, pack=packer.pack: pack(value)
            decode["msgpack"] = lambda data=data: msgpack.unpackb(data[1], strict_map_key=False)
        for way, contestants in (("encode", encode), ("decode", decode)):
            times = sample(contestants, rounds)
            middle, low, high = ratio(times["langgraph"], times["lgc"])
            floor = ""
            if "msgpack" in times:
                floor = f"  {ratio(times['lgc'], times['msgpack'])[0]:.2f} of msgpack alone"
            print(
                f"{name + ' ' + way:24}{median(times['lgc']):9.2f}"
                f"{median(times['langgraph']):14.2f}{middle:8.2f}  [{low:.2f}, {high:.2f}]{floor}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
