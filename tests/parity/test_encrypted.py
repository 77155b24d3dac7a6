"""Encrypted blobs: either side reads what the other wrote (spec §11)."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import payloads
import pytest
from Crypto.Cipher import AES
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer as Theirs
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from lgc.serde import EncryptedSerializer

KEY = b"0123456789abcdef"


def both(**arguments: Any) -> tuple[Theirs, EncryptedSerializer]:
    """LangGraph's and lgc's serializer with one key."""
    return (
        Theirs.from_pycryptodome_aes(**arguments),
        EncryptedSerializer.from_pycryptodome_aes(**arguments),
    )


@pytest.mark.parametrize("arguments", [{}, {"mode": AES.MODE_GCM}], ids=["EAX", "GCM"])
@pytest.mark.parametrize("value", [None, b"raw", {"k": [1, "two", 3.0]}, payloads.EVERY[-1]])
def test_both_ways(value: Any, arguments: dict[str, Any]) -> None:
    """Tags and values are equal; the bytes too, when chance gives the same nonce."""
    theirs, ours = both(key=KEY, **arguments)
    with (
        patch("Crypto.Cipher._mode_eax.get_random_bytes", lambda size: b"n" * size),
        patch("Crypto.Cipher._mode_gcm.get_random_bytes", lambda size: b"n" * size),
    ):
        assert ours.dumps_typed(value) == theirs.dumps_typed(value)
    for writer, reader in ((theirs, ours), (ours, theirs)):
        assert repr(reader.loads_typed(writer.dumps_typed(value))) == repr(value)


def test_what_is_not_encrypted() -> None:
    """Is read as it is, so that a store may be encrypted later."""
    theirs, ours = both(key=KEY)
    for data in (("null", b""), ("bytes", b"x"), ("msgpack", b"\x93\x01\x02\x03")):
        assert ours.loads_typed(data) == theirs.loads_typed(data)


@pytest.mark.parametrize("change", ["key", "bytes", "cipher"])
def test_what_cannot_be_read(change: str) -> None:
    """Another key, changed bytes, another cipher: upstream's error."""
    tag, data = both(key=KEY)[0].dumps_typed([1, 2, 3])
    key = KEY[::-1] if change == "key" else KEY
    given = (
        tag.replace("aes", "des") if change == "cipher" else tag,
        data[:-1] + bytes([data[-1] ^ 1]) if change == "bytes" else data,
    )
    errors = []
    for serde in both(key=key):
        with pytest.raises((ValueError, AssertionError)) as caught:
            serde.loads_typed(given)
        errors.append((type(caught.value), str(caught.value)))
    assert errors[0] == errors[1]


@pytest.mark.parametrize("key", [None, "short", "0123456789abcdef"])
def test_key_from_the_environment(key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """LANGGRAPH_AES_KEY, with upstream's complaints."""
    monkeypatch.delenv("LANGGRAPH_AES_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("LANGGRAPH_AES_KEY", key)
    seen = []
    for cls in (Theirs, EncryptedSerializer):
        try:
            seen.append(type(cls.from_pycryptodome_aes().dumps_typed(1)[1]))
        except ValueError as error:
            seen.append(str(error))
    assert seen[0] == seen[1]


def test_in_langgraphs_saver() -> None:
    """As `serde` of a saver, an allow-list included."""

    class State(TypedDict):
        x: int

    builder = StateGraph(State)
    builder.add_node("a", lambda state: {"x": state["x"] + 1})
    builder.add_edge(START, "a")
    saver = InMemorySaver(serde=EncryptedSerializer.from_pycryptodome_aes(key=KEY))
    config: Any = {"configurable": {"thread_id": "1"}}
    for used in (saver, saver.with_allowlist([("app.types", "Thing")])):
        graph = builder.compile(checkpointer=used)
        graph.invoke({"x": 1}, config)
        assert graph.get_state(config).values == {"x": 2}
    tags = {row[0] for row in saver.blobs.values()}
    assert all(tag.endswith("+aes") for tag in tags - {"empty"})
