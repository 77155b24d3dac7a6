"""Says at the end how much was compared, and runs tests of the codec over both its packers."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import feature_counts
import pytest
from parity import COUNTS
from totals import total

from lgc.runtime.serde import serializer as codec
from lgc.runtime.serde.msgpack_encode import encode

# langchain cannot be installed on Python 3.10.
collect_ignore = [] if find_spec("langchain") else ["test_agents.py"]

total("counts", COUNTS)
total("features", feature_counts.COUNTS)


@pytest.fixture(params=["msgpack", "ormsgpack"])
def packer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The codec as it is, and as it is with LGC_FAST=1."""
    used: tuple[Any, Any] = (encode, None)
    if request.param == "ormsgpack":
        fast = pytest.importorskip("lgc.runtime.serde.ormsgpack_codec", exc_type=ImportError)
        used = (fast.encode, fast.unpack)
    monkeypatch.setattr(codec, "encode", used[0])
    monkeypatch.setattr(codec, "_unpack", used[1])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints the counts of this run."""
    if COUNTS:
        counts = ", ".join(f"{number} {what}" for what, number in sorted(COUNTS.items()))
        terminalreporter.write_line(f"parity with langgraph: {counts}")
    if feature_counts.COUNTS:
        terminalreporter.write_line("random graphs by feature, alone and in pairs:")
        for line in feature_counts.table(feature_counts.COUNTS):
            terminalreporter.write_line(line)
