"""Where a module would be imported from, without importing anything.

Standard library only.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec


def spec_of(name: str) -> ModuleSpec | None:
    """The spec of a loaded or importable module; None when there is no such module.

    Unlike `importlib.util.find_spec`, this never imports the parent package.
    """
    loaded = sys.modules.get(name)
    if loaded is not None:
        return getattr(loaded, "__spec__", None)
    parent, _, _ = name.rpartition(".")
    path = None
    if parent:
        parent_spec = spec_of(parent)
        if parent_spec is None or parent_spec.submodule_search_locations is None:
            return None
        path = parent_spec.submodule_search_locations
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # a broken third-party finder makes only this module unknown
            continue
        if spec is not None:
            return spec
    return None
