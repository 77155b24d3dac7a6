"""Which classes of langgraph and langchain-core are loaded, and whether a value is one of theirs.

lgc imports neither of them. Its own classes stand in for LangGraph's until langgraph is loaded
(design §5, "whose types"). A node may be the first to import it, so the answers change during a
run: every question looks into `sys.modules` again. The classes of `lgc.runtime.public` register
here when they are defined (`mirrors`); this module imports nothing of lgc.
"""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

RUNNABLES: Final = "langchain_core.runnables.base"
"""The module in which langchain-core defines Runnable and RunnableSequence."""

T = TypeVar("T")


def loaded(module: str, name: str) -> Any:
    """`name` of `module` when that module is loaded, else None."""
    return getattr(sys.modules.get(module), name, None)


class Counterpart:
    """A class of lgc's and where LangGraph defines the class that it stands for.

    Args:
        own: lgc's class.
        module: LangGraph's module.
        name: the name of LangGraph's class in it.
    """

    def __init__(self, own: Any, module: str, name: str) -> None:
        self.own: Any = own
        self.module: str = module
        self.name: str = name

    def theirs(self) -> Any:
        """LangGraph's class, or None while it is not loaded."""
        return loaded(self.module, self.name)


# By the name of lgc's class.
_COUNTERPARTS: Final[dict[str, Counterpart]] = {}


def mirrors(module: str, name: str = "") -> Callable[[T], T]:
    """A class decorator: the class stands for LangGraph's, and `_counterpart` tells which.

    Args:
        module: LangGraph's module.
        name: the name of LangGraph's class there; "" if both have the same name.
    """

    def register(cls: T) -> T:
        own: Any = cls
        counterpart = Counterpart(own, module, name or own.__name__)
        _COUNTERPARTS[own.__name__] = counterpart
        own._counterpart = counterpart
        return cls

    return register


def own_class(module: str, name: str) -> Any:
    """lgc's class for the class `name` of LangGraph's `module`, or None."""
    counterpart = _COUNTERPARTS.get(name)
    return counterpart.own if counterpart is not None and counterpart.module == module else None


def current_class(name: str) -> Any:
    """The class to make objects of: LangGraph's once it is loaded, else lgc's `name`."""
    counterpart = _COUNTERPARTS[name]
    theirs = counterpart.theirs()
    return counterpart.own if theirs is None else theirs


def is_a(value: Any, name: str) -> bool:
    """Whether a value is an object of lgc's class `name` (Send, Command, …) or of LangGraph's."""
    counterpart = _COUNTERPARTS[name]
    own = counterpart.own
    if type(value) is own:
        return True
    theirs = loaded(counterpart.module, counterpart.name)
    if theirs is None:
        # Not isinstance(): the metaclass of lgc's classes would look for LangGraph's once more.
        return bool(type.__instancecheck__(own, value))
    return isinstance(value, theirs)


# --- exceptions ---

# The names whose own class was handed out, which an `except` of the user's may wait for.
_handed_out: set[str] = set()
# The classes that derive from lgc's and from LangGraph's class of a name.
_both: dict[str, type[BaseException]] = {}


def error_class(name: str) -> type[BaseException]:
    """The exception class to raise for LangGraph's `name`.

    Returns:
        LangGraph's once langgraph is loaded, else lgc's. When lgc's own class, or a base of it,
        was handed out before langgraph was loaded, a class that derives from both.
    """
    counterpart = _COUNTERPARTS[name]
    own: type[BaseException] = counterpart.own
    theirs: type[BaseException] | None = counterpart.theirs()
    if theirs is None:
        return own
    if _handed_out.isdisjoint([base.__name__ for base in own.__mro__]):
        return theirs
    if name not in _both:
        both = type(name, (own, theirs), {"__module__": theirs.__module__})
        copyreg.pickle(both, _reduce_as_theirs)
        _both[name] = both
    return _both[name]


def hand_out_error(name: str) -> type[BaseException]:
    """The exception class a user gets for `lgc.<name>`: LangGraph's once it is loaded.

    From lgc's own class on, `error_class` sees to it that the user's handlers go on working.
    """
    counterpart = _COUNTERPARTS[name]
    theirs: type[BaseException] | None = counterpart.theirs()
    if theirs is not None:
        return theirs
    _handed_out.add(name)
    own: type[BaseException] = counterpart.own
    return own


def is_instance_of_error(exc: BaseException, name: str) -> bool:
    """Whether an exception is of lgc's class `name` or of LangGraph's."""
    counterpart = _COUNTERPARTS[name]
    if isinstance(exc, counterpart.own):
        return True
    theirs = counterpart.theirs()
    return theirs is not None and isinstance(exc, theirs)


def _reduce_as_theirs(error: Any) -> Any:
    """Pickles an exception of both classes as LangGraph's: no other process has it."""
    counterpart = _COUNTERPARTS[type(error).__name__]
    make, *rest = counterpart.own.__reduce__(error)
    theirs = counterpart.theirs()
    return (partial(theirs, **make.keywords) if isinstance(make, partial) else theirs, *rest)


# --- langchain-core ---


def is_runnable(value: Any) -> bool:
    """Whether a value is a langchain-core Runnable."""
    runnable = loaded(RUNNABLES, "Runnable")
    return runnable is not None and isinstance(value, runnable)


def langchain_var() -> Any:
    """langchain-core's contextvar of the ambient config, or None while it is not loaded."""
    return loaded("langchain_core.runnables.config", "var_child_runnable_config")
