"""Temporary names."""
from __future__ import annotations
import sys
from typing import Any
from lgc.runtime.public import errors
from lgc.runtime.public.errors import error_class as error_class
from lgc.runtime.public.types import is_a as is_a, loaded as loaded

def is_instance_of_error(exc: BaseException, name: str) -> bool:
    own: Any = getattr(errors, name)
    return isinstance(exc, (own, getattr(sys.modules.get("langgraph.errors"), name, own)))

def is_runnable(value: Any) -> bool:
    runnable = loaded("langchain_core.runnables.base", "Runnable")
    return runnable is not None and isinstance(value, runnable)

def langchain_var() -> Any:
    module = sys.modules.get("langchain_core.runnables.config")
    return getattr(module, "var_child_runnable_config", None)
