"""How the generated module reaches an object of the user's: by import where the object has a
name, else through the builder.

Works on live objects and knows nothing of langgraph; the frontend says where on the builder an
object stands.
"""

from __future__ import annotations

import sys
from types import MethodType, ModuleType

from lgc.compiler.ir_refs import BuilderRef, Ref, SymbolRef

# C modules whose contents are public under another name.
_PUBLIC = {"_operator": "operator", "_functools": "functools", "_collections": "collections"}


class References:
    """References for the objects of one target.

    Args:
        module: the module that holds the target; its globals may name an object
            that does not know its own name (a partial, a callable instance). None for
            a graph of this process, of which only builtins and operators go by symbol.
    """

    def __init__(self, module: ModuleType | None) -> None:
        self._module = module
        # An object that stands under two names goes by the first in the alphabet.
        self._names: dict[int, str] = {}
        for name in sorted(vars(module) if module is not None else (), reverse=True):
            if name.isidentifier():
                self._names[id(vars(module)[name])] = name

    def of(self, obj: object, on_builder: BuilderRef) -> Ref:
        """The reference for `obj`, by symbol if possible.

        Args:
            obj: a function, class or other object of the user's.
            on_builder: where the builder has it.
        """
        return self.by_symbol(obj) or on_builder

    def by_symbol(self, obj: object) -> SymbolRef | None:
        """A reference by import, or None when `obj` has no importable name."""
        module = getattr(obj, "__module__", None)
        qualname = getattr(obj, "__qualname__", None)
        if isinstance(module, str) and isinstance(qualname, str):
            module = _PUBLIC.get(module, module)
            importable = self._module is not None or module in ("builtins", "operator")
            if importable and _resolves(module, qualname, obj):
                return SymbolRef(module, qualname)
        if self._module is None:
            return None
        if isinstance(obj, MethodType):
            owner = self.by_symbol(obj.__self__)
            if owner is not None and _resolves(owner.module, f"{owner.name}.{obj.__name__}", obj):
                return SymbolRef(owner.module, f"{owner.name}.{obj.__name__}")
        name = self._names.get(id(obj))
        if name is None or vars(self._module).get(name) is not obj:
            return None
        return SymbolRef(self._module.__name__, name)


def _resolves(module: str, qualname: str, obj: object) -> bool:
    """Whether importing `qualname` from `module` gives `obj`."""
    if module == "__main__" or not all(part.isidentifier() for part in qualname.split(".")):
        return False
    value: object = sys.modules.get(module)
    for part in qualname.split("."):
        value = getattr(value, part, None)
    # Every access to a method makes a new bound method, so these are compared by value.
    return value is obj or (isinstance(obj, MethodType) and value == obj)
