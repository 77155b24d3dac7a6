"""A pytest plugin that puts lgc's serializers and savers in the place of LangGraph's.

LangGraph's modules get lgc's classes under the names of their own before the tests import them, and
the sets of what was warned of, which tests clear. Nothing else of LangGraph is touched.
"""

from __future__ import annotations

import sys
from typing import Any

import langgraph.checkpoint.sqlite
import langgraph.checkpoint.sqlite.aio
from langgraph.checkpoint import base, memory
from langgraph.checkpoint.serde import encrypted, jsonplus

from lgc import savers
from lgc.runtime.serde import allowlist
from lgc.runtime.serde import serializer as codec
from lgc.runtime.serde.msgpack_encode import encode
from lgc.serde import EncryptedSerializer

REPLACED: list[tuple[Any, Any]] = [
    (jsonplus.JsonPlusSerializer, codec.Serializer),
    (jsonplus._msgpack_enc, encode),
    (encrypted.EncryptedSerializer, EncryptedSerializer),
    (memory.InMemorySaver, savers.MemorySaver),
    (langgraph.checkpoint.sqlite.SqliteSaver, savers.SqliteSaver),
    (langgraph.checkpoint.sqlite.aio.AsyncSqliteSaver, savers.AsyncSqliteSaver),
    (jsonplus._warned_unregistered_types, allowlist._warned["allowed"]),
    (jsonplus._warned_blocked_types, allowlist._warned["blocked"]),
    (jsonplus._warned_unreconstructable_types, allowlist._warned["lost"]),
]


def pytest_configure() -> None:
    """Replaces the names in all modules of LangGraph."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "langgraph":
            continue
        for attribute, value in list(vars(module).items()):
            for theirs, mine in REPLACED:
                if value is theirs:
                    setattr(module, attribute, mine)
    base.BaseCheckpointSaver.serde = codec.Serializer()
