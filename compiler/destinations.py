"""Where the Commands and Sends that a node may return lead, read from the code of its function.

A function is followed through what it returns: the helpers, methods of `self`, partials and
nested functions that it calls, the variables it assigns. What cannot be followed (a call of
an unknown object, code without source) may lead anywhere: that a node is not reached must be
certain before it is said. Classes are told by name, so this knows nothing of langgraph.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin

_DEPTH: Final = 25
"""So many calls are followed into each other."""
_PARENT: Final = "__parent__"
_UNKNOWN: Final = object()


class Reach(NamedTuple):
    """Where what a node returns may lead.

    Attributes:
        names: nodes of its own graph.
        anywhere: any node of its own graph.
        parents: nodes of the parent graph (`Command.PARENT`).
        parent_anywhere: any node of the parent graph.
    """

    names: frozenset[str] = frozenset()
    anywhere: bool = False
    parents: frozenset[str] = frozenset()
    parent_anywhere: bool = False

    def __or__(self, other: Reach) -> Reach:
        return Reach(
            self.names | other.names,
            self.anywhere or other.anywhere,
            self.parents | other.parents,
            self.parent_anywhere or other.parent_anywhere,
        )


NOWHERE: Final = Reach()
ANYWHERE: Final = Reach(anywhere=True, parent_anywhere=True)


def reach_of(runnable: Any) -> Reach:
    """Where the result of a node's `runnable`, whatever kind it is, may lead."""
    return _Follower().runnable(runnable)


def sends_of(runnable: Any) -> Reach:
    """Where the Sends of a router may lead; the strings that it returns are left out.

    A value that the router reads (of its state, of a model's answer) is taken for a string.
    """
    return _Follower(reads_are_plain=True).runnable(runnable)


@dataclass
class _Frame:
    """One call that is followed.

    Attributes:
        function: the live function; None for a function nested in `outer`.
        arguments: what its parameters lead to.
        objects: parameters whose live value is known: `self`, the functions given to it.
        bindings: the expressions assigned to its variables; None for what is not followed.
    """

    function: Any
    outer: _Frame | None = None
    arguments: dict[str, Reach] = field(default_factory=dict)
    objects: dict[str, object] = field(default_factory=dict)
    first: str = ""
    bindings: dict[str, list[ast.AST | None]] = field(default_factory=dict)
    resolving: set[str] = field(default_factory=set)


class _Follower:
    """Follows functions; one for each node."""

    def __init__(self, reads_are_plain: bool = False) -> None:
        self.stack: list[object] = []
        self.unknown = NOWHERE if reads_are_plain else ANYWHERE

    # -- live objects -----------------------------------------------------------------

    def runnable(self, obj: Any) -> Reach:
        """What a Runnable, as LangGraph makes one of a node, may lead to."""
        kinds = _kinds(obj)
        if len(self.stack) > _DEPTH or any(each is obj for each in self.stack):
            return ANYWHERE if len(self.stack) > _DEPTH else NOWHERE
        self.stack.append(obj)
        try:
            if "Pregel" in kinds:
                return self._graph(obj)
            if not kinds.isdisjoint(_DICT_MAKERS):
                return NOWHERE
            if "ToolNode" in kinds:
                return self._tool_node(obj)
            if isinstance(steps := getattr(obj, "steps", None), (list, tuple)) and steps:
                return self.runnable(steps[-1])
            if "bound" in getattr(obj, "__dict__", {}):
                return self.runnable(obj.bound)
            bodies = [getattr(obj, name, None) for name in ("func", "afunc")]
            if isinstance(bodies[1], partial) and bodies[0] is not None:
                # LangGraph's own, which calls the function on a thread.
                del bodies[1]
            bodies = [body for body in bodies if callable(body)]
            if bodies:
                return _union(self.call(body, [NOWHERE], {}) for body in bodies)
            return ANYWHERE
        finally:
            self.stack.pop()

    def _graph(self, graph: Any) -> Reach:
        """A graph leads to what its nodes send to their parent."""
        builder = getattr(graph, "builder", None)
        if builder is None:
            return ANYWHERE
        inner = _union(self.runnable(spec.runnable) for spec in builder.nodes.values())
        return Reach(inner.parents, inner.parent_anywhere)

    def _tool_node(self, node: Any) -> Reach:
        reach = NOWHERE
        for wrapper in ("_wrap_tool_call", "_awrap_tool_call"):
            if getattr(node, wrapper, None) is not None:
                return ANYWHERE
        for tool in getattr(node, "tools_by_name", {}).values():
            bodies = [getattr(tool, name, None) for name in ("func", "coroutine")]
            bodies = [body for body in bodies if callable(body)] or [getattr(tool, "_run", None)]
            reach |= _union(self.call(body, [], {}) for body in bodies)
        return reach

    def value(self, value: Any) -> Reach:
        """What a live value leads to when it is returned."""
        kinds = _kinds(value)
        if "Command" in kinds:
            goto = value.goto if isinstance(value.goto, (list, tuple)) else [value.goto]
            names = [getattr(end, "node", end) for end in goto]
            return _to(frozenset(name for name in names if isinstance(name, str)), value.graph)
        if "Send" in kinds:
            return Reach(frozenset([value.node]))
        if isinstance(value, (list, tuple)):
            return _union(map(self.value, value))
        if not isinstance(value, type) and hasattr(type(value), "invoke"):
            # LangGraph calls a Runnable that a node returns.
            return self.runnable(value)
        return NOWHERE

    def call(self, callee: Any, args: list[Reach], keywords: dict[str, Reach]) -> Reach:
        """What a call of a live object may return."""
        if isinstance(callee, partial):
            args = [*map(self.value, callee.args), *args]
            given = {key: self.value(value) for key, value in callee.keywords.items()}
            return self.call(callee.func, args, {**given, **keywords})
        if isinstance(callee, type):
            if issubclass(callee, (list, tuple)):
                return _union(args)
            # A Runnable that is returned is called.
            return ANYWHERE if hasattr(callee, "invoke") else NOWHERE
        owner = getattr(callee, "__self__", None)
        kinds = _kinds(owner)
        if not kinds.isdisjoint(_DICT_MAKERS | {"Pregel"}):
            # Models and graphs return messages and state.
            return NOWHERE
        if "Runnable" in kinds and callee.__name__ in ("invoke", "ainvoke"):
            return self.runnable(owner)
        wrapped = getattr(callee, "__wrapped__", None)
        if wrapped is not None and not isinstance(callee, (FunctionType, MethodType)):
            return self.call(wrapped, args, keywords)
        module = (getattr(callee, "__module__", None) or "").partition(".")[0]
        if isinstance(callee, BuiltinFunctionType) or module in sys.stdlib_module_names:
            return NOWHERE if getattr(callee, "__name__", "") in _PLAIN else _union(args)
        if isinstance(callee, (FunctionType, MethodType)):
            return self._function(callee, args, keywords)
        method = inspect.getattr_static(type(callee), "__call__", None)
        if isinstance(method, FunctionType):
            return self._function(MethodType(method, callee), args, keywords)
        return self.unknown

    def _function(self, function: Any, args: list[Reach], keywords: dict[str, Reach]) -> Reach:
        bound = isinstance(function, MethodType)
        plain = function.__func__ if bound else function
        if not isinstance(plain, FunctionType):
            return self.unknown
        declared = _declared(plain)
        if plain in self.stack:
            return NOWHERE
        if len(self.stack) > _DEPTH:
            return declared or ANYWHERE
        code = plain.__code__
        trees = _functions_in(code.co_filename).get((code.co_firstlineno, code.co_name))
        if not trees:
            mentioned = {*code.co_names, *code.co_freevars}
            if not mentioned or (self.unknown is NOWHERE and mentioned.isdisjoint(_GOTO)):
                return NOWHERE
            return declared or ANYWHERE
        self.stack.append(plain)
        try:
            reach = NOWHERE
            for tree in trees:
                frame = _Frame(plain)
                given = [NOWHERE, *args] if bound else args
                self._bind(frame, tree, given, keywords)
                if bound and frame.first:
                    frame.objects[frame.first] = function.__self__
                reach |= self._returns(tree, frame)
        finally:
            self.stack.pop()
        # What a function declares of its destinations is complete.
        return reach if declared is None else declared | reach._replace(anywhere=False)

    # -- source -----------------------------------------------------------------------

    def _bind(
        self, frame: _Frame, tree: _Function, args: list[Reach], keywords: dict[str, Reach]
    ) -> None:
        spec = tree.args
        positional = [each.arg for each in (*spec.posonlyargs, *spec.args)]
        frame.first = positional[0] if positional else ""
        # A parameter that is left out has its default, or is what LangGraph injects.
        frame.arguments = {name: NOWHERE for name in (*positional, *_names(spec.kwonlyargs))}
        for name, default in zip(reversed(positional), reversed(spec.defaults), strict=False):
            frame.arguments[name] = self._expression(default, frame.outer or frame)
        frame.arguments |= dict(zip(positional, args, strict=False))
        rest = _union([*args[len(positional) :], *keywords.values()])
        frame.arguments |= {k: v for k, v in keywords.items() if k in frame.arguments}
        for extra in (spec.vararg, spec.kwarg):
            if extra is not None:
                frame.arguments[extra.arg] = rest
        frame.bindings = _bindings(tree)

    def _returns(self, tree: _Function, frame: _Frame) -> Reach:
        if isinstance(tree, ast.Lambda):
            return self._expression(tree.body, frame)
        results = (
            node.value for node in _own(tree.body) if isinstance(node, (ast.Return, ast.Yield))
        )
        return _union(self._expression(value, frame) for value in results if value is not None)

    def _expression(self, node: ast.AST | None, frame: _Frame) -> Reach:
        """What an expression leads to when it is returned."""
        match node:
            case None | ast.Constant() | ast.JoinedStr() | ast.Dict() | ast.DictComp():
                return NOWHERE
            case ast.Set() | ast.SetComp() | ast.Compare() | ast.UnaryOp() | ast.Lambda():
                return NOWHERE
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.BoolOp(values=items):
                return _union(self._expression(item, frame) for item in items)
            case ast.IfExp(body=body, orelse=other) | ast.BinOp(left=body, right=other):
                return self._expression(body, frame) | self._expression(other, frame)
            case ast.ListComp(elt=value) | ast.GeneratorExp(elt=value):
                return self._expression(value, frame)
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                return self._expression(value, frame)
            case ast.Starred(value=value):
                return self._element(value, frame)
            case ast.Call():
                return self._call(node, frame)
            case ast.Name(id=name):
                return self._name(name, frame)
            case ast.Attribute(value=value):
                owner = self._resolve(value, frame)
                if isinstance(owner, (ModuleType, type)):
                    return self.value(_attribute(owner, node.attr))
                # What an attribute of an object holds may have changed when a node runs.
                return self._expression(value, frame) if owner is _UNKNOWN else self.unknown
            case ast.Subscript(value=value):
                return self._element(value, frame)
        return self.unknown

    def _element(self, node: ast.AST, frame: _Frame) -> Reach:
        """What an element of a list or a value of a dict leads to."""
        if isinstance(node, ast.Dict):
            return _union(self._expression(value, frame) for value in node.values)
        if isinstance(node, ast.DictComp):
            return self._expression(node.value, frame)
        if isinstance(node, ast.Name) and node.id in frame.bindings:
            if node.id in frame.resolving:
                return NOWHERE
            frame.resolving.add(node.id)
            values = [v for v in frame.bindings[node.id] if v is not None]
            reach = _union(self._element(value, frame) for value in values)
            frame.resolving.discard(node.id)
            return reach | self._name(node.id, frame)
        live = self._resolve(node, frame)
        if isinstance(live, (dict, list, tuple)):
            return _union(map(self.value, live.values() if isinstance(live, dict) else live))
        return self._expression(node, frame)

    def _name(self, name: str, frame: _Frame) -> Reach:
        if name in frame.bindings:
            if name in frame.resolving:
                return NOWHERE
            frame.resolving.add(name)
            try:
                reach = frame.arguments.get(name, NOWHERE)
                for value in frame.bindings[name]:
                    # A nested function is no Command.
                    if not isinstance(value, (*_FUNCTIONS, ast.Import, ast.ImportFrom)):
                        reach |= self.unknown if value is None else self._expression(value, frame)
            finally:
                frame.resolving.discard(name)
            return reach
        if name in frame.objects:
            return NOWHERE
        if name in frame.arguments:
            return frame.arguments[name]
        if frame.outer is not None:
            return self._name(name, frame.outer)
        live = self._resolve(ast.Name(name), frame)
        return self.unknown if live is _UNKNOWN else self.value(live)

    def _call(self, node: ast.Call, frame: _Frame) -> Reach:
        callee = node.func
        live = self._resolve(callee, frame)
        if isinstance(live, type):
            if "Command" in (names := {base.__name__ for base in live.__mro__}):
                return self._command(node, frame) if live.__name__ == "Command" else ANYWHERE
            if "Send" in names:
                return _to(self._sent(node, frame), None)
        if isinstance(callee, ast.Name) and live is _UNKNOWN:
            nested = self._nested(callee.id, frame)
            if nested is not None:
                return nested
        args = [self._expression(arg, frame) for arg in node.args]
        keywords = {k.arg or "**": self._expression(k.value, frame) for k in node.keywords}
        if live is not _UNKNOWN:
            module = (getattr(live, "__module__", None) or "").partition(".")[0]
            outside = isinstance(live, BuiltinFunctionType) or module in sys.stdlib_module_names
            given = (*node.args, *(keyword.value for keyword in node.keywords))
            if outside and any(self._is_function(each, frame) for each in given):
                return self.unknown
            return self.call(live, args, keywords)
        if isinstance(callee, ast.Subscript):
            table = self._resolve(callee.value, frame)
            if isinstance(table, (dict, list, tuple)):
                each = table.values() if isinstance(table, dict) else table
                return _union(self.call(function, args, keywords) for function in each)
        if isinstance(callee, ast.Attribute):
            return self._method(callee, _union([*args, *keywords.values()]), frame)
        return self.unknown

    def _method(self, callee: ast.Attribute, args: Reach, frame: _Frame) -> Reach:
        """The call of a method of something that is not known live."""
        receiver = callee.value
        if isinstance(receiver, ast.Name) and self._is_state(receiver.id, frame):
            return args
        if callee.attr in _METHODS:
            return self._element(receiver, frame) | args
        return self.unknown

    def _is_state(self, name: str, frame: _Frame) -> bool:
        return name == frame.first and name not in frame.objects and name not in frame.bindings

    def _is_function(self, node: ast.AST, frame: _Frame) -> bool:
        live = self._resolve(node, frame)
        return isinstance(node, ast.Lambda) or (callable(live) and not isinstance(live, type))

    def _nested(self, name: str, frame: _Frame | None) -> Reach | None:
        """The call of a function defined in one that is followed; None when there is none."""
        while frame is not None and name not in frame.bindings:
            frame = frame.outer
        trees = [] if frame is None else frame.bindings[name]
        if frame is None or not trees or not all(isinstance(t, _FUNCTIONS) for t in trees):
            return None
        if any(tree in self.stack for tree in trees):
            return NOWHERE
        if len(self.stack) > _DEPTH:
            return ANYWHERE
        reach = NOWHERE
        for tree in trees:
            assert isinstance(tree, _FUNCTIONS)
            inner = _Frame(None, frame)
            self._bind(inner, tree, [], {})
            for parameter in inner.arguments:
                # What it is called with is not followed.
                inner.arguments[parameter] = self.unknown
            self.stack.append(tree)
            try:
                reach |= self._returns(tree, inner)
            finally:
                self.stack.pop()
        return reach

    # -- Command and Send ---------------------------------------------------------------

    def _command(self, node: ast.Call, frame: _Frame) -> Reach:
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        if node.args or None in keywords:
            return ANYWHERE
        names = self._strings(keywords["goto"], frame) if "goto" in keywords else frozenset()
        graph: object = None
        if "graph" in keywords:
            graph = self._resolve(keywords["graph"], frame)
        return _to(names, graph)

    def _sent(self, node: ast.Call, frame: _Frame) -> frozenset[str] | None:
        named = [keyword.value for keyword in node.keywords if keyword.arg == "node"]
        first = node.args[0] if node.args else named[0] if named else None
        return None if first is None else self._strings(first, frame)

    def _strings(self, node: ast.AST | None, frame: _Frame) -> frozenset[str] | None:
        """The node names that an expression can be; None when it may be any."""
        parts: list[ast.AST]
        match node:
            case ast.List(elts=items) | ast.Tuple(elts=items):
                parts = [*items]
            case ast.BoolOp(values=items):
                parts = [*items]
            case ast.IfExp(body=body, orelse=other):
                parts = [body, other]
            case ast.ListComp(elt=value) | ast.NamedExpr(value=value):
                parts = [value]
            case ast.Starred(value=ast.List() | ast.Tuple() as value):
                parts = [*value.elts]
            case ast.Starred():
                return None
            case ast.Call():
                live = self._resolve(node.func, frame)
                if isinstance(live, type) and "Send" in {b.__name__ for b in live.__mro__}:
                    return self._sent(node, frame)
                return None
            case ast.Name(id=name) if name in frame.bindings:
                assigned = frame.bindings[name]
                if name in frame.resolving or name in frame.arguments or None in assigned:
                    return None
                frame.resolving.add(name)
                found = self._all_strings(assigned, frame)
                frame.resolving.discard(name)
                return found
            case _:
                live = node.value if isinstance(node, ast.Constant) else self._resolve(node, frame)
                if live is None:
                    return frozenset()
                return frozenset([live]) if isinstance(live, str) else None
        return self._all_strings(parts, frame)

    def _all_strings(self, nodes: Iterable[ast.AST | None], frame: _Frame) -> frozenset[str] | None:
        found: frozenset[str] = frozenset()
        for node in nodes:
            strings = self._strings(node, frame)
            if strings is None:
                return None
            found |= strings
        return found

    # -- names ----------------------------------------------------------------------------

    def _resolve(self, node: ast.AST | None, frame: _Frame) -> Any:
        """The live object that an expression is, or `_UNKNOWN`; runs none of the user's code."""
        if isinstance(node, ast.Attribute):
            owner = self._resolve(node.value, frame)
            return _UNKNOWN if owner is _UNKNOWN else _attribute(owner, node.attr)
        if not isinstance(node, ast.Name):
            return _UNKNOWN
        at: _Frame | None = frame
        while at is not None:
            if node.id in at.objects:
                return at.objects[node.id]
            if node.id in at.bindings:
                return self._bound(node.id, at)
            if node.id in at.arguments:
                return _UNKNOWN
            if at.function is not None:
                return _global(at.function, node.id)
            at = at.outer
        return _UNKNOWN

    def _bound(self, name: str, frame: _Frame) -> Any:
        """What a variable of a function is, when it is an import or another name for something."""
        (value, *more) = frame.bindings[name]
        if more or name in frame.resolving or name in frame.arguments:
            return _UNKNOWN
        if isinstance(value, (ast.Import, ast.ImportFrom)):
            return _imported(value, name, frame)
        frame.resolving.add(name)
        live = self._resolve(value, frame)
        frame.resolving.discard(name)
        return live


_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)

_GOTO: Final = frozenset(["Command", "Send", "types"])

# Runnables and models that make dicts or messages of what they are given.
_DICT_MAKERS: Final = {
    "BaseLLMOutputParser",
    "BaseLanguageModel",
    "BasePromptTemplate",
    "BaseRetriever",
    "RunnableAssign",
    "RunnableParallel",
    "RunnablePassthrough",
}
# Builtins and functions of the standard library that return something of their own.
_PLAIN: Final = {
    *("abs", "all", "any", "bool", "dict", "dumps", "float", "format", "hash", "id", "int"),
    *("len", "print", "range", "repr", "round", "str", "sum"),
}
# Methods of lists, dicts and strings: they return a part of their receiver, or text.
_METHODS: Final = {
    *("copy", "format", "get", "items", "join", "keys", "lower", "pop", "replace", "split"),
    *("strip", "title", "upper", "values"),
}


def _union(reaches: Iterable[Reach]) -> Reach:
    whole = NOWHERE
    for reach in reaches:
        whole |= reach
    return whole


def _to(names: frozenset[str] | None, graph: object) -> Reach:
    """The reach of a Command with these destinations (None for any) and this `graph`."""
    here, any_name = names or frozenset(), names is None
    if graph is None:
        return Reach(here, any_name)
    if graph == _PARENT:
        return Reach(parents=here, parent_anywhere=any_name)
    return Reach(here, any_name, here, any_name)


def _kinds(obj: object) -> frozenset[str]:
    return frozenset(base.__name__ for base in type(obj).__mro__)


def _declared(function: FunctionType) -> Reach | None:
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


def _attribute(owner: Any, name: str) -> Any:
    """An attribute of a live object, unless getting it may run code."""
    static = inspect.getattr_static(owner, name, _UNKNOWN)
    if static is _UNKNOWN and not isinstance(owner, ModuleType):
        return _UNKNOWN
    harmless = (FunctionType, classmethod, staticmethod, BuiltinFunctionType)
    if hasattr(type(static), "__get__") and not isinstance(static, harmless):
        return _UNKNOWN
    return getattr(owner, name, _UNKNOWN)


def _global(function: FunctionType, name: str) -> Any:
    """The value of a free variable, a global or a builtin of a function."""
    code = function.__code__
    if name in code.co_freevars:
        cell = (function.__closure__ or ())[code.co_freevars.index(name)]
        try:
            return cell.cell_contents
        except ValueError:  # it has no value yet
            return _UNKNOWN
    return function.__globals__.get(name, getattr(builtins, name, _UNKNOWN))


def _imported(node: ast.Import | ast.ImportFrom, name: str, frame: _Frame) -> Any:
    """What an import inside a function gives; only modules that are loaded are looked at."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            if (alias.asname or alias.name.partition(".")[0]) == name:
                whole = alias.name if alias.asname else name
                return sys.modules.get(whole, _UNKNOWN)
        elif (alias.asname or alias.name) == name and not node.level:
            return getattr(sys.modules.get(node.module or ""), alias.name, _UNKNOWN)
    return _UNKNOWN


def _names(parameters: Iterable[ast.arg]) -> list[str]:
    return [parameter.arg for parameter in parameters]


def _own(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of a function's body, without those of functions and classes inside it."""
    pending = list(body)
    for node in pending:  # grows meanwhile
        yield node
        if not isinstance(node, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)):
            pending += ast.iter_child_nodes(node)


def _bindings(tree: _Function) -> dict[str, list[ast.AST | None]]:
    """What a function assigns to its variables; None for what an expression does not say."""
    found: dict[str, list[ast.AST | None]] = {}

    def bind(target: ast.AST, value: ast.AST | None) -> None:
        if isinstance(target, ast.Name):
            found.setdefault(target.id, []).append(value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for element in target.elts:
                bind(element, None)
        elif isinstance(target, ast.Starred):
            bind(target.value, None)
        elif isinstance(target, (ast.Attribute, ast.Subscript)):
            # What is put into a variable is a part of it.
            bind(target.value, value)

    for node in () if isinstance(tree, ast.Lambda) else _own(tree.body):
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    bind(target, value)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                bind(target, value)
            case (
                ast.AugAssign(target=target, value=value)
                | ast.NamedExpr(target=target, value=value)
            ):
                bind(target, value)
            case (
                ast.For(target=target, iter=value)
                | ast.AsyncFor(target=target, iter=value)
                | ast.comprehension(target=target, iter=value)
            ):
                # Its elements, one by one.
                bind(target, ast.Starred(value))
            case ast.withitem(optional_vars=target) if target is not None:
                bind(target, None)
            case ast.ExceptHandler(name=str(name)):
                found.setdefault(name, []).append(None)
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                for alias in names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    found.setdefault(bound, []).append(node)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.setdefault(name, []).append(node)
            case ast.ClassDef(name=name) | ast.MatchAs(name=str(name)):
                found.setdefault(name, []).append(None)
            case ast.Expr(
                value=ast.Call(
                    func=ast.Attribute(value=ast.Name(id=name), attr="append" | "extend"),
                    args=[value],
                )
            ):
                found.setdefault(name, []).append(value)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                for name in names:
                    found.setdefault(name, []).append(None)
    return found


def _functions_in(file: str) -> dict[tuple[int, str], list[_Function]]:
    linecache.checkcache(file)
    linecache.getlines(file)
    entry: Any = linecache.cache.get(file) or (0, 0)
    return _functions_of(file, entry[0], entry[1])


@lru_cache(maxsize=64)
def _functions_of(file: str, size: object, time: object) -> dict[tuple[int, str], list[_Function]]:
    """The functions and lambdas of a source file, by first line and name of their code.

    Args:
        file: its name, as code has it.
        size, time: of the version that `linecache` holds.
    """
    found: dict[tuple[int, str], list[_Function]] = {}
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (ValueError, SyntaxError, RecursionError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            found.setdefault((first, node.name), []).append(node)
        elif isinstance(node, ast.Lambda):
            # Lambdas of one line cannot be told apart: a node is held to all of them.
            found.setdefault((node.lineno, "<lambda>"), []).append(node)
    return found
