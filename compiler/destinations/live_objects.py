"""Looks at live objects without running code of the user's."""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final, Literal, get_args, get_origin

from lgc.compiler.destinations.reach import Reach

UNKNOWN: Final = object()
"""What a look-up returns that cannot tell the value."""


def class_names(obj: object) -> frozenset[str]:
    """The names of an object's class and of its base classes."""
    return frozenset(base.__name__ for base in type(obj).__mro__)


def is_named(cls: type, name: str) -> bool:
    """Whether a class or one of its base classes has a name."""
    return any(base.__name__ == name for base in cls.__mro__)


def is_stdlib(obj: object) -> bool:
    """Whether a callable is a builtin or comes from the standard library."""
    module = (getattr(obj, "__module__", None) or "").partition(".")[0]
    return isinstance(obj, BuiltinFunctionType) or module in sys.stdlib_module_names


def declared_reach(function: FunctionType) -> Reach | None:
    """What `-> Command[Literal["a", "b"]]` says; None when a function says nothing."""
    annotation: Any = function.__annotations__.get("return")
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, function.__globals__)
        except Exception:  # names of `if TYPE_CHECKING`, of closures, and so on
            return None
    names: set[str] = set()
    for part in (annotation, *get_args(annotation)):
        if getattr(get_origin(part), "__name__", "") == "Command":
            for literal in get_args(part):
                if get_origin(literal) is Literal:
                    names.update(get_args(literal))
    return Reach(frozenset(names)) if names else None


def attribute_of(owner: Any, name: str) -> Any:
    """An attribute of a live object; UNKNOWN when reading it may run code."""
    static = inspect.getattr_static(owner, name, UNKNOWN)
    if static is UNKNOWN and not isinstance(owner, ModuleType):
        return UNKNOWN
    harmless = (FunctionType, classmethod, staticmethod, BuiltinFunctionType)
    if hasattr(type(static), "__get__") and not isinstance(static, harmless):
        return UNKNOWN
    return getattr(owner, name, UNKNOWN)


def free_name(function: FunctionType, name: str) -> Any:
    """The value of a free variable, a global or a builtin of a function, or UNKNOWN."""
    code = function.__code__
    if name in code.co_freevars:
        cell = (function.__closure__ or ())[code.co_freevars.index(name)]
        try:
            return cell.cell_contents
        except ValueError:  # the variable has no value yet
            return UNKNOWN
    return function.__globals__.get(name, getattr(builtins, name, UNKNOWN))


def imported(node: ast.Import | ast.ImportFrom, name: str) -> Any:
    """What an import inside a function binds to `name`; UNKNOWN if its module is not loaded."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            if (alias.asname or alias.name.partition(".")[0]) == name:
                module = alias.name if alias.asname else name
                return sys.modules.get(module, UNKNOWN)
        elif (alias.asname or alias.name) == name and not node.level:
            return getattr(sys.modules.get(node.module or ""), alias.name, UNKNOWN)
    return UNKNOWN
