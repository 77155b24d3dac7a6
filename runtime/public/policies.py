"""How a node runs again, is kept waiting for, or is not run: retry, timeout and cache policies."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from lgc.runtime import upstream
from lgc.runtime.public.records import DataclassFields, FrozenRecord, RecordMeta, set_field
from lgc.runtime.upstream import Counterpart, mirrors

if TYPE_CHECKING:
    from datetime import timedelta


class DefaultFunction:
    """The default of a policy's field that is a function; equal to LangGraph's own default.

    Args:
        function: what is called while langgraph is not loaded. It has the name of LangGraph's.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__name__ = function.__name__

    def _current(self) -> Any:
        return upstream.loaded("langgraph.types", self.__name__) or self.function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._current()(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        current: object = self._current()
        return self is other or current is other

    def __hash__(self) -> int:
        return hash(self._current())

    def __repr__(self) -> str:
        return repr(self._current())

    def __reduce__(self) -> str:
        return self.__name__


@DefaultFunction
def default_retry_on(exc: Exception) -> bool:
    """Whether a node that failed with `exc` runs again (_internal/_retry.py)."""
    if isinstance(exc, ConnectionError):
        return True
    # An exception of theirs can only exist when they are loaded.
    httpx, requests = sys.modules.get("httpx"), sys.modules.get("requests")
    if httpx is not None and isinstance(exc, httpx.HTTPStatusError):
        status: int = exc.response.status_code
        return 500 <= status < 600
    if requests is not None and isinstance(exc, requests.HTTPError):
        # A response with an error status is false.
        return 500 <= exc.response.status_code < 600 if exc.response else True
    return not isinstance(
        exc,
        (
            ValueError,
            TypeError,
            ArithmeticError,
            ImportError,
            LookupError,
            NameError,
            SyntaxError,
            RuntimeError,
            ReferenceError,
            StopIteration,
            StopAsyncIteration,
            OSError,
        ),
    )


@DefaultFunction
def default_cache_key(*args: Any, **kwargs: Any) -> bytes:
    """The cache key of a node's input (_internal/_cache.py)."""
    import pickle

    return pickle.dumps((_freeze(args), _freeze(kwargs)), protocol=5, fix_imports=False)


def _freeze(value: Any, depth: int = 10) -> Any:
    if isinstance(value, Hashable) or depth <= 0:
        return value
    if isinstance(value, Mapping):
        return tuple(sorted((k, _freeze(v, depth - 1)) for k, v in value.items()))
    if isinstance(value, Sequence):
        return tuple(_freeze(item, depth - 1) for item in value)
    if hasattr(value, "tobytes"):
        return (type(value).__name__, value.tobytes(), getattr(value, "shape", None))
    return value


class _RetryFields(NamedTuple):
    initial_interval: float = 0.5
    backoff_factor: float = 2.0
    max_interval: float = 128.0
    max_attempts: int = 3
    jitter: bool = True
    retry_on: Any = default_retry_on


@mirrors("langgraph.types")
class RetryPolicy(_RetryFields, metaclass=RecordMeta):
    """When a failed node runs again (types.py:RetryPolicy).

    Attributes:
        initial_interval: seconds before the first retry.
        backoff_factor: what the interval is multiplied by after each retry.
        max_interval: seconds between retries at most.
        max_attempts: how often it is tried at most, the first time included.
        jitter: whether a random part is added to the interval.
        retry_on: an exception class, a sequence of them, or a function that says
            whether an exception is worth a retry.
    """

    __slots__ = ()
    _counterpart: ClassVar[Counterpart]

    @property  # type: ignore[misc]  # object declares it writable
    def __class__(self) -> Any:
        return self._counterpart.theirs() or type(self)

    def __reduce__(self) -> Any:
        return (self.__class__, tuple(self))


@mirrors("langgraph.types")
class CachePolicy(FrozenRecord):
    """Whether the result of a node is kept for the next time (types.py:CachePolicy).

    Args:
        key_func: makes the cache key of a node's input.
        ttl: seconds an entry is kept; None for ever.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("key_func", "ttl")
    __dataclass_fields__ = DataclassFields()

    key_func: Callable[..., Any]
    ttl: int | None

    def __init__(
        self, *, key_func: Callable[..., Any] = default_cache_key, ttl: int | None = None
    ) -> None:
        set_field(self, "key_func", key_func)
        set_field(self, "ttl", ttl)


@mirrors("langgraph.errors")
class NodeError(FrozenRecord):
    """What an error handler is told of a failure (errors.py:NodeError).

    Args:
        node: the node that has failed.
        error: what it raised.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("node", "error")
    __dataclass_fields__ = DataclassFields()

    node: str
    error: BaseException

    def __init__(self, node: str, error: BaseException) -> None:
        set_field(self, "node", node)
        set_field(self, "error", error)


@mirrors("langgraph.types")
class TimeoutPolicy(FrozenRecord):
    """How long an attempt of a node may take (types.py:TimeoutPolicy).

    Args:
        run_timeout: seconds, or a timedelta, an attempt may take.
        idle_timeout: seconds, or a timedelta, without a sign of progress.
        refresh_on: "auto" or "heartbeat": what counts as progress.
    """

    __slots__: ClassVar[tuple[str, ...]] = ("run_timeout", "idle_timeout", "refresh_on")
    __dataclass_fields__ = DataclassFields()

    run_timeout: float | timedelta | None
    idle_timeout: float | timedelta | None
    refresh_on: str

    def __init__(
        self,
        *,
        run_timeout: float | timedelta | None = None,
        idle_timeout: float | timedelta | None = None,
        refresh_on: str = "auto",
    ) -> None:
        set_field(self, "run_timeout", run_timeout)
        set_field(self, "idle_timeout", idle_timeout)
        set_field(self, "refresh_on", refresh_on)

    @classmethod
    def coerce(cls, value: Any) -> Any:
        """A policy in seconds, or None when `value` sets no timeout.

        Args:
            value: a policy, seconds, a timedelta, or None.

        Raises:
            ValueError: a timeout is not positive, or `refresh_on` is unknown.
        """
        if value is None:
            return None
        theirs = cls._counterpart.theirs()
        if theirs is not None:
            return theirs.coerce(value)
        policy = value if isinstance(value, TimeoutPolicy) else cls(run_timeout=value)
        if policy.refresh_on not in ("auto", "heartbeat"):
            raise ValueError("refresh_on must be 'auto' or 'heartbeat'")
        run = _seconds(policy.run_timeout, "run_timeout")
        idle = _seconds(policy.idle_timeout, "idle_timeout")
        if run is None and idle is None:
            return None
        return cls(run_timeout=run, idle_timeout=idle, refresh_on=policy.refresh_on)


def _seconds(value: Any, field: str) -> float | None:
    if value is None:
        return None
    seconds: float = value.total_seconds() if hasattr(value, "total_seconds") else float(value)
    if seconds <= 0:
        raise ValueError(f"{field} must be greater than 0")
    return seconds
