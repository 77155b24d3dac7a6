"""`make fuzz`: bytes nobody wrote, given to the codec's reading side.

    .venv/bin/python tests/support/fuzz.py [INPUTS]        mutated and random bytes, 200,000
    .venv/bin/python tests/support/fuzz.py --atheris ...   guided by coverage; needs atheris

Any bytes are read or refused with ValueError: no other exception, no import of a module that is
not safe, nothing that takes a second, and no memory for what a length claims.
"""

from __future__ import annotations

import logging
import random
import resource
import sys
from time import perf_counter

import numpy
import payloads
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from lgc.runtime.serde.allowlist import SAFE_TYPES
from lgc.serde import Serializer

INPUTS = 200_000
SECONDS = 1.0
MEGABYTES = 200
HEADS = bytes([*range(0x80, 0x84), *range(0x90, 0x94), 0xA1, *range(0xC0, 0xE0), 0, 1, 4, 0xFF])

READER = Serializer(allowed_msgpack_modules=None)


def read(data: bytes) -> bool:
    """Whether `data` is read, and not refused.

    Raises:
        AssertionError: it took too long.
        Exception: any but ValueError is a finding.
    """
    start = perf_counter()
    try:
        READER.loads_typed(("msgpack", data))
        return True
    except ValueError:
        return False
    finally:
        assert perf_counter() - start < SECONDS, f"took {perf_counter() - start:.1f} s"


def mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """A seed with some bytes changed, lost, put in or repeated; every tenth is random."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(80))
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(data) + 1)
        end = place + chance.randrange(1, 6)
        match chance.randrange(5):
            case 0:
                data[place:end] = bytes([chance.choice(HEADS)])
            case 1:
                del data[place:end]
            case 2:
                data[place:place] = chance.randbytes(chance.randrange(1, 5))
            case 3:
                data[place:place] = data[place:end] * chance.randrange(1, 40)
            case 4:
                other = chance.choice(seeds)
                data[place:] = other[chance.randrange(len(other)) :]
    return bytes(data)


def main(inputs: int) -> None:
    """Reads `inputs` byte strings; exits with 1 and the bytes of the first finding."""
    logging.disable(logging.WARNING)  # what is blocked is said again for every name
    # With arrays, which have an Ext of their own: numpy is imported to read one.
    seeds = [
        *payloads.written(),
        JsonPlusSerializer().dumps_typed(numpy.arange(6).reshape(2, 3))[1],
    ]
    for seed in seeds:
        read(seed)  # imports the modules of the safe types
    loaded = set(sys.modules)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    readable = 0
    for number in range(inputs):
        data = mutated(random.Random(number), seeds)
        try:
            readable += read(data)
        except BaseException as finding:
            sys.exit(f"input {number}, {data.hex()}: {finding!r}")
    imported = {name for name in set(sys.modules) - loaded if not _is_safe(name)}
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) // 1024
    print(f"{inputs} inputs: {readable} read, {inputs - readable} refused, memory +{grown} MB")
    if imported or grown > MEGABYTES:
        sys.exit(f"imported {sorted(imported)}; memory +{grown} MB")


def _is_safe(module: str) -> bool:
    """Whether a module belongs to the package of a safe type."""
    packages = {name.partition(".")[0] for name, _ in SAFE_TYPES}
    return module.partition(".")[0] in packages


def guided(arguments: list[str]) -> None:
    """The same under atheris, which stops at the first finding."""
    import atheris

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *arguments], read)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--atheris"]:
        guided(sys.argv[2:])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else INPUTS)
