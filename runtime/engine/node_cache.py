"""What a cache policy says: by which key a node's writes are kept, and how long (spec §4.11)."""

from __future__ import annotations

from typing import Any, Final

from xxhash import xxh3_128_hexdigest

_WRITES: Final = "__pregel_ns_writes"

CacheKey = tuple[tuple[str, ...], str]
"""Where a cache keeps something: a namespace, and a digest of the input."""


class NodeCache:
    """The cache policy of a node.

    Args:
        function: module and name of the node's function; "__dynamic__" for none.
        node: the node's name.
        key_func: makes a str or bytes of the node's input, by which it is told from others.
        ttl: how many seconds a result is kept; None for ever.
    """

    def __init__(self, function: str, node: str, key_func: Any, ttl: Any) -> None:
        self.namespace: tuple[str, ...] = (_WRITES, function, node)
        self.key_func: Any = key_func
        self.ttl: Any = ttl

    def key(self, value: Any) -> CacheKey:
        """The key for an input.

        Raises:
            Exception: what `key_func` raised.
        """
        made = self.key_func(value)
        data = made.encode() if isinstance(made, str) else made
        return self.namespace, xxh3_128_hexdigest(data)
