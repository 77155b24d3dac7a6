"""The old path of `lgc.serde.EncryptedSerializer`."""

from lgc.runtime.serde.encrypted import EncryptedSerializer

__all__ = ["EncryptedSerializer"]
