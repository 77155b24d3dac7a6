"""Follows the functions of nodes and routers to where their results lead."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Sequence
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

from lgc.compiler.destinations.frame import Frame
from lgc.compiler.destinations.function_source import (
    NAMED_FUNCTIONS,
    Function,
    bindings,
    functions_of,
    own_nodes,
)
from lgc.compiler.destinations.live_objects import (
    UNKNOWN,
    attribute_of,
    class_names,
    declared_reach,
    is_named,
    is_stdlib,
)
from lgc.compiler.destinations.node_names import command_reach, send_targets
from lgc.compiler.destinations.reach import ANYWHERE, NOWHERE, Reach, reach_of_command, union

_DEPTH: Final = 25
"""How many calls are followed into each other."""

_CALLS: Final = 10_000
"""How many calls are followed for one node or router: a library's code may branch without end."""

_MAKES_DESTINATIONS: Final = frozenset(["Command", "Send", "types"])
"""Code without source that names none of these makes no Command and no Send itself."""

_DICT_MAKERS: Final = {
    "BaseLLMOutputParser",
    "BaseLanguageModel",
    "BasePromptTemplate",
    "BaseRetriever",
    "RunnableAssign",
    "RunnableParallel",
    "RunnablePassthrough",
}
"""Runnables and models that make dicts or messages of their input."""

_MAKES_VALUES: Final = {
    *("abs", "all", "any", "bool", "dict", "dumps", "float", "format", "hash", "id", "int"),
    *("len", "print", "range", "repr", "round", "str", "sum"),
}
"""Builtins and functions of the standard library whose result holds none of their arguments."""

_PARTS_OF_RECEIVER: Final = {
    *("copy", "format", "get", "items", "join", "keys", "lower", "pop", "replace", "split"),
    *("strip", "title", "upper", "values"),
}
"""Methods of lists, dicts and strings: they return a part of their receiver, or text."""


def reach_of(runnable: Any) -> Reach:
    """Where the result of a node's `runnable`, whatever kind it is, may lead."""
    return _Follower(ANYWHERE).runnable(runnable)


def sends_of(runnable: Any) -> Reach:
    """Where the Sends of a router may lead; the strings that it returns are left out.

    A value that the router reads (of its state, of a model's answer) is taken for a string.
    """
    return _Follower(NOWHERE).runnable(runnable)


class _Follower:
    """Follows the functions of one node.

    Args:
        unknown: where a value leads that cannot be followed.
    """

    def __init__(self, unknown: Reach) -> None:
        self.unknown = unknown
        self.stack: list[object] = []
        self.calls = 0

    # -- live objects -----------------------------------------------------------------

    def runnable(self, obj: Any) -> Reach:
        """What a Runnable, as LangGraph makes one of a node, may lead to."""
        kinds = class_names(obj)
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
            if isinstance(bodies[1], partial) and bodies[1].func.__name__ == "run_in_executor":
                # LangGraph's own coroutine, which calls the function on a thread.
                del bodies[1]
            bodies = [body for body in bodies if callable(body)]
            if bodies:
                return union(self.call(body, [NOWHERE], {}) for body in bodies)
            return ANYWHERE
        finally:
            self.stack.pop()

    def _graph(self, graph: Any) -> Reach:
        """A graph leads to what its nodes send to their parent."""
        builder = getattr(graph, "builder", None)
        if builder is None:
            return ANYWHERE
        inner = union(self.runnable(spec.runnable) for spec in builder.nodes.values())
        return Reach(inner.parents, inner.parent_anywhere)

    def _tool_node(self, node: Any) -> Reach:
        reach = NOWHERE
        for wrapper in ("_wrap_tool_call", "_awrap_tool_call"):
            if getattr(node, wrapper, None) is not None:
                return ANYWHERE
        for tool in getattr(node, "tools_by_name", {}).values():
            bodies = [getattr(tool, name, None) for name in ("func", "coroutine")]
            bodies = [body for body in bodies if callable(body)] or [getattr(tool, "_run", None)]
            reach |= union(self.call(body, [], {}) for body in bodies)
        return reach

    def value(self, value: Any) -> Reach:
        """What a live value leads to when it is returned."""
        kinds = class_names(value)
        if "Command" in kinds:
            goto = value.goto if isinstance(value.goto, (list, tuple)) else [value.goto]
            ends = [getattr(end, "node", end) for end in goto]
            names = frozenset(end for end in ends if isinstance(end, str))
            return reach_of_command(names, value.graph)
        if "Send" in kinds:
            return Reach(frozenset([value.node]))
        if isinstance(value, (list, tuple)):
            return union(map(self.value, value))
        if not isinstance(value, type) and hasattr(type(value), "invoke"):
            # LangGraph calls a Runnable that a node returns.
            return self.runnable(value)
        return NOWHERE

    def call(self, callee: Any, args: list[Reach], keywords: dict[str, Reach]) -> Reach:
        """What a call of a live object may return."""
        if isinstance(callee, partial):
            args = [*map(self.value, callee.args), *args]
            stored = {key: self.value(value) for key, value in callee.keywords.items()}
            return self.call(callee.func, args, {**stored, **keywords})
        if isinstance(callee, type):
            if issubclass(callee, (list, tuple)):
                return union(args)
            # LangGraph calls a Runnable that a node returns.
            return ANYWHERE if hasattr(callee, "invoke") else NOWHERE
        owner = getattr(callee, "__self__", None)
        kinds = class_names(owner)
        if not kinds.isdisjoint(_DICT_MAKERS | {"Pregel"}):
            # Models and graphs return messages and state.
            return NOWHERE
        if "Runnable" in kinds and callee.__name__ in ("invoke", "ainvoke"):
            return self.runnable(owner)
        wrapped = getattr(callee, "__wrapped__", None)
        if wrapped is not None and not isinstance(callee, (FunctionType, MethodType)):
            return self.call(wrapped, args, keywords)
        if is_stdlib(callee):
            return NOWHERE if getattr(callee, "__name__", "") in _MAKES_VALUES else union(args)
        if isinstance(callee, (FunctionType, MethodType)):
            return self._function(callee, args, keywords)
        method = inspect.getattr_static(type(callee), "__call__", None)
        if isinstance(method, FunctionType):
            return self._function(MethodType(method, callee), args, keywords)
        return self.unknown

    def _function(self, function: Any, args: list[Reach], keywords: dict[str, Reach]) -> Reach:
        is_bound = isinstance(function, MethodType)
        unbound = function.__func__ if is_bound else function
        if not isinstance(unbound, FunctionType):
            return self.unknown
        declared = declared_reach(unbound)
        if unbound in self.stack:
            return NOWHERE
        self.calls += 1
        if len(self.stack) > _DEPTH or self.calls > _CALLS:
            return declared or ANYWHERE
        code = unbound.__code__
        trees = functions_of(code)
        if not trees:
            names = {*code.co_names, *code.co_freevars}
            if not names or (self.unknown is NOWHERE and names.isdisjoint(_MAKES_DESTINATIONS)):
                return NOWHERE
            return declared or ANYWHERE
        self.stack.append(unbound)
        try:
            reach = NOWHERE
            for tree in trees:
                frame = Frame(unbound)
                self._bind(frame, tree, [NOWHERE, *args] if is_bound else args, keywords)
                if is_bound and frame.first:
                    frame.objects[frame.first] = function.__self__
                reach |= self._returns(tree, frame)
        finally:
            self.stack.pop()
        # The destinations that a function declares are complete.
        return reach if declared is None else declared | reach._replace(anywhere=False)

    # -- source -----------------------------------------------------------------------

    def _bind(
        self, frame: Frame, tree: Function, args: list[Reach], keywords: dict[str, Reach]
    ) -> None:
        """Fills the frame of a call with where its parameters lead and what it assigns."""
        spec = tree.args
        positional = [each.arg for each in (*spec.posonlyargs, *spec.args)]
        frame.first = positional[0] if positional else ""
        # A parameter that is left out has its default, or is what LangGraph injects.
        named = [*positional, *(each.arg for each in spec.kwonlyargs)]
        frame.arguments = dict.fromkeys(named, NOWHERE)
        for name, default in zip(reversed(positional), reversed(spec.defaults), strict=False):
            frame.arguments[name] = self._expression(default, frame.outer or frame)
        frame.arguments |= dict(zip(positional, args, strict=False))
        rest = union([*args[len(positional) :], *keywords.values()])
        frame.arguments |= {k: v for k, v in keywords.items() if k in frame.arguments}
        for extra in (spec.vararg, spec.kwarg):
            if extra is not None:
                frame.arguments[extra.arg] = rest
        frame.bindings = bindings(tree)

    def _returns(self, tree: Function, frame: Frame) -> Reach:
        if isinstance(tree, ast.Lambda):
            return self._expression(tree.body, frame)
        results = (
            node.value for node in own_nodes(tree.body) if isinstance(node, (ast.Return, ast.Yield))
        )
        return union(self._expression(value, frame) for value in results if value is not None)

    def _expression(self, node: ast.AST | None, frame: Frame) -> Reach:
        """What an expression leads to when it is returned."""
        match node:
            case None | ast.Constant() | ast.JoinedStr() | ast.Dict() | ast.DictComp():
                return NOWHERE
            case ast.Set() | ast.SetComp() | ast.Compare() | ast.UnaryOp() | ast.Lambda():
                return NOWHERE
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.BoolOp(values=items):
                return union(self._expression(item, frame) for item in items)
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
                owner = frame.resolve(value)
                if isinstance(owner, (ModuleType, type)):
                    return self.value(attribute_of(owner, node.attr))
                # An attribute of an object may have another value when the node runs.
                return self._expression(value, frame) if owner is UNKNOWN else self.unknown
            case ast.Subscript(value=value):
                return self._element(value, frame)
        return self.unknown

    def _element(self, node: ast.AST, frame: Frame) -> Reach:
        """What an element of a list or a value of a dict leads to."""
        if isinstance(node, ast.Dict):
            return union(self._expression(value, frame) for value in node.values)
        if isinstance(node, ast.DictComp):
            return self._expression(node.value, frame)
        if isinstance(node, ast.Name) and node.id in frame.bindings:
            if node.id in frame.resolving:
                return NOWHERE
            frame.resolving.add(node.id)
            values = [v for v in frame.bindings[node.id] if v is not None]
            reach = union(self._element(value, frame) for value in values)
            frame.resolving.discard(node.id)
            return reach | self._name(node.id, frame)
        live = frame.resolve(node)
        if isinstance(live, (dict, list, tuple)):
            return union(map(self.value, live.values() if isinstance(live, dict) else live))
        return self._expression(node, frame)

    def _name(self, name: str, frame: Frame) -> Reach:
        if name in frame.bindings:
            if name in frame.resolving:
                return NOWHERE
            frame.resolving.add(name)
            try:
                reach = frame.arguments.get(name, NOWHERE)
                for value in frame.bindings[name]:
                    # A nested function is no Command.
                    if not isinstance(value, (*NAMED_FUNCTIONS, ast.Import, ast.ImportFrom)):
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
        live = frame.resolve(ast.Name(name))
        return self.unknown if live is UNKNOWN else self.value(live)

    def _call(self, node: ast.Call, frame: Frame) -> Reach:
        callee = node.func
        live = frame.resolve(callee)
        if isinstance(live, type):
            if is_named(live, "Command"):
                return command_reach(node, frame) if live.__name__ == "Command" else ANYWHERE
            if is_named(live, "Send"):
                return reach_of_command(send_targets(node, frame), None)
        if isinstance(callee, ast.Name) and live is UNKNOWN:
            nested = self._nested(callee.id, frame)
            if nested is not None:
                return nested
        args = [self._expression(arg, frame) for arg in node.args]
        keywords = {k.arg or "**": self._expression(k.value, frame) for k in node.keywords}
        if live is not UNKNOWN and not is_stdlib(live):
            return self.call(live, args, keywords)
        passed = (*node.args, *(keyword.value for keyword in node.keywords))
        functions = [each for each in passed if self._is_function(each, frame)]
        if getattr(live, "__name__", "") == "to_thread" and node.args:
            if node.args[0] in functions:
                return self._result_of(node.args[0], args[1:], keywords, frame)
            return self.unknown | union(args)
        if live is not UNKNOWN:
            return (
                self._results_of(functions, frame) if functions else self.call(live, args, keywords)
            )
        if isinstance(callee, ast.Subscript):
            table = frame.resolve(callee.value)
            if isinstance(table, (dict, list, tuple)):
                chosen: Iterable[Any] = table.values() if isinstance(table, dict) else table
                return union(self.call(function, args, keywords) for function in chosen)
        if isinstance(callee, ast.Attribute):
            given = union([*args, *keywords.values()])
            return self._method(callee, given, functions, frame)
        return self.unknown

    def _is_function(self, node: ast.AST, frame: Frame) -> bool:
        """Whether an argument is a function, which the callee may call for its result."""
        live = frame.resolve(node)
        if live is UNKNOWN:
            is_nested = isinstance(node, ast.Name) and _nested_trees(node.id, frame)[1]
            return isinstance(node, ast.Lambda) or bool(is_nested)
        return callable(live) and not isinstance(live, type)

    def _result_of(
        self, function: ast.AST, args: list[Reach], keywords: dict[str, Reach], frame: Frame
    ) -> Reach:
        """What an argument that is a function may return."""
        if isinstance(function, ast.Lambda):
            return self._inner(function, frame)
        live = frame.resolve(function)
        if live is UNKNOWN and isinstance(function, ast.Name):
            return self._nested(function.id, frame) or NOWHERE
        return self.call(live, args, keywords)

    def _results_of(self, functions: Sequence[ast.AST], frame: Frame) -> Reach:
        """What somebody may return who is given functions."""
        if self.unknown == ANYWHERE:
            return ANYWHERE
        return self.unknown | union(self._result_of(each, [], {}, frame) for each in functions)

    def _method(
        self, callee: ast.Attribute, args: Reach, functions: Sequence[ast.AST], frame: Frame
    ) -> Reach:
        """The call of a method of an object that is not known live.

        Args:
            callee: the method.
            args: where its arguments lead.
            functions: those of them that are functions.
            frame: the call it is made in.
        """
        receiver = callee.value
        if isinstance(receiver, ast.Name) and frame.is_state(receiver.id):
            return args
        if callee.attr in _PARTS_OF_RECEIVER:
            return self._element(receiver, frame) | args
        if self.unknown == ANYWHERE:
            return ANYWHERE
        return self._expression(receiver, frame) | args | self._results_of(functions, frame)

    def _nested(self, name: str, frame: Frame) -> Reach | None:
        """The call of a function defined in one that is followed; None when there is none."""
        home, trees = _nested_trees(name, frame)
        if not trees:
            return None
        if any(tree in self.stack for tree in trees):
            return NOWHERE
        return union(self._inner(tree, home) for tree in trees)

    def _inner(self, tree: Function, frame: Frame) -> Reach:
        """What a function defined in one that is followed may return, whatever it is given."""
        self.calls += 1
        if len(self.stack) > _DEPTH or self.calls > _CALLS:
            return ANYWHERE
        inner = Frame(None, frame)
        self._bind(inner, tree, [], {})
        inner.arguments = dict.fromkeys(inner.arguments, self.unknown)
        self.stack.append(tree)
        try:
            return self._returns(tree, inner)
        finally:
            self.stack.pop()


def _nested_trees(name: str, frame: Frame) -> tuple[Frame, list[Function]]:
    """The functions that a name means which are defined in one that is followed, and in which."""
    home: Frame | None = frame
    while home is not None and name not in home.bindings:
        home = home.outer
    trees = [] if home is None else home.bindings[name]
    functions: list[Function] = [tree for tree in trees if isinstance(tree, NAMED_FUNCTIONS)]
    return home or frame, functions if len(functions) == len(trees) else []
