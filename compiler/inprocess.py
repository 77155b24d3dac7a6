"""Compiling in this process: a live builder becomes a graph, without files.

The module is the one that `lgc compile` writes, except that its builder is injected
instead of imported. Code is cached by the hash of the IR and holds no object of the
user's. Its source is registered with `linecache` while a graph of it lives, so that
a traceback shows its lines.
"""

from __future__ import annotations

import linecache
import warnings
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from itertools import count
from threading import Lock
from types import CodeType
from typing import Any

from lgc.compiler.diagnostics import CODES, CompileError, error, render
from lgc.compiler.emit import emit
from lgc.compiler.frontend import (
    Analysis,
    Builder,
    analyse_live,
    is_compiled,
    require_valid,
    settings_of,
)
from lgc.compiler.native import building
from lgc.compiler.passes import run_passes
from lgc.compiler.workspace import workspace
from lgc.runtime import abi
from lgc.runtime.graph import CompiledGraph
from lgc.runtime.graph_arguments import check_saver
from lgc.runtime.public.errors import Unsupported

_COMMAND = "lgc.compile_graph(builder)"
_CACHED_MODULES = 256
"""How many modules' code is kept."""


def compile_graph(
    graph: Any,
    *,
    checkpointer: Any = None,
    cache: Any = None,
    store: Any = None,
    interrupt_before: Any = None,
    interrupt_after: Any = None,
    debug: bool | None = None,
    name: str | None = None,
    transformers: Any = None,
    native: bool = False,
) -> CompiledGraph:
    """Compiles a graph in this process, in place of `builder.compile(...)`.

    Args:
        graph: a StateGraph, or what its `compile` returned, with or without a config bound to
            it; it is not changed. A compiled graph also gives the arguments that are left out
            here (saver, store, cache, interrupts, name), its config, its stream mode, and so on.
        checkpointer, cache, store, interrupt_before, interrupt_after, debug, name, transformers:
            as in LangGraph's `compile`.
        native: build the module with mypyc; takes seconds and needs a C compiler.

    Raises:
        TypeError: `graph` is no StateGraph, or as `CompiledGraph.compile`.
        ValueError: LangGraph finds the graph invalid.
        Unsupported: the graph or an argument uses what lgc does not do yet.
        NativeError: the native build failed.
    """
    check_saver(checkpointer)
    try:
        settings = settings_of(graph, _refuse) if is_compiled(graph) else None
        builder: Builder = graph if settings is None else settings.builder
        require_valid(builder)
        program = live_graph(builder, native=native)
    except CompileError as exc:
        raise unsupported(exc) from None
    if settings is not None:
        program.name = settings.name
        program.config = settings.config
        program.coerces = settings.coerces
        program.interrupt_before_nodes = settings.interrupt_before_nodes
        program.interrupt_after_nodes = settings.interrupt_after_nodes
        program.debug = settings.debug
        program.stream_mode = settings.stream_mode
        program.step_timeout = settings.step_timeout
        checkpointer = settings.checkpointer if checkpointer is None else checkpointer
        store = settings.store if store is None else store
        cache = settings.cache if cache is None else cache
    return program.compile(
        checkpointer,
        cache=cache,
        store=store,
        interrupt_before=interrupt_before,
        interrupt_after=interrupt_after,
        debug=debug,
        name=name,
        transformers=transformers,
    )


def _refuse(code: str, feature: str) -> None:
    raise CompileError(error(code, feature))


def live_graph(builder: Builder, *, native: bool = False) -> CompiledGraph:
    """The graph of a valid builder, bound to the objects in it.

    Args:
        builder, native: as in `compile_graph`.

    Raises:
        CompileError: the graph uses what lgc does not do yet (`unsupported`).
    """
    analysis = analyse_live(builder)
    for diagnostic in analysis.notes:
        warnings.warn(render(diagnostic), stacklevel=3)
    if native:
        return _native(analysis, builder)
    key = analysis.ir.hash
    text, code = _MODULES.get(key, lambda: _text(analysis))
    file = code.co_filename
    module: dict[str, Any] = {"__name__": f"lgc_graph_{key}", "__file__": file}
    abi.inject(builder, lambda: exec(code, module))
    graph: CompiledGraph = module["graph"]
    _SOURCES.show(file, text, graph)
    return graph


def unsupported(error: CompileError) -> Unsupported:
    """The exception for a caller in this process whose graph lgc cannot run."""
    first = error.diagnostics[0]
    feature = CODES[first.code].removesuffix(" not supported")
    return Unsupported(feature, first.message.removesuffix(": not supported yet"))


def _text(analysis: Analysis) -> str:
    return emit(run_passes(analysis.ir)[0], _COMMAND)


class _Modules:
    """The code of the modules used last, by the hash of their IR."""

    def __init__(self) -> None:
        self._modules: OrderedDict[str, tuple[str, CodeType]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str, make: Callable[[], str]) -> tuple[str, CodeType]:
        """The text and the code for `key`; `make` writes the text when it is not there."""
        with self._lock:
            module = self._modules.get(key)
            if module is not None:
                self._modules.move_to_end(key)
                return module
        text = make()
        module = text, compile(text, f"<lgc {key}>", "exec")
        with self._lock:
            self._modules[key] = module
            while len(self._modules) > _CACHED_MODULES:
                self._modules.popitem(last=False)
        return module


class _Sources:
    """The sources in `linecache` of the modules of living graphs."""

    def __init__(self) -> None:
        self._graphs: Counter[str] = Counter()
        self._lock = Lock()

    def show(self, file: str, text: str, graph: CompiledGraph) -> None:
        """Registers `text` as the source of `file` while `graph` lives."""
        with self._lock:
            self._graphs[file] += 1
            linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        weakref.finalize(graph, self._release, file)

    def _release(self, file: str) -> None:
        with self._lock:
            self._graphs[file] -= 1
            if not self._graphs[file]:
                del self._graphs[file]
                linecache.cache.pop(file, None)


_MODULES = _Modules()
_SOURCES = _Sources()
_NUMBERS = count(1)


def _native(analysis: Analysis, builder: Builder) -> CompiledGraph:
    """Builds and loads the module, under a new name: a process loads an extension only once."""
    name = f"lgc_graph_{analysis.ir.hash}_{next(_NUMBERS)}"
    with workspace() as (folder, _):
        source = folder / f"{name}.py"
        source.write_text(_text(analysis), encoding="utf-8")
        with building(source, name) as extension:
            loader = ExtensionFileLoader(name, str(extension))
            spec = spec_from_file_location(name, extension, loader=loader)
            assert spec is not None
            module = abi.inject(builder, lambda: module_from_spec(spec))
            abi.inject(builder, lambda: loader.exec_module(module))
    graph: CompiledGraph = module.graph
    return graph
