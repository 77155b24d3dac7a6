"""The ambient config of nodes that were started before langchain-core was loaded.

A node may be the first to import it (`from langgraph.types import interrupt` in
its body). It was entered with lgc's contextvar set and not langchain-core's, and
so were the nodes that run beside it and those around it. So when the module that
defines langchain-core's contextvar is loaded, the variable is replaced by one
that falls back to lgc's (design §5, "ambient config").
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from lgc.runtime.config.ambient import CURRENT
from lgc.runtime.drivers.call import refresh_langchain_var

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_MODULE: Final = "langchain_core.runnables.config"
_VARIABLE: Final = "var_child_runnable_config"


def watch() -> None:
    """Waits for langchain-core's first import; called for every graph, does something once."""
    if _MODULE not in sys.modules and _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


class AmbientVar:
    """Stands for langchain-core's contextvar; where that is unset, the running task's config.

    Args:
        var: the contextvar.
    """

    __slots__ = ("_var", "name", "reset", "set")

    def __init__(self, var: Any) -> None:
        self._var = var
        self.name = var.name
        self.set = var.set
        self.reset = var.reset

    def get(self, *default: Any) -> Any:
        """As `ContextVar.get`."""
        found = self._var.get(None)
        if found is None:
            current = CURRENT.get()
            if current is None:
                return self._var.get(*default)
            found = current.ambient()
            # Everybody who asks from now on gets the same object.
            self._var.set(found)
        return found


class _Finder:
    """Finds the one module as the other finders do, and wraps its loader."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _MODULE:
            return None
        for finder in sys.meta_path:
            if finder is not self:
                spec = finder.find_spec(name, path, target)
                if spec is not None:
                    if hasattr(spec.loader, "exec_module"):
                        spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                    return spec
        return None


_FINDER: Final = _Finder()


class _Loader:
    """Loads the module with its own loader, then replaces the variable.

    Args:
        loader: the module's own loader.
    """

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self.loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The module keeps no trace of the wrapper: `inspect` and others ask for its loader.
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        setattr(module, _VARIABLE, AmbientVar(getattr(module, _VARIABLE)))
        refresh_langchain_var()
        # A new list: one that shrinks would make another thread's import pass over a finder.
        sys.meta_path = [finder for finder in sys.meta_path if finder is not _FINDER]
