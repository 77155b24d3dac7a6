"""The drop-in backend: LangGraph's `StateGraph.compile` gives graphs that run on lgc.

Installed by `install()`, or by an import with `LANGGRAPH_BACKEND=lgc` (`import lgc.backend`, or
`pytest -p lgc.backend`). What is drawn, described or inherited from a Runnable stays LangGraph's;
what runs or stores is lgc's, or raises `lgc.Unsupported`, and never falls back to LangGraph's
loop. `LGC_STRICT=1` enforces that: a StateGraph that reaches LangGraph's own loop raises there.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import wraps
from typing import Any, Final

from langgraph.constants import START
from langgraph.graph.state import CompiledStateGraph, StateGraph
from langgraph.pregel._loop import AsyncPregelLoop, SyncPregelLoop

from lgc.compiler.diagnostics import CompileError
from lgc.compiler.inprocess import live_graph, unsupported
from lgc.runtime.graph import CompiledGraph
from lgc.runtime.public.errors import Unsupported

__all__ = ["REPLACED_SYMBOLS", "Listener", "install", "listener", "uninstall"]


class Listener:
    """Is told what lgc does behind LangGraph, from any thread; this one ignores it.

    Assign an instance of a subclass to `lgc.backend.listener` to keep an account.
    """

    def compiled(self) -> None:
        """A graph was compiled."""

    def ran(self) -> None:
        """A run began."""

    def refused(self, feature: str, where: str) -> None:
        """In strict mode, `Unsupported` was raised, caught or not.

        Args:
            feature: what lgc does not do yet.
            where: what asked for it; "" when that is not known.
        """

    def guarded(self) -> None:
        """In strict mode, a StateGraph reached LangGraph's own loop."""


listener = Listener()
"""The listener of this process."""

_COMPILE: Final = ((StateGraph, "compile"),)
_STRICT: Final = (
    (SyncPregelLoop, "__enter__"),
    (AsyncPregelLoop, "__aenter__"),
    (Unsupported, "__init__"),
)


def _path(cls: type, name: str) -> str:
    return f"{cls.__module__}.{cls.__qualname__}.{name}"


REPLACED_SYMBOLS: Final = tuple(_path(*symbol) for symbol in (*_COMPILE, *_STRICT))
"""All that `install` replaces; those after `StateGraph.compile` only in strict mode, to watch."""

# (class, attribute) -> LangGraph's own value.
_originals: dict[tuple[type, str], Any] = {}


def install() -> None:
    """Makes every StateGraph that is compiled from now on run on lgc; further calls do nothing."""
    if _originals:
        return
    _replace(StateGraph, "compile", _compiling)
    if os.environ.get("LGC_STRICT") == "1":
        _replace(SyncPregelLoop, "__enter__", _guarding)
        _replace(AsyncPregelLoop, "__aenter__", _guarding)
        _replace(Unsupported, "__init__", _noting)


def uninstall() -> None:
    """Undoes `install`; graphs that were compiled while it was installed stay lgc's."""
    for (cls, name), original in _originals.items():
        setattr(cls, name, original)
    _originals.clear()


def _replace(cls: type, name: str, wrapper: Callable[[Any], Any]) -> None:
    original = cls.__dict__[name]
    _originals[cls, name] = original
    setattr(cls, name, wraps(original)(wrapper(original)))


def _compiling(original: Callable[..., Any]) -> Callable[..., Any]:
    def compile(self: Any, *args: Any, **kwargs: Any) -> Any:
        graph = original(self, *args, **kwargs)
        graph.__class__ = _Compiled
        graph._analyse()
        return graph

    return compile


def _guarding(original: Callable[..., Any]) -> Callable[..., Any]:
    def enter(self: Any) -> Any:
        if START in self.nodes:
            listener.guarded()
            raise AssertionError("a StateGraph reached LangGraph's own loop")
        return original(self)

    return enter


def _noting(original: Callable[..., None]) -> Callable[..., None]:
    def init(self: Any, feature: str, where: str = "") -> None:
        original(self, feature, where)
        listener.refused(feature, where)

    return init


class _Engine(CompiledGraph):
    """A graph of lgc that reports its runs to the listener."""

    def _options(self, *args: Any, **kwargs: Any) -> Any:
        listener.ran()
        return super()._options(*args, **kwargs)


class _Compiled(CompiledStateGraph[Any, Any, Any, Any]):
    """A CompiledStateGraph whose execution and state methods are lgc's.

    Attributes may be set after `compile` as on LangGraph's: what a run uses is read
    when it starts.
    """

    _lgc: CompiledGraph | CompileError
    """The compiled graph, or the reason why there is none."""
    _lgc_nodes: dict[str, tuple[Any, Any]]
    """The nodes that were compiled, with the Runnable of each."""

    def _analyse(self) -> None:
        """Compiles the builder. An unsupported feature is raised by the first run, not here:
        a graph that is only drawn or described does not need lgc to support it.
        """
        try:
            self._lgc = live_graph(self.builder)
        except CompileError as exc:
            self._lgc = exc
        self._lgc_nodes = self._present_nodes()
        listener.compiled()

    def _present_nodes(self) -> dict[str, tuple[Any, Any]]:
        return {name: (node, node.bound) for name, node in self.nodes.items()}

    def copy(self, update: dict[str, Any] | None = None) -> Any:
        """As upstream's; the copy runs the same program."""
        duplicate = super().copy(update)
        duplicate._lgc = self._lgc
        duplicate._lgc_nodes = self._lgc_nodes
        return duplicate

    def _engine(self) -> CompiledGraph:
        """The graph that runs, under the name and the config this object has now.

        Raises:
            Unsupported: the graph, or one of its attributes, uses what lgc does not do yet.
        """
        if isinstance(self._lgc, CompileError):
            raise unsupported(self._lgc)
        unsupported_settings: dict[str, Any] = {
            "retry_policy": self.retry_policy,
            "cache_policy": self.cache_policy,
        }
        for feature, value in unsupported_settings.items():
            if value is not None and value is not False and value not in ((), []):
                raise Unsupported(feature, "compile")
        if self._present_nodes() != self._lgc_nodes:
            raise Unsupported("nodes changed after compile")
        engine = _Engine(self._lgc.program, self.name, self.config)
        engine.checkpointer = self.checkpointer
        engine.store = self.store
        engine.cache = self.cache
        engine.interrupt_before_nodes = self.interrupt_before_nodes
        engine.interrupt_after_nodes = self.interrupt_after_nodes
        engine.stream_mode = self.stream_mode
        engine.debug = self.debug
        engine.step_timeout = self.step_timeout
        engine.coerces = self._output_mapper is not None or self._state_mapper is not None
        return engine

    def invoke(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        output_keys: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Runs the graph (spec §5.6); arguments, result and errors as upstream's."""
        keys = self.output_channels if output_keys is None else output_keys
        return self._engine().invoke(input, config, output_keys=keys, **kwargs)

    def stream(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        output_keys: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Runs the graph and yields chunks (spec §5.1); as upstream's."""
        keys = self.stream_channels_asis if output_keys is None else output_keys
        yield from self._engine().stream(input, config, output_keys=keys, **kwargs)

    async def ainvoke(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        output_keys: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Runs the graph on the running event loop (spec §5.6, §8); as upstream's."""
        keys = self.output_channels if output_keys is None else output_keys
        return await self._engine().ainvoke(input, config, output_keys=keys, **kwargs)

    async def astream(
        self,
        input: Any,
        config: Mapping[str, Any] | None = None,
        *,
        output_keys: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Runs the graph on the running event loop and yields chunks (spec §5); as upstream's."""
        keys = self.stream_channels_asis if output_keys is None else output_keys
        chunks = self._engine().astream(input, config, output_keys=keys, **kwargs)
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            await chunks.aclose()

    def get_state(self, config: Any, *, subgraphs: bool = False) -> Any:
        """The state of a thread (spec §6); as upstream's."""
        return self._engine().get_state(config, subgraphs=subgraphs)

    def get_state_history(self, config: Any, **kwargs: Any) -> Iterator[Any]:
        """The states of a thread, the newest first (spec §6); as upstream's."""
        yield from self._engine().get_state_history(config, **kwargs)

    def bulk_update_state(self, config: Any, supersteps: Any) -> Any:
        """Updates a thread's state (spec §6); `update_state` calls this, too."""
        return self._engine().bulk_update_state(config, supersteps)

    async def aget_state(self, config: Any, *, subgraphs: bool = False) -> Any:
        """The state of a thread (spec §6); as upstream's."""
        return await self._engine().aget_state(config, subgraphs=subgraphs)

    async def aget_state_history(self, config: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """The states of a thread, the newest first (spec §6); as upstream's."""
        async with aclosing(self._engine().aget_state_history(config, **kwargs)) as states:
            async for state in states:
                yield state

    async def abulk_update_state(self, config: Any, supersteps: Any) -> Any:
        """Updates a thread's state (spec §6); `aupdate_state` calls this, too."""
        return await self._engine().abulk_update_state(config, supersteps)


# LangGraph draws and describes a nested graph under the name of its class.
_Compiled.__module__ = CompiledStateGraph.__module__
_Compiled.__name__ = CompiledStateGraph.__name__
_Compiled.__qualname__ = CompiledStateGraph.__qualname__


if os.environ.get("LANGGRAPH_BACKEND") == "lgc":
    install()
