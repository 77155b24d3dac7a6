"""`EncryptedSerializer`: another serializer's bytes, encrypted (serde/encrypted.py; spec §11).

The tag names the cipher after a plus: `msgpack+aes`. AES blobs are nonce, authentication tag
(16 bytes each) and ciphertext, as upstream's, so either side reads the other's.

This file stays interpreted: the cipher's own C code does the work.
"""

from __future__ import annotations

import os
from typing import Any

from lgc.runtime.serde.serializer import Serializer
from lgc.runtime.upstream import loaded

_UPSTREAM = "langgraph.checkpoint.serde.encrypted"
_NONCE = 16
_TAG = 16


class EncryptedSerializer:
    """Encrypts what a serializer writes and decrypts what it reads.

    Args:
        cipher: `encrypt(bytes) -> (name, bytes)` and `decrypt(name, bytes) -> bytes`.
        serde: the serializer; lgc's own by default.
    """

    def __init__(self, cipher: Any, serde: Any = None) -> None:
        self.cipher = cipher
        self.serde = Serializer() if serde is None else serde

    @property  # type: ignore[misc]  # object declares it writable
    def __class__(self) -> Any:
        # LangGraph's savers pass an allow-list on to serializers of this class only.
        return loaded(_UPSTREAM, "EncryptedSerializer") or type(self)

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """The tag with the cipher's name, and the encrypted bytes.

        Raises:
            TypeError: the serializer cannot write the value.
        """
        tag, data = self.serde.dumps_typed(obj)
        name, encrypted = self.cipher.encrypt(data)
        return f"{tag}+{name}", encrypted

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """The value of a tag and bytes; without a cipher's name in the tag, nothing is decrypted.

        Raises:
            ValueError: the bytes were encrypted with another key, or changed since.
        """
        tag, encrypted = data
        if "+" not in tag:
            return self.serde.loads_typed(data)
        tag, name = tag.split("+", 1)
        return self.serde.loads_typed((tag, self.cipher.decrypt(name, encrypted)))

    @classmethod
    def from_pycryptodome_aes(cls, serde: Any = None, **arguments: Any) -> EncryptedSerializer:
        """A serializer that encrypts with AES in EAX mode.

        Args:
            serde: the serializer; lgc's own by default.
            arguments: those of pycryptodome's `AES.new`. By default `key` is the environment
                variable LANGGRAPH_AES_KEY.

        Raises:
            ImportError: pycryptodome is not installed.
            ValueError: there is no key, or it is not 16, 24 or 32 bytes long.
        """
        try:
            from Crypto.Cipher import AES
        except ImportError:
            raise ImportError(
                "Pycryptodome is not installed. Please install it with `pip install pycryptodome`."
            ) from None
        if "key" in arguments:
            key = arguments.pop("key")
        else:
            text = os.getenv("LANGGRAPH_AES_KEY")
            if text is None:
                raise ValueError("LANGGRAPH_AES_KEY environment variable is not set.")
            key = text.encode()
            if len(key) not in (16, 24, 32):
                raise ValueError("LANGGRAPH_AES_KEY must be 16, 24, or 32 bytes long.")
        if arguments.get("mode") is None:
            arguments["mode"] = AES.MODE_EAX
        return cls(_Aes(AES, key, arguments), serde)


class _Aes:
    """A cipher that encrypts with pycryptodome's AES.

    Args:
        module: `Crypto.Cipher.AES`.
        key: 16, 24 or 32 bytes.
        arguments: the other arguments of `AES.new`.
    """

    def __init__(self, module: Any, key: bytes, arguments: dict[str, Any]) -> None:
        self._module = module
        self._key = key
        self._arguments = arguments

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        """The cipher's name, and nonce, authentication tag and ciphertext together."""
        cipher = self._module.new(self._key, **self._arguments)
        encrypted, tag = cipher.encrypt_and_digest(plaintext)
        return "aes", cipher.nonce + tag + encrypted

    def decrypt(self, name: str, data: bytes) -> bytes:
        """The bytes that were encrypted.

        Raises:
            ValueError: the bytes were encrypted with another key, or changed since.
        """
        assert name == "aes", f"Unsupported cipher: {name}"
        cipher = self._module.new(self._key, **self._arguments, nonce=data[:_NONCE])
        plaintext: bytes = cipher.decrypt_and_verify(
            data[_NONCE + _TAG :], data[_NONCE : _NONCE + _TAG]
        )
        return plaintext
