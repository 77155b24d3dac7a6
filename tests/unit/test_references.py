"""How an object of the user's is reached: by import where it has a name, else on the builder."""

from __future__ import annotations

import functools
import operator
import sys
from collections import OrderedDict, defaultdict
from types import ModuleType
from typing import Any

import pytest

from lgc.compiler.ir_refs import BuilderRef, Ref, SymbolRef
from lgc.compiler.references import References

SOURCE = """
import functools

class Tools:
    def bound(self, state): return state
    def __call__(self, state): return state
    @staticmethod
    def static(state): return state
    @classmethod
    def made(cls, state): return state
    class Inner:
        @staticmethod
        def deep(state): return state

def plain(state): return state
def closure():
    def inner(state): return state
    return inner
@functools.lru_cache
def cached(state): return state
alias = plain
tools = Tools()
part = functools.partial(plain)
inner = closure()
shadowed = plain
def shadowed_function(state): return state
gone = shadowed_function
del shadowed_function
named_lambda = lambda state: state
class Answers:
    def __getattr__(self, name): return self
    def __eq__(self, other): return True
answers = Answers()
setattr(Tools, "not an identifier", plain)
"""


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = ModuleType("linked_user")
    monkeypatch.setitem(sys.modules, "linked_user", module)
    exec(SOURCE, vars(module))
    return module


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("plain", "plain"),
        ("alias", "plain"),
        ("cached", "cached"),
        ("Tools", "Tools"),
        ("Tools.static", "Tools.static"),
        ("Tools.made", "Tools.made"),
        ("Tools.Inner.deep", "Tools.Inner.deep"),
        ("tools", "tools"),
        ("tools.bound", "tools.bound"),
        ("part", "part"),
        # Their own names lead nowhere; the module's do.
        ("inner", "inner"),
        ("named_lambda", "named_lambda"),
        ("gone", "gone"),
        ("answers", "answers"),
    ],
)
def test_by_symbol(user: Any, expression: str, name: str) -> None:
    obj = operator.attrgetter(expression)(user)
    assert References(user).of(obj, BuilderRef("seed")) == SymbolRef("linked_user", name)


def test_through_the_builder(user: Any) -> None:
    references = References(user)
    for obj in (
        user.closure(),
        user.Tools(),
        user.Tools().bound,
        functools.partial(user.plain),
        user.Answers(),
    ):
        ref = references.of(obj, BuilderRef("function", "n"))
        assert ref == BuilderRef("function", "n")
        assert str(ref) == '<builder>.nodes["n"].runnable.func'


def test_main_module_has_no_importable_names(user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "__main__", user)
    user.plain.__module__ = "__main__"
    # The target's own module is known by the name it was imported under.
    assert References(user).by_symbol(user.plain) == SymbolRef("linked_user", "alias")
    assert References(ModuleType("other")).by_symbol(user.plain) is None


def test_name_that_means_something_else_now(user: Any) -> None:
    old = user.plain
    for name in ("plain", "alias", "shadowed"):
        setattr(user, name, lambda state: None)
    assert References(user).by_symbol(old) is None


@pytest.mark.parametrize(
    ("obj", "ref"),
    [
        (operator.add, SymbolRef("operator", "add")),
        (operator.or_, SymbolRef("operator", "or_")),
        (list, SymbolRef("builtins", "list")),
        (defaultdict, SymbolRef("collections", "defaultdict")),
        (OrderedDict, SymbolRef("collections", "OrderedDict")),
        (functools.reduce, SymbolRef("functools", "reduce")),
    ],
)
def test_standard_library_by_public_name(user: Any, obj: object, ref: Ref) -> None:
    assert References(user).by_symbol(obj) == ref
