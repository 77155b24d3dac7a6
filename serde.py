"""lgc's serializers: LangGraph's bytes, written and read without LangGraph (docs/semantics.md).

    Serializer           what lgc's savers use; in place of `JsonPlusSerializer`
    EncryptedSerializer  encrypts what a serializer writes

Both can be the `serde` of LangGraph's savers, too.
"""

from __future__ import annotations

from lgc.runtime.serde.encrypted import EncryptedSerializer
from lgc.runtime.serde.serializer import Serializer

__all__ = ["EncryptedSerializer", "Serializer"]
